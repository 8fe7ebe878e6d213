package vectors

import (
	"strings"
	"testing"
)

// Whatever the cuts, the pieces are the text; short texts are cut everywhere, long ones at both ends.
func TestCuts(t *testing.T) {
	for _, size := range []int{1, 2, 50, everywhere, everywhere + 1, bytewise, bytewise + 1, 70_000} {
		text := strings.Repeat("x", size)
		places := map[int]bool{}
		for n, cuts := range AllCuts(size, false) {
			pieces := cuts.Pieces(text, "yz")
			if strings.Join(pieces, "") != text+"yz" || len(pieces) != len(cuts)+1 {
				t.Fatalf("%d bytes, cut at %v: other bytes", size, cuts)
			}
			for _, piece := range pieces {
				if piece == "" {
					t.Fatalf("%d bytes, cut at %v: an empty piece", size, cuts)
				}
			}
			if n >= 2 {
				places[cuts[0]] = true
			}
		}
		if size <= everywhere && len(places) != size-1 {
			t.Errorf("%d bytes are cut at %d places", size, len(places))
		}
		if size > everywhere && !(places[1] && places[63] && places[size-1] && places[size-63]) {
			t.Errorf("%d bytes are not cut at their ends", size)
		}
		some := 0
		for seed := range 3 {
			some += len(SomeCuts(size, seed, 3)) - 2
		}
		if all := len(AllCuts(size, false)) - 2; some != all {
			t.Errorf("%d bytes: three seeds have %d cuts, not %d", size, some, all)
		}
	}
}
