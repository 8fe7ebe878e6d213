package protocols

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"blastdoor.io/test/expect"
	"blastdoor.io/test/peers"
	"blastdoor.io/test/poll"
)

// amplifiedMax is how many bytes of memory one byte of a request may cost, and spared what a door may
// grow by for other reasons: its allocator takes memory from the kernel in large pieces.
const (
	amplifiedMax = 8
	spared       = 2 * mebibyte
)

// counting counts what is written.
type counting struct {
	net.Conn
	n *atomic.Int64
}

func (c counting) Write(data []byte) (int, error) {
	n, err := c.Conn.Write(data)
	c.n.Add(int64(n))
	return n, err
}

func checkAmplified(t *testing.T, grown int64, sent int64) {
	t.Helper()
	if grown > amplifiedMax*sent+spared {
		t.Errorf("%s sent make the door grow by %s", mib(sent), mib(grown))
	}
	t.Logf("%s sent, the door grew by %s", mib(sent), mib(grown))
}

// bomb is a field section of 16 KiB that says the same 4 KiB field 12,000 times.
func bomb(c *rawH2, host string) []byte {
	block := c.fields(":method", "GET", ":scheme", "http", ":authority", host, ":path", "/")
	var entry bytes.Buffer
	encoder := hpack.NewEncoder(&entry)
	_ = encoder.WriteField(hpack.HeaderField{Name: "x-bomb", Value: strings.Repeat("~", 3900)})
	block = append(block, entry.Bytes()...)
	newest := byte(0x80 | 62) // the entry of the dynamic table that was made last
	return append(block, bytes.Repeat([]byte{newest}, 12_000)...)
}

// A field section that is small on the wire and large when it is read is refused, and costs little.
func TestHPACKBomb(t *testing.T) {
	w, _, host := serving(t)
	grown := growth(t, w.Door(exposure))
	sent := int64(0)
	for range 50 {
		c := dialH2(t, peers.Speech{HTTP2: true})
		_ = c.SetDeadline(time.Now().Add(poll.Slow(5 * time.Second)))
		block := bomb(c, host)
		sent += int64(len(block))
		first := block[:len(block)/2]
		_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: first, EndStream: true})
		_ = c.WriteContinuation(1, true, block[len(first):])
		if err := c.out.Flush(); err != nil {
			t.Fatal(err)
		}
		if got := refusal(c); got != "" {
			t.Fatalf("the bomb was answered with %s", got)
		}
	}
	checkAmplified(t, grown(), sent)
	w.awaitServed(host)
}

// refusal reads until the door refuses stream 1: resets it, ends the connection or answers 431. It
// returns what else it did.
func refusal(c *rawH2) string {
	decoder := hpack.NewDecoder(4096, nil)
	for {
		f, err := c.ReadFrame()
		if err != nil {
			if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
				return "nothing"
			}
			return ""
		}
		switch f := f.(type) {
		case *http2.GoAwayFrame, *http2.RSTStreamFrame:
			return ""
		case *http2.HeadersFrame:
			fields, _ := decoder.DecodeFull(f.HeaderBlockFragment())
			for _, field := range fields {
				if field.Name == ":status" && field.Value != "431" {
					return field.Value
				}
			}
			return ""
		}
	}
}

// A hundred streams whose client opens no window hold no more than their share.
func TestStalledStreams(t *testing.T) {
	w, server, host := serving(t)
	for _, speech := range []peers.Speech{{HTTP2: true}, {TLS: true, HTTP2: true}} {
		t.Run(speech.String(), func(t *testing.T) {
			grown := growth(t, w.Door(exposure))
			before := server.Written()
			c := dialH2(t, speech, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			ended := make(chan error, 1)
			go func() { ended <- c.drain() }()
			sent := int64(0)
			for range 100 {
				filler := strings.Repeat("~", 6000) // 13 bits a letter in Huffman's code: sent as it is
				_, err := c.request("GET", host, "/drip?bytes=10000000", true, "x-a", filler, "x-b", filler)
				if err != nil {
					t.Fatal(err)
				}
				sent += 2 * 6000
			}
			if err := c.out.Flush(); err != nil {
				t.Fatal(err)
			}
			stalled(t, func() int64 { return server.Written() - before })
			checkAmplified(t, grown(), sent)
			select {
			case err := <-ended:
				t.Errorf("the door ended the connection: %v", err)
			default:
			}
		})
	}
	w.awaitServed(host)
}

// A hundred heads that never end hold no more than their share.
func TestStalledHeads(t *testing.T) {
	w, _, host := serving(t)
	grown := growth(t, w.Door(exposure))
	var sent atomic.Int64
	for n := range 100 {
		conn, err := dialRaw(peers.Speech{}, "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		text := fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: %s\r\n%s", n, host, strings.Repeat("X-Filler: "+strings.Repeat("~", 400)+"\r\n", 38))
		if _, err := io.WriteString(counting{conn, &sent}, text); err != nil {
			t.Fatal(err)
		}
	}
	poll.Eventually(t, expect.Soon, "the door has read it all", func() error { return allRead(plainPort) })
	checkAmplified(t, grown(), sent.Load())
}
