package vectors

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"blastdoor.io/test/poll"
)

const runTimeout = 20 * time.Second

// Door is a listener of Blastdoor.
type Door struct {
	Name string
	Port int
	TLS  *tls.Config // nil: plain
	Peer Peer        // what origins are told; Address is the client's
}

// Run is one vector on its way through one door, cut in one way.
type Run struct {
	Vector *Vector
	ID     string
	Door   *Door
	Cuts   Cuts
	Err    error // what the client saw and should not have

	sent   string
	pieces []string
	conn   net.Conn
	server netip.AddrPort
	client netip.AddrPort
	held   string // bytes of answers, not taken yet
}

// String says how to find it again.
func (r *Run) String() string {
	return fmt.Sprintf("%s (%s), %s, %v, sent %.3000q", r.Vector.Name, r.Vector.File, r.Door.Name, r.Cuts, r.Vector.Bytes(r.ID))
}

// prepare makes the bytes. Behind a vector that must end its connection it puts a bait.
func (r *Run) prepare() {
	r.sent = r.Vector.Bytes(r.ID)
	added := ""
	if last := r.Vector.Wants[len(r.Vector.Wants)-1]; last.Verdict == Refuse && !last.Flags["open"] {
		added = strings.ReplaceAll(bait, "$id", r.ID)
	}
	r.pieces = r.Cuts.Pieces(r.sent, added)
}

// Exchange sends the pieces of all runs, a piece of each at a time, and waits before the next piece
// until the door has read the one before; then it reads the answers.
func Exchange(runs []*Run, from net.IP, diag *Diag) {
	steps := 0
	for _, r := range runs {
		r.prepare()
		r.Err = r.connect(from)
		steps = max(steps, len(r.pieces))
	}
	for step := range steps {
		for _, r := range runs {
			if r.Err == nil && step < len(r.pieces) {
				// The door may have closed already, as it should for some; what it said is still there.
				_, _ = r.conn.Write([]byte(r.pieces[step]))
			}
		}
		for _, r := range runs {
			if r.Err == nil && step < len(r.pieces)-1 {
				r.Err = awaitRead(diag, r.server, r.client)
			}
		}
	}
	for _, r := range runs {
		if r.Err == nil {
			r.Err = r.readAnswers()
		}
		r.close()
		r.sent, r.pieces = "", nil // thousands of runs wait for their judge
	}
}

func (r *Run) connect(from net.IP) error {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}, Timeout: poll.Slow(runTimeout)}
	conn, err := dialer.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", r.Door.Port))
	if err != nil {
		return err
	}
	r.server = conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	r.client = conn.LocalAddr().(*net.TCPAddr).AddrPort()
	_ = conn.SetDeadline(time.Now().Add(poll.Slow(runTimeout)))
	r.conn = conn
	if r.Door.TLS != nil {
		secured := tls.Client(conn, r.Door.TLS)
		r.conn = secured
		return secured.Handshake()
	}
	return nil
}

// close ends the connection at once: thousands of them would otherwise wait for their ports.
func (r *Run) close() {
	if r.conn == nil {
		return
	}
	conn := r.conn
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

// awaitRead waits until a socket of another process has nothing unread.
func awaitRead(diag *Diag, local, remote netip.AddrPort) error {
	deadline := time.Now().Add(poll.Slow(runTimeout))
	for {
		unread, err := diag.Unread(local, remote)
		if errors.Is(err, errGone) || err == nil && unread == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d bytes are not read", unread)
		}
		runtime.Gosched()
	}
}

// readAnswers checks the answer to each message, and the end of the connection.
func (r *Run) readAnswers() error {
	sent := r.sent
	for n, want := range r.Vector.Wants {
		var err error
		switch want.Verdict {
		case Forward, Sanitise:
			m, wrong := ReadRequest(sent, Legal)
			if wrong != nil || m == nil || !m.Ended {
				return fmt.Errorf("message %d of the vector itself is not whole: %v", n+1, wrong)
			}
			sent = sent[m.Size:]
			err = r.forwarded(want, m)
		case Refuse:
			if m, _ := ReadRequest(sent, Legal); want.Flags["open"] && m != nil {
				sent = sent[m.Size:]
			}
			err = r.refused(want)
		case Close:
			r.giveUp()
			err = r.ended(true)
		case Ignore:
			err = r.ended(false)
		default:
			err = fmt.Errorf("%s is no verdict on a request", want.Verdict)
		}
		if err != nil {
			return fmt.Errorf("message %d, %s: %w", n+1, want.Verdict, err)
		}
	}
	if r.held != "" {
		return fmt.Errorf("%.500q behind the last answer", r.held)
	}
	return nil
}

func (r *Run) forwarded(want Want, sent *Message) error {
	method, _, version := sent.Parts()
	got, err := r.next(method)
	if err != nil {
		return err
	}
	probe, _ := sent.Get("X-Probe")
	if echoed, _ := got.Get("X-Probe"); got.Status() != 200 || echoed != probe {
		return fmt.Errorf("answer %q %q %.300q", got.Line, got.Fields, got.Body)
	}
	if body := got.Body; method != "HEAD" && body != probe {
		return fmt.Errorf("body %.200q", body)
	}
	options := ""
	for _, field := range sent.Fields {
		if strings.EqualFold(field.Name, "Connection") {
			options += "," + strings.ToLower(field.Value)
		}
	}
	ends := strings.Contains(options, "close") || version == "HTTP/1.0" && !strings.Contains(options, "keep-alive")
	if closing, _ := got.Get("Connection"); (closing == "close") != ends && !want.Flags["early"] {
		return fmt.Errorf("Connection %q in the answer to %q", closing, options)
	}
	return nil
}

func (r *Run) refused(want Want) error {
	method, _, _ := strings.Cut(r.sent, " ")
	got, err := r.next(method)
	if err != nil {
		return err
	}
	known := false
	for _, status := range want.Status {
		known = known || got.Status() == status
	}
	cause, causes := got.Get("X-Blastdoor-Cause")
	if !known || causes != 1 || want.Cause != "" && cause != want.Cause {
		return fmt.Errorf("answer %q %q %.300q", got.Line, got.Fields, got.Body)
	}
	if want.Flags["open"] {
		return nil
	}
	if closes, _ := got.Get("Connection"); closes != "close" {
		return fmt.Errorf("the refusal does not end the connection: %q", got.Fields)
	}
	return r.ended(false)
}

func (r *Run) giveUp() {
	switch conn := r.conn.(type) {
	case *net.TCPConn:
		_ = conn.CloseWrite()
	case *tls.Conn:
		_ = conn.CloseWrite()
	}
}

// next reads one answer; interim ones are skipped.
func (r *Run) next(method string) (*Message, error) {
	for {
		m, err := ReadResponse(r.held, method, Strict, false)
		if err != nil {
			return nil, fmt.Errorf("answer %.500q: %w", r.held, err)
		}
		if m != nil && m.Framing == "until-close" {
			return nil, fmt.Errorf("an answer without a length: %.500q", r.held)
		}
		if m != nil && m.Ended {
			r.held = r.held[m.Size:]
			if m.Status() >= 200 {
				return m, nil
			}
			continue
		}
		if err := r.more(); err != nil {
			return nil, fmt.Errorf("no answer, but %.500q and %w", r.held, err)
		}
	}
}

// ended waits for the end of the connection. A refusal may come first if the client gave up.
func (r *Run) ended(mayRefuse bool) error {
	for {
		err := r.more()
		var timeout net.Error
		switch {
		case err == nil:
			continue
		case errors.As(err, &timeout) && timeout.Timeout():
			return errors.New("the connection does not end")
		}
		break
	}
	if mayRefuse && r.held != "" {
		m, err := ReadResponse(r.held, "", Strict, true)
		if err != nil || m == nil || m.Status() < 400 {
			return fmt.Errorf("%.500q in answer to a request that has not ended: %v", r.held, err)
		}
		r.held = r.held[m.Size:]
	}
	if r.held != "" {
		return fmt.Errorf("%.500q instead of the end of the connection", r.held)
	}
	return nil
}

func (r *Run) more() error {
	buffer := make([]byte, 4096)
	n, err := r.conn.Read(buffer)
	r.held += string(buffer[:n])
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}
