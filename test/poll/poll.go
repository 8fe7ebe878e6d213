// Package poll waits for conditions. Tests of this module never sleep for a guessed time.
package poll

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

const interval = 5 * time.Millisecond

// Slow stretches time limits by the factor in BLASTDOOR_TEST_SLOW: for sanitizer builds, which are
// several times slower, and for crowded machines.
func Slow(limit time.Duration) time.Duration {
	if factor, err := strconv.ParseFloat(os.Getenv("BLASTDOOR_TEST_SLOW"), 64); err == nil && factor > 1 {
		return time.Duration(float64(limit) * factor)
	}
	return limit
}

// Hopeless is an error that no waiting mends.
type Hopeless string

func (h Hopeless) Error() string { return string(h) }

// Until calls cond until it returns nil or something Hopeless, and returns how long that took; the last error if the
// limit passed first.
func Until(limit time.Duration, cond func() error) (time.Duration, error) {
	limit = Slow(limit)
	start := time.Now()
	for {
		err := cond()
		if err == nil {
			return time.Since(start), nil
		}
		if err, hopeless := errors.AsType[Hopeless](err); hopeless {
			return time.Since(start), err
		}
		if time.Since(start) > limit {
			return limit, fmt.Errorf("still not after %v: %w", limit, err)
		}
		time.Sleep(interval)
	}
}

// Eventually fails the test if cond does not return nil within the limit, and returns how long it
// took.
func Eventually(t testing.TB, limit time.Duration, what string, cond func() error) time.Duration {
	t.Helper()
	took, err := Until(limit, cond)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	return took
}
