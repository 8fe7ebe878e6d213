package vectors

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

const fetchers = 16

// Every response, cut in every way, through every door: what is doubtful ends in a 502 or, if its
// head was good, in a broken message; never in a clean one, and never in another exchange on that
// connection. What is good gets through with the same meaning.
func TestResponses(t *testing.T) {
	all := load(t, "responses")
	responder := StartResponder(t, "127.0.0.1:0")
	StartBlastdoor(t, 0, responder.Port(), long)
	failed := map[string]int{}
	for number, door := range Doors() {
		start := time.Now()
		crowd, alone := replies(all, door, number)
		for _, r := range append(crowd, alone...) {
			responder.Expect(r)
		}
		fetchAll(crowd, fetchers)
		fetchAll(alone, 1)
		t.Logf("%d vectors in %d runs over %s: %v", len(all), len(crowd)+len(alone), door.Name, time.Since(start).Round(time.Millisecond))
		for _, r := range append(crowd, alone...) {
			if r.Err == nil {
				continue
			}
			if failed[r.Vector.Name]++; failed[r.Vector.Name] == 1 && len(failed) <= loud {
				t.Errorf("%v\n\t%v", r, r.Err)
			}
		}
	}
	if len(failed) > 0 {
		t.Errorf("%d vectors fail, in so many runs: %v", len(failed), failed)
	}
	for n, crime := range responder.Crimes() {
		if n < loud {
			t.Errorf("at the origin: %s", crime)
		}
	}
}

// replies are the runs. Bytes behind a response may come when its connection is in the pool already,
// and if just then another exchange takes it, it gets them: HTTP/1.1 has no remedy. So those have
// no others beside them.
func replies(all []*Vector, door *Door, number int) (crowd, alone []*Reply) {
	count := 0
	for seed, v := range all {
		size := len(v.Bytes(fmt.Sprintf("%0*d", Probe, 0)))
		cuts := SomeCuts(size, seed, 2)
		switch {
		case Exhaustive():
			cuts = AllCuts(size, true)
		case door.TLS != nil:
			cuts = SomeCuts(size, seed, oneInOverTLS)
		}
		for _, c := range cuts {
			r := &Reply{Vector: v, ID: fmt.Sprintf("%c%0*d", 'p'+number, Probe-1, count), Door: door, Cuts: c}
			count++
			if v.Wants[0].Flags["once"] {
				alone = append(alone, r)
			} else {
				crowd = append(crowd, r)
			}
		}
	}
	return crowd, alone
}

func fetchAll(runs []*Reply, fetchers int) {
	work := make(chan *Reply)
	var fetching sync.WaitGroup
	for range fetchers {
		fetching.Go(func() {
			for r := range work {
				r.Fetch()
			}
		})
	}
	for _, r := range runs {
		work <- r
	}
	close(work)
	fetching.Wait()
}
