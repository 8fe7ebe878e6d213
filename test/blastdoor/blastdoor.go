// Package blastdoor starts the real binary under test and talks to it as clients, operators and
// load balancers do.
package blastdoor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"blastdoor.io/test/poll"
	"blastdoor.io/test/process"
)

// The data ports of the four exposures that Blastdoor has with no configuration.
const (
	InternalHTTP  = 10000
	InternalHTTPS = 10001
	ExternalHTTP  = 10002
	ExternalHTTPS = 10003
)

// Exposures are their names, which are also the values of the label.
var Exposures = map[int]string{
	InternalHTTP: "internal-http", InternalHTTPS: "internal-httpsecure",
	ExternalHTTP: "external-http", ExternalHTTPS: "external-httpsecure",
}

const (
	binaryVariable = "BLASTDOOR_BIN"
	adminPort      = 9900
	readyTimeout   = 20 * time.Second
)

// Options is how to start it. The zero value has no source, and is of no use.
type Options struct {
	Manifests     []string // folders
	AllowLoopback bool
	Kubeconfig    string
	Exposures     []string // --exposures; empty: all
	Config        string   // text of the configuration file; empty: no file
	StateDir      string   // where the last good snapshot is kept; empty: a folder of this test
	Env           []string
	Binary        string   // another file than Binary()
	Args          []string // further arguments
	AdminPort     int      // of the admin API, with probes and metrics on the next two; 0: 9900
	NotReady      bool     // do not wait for /readyz
}

// Blastdoor is a running supervisor and its children.
type Blastdoor struct {
	*process.Process
	StateDir  string
	AdminPort int
	t         testing.TB
}

// Binary is the path of the binary under test; the test is skipped if there is none.
func Binary(t testing.TB) string {
	t.Helper()
	path := os.Getenv(binaryVariable)
	if path != "" {
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("%s: %v", binaryVariable, err) // asked for by name: a skip would hide the typo
		}
		return path
	}
	path, err := filepath.Abs("../../build/blastdoor")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skipf("SKIPPED LOUDLY: no binary to test: %v (build it, or set %s)", err, binaryVariable)
	}
	return path
}

// Start starts Blastdoor and waits until it is ready. It ends with the test, whose log then shows
// its output if it failed.
func Start(t testing.TB, options Options) *Blastdoor {
	t.Helper()
	dir := t.TempDir()
	if options.StateDir == "" {
		options.StateDir = filepath.Join(dir, "state")
	}
	b := &Blastdoor{t: t, StateDir: options.StateDir, AdminPort: options.AdminPort, Process: &process.Process{
		Name: "blastdoor", Log: filepath.Join(dir, "blastdoor.log"),
		Argv: append([]string{options.binary(t)}, arguments(t, dir, options)...),
		Env:  append([]string{"BLASTDOOR_STATE_DIR=" + options.StateDir}, options.Env...),
	}}
	if b.AdminPort == 0 {
		b.AdminPort = adminPort
	}
	if err := os.MkdirAll(options.StateDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := b.Process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.cleanUp)
	if !options.NotReady {
		b.AwaitReady()
	}
	return b
}

func (options Options) binary(t testing.TB) string {
	t.Helper()
	if options.Binary != "" {
		return options.Binary
	}
	return Binary(t)
}

func arguments(t testing.TB, dir string, options Options) []string {
	t.Helper()
	args := []string{"run"}
	if options.Config != "" {
		path := filepath.Join(dir, "blastdoor.yaml")
		if err := os.WriteFile(path, []byte(options.Config), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", path)
	}
	for _, folder := range options.Manifests {
		args = append(args, "--manifests", folder)
	}
	if options.AllowLoopback {
		args = append(args, "--allow-loopback")
	}
	if options.Kubeconfig != "" {
		args = append(args, "--kubeconfig", options.Kubeconfig)
	}
	if len(options.Exposures) > 0 {
		args = append(args, "--exposures", strings.Join(options.Exposures, ","))
	}
	if first := options.AdminPort; first != 0 {
		for n, flag := range []string{"--admin", "--probes", "--metrics"} {
			args = append(args, flag, fmt.Sprintf("127.0.0.1:%d", first+n))
		}
	}
	return append(args, options.Args...)
}

func (b *Blastdoor) cleanUp() {
	b.Kill()
	if b.t.Failed() {
		b.t.Logf("blastdoor's log ends:\n%s", b.Tail(60))
	}
}

// Kill ends the supervisor as a crash would, and waits until its children are gone too, so that
// the next test finds the ports free.
func (b *Blastdoor) Kill() {
	b.t.Helper()
	children := process.Children(b.PID())
	b.Signal(syscall.SIGKILL)
	b.Wait(b.t, 10*time.Second)
	for _, child := range children {
		_, err := poll.Until(5*time.Second, func() error { return gone(child.PID) })
		if err != nil {
			b.t.Errorf("%q outlived the supervisor: %v", child.Args, err)
			_ = syscall.Kill(child.PID, syscall.SIGKILL)
		}
	}
}

func gone(pid int) error {
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
		return fmt.Errorf("process %d is still there", pid)
	}
	return nil
}

// AwaitReady waits for 200 on /readyz.
func (b *Blastdoor) AwaitReady() {
	b.t.Helper()
	poll.Eventually(b.t, readyTimeout, "ready", func() error {
		if !b.Alive() {
			b.t.Fatalf("blastdoor has ended:\n%s", b.Tail(60))
		}
		return readyz(b.AdminPort + 1)
	})
}

// Findings are those about one object, from the admin API of this very Blastdoor.
func (b *Blastdoor) Findings(object string) ([]Finding, error) {
	return findings(b.AdminPort, object)
}

// Controller is the process id of the controller, waiting for it if it is being restarted.
func (b *Blastdoor) Controller() int {
	b.t.Helper()
	return b.child("controller")
}

// Door is the process id of the door of an exposure, waiting likewise.
func (b *Blastdoor) Door(exposure string) int {
	b.t.Helper()
	return b.child("door " + exposure)
}

// child finds a process by its command line: "blastdoor controller …", "blastdoor door NAME …".
func (b *Blastdoor) child(what string) (pid int) {
	b.t.Helper()
	poll.Eventually(b.t, 10*time.Second, "find the "+what, func() error {
		children := process.Children(b.PID())
		for _, child := range children {
			if _, words, _ := strings.Cut(child.Args, " "); strings.HasPrefix(words+" ", what+" ") {
				pid = child.PID
				return nil
			}
		}
		return fmt.Errorf("it is not among %v", children)
	})
	return pid
}

// KillController ends the controller as a crash would, and returns when it is gone.
func (b *Blastdoor) KillController() { b.t.Helper(); b.killChild(b.Controller()) }

// KillDoor does that to the door of an exposure.
func (b *Blastdoor) KillDoor(exposure string) { b.t.Helper(); b.killChild(b.Door(exposure)) }

func (b *Blastdoor) killChild(pid int) {
	b.t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		b.t.Fatal(err)
	}
	poll.Eventually(b.t, 5*time.Second, "killed", func() error { return gone(pid) })
}

// ConfigPath is the file that Options.Config was written to.
func (b *Blastdoor) ConfigPath() string { return filepath.Join(filepath.Dir(b.Log), "blastdoor.yaml") }
