package load

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"blastdoor.io/test/poll"
	"blastdoor.io/test/process"
)

const (
	floodVariable    = "BLASTDOOR_TEST_FLOOD" // "PORT HOST RATE"; set in the re-executed test binary
	floodConnections = 64
	floodBatch       = 16 // requests that are written at once, before the answers
	unlimited        = 1e9

	// FloodNice is the niceness of a flood: it and its upstream stand for machines elsewhere, but take their time
	// from our processors. Lower still, and on a crowded machine there would be no flood.
	FloodNice = 5
)

// Flood is a process that sends requests at a rate on a few connections and waits for no answer.
type Flood struct {
	*process.Process
	t testing.TB
}

// StartFlood starts one; 0 a second is as many as are taken. It ends with the test if not before.
func StartFlood(t testing.TB, port int, host string, perSecond float64) *Flood {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if perSecond == 0 {
		perSecond = unlimited
	}
	f := &Flood{t: t, Process: &process.Process{
		Name: "flood", Log: filepath.Join(t.TempDir(), "flood.log"),
		Argv: []string{"nice", "-n", fmt.Sprint(FloodNice), program},
		Env:  []string{fmt.Sprintf("%s=%d %s %f", floodVariable, port, host, perSecond)},
	}}
	if err := f.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Stop)
	return f
}

// Stop ends it.
func (f *Flood) Stop() {
	f.Signal(syscall.SIGKILL)
	f.Wait(f.t, 10*time.Second)
}

// Answered is how many answers have come, and how many of them were no 200; an error: none yet.
func (f *Flood) Answered() (all, bad int64, err error) {
	lines := strings.Split(f.Output(), "\n")
	if len(lines) < 2 { // the last is empty or being written
		return 0, 0, fmt.Errorf("nothing yet")
	}
	if _, err := fmt.Sscanf(lines[len(lines)-2], "answered %d bad %d", &all, &bad); err != nil {
		return 0, 0, fmt.Errorf("%q: %w", lines[len(lines)-2], err)
	}
	if all == 0 {
		return 0, 0, fmt.Errorf("no answer yet")
	}
	return all, bad, nil
}

// AwaitAnswers waits until the flood has had an answer.
func (f *Flood) AwaitAnswers() {
	f.t.Helper()
	poll.Eventually(f.t, 10*time.Second, "the flood is answered", func() error {
		_, _, err := f.Answered()
		return err
	})
}

// MainIfAsked turns the process into a flood if it was started as one by a test. A TestMain calls it
// first.
func MainIfAsked() {
	text, found := os.LookupEnv(floodVariable)
	if !found {
		return
	}
	s := &stream{began: time.Now()}
	if _, err := fmt.Sscanf(text, "%d %s %f", &s.port, &s.host, &s.perSecond); err != nil {
		fmt.Fprintln(os.Stderr, "flood:", text, err)
		os.Exit(1)
	}
	for range floodConnections {
		go s.pour()
	}
	for range time.Tick(100 * time.Millisecond) {
		answered := s.answered.Load()
		fmt.Printf("answered %d bad %d\n", answered, answered-s.good.Load())
	}
}

// stream is the flood within its process.
type stream struct {
	port                  int
	host                  string
	perSecond             float64
	began                 time.Time
	asked, answered, good atomic.Int64
}

// pour keeps one connection busy, and makes another when it ends.
func (s *stream) pour() {
	batch := bytes.Repeat(fmt.Appendf(nil, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", s.host), floodBatch)
	for {
		conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", s.port), timeout)
		if err != nil {
			continue
		}
		var reading sync.WaitGroup
		reading.Go(func() { s.count(conn) })
		for err == nil {
			for float64(s.asked.Add(floodBatch)) > time.Since(s.began).Seconds()*s.perSecond {
				s.asked.Add(-floodBatch)
				time.Sleep(time.Millisecond) // its pace: it waits for nothing
			}
			_, err = conn.Write(batch)
		}
		_ = conn.Close()
		reading.Wait()
	}
}

// count counts answers by how they begin. What follows too late in the buffer for that is looked at
// once more, with what comes next.
func (s *stream) count(conn io.ReadCloser) {
	defer conn.Close() // so that the writer notices
	answer, good := []byte("HTTP/1.1 "), []byte("HTTP/1.1 200 ")
	buffer := make([]byte, 64<<10)
	kept := 0
	for {
		n, err := conn.Read(buffer[kept:])
		text := buffer[:kept+n]
		s.answered.Add(int64(bytes.Count(text[:max(0, len(text)-len(good)+len(answer))], answer)))
		s.good.Add(int64(bytes.Count(text, good)))
		kept = copy(buffer, text[max(0, len(text)-len(good)+1):])
		if err != nil {
			return
		}
	}
}
