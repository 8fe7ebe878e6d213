package protocols

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"blastdoor.io/test/peers"
	"blastdoor.io/test/poll"
)

// proxyV2 is a header of version 2: command 0 is LOCAL, 1 PROXY.
func proxyV2(command, family byte, addresses []byte, tlvs ...byte) []byte {
	out := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), 0x20|command, family)
	out = binary.BigEndian.AppendUint16(out, uint16(len(addresses)+len(tlvs)))
	return append(append(out, addresses...), tlvs...)
}

func addressPair(source, destination string, sourcePort, destinationPort uint16) []byte {
	out := append(netip.MustParseAddr(source).AsSlice(), netip.MustParseAddr(destination).AsSlice()...)
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(out, sourcePort), destinationPort)
}

const (
	overTCP4 = 0x11
	overTCP6 = 0x21
)

// proxied sends a header and a request from a local address to a listener, and returns what the
// upstream says of the request; an error if it was refused.
func proxied(from string, port int, header []byte, host string) (peers.Upload, error) {
	dialer := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return peers.Upload{}, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(poll.Slow(5 * time.Second)))
	text := "GET /upload HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n"
	if _, err := conn.Write(append(header, text...)); err != nil {
		return peers.Upload{}, err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return peers.Upload{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(response.Body)
		return peers.Upload{}, fmt.Errorf("answered %d %s", response.StatusCode, body)
	}
	var got peers.Upload
	return got, json.NewDecoder(response.Body).Decode(&got)
}

// A balancer that is configured says who the client is, in version 1 or 2; from anybody else, and
// without a header where one is due, nothing is served.
func TestProxyProtocol(t *testing.T) {
	_, _, host := serving(t)
	v4 := addressPair("203.0.113.7", "198.51.100.1", 4321, 443)
	v6 := addressPair("2001:db8::7", "2001:db8::1", 4321, 443)
	tlv := []byte{0x04, 0, 3, 1, 2, 3} // NOOP
	for _, c := range []struct {
		name   string
		from   string
		port   int
		header string
		client string // in X-Forwarded-For; empty: refused
	}{
		{"version 1", proxyPeer, proxiedPort, "PROXY TCP4 203.0.113.7 198.51.100.1 4321 443\r\n", "203.0.113.7"},
		{"version 1, IPv6", proxyPeer, proxiedPort, "PROXY TCP6 2001:db8::7 2001:db8::1 4321 443\r\n", "2001:db8::7"},
		{"version 1, unknown", proxyPeer, proxiedPort, "PROXY UNKNOWN\r\n", proxyPeer},
		{"version 2", proxyPeer, proxiedPort, string(proxyV2(1, overTCP4, v4)), "203.0.113.7"},
		{"version 2, IPv6", proxyPeer, proxiedPort, string(proxyV2(1, overTCP6, v6)), "2001:db8::7"},
		{"version 2 with a TLV", proxyPeer, proxiedPort, string(proxyV2(1, overTCP4, v4, tlv...)), "203.0.113.7"},
		{"version 2, local", proxyPeer, proxiedPort, string(proxyV2(0, 0, nil)), proxyPeer},
		{"no header", proxyPeer, proxiedPort, "", ""},
		{"version 1 cut off", proxyPeer, proxiedPort, "PROXY TCP4 203.0.113.7\r\n", ""},
		{"version 1 with an address that is none", proxyPeer, proxiedPort, "PROXY TCP4 203.0.113.777 198.51.100.1 4321 443\r\n", ""},
		{"version 1 of the wrong family", proxyPeer, proxiedPort, "PROXY TCP4 2001:db8::7 2001:db8::1 4321 443\r\n", ""},
		{"version 2 with too short addresses", proxyPeer, proxiedPort, string(proxyV2(1, overTCP4, v4[:8])), ""},
		{"version 3", proxyPeer, proxiedPort, "\r\n\r\n\x00\r\nQUIT\n\x31\x11\x00\x0c" + string(v4), ""},
		{"a header twice", proxyPeer, proxiedPort, "PROXY TCP4 203.0.113.7 198.51.100.1 4321 443\r\nPROXY TCP4 203.0.113.8 198.51.100.1 4321 443\r\n", ""},
		{"version 1 from a stranger", "127.0.0.8", proxiedPort, "PROXY TCP4 203.0.113.7 198.51.100.1 4321 443\r\n", ""},
		{"version 2 from a stranger", "127.0.0.8", proxiedPort, string(proxyV2(1, overTCP4, v4)), ""},
		{"a stranger without a header", "127.0.0.8", proxiedPort, "", "127.0.0.8"},
		{"on a listener that has no balancer", proxyPeer, plainPort, string(proxyV2(1, overTCP4, v4)), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := proxied(c.from, c.port, []byte(c.header), host)
			if client := got.Headers.Get("X-Forwarded-For"); c.client != client {
				t.Errorf("the client is %q, not %q (%v)", client, c.client, err)
			}
		})
	}
}

// curl's header of version 1 is understood, and refused from a peer that is no balancer.
func TestProxyProtocolCurl(t *testing.T) {
	_, _, host := serving(t)
	program := peers.Installed(t, "curl", "curl")
	for from, want := range map[string]bool{proxyPeer: true, "127.0.0.8": false} {
		result := peers.Run(t, 20*time.Second, program, "-sS", "-f", "--haproxy-protocol", "--interface", from, "--max-time", "5",
			"-H", "Host: "+host, "http://127.0.0.1:"+strconv.Itoa(proxiedPort)+"/upload")
		var got peers.Upload
		_ = json.Unmarshal([]byte(result.Stdout), &got)
		if served := result.Code == 0; served != want || served && got.Headers.Get("X-Forwarded-For") != from {
			t.Errorf("from %s: %v", from, result)
		}
	}
}
