package vectors

import (
	"io"
	"net"
	"testing"
)

// heard is a run whose door says the given bytes and then ends the connection, with a reset if asked.
func heard(t *testing.T, text string, reset bool) *Run {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err := net.Dial("tcp4", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	door, err := listener.Accept()
	if err == nil {
		_, err = io.WriteString(door, text)
	}
	if err != nil {
		t.Fatal(err)
	}
	r := &Run{conn: client}
	for len(r.held) < len(text) { // a reset may overtake what is not read
		if err := r.more(); err != nil {
			t.Fatal(err)
		}
	}
	if reset {
		_ = door.(*net.TCPConn).SetLinger(0)
	}
	_ = door.Close()
	return r
}

// The judge of the response side sees each way in which a client can get something else than what
// the origin sent, and takes no broken message for a clean one.
func TestReplyJudge(t *testing.T) {
	const ok, sent = "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nA:b\r\nContent-Length: 2\r\n\r\nok"
	refusal := "HTTP/1.1 502 Bad Gateway\r\nX-Blastdoor-Cause: bad-response\r\nContent-Length: 1\r\n\r\nx"
	for _, c := range []struct {
		why, want, then, ask, sent, got string
		reset, good                     bool
	}{
		{"passed", "pass", "open", "", sent, ok + "A: b\r\nContent-Length: 2\r\n\r\nok", false, true},
		{"until close becomes chunks", "pass", "close", "", ok + "\r\nok", ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", false, true},
		{"until close for 1.0", "pass", "close", "1.0", ok + "\r\nok", ok + "Connection: close\r\n\r\nok", false, true},
		{"interim", "pass", "open", "", "HTTP/1.1 103 X\r\nL: m\r\n\r\n" + sent, "HTTP/1.1 103 X\r\nL: m\r\n\r\n" + ok + "A: b\r\nContent-Length: 2\r\n\r\nok", false, true},
		{"HEAD", "pass", "open", "HEAD", ok + "Content-Length: 9\r\n\r\n", ok + "Content-Length: 9\r\n\r\n", false, true},
		{"other status", "pass", "open", "", sent, "HTTP/1.1 201 OK\r\nA: b\r\nContent-Length: 2\r\n\r\nok", false, false},
		{"other reason", "pass", "open", "", sent, "HTTP/1.1 200 Ok\r\nA: b\r\nContent-Length: 2\r\n\r\nok", false, false},
		{"other value", "pass", "open", "", sent, ok + "A: c\r\nContent-Length: 2\r\n\r\nok", false, false},
		{"a field more", "pass", "open", "", sent, ok + "A: b\r\nC: d\r\nContent-Length: 2\r\n\r\nok", false, false},
		{"other body", "pass", "open", "", sent, ok + "A: b\r\nContent-Length: 2\r\n\r\nno", false, false},
		{"other framing", "pass", "open", "", sent, ok + "A: b\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", false, false},
		{"bytes behind it", "pass", "open", "", sent, ok + "A: b\r\nContent-Length: 2\r\n\r\nok!", false, false},
		{"not whole", "pass", "open", "", sent, ok + "A: b\r\nContent-Length: 2\r\n\r\no", false, false},
		{"no interim", "pass", "open", "", "HTTP/1.1 103 X\r\n\r\n" + sent, ok + "A: b\r\nContent-Length: 2\r\n\r\nok", false, false},
		{"other length of HEAD", "pass", "open", "HEAD", ok + "Content-Length: 9\r\n\r\n", ok + "Content-Length: 8\r\n\r\n", false, false},
		{"until close, reset", "pass", "close", "1.0", ok + "\r\nok", ok + "\r\nok", true, false},
		{"bare LF", "pass", "open", "", sent, ok + "A: b\nContent-Length: 2\r\n\r\nok", false, false},
		{"refused", "refuse 502 bad-response", "open", "", sent, refusal, false, true},
		{"refused for another cause", "refuse 502 upstream-closed", "open", "", sent, refusal, false, false},
		{"not refused", "refuse 502", "open", "", sent, ok + "Content-Length: 0\r\n\r\n", false, false},
		{"short", "truncated", "close", "", sent, ok + "Content-Length: 2\r\n\r\no", false, true},
		{"short, reset", "truncated", "close", "", sent, ok + "Content-Length: 2\r\n\r\no", true, true},
		{"no end of chunks", "truncated", "close", "", sent, ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", false, true},
		{"refused instead", "truncated", "close", "", sent, refusal, false, true},
		{"until close, reset", "truncated", "close", "1.0", sent, ok + "\r\nok", true, true},
		{"until close, clean", "truncated", "close", "1.0", sent, ok + "\r\nok", false, false},
		{"whole", "truncated", "close", "", sent, ok + "Content-Length: 2\r\n\r\nok", false, false},
	} {
		want, err := parseWant(c.want)
		if err != nil {
			t.Fatal(err)
		}
		r := Reply{Vector: &Vector{Wants: []Want{want}, Then: c.then, Raw: c.sent}, ID: someID}
		method, version := "GET", "1.1"
		switch c.ask {
		case "HEAD":
			method = c.ask
		case "1.0":
			version = c.ask
		}
		if err := r.judge(heard(t, c.got, c.reset), method, version); (err == nil) != c.good {
			t.Errorf("%s: %v", c.why, err)
		}
	}
}
