package e2e

import (
	"fmt"
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

// Doors abort when they are given a table with this host: a table that kills.
const (
	poisonHost        = "poison.example.com"
	poisonEnvironment = "BLASTDOOR_TEST_POISON_HOST=" + poisonHost
	// What the supervisor logs for each such death, and how many it takes to condemn a table.
	poisonDeath     = "killed by signal 6"
	deathsToCondemn = 5
)

// victim is a folder with an app on every exposure, of which internal-http is to be poisoned.
type victim struct {
	folder
	hostOf  map[string]string
	address string
}

func newVictim(t *testing.T) victim {
	t.Helper()
	v := victim{newFolder(t), map[string]string{}, localPod(t, "crash-a")}
	v.write("app.yaml", manifest.App("shop", "web", echo.Port, v.address))
	text := ""
	for _, exposure := range blastdoor.Exposures {
		v.hostOf[exposure] = expect.NewHost(exposure)
		text += v.ingress(exposure, exposure, v.hostOf[exposure])
	}
	v.write("routes.yaml", text)
	return v
}

func (v victim) ingress(name, exposure, host string) string {
	return manifest.Ingress{Namespace: "shop", Name: name, Expose: exposure, Service: "web", Host: host}.YAML()
}

func (v victim) poison() {
	v.t.Helper()
	v.write("poison.yaml", v.ingress("poison", "internal-http", poisonHost))
}

// mend takes the poison away and adds a host, and waits until that is served and all is well.
func (v victim) mend() {
	v.t.Helper()
	v.remove("poison.yaml")
	host := expect.NewHost("mended")
	v.write("mended.yaml", v.ingress("mended", "internal-http", host))
	servedWithin(v.t, expect.Live, host, "")
	servedWithin(v.t, expect.Live, v.hostOf["internal-http"], "")
	poll.Eventually(v.t, expect.Live, "the finding goes", func() error {
		if quarantine() == nil {
			return fmt.Errorf("it stays")
		}
		return nil
	})
	poll.Eventually(v.t, expect.Soon, "ready", blastdoor.Readyz)
}

// othersUnderLoad starts light load on every exposure but internal-http.
func (v victim) othersUnderLoad() (check func()) {
	v.t.Helper()
	all := map[string]*load.Load{}
	for port, exposure := range blastdoor.Exposures {
		if exposure != "internal-http" {
			all[exposure] = load.Start(v.t, load.Options{Port: port, Next: load.Host(v.hostOf[exposure])})
		}
	}
	return func() {
		v.t.Helper()
		for exposure, one := range all {
			one.MustBeClean(exposure)
		}
	}
}

// serves waits for the good host, and checks that the poison is not served.
func (v victim) serves(pod string) {
	v.t.Helper()
	servedWithin(v.t, expect.Soon, v.hostOf["internal-http"], pod)
	goneWithin(v.t, expect.Live, poisonHost)
}

// quarantine is a condition: a finding says that the door of internal-http is held back.
func quarantine() error {
	all, err := blastdoor.Findings("internal-http")
	for _, one := range all {
		if one.Code == "snapshot-quarantined" {
			return nil
		}
	}
	if err == nil {
		err = fmt.Errorf("no snapshot-quarantined among %+v", all)
	}
	return err
}

func awaitQuarantine(t *testing.T, b *blastdoor.Blastdoor, deaths int) {
	t.Helper()
	took := poll.Eventually(t, time.Minute, "quarantine", quarantine)
	poll.Eventually(t, expect.Live, "deaths", func() error {
		if got := strings.Count(b.Output(), poisonDeath); got != deaths {
			return fmt.Errorf("%d deaths, not %d", got, deaths)
		}
		return nil
	})
	t.Logf("held back after %v and %d deaths in all", took.Round(time.Millisecond), deaths)
}

// A table that kills its door is put aside for the one before, and the other doors notice nothing.
// Endpoints that change meanwhile reach the old table, and do not bring the poison back.
func TestCrashLoopFallsBack(t *testing.T) {
	v := newVictim(t)
	b := v.start(blastdoor.Options{Env: []string{poisonEnvironment}})
	check := v.othersUnderLoad()
	before := listeners(t, blastdoor.InternalHTTP)
	kept(t, b, "internal-http", v.hostOf["internal-http"])
	v.poison()
	awaitQuarantine(t, b, deathsToCondemn)
	v.serves("crash-a")
	if after := listeners(t, blastdoor.InternalHTTP); fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("other sockets: %v, were %v", after, before)
	}

	door := b.Door("internal-http")
	second := localPod(t, "crash-b")
	for _, pod := range []struct{ name, address string }{{"crash-b", second}, {"crash-a", v.address}, {"crash-b", second}} {
		v.write("app.yaml", manifest.App("shop", "web", echo.Port, pod.address))
		servedWithin(t, expect.Soon, v.hostOf["internal-http"], pod.name)
		goneWithin(t, expect.Live, poisonHost)
	}
	if err := quarantine(); err != nil {
		t.Errorf("after endpoints changed: %v", err)
	}
	if b.Door("internal-http") != door {
		t.Error("the door died of changed endpoints")
	}
	check()
	v.mend()
}

// The same with a controller that is killed: the one after it knows the poison no better, and finds out
// again.
func TestCrashLoopWithControllerKilled(t *testing.T) {
	v := newVictim(t)
	b := v.start(blastdoor.Options{Env: []string{poisonEnvironment}})
	check := v.othersUnderLoad()
	kept(t, b, "internal-http", v.hostOf["internal-http"])
	v.poison()
	awaitQuarantine(t, b, deathsToCondemn)
	b.KillController()
	awaitQuarantine(t, b, 2*deathsToCondemn)
	v.serves("crash-a")
	check()
	v.mend()
}

// A door whose table is held back and which is then killed comes back with the table before.
func TestCrashLoopWithDoorKilled(t *testing.T) {
	v := newVictim(t)
	b := v.start(blastdoor.Options{Env: []string{poisonEnvironment}})
	kept(t, b, "internal-http", v.hostOf["internal-http"])
	v.poison()
	awaitQuarantine(t, b, deathsToCondemn)
	b.KillDoor("internal-http")
	v.serves("crash-a")
	if err := quarantine(); err != nil {
		t.Error(err)
	}
	v.mend()
}

// With nothing older to fall back to the port closes, and the others serve. It opens again when the
// manifests are mended, whichever controller sees that.
func TestCrashLoopFromTheStart(t *testing.T) {
	for name, killController := range map[string]bool{"controller alive": false, "controller killed": true} {
		t.Run(name, func(t *testing.T) {
			v := newVictim(t)
			v.poison()
			b := v.start(blastdoor.Options{NotReady: true, Env: []string{poisonEnvironment}})
			awaitOthers(t, v)
			check := v.othersUnderLoad()
			awaitQuarantine(t, b, deathsToCondemn)
			closed(t, v)
			if killController {
				b.KillController()
				awaitQuarantine(t, b, 2*deathsToCondemn)
				closed(t, v)
			}
			check()
			v.mend()
		})
	}
}

func awaitOthers(t *testing.T, v victim) {
	t.Helper()
	for port, exposure := range blastdoor.Exposures {
		if exposure != "internal-http" {
			poll.Eventually(t, expect.Soon, exposure, blastdoor.Expect(port, v.hostOf[exposure], "/", 200, "crash-a"))
		}
	}
}

// closed waits until the port of internal-http is refused or says that it has nothing to serve.
func closed(t *testing.T, v victim) {
	t.Helper()
	poll.Eventually(t, expect.Soon, "closed", func() error {
		answer, err := blastdoor.Get(blastdoor.InternalHTTP, v.hostOf["internal-http"], "/")
		if err != nil {
			return nil // refused
		}
		return answer.Is(503, "")
	})
	if blastdoor.Readyz() == nil {
		t.Error("ready, with a door that has no table")
	}
}

// After a restart of the whole, the table before is the one on disk.
func TestCrashLoopAfterARestart(t *testing.T) {
	v := newVictim(t)
	options := blastdoor.Options{Env: []string{poisonEnvironment}}
	first := v.start(options)
	kept(t, first, "internal-http", v.hostOf["internal-http"])
	first.Kill()
	v.poison()
	options.StateDir, options.NotReady = first.StateDir, true
	b := v.start(options)
	awaitOthers(t, v)
	check := v.othersUnderLoad()
	awaitQuarantine(t, b, deathsToCondemn)
	v.serves("crash-a")
	check()
	v.mend()
}
