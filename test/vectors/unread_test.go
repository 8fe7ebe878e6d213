package vectors

import (
	"net"
	"net/netip"
	"testing"
)

func addresses(t testing.TB, conn net.Conn) (local, remote netip.AddrPort) {
	t.Helper()
	return conn.LocalAddr().(*net.TCPAddr).AddrPort(), conn.RemoteAddr().(*net.TCPAddr).AddrPort()
}

// The kernel tells how much a socket has not read, and that it is gone.
func TestUnread(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	sender, err := net.Dial("tcp4", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	receiver, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	diag, err := NewDiag()
	if err != nil {
		t.Fatal(err)
	}
	defer diag.Close()
	local, remote := addresses(t, receiver)
	for _, want := range []int{0, 5, 2} {
		switch want {
		case 5:
			_, err = sender.Write([]byte("hello"))
		case 2:
			_, err = receiver.Read(make([]byte, 3))
		}
		if err != nil {
			t.Fatal(err)
		}
		if got, err := diag.Unread(local, remote); err != nil || got != want {
			t.Fatalf("%d unread, %v, not %d", got, err, want)
		}
	}
	_ = receiver.Close() // with unread bytes: a reset
	_ = sender.Close()
	if got, err := diag.Unread(local, remote); err != errGone {
		t.Fatalf("%d unread, %v, of a closed socket", got, err)
	}
}
