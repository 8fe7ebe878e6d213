package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/echo"
	"blastdoor.io/test/expect"
	"blastdoor.io/test/load"
	"blastdoor.io/test/manifest"
	"blastdoor.io/test/poll"
)

const (
	routesPerDoor = 1000
	killsPerDoor  = 5
	// A quiet machine takes less than 100 ms; tests share theirs.
	respawnLimit = 500 * time.Millisecond
)

// manyRoutes is a folder that gives every door routesPerDoor hosts, named "r7.internal-http.example.com".
func manyRoutes(t *testing.T) folder {
	t.Helper()
	f := newFolder(t)
	f.write("app.yaml", manifest.App("shop", "web", echo.Port, localPod(t, "respawn-a")))
	for _, exposure := range blastdoor.Exposures {
		var text strings.Builder
		for n := range routesPerDoor {
			text.WriteString(manifest.Ingress{Namespace: "shop", Name: fmt.Sprintf("%s-%d", exposure, n), Expose: exposure,
				Service: "web", Host: routeHost(exposure, n)}.YAML())
		}
		f.write(exposure+".yaml", text.String())
	}
	return f
}

func routeHost(exposure string, n int) string { return fmt.Sprintf("r%d.%s.example.com", n, exposure) }

// With a thousand routes a killed door answers again at once, and twenty kills in a row cost the
// other doors nothing. A door that dies again and again is made to wait, so only its first death tells how
// fast it can be.
func TestRespawn(t *testing.T) {
	f := manyRoutes(t)
	b := f.start(blastdoor.Options{})
	for port, exposure := range blastdoor.Exposures {
		poll.Eventually(t, expect.Soon, exposure, answersAll(port, exposure))
		kept(t, b, exposure, routeHost(exposure, 0))
	}
	for port, exposure := range blastdoor.Exposures {
		others := loadOnOthers(t, exposure)
		var took []time.Duration
		for kill := range killsPerDoor {
			if kill == killsPerDoor-2 {
				kept(t, b, exposure, f.renew(port, exposure))
			}
			took = append(took, killed(t, b, port, exposure))
		}
		t.Logf("%s: kill -9 to first answer: %v", exposure, took)
		if first := took[0]; first > poll.Slow(respawnLimit) {
			t.Errorf("%s: %v to the first answer", exposure, first)
		}
		for other, one := range others {
			one.MustBeClean(other + " while " + exposure + " dies")
		}
	}
}

// answersAll is a condition: the first and the last route of a door are there.
func answersAll(port int, exposure string) func() error {
	return func() error {
		for _, n := range []int{0, routesPerDoor - 1} {
			if err := blastdoor.Expect(port, routeHost(exposure, n), "/", 200, "respawn-a")(); err != nil {
				return err
			}
		}
		return nil
	}
}

func loadOnOthers(t *testing.T, exposure string) map[string]*load.Load {
	t.Helper()
	all := map[string]*load.Load{}
	for port, other := range blastdoor.Exposures {
		if other == exposure {
			continue
		}
		all[other] = load.Start(t, load.Options{Port: port, Every: 10 * time.Millisecond,
			Next: func(_, n int) (string, string) { return routeHost(other, n%routesPerDoor), "/" }})
	}
	return all
}

// renew gives a door a new table: five deaths of one would have it put aside.
func (f folder) renew(port int, exposure string) (host string) {
	f.t.Helper()
	host = expect.NewHost("renewed")
	f.write(exposure+"-more.yaml", manifest.Ingress{Namespace: "shop", Name: exposure + "-more", Expose: exposure, Service: "web", Host: host}.YAML())
	poll.Eventually(f.t, expect.Soon, "a new table", blastdoor.Expect(port, host, "/", 200, "respawn-a"))
	return host
}

// kept waits until the table with that host is where the next process of the door starts from: the
// supervisor has it before the file is written. A door that dies earlier is told by the controller.
func kept(t *testing.T, b *blastdoor.Blastdoor, exposure, host string) {
	t.Helper()
	poll.Eventually(t, expect.Soon, exposure+" is kept", func() error {
		state, err := os.ReadFile(filepath.Join(b.StateDir, exposure+".state"))
		if err == nil && !strings.Contains(string(state), host) {
			err = fmt.Errorf("%s is not in it", host)
		}
		return err
	})
}

// killed kills a door, and returns how long it took until a client that had connected meanwhile got
// its answer.
func killed(t *testing.T, b *blastdoor.Blastdoor, port int, exposure string) time.Duration {
	t.Helper()
	before := b.Door(exposure)
	start := time.Now()
	b.KillDoor(exposure)
	answer, err := blastdoor.Get(port, routeHost(exposure, routesPerDoor/2), "/")
	took := time.Since(start).Round(time.Millisecond)
	if err == nil {
		err = answer.Is(200, "respawn-a")
	}
	if err != nil {
		t.Fatalf("%s after kill -9: %v", exposure, err)
	}
	if b.Door(exposure) == before {
		t.Fatal("that was no kill")
	}
	return took
}
