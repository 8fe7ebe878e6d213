package vectors

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/manifest"
)

// Hosts that the doors serve, besides every other one, which goes where HostOrigin goes.
const (
	HostOrigin   = "v.test"
	HostRedirect = "redirect.test" // 308, by Blastdoor itself
	HostEmpty    = "empty.test"    // 503: no endpoints
	HostAnswers  = "r.test"        // the origin of the response side
)

// tlsKey is what makes a listener end TLS by itself; empty: no such key yet, and no such door.
const tlsKey = "tls: self-signed"

const (
	plainPort = 10000
	tlsPort   = 10443
)

// Doors are the listeners of Blastdoor that vectors are sent to.
func Doors() []*Door {
	doors := []*Door{{Name: "plain", Port: plainPort, Peer: Peer{Scheme: "http", Port: "80"}}}
	if tlsKey != "" {
		doors = append(doors, &Door{
			Name: "TLS", Port: tlsPort, Peer: Peer{Scheme: "https", Port: "443"},
			TLS: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}, ClientSessionCache: tls.NewLRUClientSessionCache(8)},
		})
	}
	return doors
}

// StartBlastdoor starts the real binary with those doors in front of an origin for requests and one
// for responses; port 0: there is none. idle is how long it keeps connections to them.
func StartBlastdoor(t testing.TB, requests, responses int, idle string) *blastdoor.Blastdoor {
	t.Helper()
	listeners := fmt.Sprintf("  - {name: plain, port: %d, timeouts: {upstreamIdle: %s}}\n", plainPort, idle)
	if tlsKey != "" {
		listeners += fmt.Sprintf("  - {name: tls, port: %d, publicScheme: https, %s, timeouts: {upstreamIdle: %s}}\n", tlsPort, tlsKey, idle)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "all.yaml"), []byte(objects(requests, responses)), 0o644); err != nil {
		t.Fatal(err)
	}
	return blastdoor.Start(t, blastdoor.Options{
		Manifests: []string{folder}, AllowLoopback: true,
		Config: "exposures:\n- name: internal-http\n  listeners:\n" + listeners,
	})
}

func objects(requests, responses int) string {
	var b strings.Builder
	b.WriteString(manifest.Namespace("vectors"))
	ingress := func(name, host, service string, annotations map[string]string) {
		b.WriteString(manifest.Ingress{
			Namespace: "vectors", Name: name, Expose: "internal-http", Host: host, Service: service, Annotations: annotations,
		}.YAML())
	}
	app := func(name string, port int) {
		if port == 0 {
			b.WriteString(manifest.App("vectors", name, 80))
			return
		}
		b.WriteString(manifest.App("vectors", name, port, "127.0.0.1"))
	}
	ingress("origin", HostOrigin, "origin", nil)
	ingress("any", "", "origin", nil) // also hosts that no rule can name: IP literals
	ingress("redirect", HostRedirect, "origin", map[string]string{manifest.RedirectAnnotation: "https"})
	ingress("empty", HostEmpty, "empty", nil)
	ingress("answers", HostAnswers, "answers", nil)
	app("origin", requests)
	app("answers", responses)
	app("empty", 0)
	return b.String()
}
