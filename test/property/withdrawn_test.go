package property

import (
	"syscall"
	"testing"
	"time"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/echo"
	"blastdoor.io/test/expect"
	"blastdoor.io/test/manifest"
	"blastdoor.io/test/netns"
	"blastdoor.io/test/poll"
)

// withdrawn is a host that external-http served until a moment ago, and that internal-http serves.
// It moved there and back before, so that whoever keeps only some of the states has a wrong one.
type withdrawn struct {
	t    *testing.T
	b    *blastdoor.Blastdoor
	host string
}

func withdraw(t *testing.T) withdrawn {
	t.Helper()
	netns.Require(t)
	w := &world{t: t, folder: t.TempDir()}
	echo.Local(t, "withdrawn", "127.0.7.1:18080")
	ingress := manifest.Ingress{Namespace: "shop", Name: "web", Expose: "external-http", Service: "web", Host: "web.example.com"}
	w.write("web.yaml", manifest.App("shop", "web", echo.Port, "127.0.7.1"))
	w.write("ingress.yaml", ingress.YAML())
	b := blastdoor.Start(t, blastdoor.Options{Manifests: []string{w.folder}, AllowLoopback: true})
	poll.Eventually(t, expect.Soon, "served", blastdoor.Expect(blastdoor.ExternalHTTP, ingress.Host, "/", 200, "withdrawn"))
	for _, expose := range []string{"internal-http", "external-http", "internal-http"} {
		ingress.Expose = expose
		w.write("ingress.yaml", ingress.YAML())
		status := 404
		if expose == "external-http" {
			status = 200
		}
		poll.Eventually(t, expect.Live, "labelled "+expose, blastdoor.Expect(blastdoor.ExternalHTTP, ingress.Host, "/", status, ""))
	}
	return withdrawn{t, b, ingress.Host}
}

// staysAway asks again and again. A door that is down serves nothing, and that is fine.
func (w withdrawn) staysAway(duration time.Duration) {
	w.t.Helper()
	for began := time.Now(); time.Since(began) < duration; {
		answer, err := blastdoor.Get(blastdoor.ExternalHTTP, w.host, "/")
		if err == nil && answer.Status == 200 {
			w.t.Fatalf("external-http serves a host again that moved to internal-http: %.100s", answer.Body)
		}
	}
}

// A route that was taken away stays away: also if its door dies soon after, and the controller
// cannot tell the new one what it told the old.
func TestWithdrawnRouteDoesNotComeBackWithItsDoor(t *testing.T) {
	w := withdraw(t)
	w.staysAway(200 * time.Millisecond) // there is time to note it down
	controller := w.b.Controller()
	if err := syscall.Kill(controller, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(controller, syscall.SIGCONT) }()
	w.b.KillDoor("external-http")
	w.staysAway(500 * time.Millisecond)
}

// Nor with a new controller, which begins with what the old one left on disk.
func TestWithdrawnRouteDoesNotComeBackWithTheController(t *testing.T) {
	w := withdraw(t)
	w.staysAway(200 * time.Millisecond)
	w.b.KillController()
	w.staysAway(2 * time.Second)
}
