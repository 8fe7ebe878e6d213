package cluster

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"testing"
	"time"

	"blastdoor.io/test/echo"
	"blastdoor.io/test/netns"
	"blastdoor.io/test/poll"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestMain(m *testing.M) {
	echo.MainIfAsked()
	netns.Main(m)
}

// The harness itself: objects can be applied, pods answer, tokens work, and the state outlives a
// killed API server.
func TestControlPlane(t *testing.T) {
	c := Start(t)
	version, err := c.Client.Discovery().ServerVersion()
	if err != nil || version.Major != "1" || version.Minor != "36" {
		t.Fatalf("version %v, %v", version, err)
	}
	namespace := c.Namespace(t)
	config := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kept, namespace: " + namespace + "}\n"
	c.Apply(t, config)

	pod := c.NewPod(t, "pod-a", "10.244.1.1")
	answer, err := http.Get(fmt.Sprintf("http://%s:%d/", pod.IP, echo.Port))
	if err != nil || answer.Header.Get("X-Pod") != "pod-a" {
		t.Fatalf("pod answers %v, %v", answer, err)
	}
	_ = answer.Body.Close()

	c.KillAPIServer(t)
	began := time.Now()
	c.StartAPIServer(t)
	t.Logf("API server back in %v", time.Since(began).Round(time.Millisecond))
	if _, err := c.Client.CoreV1().ConfigMaps(namespace).Get(context.Background(), "kept", metav1.GetOptions{}); err != nil {
		t.Fatalf("after the restart: %v", err)
	}
	c.Delete(t, config)
}

// The namespace controller runs: a deleted namespace goes away, with what is in it.
func TestControllersRun(t *testing.T) {
	c := Start(t)
	ctx := context.Background()
	name := c.Namespace(t)
	c.Apply(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: gone, namespace: "+name+"}\n")
	if err := c.Client.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	poll.Eventually(t, 30*time.Second, "namespace deleted", func() error {
		if _, err := c.Client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{}); err == nil {
			return fmt.Errorf("%s is still there", name)
		}
		return nil
	})
}

// Nothing in here can reach the world, so no test can depend on it.
func TestNoWayOut(t *testing.T) {
	netns.Require(t)
	routes, err := os.ReadFile("/proc/net/route")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(routes)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[1] == "00000000" {
			t.Errorf("a default route by %s", fields[0])
		}
	}
}

// Not a test: keeps a control plane up for people, until Ctrl-C.
func TestHold(t *testing.T) {
	if !netns.Held() {
		t.Skip("only with BLASTDOOR_TEST_HOLD=1")
	}
	c := Start(t)
	token := c.ServiceAccountKubeconfig(t, "../../deploy/rbac.yaml")
	t.Logf("in there:\n\tcd %s\n\tkubectl() { %s/k8s kubectl --kubeconfig %s \"$@\"; }\n\tblastdoor run --kubeconfig %s",
		c.dir, c.binaries, c.AdminKubeconfig(), token)
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	<-interrupted
}
