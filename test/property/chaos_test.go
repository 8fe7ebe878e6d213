package property

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/poll"
	"blastdoor.io/test/process"
)

const (
	changeEvery = 100 * time.Millisecond
	// Doors and controller take turns, so that none dies five times in a minute: then the door's
	// snapshot would be put aside, as it should.
	killEvery    = 5 * time.Second
	visitorStays = 6 * time.Second
)

// chaos is what goes on beside the attack.
type chaos struct {
	t       *testing.T
	w       *world
	b       *blastdoor.Blastdoor
	stop    chan struct{}
	running sync.WaitGroup

	changes, kills, visits int

	mutex      sync.Mutex
	deeds      []string      // what was killed, and when
	reconnects int           // of a door with a new controller
	slowest    time.Duration // of them, from the controller's death
}

func startChaos(t *testing.T, w *world, b *blastdoor.Blastdoor, seed uint64) *chaos {
	t.Helper()
	c := &chaos{t: t, w: w, b: b, stop: make(chan struct{})}
	c.running.Go(func() { c.churn(rand.New(rand.NewPCG(seed, 2))) })
	c.running.Go(func() { c.kill() })
	c.running.Go(func() { c.visit(rand.New(rand.NewPCG(seed, 3))) })
	return c
}

func (c *chaos) end() {
	close(c.stop)
	c.running.Wait()
}

// log notes a deed, for the words of a failure.
func (c *chaos) log(format string, args ...any) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.deeds = append(c.deeds, fmt.Sprintf("%v ", time.Since(c.w.start).Round(time.Millisecond))+fmt.Sprintf(format, args...))
}

// pause says whether to go on after that long.
func (c *chaos) pause(duration time.Duration) bool {
	select {
	case <-c.stop:
		return false
	case <-time.After(duration):
		return true
	}
}

// churn changes one object after the other.
func (c *chaos) churn(r *rand.Rand) {
	for c.pause(changeEvery) {
		c.w.changeOne(r)
		c.changes++
	}
}

// changeOne changes one Ingress, mostly its label, or moves an endpoint to another Service.
func (w *world) changeOne(r *rand.Rand) {
	n := w.random(r, func(n int) bool { return strings.HasPrefix(w.ingresses[n].name, "ing-") }, len(w.ingresses))
	i := w.ingresses[n]
	i.rules = slices.Clone(i.rules)
	switch r.IntN(10) {
	case 0:
		w.moveEndpoint(r)
		return
	case 1:
		i.annotation = randomAnnotation(r)
	case 2:
		pickPointer(r, i.rules).service = w.randomService(r, i.namespace)
	case 3:
		pickPointer(r, i.rules).host = randomHost(r)
	case 4:
		i.deleted = true
	default:
		i.label = randomLabel(r)
	}
	if w.ingresses[n].deleted { // back again
		i.deleted = false
	}
	w.change(func() { w.ingresses[n] = i }, func() { w.writeIngress(n) })
}

func pickPointer[T any](r *rand.Rand, from []T) *T { return &from[r.IntN(len(from))] }

func (w *world) random(r *rand.Rand, suits func(int) bool, limit int) int {
	for {
		if n := r.IntN(limit); suits(n) {
			return n
		}
	}
}

func (w *world) moveEndpoint(r *rand.Rand) {
	n := w.random(r, func(n int) bool { return strings.HasPrefix(w.services[n].name, "svc-") }, len(w.services))
	s := w.services[n]
	s.upstreams = []int{exposureCount + r.IntN(upstreamCount-exposureCount)}
	w.change(func() { w.services[n] = s }, func() { w.writeService(n) })
}

// kill ends doors with -9, one after the other, and then the controller.
func (c *chaos) kill() {
	for n := 0; c.pause(killEvery); n++ {
		if turn := n % (residentCount + 1); turn < residentCount {
			c.killChild("door " + exposures[turn].name)
		} else {
			c.killController()
		}
	}
}

func (c *chaos) killChild(what string) {
	for _, child := range process.Children(c.b.PID()) {
		if strings.Contains(child.Args+" ", " "+what+" ") && syscall.Kill(child.PID, syscall.SIGKILL) == nil {
			c.kills++
			c.log("%s killed", what)
		}
	}
}

// killController does so while nothing changes: without a controller, changes have to wait, and only
// what was in force before may be. It returns when changes are taken again.
func (c *chaos) killController() {
	c.w.mutex.Lock()
	defer c.w.mutex.Unlock()
	if !c.pause(grace()) {
		return
	}
	died := time.Now()
	c.killChild("controller")
	if _, err := poll.Until(20*time.Second, func() error { _, err := blastdoor.Admin("generations"); return err }); err != nil {
		c.t.Errorf("the controller does not come back: %v", err)
	}
	back := time.Now()
	c.running.Go(func() { c.awaitFeeds(died, back) })
}

// awaitFeeds notes how long the doors were without a feed: until then no change reaches them, so
// that a door which waits for it longer than the grace serves what was withdrawn.
func (c *chaos) awaitFeeds(died, back time.Time) {
	waiting := map[string]bool{}
	for e := range residentCount {
		waiting[exposures[e].name] = true
	}
	for len(waiting) > 0 && c.pause(20*time.Millisecond) {
		text, err := blastdoor.Admin("exposures")
		if err != nil {
			continue
		}
		for name := range connectedDoors(text) {
			if !waiting[name] {
				continue
			}
			delete(waiting, name)
			took := time.Since(died)
			c.log("%s has a feed again after %v", name, took.Round(time.Millisecond))
			if waited := time.Since(back); waited > grace() {
				c.t.Errorf("%s had no feed for %v after the controller was back", name, waited)
			}
			c.mutex.Lock()
			c.reconnects++
			c.slowest = max(c.slowest, took)
			c.mutex.Unlock()
		}
	}
}

func connectedDoors(text string) map[string]bool {
	var page struct {
		Exposures []struct {
			Name string
			Door *struct{ Connected bool }
		}
	}
	connected := map[string]bool{}
	if json.Unmarshal([]byte(text), &page) == nil {
		for _, one := range page.Exposures {
			if one.Door != nil && one.Door.Connected {
				connected[one.Name] = true
			}
		}
	}
	return connected
}

// visit has a second Blastdoor come and go: other ports, one exposure more, two doors at a time.
func (c *chaos) visit(r *rand.Rand) {
	for n := 0; ; n++ {
		visitor := c.visitor(n, []string{"partners", exposures[r.IntN(residentCount)].name})
		if err := visitor.Start(); err != nil {
			c.t.Error(err)
			return
		}
		c.log("visitor comes: %s", visitor.Argv[len(visitor.Argv)-3])
		goOn := c.pause(visitorStays)
		if !visitor.Alive() {
			c.t.Errorf("the visiting Blastdoor has ended: %s", visitor.Tail(20))
			return
		}
		end(visitor, n%2 == 0)
		c.visits++
		if !goOn {
			return
		}
	}
}

// end ends a Blastdoor, kindly or not, and waits until its children are gone.
func end(p *process.Process, kindly bool) {
	children := process.Children(p.PID())
	if kindly {
		p.Signal(syscall.SIGINT)
		_, _ = poll.Until(5*time.Second, func() error {
			if p.Alive() {
				return fmt.Errorf("it drains")
			}
			return nil
		})
	}
	p.Signal(syscall.SIGKILL)
	_, _ = poll.Until(5*time.Second, func() error {
		for _, child := range children {
			if _, err := os.Stat(fmt.Sprintf("/proc/%d", child.PID)); err == nil {
				return fmt.Errorf("%v lives", child)
			}
		}
		return nil
	})
}

func (c *chaos) visitor(n int, enabled []string) *process.Process {
	c.t.Helper()
	text := "admin: 127.0.0.1:12900\nprobes: 0.0.0.0:12901\nmetrics: 0.0.0.0:12902\nexposures:\n"
	for e, one := range exposures {
		text += fmt.Sprintf("- {name: %s, side: %s, listeners: %s}\n", one.name, one.side, c.w.pki.listeners(exposure(e), one.visitorPort, one.visitorSecurePort))
	}
	dir := c.t.TempDir()
	config := filepath.Join(dir, "blastdoor.yaml")
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		c.t.Error(err)
	}
	return &process.Process{Name: "visitor", Log: filepath.Join(dir, fmt.Sprintf("visitor-%d.log", n)), Argv: []string{
		blastdoor.Binary(c.t), "run", "--config", config, "--manifests", c.w.folder, "--allow-loopback",
		"--exposures", strings.Join(slices.Compact(enabled), ","), "--state-dir", dir,
	}}
}
