package protocols

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"blastdoor.io/test/peers"
)

// rawH2 is an HTTP/2 client that writes any frame, also those that no client should.
type rawH2 struct {
	net.Conn
	*http2.Framer
	out     *bufio.Writer
	block   bytes.Buffer
	encoder *hpack.Encoder
	next    uint32
}

// dialH2 connects to the door and sends the preface with these settings.
func dialH2(t testing.TB, speech peers.Speech, settings ...http2.Setting) *rawH2 {
	t.Helper()
	c, err := tryDialH2(speech, settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func tryDialH2(speech peers.Speech, settings ...http2.Setting) (*rawH2, error) {
	conn, err := dialRaw(speech, "h2")
	if err != nil {
		return nil, err
	}
	c := &rawH2{Conn: conn, out: bufio.NewWriterSize(conn, 32<<10), next: 1}
	c.Framer = http2.NewFramer(c.out, bufio.NewReader(conn))
	c.Framer.AllowIllegalWrites = true
	c.encoder = hpack.NewEncoder(&c.block)
	if _, err := c.out.WriteString(http2.ClientPreface); err != nil {
		return nil, err
	}
	_ = c.WriteSettings(settings...)
	return c, c.out.Flush()
}

// dialRaw is a connection to the door's listener for a speech, with TLS done if there is any.
func dialRaw(speech peers.Speech, alpn string) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port(speech)), 5*time.Second)
	if err != nil || !speech.TLS {
		return conn, err
	}
	secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{alpn}})
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if err := secure.Handshake(); err != nil {
		_ = conn.Close()
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	if got := secure.ConnectionState().NegotiatedProtocol; got != alpn {
		_ = conn.Close()
		return nil, fmt.Errorf("ALPN chose %q, not %q", got, alpn)
	}
	return secure, nil
}

// fields encodes a field section: "name", "value", …
func (c *rawH2) fields(pairs ...string) []byte {
	c.block.Reset()
	for i := 0; i < len(pairs); i += 2 {
		_ = c.encoder.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	return bytes.Clone(c.block.Bytes())
}

// request writes HEADERS of a new stream and returns its number.
func (c *rawH2) request(method, host, path string, end bool, more ...string) (uint32, error) {
	pairs := append([]string{":method", method, ":scheme", "http", ":authority", host, ":path", path}, more...)
	stream := c.next
	c.next += 2
	return stream, c.WriteHeaders(http2.HeadersFrameParam{
		StreamID: stream, BlockFragment: c.fields(pairs...), EndHeaders: true, EndStream: end,
	})
}

// drain reads and forgets frames until the connection ends or the deadline, and says what ended it.
func (c *rawH2) drain() error {
	for {
		if _, err := c.ReadFrame(); err != nil {
			if _, stream := err.(http2.StreamError); !stream {
				return err
			}
		}
	}
}
