package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/expect"
	"blastdoor.io/test/load"
	"blastdoor.io/test/manifest"
	"blastdoor.io/test/poll"
	"blastdoor.io/test/process"
)

// handoversVariable sets how often the program is replaced under load: 100 is the bar, 3 is quick.
const handoversVariable = "BLASTDOOR_HANDOVERS"

func handovers(t *testing.T) int {
	t.Helper()
	count, err := strconv.Atoi(os.Getenv(handoversVariable))
	if err != nil {
		return 3
	}
	return count
}

// crowd connects anew for each request, as fast as the machine goes; every connection has to be
// accepted and answered.
type crowd struct {
	t      *testing.T
	stop   chan struct{}
	all    sync.WaitGroup
	sent   atomic.Int64
	failed atomic.Int64
	first  atomic.Pointer[string]
	began  time.Time
}

func startCrowd(t *testing.T, port int, host string) *crowd {
	t.Helper()
	c := &crowd{t: t, stop: make(chan struct{}), began: time.Now()}
	for range 16 {
		c.all.Go(func() {
			for {
				select {
				case <-c.stop:
					return
				default:
				}
				if err := load.Once(port, host); err != nil {
					text := time.Now().Format("05.000 ") + err.Error()
					c.first.CompareAndSwap(nil, &text)
					c.failed.Add(1)
				}
				c.sent.Add(1)
			}
		})
	}
	t.Cleanup(c.halt)
	return c
}

func (c *crowd) halt() {
	select {
	case <-c.stop:
	default:
		close(c.stop)
	}
	c.all.Wait()
}

func (c *crowd) mustBeClean() {
	c.t.Helper()
	took := time.Since(c.began)
	c.halt()
	if c.failed.Load() > 0 || c.sent.Load() == 0 {
		first := "nothing was sent"
		if text := c.first.Load(); text != nil {
			first = *text
		}
		c.t.Errorf("%d of %d connections failed, the first: %s", c.failed.Load(), c.sent.Load(), first)
		return
	}
	c.t.Logf("%d connections, %.0f per second, none failed", c.sent.Load(), float64(c.sent.Load())/took.Seconds())
}

// upgradable starts a copy of the binary that a test may replace.
func upgradable(t *testing.T, f folder, options blastdoor.Options) (b *blastdoor.Blastdoor, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "blastdoor")
	install(t, blastdoor.Binary(t), path)
	options.Binary = path
	return f.start(options), path
}

// install replaces a program as package managers do: the running one keeps its own file.
func install(t *testing.T, from, to string) {
	t.Helper()
	bytes, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to+".new", bytes, 0o755)
	}
	if err == nil {
		err = os.Rename(to+".new", to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// upgraded waits until one process serves each door, and it is another one than before.
func upgraded(t *testing.T, b *blastdoor.Blastdoor, before map[string]int) {
	t.Helper()
	poll.Eventually(t, 20*time.Second, "every door has a new process, and no old one", func() error {
		doors := doorsOf(b)
		for _, exposure := range blastdoor.Exposures {
			switch pids := doors[exposure]; {
			case len(pids) != 1:
				return fmt.Errorf("%s is served by %v", exposure, pids)
			case pids[0] == before[exposure]:
				return fmt.Errorf("%s is served by the old process", exposure)
			}
		}
		return blastdoor.Readyz()
	})
}

func doorsOf(b *blastdoor.Blastdoor) map[string][]int {
	doors := map[string][]int{}
	for _, child := range process.Children(b.PID()) {
		if words := strings.Fields(child.Args); len(words) > 2 && words[1] == "door" {
			doors[words[2]] = append(doors[words[2]], child.PID)
		}
	}
	return doors
}

func doorsBefore(b *blastdoor.Blastdoor) map[string]int {
	before := map[string]int{}
	for _, exposure := range blastdoor.Exposures {
		before[exposure] = b.Door(exposure)
	}
	return before
}

// An upgrade in place under load: no connection is refused or reset, no request lost, neither on
// connections of their own nor on kept ones, and one that began before it ends well.
func TestUpgradeInPlace(t *testing.T) {
	f, hostOf := fourDoors(t)
	b, path := upgradable(t, f, blastdoor.Options{})
	sockets := listeners(t, blastdoor.ExternalHTTP)
	connections := startCrowd(t, blastdoor.ExternalHTTP, hostOf["external-http"])
	var kept []*load.Load
	for port, exposure := range blastdoor.Exposures {
		kept = append(kept, load.Start(t, load.Options{Port: port, Next: load.Host(hostOf[exposure])}))
	}
	pid := b.PID()
	for round := range handovers(t) {
		slow := slowRequest(t, blastdoor.InternalHTTP, hostOf["internal-http"], 300*time.Millisecond)
		before := doorsBefore(b)
		install(t, blastdoor.Binary(t), path)
		start := time.Now()
		b.Signal(syscall.SIGUSR2)
		upgraded(t, b, before)
		t.Logf("upgrade %d took %v", round+1, time.Since(start).Round(time.Millisecond))
		if err := <-slow; err != nil {
			t.Errorf("the request that began before upgrade %d: %v", round+1, err)
		}
	}
	connections.mustBeClean()
	for _, one := range kept {
		one.MustBeClean("kept connections")
	}
	if !b.Alive() || b.PID() != pid {
		t.Error("the supervisor is another process")
	}
	if after := listeners(t, blastdoor.ExternalHTTP); fmt.Sprint(after) != fmt.Sprint(sockets) {
		t.Errorf("other sockets: %v, were %v", after, sockets)
	}
	// The new controller hears of changes, and what it says reaches the new doors.
	host := expect.NewHost("after")
	f.write("more.yaml", manifest.Ingress{Namespace: "shop", Name: "after", Expose: "external-http", Service: "web", Host: host}.YAML())
	expect.ServedOnlyOn(t, expect.Soon, blastdoor.ExternalHTTP, host, "local-a")
}

// A program that is broken, or is none, replaces nothing: the old one goes on with all it has.
func TestBrokenUpgradeIsRefused(t *testing.T) {
	f, hostOf := fourDoors(t)
	b, path := upgradable(t, f, blastdoor.Options{})
	traffic := load.Start(t, load.Options{Port: blastdoor.InternalHTTP, Next: load.Host(hostOf["internal-http"])})
	before := doorsBefore(b)
	controller := b.Controller()
	for round, broken := range []struct{ what, text string }{
		{"ends at once", "#!/bin/sh\nexit 0\n"},
		{"fails", "#!/bin/sh\nexit 1\n"},
		{"crashes", "#!/bin/sh\nkill -SEGV $$\n"},
		{"says something else", "#!/bin/sh\necho yes >&${BD_UPGRADE#*,}\n"},
		{"is no program", "\x7fELF and nothing more"},
	} {
		if err := os.WriteFile(path+".new", []byte(broken.text), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
		b.Signal(syscall.SIGUSR2)
		poll.Eventually(t, 5*time.Second, "the program that "+broken.what+" is refused", func() error {
			if n := strings.Count(b.Output(), "no upgrade:"); n != round+1 {
				return fmt.Errorf("refused %d times", n)
			}
			return nil
		})
	}
	for exposure, pid := range doorsBefore(b) {
		if pid != before[exposure] {
			t.Errorf("%s has another process", exposure)
		}
	}
	if b.Controller() != controller {
		t.Error("another controller")
	}
	install(t, blastdoor.Binary(t), path)
	b.Signal(syscall.SIGUSR2)
	upgraded(t, b, before)
	traffic.MustBeClean("broken and good upgrades")
}

// An upgrade reads the configuration again. One that has other doors needs a restart, and says so.
func TestUpgradeWithOtherDoorsIsRefused(t *testing.T) {
	f, _ := fourDoors(t)
	b, _ := upgradable(t, f, blastdoor.Options{Config: "logLevel: info\n"})
	before := doorsBefore(b)
	config := "enabled: [internal-http]\n"
	if err := os.WriteFile(b.ConfigPath(), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	b.Signal(syscall.SIGUSR2)
	poll.Eventually(t, 5*time.Second, "refused", func() error {
		if !strings.Contains(b.Output(), "other exposures are served than are configured now") {
			return fmt.Errorf("not said yet")
		}
		return nil
	})
	for exposure, pid := range doorsBefore(b) {
		if pid != before[exposure] {
			t.Errorf("%s has another process", exposure)
		}
	}
}

// What the doors counted is not forgotten, and counters never fall.
func TestUpgradeKeepsTheCounters(t *testing.T) {
	f, hostOf := fourDoors(t)
	b, _ := upgradable(t, f, blastdoor.Options{})
	for range 50 {
		if err := blastdoor.Expect(blastdoor.InternalHTTP, hostOf["internal-http"], "/", 200, "local-a")(); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		before := doorsBefore(b)
		b.Signal(syscall.SIGUSR2)
		upgraded(t, b, before)
	}
	poll.Eventually(t, expect.Soon, "the metrics know of 50 requests", func() error {
		answer, err := blastdoor.Get(b.AdminPort+2, "metrics", "/metrics")
		if err != nil {
			return err
		}
		if !strings.Contains(answer.Body, `blastdoor_requests_total{exposure="internal-http"} 50`) {
			return fmt.Errorf("they do not:\n%s", answer.Body)
		}
		return nil
	})
}
