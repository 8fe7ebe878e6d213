package differential

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"blastdoor.io/test/echo"
	"blastdoor.io/test/netns"
	"blastdoor.io/test/vectors"
)

func TestMain(m *testing.M) {
	echo.MainIfAsked()
	netns.Main(m)
}

const (
	senders = 8
	loud    = 20
	idle    = "4s" // below the 5 s after which node and apache close
)

// Whatever is sent, each origin logs the requests that Blastdoor forwarded, and no others: its parser
// reads what we wrote as we meant it.
func TestOrigins(t *testing.T) {
	all, err := vectors.Load("../vectors/requests")
	if err != nil {
		t.Fatal(err)
	}
	for _, origin := range Origins {
		t.Run(origin.Name, func(t *testing.T) {
			path, err := find(origin.Program)
			if err != nil {
				t.Skipf("SKIPPED LOUDLY: no %s to compare with (tools/install.sh differential)", origin.Program)
			}
			compare(t, origin, path, all)
		})
	}
}

func compare(t *testing.T, origin Origin, path string, all []*vectors.Vector) {
	port, finish := origin.Start(t, path)
	b := vectors.StartBlastdoor(t, port, 0, idle)
	var legal, others []*Case
	for n, v := range all {
		c := &Case{vector: v, id: fmt.Sprintf("d%0*d", vectors.Probe-1, n)}
		if c.expect(); c.certain {
			legal = append(legal, c)
		} else {
			others = append(others, c)
		}
	}
	before := requestsTotal(t)
	sendAll(t, legal)
	counted := requestsTotal(t) - before
	sendAll(t, others)
	b.Kill()
	logged := finish()

	j := newJudge(origin.Name, logged)
	arrived := 0
	for _, c := range legal {
		arrived += j.judge(c)
	}
	if counted != arrived+j.nameless {
		t.Errorf("Blastdoor counted %d requests, %s logged %d with a probe and %d without", counted, origin.Name, arrived, j.nameless)
	}
	for _, c := range others {
		arrived += j.judge(c)
	}
	t.Logf("%d vectors: %d requests at %s, and %v that it refused to read; answers: %v", len(all), arrived, origin.Name, j.refusals, statuses(legal))
	for n, problem := range j.finish() {
		if n < loud {
			t.Error(problem)
		}
	}
}

// requestsTotal is what Blastdoor says of itself.
func requestsTotal(t *testing.T) int {
	t.Helper()
	answer, err := http.Get("http://127.0.0.1:9902/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "blastdoor_requests_total{") {
			fields := strings.Fields(line)
			value, err := strconv.ParseFloat(fields[len(fields)-1], 64)
			if err != nil {
				t.Fatal(err)
			}
			total += int(value)
		}
	}
	return total
}

func sendAll(t *testing.T, cases []*Case) {
	t.Helper()
	work := make(chan *Case)
	var sending sync.WaitGroup
	for range senders {
		sending.Go(func() {
			for c := range work {
				c.send(vectors.Doors()[0].Port)
			}
		})
	}
	for _, c := range cases {
		work <- c
	}
	close(work)
	sending.Wait()
	for _, c := range cases {
		if c.err != nil {
			t.Errorf("%s: %v", c.vector.Name, c.err)
		}
	}
}

func statuses(cases []*Case) string {
	count := map[int]int{}
	for _, c := range cases {
		for _, status := range c.statuses {
			count[status]++
		}
	}
	var words []string
	for _, status := range slices.Sorted(maps.Keys(count)) {
		words = append(words, fmt.Sprintf("%d×%d", count[status], status))
	}
	return strings.Join(words, " ")
}
