package kube

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/cluster"
	"blastdoor.io/test/echo"
	"blastdoor.io/test/expect"
	"blastdoor.io/test/manifest"

	authorization "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// What we ship asks for these rights and no others; in particular no Secrets and no wildcards.
func TestRBACFileIsMinimal(t *testing.T) {
	text, err := os.ReadFile(rbac)
	if err != nil {
		t.Fatal(err)
	}
	read := []string{"get", "list", "watch"}
	allowed := map[string][]string{
		"networking.k8s.io/ingresses": read, "networking.k8s.io/ingressclasses": read,
		"/services": read, "/namespaces": read, "discovery.k8s.io/endpointslices": read,
	}
	roles := 0
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		var role rbacv1.ClusterRole
		if err := yaml.Unmarshal([]byte(document), &role); err != nil {
			t.Fatal(err)
		}
		if role.Kind != "ClusterRole" && role.Kind != "Role" {
			continue
		}
		roles++
		for _, rule := range role.Rules {
			checkRule(t, rule, allowed)
		}
	}
	if roles != 1 {
		t.Errorf("%d roles in %s, not one", roles, rbac)
	}
}

func checkRule(t *testing.T, rule rbacv1.PolicyRule, allowed map[string][]string) {
	t.Helper()
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				if !slices.Contains(allowed[group+"/"+resource], verb) {
					t.Errorf("it grants %s on %s/%s", verb, group, resource)
				}
			}
		}
	}
	if len(rule.NonResourceURLs) > 0 {
		t.Errorf("it grants URLs: %v", rule.NonResourceURLs)
	}
}

// The API server agrees: the ServiceAccount's own token may read routes and may not touch Secrets.
func TestRBACTokenMayNotReadSecrets(t *testing.T) {
	c := cluster.Start(t)
	client := c.ClientFor(t, c.ServiceAccount(t, rbac))
	may := func(verb, group, resource, namespace string) bool {
		t.Helper()
		review, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(context.Background(),
			&authorization.SelfSubjectAccessReview{Spec: authorization.SelfSubjectAccessReviewSpec{
				ResourceAttributes: &authorization.ResourceAttributes{Namespace: namespace, Verb: verb, Group: group, Resource: resource},
			}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return review.Status.Allowed
	}
	for _, namespace := range []string{"", "default", "kube-system", "blastdoor"} {
		for _, verb := range []string{"get", "list", "watch", "create", "update", "patch", "delete"} {
			for _, resource := range []string{"secrets", "configmaps", "pods", "serviceaccounts"} {
				if may(verb, "", resource, namespace) {
					t.Errorf("may %s %s in %q", verb, resource, namespace)
				}
			}
		}
	}
	for _, verb := range []string{"get", "list", "watch"} {
		if !may(verb, "networking.k8s.io", "ingresses", "") || !may(verb, "discovery.k8s.io", "endpointslices", "") {
			t.Errorf("may not %s what it needs", verb)
		}
	}
	if may("update", "networking.k8s.io", "ingresses", "default") {
		t.Error("may change Ingresses")
	}
	if _, err := client.CoreV1().Secrets("default").List(context.Background(), metav1.ListOptions{}); err == nil {
		t.Error("it lists Secrets")
	}
}

// And Blastdoor serves with exactly that token.
func TestRBACIsEnough(t *testing.T) {
	c := cluster.Start(t)
	namespace := c.Namespace(t)
	pod := c.NewPod(t, "rbac-a", "10.244.3.1")
	b := startInCluster(t, c)
	ingress := manifest.Ingress{Namespace: namespace, Name: "web", Expose: "external-httpsecure", Service: "web", Host: expect.NewHost("rbac")}
	c.Apply(t, manifest.App(namespace, "web", echo.Port, pod.IP)+ingress.YAML())
	expect.ServedOnlyOn(t, expect.Live, blastdoor.ExternalHTTPS, ingress.Host, "rbac-a")
	if output := strings.ToLower(b.Output()); strings.Contains(output, "forbidden") {
		t.Errorf("something was forbidden:\n%s", b.Tail(30))
	}
}
