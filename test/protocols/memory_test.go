package protocols

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

const mebibyte = 1 << 20

// memory is VmRSS or VmHWM (the most that it ever was) of a process, in bytes.
func memory(t testing.TB, pid int, key string) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		if name != key {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		return kib << 10
	}
	t.Fatalf("process %d has no %s", pid, key)
	return 0
}

// growth measures the most by which a process grows from now on. It returns the way to ask.
func growth(t testing.TB, pid int) func() int64 {
	t.Helper()
	// 5 sets VmHWM to what is resident now.
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		t.Fatalf("the door's high-water mark cannot be reset: %v", err)
	}
	before := memory(t, pid, "VmRSS")
	return func() int64 { return max(0, memory(t, pid, "VmHWM")-before) }
}

// cpuTime is what a process has used of the processors, user and system.
func cpuTime(t testing.TB, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	ticks := int64(0)
	for _, field := range fields[11:13] { // utime and stime; the first here is the third of the file
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond // USER_HZ is 100
}

func mib(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/mebibyte) }
