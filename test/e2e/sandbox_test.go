package e2e

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"blastdoor.io/test/blastdoor"
)

// The binary under test proves on this kernel that a door can do nothing but its work.
func TestSandboxDenies(t *testing.T) {
	output, err := exec.Command(blastdoor.Binary(t), "sandbox").CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, output)
	}
	for _, attempt := range []string{"openat /etc/passwd", "execve", "ptrace", "process_vm_readv", "bind", "listen", "socket AF_UNIX"} {
		denied := regexp.MustCompile(`(?m)^denied +` + regexp.QuoteMeta(attempt) + ` +\w`)
		if !denied.Match(output) {
			t.Errorf("%s is not reported as denied:\n%s", attempt, output)
		}
	}
	if strings.Contains(string(output), "ALLOWED") || strings.Contains(string(output), "BROKEN") {
		t.Errorf("not all is well:\n%s", output)
	}
}

// Doors are sandboxed: no new privileges, system calls filtered, no root, in every thread.
func TestDoorsAreSandboxed(t *testing.T) {
	f, _ := fourDoors(t)
	b := f.start(blastdoor.Options{})
	wanted := []*regexp.Regexp{regexp.MustCompile(`(?m)^NoNewPrivs:\t1$`), regexp.MustCompile(`(?m)^Seccomp:\t2$`)}
	if canGiveUpRoot(t) {
		// Real, effective, saved and file system user and group, and no right that is left.
		wanted = append(wanted, regexp.MustCompile(`(?m)^Uid:(\t[1-9]\d*){4}$`), regexp.MustCompile(`(?m)^Gid:(\t[1-9]\d*){4}$`),
			regexp.MustCompile(`(?m)^Groups:\t\s*$`), regexp.MustCompile(`(?m)^CapEff:\t0+$`), regexp.MustCompile(`(?m)^CapPrm:\t0+$`))
	}
	for _, exposure := range blastdoor.Exposures {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", b.Door(exposure)))
		if err != nil || len(threads) == 0 {
			t.Fatalf("no threads of %s: %v", exposure, err)
		}
		for _, thread := range threads {
			status, err := os.ReadFile(thread)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range wanted {
				if !want.Match(status) {
					t.Errorf("%s: %s has no %s:\n%s", exposure, thread, want, status)
				}
			}
		}
	}
}

// canGiveUpRoot says whether root here can become another user: in a plain user's namespace there
// is no other.
func canGiveUpRoot(t *testing.T) bool {
	t.Helper()
	users, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(users))
	return os.Geteuid() == 0 && len(fields) == 3 && fields[2] != "1"
}

// A door holds sockets, sealed memory, what its loops wait on, and the count of its own memory: no other
// file, no port of another door, no snapshot of one.
func TestDoorsHoldNothingElse(t *testing.T) {
	f, hostOf := fourDoors(t)
	b := f.start(blastdoor.Options{})
	portOf := map[string]int{} // of each listening socket, by inode
	for _, port := range append(slices.Collect(maps.Keys(blastdoor.Exposures)), b.AdminPort, b.AdminPort+1, b.AdminPort+2) {
		for _, inode := range listeners(t, port) {
			portOf["socket:["+inode+"]"] = port
		}
	}
	harmless := regexp.MustCompile(`^(socket:\[\d+\]|/memfd:blastdoor-(stats|snapshot) \(deleted\)|anon_inode:\[(eventpoll|eventfd|timerfd)\]|/dev/null)$`)
	for port, exposure := range blastdoor.Exposures {
		servedOn(t, port, hostOf[exposure])
		kept(t, b, exposure, hostOf[exposure])
		b.KillDoor(exposure) // one that starts from a snapshot holds more than a fresh one
		servedOn(t, port, hostOf[exposure])
		pid := b.Door(exposure)
		held, statm := descriptors(t, pid), fmt.Sprintf("/proc/%d/statm", pid)
		own, memory := 0, map[string]int{}
		for number, target := range held {
			if listening, ok := portOf[target]; ok {
				own++
				if listening != port {
					t.Errorf("%s holds a socket that listens on %d", exposure, listening)
				}
			}
			if strings.HasPrefix(target, "/memfd:") {
				memory[target]++
			}
			// 1 and 2 are where the test wants the log.
			if number != "1" && number != "2" && target != statm && !harmless.MatchString(target) {
				t.Errorf("%s holds %s -> %s", exposure, number, target)
			}
		}
		if own == 0 {
			t.Errorf("%s holds no listening socket: %v", exposure, held)
		}
		for name, count := range memory {
			if count > 1 {
				t.Errorf("%s holds %s %d times", exposure, name, count)
			}
		}
	}
}

// descriptors are the open ones of a process, by number.
func descriptors(t *testing.T, pid int) map[string]string {
	t.Helper()
	folder := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, entry := range entries {
		target, err := os.Readlink(filepath.Join(folder, entry.Name()))
		if err == nil { // else it was closed meanwhile
			out[entry.Name()] = target
		}
	}
	return out
}
