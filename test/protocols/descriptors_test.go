package protocols

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/expect"
	"blastdoor.io/test/peers"
	"blastdoor.io/test/poll"
)

// idle opens connections that say nothing.
func idle(t *testing.T, n int) (closeAll func()) {
	t.Helper()
	var conns []net.Conn
	for range n {
		conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", plainPort), time.Second)
		if err != nil {
			break // the backlog is full: enough of them wait
		}
		conns = append(conns, conn)
	}
	closeAll = func() {
		for _, conn := range conns {
			_ = conn.Close()
		}
	}
	t.Cleanup(closeAll)
	return closeAll
}

// rests checks that the door uses at most 5 % of one processor over a second.
func rests(t *testing.T, pid int) {
	t.Helper()
	before, start := cpuTime(t, pid), time.Now()
	_, _ = poll.Until(time.Second, func() error { return errors.New("only time helps here") })
	used, over := cpuTime(t, pid)-before, time.Since(start)
	if used > over/20 {
		t.Errorf("the door used %v of a processor over %v, with nothing to do", used, over)
	}
}

func openFiles(t *testing.T, pid int) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// filesMax is the RLIMIT_NOFILE of a Blastdoor that is short of descriptors.
const filesMax = 100

// A door that runs out of descriptors does not spin, and goes on when there are some again.
func TestDescriptorsUsedUp(t *testing.T) {
	limited := filepath.Join(t.TempDir(), "blastdoor")
	text := fmt.Sprintf("#!/bin/sh\nulimit -n %d\nexec '%s' \"$@\"\n", filesMax, blastdoor.Binary(t))
	if err := os.WriteFile(limited, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("BLASTDOOR_BIN", limited)
	w, _, host := serving(t)
	pid := w.Door(exposure)
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil || !regexp.MustCompile(fmt.Sprintf(`Max open files +%d +%d `, filesMax, filesMax)).Match(limits) {
		t.Fatalf("the door is not limited: %v\n%s", err, limits)
	}
	idleFiles := openFiles(t, pid)
	closeAll := idle(t, 300)
	rests(t, pid)
	held := openFiles(t, pid)
	if held <= idleFiles+10 {
		t.Errorf("the door holds %d descriptors, %d when idle: the test did not use them up", held, idleFiles)
	}
	t.Logf("%d descriptors when idle, %d when used up", idleFiles, held)
	closeAll()
	poll.Eventually(t, 2*time.Second, "it accepts again", blastdoor.Expect(plainPort, host, "/", 200, ""))
	rests(t, pid)
	if w.Door(exposure) != pid {
		t.Error("the door was restarted")
	}
}

// connectionsMax is kept: more are not held, and when some go others may come.
func TestConnectionsMax(t *testing.T) {
	const most = 50
	w := newWorld(t)
	w.options.Config = config(fmt.Sprintf("limits: {connectionsMax: %d}", most))
	server := peers.StartGoServer(t, peers.Speech{}, "go", newAddress(), peers.Issued{})
	host := expect.NewHost("capped")
	w.add(app{Host: host, Address: server.Address})
	w.start()
	w.awaitServed(host)
	pid := w.Door(exposure)
	before := openFiles(t, pid)
	closeAll := idle(t, 200)
	rests(t, pid)
	if open := openFiles(t, pid) - before; open > most+5 || open < most/2 {
		t.Errorf("the door holds %d connections of at most %d", open, most)
	}
	closeAll()
	poll.Eventually(t, 2*time.Second, "it accepts again", blastdoor.Expect(plainPort, host, "/", 200, ""))
	rests(t, pid)
}
