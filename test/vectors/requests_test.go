package vectors

import (
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	senders = 6     // goroutines that send
	crowd   = 24    // connections of each at a time
	loud    = 20    // failures that are shown
	long    = "60s" // no connection is closed for its age: for doubt, or not at all

	// The share of places that are cut, unless all are asked for.
	oneIn, oneInOverTLS = 3, 25
)

// only is the name, or the start of it, of the vectors to run: BLASTDOOR_VECTORS_ONLY.
var only = os.Getenv("BLASTDOOR_VECTORS_ONLY")

func load(t *testing.T, folder string) []*Vector {
	t.Helper()
	all, err := Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	var chosen []*Vector
	for _, v := range all {
		if strings.HasPrefix(v.Name, only) {
			chosen = append(chosen, v)
		}
	}
	return chosen
}

// Every vector, cut in every way, through every door: what is illegal never reaches the origin, what
// is legal does, with the same meaning, and what the client sees agrees.
func TestRequests(t *testing.T) {
	all := load(t, "requests")
	origin := StartOrigin(t, "127.0.0.1:0", Strict)
	b := StartBlastdoor(t, origin.Port(), 0, long)
	var runs []*Run
	for number, door := range Doors() {
		start := time.Now()
		some := requestRuns(all, door, number)
		exchangeAll(t, some)
		t.Logf("%d vectors in %d runs over %s: %v", len(all), len(some), door.Name, time.Since(start).Round(time.Millisecond))
		runs = append(runs, some...)
	}
	b.Kill() // then its connections have ended, and all is there that will ever arrive
	seen, crimes := origin.Finish()
	for _, crime := range crimes {
		t.Errorf("at the origin: %s", crime)
	}
	judgeAll(t, runs, seen)
}

// requestRuns are some of the cuts of each vector, fewer through a door where connections are expensive.
func requestRuns(all []*Vector, door *Door, number int) []*Run {
	var runs []*Run
	for seed, v := range all {
		if v.On != "" && v.On != door.Name {
			continue
		}
		size := len(v.Bytes(strings.Repeat("x", Probe)))
		cuts := SomeCuts(size, seed, oneIn)
		switch {
		case Exhaustive():
			cuts = AllCuts(size, true)
		case door.TLS != nil:
			cuts = SomeCuts(size, seed, oneInOverTLS)
		}
		for _, c := range cuts {
			id := fmt.Sprintf("%c%0*d", 'a'+number, Probe-1, len(runs))
			runs = append(runs, &Run{Vector: v, ID: id, Door: door, Cuts: c})
		}
	}
	return runs
}

// exchangeAll makes all runs, a crowd at a time. Those of a crowd are cut in the same way at most
// places, so that all of them are at the same step.
func exchangeAll(t *testing.T, runs []*Run) {
	t.Helper()
	work := make(chan []*Run)
	var sending sync.WaitGroup
	for n := range senders {
		diag, err := NewDiag()
		if err != nil {
			t.Fatal(err)
		}
		from := net.IPv4(127, 0, 0, byte(10+n)) // each has ports of its own
		sending.Go(func() {
			defer diag.Close()
			for some := range work {
				Exchange(some, from, diag)
			}
		})
	}
	for len(runs) > 0 {
		some := runs[:min(crowd, len(runs))]
		work <- some
		runs = runs[len(some):]
	}
	close(work)
	sending.Wait()
}

func judgeAll(t *testing.T, runs []*Run, seen map[string][]Seen) {
	t.Helper()
	failed := map[string]int{}
	known := map[string]bool{}
	for _, r := range runs {
		known[r.ID] = true
		err := r.Err
		if err == nil {
			peer := r.Door.Peer
			peer.Address = r.client.Addr().String()
			err = Judge(r.Vector, r.Vector.Bytes(r.ID), peer, seen[r.ID])
		}
		if err == nil {
			continue
		}
		if failed[r.Vector.Name]++; failed[r.Vector.Name] == 1 && len(failed) <= loud {
			t.Errorf("%v\n\t%v", r, err)
		}
	}
	for id, requests := range seen {
		if !known[id] {
			t.Errorf("a request of nobody: %s %q", id, requests[0].Line)
		}
	}
	if len(failed) > 0 {
		t.Errorf("%d vectors fail, in so many runs: %v", len(failed), failed)
	}
}
