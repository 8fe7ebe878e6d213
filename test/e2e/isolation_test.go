package e2e

import (
	"fmt"
	"os"
	"testing"
	"time"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/echo"
	"blastdoor.io/test/expect"
	"blastdoor.io/test/load"
	"blastdoor.io/test/manifest"
	"blastdoor.io/test/poll"
)

const (
	// isolationVariable sets how long the other doors are measured, before a flood and in it: 20s is the
	// long form, on a machine that has nothing else to do; the short one is for crowded ones.
	isolationVariable = "BLASTDOOR_ISOLATION"
	slowerAtMost      = 5 * time.Millisecond
	slowerAtMostShort = 500 * time.Millisecond
	flooded           = "external-http"
)

// isolationFor is how long to measure, and how much slower the 99th percentile may become.
func isolationFor(t *testing.T) (span, slower time.Duration) {
	t.Helper()
	text := os.Getenv(isolationVariable)
	if text == "" {
		return 1500 * time.Millisecond, poll.Slow(slowerAtMostShort)
	}
	span, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("%s: %v", isolationVariable, err)
	}
	return span, slowerAtMost
}

// neighbours are the doors beside the flooded one, under light load.
type neighbours map[string]*load.Load

func startNeighbours(t *testing.T, hostOf map[string]string) neighbours {
	t.Helper()
	all := neighbours{}
	for port, exposure := range blastdoor.Exposures {
		if exposure != flooded {
			all[exposure] = load.Start(t, load.Options{Port: port, Workers: 4, Every: 10 * time.Millisecond, Next: load.Host(hostOf[exposure])})
		}
	}
	return all
}

// measured ends the load: no request may have failed. The 99th percentile of each door.
func (n neighbours) measured(t *testing.T, when string) map[string]time.Duration {
	t.Helper()
	p99 := map[string]time.Duration{}
	for exposure, one := range n {
		one.MustBeClean(exposure + " " + when)
		p99[exposure] = one.Quantile(0.99)
	}
	return p99
}

func noSlower(t *testing.T, quiet, busy map[string]time.Duration, slower time.Duration) {
	t.Helper()
	for exposure, before := range quiet {
		now := busy[exposure]
		t.Logf("%s: p99 %v when quiet, %v beside the flood", exposure, before.Round(10*time.Microsecond), now.Round(10*time.Microsecond))
		if now > before+slower {
			t.Errorf("%s: p99 is %v, more than %v above %v", exposure, now, slower, before)
		}
	}
}

// passes returns after a span that is measured, or fails when the flood has ended by itself.
func passes(t *testing.T, span time.Duration, flood *load.Flood) {
	t.Helper()
	end := time.Now().Add(span)
	poll.Eventually(t, span+10*time.Second, "the span is over", func() error {
		if flood != nil && !flood.Alive() {
			return poll.Hopeless("the flood is " + flood.End())
		}
		if left := time.Until(end); left > 0 {
			return fmt.Errorf("%v left", left)
		}
		return nil
	})
}

// A door that is asked for twice what it can do takes what it can. The others, which share its
// processors, answer without an error, and hardly later than before.
func TestFloodedDoorLeavesOthersAlone(t *testing.T) {
	span, slower := isolationFor(t)
	f, hostOf := fourDoors(t)
	host := expect.NewHost("flooded")
	f.write("flooded.yaml", manifest.App("shop", "flooded", echo.Port, demoPod(t, "flooded", load.FloodNice))+
		manifest.Ingress{Namespace: "shop", Name: "flooded", Expose: flooded, Service: "flooded", Host: host}.YAML())
	f.start(blastdoor.Options{})
	poll.Eventually(t, expect.Soon, host, blastdoor.Expect(blastdoor.ExternalHTTP, host, "/", 200, ""))

	before := startNeighbours(t, hostOf)
	passes(t, span, nil)
	quiet := before.measured(t, "when quiet")

	trial := load.StartFlood(t, blastdoor.ExternalHTTP, host, 0)
	capacity, _ := answeredWithin(t, trial, min(span, 3*time.Second))
	trial.Stop()
	if capacity == 0 {
		t.Fatal("the flood was not answered")
	}

	flood := load.StartFlood(t, blastdoor.ExternalHTTP, host, 2*capacity)
	flood.AwaitAnswers()
	beside := startNeighbours(t, hostOf)
	rate, bad := answeredWithin(t, flood, span)
	busy := beside.measured(t, "beside the flood")
	flood.Stop()
	t.Logf("the flooded door answers %.0f a second, %.0f of %.0f in the flood, %d of them no 200", capacity, rate, 2*capacity, bad)
	noSlower(t, quiet, busy, slower)
}

// answeredWithin is how many answers a second the flood gets in a span.
func answeredWithin(t *testing.T, flood *load.Flood, span time.Duration) (perSecond float64, bad int64) {
	t.Helper()
	flood.AwaitAnswers()
	began := time.Now()
	first, badFirst, err := flood.Answered()
	must(t, err)
	passes(t, span, flood)
	took := time.Since(began)
	last, badLast, err := flood.Answered()
	must(t, err)
	return float64(last-first) / took.Seconds(), badLast - badFirst
}
