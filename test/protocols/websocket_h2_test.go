package protocols

import (
	"bufio"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"blastdoor.io/test/peers"
)

// h2Stream is one stream of an HTTP/2 connection as a connection of its own: a WebSocket by RFC 8441.
// Window sizes are honoured; nothing else happens on the connection.
type h2Stream struct {
	*rawH2
	body   *io.PipeReader
	writes chan func() // all writing is done by one goroutine: a Framer is not for two
}

// extendedConnect opens a WebSocket with an extended CONNECT.
func extendedConnect(t *testing.T, speech peers.Speech, host, path string) (half, *bufio.Reader) {
	t.Helper()
	c := dialH2(t, speech)
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	window, allowed := 65535, false
	for !allowed { // a client has to wait for the server's word
		f, err := c.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		settings, ok := f.(*http2.SettingsFrame)
		if !ok || settings.IsAck() {
			continue
		}
		if value, ok := settings.Value(http2.SettingEnableConnectProtocol); !ok || value != 1 {
			t.Fatal("the door does not offer the extended CONNECT")
		}
		if value, ok := settings.Value(http2.SettingInitialWindowSize); ok {
			window = int(value)
		}
		allowed = true
		_ = c.WriteSettingsAck()
	}
	pairs := []string{":method", "CONNECT", ":protocol", "websocket", ":scheme", speech.Scheme(), ":authority", host,
		":path", path, "sec-websocket-version", "13"}
	_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.fields(pairs...), EndHeaders: true})
	if err := c.out.Flush(); err != nil {
		t.Fatal(err)
	}
	return newH2Stream(t, c, window)
}

func newH2Stream(t *testing.T, c *rawH2, window int) (half, *bufio.Reader) {
	t.Helper()
	reader, writer := io.Pipe()
	s := &h2Stream{rawH2: c, body: reader, writes: make(chan func(), 64)}
	budget := &budget{stream: window, connection: 65535, grown: make(chan struct{}, 1)}
	go func() {
		for write := range s.writes {
			write()
		}
	}()
	status := make(chan string, 1)
	go s.read(writer, status, budget)
	select {
	case got := <-status:
		if got != "200" {
			t.Fatalf("the extended CONNECT was answered %s", got)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the extended CONNECT was not answered")
	}
	connection := &h2Conn{s, budget}
	return connection, bufio.NewReader(reader)
}

func (s *h2Stream) read(into *io.PipeWriter, status chan<- string, budget *budget) {
	decoder := hpack.NewDecoder(4096, nil)
	for {
		f, err := s.ReadFrame()
		if err != nil {
			select {
			case status <- err.Error():
			default:
			}
			budget.end()
			_ = into.CloseWithError(err)
			return
		}
		switch f := f.(type) {
		case *http2.HeadersFrame:
			fields, _ := decoder.DecodeFull(f.HeaderBlockFragment())
			for _, field := range fields {
				if field.Name == ":status" {
					status <- field.Value
				}
			}
		case *http2.DataFrame:
			data := append([]byte(nil), f.Data()...)
			s.writes <- func() {
				if len(data) > 0 {
					_ = s.WriteWindowUpdate(0, uint32(len(data)))
					_ = s.WriteWindowUpdate(1, uint32(len(data)))
					_ = s.out.Flush()
				}
			}
			_, _ = into.Write(data)
			if f.StreamEnded() {
				_ = into.Close()
			}
		case *http2.WindowUpdateFrame:
			budget.grow(f.StreamID, int(f.Increment))
		case *http2.RSTStreamFrame:
			budget.end()
			_ = into.CloseWithError(errors.New("reset: " + f.ErrCode.String()))
		case *http2.SettingsFrame:
			if !f.IsAck() {
				s.writes <- func() { _ = s.WriteSettingsAck(); _ = s.out.Flush() }
			}
		}
	}
}

// h2Conn is the writing half.
type h2Conn struct {
	*h2Stream
	budget *budget
}

var _ net.Conn = (*h2Conn)(nil)

func (c *h2Conn) Read(into []byte) (int, error) { return c.body.Read(into) }

func (c *h2Conn) Write(data []byte) (int, error) {
	sent := 0
	for sent < len(data) {
		n := c.budget.take(min(len(data)-sent, 16384))
		if n == 0 {
			return sent, errors.New("the stream has ended")
		}
		if err := c.write(data[sent:sent+n], false); err != nil {
			return sent, err
		}
		sent += n
	}
	return sent, nil
}

func (c *h2Conn) write(data []byte, end bool) error {
	done := make(chan error, 1)
	c.writes <- func() { done <- errors.Join(c.WriteData(1, end, data), c.out.Flush()) }
	return <-done
}

// CloseWrite ends the stream's own half.
func (c *h2Conn) CloseWrite() error { return c.write(nil, true) }

// Close resets what is left.
func (c *h2Conn) Close() error { return c.Conn.Close() }
