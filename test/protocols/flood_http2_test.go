package protocols

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"blastdoor.io/test/load"
	"blastdoor.io/test/peers"
	"blastdoor.io/test/poll"
)

// attack is one way to make a server work for nothing. `round` writes some frames of it.
type attack struct {
	name  string
	begin func(c *rawH2, host string) error // once; may be nil
	round func(c *rawH2, host string) error
}

// openStream is for attacks within one stream, which waits for the rest of its body.
func openStream(c *rawH2, host string) error {
	_, err := c.request("POST", host, "/wait?bytes=1", false)
	return err
}

func incrementOfZero(c *rawH2, stream uint32) error {
	return c.WriteRawFrame(http2.FrameWindowUpdate, 0, stream, make([]byte, 4))
}

var attacks = []attack{
	{"rapid reset", nil, func(c *rawH2, host string) error {
		stream, err := c.request("GET", host, "/", true)
		return errors.Join(err, c.WriteRSTStream(stream, http2.ErrCodeCancel))
	}},
	{"made you reset: increment of zero", nil, func(c *rawH2, host string) error {
		stream, err := c.request("GET", host, "/", true)
		return errors.Join(err, incrementOfZero(c, stream))
	}},
	{"made you reset: window overflow", nil, func(c *rawH2, host string) error {
		stream, err := c.request("GET", host, "/", true)
		return errors.Join(err, c.WriteWindowUpdate(stream, 1<<31-1))
	}},
	{"made you reset: DATA after the end", nil, func(c *rawH2, host string) error {
		stream, err := c.request("GET", host, "/", true)
		return errors.Join(err, c.WriteData(stream, true, []byte("x")))
	}},
	{"made you reset: HEADERS after the end", nil, func(c *rawH2, host string) error {
		stream, err := c.request("GET", host, "/", true)
		return errors.Join(err, c.WriteHeaders(http2.HeadersFrameParam{
			StreamID: stream, BlockFragment: c.fields("x", "y"), EndHeaders: true, EndStream: true,
		}))
	}},
	{"made you reset: PRIORITY of a wrong length", nil, func(c *rawH2, host string) error {
		stream, err := c.request("GET", host, "/", true)
		return errors.Join(err, c.WriteRawFrame(http2.FramePriority, 0, stream, make([]byte, 4)))
	}},
	{"made you reset: malformed request", nil, func(c *rawH2, host string) error {
		_, err := c.request("GET", host, "/", true, "connection", "close")
		return err
	}},
	{"made you reset: body longer than its length", nil, func(c *rawH2, host string) error {
		stream, err := c.request("POST", host, "/", false, "content-length", "1")
		return errors.Join(err, c.WriteData(stream, true, []byte("abc")))
	}},
	{"CONTINUATION", func(c *rawH2, host string) error {
		return c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.fields(":method", "GET")})
	}, func(c *rawH2, _ string) error {
		return c.WriteContinuation(1, false, c.fields("x-filler", "0123456789"))
	}},
	{"empty CONTINUATION", func(c *rawH2, host string) error {
		return c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.fields(":method", "GET")})
	}, func(c *rawH2, _ string) error { return c.WriteContinuation(1, false, nil) }},
	{"PING", nil, func(c *rawH2, _ string) error { return c.WritePing(false, [8]byte{1}) }},
	{"SETTINGS", nil, func(c *rawH2, _ string) error {
		return c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 65535})
	}},
	{"PRIORITY", nil, func(c *rawH2, _ string) error {
		c.next += 2
		return c.WritePriority(c.next, http2.PriorityParam{StreamDep: 1, Weight: 7})
	}},
	{"empty DATA", openStream, func(c *rawH2, _ string) error { return c.WriteData(1, false, nil) }},
	{"padded empty DATA", openStream, func(c *rawH2, _ string) error {
		return c.WriteRawFrame(http2.FrameData, http2.FlagDataPadded, 1, []byte{1, 0})
	}},
	{"WINDOW_UPDATE", openStream, func(c *rawH2, _ string) error { return c.WriteWindowUpdate(1, 1) }},
	{"unknown frames", nil, func(c *rawH2, _ string) error {
		return c.WriteRawFrame(http2.FrameType(0xbe), 0, 0, binary.BigEndian.AppendUint64(nil, 1))
	}},
}

// strike floods until the door ends the connection, and returns how long that took; an error if it
// did not within the limit.
func (a attack) strike(speech peers.Speech, host string, limit time.Duration) (time.Duration, error) {
	c, err := tryDialH2(speech)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	start := time.Now()
	_ = c.SetDeadline(start.Add(limit))
	ended := make(chan error, 1)
	go func() { ended <- c.drain() }()
	if a.begin != nil {
		err = a.begin(c, host)
	}
	for err == nil {
		select {
		case end := <-ended:
			return time.Since(start), stillOpen(end, limit)
		default:
			err = a.round(c, host)
		}
	}
	end := <-ended // what was written is refused: the reader sees the end too, or the deadline
	return time.Since(start), stillOpen(end, limit)
}

func stillOpen(end error, limit time.Duration) error {
	var network net.Error
	if errors.Is(end, os.ErrDeadlineExceeded) || errors.As(end, &network) && network.Timeout() {
		return fmt.Errorf("the connection is open after %v", limit)
	}
	return nil
}

// bystander is a client over HTTP/2 that minds its own business.
type bystander struct {
	sent, failed atomic.Int64
	first        atomic.Pointer[error]
	stop         context.CancelFunc
	done         sync.WaitGroup
}

func startBystander(t *testing.T, speech peers.Speech, host string) *bystander {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	b := &bystander{stop: stop}
	client := newClient(t, speech)
	client.Timeout = 10 * time.Second
	b.done.Go(func() {
		every := time.NewTicker(5 * time.Millisecond)
		defer every.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-every.C:
			}
			err := ask(client, speech.Scheme()+"://"+host+"/")
			b.sent.Add(1)
			if err != nil {
				b.failed.Add(1)
				b.first.CompareAndSwap(nil, &err)
			}
		}
	})
	t.Cleanup(b.end)
	return b
}

func ask(client *http.Client, url string) error {
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %d", response.StatusCode)
	}
	return nil
}

func (b *bystander) end() {
	b.stop()
	b.done.Wait()
}

func (b *bystander) mustBeClean(t *testing.T, what string) {
	t.Helper()
	b.end()
	if b.failed.Load() > 0 {
		t.Errorf("%s: %d of %d requests failed, such as %v", what, b.failed.Load(), b.sent.Load(), *b.first.Load())
	} else if b.sent.Load() == 0 {
		t.Errorf("%s: no request was sent", what)
	}
}

const (
	floodGrowthMax = 16 * mebibyte
	swarm          = 100 // attackers at once
	// swarmPunished is longer than punished: a hundred attackers share the processors that their floods need.
	swarmPunished = 5 * punished
	// cpuMost is what the door may use of the processors for each second that its attackers use.
	cpuMost = 1.5
)

// Each flood ends with the attacker's connection, within a second; the others on the door notice
// nothing, and the door does not grow.
func TestHTTP2Floods(t *testing.T) {
	w, _, host := serving(t)
	const short = 250 * time.Millisecond
	for _, speech := range []peers.Speech{{HTTP2: true}, {TLS: true, HTTP2: true}} {
		for _, a := range attacks {
			each := short
			if os.Getenv("BLASTDOOR_FLOOD") != "" && !speech.TLS { // under TLS the frames are the same
				each = floodTime(t)
			}
			t.Run(speech.String()+"/"+a.name, func(t *testing.T) {
				w.t = t
				w.flood(a, speech, host, each/2)
				w.swarmFlood(a, speech, host, each/2)
			})
		}
	}
	if err := ask(newClient(t, peers.Speech{}), "http://"+host+"/"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func (w *world) flood(a attack, speech peers.Speech, host string, duration time.Duration) {
	t := w.t
	grown := growth(t, w.Door(exposure))
	old := load.Start(t, load.Options{Port: plainPort, Next: load.Host(host), Workers: 1})
	modern := startBystander(t, speech, host)
	longest, strikes := time.Duration(0), 0
	for start := time.Now(); strikes == 0 || time.Since(start) < duration; strikes++ {
		took, err := a.strike(speech, host, poll.Slow(punished))
		if err != nil {
			t.Errorf("strike %d: %v", strikes+1, err)
			break
		}
		longest = max(longest, took)
	}
	old.MustBeClean("bystander over HTTP/1.1")
	modern.mustBeClean(t, "bystander over HTTP/2")
	if bytes := grown(); bytes > floodGrowthMax {
		t.Errorf("the door grew by %s", mib(bytes))
	}
	t.Logf("%d times, closed after at most %v", strikes, longest.Round(time.Millisecond))
}

// swarmFlood attacks from many connections, with nobody else on the door: what it uses is for the attackers.
func (w *world) swarmFlood(a attack, speech peers.Speech, host string, duration time.Duration) {
	t := w.t
	pid := w.Door(exposure)
	grown := growth(t, pid)
	doorBefore, ownBefore := cpuTime(t, pid), ownCPU(t)
	var longest, strikes atomic.Int64
	var attackers sync.WaitGroup
	for start := time.Now(); strikes.Load() == 0 || time.Since(start) < duration; {
		for range swarm {
			attackers.Go(func() {
				took, err := a.strike(speech, host, poll.Slow(swarmPunished))
				if err != nil && !t.Failed() {
					t.Errorf("one of %d attackers: %v", swarm, err)
				}
				for most := longest.Load(); int64(took) > most && !longest.CompareAndSwap(most, int64(took)); {
					most = longest.Load()
				}
				strikes.Add(1)
			})
		}
		attackers.Wait()
		if t.Failed() {
			break
		}
	}
	door, own := cpuTime(t, pid)-doorBefore, ownCPU(t)-ownBefore
	// The kernel tells the door's time in steps of 10 ms.
	if float64(door-20*time.Millisecond) > cpuMost*float64(own) {
		t.Errorf("the door used %v of the processors, its attackers %v", door, own)
	}
	if bytes := grown(); bytes > floodGrowthMax {
		t.Errorf("the door grew by %s over %d attackers", mib(bytes), swarm)
	}
	t.Logf("%d at once: %d times, closed after at most %v; processors: the door %v, the attackers %v; it grew by %s", swarm,
		strikes.Load(), time.Duration(longest.Load()).Round(time.Millisecond), door, own.Round(time.Millisecond), mib(grown()))
}

// ownCPU is what this process has used of the processors.
func ownCPU(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
