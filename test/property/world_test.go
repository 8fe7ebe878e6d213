package property

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/manifest"
	"blastdoor.io/test/netns"
)

// exposure is an index into exposures.
type exposure int

// exposures are the four that Blastdoor has by itself, and one that only the visiting Blastdoor
// knows (chaos_test.go). Those that are told https end TLS on a second port, with files or not.
var exposures = []struct {
	name, side, proto, publicPort string
	port, visitorPort             int
	securePort, visitorSecurePort int // 0: none
	files                         bool
}{
	{"internal-http", "internal", "http", "80", blastdoor.InternalHTTP, 12000, 0, 0, false},
	{"internal-httpsecure", "internal", "https", "443", blastdoor.InternalHTTPS, 12001, 10011, 12011, false},
	{"external-http", "external", "http", "80", blastdoor.ExternalHTTP, 12002, 0, 0, false},
	{"external-httpsecure", "external", "https", "443", blastdoor.ExternalHTTPS, 12003, 10013, 12013, true},
	{"partners", "external", "https", "443", 0, 12004, 0, 12014, false},
}

const (
	exposureCount = 5
	residentCount = 4 // those of the Blastdoor that is there all the time
	upstreamCount = 48
	upstreamPort  = 18080
	serviceCount  = 36
	ingressCount  = 60
)

// exposureOf is the exposure behind a port, -1 if it is none.
func exposureOf(port int) exposure {
	for e, one := range exposures {
		if port != 0 && (port == one.port || port == one.visitorPort || port == one.securePort || port == one.visitorSecurePort) {
			return exposure(e)
		}
	}
	return -1
}

// isSecure says whether TLS ends behind a port.
func isSecure(port int) bool {
	e := exposureOf(port)
	return e >= 0 && (port == exposures[e].securePort || port == exposures[e].visitorSecurePort)
}

// set is a set of exposures.
type set uint8

func only(e exposure) set           { return 1 << e }
func (s set) has(e exposure) bool   { return s&only(e) != 0 }
func upstreamAddress(n int) string  { return fmt.Sprintf("127.1.0.%d", n+1) }
func namespaceOf(service int) int   { return service % 6 }
func namespaceName(n int) string    { return fmt.Sprintf("ns-%d", n) }
func stableHost(e exposure) string  { return "own-" + exposures[e].name + ".example.com" }
func chainHost(from, to int) string { return fmt.Sprintf("chain-%d-%d.example.com", from, to) }

// service has its endpoints among the upstreams, or somewhere else if it is a trap.
type service struct {
	namespace int
	name      string
	upstreams []int
	trap      string // ADDRESS:PORT of a door, so that a request would pass two
}

func (s service) yaml() string {
	if s.trap == "" {
		addresses := []string{}
		for _, upstream := range s.upstreams {
			addresses = append(addresses, upstreamAddress(upstream))
		}
		return manifest.App(namespaceName(s.namespace), s.name, upstreamPort, addresses...)
	}
	cut := strings.LastIndexByte(s.trap, ':')
	var port int
	_, _ = fmt.Sscan(s.trap[cut+1:], &port)
	text := manifest.App(namespaceName(s.namespace), s.name, port, fmt.Sprintf("%q", s.trap[:cut]))
	if strings.Contains(s.trap[:cut], ":") {
		text = strings.Replace(text, "addressType: IPv4", "addressType: IPv6", 1)
	}
	return text
}

// rule is one host and path; the empty host is every host.
type rule struct {
	host, path, pathType string
	service              int
}

type ingress struct {
	namespace                int
	name                     string
	label, annotation, class string
	rules                    []rule
	defaultService           int // -1: none
	deleted                  bool
}

func (i ingress) yaml(services []service) string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: %s\n  namespace: %s\n", i.name, namespaceName(i.namespace))
	if i.label != "" {
		fmt.Fprintf(&b, "  labels: {expose: %q}\n", i.label)
	}
	if i.annotation != "" {
		fmt.Fprintf(&b, "  annotations: {blastdoor.io/expose: %q}\n", i.annotation)
	}
	b.WriteString("spec:\n")
	if i.class != "" {
		fmt.Fprintf(&b, "  ingressClassName: %s\n", i.class)
	}
	if i.defaultService >= 0 {
		fmt.Fprintf(&b, "  defaultBackend: {service: {name: %s, port: {name: http}}}\n", services[i.defaultService].name)
	}
	if len(i.rules) > 0 {
		b.WriteString("  rules:\n")
	}
	for _, r := range i.rules {
		fmt.Fprintf(&b, "  - http: {paths: [{path: %q, pathType: %s, backend: {service: {name: %s, port: {number: 80}}}}]}\n",
			r.path, r.pathType, services[r.service].name)
		if r.host != "" {
			fmt.Fprintf(&b, "    host: %q\n", r.host)
		}
	}
	return b.String()
}

// selected is which exposures an Ingress is served on at most: DESIGN.md's rules, written a second
// time, from the text.
func (i ingress) selected() set {
	chosen, found := named(i.label)
	if i.deleted || i.class != "" || !found {
		return 0
	}
	all := only(chosen)
	if i.annotation == "" {
		return all
	}
	for word := range strings.SplitSeq(i.annotation, ",") {
		added, found := named(strings.TrimSpace(word))
		if !found || exposures[added].side != exposures[chosen].side {
			return 0 // any disagreement: nowhere
		}
		all |= only(added)
	}
	return all
}

func named(name string) (exposure, bool) {
	for e, one := range exposures {
		if one.name == name {
			return exposure(e), true
		}
	}
	return -1, false
}

// granted is what an exposure gives a host without further permission.
func granted(s set, host string) set {
	if host != "" && !strings.HasPrefix(host, "*") {
		return s
	}
	return s & (only(0) | only(1)) // only the internal side allows what is no exact host
}

// config is the configuration of the Blastdoor that is there all the time.
func (w *world) config() string {
	text := "exposures:\n"
	for e, one := range exposures[:residentCount] {
		text += fmt.Sprintf("- {name: %s, listeners: %s}\n", one.name, w.pki.listeners(exposure(e), one.port, one.securePort))
	}
	return text
}

// owners are the exposures that may reach each upstream.
type owners [upstreamCount]set

// world is all objects, the folder that they are written to, and who may reach what since when.
type world struct {
	t      testing.TB
	seed   uint64
	pki    *pki
	folder string
	start  time.Time

	mutex     sync.Mutex
	services  []service
	ingresses []ingress

	// until is the time, since start, until which an exposure owns an upstream: always for one that
	// does now, never for one that never did.
	until [upstreamCount][exposureCount]atomic.Int64
}

const (
	always = math.MaxInt64
	never  = math.MinInt64 / 2
)

func newWorld(t testing.TB, seed uint64) *world {
	t.Helper()
	w := &world{t: t, seed: seed, pki: newPKI(t), folder: t.TempDir(), start: time.Now()}
	for u := range w.until {
		for e := range w.until[u] {
			w.until[u][e].Store(never)
		}
	}
	w.build(rand.New(rand.NewPCG(seed, 1)))
	for s := range w.services {
		w.writeService(s)
	}
	for i := range w.ingresses {
		w.writeIngress(i)
	}
	w.open(w.owners())
	return w
}

// owners computes who may reach what from the objects alone.
func (w *world) owners() owners {
	var all owners
	give := func(service int, s set) {
		for _, upstream := range w.services[service].upstreams {
			all[upstream] |= s
		}
	}
	for _, i := range w.ingresses {
		selected := i.selected()
		for _, r := range i.rules {
			give(r.service, granted(selected, r.host))
		}
		if i.defaultService >= 0 {
			give(i.defaultService, granted(selected, ""))
		}
	}
	return all
}

func (w *world) open(now owners) {
	for u := range w.until {
		for e := range w.until[u] {
			if now[u].has(exposure(e)) {
				w.until[u][e].Store(always)
			}
		}
	}
}

// change changes objects and their files. New owners may come as soon as it begins, and old ones
// for the grace after its end.
func (w *world) change(mutate func(), write func()) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	before := w.owners()
	mutate()
	after := w.owners()
	w.open(after)
	write()
	now := int64(time.Since(w.start))
	for u := range w.until {
		for e := range w.until[u] {
			if (before[u] &^ after[u]).has(exposure(e)) {
				w.until[u][e].Store(now)
			}
		}
	}
}

// late is for how long an exposure has been reaching an upstream beyond its grace; 0: it may.
func (w *world) late(e exposure, upstream int) time.Duration {
	until := w.until[upstream][e].Load()
	if until == always {
		return 0
	}
	return max(0, time.Since(w.start)-time.Duration(until)-grace())
}

// sinceWhen says the same in words, with the time since the start, as chaos logs its deeds.
func (w *world) sinceWhen(e exposure, upstream int) string {
	until := w.until[upstream][e].Load()
	if until == never {
		return "never owned"
	}
	now := time.Since(w.start)
	return fmt.Sprintf("owned until %v ago (at %v)", (now - time.Duration(until)).Round(time.Millisecond), now.Round(time.Millisecond))
}

func (w *world) writeService(s int) {
	w.write(fmt.Sprintf("svc-%d.yaml", s), w.services[s].yaml())
}

func (w *world) writeIngress(i int) {
	file := fmt.Sprintf("ing-%d.yaml", i)
	if w.ingresses[i].deleted {
		if err := os.Remove(filepath.Join(w.folder, file)); err != nil {
			w.t.Error(err)
		}
		return
	}
	w.write(file, w.ingresses[i].yaml(w.services))
}

// write replaces a file in one step.
func (w *world) write(name, text string) {
	temporary := filepath.Join(w.folder, "."+name+".new")
	err := os.WriteFile(temporary, []byte(text), 0o644)
	if err == nil {
		err = os.Rename(temporary, filepath.Join(w.folder, name))
	}
	if err != nil {
		w.t.Error(err)
	}
}

var paths = []string{"/", "/api", "/api/v1", "/admin", "/static/", "/a/b/c", "/Admin", "/x%20y"}

// hostPool are the hosts that Ingresses of all exposures fight for.
func hostPool() []string {
	var hosts []string
	for n := range 20 {
		hosts = append(hosts, fmt.Sprintf("app-%d.example.com", n))
	}
	return append(hosts, "deep.app-1.example.com", "xn--bcher-kva.example.com", "a.test", "localhost")
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// build makes the objects: first those that never change, then many random ones.
func (w *world) build(r *rand.Rand) {
	for e := range exposures { // each exposure has a host of its own whose upstream nobody shares
		w.services = append(w.services, service{namespace: namespaceOf(e), name: fmt.Sprintf("own-%d", e), upstreams: []int{e}})
		w.ingresses = append(w.ingresses, ingress{namespace: namespaceOf(e), name: "own-" + exposures[e].name, label: exposures[e].name,
			rules: []rule{{stableHost(exposure(e)), "/", "Prefix", e}, {guardedHost(exposure(e)), "/", "Prefix", e}}, defaultService: -1})
	}
	w.buildTraps()
	for s := range serviceCount {
		upstreams := []int{exposureCount + r.IntN(upstreamCount-exposureCount)}
		if r.IntN(3) == 0 {
			upstreams = append(upstreams, exposureCount+r.IntN(upstreamCount-exposureCount))
		}
		w.services = append(w.services, service{namespace: namespaceOf(s), name: fmt.Sprintf("svc-%d", s), upstreams: upstreams})
	}
	for n := range ingressCount {
		i := ingress{namespace: r.IntN(6), name: fmt.Sprintf("ing-%d", n), label: randomLabel(r), defaultService: -1}
		i.annotation = randomAnnotation(r)
		if r.IntN(25) == 0 {
			i.class = "nginx"
		}
		for range 1 + r.IntN(3) {
			i.rules = append(i.rules, rule{randomHost(r), pick(r, paths), pick(r, []string{"Prefix", "Exact"}), w.randomService(r, i.namespace)})
		}
		if r.IntN(20) == 0 {
			i.defaultService = w.randomService(r, i.namespace)
		}
		w.ingresses = append(w.ingresses, i)
	}
}

// buildTraps makes Services whose endpoints are doors, and hosts that would pass a second door on
// the way to an upstream that the first must not reach.
func (w *world) buildTraps() {
	for from := range residentCount {
		for to, target := range exposures {
			if from == to {
				continue
			}
			for n, address := range []string{"127.0.0.1", "127.0.0.2", netns.NodeIP, "::1", "::ffff:127.0.0.1"} {
				for m, port := range []int{target.port, target.visitorPort, target.securePort, target.visitorSecurePort} {
					if port == 0 || (n+m+from+to)%3 != 0 { // a third of them is plenty
						continue
					}
					w.trap(from, to, fmt.Sprintf("trap-%d-%d-%d-%d", from, to, n, m), fmt.Sprintf("%s:%d", address, port))
				}
			}
		}
	}
	for to := range exposures {
		w.ingresses = append(w.ingresses, ingress{namespace: namespaceOf(to), name: fmt.Sprintf("behind-traps-%d", to), label: exposures[to].name, defaultService: -1})
		behind := &w.ingresses[len(w.ingresses)-1]
		for from := range residentCount {
			if from != to {
				behind.rules = append(behind.rules, rule{chainHost(from, to), "/", "Prefix", to})
			}
		}
	}
}

func (w *world) trap(from, to int, name, target string) {
	w.services = append(w.services, service{namespace: namespaceOf(from), name: name, trap: target})
	w.ingresses = append(w.ingresses, ingress{namespace: namespaceOf(from), name: name, label: exposures[from].name, defaultService: -1,
		rules: []rule{{chainHost(from, to), "/" + name, "Prefix", len(w.services) - 1}}})
}

func (w *world) randomService(r *rand.Rand, namespace int) int {
	for {
		s := r.IntN(len(w.services))
		if w.services[s].namespace == namespace && s >= exposureCount {
			return s
		}
	}
}

func randomHost(r *rand.Rand) string {
	switch r.IntN(20) {
	case 0:
		return ""
	case 1:
		return pick(r, []string{"*.example.com", "*.app-1.example.com", "*.test"})
	}
	return pick(r, hostPool())
}

func randomLabel(r *rand.Rand) string {
	switch r.IntN(20) {
	case 0:
		return ""
	case 1:
		return pick(r, []string{"internal-htp", "external", "INTERNAL-HTTP", "internal-http,external-http"})
	}
	return pick(r, exposures).name
}

func randomAnnotation(r *rand.Rand) string {
	switch r.IntN(8) {
	case 0:
		return pick(r, exposures).name
	case 1:
		return pick(r, exposures).name + ", " + pick(r, exposures).name
	}
	return ""
}
