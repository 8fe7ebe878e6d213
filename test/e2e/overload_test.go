package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/echo"
	"blastdoor.io/test/expect"
	"blastdoor.io/test/load"
	"blastdoor.io/test/manifest"
	"blastdoor.io/test/poll"
)

const (
	memoryMax     = 128 << 20
	slowReaders   = 200
	slowUploads   = 100
	recoveryLimit = 5 * time.Second
	metricsURL    = "http://127.0.0.1:9902/metrics"
)

// overloadFor is how long the overload lasts; BLASTDOOR_OVERLOAD=60s is the long form.
func overloadFor(t *testing.T) time.Duration {
	text := os.Getenv("BLASTDOOR_OVERLOAD")
	if text == "" {
		return 5 * time.Second
	}
	duration, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return duration
}

// memoryCgroup is a fresh cgroup with a memory limit, of version 1 or 2.
func memoryCgroup(t *testing.T, limit int) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Skipf("SKIPPED LOUDLY: no cgroups: %v", err)
	}
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		root, file := "/sys/fs/cgroup", "memory.max"
		if parts[1] == "memory" {
			root, file = root+"/memory", "memory.limit_in_bytes"
		} else if parts[1] != "" {
			continue
		}
		path := filepath.Join(root, parts[2], fmt.Sprintf("blastdoor-test-%d-%d", os.Getpid(), time.Now().UnixNano()))
		if os.Mkdir(path, 0o755) != nil {
			continue
		}
		t.Cleanup(func() { _ = os.Remove(path) })
		if os.WriteFile(filepath.Join(path, file), []byte(strconv.Itoa(limit)), 0o644) == nil {
			return path
		}
	}
	t.Skip("SKIPPED LOUDLY: no memory cgroup can be made here")
	return ""
}

// wrapped makes BLASTDOOR_BIN a script that does something before it becomes the binary.
func wrapped(t *testing.T, before string) {
	t.Helper()
	script := filepath.Join(t.TempDir(), "blastdoor")
	text := fmt.Sprintf("#!/bin/sh\n%s || exit 1\nexec '%s' \"$@\"\n", before, blastdoor.Binary(t))
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("BLASTDOOR_BIN", script)
}

// metric is one sample of a family, of a door.
func metric(name, exposure string) (float64, error) {
	answer, err := http.Get(metricsURL)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	prefix := fmt.Sprintf("%s{exposure=%q} ", name, exposure)
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, prefix); found {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("no %s", prefix)
}

func metricIs(name, exposure string, good func(float64) bool) func() error {
	return func() error {
		value, err := metric(name, exposure)
		if err == nil && !good(value) {
			err = fmt.Errorf("%s is %v", name, value)
		}
		return err
	}
}

// greedyPod answers GET with a body that does not end, and never reads the body of a POST.
func greedyPod(t *testing.T) (address string) {
	t.Helper()
	address = fmt.Sprintf("127.0.1.%d", loopback.Add(1))
	listener, err := net.Listen("tcp", fmt.Sprintf("%s:%d", address, echo.Port))
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 64<<10)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			<-r.Context().Done()
			return
		}
		if r.URL.Path == "/small" {
			_, _ = w.Write(block[:100])
			return
		}
		for {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return address
}

// flood holds connections that take, or give, as much as the door holds for them, and opens a new
// one for each that ends.
type flood struct {
	stop    chan struct{}
	clients sync.WaitGroup
	opened  atomic.Int64
	refused atomic.Int64 // told so by a 503
}

func startFlood(t *testing.T, port int, host string) *flood {
	f := &flood{stop: make(chan struct{})}
	get := fmt.Sprintf("GET /big HTTP/1.1\r\nHost: %s\r\n\r\n", host)
	post := fmt.Sprintf("POST /big HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000000000\r\n\r\n", host)
	for n := range slowReaders + slowUploads {
		f.clients.Go(func() {
			again := time.NewTicker(100 * time.Millisecond)
			defer again.Stop()
			for ; !f.stopped(); <-again.C {
				if n < slowReaders {
					f.once(port, get, 0)
				} else {
					f.once(port, post, 8<<20)
				}
			}
		})
	}
	t.Cleanup(f.end)
	return f
}

func (f *flood) stopped() bool {
	select {
	case <-f.stop:
		return true
	default:
		return false
	}
}

// once holds one connection until the door ends it.
func (f *flood) once(port int, head string, body int) {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
	if err != nil {
		return
	}
	defer conn.Close()
	f.opened.Add(1)
	gone := make(chan struct{})
	defer close(gone)
	go func() {
		select {
		case <-f.stop:
			_ = conn.Close()
		case <-gone:
		}
	}()
	if _, err := io.WriteString(conn, head); err != nil {
		return
	}
	go func() { _, _ = conn.Write(make([]byte, body)) }()
	// A little now and then, so that the end is noticed and little is taken.
	buffer := make([]byte, 1024)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		n, err := conn.Read(buffer)
		if strings.HasPrefix(string(buffer[:n]), "HTTP/1.1 503") {
			f.refused.Add(1)
			return
		}
		if err != nil {
			return
		}
		<-ticker.C
	}
}

func (f *flood) end() {
	if !f.stopped() {
		close(f.stop)
	}
	f.clients.Wait()
}

// answers counts what a client beside the flood is told.
type answers struct {
	fine, refused, lost int
}

func (a *answers) ask(t *testing.T, port int, host string) {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
	if err != nil {
		a.lost++
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
	_, _ = fmt.Fprintf(conn, "GET /small HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		a.lost++
		return
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK:
		a.fine++
	case http.StatusServiceUnavailable:
		a.refused++
		if answer.Header.Get("Retry-After") != "1" || answer.Header.Get("X-Blastdoor-Cause") != "overloaded" {
			t.Errorf("a 503 of another kind: %v", answer.Header)
		}
	default:
		t.Errorf("answered %d %v", answer.StatusCode, answer.Header)
	}
}

// A door in a container of 128 MiB, with far more large bodies than that holds: nobody is killed,
// clients are told to come back, the other door does not notice, and soon after all is as before.
func TestOverload(t *testing.T) {
	const external, internal = "external-http", "internal-http"
	cgroup := memoryCgroup(t, memoryMax)
	wrapped(t, fmt.Sprintf("echo $$ > '%s/cgroup.procs'", cgroup))
	f := newFolder(t)
	f.write("greedy.yaml", manifest.App("shop", "greedy", echo.Port, greedyPod(t))+
		manifest.Ingress{Namespace: "shop", Name: "greedy", Expose: external, Service: "greedy", Host: "greedy.example.com"}.YAML())
	f.write("calm.yaml", manifest.App("shop", "calm", echo.Port, localPod(t, "calm"))+
		manifest.Ingress{Namespace: "shop", Name: "calm", Expose: internal, Service: "calm", Host: "calm.example.com"}.YAML())
	b := f.start(blastdoor.Options{})
	for port, host := range map[int]string{blastdoor.ExternalHTTP: "greedy.example.com", blastdoor.InternalHTTP: "calm.example.com"} {
		poll.Eventually(t, expect.Soon, host, blastdoor.Expect(port, host, "/small", http.StatusOK, ""))
	}
	pids := []int{b.Controller(), b.Door(external), b.Door(internal)}
	quiet, _ := metric("blastdoor_door_memory_bytes", external)
	budget, err := metric("blastdoor_door_memory_budget_bytes", external)
	if err != nil || budget != memoryMax/4*3/4 {
		t.Fatalf("the budget is %v: %v", budget, err)
	}
	others := load.Start(t, load.Options{Port: blastdoor.InternalHTTP, Next: load.Host("calm.example.com")})

	flood := startFlood(t, blastdoor.ExternalHTTP, "greedy.example.com")
	var seen answers
	most := 0.0
	end := time.Now().Add(overloadFor(t))
	for time.Now().Before(end) {
		seen.ask(t, blastdoor.ExternalHTTP, "greedy.example.com")
		if value, err := metric("blastdoor_door_memory_bytes", external); err == nil {
			most = max(most, value)
		}
	}
	over := time.Now()
	flood.end()
	// An upload whose client has gone may be complete in the kernel's queue: until its upstream takes
	// it, or timeouts.bodyIdle ends, it is held, and connections may go on not being kept.
	poll.Eventually(t, recoveryLimit, "recovered",
		metricIs("blastdoor_door_overload_step", external, func(step float64) bool { return step <= 1 }))
	poll.Eventually(t, recoveryLimit, "served again",
		blastdoor.Expect(blastdoor.ExternalHTTP, "greedy.example.com", "/small", http.StatusOK, ""))
	took := time.Since(over)
	if took > poll.Slow(recoveryLimit) {
		t.Errorf("recovered after %v", took)
	}
	others.MustBeClean("the other door")
	resets, _ := metric("blastdoor_overload_resets_total", external)
	t.Logf("%d connections, %d refused, %v reset; %.1f MiB when quiet, at most %.1f of %.1f; beside it %+v; recovered after %v",
		flood.opened.Load(), flood.refused.Load(), resets, quiet/(1<<20), most/(1<<20), budget/(1<<20), seen, took)
	if flood.refused.Load() == 0 {
		t.Error("nobody was told to come back")
	}
	// Between two counts a flood goes beyond the budget. The container must hold it all the same.
	if most > memoryMax/2 {
		t.Errorf("the door had %.1f MiB of a container of %d", most/(1<<20), memoryMax>>20)
	}
	if now := []int{b.Controller(), b.Door(external), b.Door(internal)}; fmt.Sprint(now) != fmt.Sprint(pids) {
		t.Errorf("processes were restarted: %v, now %v", pids, now)
	}
}

// Of more idle connections than half of its descriptors a door takes that half, rests, and takes
// others when some have gone.
func TestIdleConnectionsAboveTheDescriptors(t *testing.T) {
	const files, opened = 2000, 1500
	wrapped(t, fmt.Sprintf("ulimit -n %d", files))
	f := newFolder(t)
	f.write("app.yaml", manifest.App("shop", "web", echo.Port, localPod(t, "idle"))+
		manifest.Ingress{Namespace: "shop", Name: "web", Expose: "internal-http", Service: "web", Host: "idle.example.com"}.YAML())
	f.start(blastdoor.Options{})
	poll.Eventually(t, expect.Soon, "served", blastdoor.Expect(blastdoor.InternalHTTP, "idle.example.com", "/", http.StatusOK, ""))
	var conns []net.Conn
	t.Cleanup(func() {
		for _, conn := range conns {
			_ = conn.Close()
		}
	})
	for range opened {
		conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", blastdoor.InternalHTTP), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	open := func(low, high float64) func() error {
		return metricIs("blastdoor_open_connections", "internal-http", func(n float64) bool { return n >= low && n <= high })
	}
	// The kernel shares them out among the workers, not quite evenly.
	poll.Eventually(t, expect.Soon, "half of them are taken", open(files/2*0.7, files/2))
	if _, err := poll.Until(time.Second, func() error {
		if err := open(0, files/2)(); err != nil {
			return poll.Hopeless(err.Error())
		}
		return errors.New("only time helps here")
	}); !strings.Contains(err.Error(), "only time") {
		t.Error(err)
	}
	for _, conn := range conns {
		_ = conn.Close()
	}
	poll.Eventually(t, expect.Soon, "served again", blastdoor.Expect(blastdoor.InternalHTTP, "idle.example.com", "/", http.StatusOK, ""))
	poll.Eventually(t, expect.Soon, "all have gone", open(0, 10))
}
