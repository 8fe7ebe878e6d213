package kube

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/cluster"
	"blastdoor.io/test/echo"
	"blastdoor.io/test/expect"
	"blastdoor.io/test/load"
	"blastdoor.io/test/manifest"
	"blastdoor.io/test/poll"
)

const (
	churnEdits = 1000
	churnHosts = 20
)

// churn is a set of hosts that are always served while everything about them changes: which
// Service they go to, which pods that has, and which other routes stand beside them.
type churn struct {
	c         *cluster.Cluster
	namespace string
	pods      []*cluster.Pod
	ingresses []manifest.Ingress
}

func newChurn(t *testing.T, c *cluster.Cluster) *churn {
	t.Helper()
	k := &churn{c: c, namespace: c.Namespace(t)}
	for n := range 3 {
		k.pods = append(k.pods, c.NewPod(t, fmt.Sprintf("churn-%d", n), fmt.Sprintf("10.244.4.%d", n+1)))
	}
	for n, pod := range k.pods[:2] {
		c.Apply(t, manifest.App(k.namespace, fmt.Sprintf("svc-%d", n), echo.Port, pod.IP))
	}
	for n := range churnHosts {
		k.ingresses = append(k.ingresses, manifest.Ingress{
			Namespace: k.namespace, Name: fmt.Sprintf("host-%d", n), Host: expect.NewHost("churn"),
			Expose: "internal-http", Service: fmt.Sprintf("svc-%d", n%2),
		})
		c.Apply(t, k.ingresses[n].YAML())
	}
	return k
}

// edit makes the n-th change: in turn a host's Service, a Service's pods, a path that comes or
// goes, a host of another exposure that comes or goes.
func (k *churn) edit(t *testing.T, n int) {
	t.Helper()
	round := n / 4
	switch n % 4 {
	case 0:
		ingress := &k.ingresses[round%churnHosts]
		ingress.Service = fmt.Sprintf("svc-%d", (round+round/churnHosts)%2)
		k.c.Apply(t, ingress.YAML())
	case 1:
		service := fmt.Sprintf("svc-%d", round%2)
		first, second := k.pods[round%3].IP, k.pods[(round+1)%3].IP
		k.c.Apply(t, manifest.EndpointSlice(k.namespace, service, echo.Port, first, second))
	case 2:
		k.flip(t, round, manifest.Ingress{Name: "extra", Host: k.ingresses[0].Host, Path: "/extra", Expose: "internal-http"})
	case 3:
		k.flip(t, round, manifest.Ingress{Name: "elsewhere", Host: "elsewhere.example.com", Expose: "external-http"})
	}
}

func (k *churn) flip(t *testing.T, round int, ingress manifest.Ingress) {
	t.Helper()
	ingress.Namespace, ingress.Service = k.namespace, "svc-0"
	if round%2 == 0 {
		k.c.Apply(t, ingress.YAML())
	} else {
		k.c.Delete(t, ingress.YAML())
	}
}

// A thousand route edits and endpoint flips through a real API server, under load: every answer is
// a 200 of a pod of ours, and no connection breaks.
func TestChurnUnderLoad(t *testing.T) {
	c := cluster.Start(t)
	k := newChurn(t, c)
	startInCluster(t, c)
	for _, ingress := range k.ingresses {
		poll.Eventually(t, expect.Soon, ingress.Host, blastdoor.Expect(blastdoor.InternalHTTP, ingress.Host, "/", 200, ""))
	}
	traffic := load.Start(t, load.Options{
		Port: blastdoor.InternalHTTP, Workers: 4,
		Next: func(worker, n int) (string, string) { return k.ingresses[(worker*7+n)%churnHosts].Host, "/" },
		Check: func(_ string, answer *http.Response, body []byte) error {
			if answer.StatusCode != http.StatusOK || !strings.HasPrefix(answer.Header.Get("X-Pod"), "churn-") {
				return fmt.Errorf("answered %d %.200q", answer.StatusCode, body)
			}
			return nil
		},
	})
	began := time.Now()
	for n := range churnEdits {
		k.edit(t, n)
	}
	took := time.Since(began)
	k.settles(t)
	expect.Answers(t, traffic, 100)
	traffic.MustBeClean("churn")
	t.Logf("%d edits in %v, %.0f/s", churnEdits, took.Round(time.Millisecond), churnEdits/took.Seconds())
}

// settles waits until what is served is what was last asked for: all of it moved to one pod.
func (k *churn) settles(t *testing.T) {
	t.Helper()
	last := k.pods[2]
	for n := range 2 {
		k.c.Apply(t, manifest.EndpointSlice(k.namespace, fmt.Sprintf("svc-%d", n), echo.Port, last.IP))
	}
	for _, ingress := range slices.Backward(k.ingresses) {
		took := poll.Eventually(t, expect.Live, ingress.Host, func() error {
			for range 4 { // round robin would show another endpoint
				if err := blastdoor.Expect(blastdoor.InternalHTTP, ingress.Host, "/", 200, last.Name)(); err != nil {
					return err
				}
			}
			return nil
		})
		if took > expect.Live/2 {
			t.Logf("%s settled only after %v", ingress.Host, took)
		}
	}
}
