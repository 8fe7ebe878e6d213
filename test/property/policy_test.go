package property

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// This is a second reading of what docs/guide/tls.md says, as world_test.go is one of the
// selection: which handshakes may succeed, and which hosts may then be asked for.

// tlsPolicy is what a listener with TLS asks of clients.
type tlsPolicy struct {
	only13 bool
	asks   string // none, optional, required
	ca     int    // whose certificates are good
}

// policies are those of single hosts, the same for all listeners with TLS.
var policies = func() map[string]tlsPolicy {
	all := map[string]tlsPolicy{
		"app-1.example.com":   {false, "required", 1},
		"app-2.example.com":   {false, "optional", 1},
		"app-3.example.com":   {true, "none", 0},
		"app-4.example.com":   {true, "required", 1},
		"app-5.example.com":   {false, "required", 2},
		"app-6.example.com":   {false, "optional", 2},
		"*.app-1.example.com": {false, "none", 0},
		"*.test":              {false, "required", 2},
	}
	for e := range exposures {
		all[guardedHost(exposure(e))] = tlsPolicy{false, "required", 1}
	}
	return all
}()

// guardedHost is the host of an exposure that only certificates of the first CA open, over TLS.
func guardedHost(e exposure) string { return "guarded-" + exposures[e].name + ".example.com" }

// policyOf is the policy that holds for a host. The external side asks all its clients, and lets
// those in that have no certificate.
func policyOf(e exposure, host string) tlsPolicy {
	if policy, found := policies[host]; found {
		return policy
	}
	if label, rest, found := strings.Cut(host, "."); found && label != "" { // a wildcard is one label
		if policy, found := policies["*."+rest]; found {
			return policy
		}
	}
	if exposures[e].side == "external" {
		return tlsPolicy{false, "optional", 1}
	}
	return tlsPolicy{false, "none", 0}
}

// servedCertificates are the names in those of an exposure with files; the first is for all others.
var servedCertificates = [][]string{
	append([]string{"own-external-httpsecure.example.com", "guarded-external-httpsecure.example.com"}, hostPool()[:12]...),
	append([]string{"own-internal-http.example.com", "*.test"}, hostPool()[12:20]...),
}

// certificateFor is which of these a name gets.
func certificateFor(name string) int {
	for n, names := range servedCertificates {
		if covered(names, name) {
			return n
		}
	}
	return 0
}

func covered(names []string, host string) bool {
	label, rest, _ := strings.Cut(host, ".")
	return slices.Contains(names, host) || (label != "" && slices.Contains(names, "*."+rest))
}

// blockSize is how many requests in a row of one attacker share a plan.
const blockSize = 64

// plan is how the connection of a request is made: a function of the seed and the request's number,
// so that the judge knows it too.
type plan struct {
	tls, h2 bool
	alpn    []string
	sni     string
	shows   identity
	old     bool // no TLS 1.3
	resume  bool // with any ticket that somebody got, for whatever host and port
	liar    bool // agrees on one protocol and speaks the other
}

func planOf(seed uint64, p probe) plan {
	r := rand.New(rand.NewPCG(seed^uint64(p.port)<<40^uint64(p.worker)<<32, ^uint64(p.n/blockSize)))
	l := plan{tls: isSecure(p.port), h2: r.IntN(3) == 0}
	if !l.tls {
		return l
	}
	l.h2 = r.IntN(2) == 0
	l.liar = r.IntN(25) == 0
	l.old = r.IntN(4) == 0
	l.resume = r.IntN(3) == 0
	l.sni = randomName(r, exposureOf(p.port))
	l.shows = pick(r, []identity{nobody, nobody, nobody, good, good, good, good, partner, partner, stranger, expired})
	switch {
	case r.IntN(20) == 0:
		l.alpn = pick(r, [][]string{{"foo"}, {"H2"}, {"h2c"}, {"http/1.0"}, {"h3"}, {"h2\x00"}, {"http/1.1 "}})
	case l.h2 != l.liar:
		l.alpn = pick(r, [][]string{{"h2"}, {"h2", "http/1.1"}, {"http/1.1", "h2"}, {"foo", "h2", "http/1.1"}})
	default:
		l.alpn = pick(r, [][]string{nil, {"http/1.1"}, {"http/1.0", "http/1.1"}, {"h2c", "http/1.1", "H2"}})
	}
	return l
}

// nameForms are names for {h} that no client should send; Go takes the last dot of what is an
// address away, and sends the address.
var nameForms = []string{
	"{h}\x00", "{h}\x00.example.com", "\x00", "127.0.0.1.", "127.1", "::1.", "[::1].", "{h}:443", "*.{h}", "*.example.com", "{h}/", "user@{h}", "-{h}", "{h}\u3002", ".{h}", "{h},{h}",
	"http://{h}", " {h}", "{h} ", strings.Repeat("a", 250) + ".test", strings.Repeat("a.", 2000) + "test", strings.Repeat("a", 60000), "xn--{h}", "_{h}", "A",
}

func randomName(r *rand.Rand, e exposure) string {
	switch r.IntN(20) {
	case 0, 1, 2, 3, 4, 5, 6:
		return stableHost(e)
	case 7, 8, 9:
		return guardedHost(e)
	case 10:
		return strings.ToUpper(stableHost(e))
	case 11:
		return mixedCase(r, pick(r, hostPool()))
	case 12:
		return fill(pick(r, nameForms), pick(r, hostPool()), "")
	case 13, 14:
		return ""
	case 15:
		other := exposure(r.IntN(exposureCount))
		return pick(r, []string{stableHost(other), guardedHost(other), chainHost(r.IntN(residentCount), int(other)), "nowhere.example.org"})
	}
	return pick(r, hostPool())
}

// name is the server name as the door understands it: that of no host is as good as none.
func (l plan) name() string {
	name := strings.TrimSuffix(strings.ToLower(sentName(l.sni)), ".")
	for _, c := range []byte(name) {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return ""
		}
	}
	return name
}

// sentName is what crypto/tls makes of a name.
func sentName(name string) string { return strings.TrimRight(name, ".") }

// believed is the identity that the door knows of once the handshake is done.
func (l plan) believed(e exposure) identity {
	policy := policyOf(e, l.name())
	if !l.tls || policy.asks == "none" || l.shows == nobody || caOf(l.shows) != policy.ca {
		return nobody
	}
	return l.shows
}

// refused says why no request may come of the connection; empty: it has to be served.
func (l plan) refused(e exposure) string {
	policy := policyOf(e, l.name())
	switch {
	case !l.tls:
		return ""
	case l.liar:
		return "it speaks another protocol than it agreed on"
	case len(l.alpn) > 0 && !slices.Contains(l.alpn, "h2") && !slices.Contains(l.alpn, "http/1.1"):
		return "it offers no protocol that is spoken"
	case strings.Contains(sentName(l.sni), "\x00") || len(sentName(l.sni)) > 255:
		return "its server name is none"
	case policy.only13 && l.old:
		return "it is too old"
	case policy.asks == "required" && l.believed(e) == nobody:
		return "it has no good certificate"
	case policy.asks == "optional" && l.shows != nobody && l.believed(e) == nobody:
		return "its certificate is bad"
	}
	return ""
}

// misdirected says why a host may not be asked for on the connection; empty: it may.
func (l plan) misdirected(e exposure, host string) string {
	if !l.tls || host == "" {
		return ""
	}
	asked, got := policyOf(e, host), policyOf(e, l.name())
	named := l.name() != ""
	why := ""
	switch {
	case asked.only13 && l.old:
		why = "it is too old"
	case asked.asks != "none" && (got.asks == "none" || got.ca != asked.ca):
		why = "it was never asked for a certificate of that CA"
	case asked.asks == "required" && l.believed(e) == nobody:
		why = "it has no good certificate"
	}
	if why != "" && (named || asked.asks == "required") {
		return why
	}
	if named && exposures[e].files && !covered(servedCertificates[certificateFor(l.name())], host) {
		return "it was shown the certificate of others"
	}
	return ""
}

func (l plan) String() string {
	if !l.tls {
		return map[bool]string{false: "HTTP/1.1", true: "HTTP/2"}[l.h2]
	}
	type plain plan
	return fmt.Sprintf("%.300q", fmt.Sprintf("%+v", plain(l)))
}
