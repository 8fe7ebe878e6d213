package kube

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/cluster"
	"blastdoor.io/test/echo"
	"blastdoor.io/test/expect"
	"blastdoor.io/test/load"
	"blastdoor.io/test/manifest"
	"blastdoor.io/test/peers"
	"blastdoor.io/test/poll"
)

const (
	// churnVariable sets how many edits there are, half of them of routes and half of endpoints: 2000 is
	// the bar.
	churnVariable      = "BLASTDOOR_EDITS"
	churnEdits         = 600
	churnHosts         = 20
	editsPerRotation   = 100 // of the certificate
	secureName         = "churn.example.com"
	requestsPerSession = 10 // of the clients that shake hands again and again
)

// churn is a set of hosts that are always served, on two exposures, while everything about them
// changes: which Service they go to, which pods that has, which other routes stand beside them, and
// the certificate.
type churn struct {
	c         *cluster.Cluster
	namespace string
	pods      []*cluster.Pod
	hosts     []string
	ingresses []manifest.Ingress // of host n: those at n and n + churnHosts
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
	for range churnHosts {
		k.hosts = append(k.hosts, expect.NewHost("churn"))
	}
	for _, exposure := range []string{"internal-http", "internal-httpsecure"} {
		for n, host := range k.hosts {
			ingress := manifest.Ingress{
				Namespace: k.namespace, Name: fmt.Sprintf("%s-%d", exposure, n), Host: host,
				Expose: exposure, Service: fmt.Sprintf("svc-%d", n%2),
			}
			k.ingresses = append(k.ingresses, ingress)
			c.Apply(t, ingress.YAML())
		}
	}
	return k
}

func edits(t *testing.T) int {
	t.Helper()
	text := os.Getenv(churnVariable)
	if text == "" {
		return churnEdits
	}
	count, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", churnVariable, err)
	}
	return count
}

// edit makes the n-th change. Every second is one of a Service's pods, the others are in turn of a
// host's Service, a path that comes or goes, again a Service, a host of another exposure.
func (k *churn) edit(t *testing.T, n int) {
	t.Helper()
	round := n / 2
	if n%2 == 1 {
		service := fmt.Sprintf("svc-%d", round%2)
		first, second := k.pods[round%3].IP, k.pods[(round+1)%3].IP
		k.c.Apply(t, manifest.EndpointSlice(k.namespace, service, echo.Port, first, second))
		return
	}
	switch round % 4 {
	case 0, 2:
		turn := round / 2
		ingress := &k.ingresses[turn%len(k.ingresses)]
		ingress.Service = fmt.Sprintf("svc-%d", (turn+turn/len(k.ingresses))%2)
		k.c.Apply(t, ingress.YAML())
	case 1:
		k.flip(t, round/4, manifest.Ingress{Name: "extra", Host: k.hosts[0], Path: "/extra", Expose: "internal-http"})
	case 3:
		k.flip(t, round/4, manifest.Ingress{Name: "elsewhere", Host: "elsewhere.example.com", Expose: "external-http"})
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

// renewals replace the certificate of internal-httpsecure again and again, one of the two files after
// the other.
type renewals struct {
	authority *peers.Authority
	folder    string
	next      peers.Issued
	count     int
}

func newRenewals(t *testing.T) *renewals {
	t.Helper()
	r := &renewals{authority: peers.NewAuthority(t), folder: t.TempDir()}
	r.begin(t)
	r.finish(t)
	return r
}

func (r *renewals) config() string {
	return fmt.Sprintf(`exposures:
  - {name: internal-http}
  - {name: external-http}
  - name: internal-httpsecure
    listeners: [{tls: {mode: files, certificates: [{certificate: %[1]s/tls.crt, key: %[1]s/tls.key}]}}]
`, r.folder)
}

// trusting is how clients speak TLS: whatever is served has to be good.
func (r *renewals) trusting() *tls.Config {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(r.authority.PEM))
	return &tls.Config{RootCAs: roots, ServerName: secureName}
}

// begin replaces the key, or the certificate, by turns. The two do not belong together until finish.
func (r *renewals) begin(t *testing.T) {
	t.Helper()
	r.next = r.authority.Issue("*.example.com")
	r.count++
	r.replace(t, r.count%2 == 0)
}

func (r *renewals) finish(t *testing.T) {
	t.Helper()
	r.replace(t, r.count%2 == 1)
}

func (r *renewals) replace(t *testing.T, key bool) {
	t.Helper()
	from, name := r.next.CertificateFile, "tls.crt"
	if key {
		from, name = r.next.KeyFile, "tls.key"
	}
	if err := os.Rename(from, filepath.Join(r.folder, name)); err != nil {
		t.Fatal(err)
	}
}

// served waits until new sessions get the newest certificate.
func (r *renewals) served(t *testing.T) {
	t.Helper()
	poll.Eventually(t, expect.Soon, fmt.Sprintf("certificate %d", r.count), func() error {
		conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", blastdoor.InternalHTTPS), r.trusting())
		if err != nil {
			return err
		}
		defer conn.Close()
		if !bytes.Equal(conn.ConnectionState().PeerCertificates[0].Raw, r.next.TLS.Certificate[0]) {
			return errors.New("another one is served")
		}
		return nil
	})
}

// load starts every kind of client: HTTP/1.1 in plain, HTTP/1.1 and HTTP/2 over TLS, the latter two on
// sessions that stay and on sessions that are made anew.
func (k *churn) load(t *testing.T, secure *tls.Config) map[string]*load.Load {
	t.Helper()
	options := load.Options{
		Port: blastdoor.InternalHTTP, Workers: 4,
		Next: func(worker, n int) (string, string) { return k.hosts[(worker*7+n)%churnHosts], "/" },
		Check: func(_ string, answer *http.Response, body []byte) error {
			if answer.StatusCode != http.StatusOK || !strings.HasPrefix(answer.Header.Get("X-Pod"), "churn-") {
				return fmt.Errorf("answered %d %.200q", answer.StatusCode, body)
			}
			return nil
		},
	}
	all := map[string]*load.Load{"HTTP/1.1": load.Start(t, options)}
	options.Port, options.TLS, options.Workers = blastdoor.InternalHTTPS, secure, 2
	for _, options.HTTP2 = range []bool{false, true} {
		for _, options.PerConnection = range []int{0, requestsPerSession} {
			all[fmt.Sprintf("TLS, HTTP/2 %v, requests per session %d", options.HTTP2, options.PerConnection)] = load.Start(t, options)
		}
	}
	return all
}

// Edits of routes and flips of endpoints through a real API server, and renewals of the certificate,
// under load: every answer is a 200 of a pod of ours, every handshake shows a good certificate, and no
// connection breaks.
func TestChurnUnderLoad(t *testing.T) {
	c := cluster.Start(t)
	k, r := newChurn(t, c), newRenewals(t)
	blastdoor.Start(t, blastdoor.Options{Kubeconfig: c.ServiceAccountKubeconfig(t, rbac), Config: r.config()})
	for _, host := range k.hosts {
		poll.Eventually(t, expect.Soon, host, blastdoor.Expect(blastdoor.InternalHTTP, host, "/", 200, ""))
	}
	r.served(t)
	traffic := k.load(t, r.trusting())
	count, began := edits(t), time.Now()
	for n := range count {
		switch n % editsPerRotation {
		case 0:
			r.served(t)
			r.begin(t)
		case editsPerRotation / 2:
			r.finish(t)
		}
		k.edit(t, n)
	}
	took := time.Since(began)
	r.served(t)
	k.settles(t)
	for what, one := range traffic {
		expect.Answers(t, one, 100)
		one.MustBeClean(what)
	}
	t.Logf("%d edits in %v, %.0f/s, and %d renewals", count, took.Round(time.Millisecond), float64(count)/took.Seconds(), r.count-1)
}

// settles waits until what is served is what was last asked for: all of it moved to one pod.
func (k *churn) settles(t *testing.T) {
	t.Helper()
	last := k.pods[2]
	for n := range 2 {
		k.c.Apply(t, manifest.EndpointSlice(k.namespace, fmt.Sprintf("svc-%d", n), echo.Port, last.IP))
	}
	for _, host := range slices.Backward(k.hosts) {
		took := poll.Eventually(t, expect.Live, host, func() error {
			for range 4 { // round robin would show another endpoint
				if err := blastdoor.Expect(blastdoor.InternalHTTP, host, "/", 200, last.Name)(); err != nil {
					return err
				}
			}
			return nil
		})
		if took > expect.Live/2 {
			t.Logf("%s settled only after %v", host, took)
		}
	}
}
