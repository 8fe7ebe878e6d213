package kube

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
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

// reconnect is the limit of a first change after the API server was away: there is a back-off.
const reconnect = 40 * time.Second

// Served on the labelled exposure within a second, and on no other; relabelled, renamed and deleted
// likewise.
func TestKubeLifeOfAnIngress(t *testing.T) {
	c := cluster.Start(t)
	namespace := c.Namespace(t)
	pod := c.NewPod(t, "life-a", "10.244.2.1")
	startInCluster(t, c)
	c.Apply(t, manifest.App(namespace, "web", echo.Port, pod.IP))

	ingress := manifest.Ingress{Namespace: namespace, Name: "web", Service: "web", Host: expect.NewHost("life")}
	for port, exposure := range blastdoor.Exposures { // first time: created; then: relabelled
		ingress.Expose = exposure
		c.Apply(t, ingress.YAML())
		expect.ServedOnlyOn(t, expect.Live, port, ingress.Host, "life-a")
	}

	ingress.Expose = "internal-httpsecure"
	c.Apply(t, ingress.YAML())
	expect.ServedOnlyOn(t, expect.Live, blastdoor.InternalHTTPS, ingress.Host, "life-a")
	old := ingress.Host
	ingress.Host = expect.NewHost("renamed")
	c.Apply(t, ingress.YAML())
	expect.ServedOnlyOn(t, expect.Live, blastdoor.InternalHTTPS, ingress.Host, "life-a")
	expect.ServedOnlyOn(t, expect.Live, 0, old, "")

	c.Delete(t, ingress.YAML())
	expect.ServedOnlyOn(t, expect.Live, 0, ingress.Host, "")
}

// The same with the real kubectl, as people do it.
func TestKubectlApply(t *testing.T) {
	c := cluster.Start(t)
	namespace := c.Namespace(t)
	pod := c.NewPod(t, "kubectl-a", "10.244.2.5")
	startInCluster(t, c)
	ingress := manifest.Ingress{Namespace: namespace, Name: "web", Expose: "internal-httpsecure", Service: "web", Host: expect.NewHost("kubectl")}
	c.Kubectl(t, manifest.App(namespace, "web", echo.Port, pod.IP)+ingress.YAML(), "apply", "-f", "-")
	expect.ServedOnlyOn(t, expect.Live, blastdoor.InternalHTTPS, ingress.Host, pod.Name)
	c.Kubectl(t, "", "label", "--overwrite", "-n", namespace, "ingress/web", "expose=external-httpsecure")
	expect.ServedOnlyOn(t, expect.Live, blastdoor.ExternalHTTPS, ingress.Host, pod.Name)
	c.Kubectl(t, "", "delete", "-n", namespace, "ingress/web")
	expect.ServedOnlyOn(t, expect.Live, 0, ingress.Host, "")
}

// Endpoints come and go without the route's doing; none is 503, never a broader route.
func TestKubeEndpoints(t *testing.T) {
	c := cluster.Start(t)
	namespace := c.Namespace(t)
	first, second := c.NewPod(t, "ends-a", "10.244.2.11"), c.NewPod(t, "ends-b", "10.244.2.12")
	startInCluster(t, c)
	host := expect.NewHost("ends")
	broad := manifest.Ingress{Namespace: namespace, Name: "broad", Expose: "internal-http", Service: "broad", Host: host}
	narrow := manifest.Ingress{Namespace: namespace, Name: "narrow", Expose: "internal-http", Service: "narrow", Host: host, Path: "/narrow"}
	c.Apply(t, manifest.App(namespace, "broad", echo.Port, first.IP)+broad.YAML())
	c.Apply(t, manifest.App(namespace, "narrow", echo.Port, first.IP)+narrow.YAML())
	expect := func(what string, status int, pod string) {
		t.Helper()
		took := poll.Eventually(t, expect.Live, what, blastdoor.Expect(blastdoor.InternalHTTP, host, "/narrow/x", status, pod))
		t.Logf("%s after %v", what, took.Round(time.Millisecond))
	}
	expect("created", 200, "ends-a")
	c.Apply(t, manifest.EndpointSlice(namespace, "narrow", echo.Port, second.IP))
	expect("moved to the other pod", 200, "ends-b")
	c.Apply(t, manifest.EndpointSlice(namespace, "narrow", echo.Port))
	expect("no endpoints", 503, "")
	c.Apply(t, manifest.EndpointSlice(namespace, "narrow", echo.Port, first.IP, second.IP))
	expect("one of two", 200, "ends-a")
	expect("the other of two", 200, "ends-b")
	c.Delete(t, manifest.Service(namespace, "narrow"))
	expect("Service deleted", 503, "")
	if err := blastdoor.Expect(blastdoor.InternalHTTP, host, "/", 200, "ends-a")(); err != nil {
		t.Errorf("the broader route: %v", err)
	}
}

// Named ports resolve through the Service to the EndpointSlice's port.
func TestKubeNamedPort(t *testing.T) {
	c := cluster.Start(t)
	namespace := c.Namespace(t)
	pod := c.NewPod(t, "named-a", "10.244.2.21")
	startInCluster(t, c)
	host := expect.NewHost("named")
	c.Apply(t, manifest.App(namespace, "web", echo.Port, pod.IP)+fmt.Sprintf(`---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: %s, labels: {expose: external-http}}
spec:
  rules:
  - host: %s
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}]}
`, namespace, host))
	expect.ServedOnlyOn(t, expect.Live, blastdoor.ExternalHTTP, host, "named-a")
}

// The API server dies: traffic goes on, also when the controller dies too and comes back to nothing
// but its disk. The API server returns: changes flow again.
func TestKubeAPIServerDies(t *testing.T) {
	c := cluster.Start(t)
	namespace := c.Namespace(t)
	pod := c.NewPod(t, "dies-a", "10.244.2.31")
	b := startInCluster(t, c)
	ingress := manifest.Ingress{Namespace: namespace, Name: "web", Expose: "internal-http", Service: "web", Host: expect.NewHost("dies")}
	c.Apply(t, manifest.App(namespace, "web", echo.Port, pod.IP)+ingress.YAML())
	expect.ServedOnlyOn(t, expect.Live, blastdoor.InternalHTTP, ingress.Host, "dies-a")
	traffic := load.Start(t, load.Options{Port: blastdoor.InternalHTTP, Next: load.Host(ingress.Host)})
	onDisk(t, b, ingress.Host)

	c.KillAPIServer(t)
	expect.Answers(t, traffic, 200)
	b.KillController()
	expect.Answers(t, traffic, 200)
	b.Controller() // it is back
	expect.Answers(t, traffic, 200)

	// A new door gets its table from what the supervisor keeps, or from the controller's disk.
	b.KillDoor("internal-httpsecure")
	poll.Eventually(t, expect.Soon, "the door is back", blastdoor.Expect(blastdoor.InternalHTTPS, ingress.Host, "/", 404, ""))
	poll.Eventually(t, expect.Soon, "ready with no API server", blastdoor.Readyz)

	c.StartAPIServer(t)
	ingress.Expose = "internal-httpsecure"
	traffic.MustBeClean("API server and controller killed")
	c.Apply(t, ingress.YAML())
	expect.ServedOnlyOn(t, reconnect, blastdoor.InternalHTTPS, ingress.Host, "dies-a")
	ingress.Expose = "internal-http"
	c.Apply(t, ingress.YAML())
	expect.ServedOnlyOn(t, expect.Live, blastdoor.InternalHTTP, ingress.Host, "dies-a")
}

// onDisk waits until the last good state on disk has a host. It is written once a second at most, so
// a host younger than that does not outlive the API server and the controller together.
func onDisk(t *testing.T, b *blastdoor.Blastdoor, host string) {
	t.Helper()
	took := poll.Eventually(t, 3*time.Second, host+" on disk", func() error {
		files, _ := filepath.Glob(filepath.Join(b.StateDir, "*"))
		for _, file := range files {
			if text, err := os.ReadFile(file); err == nil && bytes.Contains(text, []byte(host)) {
				return nil
			}
		}
		return fmt.Errorf("none of %v has it", files)
	})
	t.Logf("%s on disk after %v", host, took.Round(time.Millisecond))
}

// What happened while it could not look is caught up with, though no watch will ever tell: it has to
// list again, and to see what is missing.
func TestKubeCatchesUp(t *testing.T) {
	c := cluster.Start(t)
	namespace := c.Namespace(t)
	pod := c.NewPod(t, "catch-a", "10.244.2.61")
	b := startInCluster(t, c)
	deleted := manifest.Ingress{Namespace: namespace, Name: "deleted", Expose: "internal-http", Service: "web", Host: expect.NewHost("deleted")}
	c.Apply(t, manifest.App(namespace, "web", echo.Port, pod.IP)+deleted.YAML())
	expect.ServedOnlyOn(t, expect.Live, blastdoor.InternalHTTP, deleted.Host, "catch-a")

	controller := b.Controller()
	_ = syscall.Kill(controller, syscall.SIGSTOP)
	defer func() { _ = syscall.Kill(controller, syscall.SIGCONT) }()
	created := deleted
	created.Name, created.Host = "created", expect.NewHost("created")
	c.Delete(t, deleted.YAML())
	c.KillAPIServer(t)
	c.StartAPIServer(t)
	c.Apply(t, created.YAML())
	_ = syscall.Kill(controller, syscall.SIGCONT)
	expect.ServedOnlyOn(t, reconnect, blastdoor.InternalHTTP, created.Host, "catch-a")
	expect.ServedOnlyOn(t, expect.Live, 0, deleted.Host, "")
}

// The whole of Blastdoor restarts while the API server is down: it serves what its disk has.
func TestKubeRestartWithoutAPIServer(t *testing.T) {
	c := cluster.Start(t)
	namespace := c.Namespace(t)
	pod := c.NewPod(t, "disk-a", "10.244.2.41")
	options := blastdoor.Options{Kubeconfig: c.ServiceAccountKubeconfig(t, rbac), StateDir: t.TempDir()}
	b := blastdoor.Start(t, options)
	ingress := manifest.Ingress{Namespace: namespace, Name: "web", Expose: "external-http", Service: "web", Host: expect.NewHost("disk")}
	c.Apply(t, manifest.App(namespace, "web", echo.Port, pod.IP)+ingress.YAML())
	expect.ServedOnlyOn(t, expect.Live, blastdoor.ExternalHTTP, ingress.Host, "disk-a")
	onDisk(t, b, ingress.Host)

	c.KillAPIServer(t)
	t.Cleanup(func() { c.StartAPIServer(t) }) // before the namespace's own clean-up
	b.Kill()
	blastdoor.Start(t, options)
	expect.ServedOnlyOn(t, expect.Live, blastdoor.ExternalHTTP, ingress.Host, "disk-a")
}

// In a pod: the mounted token and the injected variables are all that it needs. The token is read
// again when it is replaced, and what Kubernetes injects for a Service named blastdoor is no
// configuration.
func TestKubeInClusterAndTokenRotation(t *testing.T) {
	c := cluster.Start(t)
	namespace := c.Namespace(t)
	pod := c.NewPod(t, "rotate-a", "10.244.2.51")
	env := append(c.MountServiceAccount(t, rbac),
		"BLASTDOOR_SERVICE_HOST=10.96.0.77", "BLASTDOOR_SERVICE_PORT=80", "BLASTDOOR_SERVICE_PORT_ADMIN=9900",
		"BLASTDOOR_PORT=tcp://10.96.0.77:80", "BLASTDOOR_PORT_80_TCP=tcp://10.96.0.77:80",
		"BLASTDOOR_PORT_80_TCP_PROTO=tcp", "BLASTDOOR_PORT_80_TCP_PORT=80", "BLASTDOOR_PORT_80_TCP_ADDR=10.96.0.77")
	blastdoor.Start(t, blastdoor.Options{Env: env})
	ingress := manifest.Ingress{Namespace: namespace, Name: "web", Expose: "internal-http", Service: "web", Host: expect.NewHost("rotate")}
	c.Apply(t, manifest.App(namespace, "web", echo.Port, pod.IP)+ingress.YAML())
	expect.ServedOnlyOn(t, expect.Live, blastdoor.InternalHTTP, ingress.Host, "rotate-a")

	// A ServiceAccount made anew: the old token is worth nothing. The API server restarts, since
	// it does not end a watch whose token died.
	c.Delete(t, "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: blastdoor, namespace: blastdoor}\n")
	c.KillAPIServer(t)
	c.StartAPIServer(t)
	c.MountServiceAccount(t, rbac)
	ingress.Expose = "external-http"
	c.Apply(t, ingress.YAML())
	expect.ServedOnlyOn(t, reconnect, blastdoor.ExternalHTTP, ingress.Host, "rotate-a")
}
