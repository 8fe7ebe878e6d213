package protocols

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"blastdoor.io/test/load"
	"blastdoor.io/test/peers"
	"blastdoor.io/test/poll"
)

const (
	slowClients = 300
	// manySlowClients come instead in long runs, wave after wave.
	manySlowClients = 4000
	// slowReaders are fewer: each fills megabytes of the kernel's buffers first.
	slowReaders = 30
	// slowTimeout is what the door allows them here, to get the test done.
	slowTimeout = time.Second
)

// slow is a way to hold a connection for as long as one is let.
type slow struct {
	name  string
	start string        // sent at once
	drop  string        // sent again and again
	every time.Duration // that often; 0: never
}

func slowWays(host string) []slow {
	head := "HTTP/1.1\r\nHost: " + host + "\r\n"
	return []slow{
		{"says nothing but a letter", "G", "", 0},
		{"head without an end", "GET / " + head, "X-Filler: 1\r\n", 100 * time.Millisecond},
		{"body that stops", "POST /upload " + head + "Content-Length: 1000000\r\n\r\nabc", "", 0},
		{"chunked body that stops", "POST /upload " + head + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "", 0},
		{"reads nothing", "GET /drip?bytes=100000000 " + head + "\r\n", "", 0},
		{"HTTP/2 preface that stops", "PRI * HTTP/2.0\r\n\r\nSM\r\n", "", 0},
	}
}

// hold is one slow client. It returns how long the door bore it.
func (s slow) hold(speech peers.Speech, reads bool, limit time.Duration) (time.Duration, error) {
	dialled := time.Now()
	conn, err := dialRaw(speech, "http/1.1")
	if err != nil {
		return shownOut(dialled, err)
	}
	defer conn.Close()
	start := time.Now() // a handshake has a time limit of its own
	_ = conn.SetDeadline(start.Add(limit))
	if tcp, ok := conn.(*net.TCPConn); ok && !reads {
		_ = tcp.SetReadBuffer(4096)
	}
	if _, err := io.WriteString(conn, s.start); err != nil {
		return shownOut(dialled, err)
	}
	ended := make(chan error, 1)
	go func() {
		var err error
		if reads {
			_, err = io.Copy(io.Discard, conn)
		} else {
			err = awaitReset(conn, start.Add(limit))
		}
		ended <- err
	}()
	var drops <-chan time.Time
	if s.every > 0 {
		ticker := time.NewTicker(s.every)
		defer ticker.Stop()
		drops = ticker.C
	}
	for {
		select {
		case err := <-ended:
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return limit, fmt.Errorf("held for %v", limit)
			}
			return time.Since(start), nil
		case <-drops:
			_, _ = io.WriteString(conn, s.drop)
		}
	}
}

// shownOut forgives an error that comes when the time is up: where hundreds shake hands at once on a
// crowded machine, it may be before the first byte.
func shownOut(start time.Time, err error) (time.Duration, error) {
	if took := time.Since(start); took >= slowTimeout*9/10 {
		return took, nil
	}
	return 0, err
}

// awaitReset notices the end of a connection without reading from it: a write fails then.
func awaitReset(conn net.Conn, deadline time.Time) error {
	for time.Now().Before(deadline) {
		if _, err := conn.Write([]byte("\r\n")); err != nil {
			return nil
		}
		if _, err := poll.Until(50*time.Millisecond, func() error { return errors.New("a little later") }); err == nil {
			break
		}
	}
	return os.ErrDeadlineExceeded
}

// Slow clients are shown out when their time is up; the others do not notice them, and they cost the
// door little.
func TestSlowClients(t *testing.T) {
	w := newWorld(t)
	w.options.Config = config("timeouts: {requestHead: 1s, bodyIdle: 1s}")
	server := peers.StartGoServer(t, peers.Speech{}, "go", newAddress(), peers.Issued{})
	const host = "slow.example.com"
	w.add(app{Host: host, Address: server.Address})
	w.start()
	w.awaitServed(host)
	for _, speech := range []peers.Speech{{}, {TLS: true}} {
		for _, way := range slowWays(host) {
			t.Run(speech.String()+"/"+way.name, func(t *testing.T) {
				w.t = t
				w.slowFlood(way, speech, host)
			})
		}
	}
}

func (w *world) slowFlood(way slow, speech peers.Speech, host string) {
	t := w.t
	reads := way.name != "reads nothing"
	if !reads && speech.TLS {
		t.Skip("whoever reads nothing cannot tell TLS's end: the plain case stands for both")
	}
	grown := growth(t, w.Door(exposure))
	old := load.Start(t, load.Options{Port: plainPort, Next: load.Host(host), Workers: 1})
	modern := startBystander(t, peers.Speech{TLS: true, HTTP2: true}, host)
	poll.Eventually(t, 5*time.Second, "the bystanders are connected", func() error {
		if old.Sent() == 0 || modern.sent.Load() == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	count, duration := slowClients, time.Duration(0)
	if os.Getenv("BLASTDOOR_FLOOD") != "" && !speech.TLS { // four thousand handshakes are a test of the client
		count, duration = manySlowClients, floodTime(t)
	}
	if !reads {
		count = slowReaders
	}
	longest, waves := time.Duration(0), 0
	for start := time.Now(); !t.Failed() && (waves == 0 || time.Since(start) < duration); waves++ {
		longest = max(longest, way.wave(t, speech, reads, count))
	}
	old.MustBeClean("bystander over HTTP/1.1")
	modern.mustBeClean(t, "bystander over HTTP/2")
	// The buffers of a connection, both ways, for those that hold a body: 64 KiB each is plenty.
	if bytes := grown(); bytes > int64(max(count, slowClients))*64<<10 {
		t.Errorf("the door grew by %s over %d connections", mib(bytes), count)
	}
	t.Logf("%d times %d, shown out after at most %v; the door grew by %s", waves, count, longest.Round(time.Millisecond),
		mib(grown()))
}

// wave has slow clients come at once. It returns how long the door bore the last of them.
func (s slow) wave(t *testing.T, speech peers.Speech, reads bool, count int) time.Duration {
	var clients sync.WaitGroup
	var mutex sync.Mutex
	longest, limit := time.Duration(0), poll.Slow(3*slowTimeout)
	for range count {
		clients.Go(func() {
			took, err := s.hold(speech, reads, limit)
			mutex.Lock()
			defer mutex.Unlock()
			longest = max(longest, took)
			if err != nil && !t.Failed() {
				t.Errorf("a slow client: %v", err)
			}
		})
	}
	clients.Wait()
	return longest
}
