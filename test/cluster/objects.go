package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"blastdoor.io/test/echo"
	"blastdoor.io/test/netns"
	"blastdoor.io/test/process"

	authentication "k8s.io/api/authentication/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

const (
	requestTimeout = 20 * time.Second
	fieldManager   = "blastdoor-test"
)

// connect makes the admin's clients; nothing is sent yet.
func (c *Cluster) connect() error {
	c.Config = c.configFor(adminToken)
	client, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		return err
	}
	c.Client = client
	if c.Dynamic, err = dynamic.NewForConfig(c.Config); err != nil {
		return err
	}
	c.mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery()))
	return nil
}

func (c *Cluster) configFor(token string) *rest.Config {
	return &rest.Config{
		Host: "https://" + apiAddress, BearerToken: token,
		TLSClientConfig: rest.TLSClientConfig{CAData: c.ca},
		QPS:             -1, // tests measure the controller, not client-go's own brake
	}
}

// ClientFor returns a client that acts with the given token.
func (c *Cluster) ClientFor(t testing.TB, token string) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(c.configFor(token))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// Apply does what `kubectl apply --server-side` does with a text of one or more YAML documents.
func (c *Cluster) Apply(t testing.TB, text string) {
	t.Helper()
	c.each(t, text, func(ctx context.Context, resource dynamic.ResourceInterface, object *unstructured.Unstructured) error {
		data, err := json.Marshal(object)
		if err != nil {
			return err
		}
		force := true
		_, err = resource.Patch(ctx, object.GetName(), types.ApplyPatchType, data,
			metav1.PatchOptions{FieldManager: fieldManager, Force: &force})
		return err
	})
}

// Delete deletes the objects that a text names.
func (c *Cluster) Delete(t testing.TB, text string) {
	t.Helper()
	c.each(t, text, func(ctx context.Context, resource dynamic.ResourceInterface, object *unstructured.Unstructured) error {
		return resource.Delete(ctx, object.GetName(), metav1.DeleteOptions{})
	})
}

// Patch applies a JSON merge patch to one object that the text names.
func (c *Cluster) Patch(t testing.TB, text, patch string) {
	t.Helper()
	c.each(t, text, func(ctx context.Context, resource dynamic.ResourceInterface, object *unstructured.Unstructured) error {
		_, err := resource.Patch(ctx, object.GetName(), types.MergePatchType, []byte(patch),
			metav1.PatchOptions{FieldManager: fieldManager})
		return err
	})
}

type action func(context.Context, dynamic.ResourceInterface, *unstructured.Unstructured) error

func (c *Cluster) each(t testing.TB, text string, do action) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("decode: %v\n%s", err, text)
		}
		if len(object.Object) == 0 {
			continue // a document of comments only
		}
		resource, err := c.resource(object)
		if err == nil {
			err = do(ctx, resource, object)
		}
		if err != nil {
			t.Fatalf("%s %s/%s: %v", object.GetKind(), object.GetNamespace(), object.GetName(), err)
		}
	}
}

// resource finds the API path of an object by asking the API server what it serves.
func (c *Cluster) resource(object *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	kind := object.GroupVersionKind()
	mapping, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, err
	}
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		return c.Dynamic.Resource(mapping.Resource).Namespace(object.GetNamespace()), nil
	}
	return c.Dynamic.Resource(mapping.Resource), nil
}

// Namespace makes a namespace with a name of its own, which ends with the test.
func (c *Cluster) Namespace(t testing.TB) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	made, err := c.Client.CoreV1().Namespaces().Create(ctx,
		&core.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("create a namespace: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
		defer cancel()
		_ = c.Client.CoreV1().Namespaces().Delete(ctx, made.Name, metav1.DeleteOptions{})
	})
	return made.Name
}

// ServiceAccount applies the manifests that we ship (deploy/rbac.yaml) and returns a real token of
// the ServiceAccount that they bind.
func (c *Cluster) ServiceAccount(t testing.TB, rbac string) (token string) {
	t.Helper()
	text, err := os.ReadFile(rbac)
	if err != nil {
		t.Fatal(err)
	}
	c.Apply(t, string(text))
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	hour := int64(3600)
	answer, err := c.Client.CoreV1().ServiceAccounts("blastdoor").CreateToken(ctx, "blastdoor",
		&authentication.TokenRequest{Spec: authentication.TokenRequestSpec{ExpirationSeconds: &hour}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("token for the ServiceAccount: %v", err)
	}
	return answer.Status.Token
}

// ServiceAccountKubeconfig writes a kubeconfig with such a token and returns its path.
func (c *Cluster) ServiceAccountKubeconfig(t testing.TB, rbac string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := c.writeKubeconfig(path, c.ServiceAccount(t, rbac)); err != nil {
		t.Fatal(err)
	}
	return path
}

// MountServiceAccount puts such a token and the CA where a pod finds them, and returns the
// environment that a pod has. Called again, it replaces the token, as the kubelet does.
func (c *Cluster) MountServiceAccount(t testing.TB, rbac string) (env []string) {
	t.Helper()
	const dir = "/run/secrets/kubernetes.io/serviceaccount" // in this test's own /run
	files := map[string][]byte{"token": []byte(c.ServiceAccount(t, rbac)), "ca.crt": c.ca, "namespace": []byte("blastdoor")}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path+".new", data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	host, port, _ := strings.Cut(apiAddress, ":")
	return []string{"KUBERNETES_SERVICE_HOST=" + host, "KUBERNETES_SERVICE_PORT=" + port}
}

// Pod is an echo server in a network namespace of its own.
type Pod struct {
	*process.Process
	Name, IP string
}

// NewPod starts a pod at an address of 10.244.0.0/16 and waits until it answers on echo.Port. It
// ends with the test.
func (c *Cluster) NewPod(t testing.TB, name, ip string) *Pod {
	t.Helper()
	pod := &Pod{Name: name, IP: ip, Process: &process.Process{
		Name: name, Log: filepath.Join(t.TempDir(), name+".log"), Argv: []string{"/proc/self/exe"},
		Env: []string{echo.Environment(name, fmt.Sprintf("0.0.0.0:%d", echo.Port))},
	}}
	if err := pod.StartWith(func(cmd *exec.Cmd) error { return netns.Start(cmd, ip) }); err != nil {
		t.Fatalf("pod %s: %v", name, err)
	}
	t.Cleanup(func() { pod.Signal(syscall.SIGKILL); pod.Wait(t, 5*time.Second) })
	echo.AwaitListener(t, fmt.Sprintf("%s:%d", ip, echo.Port))
	return pod
}
