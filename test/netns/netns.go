// Package netns gives a test binary a machine of its own: a network namespace with nothing in it
// but loopback and a bridge, one further namespace per pod, and a process namespace, so that
// whatever the tests start dies with them, also when they are killed.
//
// A real API server refuses endpoints on loopback, and doors listen on fixed ports. Both are no
// problem in here, and no packet leaves the machine: there is no route out.
package netns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

const (
	// NodeIP is the address of the bridge: of the "node", as pods see it.
	NodeIP = "10.244.0.1"
	bridge = "br0"
	stage  = "BLASTDOOR_TEST_NETNS" // "init" or "tests" in the re-executed binary
)

// Isolated says whether this process runs in namespaces of its own.
func Isolated() bool { return os.Getenv(stage) == "tests" }

// Held says whether a person wants to look around: the way in is printed, and TestHold waits.
func Held() bool { return os.Getenv("BLASTDOOR_TEST_HOLD") == "1" }

// Main runs the tests of a package in fresh namespaces, by executing the test binary once more in
// them; use it as the whole of TestMain. Where the kernel forbids namespaces the tests run on the
// plain machine, and those that need a cluster skip (see Require).
func Main(m *testing.M) {
	switch os.Getenv(stage) {
	case "init":
		code, err := initMain()
		if err != nil {
			fmt.Fprintln(os.Stderr, "netns:", err)
		}
		os.Exit(code)
	case "tests":
		os.Exit(m.Run())
	}
	code, err := reexec()
	if err == nil {
		os.Exit(code)
	}
	fmt.Fprintf(os.Stderr, "netns: NO ISOLATION: %v; tests that need namespaces will skip\n", err)
	os.Exit(m.Run())
}

// Require skips a test that cannot do without namespaces.
func Require(t testing.TB) {
	t.Helper()
	if !Isolated() {
		t.Skip("SKIPPED LOUDLY: needs network namespaces, and this machine refuses them (see the first lines of the log)")
	}
}

// reexec runs this binary again in new namespaces and returns its exit code. An error means that
// the kernel did not let us.
func reexec() (int, error) {
	if _, err := exec.LookPath("ip"); err != nil {
		return 0, errors.New("no ip command (Debian package iproute2)")
	}
	tmp, err := os.MkdirTemp("", "blastdoor-test-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(tmp) // all that the tests leave: nobody inside survives to clean up
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), stage+"=init", "TMPDIR="+tmp)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	if os.Geteuid() != 0 {
		unprivileged(cmd.SysProcAttr)
	}
	runtime.LockOSThread() // Pdeathsig means the death of this thread
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	if Held() {
		fmt.Fprintf(os.Stderr, "netns: enter with: nsenter --all --target %d\n", cmd.Process.Pid)
	}
	// go test ends a binary that hangs with SIGQUIT, to see its goroutines: those are in the child.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s)
		}
	}()
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode() & 0xff, nil // -1, killed by a signal, is 255
}

// initMain is process 1 of the new namespaces: it sets them up, starts the tests, and reaps what
// is orphaned, so that a dead grandchild is gone and not a zombie.
func initMain() (int, error) {
	if err := furnish(); err != nil {
		return 1, err
	}
	_ = os.Setenv(stage, "tests")
	child, err := syscall.ForkExec("/proc/self/exe", os.Args, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2},
	})
	if err != nil {
		return 1, err
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	go func() {
		for s := range signals {
			_ = syscall.Kill(child, s.(syscall.Signal))
		}
	}()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return 1, err
		case pid == child && status.Exited():
			return status.ExitStatus(), nil
		case pid == child:
			return 255, fmt.Errorf("the tests were ended by a signal: %v", status.Signal())
		}
	}
}

// unprivileged makes a plain user root of a user namespace, which owns the others.
func unprivileged(attr *syscall.SysProcAttr) {
	attr.Cloneflags |= syscall.CLONE_NEWUSER
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
}

// furnish sets the new namespaces up: a /proc that shows only our processes, an empty /run, where a
// pod's credentials would be mounted, loopback, the bridge.
func furnish() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := syscall.Mount("run", "/run", "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	return ip(
		"link set lo up",
		"link add "+bridge+" type bridge",
		"addr add "+NodeIP+"/16 dev "+bridge,
		"link set "+bridge+" up",
	)
}

// ip runs lines of iproute2 commands as one batch.
func ip(lines ...string) error { return run([]string{"ip", "-batch", "-"}, lines) }

// ipIn does the same in the network namespace of a process.
func ipIn(pid int, lines ...string) error {
	return run([]string{"nsenter", "-t", fmt.Sprint(pid), "-n", "ip", "-batch", "-"}, lines)
}

func run(argv, lines []string) error {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(lines, "; "), err, out)
	}
	return nil
}

// Start starts cmd in a network namespace of its own, on the bridge at the given address.
func Start(cmd *exec.Cmd, address string) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWNET
	if err := cmd.Start(); err != nil {
		return err
	}
	pid := cmd.Process.Pid
	veth := fmt.Sprintf("veth%d", pid)
	err := ip(
		fmt.Sprintf("link add %s type veth peer name eth0 netns %d", veth, pid),
		fmt.Sprintf("link set %s master %s up", veth, bridge),
	)
	if err == nil {
		err = ipIn(pid, "link set lo up", "addr add "+address+"/16 dev eth0", "link set eth0 up",
			"route add default via "+NodeIP)
	}
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	return err
}
