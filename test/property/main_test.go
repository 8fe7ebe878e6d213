// Package property attacks the doors with very many generated requests, from a seed, while labels,
// backends, endpoints, doors and whole Blastdoors come and go. One sentence is tested: no request
// ever reaches an upstream that only another exposure serves. See README.md in this folder.
package property

import (
	"os"
	"strconv"
	"testing"
	"time"

	"blastdoor.io/test/echo"
	"blastdoor.io/test/netns"
	"blastdoor.io/test/poll"
)

func TestMain(m *testing.M) {
	echo.MainIfAsked()
	netns.Main(m)
}

const (
	requestsVariable = "BLASTDOOR_PROPERTY_REQUESTS"
	seedVariable     = "BLASTDOOR_PROPERTY_SEED"
	defaultRequests  = 100_000
)

// requestsWanted is how many hostile requests each exposure has to answer.
func requestsWanted(t *testing.T) int { return int(setting(t, requestsVariable, defaultRequests)) }

// seedWanted is the seed of everything that is generated. It is printed, so that a failure can be
// had again.
func seedWanted(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(setting(t, seedVariable, time.Now().UnixNano()%1_000_000_000))
	t.Logf("again with the same requests and the same churn: %s=%d", seedVariable, seed)
	return seed
}

func setting(t *testing.T, variable string, otherwise int64) int64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil || number < 0 {
		t.Fatalf("%s=%q is no number", variable, text)
	}
	return number
}

// grace is how long after a change was written the old owner of an upstream may still reach it.
func grace() time.Duration { return poll.Slow(time.Second) }
