package vectors

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"blastdoor.io/test/poll"
)

// Responder is an origin that answers each request with the vector that its probe names, cut as its
// run says, and that watches what Blastdoor does with the connection afterwards.
type Responder struct {
	listener net.Listener
	diag     chan *Diag // as many as may ask at one time
	mutex    sync.Mutex
	runs     map[string]*Reply
	crimes   []string
}

// Reply is one vector of the response side on its way through one door, cut in one way.
type Reply struct {
	Vector *Vector
	ID     string
	Door   *Door
	Cuts   Cuts
	Err    error

	over     chan struct{} // closed once Blastdoor has closed the connection that brought the reply
	overOnce sync.Once
}

// String says how to find it again.
func (r *Reply) String() string {
	return fmt.Sprintf("%s (%s), %s, %v, answered %.3000q and then %s", r.Vector.Name, r.Vector.File, r.Door.Name, r.Cuts, r.Vector.Bytes(r.ID), r.Vector.Then)
}

// Tainted says whether the connection must not carry another exchange.
func (r *Reply) Tainted() bool {
	want := r.Vector.Wants[0]
	return want.Verdict != Pass || want.Flags["once"]
}

// StartResponder listens at an address until the test ends.
func StartResponder(t testing.TB, address string) *Responder {
	t.Helper()
	listener, err := net.Listen("tcp4", address)
	if err != nil {
		t.Fatal(err)
	}
	r := &Responder{listener: listener, runs: map[string]*Reply{}, diag: make(chan *Diag, 4)}
	for range cap(r.diag) {
		diag, err := NewDiag()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(diag.Close)
		r.diag <- diag
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go r.serve(conn.(*net.TCPConn))
		}
	}()
	return r
}

// Port is where it listens.
func (r *Responder) Port() int { return r.listener.Addr().(*net.TCPAddr).Port }

// Expect tells it of a run before its request is sent.
func (r *Responder) Expect(run *Reply) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	run.over = make(chan struct{})
	r.runs[run.ID] = run
}

// Crimes are what it saw that must not happen.
func (r *Responder) Crimes() []string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.crimes
}

func (r *Responder) crime(format string, args ...any) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.crimes = append(r.crimes, fmt.Sprintf(format, args...))
}

func (r *Responder) serve(conn *net.TCPConn) {
	defer conn.Close()
	var held string
	for {
		request, err := readRequest(conn, &held)
		if err != nil {
			r.crime("%v in %.500q", err, held)
			return
		}
		if request == nil {
			return
		}
		probe, _ := request.Get("X-Probe")
		r.mutex.Lock()
		run := r.runs[probe]
		r.mutex.Unlock()
		if run == nil {
			r.crime("nobody's request %q %q", request.Line, request.Fields)
			return
		}
		r.reply(conn, run)
		switch {
		case run.Vector.Then == "reset":
			_ = conn.SetLinger(0)
			return
		case run.Vector.Then == "close":
			_ = conn.CloseWrite()
			r.watch(conn, run)
			return
		case run.Tainted():
			r.watch(conn, run)
			return
		}
	}
}

// readRequest waits for the next request. nil: the connection ended instead.
func readRequest(conn net.Conn, held *string) (*Message, error) {
	buffer := make([]byte, 4096)
	for {
		m, err := ReadRequest(*held, Strict)
		if err != nil {
			return nil, err
		}
		if m != nil && m.Ended {
			*held = (*held)[m.Size:]
			return m, nil
		}
		n, err := conn.Read(buffer)
		if err != nil {
			return nil, nil
		}
		*held += string(buffer[:n])
	}
}

func (r *Responder) reply(conn *net.TCPConn, run *Reply) {
	door := conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	here := conn.LocalAddr().(*net.TCPAddr).AddrPort()
	pieces := run.Cuts.Pieces(run.Vector.Bytes(run.ID), "")
	for n, piece := range pieces {
		// The door may have closed: it need not read to the end what is wrong at its beginning.
		if _, err := conn.Write([]byte(piece)); err != nil {
			return
		}
		if n == len(pieces)-1 {
			return
		}
		diag := <-r.diag
		err := awaitRead(diag, door, here)
		r.diag <- diag
		if err != nil {
			r.crime("%v: %v", run, err)
			return
		}
	}
}

// watch waits until Blastdoor closes the connection, and sees that it sends nothing more on it.
func (r *Responder) watch(conn *net.TCPConn, run *Reply) {
	_ = conn.SetReadDeadline(time.Now().Add(poll.Slow(runTimeout)))
	buffer := make([]byte, 4096)
	n, err := conn.Read(buffer)
	var timeout net.Error
	switch {
	case n > 0:
		r.crime("%v: the connection is used again: %.500q", run, buffer[:n])
	case errors.As(err, &timeout) && timeout.Timeout():
		r.crime("%v: the connection is kept", run)
	default:
		run.overOnce.Do(func() { close(run.over) })
	}
}
