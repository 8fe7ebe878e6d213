// Package differential puts Blastdoor in front of real servers and proxies, each with a parser of its
// own, and compares what they say that they got with what was forwarded.
package differential

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"blastdoor.io/test/echo"
	"blastdoor.io/test/process"
	"blastdoor.io/test/vectors"
)

// Logged is a request as an origin logged it.
type Logged struct {
	Probe     string `json:"probe"`
	RequestID string `json:"id"`
	Line      string `json:"line"` // method and target
	Status    string `json:"status"`
}

// Origin is a real server.
type Origin struct {
	Name    string
	Program string
	Start   func(t *testing.T, path string) (port int, finish func() []Logged)
}

// Origins are those of Debian's packages nginx-light, apache2-bin, haproxy and nodejs.
var Origins = []Origin{
	{"nginx", "nginx", startNginx},
	{"apache", "apache2", startApache},
	{"haproxy", "haproxy", startHAProxy},
	{"node", "node", startNode},
}

// find is the path of a program; servers stand where not every user's path leads.
func find(program string) (string, error) {
	for _, folder := range []string{"/usr/sbin", "/usr/local/sbin"} {
		if path, err := exec.LookPath(filepath.Join(folder, program)); err == nil {
			return path, nil
		}
	}
	return exec.LookPath(program)
}

// freePort is a port of loopback that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// launch starts a server and waits for it. It is told to stop by the returned function, which
// returns when it has, and with that has written all of its log.
func launch(t *testing.T, dir string, port int, stop syscall.Signal, argv ...string) func() {
	t.Helper()
	p := &process.Process{Name: argv[0], Argv: argv, Log: filepath.Join(dir, "output")}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Signal(syscall.SIGKILL)
		if t.Failed() {
			t.Logf("%s says:\n%s", argv[0], p.Tail(20))
		}
	})
	echo.AwaitListener(t, fmt.Sprintf("127.0.0.1:%d", port))
	return func() {
		t.Helper()
		p.Signal(stop)
		p.Wait(t, 20*time.Second)
	}
}

// readLog reads lines of JSON.
func readLog(t *testing.T, path string) (all []Logged) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var one Logged
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			t.Fatalf("%v: %.300q", err, lines.Text())
		}
		one.Line = strings.TrimSuffix(one.Line, " HTTP/1.1")
		if one.Probe == "-" {
			one.Probe = ""
		}
		all = append(all, one)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// nginx reads whole requests, and asks itself for the answer: what `return` answers, it answers
// before it has a body.
func startNginx(t *testing.T, path string) (int, func() []Logged) {
	dir, port, inner := t.TempDir(), freePort(t), freePort(t)
	log := filepath.Join(dir, "access.log")
	config := write(t, filepath.Join(dir, "nginx.conf"), strings.NewReplacer("DIR", dir, "PORT", fmt.Sprint(port), "INNER", fmt.Sprint(inner)).Replace(`
daemon off;
worker_processes 1;
pid DIR/pid;
error_log DIR/error.log;
events {}
http {
  log_format vectors escape=json '{"probe":"$http_x_probe","id":"$http_x_request_id","line":"$request","status":"$status"}';
  access_log off;
  client_body_temp_path DIR/body;
  proxy_temp_path DIR/proxy;
  fastcgi_temp_path DIR/fastcgi;
  uwsgi_temp_path DIR/uwsgi;
  scgi_temp_path DIR/scgi;
  large_client_header_buffers 8 80k;
  client_max_body_size 0;
  client_body_buffer_size 256k; # no temporary files: the worker is somebody else than who made the folder
  server {
    listen 127.0.0.1:PORT;
    access_log DIR/access.log vectors;
    location / { proxy_pass http://127.0.0.1:INNER/ok; }
  }
  server {
    listen 127.0.0.1:INNER;
    location / { return 200 "ok"; }
  }
}
`))
	stop := launch(t, dir, port, syscall.SIGQUIT, path, "-p", dir, "-c", config)
	return port, func() []Logged { stop(); return readLog(t, log) }
}

func startApache(t *testing.T, path string) (int, func() []Logged) {
	dir, port := t.TempDir(), freePort(t)
	log := filepath.Join(dir, "access.log")
	config := write(t, filepath.Join(dir, "apache.conf"), strings.NewReplacer("DIR", dir, "PORT", fmt.Sprint(port)).Replace(`
ServerRoot DIR
ServerName localhost
PidFile DIR/pid
ErrorLog DIR/error.log
Listen 127.0.0.1:PORT
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LimitRequestLine 20000
LimitRequestFieldSize 80000
LimitRequestFields 200
DocumentRoot DIR/empty
LogFormat "{\"probe\":\"%{X-Probe}i\",\"id\":\"%{X-Request-Id}i\",\"line\":\"%r\",\"status\":\"%>s\"}" vectors
CustomLog DIR/access.log vectors
`))
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	stop := launch(t, dir, port, syscall.SIGWINCH, path, "-DFOREGROUND", "-f", config)
	return port, func() []Logged { stop(); return readLog(t, log) }
}

// haproxy is a proxy: what it got is what comes out behind it.
func startHAProxy(t *testing.T, path string) (int, func() []Logged) {
	behind := vectors.StartOrigin(t, "127.0.0.1:0", vectors.Legal)
	dir, port := t.TempDir(), freePort(t)
	config := write(t, filepath.Join(dir, "haproxy.cfg"), strings.NewReplacer("PORT", fmt.Sprint(port), "BEHIND", fmt.Sprint(behind.Port())).Replace(`
global
  tune.bufsize 131072
  tune.maxrewrite 1024
  tune.http.maxhdr 200
defaults
  mode http
  timeout client 20s
  timeout server 20s
  timeout connect 5s
  timeout http-keep-alive 20s
frontend vectors
  bind 127.0.0.1:PORT
  default_backend capture
backend capture
  server capture 127.0.0.1:BEHIND
`))
	stop := launch(t, dir, port, syscall.SIGTERM, path, "-db", "-f", config)
	return port, func() []Logged {
		stop()
		seen, crimes := behind.Finish()
		for _, crime := range crimes {
			t.Errorf("behind haproxy: %s", crime)
		}
		var all []Logged
		for _, requests := range seen {
			for _, one := range requests {
				id, _ := one.Get("X-Request-Id")
				status := "200"
				if !one.Ended {
					status = "cut short"
				}
				all = append(all, Logged{one.Probe, id, strings.TrimSuffix(one.Line, " HTTP/1.1"), status})
			}
		}
		return all
	}
}

const nodeScript = `
const http = require("http"), fs = require("fs");
const [port, path] = process.argv.slice(2);
const log = fs.openSync(path, "a");
const say = (line) => fs.writeSync(log, JSON.stringify(line) + "\n");
const server = http.createServer({ maxHeaderSize: 100000 }, (request, response) => {
  const line = {
    probe: request.headers["x-probe"] || "", id: request.headers["x-request-id"] || "",
    line: request.method + " " + request.url, status: "200",
  };
  request.on("data", () => {});
  request.on("end", () => { say(line); response.end("ok"); });
  request.on("error", () => say({ ...line, status: "cut short" }));
});
server.maxHeadersCount = 200;
server.on("checkContinue", (request, response) => server.emit("request", request, response));
server.on("clientError", (error, socket) => {
  // A message without its end is none that was refused for what it says.
  const cut = ["ECONNRESET", "HPE_INVALID_EOF_STATE"].includes(error.code);
  if (!cut) say({ probe: "", id: "", line: String(error.code), status: "400" });
  socket.end("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
});
server.listen(Number(port), "127.0.0.1");
process.on("SIGTERM", () => { server.closeAllConnections(); server.close(() => process.exit(0)); });
`

func startNode(t *testing.T, path string) (int, func() []Logged) {
	dir, port := t.TempDir(), freePort(t)
	log := write(t, filepath.Join(dir, "access.log"), "")
	script := write(t, filepath.Join(dir, "origin.js"), nodeScript)
	stop := launch(t, dir, port, syscall.SIGTERM, path, script, fmt.Sprint(port), log)
	return port, func() []Logged { stop(); return readLog(t, log) }
}
