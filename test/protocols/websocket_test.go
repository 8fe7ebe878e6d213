package protocols

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"blastdoor.io/test/expect"
	"blastdoor.io/test/peers"
	"blastdoor.io/test/poll"
)

// verdict is how a WebSocket connection went, on both sides.
type verdict struct {
	Client []string // the frames that came back, and the end
	Server []string // the events of the server
}

// half is a connection of which one direction can be ended.
type half interface {
	net.Conn
	CloseWrite() error
}

// way opens a WebSocket for a path, to the server itself or through a door.
type way struct {
	name string
	open func(t *testing.T, path string) (half, *bufio.Reader)
	hop  string // what the server is told of doors
}

var sockets atomic.Int64

// play sends a case and returns what came of it. The server's report is fetched past the door.
func (w way) play(t *testing.T, server string, c webSocketCase) verdict {
	t.Helper()
	id := fmt.Sprint(sockets.Add(1))
	conn, reader := w.open(t, "/?id="+id)
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(poll.Slow(10 * time.Second)))
	frames := c.frames
	if !c.last {
		frames = append(slices.Clone(frames), closing(1000, ""))
	}
	closes := slices.ContainsFunc(frames, func(f frame) bool { return f.opcode == opClose })
	received := make(chan []string, 1)
	go func() { received <- readFrames(reader, conn, !closes && !c.broken) }()
	for _, f := range frames {
		pieces := [][]byte{f.bytes()}
		if c.chopped {
			pieces = slices.Collect(slices.Chunk(f.bytes(), 1))
		}
		for _, piece := range pieces {
			if _, err := conn.Write(piece); err != nil {
				break // the server may have had enough
			}
		}
	}
	if c.broken {
		_ = conn.CloseWrite()
	}
	got := verdict{Client: <-received}
	_ = conn.CloseWrite()
	if _, err := io.Copy(io.Discard, reader); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("over %s: the connection outlives the WebSocket", w.name)
	}
	poll.Eventually(t, expect.Soon, "the server's report", func() (err error) {
		got.Server, err = w.report(t, server, id)
		return err
	})
	return got
}

func (w way) report(t *testing.T, server, id string) ([]string, error) {
	t.Helper()
	response, err := http.Get("http://" + server + "/report?id=" + id)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var report struct {
		Events []string
		Hop    string
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.New(response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(&report); err != nil {
		return nil, err
	}
	if report.Hop != w.hop {
		t.Errorf("the server was told %q of doors, not %q", report.Hop, w.hop)
	}
	return report.Events, nil
}

// readFrames reads until the server's close, or the end. How a connection ends that nobody closes as
// the protocol asks is left to each side.
func readFrames(reader *bufio.Reader, conn half, answer bool) []string {
	var out []string
	for {
		var head [2]byte
		if _, err := io.ReadFull(reader, head[:]); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return append(out, "nothing more comes")
			}
			return append(out, "end")
		}
		length := uint64(head[1] & 0x7f)
		switch length {
		case 126:
			var long [2]byte
			_, _ = io.ReadFull(reader, long[:])
			length = uint64(binary.BigEndian.Uint16(long[:]))
		case 127:
			var long [8]byte
			_, _ = io.ReadFull(reader, long[:])
			length = binary.BigEndian.Uint64(long[:])
		}
		payload := make([]byte, min(length, 8<<20))
		if _, err := io.ReadFull(reader, payload); err != nil {
			return append(out, "end within a frame")
		}
		sum := sha256.Sum256(payload)
		out = append(out, fmt.Sprintf("%08b masked %d: %d bytes, %s", head[0], head[1]>>7, length, hex.EncodeToString(sum[:8])))
		if head[0]&0xf == opClose {
			if answer {
				_, _ = conn.Write(frame{opcode: opClose, payload: payload}.bytes())
			}
			return append(out, fmt.Sprintf("close %q", payload))
		}
	}
}

// upgrade opens a WebSocket over HTTP/1.1 on an open connection.
func upgrade(t *testing.T, conn half, host, path string) (half, *bufio.Reader) {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(poll.Slow(10 * time.Second)))
	lines := []string{"GET " + path + " HTTP/1.1", "Host: " + host, "Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}
	if _, err := io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusSwitchingProtocols || response.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("answered %d %v", response.StatusCode, response.Header)
	}
	return conn, reader
}

func dialHalf(t *testing.T, dial func() (net.Conn, error)) half {
	t.Helper()
	conn, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	return conn.(half)
}

// webSocketWorld is a door on the server of npm's ws.
func webSocketWorld(t *testing.T) (server, host string, ways []way) {
	t.Helper()
	server, host = newAddress(), expect.NewHost("websocket")
	w := newWorld(t)
	peers.StartWebSocketServer(t, server)
	w.add(app{Host: host, Address: server})
	w.start()
	w.awaitServed(host)
	through := func(speech peers.Speech) func(t *testing.T, path string) (half, *bufio.Reader) {
		return func(t *testing.T, path string) (half, *bufio.Reader) {
			if speech.HTTP2 {
				return extendedConnect(t, speech, host, path)
			}
			conn := dialHalf(t, func() (net.Conn, error) { return dialRaw(speech, "http/1.1") })
			return upgrade(t, conn, host, path)
		}
	}
	ways = []way{{name: "direct", open: func(t *testing.T, path string) (half, *bufio.Reader) {
		conn := dialHalf(t, func() (net.Conn, error) { return net.Dial("tcp", server) })
		return upgrade(t, conn, server, path)
	}}}
	for _, speech := range peers.Speeches {
		ways = append(ways, way{name: speech.String(), open: through(speech), hop: "1"})
	}
	return server, host, ways
}

// Whatever a client sends over a WebSocket, good or bad, ends the same with a door and without one:
// over HTTP/1.1, with TLS, and over HTTP/2 (RFC 8441).
func TestWebSocketCases(t *testing.T) {
	server, _, ways := webSocketWorld(t)
	for _, c := range webSocketCases() {
		t.Run(c.name, func(t *testing.T) {
			direct := ways[0].play(t, server, c)
			if slices.Contains(direct.Client, "nothing more comes") || len(direct.Server) == 0 {
				t.Fatalf("no verdict without a door: %q", direct)
			}
			for _, way := range ways[1:] {
				got := way.play(t, server, c)
				if !slices.Equal(got.Client, direct.Client) || !slices.Equal(got.Server, direct.Server) {
					t.Errorf("over %s: %q; without a door: %q", way.name, got, direct)
				}
			}
		})
	}
}

// github.com/coder/websocket and npm's ws understand each other through a door.
func TestWebSocketClient(t *testing.T) {
	_, host, _ := webSocketWorld(t)
	for _, speech := range []peers.Speech{{}, {TLS: true}} {
		t.Run(speech.String(), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), poll.Slow(20*time.Second))
			defer cancel()
			scheme := strings.Replace(speech.Scheme(), "http", "ws", 1)
			client := newClient(t, speech)
			client.Timeout = 0
			conn, response, err := websocket.Dial(ctx, scheme+"://"+host+"/?id=coder", &websocket.DialOptions{HTTPClient: client})
			if err != nil {
				t.Fatalf("%v %v", err, response)
			}
			defer conn.CloseNow()
			conn.SetReadLimit(8 << 20)
			for n, size := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20, 4 << 20} {
				kind := []websocket.MessageType{websocket.MessageText, websocket.MessageBinary}[n%2]
				if err := conn.Write(ctx, kind, letters(size)); err != nil {
					t.Fatal(err)
				}
				got, data, err := conn.Read(ctx)
				if err != nil || got != kind || string(data) != string(letters(size)) {
					t.Fatalf("%d bytes came back as %d of kind %v, %v", size, len(data), got, err)
				}
			}
			listening := conn.CloseRead(ctx)
			if err := conn.Ping(ctx); err != nil {
				t.Errorf("ping: %v", err)
			}
			if err := conn.Close(4321, "enough"); err != nil {
				t.Errorf("close: %v", err)
			}
			<-listening.Done()
		})
	}
}
