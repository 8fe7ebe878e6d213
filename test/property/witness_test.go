package property

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// probe is the identity of a request: the port it was sent to, and which request of which worker it
// is, so that it can be generated again. A bait stands where only a parser that was fooled sees a
// request or a field.
type probe struct {
	port, worker, n int
	bait            bool
}

func (p probe) String() string {
	text := fmt.Sprintf("%d.%d.%d", p.port, p.worker, p.n)
	if p.bait {
		text += ".bait"
	}
	return text
}

func parseProbe(text string) (probe, error) {
	fields := strings.Split(text, ".")
	p := probe{bait: len(fields) == 4 && fields[3] == "bait"}
	if len(fields) != 3 && !p.bait {
		return p, fmt.Errorf("probe %q", text)
	}
	for n, into := range []*int{&p.port, &p.worker, &p.n} {
		number, err := strconv.Atoi(fields[n])
		if err != nil {
			return p, fmt.Errorf("probe %q", text)
		}
		*into = number
	}
	return p, nil
}

// witness is all the upstreams: one listener that tells them apart by the address that was
// connected to, judges every request, and answers with its probe.
type witness struct {
	w        *world
	listener net.Listener
	hits     [exposureCount]atomic.Int64
	crimes   crimes

	overH2, overTLS, certified, tunnels [exposureCount]atomic.Int64 // of the hits
}

// crimes are the requests that should not have come.
type crimes struct {
	mutex sync.Mutex
	count int
	first []crime
}

type crime struct {
	what  string
	probe probe
	head  string
}

const crimesKept = 10

func (c *crimes) report(what string, p probe, head string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.count++
	if len(c.first) < crimesKept {
		c.first = append(c.first, crime{what, p, strings.Clone(head)})
	}
}

func (c *crimes) list() (int, []crime) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.count, c.first
}

func startWitness(t testing.TB, w *world) *witness {
	t.Helper()
	listener, err := net.Listen("tcp4", fmt.Sprintf("0.0.0.0:%d", upstreamPort))
	if err != nil {
		t.Fatal(err)
	}
	v := &witness{w: w, listener: listener}
	t.Cleanup(func() { _ = listener.Close() })
	go v.accept()
	return v
}

func (v *witness) accept() {
	for {
		conn, err := v.listener.Accept()
		if err != nil {
			return
		}
		go v.serve(conn)
	}
}

func (v *witness) serve(conn net.Conn) {
	defer conn.Close()
	local, _ := conn.LocalAddr().(*net.TCPAddr)
	upstream := int(local.IP.To4()[3]) - 1
	reader := bufio.NewReaderSize(conn, 128<<10)
	for {
		head, err := readHead(reader)
		if err != nil {
			if !errors.Is(err, io.EOF) && !isReset(err) {
				v.crimes.report("an unreadable head: "+err.Error(), probe{}, head.text)
			}
			return
		}
		v.judge(upstream, head)
		if err := drainBody(reader, head); err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !isReset(err) {
				v.crimes.report("an unreadable body: "+err.Error(), probe{}, head.text)
			}
			return
		}
		if head.isTunnel() && strings.HasSuffix(head.target, "/") {
			_, _ = conn.Write(switchProtocols(head))
			_ = conn.SetReadDeadline(time.Now().Add(batchTimeout))
			_, _ = io.Copy(io.Discard, reader) // a bait in there is data
			return
		}
		if _, err := conn.Write(answer(head)); err != nil {
			return
		}
	}
}

func isReset(err error) bool {
	var opError *net.OpError
	return errors.As(err, &opError)
}

// judge is the property.
func (v *witness) judge(upstream int, head *head) {
	probes := head.fields["x-probe"]
	if len(probes) != 1 {
		v.crimes.report(fmt.Sprintf("%d probes in one request", len(probes)), probe{}, head.text)
		return
	}
	p, err := parseProbe(probes[0])
	e := exposureOf(p.port)
	switch {
	case err != nil || e < 0:
		v.crimes.report("a probe that nobody sent", p, head.text)
	case p.bait:
		v.crimes.report("a bait was taken for a request or a field", p, head.text)
	case upstream < 0 || upstream >= upstreamCount:
		v.crimes.report(fmt.Sprintf("nobody is upstream %d", upstream), p, head.text)
	case v.w.late(e, upstream) > 0:
		v.crimes.report(fmt.Sprintf("%s reached upstream %d, which it %s", exposures[e].name, upstream, v.w.sinceWhen(e, upstream)), p, head.text)
	default:
		v.count(e, p, head)
		lie := lieIn(head, e)
		if lie == "" {
			lie = planOf(v.w.seed, p).lie(v.w.pki, e, strings.Join(head.fields["host"], "|"), head.fields["x-forwarded-client-cert"])
		}
		if lie != "" {
			v.crimes.report("the upstream was told "+lie, p, head.text)
		}
	}
}

func (v *witness) count(e exposure, p probe, head *head) {
	v.hits[e].Add(1)
	l := planOf(v.w.seed, p)
	for counter, counts := range map[*atomic.Int64]bool{
		&v.overH2[e]: l.h2, &v.overTLS[e]: l.tls, &v.certified[e]: head.fields["x-forwarded-client-cert"] != nil, &v.tunnels[e]: head.isTunnel(),
	} {
		if counts {
			counter.Add(1)
		}
	}
}

// lieIn finds what a request says that is not a fact of its listener.
func lieIn(head *head, e exposure) string {
	for name, fact := range map[string]string{"x-forwarded-proto": exposures[e].proto, "x-forwarded-port": exposures[e].publicPort, "x-forwarded-for": "127.0.0.1"} {
		if got := strings.Join(head.fields[name], " | "); got != fact {
			return fmt.Sprintf("%s: %q, not %q", name, got, fact)
		}
	}
	for name := range head.fields {
		folded := fold(name)
		family := strings.HasPrefix(folded, "x-forwarded-") && !forwardedFacts[name]
		if family || (foldedLies[folded] && !(name == "upgrade" && head.isTunnel())) {
			return name
		}
	}
	if len(head.fields["host"]) != 1 || head.fields["host"][0] != strings.Join(head.fields["x-forwarded-host"], "|") {
		return fmt.Sprintf("host %q and x-forwarded-host %q", head.fields["host"], head.fields["x-forwarded-host"])
	}
	return ""
}

// fold is what an application makes of a name that keeps fields in variables.
func fold(name string) string {
	return strings.Map(func(c rune) rune {
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' {
			return c
		}
		return '-'
	}, name)
}

var forwardedFacts = map[string]bool{
	"x-forwarded-for": true, "x-forwarded-proto": true, "x-forwarded-port": true, "x-forwarded-host": true, "x-forwarded-client-cert": true,
}

var foldedLies = map[string]bool{
	"forwarded": true, "x-real-ip": true, "x-original-url": true, "x-rewrite-url": true, "x-original-host": true,
	"true-client-ip": true, "front-end-https": true, "x-client-ip": true, "upgrade": true, "http2-settings": true,
	"proxy-connection": true, "keep-alive": true, "trailer": true,
}

// head is a request head as a strict server reads it. Field names are in lower case.
type head struct {
	method, target string
	fields         map[string][]string
	text           string
}

// readHead accepts only what a proxy that regenerates every byte may send.
func readHead(reader *bufio.Reader) (*head, error) {
	h := &head{fields: make(map[string][]string, 16)}
	var text strings.Builder
	defer func() { h.text = text.String() }()
	for first := true; ; first = false {
		line, err := reader.ReadString('\n')
		text.WriteString(line)
		if err != nil {
			if text.Len() > 0 && errors.Is(err, io.EOF) {
				return h, errors.New("it ends early")
			}
			return h, err
		}
		line, found := strings.CutSuffix(line, "\r\n")
		switch {
		case !found || strings.ContainsAny(line, "\r\x00"):
			return h, fmt.Errorf("line %q", line)
		case first:
			if err := h.requestLine(line); err != nil {
				return h, err
			}
		case line == "":
			return h, nil
		default:
			name, value, found := strings.Cut(line, ":")
			if !found || name == "" || strings.ContainsAny(name, " \t") {
				return h, fmt.Errorf("field line %q", line)
			}
			name = strings.ToLower(name)
			h.fields[name] = append(h.fields[name], strings.Trim(value, " \t"))
		}
	}
}

// isTunnel says whether it is what the doors make of a WebSocket: that alone may ask for an upgrade.
func (h *head) isTunnel() bool {
	one := func(name, value string) bool { return strings.Join(h.fields[name], "|") == value }
	return h.method == "GET" && one("upgrade", "websocket") && one("connection", "Upgrade") && one("sec-websocket-version", "13") &&
		len(h.fields["sec-websocket-key"]) == 1 && h.fields["transfer-encoding"] == nil && strings.Trim(strings.Join(h.fields["content-length"], "|"), "0") == ""
}

func switchProtocols(h *head) []byte {
	digest := sha1.Sum([]byte(h.fields["sec-websocket-key"][0] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return fmt.Appendf(nil, "HTTP/1.1 101 Switching Protocols\r\nX-Echo: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		strings.Join(h.fields["x-probe"], ","), base64.StdEncoding.EncodeToString(digest[:]))
}

func (h *head) requestLine(line string) error {
	parts := strings.Split(line, " ")
	if len(parts) != 3 || parts[2] != "HTTP/1.1" || !strings.HasPrefix(parts[1], "/") {
		return fmt.Errorf("request line %q", line)
	}
	h.method, h.target = parts[0], parts[1]
	return nil
}

func drainBody(reader *bufio.Reader, h *head) error {
	lengths, codings := h.fields["content-length"], h.fields["transfer-encoding"]
	switch {
	case len(lengths)+len(codings) > 1:
		return fmt.Errorf("framed twice: %q %q", lengths, codings)
	case len(codings) == 1 && codings[0] != "chunked":
		return fmt.Errorf("coding %q", codings[0])
	case len(codings) == 1:
		return drainChunks(reader)
	case len(lengths) == 1:
		length, err := strconv.ParseUint(lengths[0], 10, 40)
		if err != nil {
			return err
		}
		_, err = io.CopyN(io.Discard, reader, int64(length))
		return err
	}
	return nil
}

// drainChunks allows no extension and no trailer: the doors drop both.
func drainChunks(reader *bufio.Reader) error {
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseUint(strings.TrimSuffix(line, "\r\n"), 16, 40)
		if err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, reader, int64(size)); err != nil {
			return err
		}
		end, err := reader.ReadString('\n')
		if err != nil {
			return err
		}
		if end != "\r\n" {
			return fmt.Errorf("chunk ends with %q", end)
		}
		if size == 0 {
			return nil
		}
	}
}

// answer repeats the probe, so that the client sees whose answer it got.
func answer(h *head) []byte {
	probe := strings.Join(h.fields["x-probe"], ",")
	text := "HTTP/1.1 200 OK\r\nX-Echo: " + probe + "\r\n"
	switch {
	case h.method == "HEAD":
		return []byte(text + "Content-Length: 17\r\n\r\n")
	case strings.HasSuffix(probe, "7"):
		return []byte(text + "Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n3;x=y\r\n it\r\n0\r\n\r\n")
	case strings.HasSuffix(probe, "9"):
		return []byte("HTTP/1.1 204 No Content\r\nX-Echo: " + probe + "\r\n\r\n")
	}
	return []byte(text + "Content-Length: 2\r\n\r\nok")
}
