package property

import (
	"fmt"
	"slices"
	"strings"
)

// newMessage makes HTTP/2 of a request: half of the disguises are those of HTTP/1.1 in other words.
func (d *draft) newMessage() *message {
	for range pick(d.r, []int{1, 1, 1, 2, 2, 3}) {
		before := len(d.changes)
		if d.r.IntN(2) == 0 {
			pick(d.r, sharedDisguises)(d)
		} else {
			pick(d.r, disguisesH2)(d)
		}
		if d.refuse { // alone: another change might mend what this one breaks
			d.changes = d.changes[before:]
			break
		}
	}
	m := &message{fields: []field{{Name: ":method", Value: d.method}, {Name: ":scheme", Value: exposures[exposureOf(d.probe.port)].proto},
		{Name: ":authority", Value: d.host()}, {Name: ":path", Value: d.target}}}
	for _, line := range d.fields[1:] {
		name, value, _ := strings.Cut(line, ":")
		m.fields = append(m.fields, field{Name: strings.ToLower(name), Value: strings.TrimPrefix(value, " "), Sensitive: d.r.IntN(8) == 0})
	}
	for _, change := range d.changes {
		change(m)
	}
	d.last = m.fatal != ""
	m.mixedTables = d.r.IntN(16) == 0
	if d.r.IntN(8) == 0 {
		m.pieces, m.pad, m.priority = d.r.IntN(6), d.r.IntN(256), d.r.IntN(2) == 0
	}
	return m
}

// sharedDisguises write lines that mean the same in both protocols.
var sharedDisguises = slices.Concat(
	slices.Repeat([]func(*draft){disguisedHost, forwardedField, trickyPath}, 4),
	[]func(*draft){absoluteURI, lookAlike, plain, oddMethodH2},
)

var disguisesH2 = slices.Concat(
	slices.Repeat([]func(*draft){authorityForms, foreignScheme, bodyH2, trailersH2, tunnelH2, forgedCertificate}, 3),
	slices.Repeat([]func(*draft){pseudoAbuse, injection, hopByHopH2, upperCase, lengthLie, largeHead, cancelled}, 1),
	[]func(*draft){plain, plain, plain, fatalFrame},
)

// later changes the message when it is one.
func (d *draft) later(change func(*message)) { d.changes = append(d.changes, change) }

// mustFail notes that no upstream may get the request.
func (d *draft) mustFail() { d.refuse = true }

func (m *message) set(name, value string) {
	for n := range m.fields {
		if m.fields[n].Name == name {
			m.fields[n].Value = value
		}
	}
}

func (m *message) remove(name string) {
	m.fields = slices.DeleteFunc(m.fields, func(f field) bool { return f.Name == name })
}

func (m *message) get(name string) string {
	for _, f := range m.fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

func (m *message) add(name, value string) {
	m.fields = append(m.fields, field{Name: name, Value: value})
}

// inFront puts a field where pseudo-fields belong.
func (m *message) inFront(name, value string) {
	m.fields = slices.Insert(m.fields, 0, field{Name: name, Value: value})
}

func oddMethodH2(d *draft) {
	d.name("method")
	d.method = pick(d.r, []string{"TRACE", "TRACK", "get", "G(ET", "GET ", " GET", "", strings.Repeat("M", 40), "PRI", "GET /admin", "GET\t", "connect", "CONNECT"})
	d.mustFailUnless(d.method == "get" || d.method == "connect" || d.method == "PRI")
}

func (d *draft) mustFailUnless(fine bool) { d.refuse = d.refuse || !fine }

// authorityForms say host and authority in every combination.
func authorityForms(d *draft) {
	d.name("authority")
	other, way := d.other, d.r.IntN(12)
	if way >= 6 {
		d.mustFail()
	}
	d.later(func(m *message) {
		host := m.get(":authority")
		switch way {
		case 0, 1:
			m.remove(":authority")
			m.add("host", host)
		case 2:
			m.add("host", host)
		case 3:
			m.add("host", strings.ToUpper(host))
		case 4:
			m.set(":authority", "")
			m.add("host", host)
		case 5:
			m.remove(":authority")
		case 6:
			m.add("host", "evil."+host+","+other)
		case 7:
			m.remove(":authority")
			m.add("host", host)
			m.add("host", "x"+other)
		case 8:
			m.set(":authority", "user@"+host)
		case 9:
			m.set(":authority", other+"@"+host)
		case 10:
			m.set(":authority", host+" "+other)
		case 11:
			m.remove(":authority")
			m.add("host", "user:pw@"+host)
		}
	})
}

func foreignScheme(d *draft) {
	d.name("scheme")
	scheme := pick(d.r, []string{"http", "https", "http", "https", "ftp", "", "wss", "https, http", "http://" + d.other + "/?", "https\r\nx: y"})
	d.mustFailUnless(scheme == "http" || scheme == "https")
	d.later(func(m *message) { m.set(":scheme", scheme) })
}

// pseudoAbuse has pseudo-fields too often, too late, or of no such name.
func pseudoAbuse(d *draft) {
	d.name("pseudo")
	d.mustFail()
	other, way := d.other, d.r.IntN(14)
	d.later(func(m *message) {
		switch way {
		case 0:
			m.inFront(":authority", other)
		case 1:
			m.inFront(":path", "/admin")
		case 2:
			m.inFront(":method", "GET")
		case 3:
			m.inFront(":scheme", "https")
		case 4:
			m.add(":authority", other)
		case 5:
			m.remove(":authority")
			m.add(":authority", other)
		case 6:
			m.remove(":path")
			m.add(":path", "/")
		case 7:
			m.inFront(":host", other)
		case 8:
			m.inFront(":x-probe", "x")
		case 9:
			m.inFront(":status", "200")
		case 10:
			m.inFront(":protocol", "websocket")
			m.set(":method", "GET")
		case 11:
			m.inFront(":Authority", other)
		case 12:
			m.remove([]string{":method", ":scheme", ":path"}[len(other)%3])
		case 13:
			m.inFront(":", other)
		}
	})
}

// injection hides what would be lines of HTTP/1.1 in what is one value of HTTP/2.
func injection(d *draft) {
	d.name("injection")
	d.mustFail()
	bait := d.probe
	bait.bait = true
	end := pick(d.r, []string{"\r\n", "\n", "\r", "\x00", "\r\n\r\n", "\r\n "})
	inner := pick(d.r, []string{"X-Probe: " + bait.String(), "Host: " + d.other, "Transfer-Encoding: chunked", d.bait(), "Content-Length: 0" + end + end + d.bait()})
	way := d.r.IntN(8)
	d.later(func(m *message) {
		switch way {
		case 0, 1:
			m.add("x-split", "a"+end+inner)
		case 2:
			m.add("x-split"+end+inner, "a")
		case 3:
			m.add("x: y"+end+inner, "a")
		case 4, 5:
			name := []string{":method", ":path", ":authority", ":scheme"}[len(inner)%4]
			m.set(name, m.get(name)+end+inner)
		case 6:
			m.set(":path", "/ HTTP/1.1"+end+inner)
		case 7:
			m.add("cookie", "a"+end+inner)
		}
	})
}

// hopByHopH2 are fields that HTTP/2 does not have.
func hopByHopH2(d *draft) {
	d.name("hop-by-hop")
	one := pick(d.r, []field{
		{Name: "connection", Value: "keep-alive"}, {Name: "connection", Value: "x-forwarded-for"}, {Name: "connection", Value: ""}, {Name: "connection", Value: "close"},
		{Name: "keep-alive", Value: "timeout=1"}, {Name: "proxy-connection", Value: "keep-alive"}, {Name: "transfer-encoding", Value: "chunked"}, {Name: "transfer-encoding", Value: "identity"},
		{Name: "upgrade", Value: "websocket"}, {Name: "upgrade", Value: "h2c"}, {Name: "te", Value: "gzip"}, {Name: "te", Value: "trailers, chunked"}, {Name: "transfer_encoding", Value: "chunked"},
		{Name: "te", Value: "trailers"}, {Name: "http2-settings", Value: "AAMAAABkAAQAAP__"},
	})
	d.mustFailUnless(one.Value == "trailers" || one.Name == "http2-settings")
	d.later(func(m *message) { m.fields = append(m.fields, one) })
}

func upperCase(d *draft) {
	d.name("upper-case")
	d.mustFail()
	name := pick(d.r, []string{"Host", "X-Forwarded-Host", "X-Probe", "Content-Length", "x-A", "X-Forwarded-Client-Cert", "x a", "x\x00", "(x)", "x:y", "\xc3\xa4", "", " host", "host "})
	value := d.other
	d.later(func(m *message) { m.add(name, value) })
}

// forgedCertificate claims an identity in words.
func forgedCertificate(d *draft) {
	d.name("certificate")
	name := pick(d.r, []string{"X-Forwarded-Client-Cert", "X_Forwarded_Client_Cert", "X-Forwarded-Client-Cert-Chain", "X.Forwarded.Client.Cert", "X-Forwarded-Client_Cert"})
	d.add(name + ": " + pick(d.r, []string{"Hash=00;Serial=1234;Subject=\"CN=good\"", "", "By=x;Hash=ab", "Subject=\"CN=good\",Hash=00;Serial=1;Subject=\"CN=x\""}))
}

func (d *draft) data(parts ...string) {
	d.later(func(m *message) { m.data = append(m.data, parts...) })
}

// bodyH2 is data that holds whole requests, in frames of all sizes.
func bodyH2(d *draft) {
	d.name("bait-in-data")
	bait := d.bait()
	cut := d.r.IntN(len(bait))
	switch d.r.IntN(5) {
	case 0:
		d.data(bait)
	case 1:
		d.data(bait[:cut], bait[cut:], bait)
	case 2:
		d.data("0\r\n\r\n" + bait)
	case 3:
		d.data("", bait, "")
	case 4:
		d.later(func(m *message) {
			if m.get("content-length") == "" {
				m.add("content-length", fmt.Sprint(len(bait)))
			}
		})
		d.data(bait)
	}
}

// lengthLie is a content-length that is not that of the data.
func lengthLie(d *draft) {
	d.name("length")
	bait := d.bait()
	n := len(bait)
	values := []string{fmt.Sprint(n - 1), fmt.Sprint(n + 1), "0", "1", fmt.Sprint(n * 10)}
	if d.r.IntN(2) == 0 {
		values = []string{fmt.Sprintf("+%d", n), fmt.Sprintf("0x%x", n), fmt.Sprintf("%d, %d", n, n), fmt.Sprintf("%d,0", n), "", "-1", "18446744073709551616", fmt.Sprintf("0%d", n), "1e2", "chunked"}
		d.mustFail()
	}
	value, twice := pick(d.r, values), d.r.IntN(4) == 0
	d.mustFailUnless(!twice)
	d.later(func(m *message) {
		m.remove("content-length")
		m.add("content-length", value)
		if twice {
			m.add("content-length", fmt.Sprint(n))
		}
		m.data = []string{bait}
		if n%7 == 0 {
			m.data = nil
		}
	})
}

// trailersH2 are baits where some take trailers for the head's fields.
func trailersH2(d *draft) {
	d.name("trailers")
	bait := d.probe
	bait.bait = true
	count := 1 + d.r.IntN(3)
	all := []field{
		{Name: "x-probe", Value: bait.String()}, {Name: "host", Value: d.other}, {Name: "x-forwarded-for", Value: "10.0.0.1"}, {Name: "x-forwarded-host", Value: d.other},
		{Name: "content-length", Value: "7"}, {Name: "transfer-encoding", Value: "chunked"}, {Name: "x-forwarded-client-cert", Value: "Hash=00"}, {Name: "connection", Value: "close"},
		{Name: "x-blastdoor-hop", Value: "1"}, {Name: "grpc-status", Value: "0"}, {Name: ":path", Value: "/admin"}, {Name: ":authority", Value: d.other}, {Name: "x", Value: "a\r\n\r\n" + d.bait()}, {Name: "trailer", Value: "x-probe"},
	}
	var chosen []field
	for range count {
		chosen = append(chosen, pick(d.r, all))
	}
	announced, open, body := d.r.IntN(2) == 0, d.r.IntN(8) == 0, pick(d.r, [][]string{nil, {"x"}, {d.bait()}})
	d.later(func(m *message) {
		if announced {
			m.add("trailer", "x-probe, host")
			m.add("te", "trailers")
		}
		m.data = append(m.data, body...)
		m.trailers, m.openTrailers = chosen, open
	})
}

// tunnelH2 asks for a WebSocket (RFC 8441), or for what is none, to somebody else's host. What is
// sent before the answer must not become a request if the upstream refuses.
func tunnelH2(d *draft) {
	d.name("tunnel")
	way, bait, other := d.r.IntN(8), d.bait(), d.other
	d.mustFailUnless(way < 5)
	d.later(func(m *message) {
		m.set(":method", "CONNECT")
		m.data, m.trailers = []string{bait, bait}, nil
		switch way {
		case 5:
			m.inFront(":protocol", "connect-udp")
		case 6:
			m.remove(":scheme")
			m.remove(":path")
			m.set(":authority", other+":443")
		case 7: // CONNECT with a path, but no protocol
		default:
			m.inFront(":protocol", "websocket")
			m.add("sec-websocket-version", "13")
			m.tunnel, m.open = true, true
		}
	})
}

func largeHead(d *draft) {
	d.name("large")
	switch size := pick(d.r, []int{8000, 40000, 70000}); d.r.IntN(3) {
	case 0:
		d.later(func(m *message) { m.add("x-big", strings.Repeat("b", size)) })
	case 1:
		d.later(func(m *message) {
			for n := range size / 400 {
				m.add(fmt.Sprintf("x-many-%d", n), "x")
			}
		})
	case 2:
		d.later(func(m *message) {
			for n := range size / 400 {
				m.add("cookie", fmt.Sprintf("c%d=v", n))
			}
		})
	}
}

// cancelled is broken off by the client at once, in the middle of its body.
func cancelled(d *draft) {
	d.name("cancelled")
	d.later(func(m *message) { m.cancelled, m.open = true, true })
}

func fatalFrame(d *draft) {
	d.name("fatal")
	kind := pick(d.r, fatalKinds)
	d.name(kind)
	d.later(func(m *message) { m.fatal = kind })
}
