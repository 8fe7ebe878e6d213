// Package expect has what the tests of files and of clusters both check.
package expect

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/load"
	"blastdoor.io/test/poll"
)

const (
	// Live is the promise: a change is served within a second of being accepted.
	Live = time.Second
	// Soon is for what has no promise, only an end.
	Soon = 15 * time.Second
)

var hosts atomic.Int64

// NewHost is a host name that no other test uses.
func NewHost(name string) string { return fmt.Sprintf("%s-%d.example.com", name, hosts.Add(1)) }

// ServedOnlyOn waits until a host is answered by a pod on one port, and checks that no other
// exposure knows it. Port 0: nowhere.
func ServedOnlyOn(t *testing.T, limit time.Duration, port int, host, pod string) {
	t.Helper()
	if port != 0 {
		took := poll.Eventually(t, limit, host+" on "+blastdoor.Exposures[port], blastdoor.Expect(port, host, "/", 200, pod))
		t.Logf("%s on %s after %v", host, blastdoor.Exposures[port], took.Round(time.Millisecond))
	}
	for other := range blastdoor.Exposures {
		if other == port {
			continue
		}
		poll.Eventually(t, limit, host+" not on "+blastdoor.Exposures[other], blastdoor.Expect(other, host, "/", 404, ""))
	}
}

// Answers waits until that many more requests of the load have been answered.
func Answers(t *testing.T, traffic *load.Load, more int64) {
	t.Helper()
	goal := traffic.Sent() + more
	poll.Eventually(t, Soon, "traffic goes on", func() error {
		if sent := traffic.Sent(); sent < goal {
			return fmt.Errorf("%d of %d requests", sent, goal)
		}
		return nil
	})
}
