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
	"syscall"
	"testing"
	"time"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/echo"
	"blastdoor.io/test/expect"
	"blastdoor.io/test/manifest"
	"blastdoor.io/test/poll"
	"blastdoor.io/test/process"
)

const (
	memoryMax     = 128 << 20
	recoveryLimit = 5 * time.Second
	metricsURL    = "http://127.0.0.1:9902/metrics"
)

// overloadFor is how long the overload lasts; BLASTDOOR_OVERLOAD=60s is the long form.
func overloadFor(t *testing.T) time.Duration {
	text := os.Getenv("BLASTDOOR_OVERLOAD")
	if text == "" {
		return 4 * time.Second
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
		switch parts := strings.SplitN(strings.TrimSpace(line), ":", 3); parts[1] {
		case "memory":
			path, err := limitedCgroup(t, filepath.Join("/sys/fs/cgroup/memory", parts[2]), "memory.limit_in_bytes", limit)
			if err == nil {
				return path
			}
			t.Log(err)
		case "": // Version 2: one that has processes gives no limits to its children, so that ours may be an aunt's.
			for parent := parts[2]; ; parent = filepath.Dir(parent) {
				folder := filepath.Join("/sys/fs/cgroup", parent)
				_ = setting(filepath.Join(folder, "cgroup.subtree_control"), "+memory")
				path, err := limitedCgroup(t, folder, "memory.max", limit)
				if err == nil {
					return path
				}
				t.Log(err)
				if parent == "/" {
					break
				}
			}
		}
	}
	t.Skip("SKIPPED LOUDLY: no memory cgroup can be made here")
	return ""
}

func limitedCgroup(t *testing.T, parent, file string, limit int) (path string, err error) {
	t.Helper()
	path = filepath.Join(parent, fmt.Sprintf("blastdoor-test-%d-%d", os.Getpid(), time.Now().UnixNano()))
	if err := os.Mkdir(path, 0o755); err != nil {
		return "", err
	}
	if err := setting(filepath.Join(path, file), strconv.Itoa(limit)); err != nil {
		_ = os.Remove(path)
		return "", err
	}
	t.Cleanup(func() { _ = os.Remove(path) })
	return path, nil
}

// setting writes to a file that is there: a folder that is no cgroup has none.
func setting(path, value string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteString(value)
	return err
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
// clients are told to come back, the other doors answer, without an error and hardly later than
// before, and soon after all is as it was.
func TestOverload(t *testing.T) {
	span := overloadFor(t)
	cgroup := memoryCgroup(t, memoryMax)
	wrapped(t, fmt.Sprintf("echo $$ > '%s/cgroup.procs'", cgroup))
	f, hostOf := fourDoors(t)
	f.write("greedy.yaml", manifest.App("shop", "greedy", echo.Port, greedyPod(t))+
		manifest.Ingress{Namespace: "shop", Name: "greedy", Expose: flooded, Service: "greedy", Host: greedyHost}.YAML())
	b := f.start(blastdoor.Options{})
	poll.Eventually(t, expect.Soon, greedyHost, blastdoor.Expect(blastdoor.ExternalHTTP, greedyHost, "/small", http.StatusOK, ""))
	controller, doors := b.Controller(), doorsBefore(b)
	memory, _ := metric("blastdoor_door_memory_bytes", flooded)
	budget, err := metric("blastdoor_door_memory_budget_bytes", flooded)
	if err != nil || budget != memoryMax/4*3/4 {
		t.Fatalf("the budget is %v: %v", budget, err)
	}
	before := startNeighbours(t, hostOf)
	passes(t, span/4, nil)
	quiet := before.measured(t, "when quiet")

	beside := startNeighbours(t, hostOf)
	flood, seen, most := overload(t, span)
	busy := beside.measured(t, "beside the overload")
	took := recovers(t, flood)
	opened, refused := floodCounts(t, flood)
	resets, _ := metric("blastdoor_overload_resets_total", flooded)
	t.Logf("%d connections, %d refused, %v reset; %.1f MiB when quiet, at most %.1f of %.1f; beside it %+v; recovered after %v",
		opened, refused, resets, memory/(1<<20), most/(1<<20), budget/(1<<20), seen, took)
	_, slower := isolationFor(t)
	noSlower(t, quiet, busy, slower)
	if refused == 0 {
		t.Error("nobody was told to come back")
	}
	// Between two counts a flood goes beyond the budget. The container must hold it all the same.
	if most > memoryMax/4*3 {
		t.Errorf("the door had %.1f MiB of a container of %d", most/(1<<20), memoryMax>>20)
	}
	if now := doorsBefore(b); fmt.Sprint(now) != fmt.Sprint(doors) || b.Controller() != controller {
		t.Errorf("processes were restarted: %v, now %v; the controller was %d", doors, now, controller)
	}
}

// overload floods the greedy host, and asks beside that a hundred times a second. The most memory that the door
// said it had.
func overload(t *testing.T, span time.Duration) (flood *process.Process, seen answers, most float64) {
	t.Helper()
	flood = startFlood(t, blastdoor.ExternalHTTP)
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for end := time.Now().Add(span); time.Now().Before(end); <-pace.C {
		seen.ask(t, blastdoor.ExternalHTTP, greedyHost)
		if value, err := metric("blastdoor_door_memory_bytes", flooded); err == nil {
			most = max(most, value)
		}
	}
	return flood, seen, most
}

// recovers ends the flood, and returns how long it took until the door was as before.
func recovers(t *testing.T, flood *process.Process) time.Duration {
	t.Helper()
	over := time.Now()
	flood.Signal(syscall.SIGKILL)
	flood.Wait(t, recoveryLimit)
	// An upload whose client has gone may be complete in the kernel's queue: until its upstream takes
	// it, or timeouts.bodyIdle ends, it is held, and connections may go on not being kept.
	poll.Eventually(t, recoveryLimit, "recovered",
		metricIs("blastdoor_door_overload_step", flooded, func(step float64) bool { return step <= 1 }))
	poll.Eventually(t, recoveryLimit, "served again",
		blastdoor.Expect(blastdoor.ExternalHTTP, greedyHost, "/small", http.StatusOK, ""))
	took := time.Since(over)
	if took > poll.Slow(recoveryLimit) {
		t.Errorf("recovered after %v", took)
	}
	return took
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
