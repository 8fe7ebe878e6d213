package property

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"blastdoor.io/test/netns"
)

// probeOf is a request to a port whose connection is as wanted.
func probeOf(seed uint64, port int, suits func(plan) bool) probe {
	for n := 0; ; n += blockSize {
		if p := (probe{port: port, n: n}); suits(planOf(seed, p)) {
			return p
		}
	}
}

// What the witness is to see of TLS, WebSockets and forged names, said to an upstream's face.
func TestTheWitnessSeesLiesOfTLS(t *testing.T) {
	netns.Require(t)
	w := newWorld(t, 1)
	v := startWitness(t, w)
	named := func(e exposure, name string, shows identity, old bool) func(plan) bool {
		return func(l plan) bool {
			return l.name() == name && l.shows == shows && l.old == old && l.refused(e) == ""
		}
	}
	anyPlan := func(plan) bool { return true }
	xfcc := func(text string) string { return "X-Forwarded-Client-Cert: " + text + "\r\n" }
	good, partner := xfcc(w.pki.facts[good]), xfcc(w.pki.facts[partner])
	const upgrade = "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nUpgrade: "
	const key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	internal, external := exposures[1], exposures[3]
	cases := []struct {
		name       string
		port       int
		suits      func(plan) bool
		host, more string
		crime      string
	}{
		{"a certificate that was shown", internal.securePort, named(1, guardedHost(1), 1, false), guardedHost(1), good, ""},
		{"on the way to another host that wants the same", internal.securePort, named(1, guardedHost(1), 1, false), "app-1.example.com:443", good, ""},
		{"no certificate where none is wanted", internal.securePort, named(1, stableHost(1), 1, false), stableHost(1), "", ""},
		{"a certificate forgotten", internal.securePort, named(1, guardedHost(1), 1, false), guardedHost(1), "", "x-forwarded-client-cert"},
		{"a certificate of somebody else", internal.securePort, named(1, guardedHost(1), 1, false), guardedHost(1), partner, "x-forwarded-client-cert"},
		{"a certificate twice", internal.securePort, named(1, guardedHost(1), 1, false), guardedHost(1), good + good, "x-forwarded-client-cert"},
		{"a certificate that was not asked for", internal.securePort, named(1, stableHost(1), 1, false), stableHost(1), good, "x-forwarded-client-cert"},
		{"a certificate without TLS", internal.port, anyPlan, stableHost(1), good, "x-forwarded-client-cert"},
		{"an empty one", internal.port, anyPlan, stableHost(1), xfcc(""), "x-forwarded-client-cert"},
		{"one by another name", internal.port, anyPlan, stableHost(1), "X.Forwarded_Client-Cert: x\r\n", "x.forwarded_client-cert"},
		{"another's forwarded field", internal.port, anyPlan, stableHost(1), "X-Forwarded-Tls-Client-Cert: x\r\n", "x-forwarded-tls-client-cert"},
		{"a guarded host on an open connection", internal.securePort, named(1, stableHost(1), 1, false), guardedHost(1), "", "never asked"},
		{"a guarded host on a nameless one", internal.securePort, named(1, "", 0, false), guardedHost(1), "", "never asked"},
		{"a guarded host without a certificate", external.securePort, named(3, "", 0, false), guardedHost(3), "", "no good certificate"},
		{"a host of TLS 1.3 over 1.2", internal.securePort, named(1, stableHost(1), 1, true), "app-3.example.com", "", "too old"},
		{"a host of another certificate", external.securePort, named(3, "app-12.example.com", 0, false), stableHost(3), "", "certificate of others"},
		{"a connection with a bad certificate", internal.securePort, func(l plan) bool { return strings.Contains(l.refused(1), "certificate") }, stableHost(1), "", "anything at all"},
		{"a connection with a bad name", internal.securePort, func(l plan) bool { return strings.Contains(l.refused(1), "server name") }, stableHost(1), "", "anything at all"},
		{"a connection with a foreign protocol", internal.securePort, func(l plan) bool { return l.liar }, stableHost(1), "", "anything at all"},
		{"a WebSocket", internal.port, anyPlan, stableHost(1), upgrade + "websocket\r\n" + key, ""},
		{"a WebSocket without a key", internal.port, anyPlan, stableHost(1), upgrade + "websocket\r\n", "told upgrade"},
		{"another upgrade", internal.port, anyPlan, stableHost(1), upgrade + "h2c\r\n" + key, "told upgrade"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			before, _ := v.crimes.list()
			v.crimes.first = nil
			p := probeOf(w.seed, c.port, c.suits)
			tell(t, exposureOf(c.port), "GET / HTTP/1.1\r\nHost: "+c.host+"\r\nX-Forwarded-Host: "+c.host+"\r\nX-Probe: "+p.String()+
				"\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\nX-Forwarded-For: 127.0.0.1\r\n"+c.more+"\r\n")
			after, crimes := v.crimes.list()
			if c.crime == "" {
				if after != before {
					t.Errorf("a crime: %v", crimes)
				}
			} else if after == before || !strings.Contains(crimes[0].what, c.crime) {
				t.Errorf("%d crimes, %v", after-before, crimes)
			}
		})
	}
}

// falseDoor answers the streams of HTTP/2 on a port, as a test has it, and closes all else.
func falseDoor(t *testing.T, port int, answer func(s *speaker, head *http2.MetaHeadersFrame)) {
	t.Helper()
	listener, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go falseSession(conn, answer)
		}
	}()
}

func falseSession(conn net.Conn, answer func(s *speaker, head *http2.MetaHeadersFrame)) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(reader, preface); err != nil || string(preface) != http2.ClientPreface {
		return
	}
	s := newSpeaker()
	in := http2.NewFramer(io.Discard, reader)
	in.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	seen := uint32(0)
	for {
		frame, err := in.ReadFrame()
		if bad, isStream := errors.AsType[http2.StreamError](err); isStream {
			_ = s.framer.WriteRSTStream(bad.StreamID, bad.Code)
			seen = max(seen, bad.StreamID)
		} else if err != nil {
			return
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			if f.StreamID > seen { // not trailers
				seen = f.StreamID
				answer(s, f)
			}
		case *http2.PingFrame:
			_ = s.framer.WritePing(true, f.Data)
		}
		if _, err := conn.Write(s.out.Bytes()); err != nil {
			return
		}
		s.out.Reset()
	}
}

// say answers a stream for the upstream of a probe.
func (s *speaker) say(stream uint32, status, probe string, end bool) {
	fields := []field{{Name: ":status", Value: status}}
	if probe != "" {
		fields = append(fields, field{Name: "x-echo", Value: probe})
	}
	_ = s.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: s.encode(fields), EndHeaders: true, EndStream: end})
}

func probeIn(head *http2.MetaHeadersFrame) string {
	for _, f := range head.Fields {
		if f.Name == "x-probe" {
			return f.Value
		}
	}
	return ""
}

// The client, too, is worth as much as it sees.
func TestTheClientSeesLiesOfHTTP2(t *testing.T) {
	netns.Require(t)
	port := exposures[0].port
	for _, c := range []struct {
		name   string
		answer func(s *speaker, stream uint32, probe string)
		crime  string
	}{
		{"another's answer", func(s *speaker, id uint32, _ string) { s.say(id, "200", probe{port: port, n: 1 << 20}.String(), true) }, "got the answer for"},
		{"a second answer", func(s *speaker, id uint32, p string) {
			s.say(id, "404", "", false)
			s.say(id, "404", "", true)
		}, "a second answer"},
		{"an answer after the end", func(s *speaker, id uint32, p string) {
			s.say(id, "404", "", true)
			s.say(id, "404", "", true)
		}, "nobody waits for"},
		{"an answer to no request", func(s *speaker, id uint32, p string) {
			s.say(id+100, "404", "", true)
			s.say(id, "404", "", true)
		}, "nobody waits for"},
		{"data before the answer", func(s *speaker, id uint32, p string) {
			_ = s.framer.WriteData(id, false, []byte("x"))
			s.say(id, "404", "", true)
		}, "out of turn"},
		{"what is to be refused", func(s *speaker, id uint32, p string) { s.say(id, "200", p, true) }, "was served"},
		{"421 without TLS", func(s *speaker, id uint32, p string) { s.say(id, "421", "", true) }, "misdirected"},
		{"nothing wrong", func(s *speaker, id uint32, p string) { s.say(id, "404", "", true) }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			falseDoor(t, port, func(s *speaker, head *http2.MetaHeadersFrame) { c.answer(s, head.StreamID, probeIn(head)) })
			a := &attacker{seed: 1, port: port, limit: 3000, tally: &tally{}}
			a.run(make(chan struct{}))
			words := a.tally.words()
			if c.crime == "" && len(words) > 0 {
				t.Errorf("seen: %q", words)
			}
			if c.crime != "" && !slices.ContainsFunc(words, func(word string) bool { return strings.Contains(word, c.crime) }) {
				t.Errorf("not seen: %q", words)
			}
		})
	}
}

// A door that lets every client in, with any ticket, is seen as well.
func TestTheClientSeesLiesOfTLS(t *testing.T) {
	netns.Require(t)
	p := newPKI(t)
	pair, err := tls.LoadX509KeyPair(filepath.Join(p.folder, "server-0.pem"), filepath.Join(p.folder, "server-0.key"))
	if err != nil {
		t.Fatal(err)
	}
	for crime, ticketsDisabled := range map[string]bool{"a ticket for": false, "was answered though": true} {
		t.Run(crime, func(t *testing.T) {
			config := &tls.Config{
				Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"},
				ClientAuth: tls.RequestClientCert, SessionTicketsDisabled: ticketsDisabled,
			}
			port := exposures[1].securePort
			falseSecureDoor(t, port, config)
			a := &attacker{seed: 1, port: port, limit: 3000, tally: &tally{}, pki: p, tickets: &tickets{}}
			a.run(make(chan struct{}))
			if !slices.ContainsFunc(a.tally.words(), func(word string) bool { return strings.Contains(word, crime) }) {
				t.Errorf("not seen: %q", a.tally.words())
			}
		})
	}
}

// falseSecureDoor lets everybody in, and finds nothing.
func falseSecureDoor(t *testing.T, port int, config *tls.Config) {
	t.Helper()
	listener, err := tls.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = conn.Read(make([]byte, 4096))
				if session, ok := conn.(*tls.Conn); ok && session.ConnectionState().NegotiatedProtocol != "h2" {
					_, _ = io.WriteString(conn, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
				}
			}()
		}
	}()
}
