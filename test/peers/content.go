package peers

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"math/rand/v2"
)

const patternBytes = 1<<20 - 3 // no multiple of any buffer: a piece lost or doubled shifts the rest

var pattern = makePattern()

func makePattern() []byte {
	out := make([]byte, patternBytes)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(out)
	return out
}

// Content is a body of n bytes that is the same each time.
func Content(n int64) io.Reader { return io.LimitReader(&repeated{}, n) }

type repeated struct{ at int }

func (r *repeated) Read(into []byte) (int, error) {
	n := copy(into, pattern[r.at:])
	r.at = (r.at + n) % patternBytes
	return n, nil
}

// ContentHash is what Hash finds over Content(n).
func ContentHash(n int64) string {
	sum, _ := Hash(Content(n))
	return sum
}

// Hash reads to the end and returns the SHA-256 in hexadecimal.
func Hash(from io.Reader) (string, error) {
	sum := sha256.New()
	_, err := io.CopyBuffer(onlyWriter{sum}, from, make([]byte, 64<<10))
	return hexSum(sum), err
}

type onlyWriter struct{ io.Writer }

func hexSum(sum hash.Hash) string { return hex.EncodeToString(sum.Sum(nil)) }
