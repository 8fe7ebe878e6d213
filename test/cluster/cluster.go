// Package cluster runs a real Kubernetes control plane for tests, with no container engine: etcd,
// kube-apiserver with RBAC, kube-controller-manager. Pods are echo servers in network namespaces of
// their own. All of it lives in the test's namespaces (package netns).
package cluster

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"blastdoor.io/test/netns"
	"blastdoor.io/test/poll"
	"blastdoor.io/test/process"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

const (
	// BinariesVariable names the directory that tools/k8s/build.sh prints.
	BinariesVariable = "BLASTDOOR_K8S_BIN"
	apiAddress       = netns.NodeIP + ":6443"
	adminToken       = "test-admin"
	startTimeout     = 90 * time.Second // the usual is a tenth; a crowded machine is no failure
)

// Cluster is a running control plane.
type Cluster struct {
	Client  kubernetes.Interface
	Dynamic dynamic.Interface
	Config  *rest.Config

	mapper    *restmapper.DeferredDiscoveryRESTMapper
	binaries  string
	dir       string
	ca        []byte
	etcd      *process.Process
	apiserver *process.Process
	kcm       *process.Process
}

var shared struct {
	once    sync.Once
	cluster *Cluster
	err     error
}

// Start returns the cluster of this test binary, and starts it for the first that asks; the end of
// the binary's namespaces is its end. It skips the test where there can be no cluster.
func Start(t testing.TB) *Cluster {
	t.Helper()
	netns.Require(t)
	binaries := os.Getenv(BinariesVariable)
	if binaries == "" {
		t.Skipf("SKIPPED LOUDLY: needs a real API server: %s is not set (tools/k8s/build.sh prints what it should be)", BinariesVariable)
	}
	shared.once.Do(func() {
		began := time.Now()
		if shared.cluster, shared.err = start(binaries); shared.err == nil {
			t.Logf("control plane up in %v", time.Since(began).Round(time.Millisecond))
		}
	})
	if shared.err != nil {
		t.Fatalf("start the cluster: %v", shared.err)
	}
	if !shared.cluster.apiserver.Alive() { // an earlier test may have failed while it was down
		shared.cluster.StartAPIServer(t)
	}
	return shared.cluster
}

func start(binaries string) (*Cluster, error) {
	dir, err := os.MkdirTemp("", "cluster-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{binaries: binaries, dir: dir}
	if err := c.writeFiles(); err != nil {
		return nil, err
	}
	if err := c.connect(); err != nil {
		return nil, err
	}
	if err := c.startEtcd(); err != nil {
		return nil, err
	}
	if err := c.startAPIServer(); err != nil {
		return nil, err
	}
	return c, c.startControllerManager()
}

func (c *Cluster) file(name string) string { return filepath.Join(c.dir, name) }

func (c *Cluster) writeFiles() error {
	if err := writePKI(c.dir); err != nil {
		return err
	}
	ca, err := os.ReadFile(c.file("ca.crt"))
	if err != nil {
		return err
	}
	c.ca = ca
	if err := os.WriteFile(c.file("tokens.csv"), []byte(adminToken+`,admin,1,"system:masters"`+"\n"), 0o600); err != nil {
		return err
	}
	return c.writeKubeconfig(c.file("admin.conf"), adminToken)
}

// AdminKubeconfig is the path of a kubeconfig that may do everything.
func (c *Cluster) AdminKubeconfig() string { return c.file("admin.conf") }

func (c *Cluster) writeKubeconfig(path, token string) error {
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: test
clusters:
- name: test
  cluster:
    server: https://%s
    certificate-authority-data: %s
users:
- name: user
  user:
    token: %s
contexts:
- name: test
  context: {cluster: test, user: user}
`, apiAddress, base64.StdEncoding.EncodeToString(c.ca), token)
	return os.WriteFile(path, []byte(text), 0o600)
}

func (c *Cluster) startEtcd() error {
	c.etcd = &process.Process{Name: "etcd", Log: c.file("etcd.log"), Argv: []string{
		filepath.Join(c.binaries, "etcd"), "--name=test", "--data-dir=" + c.file("etcd"),
		"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
		"--listen-peer-urls=http://127.0.0.1:2380", "--initial-advertise-peer-urls=http://127.0.0.1:2380",
		"--initial-cluster=test=http://127.0.0.1:2380", "--log-level=warn",
		"--unsafe-no-fsync", // nobody needs this data after a power cut
	}}
	return c.etcd.Start()
}

func (c *Cluster) startAPIServer() error {
	c.apiserver = &process.Process{Name: "apiserver", Log: c.file("apiserver.log"), Argv: []string{
		filepath.Join(c.binaries, "k8s"), "apiserver", "--etcd-servers=http://127.0.0.1:2379",
		"--bind-address=" + netns.NodeIP, "--secure-port=6443", "--advertise-address=" + netns.NodeIP,
		"--endpoint-reconciler-type=none", "--authorization-mode=RBAC", "--token-auth-file=" + c.file("tokens.csv"),
		"--tls-cert-file=" + c.file("api.crt"), "--tls-private-key-file=" + c.file("api.key"),
		"--client-ca-file=" + c.file("ca.crt"), "--service-cluster-ip-range=10.96.0.0/16",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.file("sa.pub"), "--service-account-signing-key-file=" + c.file("sa.key"),
		"--disable-admission-plugins=ServiceAccount", // pods here mount no tokens
		"--allow-privileged=true", "--kubelet-preferred-address-types=InternalIP",
		"--shutdown-delay-duration=0s", "--max-requests-inflight=0", "--max-mutating-requests-inflight=0",
		"--enable-priority-and-fairness=false", // tests flood it on purpose
	}}
	if err := c.apiserver.Start(); err != nil {
		return err
	}
	return c.awaitAPIServer()
}

func (c *Cluster) awaitAPIServer() error {
	_, err := poll.Until(startTimeout, func() error {
		if !c.apiserver.Alive() {
			return poll.Hopeless("the API server has ended: " + c.apiserver.End())
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		var status int
		c.Client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).StatusCode(&status)
		if status != http.StatusOK {
			return fmt.Errorf("/readyz says %d", status)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, c.apiserver.Tail(30))
	}
	return nil
}

func (c *Cluster) startControllerManager() error {
	c.kcm = &process.Process{Name: "kcm", Log: c.file("kcm.log"), Argv: []string{
		filepath.Join(c.binaries, "k8s"), "kcm", "--kubeconfig=" + c.file("admin.conf"), "--leader-elect=false",
		"--bind-address=127.0.0.1", "--service-account-private-key-file=" + c.file("sa.key"),
		"--root-ca-file=" + c.file("ca.crt"), "--controllers=deployment-controller,replicaset-controller," +
			"endpointslice-controller,endpoints-controller,endpointslice-mirroring-controller," +
			"namespace-controller,serviceaccount-controller,garbage-collector-controller",
	}}
	return c.kcm.Start()
}

// Kubectl runs the real kubectl as admin, with text on its standard input, and returns its output.
func (c *Cluster) Kubectl(t testing.TB, text string, arguments ...string) string {
	t.Helper()
	cmd := exec.Command(filepath.Join(c.binaries, "k8s"), append([]string{"kubectl", "--kubeconfig", c.AdminKubeconfig()}, arguments...)...)
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %v: %v\n%s", arguments, err, out)
	}
	return string(out)
}

// KillAPIServer ends the API server as a crash would; etcd keeps the state.
func (c *Cluster) KillAPIServer(t testing.TB) {
	t.Helper()
	c.apiserver.Signal(syscall.SIGKILL)
	c.apiserver.Wait(t, 10*time.Second)
}

// StartAPIServer starts it again after KillAPIServer, and waits until it is ready.
func (c *Cluster) StartAPIServer(t testing.TB) {
	t.Helper()
	if err := c.startAPIServer(); err != nil {
		t.Fatalf("start the API server again: %v", err)
	}
	if c.kcm.Alive() {
		return
	}
	if err := c.startControllerManager(); err != nil {
		t.Fatalf("start the controller manager again: %v", err)
	}
}
