package e2e

import (
	"fmt"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/load"
	"blastdoor.io/test/poll"
)

// A balancer keeps its connections and asks for the health path every five seconds; after two
// failures it sends nothing any more, and lets what is in flight end. From the first failed probe to
// the end of the process it sees no error. BLASTDOOR_DRAIN=5s takes the real interval; by default
// all is five times as fast.
func TestBalancerSeesNoErrorWhileDraining(t *testing.T) {
	interval := time.Second
	if text := os.Getenv("BLASTDOOR_DRAIN"); text != "" {
		var err error
		if interval, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	f, hostOf := fourDoors(t)
	config := "exposures:\n"
	for _, exposure := range blastdoor.Exposures {
		config += fmt.Sprintf("  - {name: %s, listeners: [{name: main, timeouts: {drainDelay: %dms}}]}\n",
			exposure, (3 * interval).Milliseconds())
	}
	b := f.start(blastdoor.Options{Config: config})
	requests := load.Start(t, load.Options{
		Port:    blastdoor.InternalHTTP,
		Workers: 16,
		Next: func(_, n int) (string, string) {
			return hostOf["internal-http"], fmt.Sprintf("/?delay=%dms", n%50)
		},
	})
	poll.Eventually(t, 10*time.Second, "load", func() error {
		if requests.Sent() < 200 {
			return fmt.Errorf("%d requests", requests.Sent())
		}
		return nil
	})
	b.Signal(syscall.SIGTERM)
	probes := time.NewTicker(interval)
	defer probes.Stop()
	for failed := 0; failed < 2; {
		<-probes.C
		answer, err := blastdoor.Get(blastdoor.InternalHTTP, "balancer", "/-/healthz")
		if err != nil {
			t.Fatalf("a probe got no answer: %v", err)
		}
		if answer.Status != http.StatusOK {
			failed++
		}
	}
	requests.MustBeClean("from SIGTERM until the balancer has noticed")
	b.Wait(t, 3*interval+10*time.Second)
}
