// Package process starts programs under test and looks at what they become: their log, their
// children, their end.
package process

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"blastdoor.io/test/poll"
)

// Process is one program. Fill the first four fields, then call Start.
type Process struct {
	Name string
	Argv []string
	Env  []string // in addition to the test's own
	Log  string   // path of a file that gets stdout and stderr

	cmd  *exec.Cmd
	done chan struct{} // closed at its end; cmd.ProcessState is set then
}

// Start starts the program. It dies with the test binary.
func (p *Process) Start() error { return p.StartWith((*exec.Cmd).Start) }

// StartWith starts it by the given function, such as one that gives it a network namespace.
func (p *Process) StartWith(start func(*exec.Cmd) error) error {
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd = exec.Command(p.Argv[0], p.Argv[1:]...)
	p.cmd.Env = append(environment(), p.Env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := start(p.cmd); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	p.done = make(chan struct{})
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	return nil
}

// environment is the test's own without the variables that steer the tests: to Blastdoor, whatever
// begins with BLASTDOOR_ is configuration, and an unknown key is an error.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "BLASTDOOR_")
	})
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Alive says whether it runs.
func (p *Process) Alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Signal sends a signal; to a process that has ended it does nothing.
func (p *Process) Signal(signal syscall.Signal) { _ = p.cmd.Process.Signal(signal) }

// Wait waits for its end and returns the exit code, -1 if a signal ended it.
func (p *Process) Wait(t testing.TB, limit time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(poll.Slow(limit)):
		t.Fatalf("%s has not ended within %v; its log ends:\n%s", p.Name, poll.Slow(limit), p.Tail(40))
	}
	return p.cmd.ProcessState.ExitCode()
}

// End says how it ended: "exit status 1", "signal: killed".
func (p *Process) End() string {
	if p.Alive() {
		return "still running"
	}
	return p.cmd.ProcessState.String()
}

// Output is everything that it has printed.
func (p *Process) Output() string {
	text, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Tail is the last lines of that.
func (p *Process) Tail(lines int) string {
	all := strings.Split(strings.TrimRight(p.Output(), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// Child is one line of the process table.
type Child struct {
	PID  int
	Args string // its command line, with spaces between the arguments
}

// Children lists the living descendants of a process.
func Children(pid int) []Child {
	parents := map[int]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		if parent, alive := parentOf(path); alive {
			parents[child] = parent
		}
	}
	var children []Child
	for child := range parents {
		if descends(parents, child, pid) {
			children = append(children, Child{child, commandLine(child)})
		}
	}
	return children
}

func descends(parents map[int]int, child, ancestor int) bool {
	for at := parents[child]; at > 0; at = parents[at] {
		if at == ancestor {
			return true
		}
	}
	return false
}

// parentOf reads a /proc/PID/stat: "PID (name with anything) STATE PPID …".
func parentOf(path string) (parent int, alive bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	_, rest, _ := strings.Cut(string(text[max(bytes.LastIndexByte(text, ')'), 0):]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 2 || fields[0] == "Z" || fields[0] == "X" {
		return 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return parent, err == nil
}

func commandLine(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.TrimSpace(strings.ReplaceAll(string(text), "\x00", " "))
}
