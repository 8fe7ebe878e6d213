// Package load sends requests over kept-alive connections and forgives nothing. Go's own client
// silently sends a request again when a reused connection breaks, which is just what the tests of
// reloads and restarts must not miss; so this one writes to its sockets itself. A connection may
// end only after an answer that announced it with Connection: close.
package load

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	timeout   = 10 * time.Second
	keepFirst = 20 // errors that are kept in words
)

// Options says what to send.
type Options struct {
	Port    int
	Workers int           // connections; 0: 2
	Every   time.Duration // pause of each worker between requests; 0: 2 ms
	TLS     *tls.Config   // how to speak TLS; nil: not at all
	HTTP2   bool          // over TLS; each worker has one stream at a time
	// PerConnection is after how many requests a worker connects anew; 0: never of itself.
	PerConnection int
	// Next gives the host and path of a request.
	Next func(worker, n int) (host, path string)
	// Check judges the answer. Nil: 200 is right and all else is wrong.
	Check func(host string, answer *http.Response, body []byte) error
}

// Load is load that runs.
type Load struct {
	t       testing.TB
	options Options
	stop    chan struct{}
	workers sync.WaitGroup
	sent    atomic.Int64
	failed  atomic.Int64
	mutex   sync.Mutex
	errors  []string
	took    []time.Duration // from each request to the end of its answer
}

// Host is a Next that asks one host for its root.
func Host(host string) func(int, int) (string, string) {
	return func(int, int) (string, string) { return host, "/" }
}

// Start starts the load; it stops with the test if not before.
func Start(t testing.TB, options Options) *Load {
	t.Helper()
	if options.Workers == 0 {
		options.Workers = 2
	}
	if options.Every == 0 {
		options.Every = 2 * time.Millisecond
	}
	if options.Check == nil {
		options.Check = only200
	}
	l := &Load{t: t, options: options, stop: make(chan struct{})}
	for worker := range options.Workers {
		l.workers.Go(func() { l.work(worker) })
	}
	t.Cleanup(func() { l.halt() })
	return l
}

func only200(_ string, answer *http.Response, body []byte) error {
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %d %.200q", answer.StatusCode, body)
	}
	return nil
}

// Sent is how many requests have been answered or have failed.
func (l *Load) Sent() int64 { return l.sent.Load() }

// Failed is how many of them failed.
func (l *Load) Failed() int64 { return l.failed.Load() }

// Stop ends the load and returns what went wrong, in words.
func (l *Load) Stop() []string {
	l.halt()
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.errors
}

// MustBeClean ends the load and fails the test if a single request did.
func (l *Load) MustBeClean(what string) {
	l.t.Helper()
	problems := l.Stop()
	if l.Failed() > 0 {
		l.t.Errorf("%s: %d of %d requests failed, such as %q", what, l.Failed(), l.Sent(), problems)
	} else if l.Sent() == 0 {
		l.t.Errorf("%s: no request was sent", what)
	} else {
		l.t.Logf("%s: %d requests, none failed", what, l.Sent())
	}
}

func (l *Load) halt() {
	l.mutex.Lock()
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.mutex.Unlock()
	l.workers.Wait()
}

// Quantile is the time that a fraction of the answers did not exceed, of a load that has ended.
func (l *Load) Quantile(fraction float64) time.Duration {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if len(l.took) == 0 {
		return 0
	}
	slices.Sort(l.took)
	return l.took[int(fraction*float64(len(l.took)-1))]
}

func (l *Load) work(worker int) {
	var conn connection
	defer func() { closeIfAny(conn) }()
	pause := time.NewTicker(l.options.Every)
	defer pause.Stop()
	for n := 0; ; n++ {
		select {
		case <-l.stop:
			return
		case <-pause.C:
		}
		host, path := l.options.Next(worker, n)
		next, err := l.exchange(conn, host, path)
		conn = next
		l.sent.Add(1)
		if err != nil {
			l.note(fmt.Errorf("%s%s: %w", host, path, err))
		}
	}
}

func (l *Load) note(err error) {
	l.failed.Add(1)
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if len(l.errors) < keepFirst {
		l.errors = append(l.errors, time.Now().Format("05.000 ")+err.Error())
	}
}

// exchange sends one request and returns the connection for the next, nil if it is over.
func (l *Load) exchange(conn connection, host, path string) (connection, error) {
	if conn == nil {
		fresh, err := l.connect()
		if err != nil {
			return nil, err
		}
		conn = fresh
	}
	began := time.Now()
	answer, body, err := conn.get(host, path)
	if err != nil {
		err = fmt.Errorf("request %d of its connection: %w", conn.requests(), err)
	} else {
		l.record(time.Since(began))
		err = l.options.Check(host, answer, body)
	}
	if answer == nil || answer.Close || conn.requests() == l.options.PerConnection {
		conn.close()
		return nil, err
	}
	return conn, err
}

func (l *Load) record(took time.Duration) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.took = append(l.took, took)
}

func (l *Load) connect() (connection, error) {
	if l.options.HTTP2 {
		return dialHTTP2(l.options.Port, l.options.TLS)
	}
	return dial(l.options.Port, l.options.TLS)
}

// connection takes one request at a time. get returns no answer if it is of no use any more.
type connection interface {
	get(host, path string) (*http.Response, []byte, error)
	requests() int
	close()
}

func closeIfAny(conn connection) {
	if conn != nil {
		conn.close()
	}
}

// plain is an HTTP/1.1 connection, within TLS or not.
type plain struct {
	net.Conn
	reader *bufio.Reader
	sent   int
}

func dial(port int, secure *tls.Config) (*plain, error) {
	dialer := &net.Dialer{Timeout: timeout}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	var conn net.Conn
	var err error
	if secure == nil {
		conn, err = dialer.Dial("tcp", address)
	} else {
		conn, err = tls.DialWithDialer(dialer, "tcp", address, secure)
	}
	if err != nil {
		return nil, err
	}
	return &plain{Conn: conn, reader: bufio.NewReader(conn)}, nil
}

func (c *plain) close() { _ = c.Conn.Close() }

func (c *plain) requests() int { return c.sent }

func (c *plain) get(host, path string) (*http.Response, []byte, error) {
	c.sent++
	_ = c.SetDeadline(time.Now().Add(timeout))
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host); err != nil {
		return nil, nil, err
	}
	answer, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, nil, fmt.Errorf("body: %w", err)
	}
	if c.reader.Buffered() > 0 {
		return nil, nil, errors.New("bytes after the answer")
	}
	return answer, body, nil
}

// Watched sends one request, calls atHead when the head of a 200 answer has come, and returns when
// all of its body has.
func Watched(port int, host, path string, atHead func()) error {
	conn, err := dial(port, nil)
	if err != nil {
		return err
	}
	defer conn.close()
	_ = conn.SetDeadline(time.Now().Add(3 * timeout))
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host); err != nil {
		return err
	}
	answer, err := http.ReadResponse(conn.reader, nil)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %d", answer.StatusCode)
	}
	atHead()
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}
