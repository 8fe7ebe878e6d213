// Command load is the load that wrk and h2load cannot make. It checks every answer, and prints one
// line of JSON like the one that wrk is told to print.
//
//	load handshake ADDRESS HOST CONNECTIONS SECONDS   a full TLS 1.3 handshake and one request, again and again
//	load websocket ADDRESS HOST CONNECTIONS SECONDS   frames of 128 bytes that come back, one at a time
//	load idle      ADDRESS HOST CONNECTIONS tls|plain one request each, then silence until stdin ends
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	payload  = 128
	patience = 20 * time.Second
	key      = "dGhlIHNhbXBsZSBub25jZQ=="
	accept   = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

type tally struct {
	Requests int     `json:"requests"`
	Us       int64   `json:"us"`
	Connect  int     `json:"connect"`
	Read     int     `json:"read"`
	Write    int     `json:"write"`
	Timeout  int     `json:"timeout"`
	Status   int     `json:"status"`
	P50      float64 `json:"p50_us"`
	P99      float64 `json:"p99_us"`
	Problem  string  `json:"problem,omitempty"`
}

type job struct {
	address, host string
	until         time.Time
}

func main() {
	if len(os.Args) != 6 {
		fail("usage: load handshake|websocket|idle ADDRESS HOST CONNECTIONS SECONDS|tls|plain")
	}
	count, err := strconv.Atoi(os.Args[4])
	if err != nil {
		fail(err)
	}
	if os.Args[1] == "idle" {
		idle(os.Args[2], os.Args[3], count, os.Args[5] == "tls")
		return
	}
	seconds, err := strconv.ParseFloat(os.Args[5], 64)
	if err != nil {
		fail(err)
	}
	work := map[string]func(job) ([]time.Duration, error){"handshake": handshakes, "websocket": echoes}[os.Args[1]]
	if work == nil {
		fail("there is no mode " + os.Args[1])
	}
	begin := time.Now()
	until := begin.Add(time.Duration(seconds * float64(time.Second)))
	all, problem := run(count, func() ([]time.Duration, error) { return work(job{os.Args[2], os.Args[3], until}) })
	report(all, problem, begin)
}

func run(count int, work func() ([]time.Duration, error)) (all []time.Duration, problem error) {
	var mutex sync.Mutex
	var group sync.WaitGroup
	for i := 0; i < count; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			times, err := work()
			mutex.Lock()
			defer mutex.Unlock()
			all = append(all, times...)
			if err != nil {
				problem = err
			}
		}()
	}
	group.Wait()
	return all, problem
}

func report(all []time.Duration, problem error, begin time.Time) {
	out := tally{Requests: len(all), Us: time.Since(begin).Microseconds()}
	if problem != nil {
		out.Problem, out.Read = problem.Error(), 1
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	if n := len(all); n > 0 {
		out.P50 = float64(all[n/2].Nanoseconds()) / 1000
		out.P99 = float64(all[n*99/100].Nanoseconds()) / 1000
	}
	line, _ := json.Marshal(out)
	fmt.Println(string(line))
}

// dialTLS never resumes: there is nothing to keep a session in.
func dialTLS(address, host string) (*tls.Conn, error) {
	conn, err := tls.Dial("tcp", address, &tls.Config{ServerName: host, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(patience))
	state := conn.ConnectionState()
	if state.Version != tls.VersionTLS13 || state.DidResume {
		conn.Close()
		return nil, fmt.Errorf("not a full handshake of TLS 1.3: version %x, resumed %v", state.Version, state.DidResume)
	}
	return conn, nil
}

func handshakes(j job) ([]time.Duration, error) {
	var times []time.Duration
	for time.Now().Before(j.until) {
		begin := time.Now()
		conn, err := dialTLS(j.address, j.host)
		if err != nil {
			return times, err
		}
		err = ask(conn, j.host, bufio.NewReaderSize(conn, 1024))
		// A reset leaves no socket behind that waits for a minute.
		conn.NetConn().(*net.TCPConn).SetLinger(0)
		conn.NetConn().Close()
		if err != nil {
			return times, err
		}
		times = append(times, time.Since(begin))
	}
	return times, nil
}

// ask sends one request and reads an answer of 200 and as many bytes as it asked for.
func ask(conn io.Writer, host string, in *bufio.Reader) error {
	if _, err := fmt.Fprintf(conn, "GET /c?bytes=%d HTTP/1.1\r\nHost: %s\r\n\r\n", payload, host); err != nil {
		return err
	}
	head, err := readHead(in)
	if err != nil {
		return err
	}
	want := fmt.Sprintf("\r\ncontent-length: %d\r\n", payload)
	if !strings.HasPrefix(head, "HTTP/1.1 200 ") || !strings.Contains(strings.ToLower(head), want) {
		return fmt.Errorf("a wrong answer: %q", head)
	}
	body := make([]byte, payload)
	if _, err := io.ReadFull(in, body); err != nil {
		return err
	}
	if !bytes.Equal(body, bytes.Repeat([]byte("x"), payload)) {
		return fmt.Errorf("a wrong body: %q", body)
	}
	return nil
}

func readHead(in *bufio.Reader) (string, error) {
	var head strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", err
		}
		head.WriteString(line)
		if line == "\r\n" {
			return head.String(), nil
		}
	}
}

func echoes(j job) ([]time.Duration, error) {
	conn, err := net.DialTimeout("tcp", j.address, patience)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(j.until.Add(patience))
	fmt.Fprintf(conn, "GET /ws HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n", j.host, key)
	in := bufio.NewReaderSize(conn, 1024)
	head, err := readHead(in)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(head, "HTTP/1.1 101 ") || !strings.Contains(head, accept) {
		return nil, fmt.Errorf("no WebSocket: %q", head)
	}
	sent := []byte{0x82, 0x80 | 126, 0, payload, 1, 2, 3, 4}
	want := []byte{0x82, 126, 0, payload}
	for i := 0; i < payload; i++ {
		sent = append(sent, byte(i)^byte(i%4+1))
		want = append(want, byte(i))
	}
	got := make([]byte, len(want))
	var times []time.Duration
	for time.Now().Before(j.until) {
		begin := time.Now()
		if _, err := conn.Write(sent); err != nil {
			return times, err
		}
		if _, err := io.ReadFull(in, got); err != nil {
			return times, err
		}
		if !bytes.Equal(got, want) {
			return times, fmt.Errorf("a wrong echo: %x", got)
		}
		times = append(times, time.Since(begin))
	}
	return times, nil
}

func idle(address, host string, count int, secure bool) {
	open := make([]net.Conn, 0, count)
	for i := 0; i < count; i++ {
		var conn net.Conn
		var err error
		if secure {
			conn, err = dialTLS(address, host)
		} else {
			conn, err = net.DialTimeout("tcp", address, patience)
		}
		if err != nil {
			fail(i, err)
		}
		if err = ask(conn, host, bufio.NewReaderSize(conn, 1024)); err != nil {
			fail(i, err)
		}
		open = append(open, conn)
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	for i, conn := range open {
		conn.SetDeadline(time.Now().Add(patience))
		if err := ask(conn, host, bufio.NewReaderSize(conn, 1024)); err != nil {
			fail("a connection did not live on", i, err)
		}
	}
	fmt.Println("alive")
}

func fail(what ...any) {
	fmt.Fprintln(os.Stderr, append([]any{"load:"}, what...)...)
	os.Exit(1)
}
