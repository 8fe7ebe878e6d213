package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/expect"
	"blastdoor.io/test/manifest"
	"blastdoor.io/test/poll"
)

// redirectsTo is a condition: 308 to exactly that location.
func redirectsTo(port int, host, path, location string) func() error {
	return func() error {
		answer, err := blastdoor.Get(port, host, path)
		if err != nil {
			return err
		}
		if got := answer.Header.Get("Location"); answer.Status != http.StatusPermanentRedirect || got != location {
			return fmt.Errorf("answered %d Location %q, not 308 %q", answer.Status, got, location)
		}
		return nil
	}
}

// checkRedirects checks what holds for every redirect from internal-http to its twin; authority is
// how the twin is named in a Location.
func checkRedirects(t *testing.T, host, authority string) {
	t.Helper()
	from := blastdoor.InternalHTTP
	for path, kept := range map[string]string{"/": "/", "/a/b?c=d&e=%2F": "/a/b?c=d&e=%2F", "/%C3%A4?": "/%C3%A4?", "/x?https://evil.example.com": "/x?https://evil.example.com"} {
		poll.Eventually(t, expect.Live, "redirect of "+path, redirectsTo(from, host, path, "https://"+authority+kept))
	}
	poll.Eventually(t, expect.Live, "port in Host", redirectsTo(from, host+":80", "/a", "https://"+authority+"/a"))
	if err := blastdoor.Expect(from, host, "/-/healthz", 200, "")(); err != nil {
		t.Errorf("the health path: %v", err)
	}
	if err := blastdoor.Expect(from, expect.NewHost("unknown"), "/", 404, "")(); err != nil {
		t.Errorf("an unknown host: %v", err)
	}
}

// redirect: twin on an http exposure answers 308 for all that its https twin serves, and only that.
func TestRedirectTwin(t *testing.T) {
	f := newFolder(t)
	address := localPod(t, "twin-a")
	host, other := expect.NewHost("twin"), expect.NewHost("other-side")
	f.write("apps.yaml", app("web", expect.NewHost("unused"), address)+
		manifest.Ingress{Namespace: "shop", Name: "secure", Expose: "internal-httpsecure", Service: "web", Host: host}.YAML()+
		manifest.Ingress{Namespace: "shop", Name: "outside", Expose: "external-httpsecure", Service: "web", Host: other}.YAML())
	f.start(blastdoor.Options{Config: twinConfig})
	checkRedirects(t, host, host)
	servedOnlyOnTwin(t, host)
	poll.Eventually(t, expect.Live, "the other side's host", blastdoor.Expect(blastdoor.InternalHTTP, other, "/", 404, ""))
}

func servedOnlyOnTwin(t *testing.T, host string) {
	t.Helper()
	poll.Eventually(t, expect.Live, "the twin itself", blastdoor.Expect(blastdoor.InternalHTTPS, host, "/", 200, "twin-a"))
	for _, port := range []int{blastdoor.ExternalHTTP, blastdoor.ExternalHTTPS} {
		if err := blastdoor.Expect(port, host, "/", 404, "")(); err != nil {
			t.Errorf("%s: %v", blastdoor.Exposures[port], err)
		}
	}
}

// The annotation does the same for one Ingress of an http exposure.
func TestRedirectAnnotation(t *testing.T) {
	f := newFolder(t)
	address := localPod(t, "annotated-a")
	host := expect.NewHost("annotated")
	f.write("apps.yaml", app("web", expect.NewHost("unused"), address)+
		manifest.Ingress{Namespace: "shop", Name: "annotated", Expose: "internal-http", Service: "web", Host: host,
			Annotations: map[string]string{manifest.RedirectAnnotation: "https"}}.YAML())
	f.start(blastdoor.Options{})
	checkRedirects(t, host, host)
}

// An https exposure redirects nothing: no loop is possible.
func TestRedirectAnnotationOnHTTPS(t *testing.T) {
	f := newFolder(t)
	address := localPod(t, "loop-a")
	host := expect.NewHost("loop")
	f.write("apps.yaml", app("web", expect.NewHost("unused"), address)+
		manifest.Ingress{Namespace: "shop", Name: "loop", Expose: "internal-httpsecure", Service: "web", Host: host,
			Annotations: map[string]string{manifest.RedirectAnnotation: "https"}}.YAML())
	f.start(blastdoor.Options{})
	poll.Eventually(t, expect.Live, "no redirect", func() error {
		answer, err := blastdoor.Get(blastdoor.InternalHTTPS, host, "/")
		if err == nil && (answer.Status >= 300 && answer.Status < 400 || answer.Status == http.StatusNotFound) {
			err = fmt.Errorf("answered %d", answer.Status)
		}
		return err
	})
}

// The environment sets the same key: no file, no init script that edits one.
func TestRedirectTwinByEnvironment(t *testing.T) {
	f := newFolder(t)
	host := expect.NewHost("twin-env")
	f.write("apps.yaml", app("web", expect.NewHost("unused"), localPod(t, "twin-a"))+
		manifest.Ingress{Namespace: "shop", Name: "secure", Expose: "external-httpsecure", Service: "web", Host: host}.YAML())
	f.start(blastdoor.Options{Env: []string{"BLASTDOOR_EXTERNAL_HTTP_REDIRECT=twin"}})
	poll.Eventually(t, expect.Live, "redirect", redirectsTo(blastdoor.ExternalHTTP, host, "/a?b", "https://"+host+"/a?b"))
}

// A twin that is not on 443 for its clients is named with its declared public port.
func TestRedirectToDeclaredPort(t *testing.T) {
	f := newFolder(t)
	host := expect.NewHost("declared")
	f.write("apps.yaml", app("web", expect.NewHost("unused"), localPod(t, "twin-a"))+
		manifest.Ingress{Namespace: "shop", Name: "secure", Expose: "internal-httpsecure", Service: "web", Host: host}.YAML())
	f.start(blastdoor.Options{Config: twinConfig, Env: []string{"BLASTDOOR_INTERNAL_HTTPSECURE_PUBLIC_PORT=8443"}})
	checkRedirects(t, host, host+":8443")
}

// plainConfig says what holds with no configuration; twinConfig makes internal-http a redirect to
// internal-httpsecure.
const (
	plainConfig = `exposures:
- name: internal-http
- name: internal-httpsecure
- name: external-http
- name: external-httpsecure
`
	twinConfig = `exposures:
- name: internal-http
  redirect: twin
- name: internal-httpsecure
- name: external-http
- name: external-httpsecure
`
)
