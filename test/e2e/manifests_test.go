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

// app is one Service and one Ingress on internal-http, in one namespace.
func app(name, host, address string) string {
	return manifest.App("shop", name, echo.Port, address) +
		manifest.Ingress{Namespace: "shop", Name: name, Expose: "internal-http", Service: name, Host: host}.YAML()
}

// servedWithin waits for a host on internal-http.
func servedWithin(t *testing.T, limit time.Duration, host, pod string) {
	t.Helper()
	took := poll.Eventually(t, limit, host+" by "+pod, blastdoor.Expect(blastdoor.InternalHTTP, host, "/", 200, pod))
	t.Logf("%s by %s after %v", host, pod, took.Round(time.Millisecond))
}

func goneWithin(t *testing.T, limit time.Duration, host string) {
	t.Helper()
	poll.Eventually(t, limit, host+" gone", blastdoor.Expect(blastdoor.InternalHTTP, host, "/", 404, ""))
}

// Files appear, change and disappear, in every form that kubectl reads, each live well under a
// second.
func TestManifestsAreWatched(t *testing.T) {
	f := newFolder(t)
	first, second := localPod(t, "files-a"), localPod(t, "files-b")
	f.start(blastdoor.Options{})
	host := expect.NewHost("files")
	f.write("a.yaml", app("a", host, first))
	servedWithin(t, expect.Live, host, "files-a")
	f.write("a.yaml", app("a", host, second))
	servedWithin(t, expect.Live, host, "files-b")
	f.remove("a.yaml")
	goneWithin(t, expect.Live, host)

	f.write("a.json", asJSONList("a", host, first))
	servedWithin(t, expect.Live, host, "files-a")
	f.remove("a.json")
	goneWithin(t, expect.Live, host)
}

// asJSONList is app() as one v1 List in JSON.
func asJSONList(name, host, address string) string {
	return fmt.Sprintf(`{"apiVersion": "v1", "kind": "List", "items": [
  {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "shop", "name": %[1]q},
   "spec": {"ports": [{"name": "http", "port": 80}]}},
  {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
   "metadata": {"namespace": "shop", "name": %[1]q, "labels": {"kubernetes.io/service-name": %[1]q}},
   "ports": [{"name": "http", "port": %[4]d}], "endpoints": [{"addresses": [%[3]q]}]},
  {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
   "metadata": {"namespace": "shop", "name": %[1]q, "labels": {"expose": "internal-http"}},
   "spec": {"rules": [{"host": %[2]q, "http": {"paths": [{"path": "/", "pathType": "Prefix",
    "backend": {"service": {"name": %[1]q, "port": {"name": "http"}}}}]}}]}}]}`, name, host, address, echo.Port)
}

// A ConfigMap mount: files are links through ..data, and a change swaps that one link.
func TestManifestsFromAConfigMapMount(t *testing.T) {
	f := newFolder(t)
	pods := []string{"mount-a", "mount-b"}
	addresses := []string{localPod(t, pods[0]), localPod(t, pods[1])}
	host, kept := expect.NewHost("mount"), expect.NewHost("kept")
	swap := func(generation int) {
		t.Helper()
		version := fmt.Sprintf("..2026_01_01_%d", generation)
		data := filepath.Join(f.path, version)
		text := app("moves", host, addresses[generation%2]) + app("stays", kept, addresses[0])
		must(t, os.Mkdir(data, 0o755), os.WriteFile(filepath.Join(data, "apps.yaml"), []byte(text), 0o644),
			os.Symlink(version, filepath.Join(f.path, "..data_tmp")),
			os.Rename(filepath.Join(f.path, "..data_tmp"), filepath.Join(f.path, "..data")))
		if generation > 0 {
			must(t, os.RemoveAll(filepath.Join(f.path, fmt.Sprintf("..2026_01_01_%d", generation-1))))
		}
	}
	swap(0)
	must(t, os.Symlink("..data/apps.yaml", filepath.Join(f.path, "apps.yaml")))
	f.start(blastdoor.Options{})
	servedWithin(t, expect.Live, host, pods[0])
	traffic := load.Start(t, load.Options{Port: blastdoor.InternalHTTP, Next: load.Host(kept)})
	for generation := 1; generation <= 6; generation++ {
		swap(generation)
		servedWithin(t, expect.Live, host, pods[generation%2])
	}
	traffic.MustBeClean("what the swaps left as it was")
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A file that is being written counts only when its writer is done: cut at a document separator it
// would be valid YAML with fewer objects.
func TestManifestsHalfWritten(t *testing.T) {
	f := newFolder(t)
	address := localPod(t, "half-a")
	one, two, added := expect.NewHost("one"), expect.NewHost("two"), expect.NewHost("added")
	f.write("apps.yaml", app("one", one, address)+app("two", two, address))
	f.start(blastdoor.Options{})
	servedWithin(t, expect.Live, two, "half-a")
	traffic := load.Start(t, load.Options{
		Port: blastdoor.InternalHTTP,
		Next: func(_, n int) (string, string) { return []string{one, two}[n%2], "/" },
	})
	file, err := os.Create(filepath.Join(f.path, "apps.yaml")) // truncates
	must(t, err)
	defer file.Close()
	_, err = file.WriteString(app("one", one, address))
	must(t, err)
	expect.Answers(t, traffic, 400) // some 400 ms: well past the hold-off
	_, err = file.WriteString(app("two", two, address) + app("added", added, address))
	must(t, err, file.Close())
	servedWithin(t, expect.Live, added, "half-a")
	traffic.MustBeClean("a slow writer")
}

// What editors leave in a folder is no manifest, and vim's way of saving (away with the old file,
// then write the new) is no moment without routes.
func TestManifestsBesideEditors(t *testing.T) {
	f := newFolder(t)
	address := localPod(t, "editor-a")
	host, stray := expect.NewHost("edited"), expect.NewHost("stray")
	f.write("apps.yaml", app("edited", host, address))
	f.start(blastdoor.Options{})
	servedWithin(t, expect.Live, host, "editor-a")
	traffic := load.Start(t, load.Options{Port: blastdoor.InternalHTTP, Next: load.Host(host)})
	for _, name := range []string{".apps.yaml.swp", "apps.yaml~", "#apps.yaml#", "4913", ".apps.yaml.un~", "apps.yaml.bak", ".hidden.yaml"} {
		must(t, os.WriteFile(filepath.Join(f.path, name), []byte(app("stray", stray, address)), 0o644))
	}
	path := filepath.Join(f.path, "apps.yaml")
	for n := range 5 {
		marker := expect.NewHost(fmt.Sprintf("saved-%d", n))
		text := app("edited", host, address) + app("saved", marker, address)
		must(t, os.Rename(path, path+"~"), os.WriteFile(path, []byte(text), 0o644))
		servedWithin(t, expect.Live, marker, "editor-a")
		if err := blastdoor.Expect(blastdoor.InternalHTTP, stray, "/", 404, "")(); err != nil {
			t.Errorf("an editor's file is served: %v", err)
		}
	}
	traffic.MustBeClean("saved by vim")
}

// A file that does not parse harms only itself, and is named.
func TestManifestsBrokenFile(t *testing.T) {
	f := newFolder(t)
	address := localPod(t, "broken-a")
	host := expect.NewHost("whole")
	f.write("whole.yaml", app("whole", host, address))
	f.write("broken.yaml", "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: [\n")
	f.start(blastdoor.Options{})
	servedWithin(t, expect.Live, host, "broken-a")
	poll.Eventually(t, expect.Live, "a finding names the file", func() error {
		findings, err := blastdoor.Admin("findings")
		if err == nil && !strings.Contains(findings, "broken.yaml") {
			err = fmt.Errorf("it does not: %s", findings)
		}
		return err
	})
}

// Endpoints on loopback need --allow-loopback.
func TestManifestsLoopbackIsRefused(t *testing.T) {
	f := newFolder(t)
	host := expect.NewHost("loopback")
	f.write("apps.yaml", app("web", host, localPod(t, "loopback-a")))
	blastdoor.Start(t, blastdoor.Options{Manifests: []string{f.path}})
	poll.Eventually(t, expect.Live, "refused", blastdoor.Expect(blastdoor.InternalHTTP, host, "/", 503, ""))
}
