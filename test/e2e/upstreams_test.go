package e2e

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/echo"
	"blastdoor.io/test/expect"
	"blastdoor.io/test/load"
	"blastdoor.io/test/manifest"
	"blastdoor.io/test/poll"
	"blastdoor.io/test/process"
)

// killable starts a pod as a process of its own.
func killable(t *testing.T, name, address string) *process.Process {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	endpoint := fmt.Sprintf("%s:%d", address, echo.Port)
	pod := &process.Process{
		Name: name,
		Argv: []string{program},
		Env:  []string{echo.Environment(name, endpoint)},
		Log:  filepath.Join(t.TempDir(), name+".log"),
	}
	if err := pod.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pod.Signal(syscall.SIGKILL) })
	echo.AwaitListener(t, endpoint)
	return pod
}

// demoPod starts a pod that needs little of the processors: Blastdoor's own demo upstream, as a process with
// that much of niceness.
func demoPod(t *testing.T, name string, nice int) (address string) {
	t.Helper()
	address = fmt.Sprintf("127.0.1.%d", loopback.Add(1))
	endpoint := fmt.Sprintf("%s:%d", address, echo.Port)
	pod := &process.Process{
		Name: name, Log: filepath.Join(t.TempDir(), name+".log"),
		Argv: []string{"nice", "-n", fmt.Sprint(nice), blastdoor.Binary(t), "echo", "--listen", endpoint, "--name", name},
	}
	if err := pod.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pod.Signal(syscall.SIGKILL) })
	echo.AwaitListener(t, endpoint)
	return address
}

// serve routes a new host of the internal https exposure to the addresses.
func serve(t *testing.T, addresses ...string) (port int, host string) {
	t.Helper()
	f := newFolder(t)
	port, host = 10001, expect.NewHost("pods")
	f.write("apps.yaml", manifest.App("shop", "web", echo.Port, addresses...)+
		manifest.Ingress{Namespace: "shop", Name: "web", Expose: "internal-httpsecure", Service: "web", Host: host}.YAML())
	f.start(blastdoor.Options{})
	poll.Eventually(t, expect.Soon, "the host is served", blastdoor.Expect(port, host, "/", 200, ""))
	return port, host
}

// A pod that is killed in the middle of requests costs no client anything: what was not answered
// is asked again elsewhere. BLASTDOOR_KILLS=300 kills as often; the default is 6.
func TestUpstreamsKilled(t *testing.T) {
	kills := 6
	if text := os.Getenv("BLASTDOOR_KILLS"); text != "" {
		if _, err := fmt.Sscan(text, &kills); err != nil {
			t.Fatal(err)
		}
	}
	addresses := []string{"127.0.2.1", "127.0.2.2", "127.0.2.3"}
	pods := make([]*process.Process, len(addresses))
	for i, address := range addresses {
		pods[i] = killable(t, fmt.Sprintf("pod-%d", i), address)
	}
	port, host := serve(t, addresses...)
	requests := load.Start(t, load.Options{
		Port:    port,
		Workers: 16,
		Next:    func(_, n int) (string, string) { return host, fmt.Sprintf("/?delay=%dms", n%20) },
	})
	for i := range kills {
		sent := requests.Sent()
		poll.Eventually(t, expect.Soon, "some load between two kills", func() error {
			if requests.Sent() < sent+200 {
				return fmt.Errorf("%d requests", requests.Sent()-sent)
			}
			return nil
		})
		victim := i % len(pods)
		pods[victim].Signal(syscall.SIGKILL)
		pods[victim].Wait(t, expect.Soon)
		pods[victim] = killable(t, fmt.Sprintf("pod-%d", victim), addresses[victim])
	}
	requests.MustBeClean(fmt.Sprintf("%d kills of one of three pods", kills))
}

// An application that closes its idle connections when it likes never turns that into an error of
// a client, also if it does so just as a request arrives.
func TestUpstreamClosesIdleConnections(t *testing.T) {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.2.9:%d", echo.Port))
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }),
		ConnState: func(c net.Conn, state http.ConnState) {
			if state == http.StateIdle && rand.IntN(3) == 0 {
				go func() {
					wait := time.NewTimer(time.Duration(rand.IntN(3000)) * time.Microsecond)
					defer wait.Stop()
					select {
					case <-wait.C:
						_ = c.Close()
					case <-closed:
					}
				}()
			}
		},
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() {
		close(closed)
		_ = server.Close()
	})
	port, host := serve(t, "127.0.2.9")
	requests := load.Start(t, load.Options{Port: port, Workers: 8, Every: time.Millisecond, Next: load.Host(host)})
	poll.Eventually(t, 60*time.Second, "enough requests", func() error {
		if requests.Sent() < 5000 {
			return fmt.Errorf("%d requests", requests.Sent())
		}
		return nil
	})
	requests.MustBeClean("connections closed at random")
}
