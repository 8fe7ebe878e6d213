package property

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// request is one hostile request as bytes.
type request struct {
	probe probe
	kind  string // which disguises it wears
	bytes []byte
	h2    *message // what is sent instead of bytes; nil: they are
	head  bool     // method HEAD: the answer has no body
	// last: whoever reads this strictly may close the connection, so nothing follows it.
	last bool
	// final: the framing is at stake. It has one answer, and then the client makes sure that there
	// is no second.
	final bool
	// abandoned: it is incomplete; the client closes and expects nothing.
	abandoned bool
	// refuse: it breaks a rule of HTTP/2, so that no upstream may have answered it.
	refuse bool
	// host is what it asks for beyond doubt; empty: that is disguised.
	host string
}

// draft is a request in the making.
type draft struct {
	r                       *rand.Rand
	probe                   probe
	other                   string // a host that other exposures may serve
	method, target, version string
	fields                  []string // lines without their end
	body                    string   // with its framing fields in fields
	kinds                   []string
	last, final, abandoned  bool

	changes []func(*message) // of HTTP/2 only
	refuse  bool
}

// newRequest is a pure function of the seed and the probe, so that every request of a failure can be
// had again.
func newRequest(seed uint64, p probe) request {
	d := &draft{r: rand.New(rand.NewPCG(seed^uint64(p.port)<<40^uint64(p.worker)<<32, uint64(p.n))), probe: p}
	l := planOf(seed, p)
	d.other = d.anyHost(-1)
	host := d.other
	switch d.r.IntN(8) {
	case 0, 1:
		host = d.anyHost(exposureOf(p.port))
	case 2, 3, 4:
		host = stableHost(exposureOf(p.port)) // so that many get through, disguised as the rest
	case 5:
		if l.name() != "" {
			host = l.name()
		}
	}
	d.method, d.version = pick(d.r, methods), "HTTP/1.1"
	d.target = pick(d.r, paths)
	d.fields = []string{"Host: " + host, "X-Probe: " + p.String()}
	if l.h2 {
		return d.finishH2(d.newMessage())
	}
	for range pick(d.r, []int{1, 1, 1, 2, 2, 3}) {
		if d.method == "PRI" {
			break // the preface of HTTP/2 has no fields to disguise, and no probe
		}
		pick(d.r, disguises)(d)
	}
	if d.r.IntN(5) == 0 && !d.last && d.body == "" {
		pick(d.r, smuggling)(d)
		d.final = d.last
	}
	return d.finish()
}

func (d *draft) finishH2(m *message) request {
	return request{probe: d.probe, kind: strings.Join(d.kinds, "+"), h2: m, last: d.last, refuse: d.refuse, host: d.plainHost()}
}

// plainHost is the host if nothing about it is disguised.
func (d *draft) plainHost() string {
	for _, kind := range d.kinds {
		if !slices.Contains([]string{"plain", "forwarded", "path", "certificate", "bait-in-body", "bait-in-chunk", "bait-in-data", "large"}, kind) {
			return ""
		}
	}
	return d.host()
}

func (d *draft) finish() request {
	text := d.method + " " + d.target + " " + d.version + "\r\n" + strings.Join(d.fields, "\r\n") + "\r\n\r\n" + d.body
	return request{probe: d.probe, kind: strings.Join(d.kinds, "+"), bytes: []byte(text), head: strings.TrimPrefix(d.method, "\r\n") == "HEAD", last: d.last, final: d.final, abandoned: d.abandoned, host: d.plainHost()}
}

var methods = []string{"GET", "GET", "GET", "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "PROPFIND", "X"}

// anyHost is a host that an exposure other than the given one may serve: its stable host, one behind
// a trap, or one of those that all fight for.
func (d *draft) anyHost(but exposure) string {
	switch d.r.IntN(4) {
	case 0, 1:
		return pick(d.r, hostPool())
	case 2:
		if d.r.IntN(2) == 0 {
			return guardedHost(exposure(d.r.IntN(exposureCount)))
		}
		return chainHost(d.r.IntN(residentCount), d.r.IntN(exposureCount))
	}
	for {
		if e := exposure(d.r.IntN(exposureCount)); e != but {
			return stableHost(e)
		}
	}
}

func (d *draft) name(kind string)      { d.kinds = append(d.kinds, kind) }
func (d *draft) add(lines ...string)   { d.fields = append(d.fields, lines...) }
func (d *draft) host() string          { return strings.TrimPrefix(d.fields[0], "Host: ") }
func (d *draft) setHost(text string)   { d.fields[0] = "Host: " + text }
func (d *draft) fatal(lines ...string) { d.add(lines...); d.last = true }

// inFront puts lines before all others, where some parsers believe the first.
func (d *draft) inFront(lines ...string) { d.fields = append(lines, d.fields...); d.last = true }

// bait is a whole request that must never be taken for one.
func (d *draft) bait() string {
	p := d.probe
	p.bait = true
	return "GET " + pick(d.r, paths) + " HTTP/1.1\r\nHost: " + d.other + "\r\nX-Probe: " + p.String() + "\r\n\r\n"
}

// disguises are ways to ask for a host or a path of another exposure, the more promising ones more
// often: those that break the syntax end the connection and teach little each.
var disguises = slices.Concat(
	slices.Repeat([]func(*draft){disguisedHost, forwardedField, trickyPath}, 4),
	slices.Repeat([]func(*draft){absoluteURI, lookAlike, hopByHop, plain}, 2),
	[]func(*draft){secondHost, oddLine, oddMethod, splitField},
)

func plain(d *draft) { d.name("plain") }

// fill puts a host for {h} and a path for {p}.
func fill(template, host, path string) string {
	if !strings.Contains(template, "{") {
		return template
	}
	return strings.NewReplacer("{h}", host, "{p}", path).Replace(template)
}

var hostForms = []string{
	"{h}.", "{h}:443", "{h}:80", "{h}:10001", "{h}:", "{h}.:443", "\t{h}\t", "  {h}", "{h}:0", "{h}:65535",
}

var brokenHosts = []string{
	"{h}..", ".{h}", "{h}:99999", "{h}:-1", "{h}:4 43", "{h}:443:80", "user@{h}", "user:pw@{h}", "{h}@evil.test", "{h}, evil.test", "evil.test, {h}",
	"{h} evil.test", "{h}\tevil.test", "{h}/", "{h}/x", "{h}?x", "{h}#x", "[{h}]", "[::1%25eth0]", "[::1", "", "{h}\x00", "{h}\\x", "http://{h}", "{h}%2e", "{h}%00",
	"{h}\u3002", "*.{h}", "*", strings.Repeat("a", 300) + ".test", "%61pp-0.example.com", "app-0.example.com\xc2\xa0",
	"127.0.0.1", "127.0.0.1:10001", "10.244.0.1", "[::1]", "[::1]:10001", "[::ffff:127.0.0.1]", "0x7f000001", "2130706433", "127.1", "0",
}

func disguisedHost(d *draft) {
	d.name("host")
	switch d.r.IntN(8) {
	case 0:
		d.setHost(fill(pick(d.r, brokenHosts), d.other, ""))
		d.last = true
	case 1:
		d.setHost(strings.ToUpper(d.host()))
	case 2, 3:
		d.setHost(mixedCase(d.r, d.other))
	default:
		d.setHost(fill(pick(d.r, hostForms), d.host(), ""))
	}
}

func mixedCase(r *rand.Rand, text string) string {
	bytes := []byte(text)
	for n := range bytes {
		if r.IntN(2) == 0 && bytes[n] >= 'a' && bytes[n] <= 'z' {
			bytes[n] -= 'a' - 'A'
		}
	}
	return string(bytes)
}

var (
	schemes     = []string{"http://", "https://", "HTTP://", "hTTps://", "ws://", "wss://", "ftp://", "//", "http:/", "http:", "http:\\\\", "file:///", ""}
	authorities = []string{"{h}", "{h}:443", "{h}.", "user@{h}", "own-internal-http.example.com@{h}", "{h}@own-external-http.example.com"}
)

// absoluteURI names a host in the request line: often the same as in Host, otherwise the two disagree.
func absoluteURI(d *draft) {
	d.name("absolute")
	if d.r.IntN(2) == 0 {
		d.target = pick(d.r, schemes[:4]) + mixedCase(d.r, d.host()) + d.target
		return
	}
	d.target = pick(d.r, schemes) + fill(pick(d.r, authorities), pick(d.r, []string{d.other, d.host()}), "") + pick(d.r, []string{"/", "/admin", "", "?q=1"})
	d.last = true
}

func secondHost(d *draft) {
	d.name("second-host")
	other := d.other
	line := pick(d.r, []string{
		"Host: " + other, "host: " + other, "HOST:" + other, "Host : " + other, "Host\t: " + other, " Host: " + other, "\tHost: " + other, "Host:\r\n " + other,
		"Host:", "Host\x00: " + other, "Host\x0b: " + other, "Host\r: " + other, "Ho st: " + other, "H\xc3\xb6st: " + other, ":authority: " + other, ": " + other, "Host", ":path: /admin",
	})
	if d.r.IntN(2) == 0 {
		d.fatal(line)
	} else {
		d.inFront(line)
	}
}

var forwardedNames = []string{
	"X-Forwarded-Host", "X-Forwarded-Server", "X-Original-Host", "X-Host", "X-HTTP-Host-Override", "X-Original-URL", "X-Rewrite-URL",
	"X-Forwarded-Prefix", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Scheme", "X-Forwarded-Ssl", "X-Forwarded-For", "X-Real-IP", "True-Client-IP",
	"X-Client-IP", "Front-End-Https", "X-Blastdoor-Exposure", "X-Blastdoor-Hop", "X-Blastdoor-Anything", "X-Envoy-Original-Path", "X-Amzn-Trace-Id", "Via", "Referer", "Origin",
	"Destination", "X-Forwarded-Path", "X-Url-Scheme", "X-Scheme", "Authority", "X-Request-Id",
	"X-Forwarded-Client-Cert", "X-Forwarded-Tls-Client-Cert",
}

// forwardedField are fields that some proxies believe.
func forwardedField(d *draft) {
	d.name("forwarded")
	for range 1 + d.r.IntN(3) {
		name := pick(d.r, forwardedNames)
		if name == "X-Blastdoor-Hop" && d.r.IntN(4) > 0 {
			continue // 508, and nothing else in the request matters any more
		}
		value := pick(d.r, []string{d.other, "http://" + d.other + "/", "https", "http", "443", "80", "10001", "internal-http", "/admin", "127.0.0.1", "10.0.0.1, 10.0.0.2", "1", "on", "", "unix:/x", "Hash=00;Serial=1234;Subject=\"CN=good\""})
		if d.r.IntN(4) == 0 {
			name = strings.ReplaceAll(name, "-", "_")
		}
		if d.r.IntN(3) == 0 {
			name = mixedCase(d.r, strings.ToLower(name))
		}
		d.add(name + ": " + value)
	}
	if d.r.IntN(3) == 0 {
		d.add(pick(d.r, []string{"Forwarded", "FORWARDED", "forwarded"}) + ": for=10.0.0.1;host=" + d.other + ";proto=https")
	}
}

// lookAlike are names of fields that matter, nearly.
func lookAlike(d *draft) {
	d.name("look-alike")
	d.add(pick(d.r, []string{"Host_", "_Host", "H0st", "Hosts", "X_Host", "Host-", "Ho-st", "Content_Length", "Transfer_Encoding", "Transfer---Encoding", "Transfer-Encodin", "X-Transfer-Encoding", "Content-Length-", "Contentlength"}) +
		": " + pick(d.r, []string{d.other, "chunked", "5", "0"}))
	d.last = true // many of them are refused
}

func hopByHop(d *draft) {
	d.name("hop-by-hop")
	nominated := []string{"Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-For", "X-Blastdoor-Hop", "close", "keep-alive", "Content-Length", "Transfer-Encoding", "Cookie", "Authorization", "X-Request-Id", "Upgrade", "TE", ""}
	d.add(pick(d.r, []string{"Connection", "connection", "Proxy-Connection", "CONNECTION"}) + ": " + pick(d.r, nominated) + ", " + pick(d.r, nominated))
	switch d.r.IntN(5) {
	case 0:
		d.add("Upgrade: "+pick(d.r, []string{"websocket", "h2c", "foo", "TLS/1.0, HTTP/1.1", "h2c, websocket"}), "HTTP2-Settings: AAMAAABkAAQAAP__", "Connection: Upgrade, HTTP2-Settings")
	case 1:
		d.add("TE: " + pick(d.r, []string{"trailers", "chunked", "gzip;q=0.5, trailers"}))
	case 2:
		d.add("Keep-Alive: timeout=1, max=1")
	}
	d.last = true
}

// pathForms are honest paths in disguise; brokenPaths are refused by a strict parser.
var pathForms = []string{
	"/{p}", "//{h}{p}", "///{p}", "/.{p}", "/..{p}", "/x/..{p}", "/x/../..{p}", "/%2e{p}", "/%2e%2e{p}", "/x/%2E%2e{p}", "/..;{p}", "/;/{p}", "{p};a=b", "{p}/..;/admin",
	"{p}?{p}", "{p}?x=//{h}", "{p}/", "{p}//", "{p}/.", "{p}/..", "/-/healthz", "/-/healthz/..{p}", "/%2d/healthz", "/-//healthz", "/-/HEALTHZ", "/%61pi", "/api/%76%31", "/.;/admin",
	"/admin%20", "/admin.", "/admin%2e", "/%25{p}", "{p}" + strings.Repeat("/a", 2000), "{p}?" + strings.Repeat("q=1&", 1000), "/" + strings.Repeat("../", 500), "/%41dmin", "/a/./b/../b//c",
}

var brokenPaths = []string{
	"/x%2f..{p}", "/x%2F{p}", "%2f{p}", "/\\{p}", "\\{p}", "/%5c{p}", "/x\\..\\{p}", "{p}%00", "{p}%00.html", "/%252e%252e{p}", "/%c0%ae%c0%ae{p}", "/%c0%af{p}", "/\xc3\xa4{p}", "/\x80", "{p}#x", "{p}%", "{p}%4", "{p}%zz",
	"{p}\x01", "{p}\x7f", "?{p}", "*", "/*", "", "{p}" + strings.Repeat("a", 15000), "{p}" + strings.Repeat("a", 17000), "/a b", "/a\tb", "/api%2fv1", "/admin%09",
}

func trickyPath(d *draft) {
	d.name("path")
	switch path := pick(d.r, paths); d.r.IntN(10) {
	case 0, 1:
		d.target, d.last = fill(pick(d.r, brokenPaths), d.other, path), true
	case 2:
		d.target = mixedCase(d.r, path)
	case 3:
		d.target = encodeAll(path)
	default:
		d.target = fill(pick(d.r, pathForms), d.other, path)
	}
}

func encodeAll(path string) string {
	var b strings.Builder
	for n := range len(path) {
		if path[n] == '%' || path[n] == '/' {
			b.WriteByte(path[n])
		} else {
			fmt.Fprintf(&b, "%%%02x", path[n])
		}
	}
	return b.String()
}

// oddLine breaks the syntax of lines.
func oddLine(d *draft) {
	d.name("line")
	switch d.r.IntN(8) {
	case 0:
		d.version = pick(d.r, []string{"HTTP/1.0", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "HTTP/1.1 ", "http/1.1", "HTTP/1,1", "HTTP/11", "HTTP/1.10", "HTCPCP/1.0", "", " HTTP/1.1", "HTTP/1.1\tx"})
	case 1:
		d.target += pick(d.r, []string{" ", "\t", "\r", "\x0b", " /x"})
	case 2:
		d.method = pick(d.r, []string{" ", "\r\n", "\n", "\x00"}) + d.method
	case 3:
		d.inFront(pick(d.r, []string{" X-A: b", "\tX-A: b", "X-A", "X A: b", "X-A:\x00", "X-\xff: a", "(x): y", ":"}))
	case 4:
		d.fatal("X-Big: " + strings.Repeat("b", pick(d.r, []int{8000, 40000, 70000})))
	case 5:
		for n := range pick(d.r, []int{50, 99, 150, 1000}) {
			d.add(fmt.Sprintf("X-Many-%d: %d", n, n))
		}
	case 6:
		d.fatal("X-Fold: a\r\n Host: "+d.other, "X-Fold2: a\r\n\tX-Forwarded-Host: "+d.other)
	case 7:
		d.fatal("X-Ctl: a"+pick(d.r, []string{"\x01", "\x7f", "\x1b", "\x08"})+"b", "X-Obs: \xe4\xf6")
	}
	d.last = true
}

func oddMethod(d *draft) {
	d.name("method")
	d.method = pick(d.r, []string{"CONNECT", "TRACE", "TRACK", "get", "GET\x00", "G(ET", strings.Repeat("M", 40), "PRI", "HOST:", "OPTIONS", "connect"})
	if d.method == "CONNECT" {
		d.target = pick(d.r, []string{d.other + ":443", "127.0.0.1:10001", "169.254.169.254:80", d.other})
	}
	if d.method == "PRI" {
		d.target, d.version, d.fields = "*", "HTTP/2.0", []string{""}
		d.body = "SM\r\n\r\n"
	}
	d.last = true
}

// splitField hides a field behind a line end that only some parsers see.
func splitField(d *draft) {
	d.name("split")
	bait := d.probe
	bait.bait = true
	end := pick(d.r, []string{"\n", "\r", "\r\r\n", "\n\r", "\x00\n", "\u2028", "%0d%0a", "\\r\\n", "\x0b", "\x85"})
	d.final = true
	d.fatal("X-Split: a" + end + pick(d.r, []string{"Host: " + d.other, "X-Probe: " + bait.String(), "X-Forwarded-Host: " + d.other, "Transfer-Encoding: chunked"}))
}

// replay is what a person needs to see of a request that got through.
func replay(seed uint64, p probe) string {
	p.bait = false
	r := newRequest(seed, p)
	text := fmt.Sprintf("%q", r.bytes)
	if r.h2 != nil {
		text = fmt.Sprintf("%+q", fmt.Sprintf("%v data %q trailers %v %s", r.h2.fields, r.h2.data, r.h2.trailers, r.h2.fatal))
	}
	return fmt.Sprintf("%s over %v: %s", r.kind, planOf(seed, p), text[:min(len(text), 1500)])
}

// kindsOf lists every kind once, of a request with several.
func kindsOf(kind string) []string { return slices.Compact(strings.Split(kind, "+")) }
