// Package load sends requests over kept-alive connections and forgives nothing. Go's own client
// silently sends a request again when a reused connection breaks, which is just what the tests of
// reloads and restarts must not miss; so this one writes to its sockets itself. A connection may
// end only after an answer that announced it with Connection: close.
package load

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
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

func (l *Load) work(worker int) {
	var conn *connection
	defer func() { conn.close() }()
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
func (l *Load) exchange(conn *connection, host, path string) (*connection, error) {
	if conn == nil {
		fresh, err := dial(l.options.Port)
		if err != nil {
			return nil, err
		}
		conn = fresh
	}
	answer, body, err := conn.get(host, path)
	if err != nil {
		err = fmt.Errorf("request %d of its connection: %w", conn.requests, err)
	} else {
		err = l.options.Check(host, answer, body)
	}
	if answer == nil || answer.Close {
		conn.close()
		conn = nil
	}
	return conn, err
}

type connection struct {
	net.Conn
	reader   *bufio.Reader
	requests int
}

func dial(port int) (*connection, error) {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), timeout)
	if err != nil {
		return nil, err
	}
	return &connection{Conn: conn, reader: bufio.NewReader(conn)}, nil
}

func (c *connection) close() {
	if c != nil {
		_ = c.Conn.Close()
	}
}

// get returns no answer if the connection is of no use any more.
func (c *connection) get(host, path string) (*http.Response, []byte, error) {
	c.requests++
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
	conn, err := dial(port)
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
