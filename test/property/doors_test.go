package property

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/netns"
	"blastdoor.io/test/poll"
)

const workersPerPort = 2

// siege is attackers on many ports.
type siege struct {
	stop    chan struct{}
	workers sync.WaitGroup
	tallies map[int]*tally
}

// startSiege sends `limit` requests to each exposure of the Blastdoor that is always there.
func startSiege(w *world, limit int, ports ...int) *siege {
	s := &siege{stop: make(chan struct{}), tallies: map[int]*tally{}}
	all := &tickets{}
	for _, port := range ports {
		s.tallies[port] = &tally{}
		workers, limit := workersPerPort, share(limit, port)
		if !slices.Contains(residentPorts(), port) { // a visitor's, which is not always there
			workers, limit = 1, limit/4
		}
		for worker := range workers {
			a := &attacker{seed: w.seed, port: port, worker: worker, limit: limit, tally: s.tallies[port], pki: w.pki, tickets: all}
			s.workers.Go(func() { a.run(s.stop) })
		}
	}
	return s
}

// share is how many of an exposure's requests go to one of its ports.
func share(requests, port int) int {
	if e := exposures[exposureOf(port)]; e.securePort == 0 && e.visitorSecurePort == 0 {
		return requests
	}
	if secure := requests * 2 / 5; isSecure(port) {
		return secure
	} else {
		return requests - secure
	}
}

// await waits until each of the exposures has answered that many requests. A port that answers
// nothing for long fails the test.
func (s *siege) await(t *testing.T, all int, ports ...int) {
	t.Helper()
	for _, port := range ports {
		requests := share(all, port)
		for last := -1; s.tallies[port].total() < requests; {
			last = s.tallies[port].total()
			_, err := poll.Until(time.Minute, func() error {
				if now := s.tallies[port].total(); now < min(requests, last+1000) {
					return fmt.Errorf("%d requests answered", now)
				}
				return nil
			})
			if err != nil {
				t.Fatalf("port %d: %v; %q", port, err, s.tallies[port].words())
			}
		}
	}
}

func (s *siege) end() {
	close(s.stop)
	s.workers.Wait()
}

func residentPorts() []int {
	var ports []int
	for _, e := range exposures[:residentCount] {
		ports = append(ports, e.port)
		if e.securePort != 0 {
			ports = append(ports, e.securePort)
		}
	}
	return ports
}

func allPorts() []int {
	ports := residentPorts()
	for _, e := range exposures {
		ports = append(ports, e.visitorPort)
		if e.visitorSecurePort != 0 {
			ports = append(ports, e.visitorSecurePort)
		}
	}
	return ports
}

// Whatever is sent to a port, no upstream that only another exposure serves gets it, while routes
// move between exposures, doors are killed, and another Blastdoor comes and goes.
func TestNoRequestPassesTheWrongDoor(t *testing.T) {
	netns.Require(t)
	seed, wanted := seedWanted(t), requestsWanted(t)
	w := newWorld(t, seed)
	v := startWitness(t, w)
	b := blastdoor.Start(t, blastdoor.Options{Manifests: []string{w.folder}, AllowLoopback: true, Config: w.config()})
	awaitStableHosts(t)
	began := time.Now()
	storm := startStorm(t)
	c := startChaos(t, w, b, seed)
	s := startSiege(w, wanted, allPorts()...)
	s.await(t, wanted, residentPorts()...)
	took := time.Since(began)
	s.end()
	c.end()
	storm.end(t)
	t.Logf("%v; %d changes, %d processes killed, %d visits of a second Blastdoor", took.Round(time.Millisecond), c.changes, c.kills, c.visits)
	t.Logf("%d times a door had a feed again after the controller's death, at the latest after %v", c.reconnects, c.slowest.Round(time.Millisecond))
	verdict(t, seed, v, s)
	if t.Failed() {
		t.Logf("meanwhile: %s", strings.Join(c.deeds, "; "))
	}
	notVacuous(t, v, s)
	if c.changes < int(took/changeEvery)/2 || c.changes == 0 {
		t.Errorf("only %d changes in %v", c.changes, took)
	}
	if took > 2*killEvery && c.kills == 0 {
		t.Error("no door was killed")
	}
	awaitStableHosts(t) // all doors are there and serve
}

func awaitStableHosts(t *testing.T) {
	t.Helper()
	for e := range residentCount {
		poll.Eventually(t, 20*time.Second, exposures[e].name, func() error {
			answer, err := blastdoor.Get(exposures[e].port, stableHost(exposure(e)), "/", "X-Probe: "+probe{port: exposures[e].port}.String())
			if err != nil {
				return err
			}
			return answer.Is(200, "")
		})
	}
}

// verdict fails the test for every crime and every complaint.
func verdict(t *testing.T, seed uint64, v *witness, s *siege) {
	t.Helper()
	count, first := v.crimes.list()
	if count > 0 {
		t.Errorf("%d requests reached an upstream that should not have, such as:", count)
	}
	for _, crime := range first {
		text := ""
		if crime.probe.port != 0 {
			text = "\n  sent as " + replay(seed, crime.probe)
		}
		t.Errorf("%v: %s\n  arrived as %.600q%s", crime.probe, crime.what, crime.head, text)
	}
	for _, port := range slices.Sorted(maps.Keys(s.tallies)) {
		for _, problem := range s.tallies[port].problems {
			t.Errorf("port %d: %s", port, problem)
		}
	}
}

// notVacuous makes sure that the requests did knock: many were served, many refused, of every kind.
func notVacuous(t *testing.T, v *witness, s *siege) {
	t.Helper()
	for e := range residentCount {
		l := s.tally(exposures[e].port, exposures[e].securePort)
		hits := int(v.hits[e].Load())
		t.Logf("%-20s %7d requests, %7d reached an upstream, answers %v", exposures[e].name, l.answered, hits, l.status)
		refused := l.status[400] + l.status[statusReset]
		if hits < l.answered/20 || l.status[200] < l.answered/20 || l.status[404] == 0 || refused < l.answered/50 || l.status[400] == 0 || l.status[503] == 0 {
			t.Errorf("%s: that proves little: too few were served, or too few refused", exposures[e].name)
		}
		if l.status[statusNone] > l.answered/10 {
			t.Errorf("%s: %d of %d requests had no answer but the end of the connection", exposures[e].name, l.status[statusNone], l.answered)
		}
		notVacuousH2(t, v, exposure(e), l)
	}
	t.Logf("visitors answered %d requests; their doors' upstreams were reached %d times by partners",
		visitorsAnswered(s), v.hits[exposureCount-1].Load())
	t.Logf("kinds on one exposure: %s", kindTable(s.tally(blastdoor.ExternalHTTPS, exposures[3].securePort)))
}

// notVacuousH2 makes sure of the same for HTTP/2 and TLS.
func notVacuousH2(t *testing.T, v *witness, e exposure, l *tally) {
	t.Helper()
	overH2, overTLS, certified, tunnels := int(v.overH2[e].Load()), int(v.overTLS[e].Load()), int(v.certified[e].Load()), int(v.tunnels[e].Load())
	t.Logf("%-20s %7d over HTTP/2, %d reached an upstream, %d as tunnels; %d over TLS did, %d with a certificate; %d sessions, %d resumed; %d connections barred",
		"", l.h2, overH2, tunnels, overTLS, certified, l.handshakes, l.resumed, l.barred)
	if l.h2 < l.answered/5 || overH2 < l.h2/20 || l.status[statusReset] < l.h2/50 || tunnels == 0 {
		t.Errorf("%s: that proves little of HTTP/2", exposures[e].name)
	}
	if exposures[e].securePort == 0 {
		return
	}
	// A plan that bars the door does so for a block of requests, of which one at most is counted.
	if overTLS < l.answered/50 || certified < overTLS/20 || l.status[421] < l.answered/1000 || l.resumed < l.handshakes/100 || l.resumed == l.handshakes || l.barred < l.answered/blockSize/50 {
		t.Errorf("%s: that proves little of TLS", exposures[e].name)
	}
}

// tally is what became of the requests to these ports together.
func (s *siege) tally(ports ...int) *tally {
	sum := &tally{status: map[int]int{}, kinds: map[string]int{}}
	for _, port := range ports {
		l := s.tallies[port]
		if l == nil {
			continue
		}
		sum.answered, sum.h2, sum.handshakes, sum.resumed, sum.barred = sum.answered+l.answered, sum.h2+l.h2, sum.handshakes+l.handshakes, sum.resumed+l.resumed, sum.barred+l.barred
		for status, count := range l.status {
			sum.status[status] += count
		}
		for kind, count := range l.kinds {
			sum.kinds[kind] += count
		}
	}
	return sum
}

func visitorsAnswered(s *siege) int {
	sum := 0
	for _, e := range exposures {
		sum += s.tally(e.visitorPort, e.visitorSecurePort).answered
	}
	return sum
}

func kindTable(l *tally) string {
	var words []string
	for _, kind := range slices.Sorted(maps.Keys(l.kinds)) {
		words = append(words, fmt.Sprintf("%s %d", kind, l.kinds[kind]))
	}
	return strings.Join(words, ", ")
}

// The test above is worth as much as its judge: one that believes in wrong owners must cry out, and
// so must one whose grace is over.
func TestWrongOwnersAreSeen(t *testing.T) {
	netns.Require(t)
	seed := seedWanted(t)
	for name, mistake := range map[string]func(*world){
		"an upstream has another owner": func(w *world) {
			w.until[0][0].Store(never) // the stable host of internal-http
		},
		"a relabelling that was never written": func(w *world) {
			w.change(func() {
				for n := range w.ingresses {
					if w.ingresses[n].label == exposures[1].name {
						w.ingresses[n].label = exposures[2].name
					}
				}
			}, func() {})
			w.until[1][1].Add(-int64(2 * grace())) // and its grace is over
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, seed)
			v := startWitness(t, w)
			b := blastdoor.Start(t, blastdoor.Options{Manifests: []string{w.folder}, AllowLoopback: true, Config: w.config()})
			poll.Eventually(t, 20*time.Second, "served", func() error {
				answer, err := blastdoor.Get(exposures[3].port, stableHost(3), "/", "X-Probe: "+probe{port: exposures[3].port}.String())
				if err != nil {
					return err
				}
				return answer.Is(200, "")
			})
			mistake(w)
			s := startSiege(w, 500, residentPorts()...)
			s.await(t, 500, residentPorts()...)
			s.end()
			b.Kill()
			if count, first := v.crimes.list(); count == 0 {
				t.Error("nobody noticed")
			} else {
				t.Logf("%d noticed, such as %s by %v", count, first[0].what, first[0].probe)
			}
			_ = v.listener.Close()
		})
	}
}

// Everything that the judge is to see, said to an upstream's face.
func TestTheWitnessSees(t *testing.T) {
	netns.Require(t)
	w := newWorld(t, 1)
	v := startWitness(t, w)
	const facts = "X-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: a\r\nHost: a\r\n"
	cases := []struct{ name, request, crime string }{
		{"an honest request", "GET / HTTP/1.1\r\nX-Probe: 10000.0.1\r\n" + facts + "\r\n", ""},
		{"an honest body", "PUT / HTTP/1.1\r\nX-Probe: 10000.0.1\r\n" + facts + "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", ""},
		{"another's upstream", "GET / HTTP/1.1\r\nX-Probe: 10001.0.1\r\n" + facts + "\r\n", "never owned"},
		{"a bait", "GET / HTTP/1.1\r\nX-Probe: 10000.0.1.bait\r\n" + facts + "\r\n", "bait"},
		{"no probe", "GET / HTTP/1.1\r\n" + facts + "\r\n", "0 probes"},
		{"two probes", "GET / HTTP/1.1\r\nX-Probe: 10000.0.1\r\nX-Probe: 10000.0.2\r\n" + facts + "\r\n", "2 probes"},
		{"a foreign port", "GET / HTTP/1.1\r\nX-Probe: 1.0.1\r\n" + facts + "\r\n", "nobody sent"},
		{"a lie about the scheme", "GET / HTTP/1.1\r\nX-Probe: 10000.0.1\r\n" + strings.Replace(facts, "http", "https", 1) + "\r\n", "x-forwarded-proto"},
		{"a second scheme", "GET / HTTP/1.1\r\nX-Probe: 10000.0.1\r\nX-Forwarded-Proto: http\r\n" + facts + "\r\n", "x-forwarded-proto"},
		{"another name for a lie", "GET / HTTP/1.1\r\nX-Probe: 10000.0.1\r\nX_Original_URL: /\r\n" + facts + "\r\n", "x_original_url"},
		{"framing twice", "GET / HTTP/1.1\r\nX-Probe: 10000.0.1\r\nContent-Length: 0\r\nContent-Length: 0\r\n" + facts + "\r\n", "framed twice"},
		{"a bare line feed", "GET / HTTP/1.1\nX-Probe: 10000.0.1\r\n" + facts + "\r\n", "unreadable head"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			before, _ := v.crimes.list()
			v.crimes.first = nil
			tell(t, 0, c.request)
			after, crimes := v.crimes.list()
			if c.crime == "" {
				if after != before {
					t.Errorf("a crime: %v", crimes)
				}
			} else if after == before || !strings.Contains(crimes[0].what, c.crime) {
				t.Errorf("%d crimes, %v", after-before, crimes)
			}
		})
	}
}

// tell sends bytes to the upstream of an exposure's stable host, and waits until it has closed.
func tell(t *testing.T, e exposure, request string) {
	t.Helper()
	conn, err := net.Dial("tcp4", net.JoinHostPort(upstreamAddress(int(e)), strconv.Itoa(upstreamPort)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	_ = conn.(*net.TCPConn).CloseWrite()
	for buffer := make([]byte, 4096); ; {
		if _, err := conn.Read(buffer); err != nil {
			return
		}
	}
}
