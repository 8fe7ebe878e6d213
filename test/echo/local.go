package echo

import (
	"net"
	"testing"
	"time"

	"blastdoor.io/test/poll"
)

// AwaitListener waits until something accepts connections at address.
func AwaitListener(t testing.TB, address string) {
	t.Helper()
	poll.Eventually(t, 10*time.Second, "listener at "+address, func() error {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// Local serves as a pod of the given name at an address of 127.0.0.0/8, inside the test's own
// process. It ends with the test, or when the returned function is called.
func Local(t testing.TB, name, address string) (stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = Serve(listener, name) }()
	stop = func() { _ = listener.Close() }
	t.Cleanup(stop)
	return stop
}
