package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
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
	// These set how often a door is killed, and how many clients come a second: 100 and 5000 are the bar, 5
	// and 1000 are quick.
	doorKillsVariable = "BLASTDOOR_DOOR_KILLS"
	arrivalsVariable  = "BLASTDOOR_ARRIVALS"
	// After so much life a death counts as the first, and is not waited for.
	forgiven = 10 * time.Second
	// Five deaths within a minute put a table aside; that is another test. The supervisor sees each a little
	// later than we do.
	deathsPerWindow = 4
	deathsWindow    = 65 * time.Second
)

// burst lets an upstream take, at once, all who have come while a door was away. By default a worker lets its part
// of 4096 requests wait for connections, and answers the others 503 circuit-pending: at 5000 a second a door
// that is away for longer than 0.8 s has more.
const burst = `annotations: {blastdoor.io/max-pending: "10000", blastdoor.io/max-requests: "10000", blastdoor.io/max-connections: "10000"}`

// deaths are those of one door.
type deaths struct {
	at   []time.Time
	back time.Time // from the last
}

// mayDie is a condition: one more death is neither waited for longer than 0.1 s nor too many for
// the table.
func (d *deaths) mayDie() error {
	if len(d.at) >= 2 && time.Since(d.back) < forgiven {
		return fmt.Errorf("it lives since %v", time.Since(d.back))
	}
	if n := len(d.at); n >= deathsPerWindow && time.Since(d.at[n-deathsPerWindow]) < deathsWindow {
		return fmt.Errorf("its fourth death from the end was %v ago", time.Since(d.at[n-deathsPerWindow]))
	}
	return nil
}

// A door that is killed while clients pour in refuses none of them: those that it had not accepted
// yet wait for the next process. Lost are requests that it had in hand, and no others. The doors
// beside it lose nothing.
func TestDoorKilledAmongArrivals(t *testing.T) {
	kills, rate := numberOf(t, doorKillsVariable, 5), float64(numberOf(t, arrivalsVariable, 1000))
	f, hostOf := newFolder(t), map[string]string{}
	address := fmt.Sprintf("127.0.1.%d", loopback.Add(1))
	killable(t, "upstream", address)
	text := strings.Replace(manifest.App("shop", "web", echo.Port, address),
		"metadata: {", "metadata: {"+burst+", ", 1)
	for _, exposure := range blastdoor.Exposures {
		hostOf[exposure] = expect.NewHost(exposure)
		text += manifest.Ingress{Namespace: "shop", Name: exposure, Expose: exposure, Service: "web", Host: hostOf[exposure]}.YAML()
	}
	f.write("apps.yaml", text)
	b := f.start(blastdoor.Options{})
	ports := []int{blastdoor.InternalHTTP, blastdoor.InternalHTTPS, blastdoor.ExternalHTTP, blastdoor.ExternalHTTPS}
	history := map[int]*deaths{}
	for _, port := range ports {
		exposure := blastdoor.Exposures[port]
		poll.Eventually(t, expect.Soon, exposure, blastdoor.Expect(port, hostOf[exposure], "/", 200, ""))
		kept(t, b, exposure, hostOf[exposure])
		history[port] = &deaths{}
	}
	var total killing
	for n := range kills {
		port := ports[n%len(ports)]
		poll.Eventually(t, 2*time.Minute, "it may die", history[port].mayDie)
		one := killAmongArrivals(t, b, port, hostOf, rate)
		history[port].at = append(history[port].at, one.at)
		history[port].back = one.back
		total.add(one)
	}
	t.Logf("%d kills: %d clients came, %d lost of %d in hand, at most %d of a kill; %.0f came a second, at least %.0f; "+
		"the slowest answered again after %v", kills, total.came, total.lost, total.inHand, total.mostLost,
		total.perSecond/float64(kills), total.leastPerSecond, total.slowest.Round(time.Millisecond))
}

// numberOf is a number from the environment, positive.
func numberOf(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 {
		t.Fatalf("%s is %q, and should be a number from 1", variable, text)
	}
	return number
}

// killing is what became of the clients of one kill, or of many.
type killing struct {
	at, back                     time.Time
	came, lost, inHand, mostLost int64
	perSecond, leastPerSecond    float64
	slowest                      time.Duration
}

func (k *killing) add(one killing) {
	k.came += one.came
	k.lost += one.lost
	k.inHand += one.inHand
	k.mostLost = max(k.mostLost, one.lost)
	k.perSecond += one.perSecond
	k.slowest = max(k.slowest, one.back.Sub(one.at))
	if k.leastPerSecond == 0 || one.perSecond < k.leastPerSecond {
		k.leastPerSecond = one.perSecond
	}
}

func killAmongArrivals(t *testing.T, b *blastdoor.Blastdoor, port int, hostOf map[string]string, rate float64) killing {
	t.Helper()
	exposure := blastdoor.Exposures[port]
	others := map[string]*load.Load{}
	for other, name := range blastdoor.Exposures {
		if other != port {
			others[name] = load.Start(t, load.Options{Port: other, Every: 10 * time.Millisecond, Next: load.Host(hostOf[name])})
		}
	}
	door := b.Door(exposure)
	arrivals := load.StartArrivals(t, port, hostOf[exposure], rate)
	left(t, arrivals, rate)

	// In hand are those who have come and not left. Until the process has really gone, more may come to it.
	ended, killed := arrivals.Ended(), time.Now()
	if err := syscall.Kill(door, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	poll.Eventually(t, expect.Soon, "the process has gone", func() error {
		if err := syscall.Kill(door, 0); err == nil {
			return fmt.Errorf("%d is there", door)
		}
		return nil
	})
	gone, inHand := time.Now(), arrivals.Started()-ended
	poll.Eventually(t, expect.Soon, "the door is back", blastdoor.Expect(port, hostOf[exposure], "/", 200, ""))
	back := time.Now()
	left(t, arrivals, rate)

	came := arrivals.Started()
	lost, perSecond := arrivals.Stop()
	notInHand, first := 0, ""
	for _, loss := range lost {
		if loss.Refused() || loss.Began.After(gone) || loss.Ended.Before(killed) {
			if notInHand++; notInHand == 1 {
				first = fmt.Sprintf("it came %v and left %v after the kill, and the process was gone %v after it: %v",
					loss.Began.Sub(killed), loss.Ended.Sub(killed), gone.Sub(killed), loss.Err)
			}
		}
	}
	if notInHand > 0 {
		t.Errorf("%s: lost %d clients that the dead process had not in hand, such as one: %s", exposure, notInHand, first)
	}
	if int64(len(lost)) > inHand {
		t.Errorf("%s: lost %d clients, with %d in hand", exposure, len(lost), inHand)
	}
	for name, one := range others {
		one.MustBeClean(name + " while " + exposure + " dies")
	}
	return killing{at: killed, back: back, came: came, lost: int64(len(lost)), inHand: inHand, perSecond: perSecond}
}

// left waits until as many clients more have left as come in 0.3 s.
func left(t *testing.T, arrivals *load.Arrivals, rate float64) {
	t.Helper()
	goal := arrivals.Ended() + int64(rate*0.3)
	poll.Eventually(t, expect.Soon, "clients leave", func() error {
		if ended := arrivals.Ended(); ended < goal {
			return fmt.Errorf("%d of %d", ended, goal)
		}
		return nil
	})
}
