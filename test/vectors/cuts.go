package vectors

import (
	"os"
	"strconv"
)

// Exhaustive asks for (nearly) every cut of long vectors too, and for all cuts over TLS. It takes
// minutes.
func Exhaustive() bool { return os.Getenv("BLASTDOOR_VECTORS_EXHAUSTIVE") == "1" }

// Cuts are places in which bytes are cut into pieces; none: they go out whole.
type Cuts []int

// String says where.
func (c Cuts) String() string {
	switch len(c) {
	case 0:
		return "whole"
	case 1:
		return "cut at " + strconv.Itoa(c[0])
	}
	return "byte by byte"
}

const (
	everywhere    = 400  // bytes up to which a vector is cut at every place
	everyPlaceMax = 1000 // the same when it is exhaustive
	bytewise      = 1500
	bytewiseMax   = 10_000 // the same when it is exhaustive: clients read what has come again with each piece
	longPiece     = 1021   // of the rest, when the first bytes went one by one
)

// AllCuts are the ways to cut size bytes: whole, byte by byte, and in two at each place. What is
// long is cut in two at its first and last places and some between.
func AllCuts(size int, exhaustive bool) []Cuts {
	all := []Cuts{nil, byteByByte(size, exhaustive)}
	for at := 1; at < size; at++ {
		if exhaustive && (size <= everyPlaceMax || at%(size/everyPlaceMax) == 0) || size <= everywhere || at < 64 || size-at < 64 || at%(size/24) == 0 {
			all = append(all, Cuts{at})
		}
	}
	return all
}

// SomeCuts are the first two ways and one in so many of the others, different ones for each seed:
// vectors of one table have the same places, and share them out.
func SomeCuts(size, seed, oneIn int) []Cuts {
	all := AllCuts(size, false)
	some := all[:2:2]
	for n := 2 + seed%oneIn; n < len(all); n += oneIn {
		some = append(some, all[n])
	}
	return some
}

func byteByByte(size int, exhaustive bool) Cuts {
	var cuts Cuts
	for at := 1; at < size; {
		cuts = append(cuts, at)
		switch {
		case exhaustive && size <= bytewiseMax || size <= bytewise || at < bytewise/2 || size-at < bytewise/2:
			at++
		default:
			at += min(longPiece, size-at-bytewise/2+1)
		}
	}
	return cuts
}

// Pieces are the bytes, cut; what is added comes with the last piece.
func (c Cuts) Pieces(text, added string) []string {
	var pieces []string
	from := 0
	for _, at := range c {
		pieces = append(pieces, text[from:at])
		from = at
	}
	return append(pieces, text[from:]+added)
}
