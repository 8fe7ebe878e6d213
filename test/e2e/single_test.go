package e2e

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/expect"
	"blastdoor.io/test/load"
	"blastdoor.io/test/manifest"
	"blastdoor.io/test/poll"
)

// servedOn waits until the echo of fourDoors answers a host on a port.
func servedOn(t *testing.T, port int, host string) {
	t.Helper()
	poll.Eventually(t, expect.Soon, host+" on "+blastdoor.Exposures[port], blastdoor.Expect(port, host, "/", 200, "local-a"))
}

// single starts a Blastdoor for one exposure, with ports of its own for admin, probes and metrics.
func single(f folder, port int, options blastdoor.Options) *blastdoor.Blastdoor {
	f.t.Helper()
	options.Exposures = []string{blastdoor.Exposures[port]}
	options.AdminPort = 9700 + 10*(port-blastdoor.InternalHTTP)
	return f.start(options)
}

// Four processes with one exposure each, over the same manifests, as four DaemonSets on a node: each
// serves its own hosts only, and each of them knows enough to name a typo in a label.
func TestFourSingles(t *testing.T) {
	f, hostOf := fourDoors(t)
	typo := manifest.Ingress{Namespace: "shop", Name: "typo", Expose: "external-htpt", Service: "web", Host: expect.NewHost("typo")}
	f.write("typo.yaml", typo.YAML())
	all := map[int]*blastdoor.Blastdoor{}
	for port := range blastdoor.Exposures {
		all[port] = single(f, port, blastdoor.Options{})
	}
	for port, exposure := range blastdoor.Exposures {
		expect.ServedOnlyOn(t, expect.Soon, port, hostOf[exposure], "local-a")
		poll.Eventually(t, expect.Live, exposure+" names the typo", func() error { return namesTypo(all[port]) })
	}
	expect.ServedOnlyOn(t, expect.Live, 0, typo.Host, "")

	// One of them ends: the others go on, and nobody takes its port over.
	traffic := load.Start(t, load.Options{Port: blastdoor.ExternalHTTP, Next: load.Host(hostOf["external-http"])})
	all[blastdoor.InternalHTTP].Kill()
	if answer, err := blastdoor.Get(blastdoor.InternalHTTP, hostOf["internal-http"], "/"); err == nil {
		t.Errorf("somebody answers for the dead one: %d %s", answer.Status, answer.Body)
	}
	single(f, blastdoor.InternalHTTP, blastdoor.Options{})
	servedOn(t, blastdoor.InternalHTTP, hostOf["internal-http"])
	traffic.MustBeClean("another process")
}

func namesTypo(b *blastdoor.Blastdoor) error {
	found, err := b.Findings("typo")
	for _, one := range found {
		if one.Severity == "refused" && strings.Contains(one.What+one.Hint, "external-http") {
			return nil
		}
	}
	if err == nil {
		err = fmt.Errorf("no: %+v", found)
	}
	return err
}

// Singles refuse each other's data ports as endpoints: doors cannot be chained through them.
func TestSinglesCannotBeChained(t *testing.T) {
	f, hostOf := fourDoors(t)
	host := expect.NewHost("chain")
	f.write("chain.yaml", manifest.App("shop", "chain", blastdoor.InternalHTTP, "127.0.0.1")+
		manifest.Ingress{Namespace: "shop", Name: "chain", Expose: "external-http", Service: "chain", Host: host}.YAML())
	for _, port := range []int{blastdoor.InternalHTTP, blastdoor.ExternalHTTP} {
		single(f, port, blastdoor.Options{})
		servedOn(t, port, hostOf[blastdoor.Exposures[port]])
	}
	poll.Eventually(t, expect.Live, "refused", blastdoor.Expect(blastdoor.ExternalHTTP, host, "/", 503, ""))
}

// A port that another process holds ends the second Blastdoor at once, with exit code 1 and the
// address; the first loses nothing.
func TestTakenPorts(t *testing.T) {
	f, hostOf := fourDoors(t)
	f.start(blastdoor.Options{Exposures: []string{"internal-http"}})
	for port := 9777; port <= 9779; port++ {
		stranger, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		defer stranger.Close()
	}
	traffic := load.Start(t, load.Options{Port: blastdoor.InternalHTTP, Next: load.Host(hostOf["internal-http"])})
	for address, options := range map[string]blastdoor.Options{
		":10000":         {Exposures: []string{"internal-http"}, AdminPort: 9700},
		"127.0.0.1:9777": {Exposures: []string{"external-http"}, AdminPort: 9777}, // admin
		"127.0.0.1:9778": {Exposures: []string{"external-http"}, AdminPort: 9777}, // probes
		"127.0.0.1:9779": {Exposures: []string{"external-http"}, AdminPort: 9777}, // metrics
	} {
		options.NotReady = true
		second := f.start(options)
		if code := second.Wait(t, expect.Soon); code != 1 {
			t.Errorf("%s is taken: exit code %d", address, code)
		}
		if !strings.Contains(second.Output(), "cannot listen on") || !strings.Contains(second.Output(), address) {
			t.Errorf("%s is not named:\n%s", address, second.Tail(10))
		}
	}
	traffic.MustBeClean("the first")
}
