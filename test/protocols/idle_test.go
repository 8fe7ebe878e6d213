package protocols

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"blastdoor.io/test/poll"
)

// privateMemory is what a process holds of its own, in bytes: not its code, nor what it shares.
func privateMemory(t *testing.T, pid int) int64 {
	t.Helper()
	return memory(t, pid, "RssAnon")
}

// kept opens a connection, has one request answered on it, and leaves it open.
func kept(port int, host string) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), 5*time.Second)
	if err != nil {
		return nil, err
	}
	if port == tlsPort {
		conn = tls.Client(conn, &tls.Config{ServerName: host, InsecureSkipVerify: true}) // self-signed
	}
	return conn, asked(conn, host)
}

// asked sends a request with a head of 4 KiB and a body of 8 KiB, which need buffers, and reads the answer.
func asked(conn net.Conn, host string) error {
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	head := fmt.Sprintf("POST / HTTP/1.1\r\nHost: %s\r\nX-Long: %s\r\nContent-Length: 8192\r\n\r\n", host,
		strings.Repeat("x", 4096))
	if _, err := io.WriteString(conn, head+strings.Repeat("y", 8192)); err != nil {
		return err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != 200 {
		return fmt.Errorf("answered %s, body %v", answer.Status, err)
	}
	return nil
}

// An idle connection holds no buffer: neither that of a head, nor that of a body, nor OpenSSL's.
func TestIdleConnectionsAreSmall(t *testing.T) {
	for _, c := range []struct {
		name string
		port int
		most int64 // bytes for each connection
	}{
		{"plain", plainPort, 1 << 10},
		{"TLS", tlsPort, 15872}, // OpenSSL alone takes 14.1 kB
	} {
		t.Run(c.name, func(t *testing.T) {
			w, _, host := serving(t)
			pid := w.Door(exposure)
			var open []net.Conn
			defer func() {
				for _, conn := range open {
					_ = conn.Close()
				}
			}()
			openTo := func(n int) {
				for len(open) < n {
					conn, err := kept(c.port, host)
					if err != nil {
						t.Fatalf("connection %d: %v", len(open), err)
					}
					open = append(open, conn)
				}
			}
			const first, all = 200, 2200 // the first ones warm up what is shared
			openTo(first)
			before := privateMemory(t, pid)
			openTo(all)
			each := int64(0)
			poll.Eventually(t, 5*time.Second, "they are small", func() error {
				each = (privateMemory(t, pid) - before) / (all - first)
				if each > c.most {
					return fmt.Errorf("%d bytes for each idle connection, at most %d", each, c.most)
				}
				return nil
			})
			t.Logf("%d bytes for each of %d idle connections", each, all-first)
			for _, conn := range []net.Conn{open[0], open[all/2], open[all-1]} {
				if err := asked(conn, host); err != nil {
					t.Errorf("an idle connection did not live on: %v", err)
				}
			}
		})
	}
}
