package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/expect"
	"blastdoor.io/test/manifest"
	"blastdoor.io/test/poll"
)

// A wrong configuration is exit code 2 with all its mistakes at once: where, and what was meant.
func TestConfigMistakes(t *testing.T) {
	f, _ := fourDoors(t)
	b := f.start(blastdoor.Options{NotReady: true, Config: `exposures:
- name: internal-http
  redirct: twin
- name: external-http
  hosts: mine
`})
	if code := b.Wait(t, expect.Soon); code != 2 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"blastdoor.yaml:3", "redirct", "redirect", "blastdoor.yaml:5", "hosts", "owned"} {
		if !strings.Contains(b.Output(), want) {
			t.Errorf("it does not say %q:\n%s", want, b.Output())
		}
	}
}

// A selector by environment with more than one exposure enabled would give all of them the same.
func TestConfigLabelSelectorNeedsOneExposure(t *testing.T) {
	f, _ := fourDoors(t)
	b := f.start(blastdoor.Options{NotReady: true, Env: []string{"BLASTDOOR_LABEL_SELECTOR=team=shop"}})
	if code := b.Wait(t, expect.Soon); code != 2 {
		t.Errorf("exit code %d:\n%s", code, b.Output())
	}
}

// With one exposure it is what the post's init script edited into a file: the label that selects.
func TestConfigLabelSelector(t *testing.T) {
	f := newFolder(t)
	host := expect.NewHost("selected")
	selected := manifest.Ingress{Namespace: "shop", Name: "web", Expose: "shop-only", Service: "other", Host: host}
	f.write("apps.yaml", app("other", expect.NewHost("unselected"), localPod(t, "selector-a"))+selected.YAML())
	f.start(blastdoor.Options{Exposures: []string{"internal-http"}, Env: []string{"BLASTDOOR_LABEL_SELECTOR=expose=shop-only"}})
	servedWithin(t, expect.Live, host, "selector-a")
}

// The file is watched: an edit is expect.Live, and a mistake in it keeps what was and is a finding.
func TestConfigIsWatched(t *testing.T) {
	f := newFolder(t)
	address := localPod(t, "twin-a")
	host := expect.NewHost("watched")
	f.write("apps.yaml", app("web", expect.NewHost("plain"), address)+
		manifest.Ingress{Namespace: "shop", Name: "secure", Expose: "internal-httpsecure", Service: "web", Host: host}.YAML())
	b := f.start(blastdoor.Options{Config: plainConfig})
	goneWithin(t, expect.Live, host)
	edit := func(text string) {
		t.Helper()
		if err := os.WriteFile(b.ConfigPath(), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	edit(twinConfig)
	poll.Eventually(t, expect.Live, "redirect", redirectsTo(blastdoor.InternalHTTP, host, "/a", "https://"+host+"/a"))
	edit("exposures: [{name: internal-http, redirct: twin}]\n")
	poll.Eventually(t, expect.Live, "finding", func() error {
		findings, err := blastdoor.Admin("findings")
		if err == nil && !strings.Contains(findings, "redirct") {
			err = fmt.Errorf("none: %.500s", findings)
		}
		return err
	})
	if err := redirectsTo(blastdoor.InternalHTTP, host, "/a", "https://"+host+"/a")(); err != nil {
		t.Errorf("after a mistake: %v", err)
	}
	edit(plainConfig)
	goneWithin(t, expect.Live, host)
}
