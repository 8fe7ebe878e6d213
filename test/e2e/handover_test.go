package e2e

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/expect"
	"blastdoor.io/test/load"
	"blastdoor.io/test/manifest"
	"blastdoor.io/test/poll"
)

// handingOver are options with the name under which all of this file hand over their sockets.
func handingOver(options blastdoor.Options) blastdoor.Options {
	options.Args = append(options.Args, "--handover", "e2e")
	return options
}

// newcomer starts a second process tree on the ports of the first.
func newcomer(f folder) *blastdoor.Blastdoor {
	f.t.Helper()
	return f.start(handingOver(blastdoor.Options{NotReady: true}))
}

// says waits until the log of one has a text.
func says(t *testing.T, b *blastdoor.Blastdoor, text string) {
	t.Helper()
	poll.Eventually(t, 20*time.Second, "it says "+text, func() error {
		if !strings.Contains(b.Output(), text) {
			return fmt.Errorf("it does not:\n%s", b.Tail(10))
		}
		return nil
	})
}

// takenOver waits until a newcomer has everything, its own ports too.
func takenOver(t *testing.T, b *blastdoor.Blastdoor) {
	t.Helper()
	says(t, b, "hand-over: done")
	b.AwaitReady()
	poll.Eventually(t, 10*time.Second, "its admin API answers", func() error {
		_, err := b.Findings("none")
		return err
	})
}

// everyDoorLoaded loads all doors over kept connections, and one over new ones.
func everyDoorLoaded(t *testing.T, hostOf map[string]string) (mustBeClean func()) {
	t.Helper()
	connections := startCrowd(t, blastdoor.ExternalHTTP, hostOf["external-http"])
	var kept []*load.Load
	for port, exposure := range blastdoor.Exposures {
		kept = append(kept, load.Start(t, load.Options{Port: port, Next: load.Host(hostOf[exposure])}))
	}
	return func() {
		t.Helper()
		connections.mustBeClean()
		for _, one := range kept {
			one.MustBeClean("kept connections")
		}
	}
}

// One process tree after the other takes over under load: no connection is refused or reset, no
// request lost. The old one stays, idle, until it is told to end.
func TestHandover(t *testing.T) {
	f, hostOf := fourDoors(t)
	b := f.start(handingOver(blastdoor.Options{}))
	sockets := listeners(t, blastdoor.ExternalHTTP)
	mustBeClean := everyDoorLoaded(t, hostOf)
	for round := range handovers(t) {
		slow := slowRequest(t, blastdoor.InternalHTTP, hostOf["internal-http"], 300*time.Millisecond)
		start := time.Now()
		next := newcomer(f)
		takenOver(t, next)
		t.Logf("hand-over %d took %v", round+1, time.Since(start).Round(time.Millisecond))
		if err := <-slow; err != nil {
			t.Errorf("the request that began before hand-over %d: %v", round+1, err)
		}
		if !b.Alive() {
			t.Fatalf("the old one has ended by itself:\n%s", b.Tail(20))
		}
		b.Signal(syscall.SIGTERM)
		if code := b.Wait(t, 20*time.Second); code != 0 {
			t.Errorf("the old one ended with %d", code)
		}
		b = next
	}
	mustBeClean()
	if after := listeners(t, blastdoor.ExternalHTTP); fmt.Sprint(after) != fmt.Sprint(sockets) {
		t.Errorf("other sockets: %v, were %v", after, sockets)
	}
	// The new controller hears of changes, and what it says reaches the new doors.
	host := expect.NewHost("after")
	f.write("more.yaml", manifest.Ingress{Namespace: "shop", Name: "after", Expose: "external-http", Service: "web", Host: host}.YAML())
	expect.ServedOnlyOn(t, expect.Soon, blastdoor.ExternalHTTP, host, "local-a")
}

// Whoever may not have the sockets does not get them, and both logs say why. The old one serves on.
func TestHandoverIsRefused(t *testing.T) {
	f, hostOf := fourDoors(t)
	b := f.start(handingOver(blastdoor.Options{}))
	mustBeClean := everyDoorLoaded(t, hostOf)
	t.Run("with other doors", func(t *testing.T) {
		other := folder{t, f.path}.start(handingOver(blastdoor.Options{NotReady: true, Exposures: []string{"internal-http"}}))
		refused(t, b, other, "its doors are others: only the running one has the listener main of external-http")
	})
	t.Run("of another user", func(t *testing.T) {
		if os.Getuid() != 0 {
			t.Skip("only root can start a process of another user")
		}
		options := blastdoor.Options{NotReady: true, Binary: asNobody(t)}
		other := folder{t, f.path}.start(handingOver(options))
		if code := other.Wait(t, 10*time.Second); code != 1 {
			t.Errorf("it ended with %d", code)
		}
		says(t, other, "hand-over: refused: the name is taken by user 0, and this one's is 65534")
		says(t, other, "another process listens there")
		says(t, b, "its user is 65534, and this one's 0")
	})
	if err := blastdoor.Readyz(); err != nil {
		t.Error(err)
	}
	takenOver(t, newcomer(f)) // one that may
	mustBeClean()
}

func refused(t *testing.T, b, other *blastdoor.Blastdoor, why string) {
	t.Helper()
	if code := other.Wait(t, 10*time.Second); code != 1 {
		t.Errorf("it ended with %d", code)
	}
	says(t, other, "hand-over: refused: "+why)
	says(t, other, "another process listens there")
	says(t, b, "hand-over: refused: "+why)
}

// asNobody is a program that starts the binary under test as another user.
func asNobody(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	install(t, blastdoor.Binary(t), filepath.Join(dir, "blastdoor"))
	script := filepath.Join(dir, "as-nobody")
	text := "#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups " + dir + "/blastdoor \"$@\"\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return script
}

// A newcomer that never gets ready answers the probes, and nothing else: when it is killed, the old
// one has lost nothing, and the next one may come.
func TestHandoverToOneThatDies(t *testing.T) {
	f, hostOf := fourDoors(t)
	b := f.start(handingOver(blastdoor.Options{}))
	mustBeClean := everyDoorLoaded(t, hostOf)
	kubeconfig, _ := heldServer(t)
	doomed := f.start(handingOver(blastdoor.Options{NotReady: true, Kubeconfig: kubeconfig}))
	says(t, doomed, "hand-over: has the sockets")
	poll.Eventually(t, 5*time.Second, "it answers the probes, and is not ready", func() error {
		if err := blastdoor.Readyz(); err == nil {
			return fmt.Errorf("ready")
		}
		return nil
	})
	doomed.Kill()
	says(t, b, "hand-over: the new one has ended; all goes on here")
	b.AwaitReady()
	takenOver(t, newcomer(f))
	mustBeClean()
}

var listKinds = map[string]string{
	"ingresses": "IngressList", "ingressclasses": "IngressClassList", "services": "ServiceList",
	"endpointslices": "EndpointSliceList", "namespaces": "NamespaceList",
}

// heldServer is the kubeconfig of an API server that says nothing until it is released, and then
// that it has nothing: whoever asks it is not ready before.
func heldServer(t *testing.T) (kubeconfig string, release func()) {
	t.Helper()
	released := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-released:
		case <-r.Context().Done():
			return
		}
		if r.URL.Query().Has("watch") {
			<-r.Context().Done()
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"kind": "%s", "metadata": {"resourceVersion": "1"}, "items": []}`, listKinds[path.Base(r.URL.Path)])
	}))
	t.Cleanup(server.CloseClientConnections)
	kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "%s"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`, server.URL)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return kubeconfig, sync.OnceFunc(func() { close(released) })
}

// An old one that is told to end before the newcomer is ready serves until it is, or until its own
// time is over: then clients wait for the newcomer.
func TestHandoverByOneThatEnds(t *testing.T) {
	for _, test := range []struct {
		what       string
		drainDelay string
		inTime     bool
	}{
		{"after the newcomer is ready", "15s", true},
		{"before it is", "200ms", false},
	} {
		t.Run(test.what, func(t *testing.T) {
			f, hostOf := fourDoors(t)
			options := blastdoor.Options{}
			for _, exposure := range blastdoor.Exposures {
				name := strings.ToUpper(strings.ReplaceAll(exposure, "-", "_"))
				options.Env = append(options.Env, "BLASTDOOR_"+name+"_TIMEOUTS_DRAIN_DELAY="+test.drainDelay)
			}
			b := f.start(handingOver(options))
			mustBeClean := everyDoorLoaded(t, hostOf)
			kubeconfig, release := heldServer(t)
			next := f.start(handingOver(blastdoor.Options{NotReady: true, Kubeconfig: kubeconfig}))
			says(t, next, "hand-over: has the sockets")
			b.Signal(syscall.SIGTERM)
			says(t, b, "stopping:")
			if !test.inTime {
				says(t, b, "the new one is not ready, and this one has to end")
			}
			release()
			takenOver(t, next)
			if code := b.Wait(t, 20*time.Second); code != 0 {
				t.Errorf("the old one ended with %d", code)
			}
			mustBeClean()
			if late := strings.Contains(b.Output(), "has to end"); late == test.inTime {
				t.Errorf("that it was late: %v", late)
			}
		})
	}
}

// When the one that took over dies, clients are refused at once, and do not wait at sockets that an
// idle tree still holds. That one ends with an error, so that it is started again.
func TestHandoverIsNotTheEndOfTheOldOne(t *testing.T) {
	f, hostOf := fourDoors(t)
	b := f.start(handingOver(blastdoor.Options{}))
	idle, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", blastdoor.ExternalHTTP))
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close() // its door has something to finish
	next := newcomer(f)
	takenOver(t, next)
	next.Kill()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", blastdoor.ExternalHTTP))
	if err == nil {
		conn.Close()
		t.Error("somebody takes connections still")
	}
	if code := b.Wait(t, 30*time.Second); code != 1 {
		t.Errorf("the old one ended with %d", code)
	}
	f.start(handingOver(blastdoor.Options{}))
	if err := blastdoor.Expect(blastdoor.ExternalHTTP, hostOf["external-http"], "/", 200, "local-a")(); err != nil {
		t.Error(err)
	}
}
