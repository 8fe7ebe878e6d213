// Package protocols has clients and servers of others speak through a door: each protocol and each
// change between two, floods and breaks. No program here is ours but the one under test.
package protocols

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/echo"
	"blastdoor.io/test/expect"
	"blastdoor.io/test/manifest"
	"blastdoor.io/test/netns"
	"blastdoor.io/test/peers"
	"blastdoor.io/test/poll"
)

func TestMain(m *testing.M) {
	echo.MainIfAsked()
	netns.Main(m)
}

// The listeners of the door; all tests use its exposure internal-http.
const (
	exposure    = "internal-http"
	plainPort   = blastdoor.InternalHTTP
	tlsPort     = 10443
	proxiedPort = 10080
	// proxyPeer is the address whose connections to proxiedPort begin with a PROXY header.
	proxyPeer = "127.0.0.9"
)

// config has further keys for every listener, such as "limits: {connectionsMax: 100}".
func config(keys ...string) string { return configWithTLS("self-signed", keys...) }

func configWithTLS(tls string, further ...string) string {
	listener := func(keys ...string) string {
		return "  - {" + strings.Join(append(keys, further...), ", ") + "}\n"
	}
	return "exposures:\n- name: " + exposure + "\n  listeners:\n" +
		listener("name: plain", fmt.Sprint("port: ", plainPort)) +
		listener("name: tls", fmt.Sprint("port: ", tlsPort), "publicScheme: https", "tls: "+tls) +
		listener("name: proxied", fmt.Sprint("port: ", proxiedPort), "proxyProtocolFrom: ["+proxyPeer+"/32]")
}

// port is the listener for clients of a speech: a plain one and one with TLS take both protocols.
func port(speech peers.Speech) int {
	if speech.TLS {
		return tlsPort
	}
	return plainPort
}

// world is a folder of manifests with a door on it.
type world struct {
	*blastdoor.Blastdoor
	t       *testing.T
	folder  string
	options blastdoor.Options
	apps    int
}

// app is a host, and the upstream at address that answers for it.
type app struct {
	Host    string
	Address string // "127.0.2.1:8080"
	Speech  peers.Speech
	// Annotations of the Service, beside those that Speech asks for.
	Annotations map[string]string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{t: t, folder: t.TempDir(), options: blastdoor.Options{Config: config()}}
}

// add writes an app's manifests.
func (w *world) add(a app) {
	w.t.Helper()
	w.apps++
	name := fmt.Sprintf("app-%d", w.apps)
	address, digits, _ := strings.Cut(a.Address, ":")
	annotations := map[string]string{}
	if a.Speech.HTTP2 {
		annotations["blastdoor.io/upstream-protocol"] = "h2"
	}
	if a.Speech.TLS {
		annotations["blastdoor.io/upstream-tls"] = "require"
	}
	for key, value := range a.Annotations {
		annotations[key] = value
	}
	service := manifest.Service("shop", name)
	if len(annotations) > 0 {
		lines := "  annotations:\n"
		for key, value := range annotations {
			lines += fmt.Sprintf("    %s: %q\n", key, value)
		}
		service = strings.Replace(service, "spec:\n", lines+"spec:\n", 1)
		service = strings.Replace(service, "metadata: {name: "+name+", namespace: shop}\n",
			"metadata:\n  name: "+name+"\n  namespace: shop\n", 1)
	}
	slice := manifest.EndpointSlice("shop", name, 0, address)
	slice = strings.Replace(slice, "port: 0,", "port: "+digits+",", 1)
	ingress := manifest.Ingress{Namespace: "shop", Name: name, Expose: exposure, Service: name, Host: a.Host}
	w.write(name+".yaml", service+slice+ingress.YAML())
}

// write replaces a file of the folder in one step.
func (w *world) write(name, text string) {
	w.t.Helper()
	temporary := filepath.Join(w.folder, "."+name+".new")
	if err := os.WriteFile(temporary, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(temporary, filepath.Join(w.folder, name)); err != nil {
		w.t.Fatal(err)
	}
}

// start starts the door.
func (w *world) start() {
	w.t.Helper()
	w.options.Exposures = []string{exposure}
	w.options.Manifests = []string{w.folder}
	w.options.AllowLoopback = true
	w.Blastdoor = blastdoor.Start(w.t, w.options)
}

// serving starts the door on one plain HTTP/1.1 upstream, a GoServer, and returns its host.
func serving(t *testing.T) (*world, *peers.GoServer, string) {
	t.Helper()
	w := newWorld(t)
	server := peers.StartGoServer(t, peers.Speech{}, "go", newAddress(), peers.Issued{})
	host := expect.NewHost("plain")
	w.add(app{Host: host, Address: server.Address})
	w.start()
	w.awaitServed(host)
	return w, server, host
}

// awaitServed waits until the door knows a host.
func (w *world) awaitServed(host string) {
	w.t.Helper()
	poll.Eventually(w.t, expect.Soon, host+" is served", blastdoor.Expect(plainPort, host, "/", 200, ""))
}

var addresses atomic.Int64

// newAddress is a loopback address with a port that no other test uses.
func newAddress() string {
	n := addresses.Add(1)
	return fmt.Sprintf("127.0.%d.%d:18080", 2+n/250, 1+n%250)
}

// Bounds on how long something may take to be noticed on the other side.
const (
	aborted  = 2 * time.Second // an abort of one side, by the other
	punished = time.Second     // abuse, by a close
)

// floodTime is how long floods last: 5 seconds, or what BLASTDOOR_FLOOD says.
func floodTime(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("BLASTDOOR_FLOOD")
	if text == "" {
		return 5 * time.Second
	}
	duration, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("BLASTDOOR_FLOOD: %v", err)
	}
	return duration
}
