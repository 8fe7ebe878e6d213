package property

import (
	"fmt"
	"net/http"
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
	"blastdoor.io/test/netns"
	"blastdoor.io/test/poll"
)

const (
	churnEdits = 1000
	churnHosts = 20
	churnPods  = 3
)

// churn is a folder whose hosts are always served while everything about them changes: which
// Service they go to, which pods that has, how the file is saved, which other routes stand beside.
type churn struct {
	t         *testing.T
	folder    string
	ingresses []manifest.Ingress
}

func podIP(n int) string { return fmt.Sprintf("127.0.8.%d", n%churnPods+1) }

func newChurn(t *testing.T) *churn {
	t.Helper()
	k := &churn{t: t, folder: t.TempDir()}
	for n := range churnPods {
		echo.Local(t, fmt.Sprintf("churn-%d", n), fmt.Sprintf("%s:%d", podIP(n), echo.Port))
	}
	for n := range 2 {
		k.write(fmt.Sprintf("svc-%d.yaml", n), manifest.App("churn", fmt.Sprintf("svc-%d", n), echo.Port, podIP(n)), false)
	}
	for n := range churnHosts {
		k.ingresses = append(k.ingresses, manifest.Ingress{Namespace: "churn", Name: fmt.Sprintf("host-%d", n), Host: expect.NewHost("churn"),
			Expose: "internal-http", Service: fmt.Sprintf("svc-%d", n%2)})
		k.writeIngress(n, false)
	}
	return k
}

func (k *churn) writeIngress(n int, rough bool) {
	k.write(fmt.Sprintf("host-%d.yaml", n), k.ingresses[n].YAML(), rough)
}

// write replaces a file in one step or, as rough programs do, truncates it and fills it again.
func (k *churn) write(name, text string, rough bool) {
	path := filepath.Join(k.folder, name)
	target := path
	if !rough {
		target = filepath.Join(k.folder, "."+name+".new")
	}
	err := os.WriteFile(target, []byte(text), 0o644)
	if err == nil && !rough {
		err = os.Rename(target, path)
	}
	if err != nil {
		k.t.Fatal(err)
	}
}

// edit makes the n-th change: in turn a host's Service, a Service's pods, a path that comes or goes,
// a host of another exposure that comes or goes. Every other one is written roughly.
func (k *churn) edit(n int) {
	round := n / 4
	switch n % 4 {
	case 0:
		host := round % churnHosts
		k.ingresses[host].Service = fmt.Sprintf("svc-%d", (round+round/churnHosts)%2)
		k.writeIngress(host, round%2 == 0)
	case 1:
		service := fmt.Sprintf("svc-%d", round%2)
		k.write(service+".yaml", manifest.App("churn", service, echo.Port, podIP(round), podIP(round+1)), round%4 < 2)
	case 2:
		k.flip(round, manifest.Ingress{Name: "extra", Host: k.ingresses[0].Host, Path: "/extra", Expose: "internal-http"})
	case 3:
		k.flip(round, manifest.Ingress{Name: "elsewhere", Host: "elsewhere.example.com", Expose: "external-http"})
	}
}

func (k *churn) flip(round int, ingress manifest.Ingress) {
	ingress.Namespace, ingress.Service = "churn", "svc-0"
	name := ingress.Name + ".yaml"
	if round%2 == 0 {
		k.write(name, ingress.YAML(), false)
	} else if err := os.Remove(filepath.Join(k.folder, name)); err != nil {
		k.t.Fatal(err)
	}
}

// A thousand route edits and endpoint flips in files, under load: every answer is a 200 of a pod of
// ours, and no connection breaks.
func TestChurnOfFilesUnderLoad(t *testing.T) {
	netns.Require(t)
	k := newChurn(t)
	blastdoor.Start(t, blastdoor.Options{Manifests: []string{k.folder}, AllowLoopback: true})
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
	pace := time.NewTicker(10 * time.Millisecond) // 100 edits in a second; without it most would be seen as one
	defer pace.Stop()
	for n := range churnEdits {
		k.edit(n)
		<-pace.C
	}
	took := time.Since(began)
	k.settles()
	expect.Answers(t, traffic, 100)
	traffic.MustBeClean("churn")
	t.Logf("%d edits in %v", churnEdits, took.Round(time.Millisecond))
}

// settles waits until what is served is what was last asked for: all of it moved to one pod.
func (k *churn) settles() {
	k.t.Helper()
	for n := range 2 {
		service := fmt.Sprintf("svc-%d", n)
		k.write(service+".yaml", manifest.App("churn", service, echo.Port, podIP(2)), false)
	}
	for _, ingress := range k.ingresses {
		poll.Eventually(k.t, expect.Live, ingress.Host, func() error {
			for range 4 { // round robin would show another endpoint
				if err := blastdoor.Expect(blastdoor.InternalHTTP, ingress.Host, "/", 200, "churn-2")(); err != nil {
					return err
				}
			}
			return nil
		})
	}
}
