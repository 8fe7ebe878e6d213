package property

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/netns"
	"blastdoor.io/test/poll"
)

// Go's TLS takes the last dot of a server name away, and so the attack never sends one. To the door
// it has to be the same name: with the same policy, the same certificate, the same 421.
func TestAServerNameWithADotIsThatName(t *testing.T) {
	netns.Require(t)
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skipf("SKIPPED LOUDLY: %v", err)
	}
	w := newWorld(t, 1)
	startWitness(t, w)
	blastdoor.Start(t, blastdoor.Options{Manifests: []string{w.folder}, AllowLoopback: true, Config: w.config()})
	awaitStableHosts(t)
	for _, c := range []struct {
		name      string
		e         exposure
		sni, host string
		line      string // how the answer begins; empty: there is none
	}{
		{"its own host", 1, stableHost(1) + ".", stableHost(1), "HTTP/1.1 200 "},
		{"in upper case", 1, strings.ToUpper(stableHost(1)) + ".", stableHost(1), "HTTP/1.1 200 "},
		{"a host that wants certificates", 1, stableHost(1) + ".", guardedHost(1), "HTTP/1.1 421 "},
		{"a name that wants certificates", 1, guardedHost(1) + ".", stableHost(1), ""},
		{"a host of another certificate", 3, "app-12.example.com.", stableHost(3), "HTTP/1.1 421 "},
		{"an unknown name: the first certificate", 3, "nowhere.example.org.", stableHost(3), "HTTP/1.1 200 "},
		{"two dots: another name", 1, guardedHost(1) + "..", stableHost(1), "HTTP/1.1 200 "},
		{"which opens nothing", 1, guardedHost(1) + "..", guardedHost(1), "HTTP/1.1 421 "},
	} {
		t.Run(c.name, func(t *testing.T) {
			port := exposures[c.e].securePort
			request := "GET / HTTP/1.1\r\nHost: " + c.host + "\r\nX-Probe: " + probeOf(w.seed, port, func(l plan) bool { return l.refused(c.e) == "" }).String() + "\r\nConnection: close\r\n\r\n"
			var got string
			_, err := poll.Until(5*time.Second, func() error {
				client := exec.Command("openssl", "s_client", "-quiet", "-connect", fmt.Sprintf("127.0.0.1:%d", port), "-servername", c.sni)
				client.Stdin = strings.NewReader(request)
				answer, _ := client.Output() // the door closes, and openssl has its own idea of that
				got = string(answer)
				if (c.line == "") != (got == "") || !strings.HasPrefix(got, c.line) {
					return fmt.Errorf("answered %.300q", got)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}
