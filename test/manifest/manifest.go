// Package manifest writes the Kubernetes objects of the tests as YAML, the same for a folder of
// files and for an API server.
package manifest

import (
	"fmt"
	"slices"
	"strings"
)

// Labels and annotations that Blastdoor gives a meaning.
const (
	ExposeLabel        = "expose"
	RedirectAnnotation = "blastdoor.io/redirect"
)

// Ingress is one with a single host, path and backend. The zero values of Path, PathType and Port
// are "/", "Prefix" and 80.
type Ingress struct {
	Namespace, Name  string
	Expose           string // the label; empty: none
	Class            string
	Annotations      map[string]string
	Host             string
	Path, PathType   string
	Service          string
	Port             int
	CreatedTimestamp string // for files; an API server sets its own
}

// YAML is one document, with its separator.
func (i Ingress) YAML() string {
	var b strings.Builder
	fmt.Fprintf(&b, "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: %s\n  namespace: %s\n", i.Name, i.Namespace)
	if i.CreatedTimestamp != "" {
		fmt.Fprintf(&b, "  creationTimestamp: %q\n", i.CreatedTimestamp)
	}
	if i.Expose != "" {
		fmt.Fprintf(&b, "  labels: {%s: %q}\n", ExposeLabel, i.Expose)
	}
	if len(i.Annotations) > 0 {
		b.WriteString("  annotations:\n")
		for _, key := range sortedKeys(i.Annotations) {
			fmt.Fprintf(&b, "    %s: %q\n", key, i.Annotations[key])
		}
	}
	b.WriteString("spec:\n")
	if i.Class != "" {
		fmt.Fprintf(&b, "  ingressClassName: %s\n", i.Class)
	}
	b.WriteString("  rules:\n  - http:\n      paths:\n")
	fmt.Fprintf(&b, "      - path: %s\n        pathType: %s\n", or(i.Path, "/"), or(i.PathType, "Prefix"))
	fmt.Fprintf(&b, "        backend: {service: {name: %s, port: {number: %d}}}\n", i.Service, port(i.Port))
	if i.Host != "" {
		fmt.Fprintf(&b, "    host: %q\n", i.Host)
	}
	return b.String()
}

func port(number int) int {
	if number == 0 {
		return 80
	}
	return number
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Namespace is a Namespace.
func Namespace(name string) string {
	return fmt.Sprintf("---\napiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n", name)
}

// Service is a Service without a selector, port 80 named "http": its endpoints are ours to set.
func Service(namespace, name string) string {
	return fmt.Sprintf(`---
apiVersion: v1
kind: Service
metadata: {name: %s, namespace: %s}
spec:
  ports: [{name: http, port: 80, protocol: TCP}]
`, name, namespace)
}

// EndpointSlice gives the Service of that name ready endpoints at these addresses, all on one port.
func EndpointSlice(namespace, service string, port int, addresses ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: %s-1
  namespace: %s
  labels: {kubernetes.io/service-name: %s}
addressType: IPv4
ports: [{name: http, port: %d, protocol: TCP}]
`, service, namespace, service, port)
	if len(addresses) == 0 {
		b.WriteString("endpoints: []\n")
		return b.String()
	}
	b.WriteString("endpoints:\n")
	for _, address := range addresses {
		fmt.Fprintf(&b, "- addresses: [%s]\n  conditions: {ready: true}\n", address)
	}
	return b.String()
}

// App is a Service with its endpoints.
func App(namespace, name string, port int, addresses ...string) string {
	return Service(namespace, name) + EndpointSlice(namespace, name, port, addresses...)
}
