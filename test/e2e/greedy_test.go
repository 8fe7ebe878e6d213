package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"blastdoor.io/test/echo"
	"blastdoor.io/test/load"
	"blastdoor.io/test/process"
)

const (
	slowReaders = 200
	slowUploads = 100
	greedyHost  = "greedy.example.com"
	// What the re-executed test binary is to be: "pod ADDRESS" or "flood PORT".
	greedyVariable = "BLASTDOOR_TEST_GREEDY"
)

// greedyMainIfAsked turns the process into an upstream, or into clients, of large bodies that nobody takes, if it
// was started as one by a test.
func greedyMainIfAsked() {
	what, argument, found := strings.Cut(os.Getenv(greedyVariable), " ")
	if !found {
		return
	}
	if what == "flood" {
		new(flood).run(argument)
	}
	listener, err := net.Listen("tcp", argument)
	if err == nil {
		err = serveGreedily(listener)
	}
	fmt.Fprintln(os.Stderr, "greedy:", err)
	os.Exit(1)
}

// greedy starts one of the two. Each stands for machines elsewhere, as load.Flood does.
func greedy(t *testing.T, what string) *process.Process {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	one := &process.Process{
		Name: "greedy " + what, Log: filepath.Join(t.TempDir(), "greedy.log"),
		Argv: []string{"nice", "-n", fmt.Sprint(load.FloodNice), program},
		Env:  []string{greedyVariable + "=" + what},
	}
	if err := one.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { one.Signal(syscall.SIGKILL) })
	return one
}

// greedyPod answers GET with a body that does not end, and never reads the body of a POST.
func greedyPod(t *testing.T) (address string) {
	t.Helper()
	address = fmt.Sprintf("127.0.1.%d", loopback.Add(1))
	endpoint := fmt.Sprintf("%s:%d", address, echo.Port)
	greedy(t, "pod "+endpoint)
	echo.AwaitListener(t, endpoint)
	return address
}

func serveGreedily(listener net.Listener) error {
	block := make([]byte, 64<<10)
	return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			<-r.Context().Done()
			return
		}
		if r.URL.Path == "/small" {
			_, _ = w.Write(block[:100])
			return
		}
		for {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}))
}

// flood holds connections that take, or give, as much as the door holds for them, and opens a new
// one for each that ends.
type flood struct {
	address string
	opened  atomic.Int64
	refused atomic.Int64 // told so by a 503
}

// startFlood starts one against a port. It ends when it is killed.
func startFlood(t *testing.T, port int) *process.Process {
	t.Helper()
	return greedy(t, fmt.Sprintf("flood %d", port))
}

// floodCounts are those that a flood has printed last.
func floodCounts(t *testing.T, flood *process.Process) (opened, refused int64) {
	t.Helper()
	lines := strings.Split(flood.Output(), "\n") // the last is empty or being written
	if _, err := fmt.Sscanf(lines[max(0, len(lines)-2)], "opened %d refused %d", &opened, &refused); err != nil {
		t.Errorf("what the flood printed: %q: %v", lines, err)
	}
	return opened, refused
}

func (f *flood) run(port string) {
	f.address = "127.0.0.1:" + port
	get := fmt.Sprintf("GET /big HTTP/1.1\r\nHost: %s\r\n\r\n", greedyHost)
	post := fmt.Sprintf("POST /big HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000000000\r\n\r\n", greedyHost)
	body := make([]byte, 8<<20)
	for n := range slowReaders + slowUploads {
		go func() {
			for range time.Tick(100 * time.Millisecond) {
				if n < slowReaders {
					f.once(get, nil)
				} else {
					f.once(post, body)
				}
			}
		}()
	}
	for range time.Tick(100 * time.Millisecond) {
		fmt.Printf("opened %d refused %d\n", f.opened.Load(), f.refused.Load())
	}
}

// once holds one connection until the door ends it.
func (f *flood) once(head string, body []byte) {
	conn, err := net.DialTimeout("tcp", f.address, time.Second)
	if err != nil {
		return
	}
	defer conn.Close()
	f.opened.Add(1)
	if _, err := io.WriteString(conn, head); err != nil {
		return
	}
	go func() { _, _ = conn.Write(body) }()
	// A little now and then, so that the end is noticed and little is taken.
	buffer := make([]byte, 1024)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		n, err := conn.Read(buffer)
		if strings.HasPrefix(string(buffer[:n]), "HTTP/1.1 503") {
			f.refused.Add(1)
			return
		}
		if err != nil {
			return
		}
		<-ticker.C
	}
}
