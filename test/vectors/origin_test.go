package vectors

import (
	"strings"
	"testing"
)

const (
	someID = "t000000001"
	head   = "Host: v.test\r\nX-Probe: " + someID + "\r\n"
	added  = "X-Forwarded-For: 127.0.0.9\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\nX-Forwarded-Host: v.test\r\n" +
		"X-Request-Id: 0123456789abcdef0123456789abcdef\r\nX-Blastdoor-Hop: 1\r\n"
)

// The strict reader takes what Blastdoor writes, and nothing that two parsers could read in two ways.
func TestStrictReader(t *testing.T) {
	for _, c := range []struct {
		why, text string
		good      bool
	}{
		{"plain", "GET / HTTP/1.1\r\n" + head + added + "\r\n", true},
		{"length", "POST / HTTP/1.1\r\n" + head + "Content-Length: 2\r\n\r\nok", true},
		{"chunks", "POST / HTTP/1.1\r\n" + head + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", true},
		{"8-bit value", "GET / HTTP/1.1\r\n" + head + "X: \xff\r\n\r\n", true},
		{"blank line in front", "\r\nGET / HTTP/1.1\r\n" + head + "\r\n", false},
		{"bare LF", "GET / HTTP/1.1\n" + head + "\r\n", false},
		{"bare CR", "GET / HTTP/1.1\r\n" + head + "X: a\rb\r\n\r\n", false},
		{"fold", "GET / HTTP/1.1\r\n" + head + "X: a\r\n b\r\n\r\n", false},
		{"no space behind a colon", "GET / HTTP/1.1\r\n" + head + "X:a\r\n\r\n", false},
		{"trailing space", "GET / HTTP/1.1\r\n" + head + "X: a \r\n\r\n", false},
		{"space before a colon", "GET / HTTP/1.1\r\n" + head + "X : a\r\n\r\n", false},
		{"control", "GET / HTTP/1.1\r\n" + head + "X: \x01\r\n\r\n", false},
		{"NUL", "GET / HTTP/1.1\r\n" + head + "X: \x00\r\n\r\n", false},
		{"look-alike", "GET / HTTP/1.1\r\n" + head + "Content_Length: 2\r\n\r\n", false},
		{"two hosts", "GET / HTTP/1.1\r\n" + head + "Host: b\r\n\r\n", false},
		{"no host", "GET / HTTP/1.1\r\nX-Probe: " + someID + "\r\n\r\n", false},
		{"HTTP/1.0", "GET / HTTP/1.0\r\n" + head + "\r\n", false},
		{"absolute form", "GET http://v.test/ HTTP/1.1\r\n" + head + "\r\n", false},
		{"8-bit target", "GET /\xe9 HTTP/1.1\r\n" + head + "\r\n", false},
		{"two spaces", "GET  / HTTP/1.1\r\n" + head + "\r\n", false},
		{"two lengths", "POST / HTTP/1.1\r\n" + head + "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", false},
		{"length and coding", "POST / HTTP/1.1\r\n" + head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false},
		{"signed length", "POST / HTTP/1.1\r\n" + head + "Content-Length: +0\r\n\r\n", false},
		{"other coding", "POST / HTTP/1.1\r\n" + head + "Transfer-Encoding: gzip\r\n\r\n", false},
		{"chunk extension", "POST / HTTP/1.1\r\n" + head + "Transfer-Encoding: chunked\r\n\r\n2;a\r\nok\r\n0\r\n\r\n", false},
		{"upper-case size", "POST / HTTP/1.1\r\n" + head + "Transfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n", false},
		{"no CRLF behind data", "POST / HTTP/1.1\r\n" + head + "Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n", false},
		{"trailer", "POST / HTTP/1.1\r\n" + head + "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n", false},
	} {
		m, err := ReadRequest(c.text, Strict)
		if good := err == nil && m != nil && m.Ended && m.Size == len(c.text); good != c.good {
			t.Errorf("%s: %v, %+v, %v", c.why, good, m, err)
		}
		for at := range len(c.text) {
			if m, err := ReadRequest(c.text[:at], Strict); c.good && (err != nil || m != nil && m.Ended) {
				t.Errorf("%s: of %d bytes: %+v, %v", c.why, at, m, err)
			}
		}
	}
}

// The judge sees each way in which an origin can get something else than what was sent.
func TestJudge(t *testing.T) {
	const line, end = "GET /a HTTP/1.1\r\n", "\r\n"
	forward := []Want{{Verdict: Forward}}
	refuse := []Want{{Verdict: Refuse}}
	partial := []Want{{Verdict: Refuse, Flags: map[string]bool{"partial": true}}}
	sanitise := []Want{{Verdict: Sanitise, Target: "/b", Drops: []string{"X-Secret"}}}
	for _, c := range []struct {
		why   string
		wants []Want
		sent  string
		got   []string
		good  bool
	}{
		{"forwarded", forward, line + head + end, []string{line + head + added + end}, true},
		{"with fields", forward, line + head + "A:1\r\nB:\r\nConnection: x\r\n" + end, []string{line + head + "A: 1\r\nB: \r\n" + added + end}, true},
		{"with a body", forward, line + head + "Content-Length: 1\r\n\r\nx", []string{line + head + added + "Content-Length: 1\r\n\r\nx"}, true},
		{"refused", refuse, line + head + end, nil, true},
		{"cut short", partial, line + head + end, []string{line + head + added + "Content-Length: 9\r\n\r\n1234"}, true},
		{"sanitised", sanitise, line + head + "X-Secret: x\r\n" + end, []string{"GET /b HTTP/1.1\r\n" + head + added + end}, true},
		{"not forwarded", forward, line + head + end, nil, false},
		{"forwarded twice", forward, line + head + end, []string{line + head + added + end, line + head + added + end}, false},
		{"other method", forward, line + head + end, []string{"PUT /a HTTP/1.1\r\n" + head + added + end}, false},
		{"other target", forward, line + head + end, []string{"GET / HTTP/1.1\r\n" + head + added + end}, false},
		{"other host", forward, line + head + end, []string{strings.ReplaceAll(line+head+added+end, "v.test", "w.test")}, false},
		{"a field less", forward, line + head + "A: 1\r\n" + end, []string{line + head + added + end}, false},
		{"a field more", forward, line + head + end, []string{line + head + "A: 1\r\n" + added + end}, false},
		{"other order", forward, line + head + "A: 1\r\nB: 1\r\n" + end, []string{line + head + "B: 1\r\nA: 1\r\n" + added + end}, false},
		{"other value", forward, line + head + "A: 1\r\n" + end, []string{line + head + "A: 2\r\n" + added + end}, false},
		{"hop-by-hop field kept", forward, line + head + "Connection: A\r\n" + end, []string{line + head + added + "Upgrade: h2c\r\n" + end}, false},
		{"secret kept", sanitise, line + head + "X-Secret: x\r\n" + end, []string{"GET /b HTTP/1.1\r\n" + head + "X-Secret: x\r\n" + added + end}, false},
		{"nothing of ours", forward, line + head + end, []string{line + head + end}, false},
		{"two of ours", forward, line + head + end, []string{line + head + added + added + end}, false},
		{"other client", forward, line + head + end, []string{line + head + strings.Replace(added, "0.9", "0.8", 1) + end}, false},
		{"other body", forward, line + head + "Content-Length: 1\r\n\r\nx", []string{line + head + added + "Content-Length: 1\r\n\r\ny"}, false},
		{"other framing", forward, line + head + "Content-Length: 1\r\n\r\nx", []string{line + head + added + "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"}, false},
		{"its end is missing", forward, line + head + "Content-Length: 2\r\n\r\nxy", []string{line + head + added + "Content-Length: 2\r\n\r\nx"}, false},
		{"refused and forwarded", refuse, line + head + end, []string{line + head + added + end}, false},
		{"cut short, but whole", partial, line + head + end, []string{line + head + added + end}, false},
		{"refused and cut short", refuse, line + head + end, []string{line + head + added + "Content-Length: 9\r\n\r\n1234"}, false},
	} {
		var seen []Seen
		for _, text := range c.got {
			m, err := ReadRequest(text, Strict)
			if err != nil || m == nil {
				t.Fatalf("%s: %+v, %v", c.why, m, err)
			}
			seen = append(seen, Seen{Message: m})
		}
		err := Judge(&Vector{Wants: c.wants}, c.sent, Peer{"127.0.0.9", "http", "80"}, seen)
		if (err == nil) != c.good {
			t.Errorf("%s: %v", c.why, err)
		}
	}
}
