package property

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"blastdoor.io/test/poll"
)

// tickets are the TLS sessions that all attackers got, and may resume anywhere.
type tickets struct {
	mutex sync.Mutex
	all   []ticket
	next  int
}

type ticket struct {
	port  int
	name  string
	shows identity
	state *tls.ClientSessionState
}

const ticketsKept = 256

func (s *tickets) add(one ticket) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if len(s.all) < ticketsKept {
		s.all = append(s.all, one)
		return
	}
	s.all[s.next%ticketsKept] = one
	s.next++
}

// any is a ticket for a connection. What another identity got for the same name of the same port
// would honestly make this one that identity, and is left alone.
func (s *tickets) any(port int, l plan) *ticket {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for range 8 {
		if len(s.all) == 0 {
			break
		}
		one := s.all[rand.IntN(len(s.all))]
		if one.port != port || one.name != l.name() || one.shows == l.shows {
			return &one
		}
	}
	return nil
}

// wallet is what one handshake sees of the tickets.
type wallet struct {
	tickets *tickets
	port    int
	plan    plan
	offered *ticket
}

func (w *wallet) Get(string) (*tls.ClientSessionState, bool) {
	if w.plan.resume {
		w.offered = w.tickets.any(w.port, w.plan)
	}
	if w.offered == nil {
		return nil, false
	}
	return w.offered.state, true
}

func (w *wallet) Put(_ string, state *tls.ClientSessionState) {
	if state != nil {
		w.tickets.add(ticket{w.port, w.plan.name(), w.plan.shows, state})
	}
}

// secure ends a TLS handshake on a.conn as the plan has it. False: there is no session.
func (a *attacker) secure(l plan) bool {
	cards := &wallet{tickets: a.tickets, port: a.port, plan: l}
	config := &tls.Config{
		InsecureSkipVerify: true, ServerName: l.sni, NextProtos: l.alpn, ClientSessionCache: cards,
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256}, // others cost the client much, and prove nothing here
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &a.pki.clients[l.shows], nil // whoever was asked for
		},
	}
	if l.old {
		config.MaxVersion = tls.VersionTLS12
	}
	session := tls.Client(a.conn, config)
	_ = a.conn.SetDeadline(time.Now().Add(poll.Slow(batchTimeout)))
	err := session.Handshake()
	e := exposureOf(a.port)
	why := l.refused(e)
	if err != nil {
		if _, alert := errors.AsType[tls.AlertError](err); why == "" && (alert || isTimeout(err) || strings.Contains(err.Error(), "remote error")) {
			a.tally.complain("a handshake failed that should not have: %v: %v", err, l)
		}
		a.close()
		return false
	}
	a.conn = session
	state := session.ConnectionState()
	a.tally.handshake(state.DidResume)
	if used := cards.offered; state.DidResume && (used == nil || exposureOf(used.port) != e || used.name != l.name()) {
		a.tally.complain("a ticket for %q of port %d was taken by port %d for %v", used.name, used.port, a.port, l)
	}
	if !l.liar && why == "" && (state.NegotiatedProtocol == "h2") != l.h2 {
		a.tally.complain("%q was agreed on: %v", state.NegotiatedProtocol, l)
	}
	return true
}

// blind sends one request on a connection from which nothing may come of it: whatever is answered
// must not be an upstream's.
func (a *attacker) blind(l plan, r request) {
	defer a.close()
	_ = a.conn.SetDeadline(time.Now().Add(poll.Slow(batchTimeout)))
	if l.h2 {
		s := newSpeaker()
		s.open()
		s.send(1, r.h2)
		_, _ = a.conn.Write(s.out.Bytes())
	} else {
		_, _ = a.conn.Write(r.bytes)
	}
	closeWrite(a.conn)
	answer, err := io.ReadAll(io.LimitReader(a.conn, 1<<20))
	if isTimeout(err) {
		a.tally.complain("the connection of %v does not end: %s", r.probe, replay(a.seed, r.probe))
	}
	if bytes.Contains(bytes.ToLower(answer), []byte("x-echo")) || (len(answer) > 0 && !l.liar) {
		a.tally.complain("%v was answered though %s: %.200q: %s", r.probe, l.refused(exposureOf(a.port)), answer, replay(a.seed, r.probe))
	}
	a.tally.count(r, statusNone)
}

func closeWrite(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// judgeStatus looks at an answer's status alone: 421 has its rules, and no upstream answers what
// has to be refused.
func (a *attacker) judgeStatus(r request, status int, echo string) {
	l := planOf(a.seed, r.probe)
	why := l.misdirected(exposureOf(a.port), r.host)
	switch {
	case status == 421 && (!l.tls || (r.host != "" && why == "")):
		a.tally.complain("%v is called misdirected: %s", r.probe, replay(a.seed, r.probe))
	case r.refuse && echo != "":
		a.tally.complain("%v was served: %s", r.probe, replay(a.seed, r.probe))
	case r.host != "" && echo != "" && why != "":
		a.tally.complain("%v was served though %s: %s", r.probe, why, replay(a.seed, r.probe))
	}
}

// lie compares what an upstream was told of the client's TLS with what the plan says of it.
func (l plan) lie(p *pki, e exposure, host string, told []string) string {
	if why := l.refused(e); why != "" {
		return "anything at all, though " + why
	}
	name, port, _ := strings.Cut(host, ":")
	if _, _, found := strings.Cut(port, ":"); found {
		name = host // an IPv6 address
	}
	if why := l.misdirected(e, name); why != "" {
		return fmt.Sprintf("of %s, though %s", host, why)
	}
	want := p.facts[l.believed(e)]
	if got := strings.Join(told, " | "); got != want || (want == "" && len(told) > 0) {
		return fmt.Sprintf("x-forwarded-client-cert: %q, not %q", told, want)
	}
	return ""
}
