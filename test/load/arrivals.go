package load

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// waitingMax is how many clients may be there at once. A machine that is too slow for the rate sees a
// lower one, and is not buried under them.
const waitingMax = 1500

// Arrivals are clients that come at a rate, whatever became of those before them: each connects,
// sends one request, and leaves with the answer.
type Arrivals struct {
	t       testing.TB
	stop    chan struct{}
	clients sync.WaitGroup
	began   time.Time
	started atomic.Int64
	ended   atomic.Int64
	mutex   sync.Mutex
	lost    []Loss
}

// Loss is a client that left without its answer.
type Loss struct {
	Began, Ended time.Time
	Err          error
}

// Refused says that it was not even let in.
func (l Loss) Refused() bool { return errors.Is(l.Err, syscall.ECONNREFUSED) }

// StartArrivals lets so many clients a second ask a host for its root; it stops with the test if not
// before.
func StartArrivals(t testing.TB, port int, host string, perSecond float64) *Arrivals {
	a := &Arrivals{t: t, stop: make(chan struct{}), began: time.Now()}
	a.clients.Go(func() {
		clock := time.NewTicker(time.Millisecond)
		defer clock.Stop()
		for {
			select {
			case <-a.stop:
				return
			case <-clock.C:
			}
			due := int64(time.Since(a.began).Seconds() * perSecond)
			for a.started.Load() < due && a.started.Load()-a.ended.Load() < waitingMax {
				a.started.Add(1)
				a.clients.Go(func() { a.visit(port, host) })
			}
		}
	})
	t.Cleanup(a.halt)
	return a
}

func (a *Arrivals) visit(port int, host string) {
	began := time.Now()
	err := Once(port, host)
	a.ended.Add(1)
	if err != nil {
		a.mutex.Lock()
		defer a.mutex.Unlock()
		a.lost = append(a.lost, Loss{began, time.Now(), err})
	}
}

// Once asks a host for its root on a connection of its own; anything but a whole 200 is an error.
func Once(port int, host string) error {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), timeout)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(timeout))
	if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host); err != nil {
		return err
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
		return fmt.Errorf("answered %.500q", answer)
	}
	return nil
}

// Started is how many have come.
func (a *Arrivals) Started() int64 { return a.started.Load() }

// Ended is how many have left, with an answer or without.
func (a *Arrivals) Ended() int64 { return a.ended.Load() }

// Stop lets nobody come any more, waits until all have left, and returns who left without an answer,
// and how many a second came.
func (a *Arrivals) Stop() (lost []Loss, perSecond float64) {
	perSecond = float64(a.started.Load()) / time.Since(a.began).Seconds()
	a.halt()
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return a.lost, perSecond
}

func (a *Arrivals) halt() {
	a.mutex.Lock()
	select {
	case <-a.stop:
	default:
		close(a.stop)
	}
	a.mutex.Unlock()
	a.clients.Wait()
}
