package vectors

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Seen is a request that reached the origin.
type Seen struct {
	*Message
	Probe      string
	Connection int
}

// Origin is a server that keeps what reaches it and trusts nobody: what it can not read in the one
// strict way is a crime. It answers each request with its probe, keeps connections open, and answers
// requests for /early before their body is there.
type Origin struct {
	listener net.Listener
	style    Style
	mutex    sync.Mutex
	seen     map[string][]Seen // by id
	crimes   []string
	count    int // of connections
	served   sync.WaitGroup
}

// StartOrigin listens at an address until the test ends, and reads in that style: Strict, unless
// somebody else than Blastdoor writes.
func StartOrigin(t testing.TB, address string, style Style) *Origin {
	t.Helper()
	listener, err := net.Listen("tcp4", address)
	if err != nil {
		t.Fatal(err)
	}
	o := &Origin{listener: listener, style: style, seen: map[string][]Seen{}}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			o.served.Add(1)
			go o.serve(conn)
		}
	}()
	return o
}

// Port is where it listens.
func (o *Origin) Port() int { return o.listener.Addr().(*net.TCPAddr).Port }

// Finish waits until all connections have ended, and says what they brought: by id, and what was wrong with them.
// Blastdoor has to be gone, or it keeps some open.
func (o *Origin) Finish() (seen map[string][]Seen, crimes []string) {
	_ = o.listener.Close()
	o.served.Wait()
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.seen, o.crimes
}

func (o *Origin) serve(conn net.Conn) {
	defer o.served.Done()
	defer conn.Close()
	o.mutex.Lock()
	o.count++
	number := o.count
	o.mutex.Unlock()
	var held []byte
	buffer := make([]byte, 64<<10)
	answered := false // the request at hand
	for {
		n, err := conn.Read(buffer)
		held = append(held, buffer[:n]...)
		for len(held) > 0 {
			m, wrong := ReadRequest(string(held), o.style)
			if wrong != nil {
				o.crime("connection %d: %v in %.2000q", number, wrong, held)
				return
			}
			if m == nil || !m.Ended && !isEarly(m) {
				break
			}
			if m.Ended {
				o.keep(m, number) // before its answer lets the next one come
				held = held[m.Size:]
			}
			if !answered && !answer(conn, m) {
				break
			}
			answered = !m.Ended
			if answered {
				break
			}
		}
		if err != nil {
			o.cutShort(held, number)
			return
		}
	}
}

func isEarly(m *Message) bool {
	_, target, _ := m.Parts()
	return strings.HasPrefix(target, "/early")
}

func answer(conn net.Conn, m *Message) bool {
	method, _, _ := m.Parts()
	body, _ := m.Get("X-Probe")
	text := fmt.Sprintf("HTTP/1.1 200 OK\r\nX-Probe: %s\r\nContent-Length: %d\r\n\r\n", body, len(body))
	if method != "HEAD" {
		text += body
	}
	_, err := conn.Write([]byte(text))
	return err == nil
}

// cutShort keeps a request whose end never came.
func (o *Origin) cutShort(held []byte, number int) {
	if len(held) == 0 {
		return
	}
	m, err := ReadRequest(string(held), o.style)
	if m == nil || err != nil {
		o.crime("connection %d ends in %.200q: %v", number, held, err)
		return
	}
	o.keep(m, number)
}

func (o *Origin) keep(m *Message, number int) {
	probe, count := m.Get("X-Probe")
	if count != 1 || len(probe) < Probe {
		o.crime("connection %d: nobody's request: %q %q", number, m.Line, m.Fields)
		return
	}
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.seen[probe[:Probe]] = append(o.seen[probe[:Probe]], Seen{m, probe, number})
}

func (o *Origin) crime(format string, args ...any) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.crimes = append(o.crimes, fmt.Sprintf(format, args...))
}

// Peer is what the origin has to be told of the client and the way it came.
type Peer struct {
	Address string
	Scheme  string
	Port    string
}

// ours are the fields that Blastdoor writes itself.
var ours = []string{"Host", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Host", "X-Request-Id", "X-Blastdoor-Hop"}

// Judge compares what the origin got of one run with what it should have got. sent are the bytes of
// the vector, without a bait that the runner adds.
func Judge(v *Vector, sent string, peer Peer, seen []Seen) error {
	arrived := 0
	for n, want := range v.Wants {
		switch want.Verdict {
		case Forward, Sanitise:
			m, err := ReadRequest(sent, Legal)
			if err != nil || m == nil || !m.Ended {
				return fmt.Errorf("message %d of the vector itself is not whole: %v", n+1, err)
			}
			sent = sent[m.Size:]
			if arrived == len(seen) {
				return fmt.Errorf("request %d did not arrive", n+1)
			}
			got := seen[arrived]
			arrived++
			if !got.Ended && want.Flags["early"] {
				continue
			}
			if err := Same(want, m, got.Message, peer); err != nil {
				return fmt.Errorf("request %d: %w", n+1, err)
			}
		case Refuse, Close:
			if m, _ := ReadRequest(sent, Legal); want.Flags["open"] && m != nil {
				sent = sent[m.Size:]
			}
			if want.Flags["partial"] && arrived < len(seen) && !seen[arrived].Ended {
				arrived++
			}
		}
	}
	if arrived < len(seen) {
		return fmt.Errorf("UNSAFE FORWARD of %q %q, probe %s, ended: %v", seen[arrived].Line, seen[arrived].Body, seen[arrived].Probe, seen[arrived].Ended)
	}
	if v.Legal() && len(sent) > 0 {
		return fmt.Errorf("%.80q of the vector itself is behind its last message", sent)
	}
	return nil
}

// Same says how a request that was forwarded differs in meaning from the one that was sent.
func Same(want Want, sent, got *Message, peer Peer) error {
	if !got.Ended {
		return errors.New("its end did not arrive")
	}
	method, target, _ := sent.Parts()
	if want.Target != "" {
		target = want.Target
	}
	if line := method + " " + target + " HTTP/1.1"; got.Line != line {
		return fmt.Errorf("line %q, not %q", got.Line, line)
	}
	host, _ := sent.Get("Host")
	if want.Host != "" {
		host = want.Host
	}
	for name, value := range map[string]string{
		"Host": host, "X-Forwarded-For": peer.Address, "X-Forwarded-Proto": peer.Scheme, "X-Forwarded-Port": peer.Port,
		"X-Forwarded-Host": host, "X-Blastdoor-Hop": "1",
	} {
		if found, count := got.Get(name); found != value || count != 1 {
			return fmt.Errorf("%d fields %s: %q, not %q", count, name, found, value)
		}
	}
	if id, count := got.Get("X-Request-Id"); count != 1 || len(id) != 32 || strings.Trim(id, hex) != "" {
		return fmt.Errorf("%d fields X-Request-Id: %q", count, id)
	}
	expected := sent.EndToEnd(append([]string{"Host", "Expect"}, want.Drops...)...)
	if err := sameFields(expected, got.Without(slices.Concat(ours, []string{"Content-Length", "Transfer-Encoding"}))); err != nil {
		return err
	}
	framing := sent.Framing
	if got.Framing != framing || got.Body != sent.Body {
		return fmt.Errorf("body %s %.200q, not %s %.200q", got.Framing, got.Body, framing, sent.Body)
	}
	return nil
}

func sameFields(want, got []Field) error {
	for n := range max(len(want), len(got)) {
		switch {
		case n >= len(want):
			return fmt.Errorf("field %.200q too many", got[n])
		case n >= len(got):
			return fmt.Errorf("field %.200q is missing", want[n])
		case want[n] != got[n]:
			return fmt.Errorf("field %.200q, not %.200q", got[n], want[n])
		}
	}
	return nil
}
