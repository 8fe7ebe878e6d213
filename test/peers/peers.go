// Package peers starts clients and servers that others wrote: from Debian, from Go modules (built by
// tools/peers), from npm, and those of Go's own library. What Blastdoor says it speaks is believed
// when these understand it.
package peers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"blastdoor.io/test/echo"
	"blastdoor.io/test/poll"
	"blastdoor.io/test/process"
)

const binariesVariable = "BLASTDOOR_PEERS_BIN"

// Built is the path of something that tools/peers/build.sh made; the test is skipped without it.
func Built(t testing.TB, name string) string {
	t.Helper()
	folder := os.Getenv(binariesVariable)
	if folder == "" {
		t.Skipf("SKIPPED LOUDLY: no %s: set %s to what tools/peers/build.sh prints", name, binariesVariable)
	}
	path := filepath.Join(folder, name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("SKIPPED LOUDLY: %v: tools/peers/build.sh says why", err)
	}
	return path
}

// Installed is the path of a program of a Debian package; the test is skipped without it.
func Installed(t testing.TB, program, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	for _, folder := range []string{"/usr/sbin", "/usr/bin"} { // a plain user's PATH lacks the former
		path = filepath.Join(folder, program)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	t.Skipf("SKIPPED LOUDLY: no %s: apt-get install %s", program, debianPackage)
	return ""
}

// Result is what a program that has ended left.
type Result struct {
	Stdout, Stderr string
	Code           int // -1: ended by a signal
}

// Run runs a program to its end, which has to come within the limit.
func Run(t testing.TB, limit time.Duration, argv ...string) Result {
	t.Helper()
	limit = poll.Slow(limit)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	command := exec.CommandContext(ctx, argv[0], argv[1:]...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", argv[0], err)
	}
	if ctx.Err() != nil {
		t.Fatalf("%q has not ended within %v:\n%s\n%s", argv, limit, tail(stdout.String()), tail(stderr.String()))
	}
	return Result{stdout.String(), stderr.String(), command.ProcessState.ExitCode()}
}

func (r Result) String() string {
	return fmt.Sprintf("exit code %d\n%s\n%s", r.Code, tail(r.Stdout), tail(r.Stderr))
}

func tail(text string) string { return text[max(0, len(text)-3000):] }

// Serve starts a program that listens at address, and waits until it does. It ends with the test.
func Serve(t testing.TB, address string, argv ...string) *process.Process {
	t.Helper()
	server := &process.Process{
		Name: filepath.Base(argv[0]), Argv: argv, Log: filepath.Join(t.TempDir(), "server.log"),
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Signal(syscall.SIGKILL)
		server.Wait(t, 10*time.Second)
		if t.Failed() {
			t.Logf("%s's log ends:\n%s", server.Name, server.Tail(20))
		}
	})
	echo.AwaitListener(t, address)
	return server
}
