// Package foreign feeds Blastdoor with what other projects keep in their repositories: hundreds of
// Ingresses in the style of other controllers, odd ones, broken ones, and things that are no
// Ingresses at all. Nothing may crash it, and every Ingress is served or named in a finding.
//
// corpus/ is written by hand, in the style of what is found in charts, guides and test data; no file
// of another project is copied. generate_test.go makes hundreds more from a seed.
package foreign

import (
	"os"
	"strconv"
	"testing"
	"time"

	"blastdoor.io/test/echo"
	"blastdoor.io/test/netns"
)

func TestMain(m *testing.M) {
	echo.MainIfAsked()
	netns.Main(m)
}

const seedVariable = "BLASTDOOR_FOREIGN_SEED"

func seedWanted(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano() % 1_000_000_000)
	if text := os.Getenv(seedVariable); text != "" {
		number, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s=%q is no number", seedVariable, text)
		}
		seed = number
	}
	t.Logf("again with the same objects: %s=%d", seedVariable, seed)
	return seed
}
