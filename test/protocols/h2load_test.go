package protocols

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"blastdoor.io/test/expect"
	"blastdoor.io/test/peers"
)

const loadRequests = 4000

// h2load loses no stream: GETs and POSTs, many at a time on many connections.
func TestH2load(t *testing.T) {
	program := peers.Installed(t, "h2load", "nghttp2-client")
	server := peers.Installed(t, "nghttpd", "nghttp2-server")
	w := newWorld(t)
	plain := peers.StartGoServer(t, peers.Speech{}, "go", newAddress(), peers.Issued{})
	hosts := map[string]string{"h1": expect.NewHost("h2load-h1"), "h2c": expect.NewHost("h2load-h2c")}
	w.add(app{Host: hosts["h1"], Address: plain.Address})
	files, address := t.TempDir(), newAddress()
	content, _ := io.ReadAll(peers.Content(20_000))
	for _, name := range []string{"index.html", "body"} {
		if err := os.WriteFile(filepath.Join(files, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ip, digits, _ := net.SplitHostPort(address)
	peers.Serve(t, address, server, "-a", ip, "-d", files, "--echo-upload", "--no-tls", digits)
	w.add(app{Host: hosts["h2c"], Address: address, Speech: peers.Speech{HTTP2: true}})
	w.start()
	w.awaitServed(hosts["h1"])
	post := []string{"-d", filepath.Join(files, "body")}
	for _, down := range []peers.Speech{{TLS: true, HTTP2: true}, {HTTP2: true}} {
		for _, up := range []string{"h1", "h2c"} {
			for method, arguments := range map[string][]string{"GET": nil, "POST": post} {
				t.Run(fmt.Sprintf("%v to %s, %s", down, up, method), func(t *testing.T) {
					argv := append([]string{program, "-n", fmt.Sprint(loadRequests), "-c", "20", "-m", "20",
						fmt.Sprintf("--connect-to=127.0.0.1:%d", port(down))}, arguments...)
					result := peers.Run(t, time.Minute, append(argv, down.Scheme()+"://"+hosts[up]+"/")...)
					checkH2load(t, result)
				})
			}
		}
	}
}

func checkH2load(t *testing.T, result peers.Result) {
	t.Helper()
	want := fmt.Sprintf(`requests: %[1]d total, %[1]d started, %[1]d done, %[1]d succeeded, 0 failed, 0 errored, 0 timeout`, loadRequests)
	if !regexp.MustCompile(want).MatchString(result.Stdout) {
		t.Errorf("not all succeeded: %v", result)
	}
	if !regexp.MustCompile(fmt.Sprintf(`status codes: %d 2xx, 0 3xx, 0 4xx, 0 5xx`, loadRequests)).MatchString(result.Stdout) {
		t.Errorf("not all were 2xx: %v", result)
	}
	rate := regexp.MustCompile(`finished in .*`).FindString(result.Stdout)
	t.Log(rate)
}
