package property

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"blastdoor.io/test/poll"
)

const (
	batchMax     = 8  // requests in one write
	longBatch    = 40 // sometimes; more than a door takes up at once
	batchTimeout = 20 * time.Second
)

// What a request has for a status if it has no answer.
const (
	statusNone  = 0 // the end of the connection
	statusReset = 1 // that of the stream
)

// tally is what became of the requests to one port.
type tally struct {
	mutex    sync.Mutex
	answered int // requests with an answer, or whose connection was closed in place of one
	status   map[int]int
	kinds    map[string]int
	problems []string

	h2, handshakes, resumed, barred int // requests, sessions, of those, connections that nothing may come of
}

func (l *tally) handshake(resumed bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.handshakes++
	if resumed {
		l.resumed++
	}
}

func (l *tally) count(r request, status int) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.status == nil {
		l.status, l.kinds = map[int]int{}, map[string]int{}
	}
	l.answered++
	l.status[status]++
	if r.h2 != nil {
		l.h2++
	}
	for _, kind := range kindsOf(r.kind) {
		l.kinds[kind]++
	}
}

func (l *tally) complain(format string, args ...any) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if len(l.problems) < crimesKept {
		l.problems = append(l.problems, fmt.Sprintf(format, args...))
	}
}

func (l *tally) words() []string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return slices.Clone(l.problems)
}

func (l *tally) total() int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.answered
}

// attacker sends generated requests to one port, several in one write, and reads the answers.
type attacker struct {
	seed         uint64
	port, worker int
	limit        int // of all requests to this port; then it rests
	tally        *tally
	pki          *pki
	tickets      *tickets
	next         int
	block        int // whose plan the connection follows
	conn         net.Conn
	h2           *talk // nil: HTTP/1.1
	reader       *bufio.Reader
	reading      net.Conn // what it reads from
	buffer       []byte
}

// run sends until there is enough, or it is told to stop.
func (a *attacker) run(stop <-chan struct{}) {
	defer a.close()
	for a.tally.total() < a.limit {
		select {
		case <-stop:
			return
		default:
		}
		if a.conn != nil && a.block != a.next/blockSize {
			a.close()
		}
		if a.conn == nil && !a.dial() {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond): // the door was killed, or is not there yet
			}
			continue
		}
		a.once()
	}
}

// once sends one batch, as the plan has it.
func (a *attacker) once() {
	l := planOf(a.seed, probe{port: a.port, worker: a.worker, n: a.next})
	if l.tls {
		barred := l.refused(exposureOf(a.port)) != ""
		if _, done := a.conn.(*tls.Conn); !done && !a.secure(l) {
			if barred {
				a.skip()
			}
			return
		}
		if barred {
			a.blind(l, newRequest(a.seed, probe{port: a.port, worker: a.worker, n: a.next}))
			a.skip()
			return
		}
	}
	if a.reader == nil {
		a.reader = bufio.NewReaderSize(a.conn, 64<<10)
	} else if a.reading != a.conn {
		a.reader.Reset(a.conn)
	}
	a.reading = a.conn
	if !l.h2 {
		a.attack(a.batch())
		return
	}
	if a.h2 == nil {
		a.startH2()
	}
	a.attackH2(a.batch())
}

// skip leaves a block whose plan lets nothing through.
func (a *attacker) skip() {
	a.next = (a.next/blockSize + 1) * blockSize
	a.tally.mutex.Lock()
	defer a.tally.mutex.Unlock()
	a.tally.barred++
}

func (a *attacker) dial() bool {
	conn, err := net.DialTimeout("tcp4", fmt.Sprintf("127.0.0.1:%d", a.port), time.Second)
	if err != nil {
		return false
	}
	a.conn, a.block = conn, a.next/blockSize
	return true
}

func (a *attacker) close() {
	if a.conn != nil {
		_ = a.conn.Close()
		a.conn, a.h2, a.reading = nil, nil, nil
	}
}

func (a *attacker) batch() []request {
	var batch []request
	size := 1 + a.next%batchMax
	if a.next%50 == 0 {
		size = longBatch
	}
	for range min(size, blockSize-a.next%blockSize) {
		r := newRequest(a.seed, probe{port: a.port, worker: a.worker, n: a.next})
		a.next++
		batch = append(batch, r)
		if r.last {
			break
		}
	}
	return batch
}

func (a *attacker) attack(batch []request) {
	all := a.buffer[:0]
	for _, r := range batch {
		all = append(all, r.bytes...)
	}
	_ = a.conn.SetDeadline(time.Now().Add(poll.Slow(batchTimeout)))
	a.buffer = all
	// A write error means that the door has said all it had to say; what it said is still there.
	if a.next%4 == 0 { // in two pieces, cut anywhere
		cut := len(all) * (a.next % 97) / 97
		_, _ = a.conn.Write(all[:cut])
		all = all[cut:]
	}
	_, _ = a.conn.Write(all)
	last := batch[len(batch)-1]
	if last.abandoned {
		batch = batch[:len(batch)-1]
	}
	for _, r := range batch {
		if !a.answer(r) {
			a.close()
			return
		}
	}
	if last.abandoned {
		a.tally.count(last, 0)
	}
	if last.final {
		a.end(last)
	} else if a.reader.Buffered() > 0 {
		a.tally.complain("bytes after the last answer of %v", last.probe)
	}
}

// answer reads one answer. False: the connection is over.
func (a *attacker) answer(r request) bool {
	answer, err := readAnswer(a.reader, r.head)
	if err != nil {
		if isTimeout(err) {
			a.tally.complain("%v is not answered: %s", r.probe, replay(a.seed, r.probe))
		} else if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !isReset(err) {
			a.tally.complain("%v: %v: %s", r.probe, err, replay(a.seed, r.probe))
		}
		a.tally.count(r, 0)
		return false
	}
	a.tally.count(r, answer.status)
	a.judgeStatus(r, answer.status, answer.echo)
	if answer.echo != "" && answer.echo != r.probe.String() {
		a.tally.complain("%v got the answer for %s", r.probe, answer.echo)
	}
	return !answer.close
}

// end makes sure that a request that ends its connection had one answer and not two.
func (a *attacker) end(r request) {
	defer a.close()
	if r.abandoned {
		return // its end is ours
	}
	closeWrite(a.conn)
	if answer, err := readAnswer(a.reader, false); err == nil {
		a.tally.complain("%v was answered twice, then with %d for %q: %s", r.probe, answer.status, answer.echo, replay(a.seed, r.probe))
	} else if isTimeout(err) {
		a.tally.complain("the connection of %v does not end: %s", r.probe, replay(a.seed, r.probe))
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

type clientAnswer struct {
	status int
	echo   string
	close  bool
}

// readAnswer reads one final answer with its body, as fast as that can be.
func readAnswer(reader *bufio.Reader, head bool) (clientAnswer, error) {
	for {
		a, length, chunked, err := readAnswerHead(reader)
		if err != nil || a.status >= 200 {
			if err == nil && !head && a.status != 204 && a.status != 304 {
				err = skipBody(reader, length, chunked)
			}
			return a, err
		}
	}
}

func readAnswerHead(reader *bufio.Reader) (a clientAnswer, length int, chunked bool, err error) {
	for first := true; ; first = false {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			if !first && errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return a, 0, false, err
		}
		line = bytes.TrimSuffix(line, []byte("\r\n"))
		if first {
			if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
				return a, 0, false, fmt.Errorf("status line %q", line)
			}
			a.status, err = strconv.Atoi(string(line[9:12]))
			if err != nil {
				return a, 0, false, err
			}
			continue
		}
		if len(line) == 0 {
			return a, length, chunked, nil
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch {
		case bytes.EqualFold(name, []byte("content-length")):
			length, err = strconv.Atoi(string(value))
			if err != nil {
				return a, 0, false, err
			}
		case bytes.EqualFold(name, []byte("transfer-encoding")):
			chunked = true
		case bytes.EqualFold(name, []byte("x-echo")):
			a.echo = string(value)
		case bytes.EqualFold(name, []byte("connection")):
			a.close = bytes.EqualFold(value, []byte("close"))
		}
	}
}

func skipBody(reader *bufio.Reader, length int, chunked bool) error {
	if chunked {
		return drainChunks(reader)
	}
	_, err := reader.Discard(length)
	return err
}
