package e2e

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/echo"
	"blastdoor.io/test/expect"
	"blastdoor.io/test/load"
	"blastdoor.io/test/manifest"
	"blastdoor.io/test/poll"
)

// fourDoors is a folder with one app that every exposure serves under a host of its own.
func fourDoors(t *testing.T) (f folder, hostOf map[string]string) {
	t.Helper()
	f = newFolder(t)
	address := localPod(t, "local-a")
	text := manifest.App("shop", "web", echo.Port, address)
	hostOf = map[string]string{}
	for _, exposure := range blastdoor.Exposures {
		hostOf[exposure] = expect.NewHost(exposure)
		text += manifest.Ingress{Namespace: "shop", Name: exposure, Expose: exposure, Service: "web", Host: hostOf[exposure]}.YAML()
	}
	f.write("apps.yaml", text)
	return f, hostOf
}

// listeners are the inodes of the sockets that listen on a port: they tell whether a door that
// answers again does so on the same sockets.
func listeners(t *testing.T, port int) []string {
	t.Helper()
	var inodes []string
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue // no IPv6 here
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if len(fields) > 9 && fields[3] == "0A" && strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
				inodes = append(inodes, fields[9])
			}
		}
	}
	slices.Sort(inodes)
	return inodes
}

// A door killed with -9 is back on the same sockets with its last snapshot, though the controller
// is stopped and cannot help, and the other doors lose nothing.
func TestDoorKilled(t *testing.T) {
	f, hostOf := fourDoors(t)
	b := f.start(blastdoor.Options{})
	others := []*load.Load{}
	for port, exposure := range blastdoor.Exposures {
		if exposure != "internal-http" {
			others = append(others, load.Start(t, load.Options{Port: port, Next: load.Host(hostOf[exposure])}))
		}
	}
	before := listeners(t, blastdoor.InternalHTTP)
	if len(before) == 0 {
		t.Fatal("nothing listens")
	}
	controller := b.Controller()
	if err := syscall.Kill(controller, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(controller, syscall.SIGCONT) }()

	for range 3 { // fewer than the five that would put the snapshot aside
		killed := b.Door("internal-http")
		b.KillDoor("internal-http")
		took := poll.Eventually(t, expect.Live, "answers again",
			blastdoor.Expect(blastdoor.InternalHTTP, hostOf["internal-http"], "/", 200, "local-a"))
		t.Logf("kill -9 to first answer: %v", took.Round(time.Millisecond))
		if b.Door("internal-http") == killed {
			t.Fatal("that was no kill")
		}
	}
	if after := listeners(t, blastdoor.InternalHTTP); !slices.Equal(before, after) {
		t.Errorf("other sockets: %v, were %v", after, before)
	}
	for _, other := range others {
		other.MustBeClean("another door")
	}
}

// A controller killed with -9 interrupts nobody; it comes back and takes changes again.
func TestControllerKilled(t *testing.T) {
	f, hostOf := fourDoors(t)
	b := f.start(blastdoor.Options{})
	var all []*load.Load
	for port, exposure := range blastdoor.Exposures {
		all = append(all, load.Start(t, load.Options{Port: port, Next: load.Host(hostOf[exposure])}))
	}
	killed := b.Controller()
	b.KillController()
	if err := blastdoor.Readyz(); err != nil {
		t.Errorf("not ready without a controller: %v", err)
	}
	if b.Controller() == killed {
		t.Fatal("that was no kill")
	}
	host := expect.NewHost("after")
	f.write("more.yaml", manifest.Ingress{Namespace: "shop", Name: "after", Expose: "external-http", Service: "web", Host: host}.YAML())
	expect.ServedOnlyOn(t, expect.Soon, blastdoor.ExternalHTTP, host, "local-a")
	for _, one := range all {
		one.MustBeClean("a door")
	}
}

// slowRequest sends a request that the upstream answers late, and returns once it is there.
func slowRequest(t *testing.T, port int, host string, delay time.Duration) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	path := fmt.Sprintf("/?chunks=1&trickle=%s", delay)
	reached := make(chan struct{})
	go func() {
		done <- load.Watched(port, host, path, func() { close(reached) })
	}()
	select {
	case <-reached: // the head of the answer has come, the body is to come
	case err := <-done:
		t.Fatalf("the slow request: %v", err)
	case <-time.After(poll.Slow(expect.Soon)):
		t.Fatal("the slow request has no head")
	}
	return done
}

// SIGTERM drains: what is in flight is finished. A second signal ends all at once.
func TestTerminateDrains(t *testing.T) {
	f, hostOf := fourDoors(t)
	b := f.start(blastdoor.Options{})
	slow := slowRequest(t, blastdoor.InternalHTTP, hostOf["internal-http"], 1500*time.Millisecond)
	b.Signal(syscall.SIGTERM)
	poll.Eventually(t, 5*time.Second, "it says that it drains", func() error {
		answer, err := blastdoor.Get(blastdoor.InternalHTTP, "elb", "/-/healthz")
		if err == nil && answer.Status == http.StatusOK {
			return fmt.Errorf("healthy still")
		}
		return nil // 503, or it listens no more
	})
	if err := <-slow; err != nil {
		t.Errorf("the request in flight: %v", err)
	}
	b.Signal(syscall.SIGTERM)
	b.Wait(t, 3*time.Second)
}

// A second signal does not wait for what is in flight.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	f, hostOf := fourDoors(t)
	b := f.start(blastdoor.Options{})
	slow := slowRequest(t, blastdoor.ExternalHTTP, hostOf["external-http"], 20*time.Second)
	b.Signal(syscall.SIGTERM)
	poll.Eventually(t, 5*time.Second, "it drains", func() error {
		if blastdoor.Readyz() == nil {
			return fmt.Errorf("ready still")
		}
		return nil
	})
	b.Signal(syscall.SIGTERM)
	b.Wait(t, 3*time.Second)
	if err := <-slow; err == nil {
		t.Error("the request in flight was finished: that was no quick end")
	}
}

// Ctrl-C drains for a second: a person waits.
func TestInterruptIsQuick(t *testing.T) {
	f, hostOf := fourDoors(t)
	b := f.start(blastdoor.Options{})
	slow := slowRequest(t, blastdoor.InternalHTTP, hostOf["internal-http"], 300*time.Millisecond)
	b.Signal(syscall.SIGINT)
	b.Wait(t, 5*time.Second)
	if err := <-slow; err != nil {
		t.Errorf("the request in flight: %v", err)
	}
}

// --exposures narrows what is served: one port listens and the others do not.
func TestOneExposure(t *testing.T) {
	f, hostOf := fourDoors(t)
	f.start(blastdoor.Options{Exposures: []string{"internal-httpsecure"}})
	host := hostOf["internal-httpsecure"]
	poll.Eventually(t, expect.Soon, "served", blastdoor.Expect(blastdoor.InternalHTTPS, host, "/", 200, "local-a"))
	for port, exposure := range blastdoor.Exposures {
		if exposure != "internal-httpsecure" && len(listeners(t, port)) > 0 {
			t.Errorf("%s listens", exposure)
		}
	}
	if err := blastdoor.Expect(blastdoor.InternalHTTPS, hostOf["internal-http"], "/", 404, "")(); err != nil {
		t.Errorf("another exposure's host: %v", err)
	}
}

// A second Blastdoor on the same ports is an error, and takes no connection from the first.
func TestSecondBlastdoorIsRefused(t *testing.T) {
	f, hostOf := fourDoors(t)
	f.start(blastdoor.Options{})
	traffic := load.Start(t, load.Options{Port: blastdoor.InternalHTTP, Next: load.Host(hostOf["internal-http"])})
	second := f.start(blastdoor.Options{NotReady: true})
	if code := second.Wait(t, expect.Soon); code <= 0 {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(second.Output(), "10000") {
		t.Errorf("it does not name the port:\n%s", second.Tail(10))
	}
	traffic.MustBeClean("the first")
}
