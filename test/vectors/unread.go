package vectors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// Diag asks the kernel how much of what was sent to a socket of another process is still unread.
// With that a test knows, without waiting for a guessed time, that two writes became two reads.
type Diag struct{ socket int }

const (
	netlinkSockDiag = 4
	diagByFamily    = 20
	diagRequestSize = 16 + 56
	stateListen     = 10
	diagQueueAt     = 16 + 4 + 48 + 4 // of the answer: behind its head, four bytes, the socket's id, a timer
)

// NewDiag opens a way to ask.
func NewDiag() (*Diag, error) {
	socket, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, netlinkSockDiag)
	if err != nil {
		return nil, fmt.Errorf("sock_diag: %w", err)
	}
	return &Diag{socket}, nil
}

// Close ends it.
func (d *Diag) Close() { _ = syscall.Close(d.socket) }

// errGone: there is no such socket any more.
var errGone = errors.New("the socket is gone")

// Unread is the number of bytes in the receive queue of the TCP socket that has these two ends,
// seen from it.
func (d *Diag) Unread(local, remote netip.AddrPort) (int, error) {
	request := make([]byte, diagRequestSize)
	binary.NativeEndian.PutUint32(request, diagRequestSize)
	binary.NativeEndian.PutUint16(request[4:], diagByFamily)
	binary.NativeEndian.PutUint16(request[6:], syscall.NLM_F_REQUEST)
	body := request[16:]
	body[0], body[1] = syscall.AF_INET, syscall.IPPROTO_TCP
	binary.NativeEndian.PutUint32(body[4:], 0xffffffff) // in any state
	id := body[8:]
	binary.BigEndian.PutUint16(id, local.Port())
	binary.BigEndian.PutUint16(id[2:], remote.Port())
	copy(id[4:], local.Addr().AsSlice())
	copy(id[20:], remote.Addr().AsSlice())
	binary.NativeEndian.PutUint64(id[40:], 0xffffffffffffffff) // no cookie
	if err := syscall.Sendto(d.socket, request, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return 0, err
	}
	answer := make([]byte, 1024)
	n, _, err := syscall.Recvfrom(d.socket, answer, 0)
	if err != nil {
		return 0, err
	}
	if n >= 20 && binary.NativeEndian.Uint16(answer[4:]) == syscall.NLMSG_ERROR {
		errno := syscall.Errno(-int32(binary.NativeEndian.Uint32(answer[16:])))
		if errno == syscall.ENOENT {
			return 0, errGone
		}
		return 0, fmt.Errorf("sock_diag: %w", errno)
	}
	if n < diagQueueAt+4 {
		return 0, fmt.Errorf("sock_diag: %d bytes", n)
	}
	if answer[17] == stateListen { // what takes the place of a socket that is no more
		return 0, errGone
	}
	return int(binary.NativeEndian.Uint32(answer[diagQueueAt:])), nil
}
