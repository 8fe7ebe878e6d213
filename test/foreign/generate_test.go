package foreign

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const (
	generatedFiles     = 80
	generatedIngresses = 500
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// generate fills a folder with Ingresses, mostly sound ones with the ornaments of other
// controllers, some of them damaged, between objects of other kinds.
func generate(t *testing.T, dir string, seed uint64, address string) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 7))
	files := make([]string, generatedFiles)
	for n := range generatedIngresses {
		file := r.IntN(len(files))
		files[file] += "---\n" + document(r, ingress(r, n))
		if r.IntN(3) == 0 {
			files[file] += "---\n" + pick(r, bystanders)
		}
	}
	for namespace := range 5 {
		files[namespace] += apps(namespace, address)
	}
	for n, text := range files {
		name := fmt.Sprintf("%03d-%s.yaml", n, pick(r, []string{"ingress", "all", "chart", "values", "test-data", "Ingress.v2"}))
		if n >= 5 { // the first few have the Services, and stay whole
			name, text = damage(r, name, text)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func apps(namespace int, address string) string {
	return fmt.Sprintf(`---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: team-%[1]d}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: team-%[1]d, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 18080}]
endpoints: [{addresses: [%[2]s]}]
`, namespace, address)
}

// document writes an object as block YAML, or as JSON, which is YAML too.
func document(r *rand.Rand, object map[string]any) string {
	text, err := yaml.Marshal(object)
	if err == nil && r.IntN(6) == 0 {
		text, err = yaml.YAMLToJSON(text)
		text = append(text, '\n')
	}
	if err != nil {
		panic(err) // of a map that this file made
	}
	return string(text)
}

func ingress(r *rand.Rand, n int) map[string]any {
	metadata := map[string]any{
		"name": fmt.Sprintf("%s-%d", pick(r, []string{"web", "api", "grafana", "oauth2-proxy", "echo", "whoami"}), n), "namespace": fmt.Sprintf("team-%d", r.IntN(5)),
	}
	if labels := labels(r); labels != nil {
		metadata["labels"] = labels
	}
	if annotations := ornaments(r); len(annotations) > 0 {
		metadata["annotations"] = annotations
	}
	spec := map[string]any{}
	if r.IntN(10) == 0 {
		spec["ingressClassName"] = pick(r, []string{"nginx", "traefik", "alb", "nginx-internal", "haproxy", "kong", ""})
	}
	if r.IntN(10) == 0 {
		spec["defaultBackend"] = backend(r)
	}
	if r.IntN(4) == 0 {
		spec["tls"] = []any{map[string]any{"hosts": []any{host(r, n)}, "secretName": "tls"}}
	}
	rules := []any{}
	for range 1 + r.IntN(3) {
		rules = append(rules, map[string]any{"host": host(r, n), "http": map[string]any{"paths": paths(r)}})
	}
	spec["rules"] = rules
	object := map[string]any{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}
	if r.IntN(8) == 0 {
		pick(r, twists)(r, object)
	}
	return object
}

func labels(r *rand.Rand) any {
	if r.IntN(10) == 0 {
		return nil
	}
	var expose any = pick(r, []string{"internal-http", "internal-httpsecure", "external-http", "external-httpsecure"})
	if r.IntN(8) == 0 {
		expose = pick(r, []any{"internal", "external-https", "internal_http", "Internal-HTTP", "", true, 1, nil, []any{"internal-http"}})
	}
	key := "expose"
	if r.IntN(12) == 0 {
		key = pick(r, []string{"Expose", "expose ", "exposed", "blastdoor.io/expose", "traffic-type"})
	}
	return map[string]any{key: expose, "app.kubernetes.io/name": "web", "helm.sh/chart": "web-1.2.3", "app.kubernetes.io/managed-by": "Helm"}
}

var annotationPool = []struct{ key, value string }{
	{"kubernetes.io/ingress.class", "nginx"}, {"kubernetes.io/ingress.allow-http", "false"}, {"nginx.ingress.kubernetes.io/rewrite-target", "/$1"}, {"nginx.ingress.kubernetes.io/proxy-body-size", "0"},
	{"nginx.ingress.kubernetes.io/ssl-redirect", "true"}, {"nginx.ingress.kubernetes.io/whitelist-source-range", "10.0.0.0/8,::1"}, {"nginx.ingress.kubernetes.io/auth-url", "http://auth/%zz\r\nX: y"},
	{"nginx.ingress.kubernetes.io/configuration-snippet", "}}} location / { return 200 'pwned'; }"}, {"traefik.ingress.kubernetes.io/router.middlewares", "a-b@kubernetescrd"}, {"traefik.frontend.rule.type", "PathPrefixStrip"},
	{"haproxy.org/backend-config-snippet", "http-request deny"}, {"projectcontour.io/num-retries", "-1"}, {"alb.ingress.kubernetes.io/listen-ports", `[{"HTTP": 80}]`}, {"konghq.com/plugins", "x"}, {"cert-manager.io/cluster-issuer", "le"},
	{"external-dns.alpha.kubernetes.io/hostname", "x.test"}, {"meta.helm.sh/release-name", "{{ .Release.Name }}"}, {"blastdoor.io/expose", "internal-http"}, {"blastdoor.io/expose", "internal-http,internal-httpsecure"},
	{"blastdoor.io/expose", "all"}, {"blastdoor.io/redirect", "https"}, {"blastdoor.io/redirect", "true"}, {"blastdoor.io/rewrite", "/"}, {"note", "ünïcödé \u202e \U0001f525"}, {"empty", ""}, {"blob", strings.Repeat("A", 5000)},
}

func ornaments(r *rand.Rand) map[string]any {
	annotations := map[string]any{}
	for range pick(r, []int{0, 0, 1, 2, 3}) {
		one := pick(r, annotationPool)
		annotations[one.key] = one.value
	}
	if r.IntN(25) == 0 {
		annotations[pick(r, []string{"blastdoor.io/expose", "blastdoor.io/redirect", "kubernetes.io/ingress.class", "x"})] = pick(r, []any{true, 7, nil, []any{}, map[string]any{}})
	}
	return annotations
}

func host(r *rand.Rand, n int) any {
	if r.IntN(15) > 0 {
		return fmt.Sprintf("h%d-%d.team.test", n, r.IntN(3))
	}
	return pick(r, []any{"shared.team.test", "*.team.test", "", "UPPER.team.test", "10.0.0.1", "[::1]", "a_b.team.test", "-a.team.test", "team.test.", "team.test:8080", "https://team.test/", "bücher.test", "localhost",
		strings.Repeat("a", 64) + ".test", strings.Repeat("a.", 130) + "test", "*", "*.*.test", "a.*.test", " team.test", "team test", 5, nil, true, "{{ .Values.host }}", "%{HOST}", "team.test,other.test"})
}

func paths(r *rand.Rand) []any {
	all := []any{}
	if r.IntN(2) == 0 {
		all = append(all, map[string]any{"path": "/", "pathType": "Prefix", "backend": backend(r)})
	}
	for range 1 + r.IntN(3) {
		path := pick(r, []any{"/", "/", "/", "/api", "/api/", "/static/(.*)", "/foo(/|$)(.*)", "/*", "^/x$", "api", "", nil, "/a b", "/a%20b", "/%2e%2e/", "//", "/ü", "/;a", "/{id}", 1, "/" + strings.Repeat("long/", 1000), "/a?b", "/#"})
		one := map[string]any{"path": path, "pathType": pick(r, []any{"Prefix", "Prefix", "Prefix", "Exact", "ImplementationSpecific", "prefix", "Regex", "", nil, 3}), "backend": backend(r)}
		if r.IntN(30) == 0 {
			delete(one, pick(r, []string{"path", "pathType", "backend"}))
		}
		all = append(all, one)
	}
	return all
}

func backend(r *rand.Rand) any {
	if r.IntN(12) > 0 {
		return map[string]any{"service": map[string]any{"name": "web", "port": pick(r, []any{map[string]any{"number": 80}, map[string]any{"name": "http"}})}}
	}
	return pick(r, []any{
		map[string]any{"service": map[string]any{"name": "missing", "port": map[string]any{"number": 80}}}, map[string]any{"service": map[string]any{"name": "web", "port": map[string]any{"number": 81}}},
		map[string]any{"service": map[string]any{"name": "web", "port": map[string]any{"name": "use-annotation"}}}, map[string]any{"service": map[string]any{"name": "web", "port": 80}}, map[string]any{"serviceName": "web", "servicePort": 80},
		map[string]any{"resource": map[string]any{"kind": "Bucket", "name": "x"}}, map[string]any{}, nil, "web:80", []any{},
	})
}

// twists change one thing that is right nearly everywhere.
var twists = []func(*rand.Rand, map[string]any){
	func(r *rand.Rand, o map[string]any) {
		o["apiVersion"] = pick(r, []any{"extensions/v1beta1", "networking.k8s.io/v1beta1", "networking.k8s.io/v1alpha1", "networking.k8s.io", "v1"})
	},
	func(_ *rand.Rand, o map[string]any) { delete(o, "apiVersion") },
	func(_ *rand.Rand, o map[string]any) { delete(o, "spec") },
	func(r *rand.Rand, o map[string]any) { o["spec"] = pick(r, []any{nil, "x", 1, []any{}, true}) },
	func(r *rand.Rand, o map[string]any) {
		o["spec"].(map[string]any)["rules"] = pick(r, []any{nil, "x", map[string]any{}, []any{}, []any{nil, 1}, []any{[]any{}}})
	},
	func(r *rand.Rand, o map[string]any) {
		o["metadata"].(map[string]any)["labels"] = pick(r, []any{"expose=internal-http", []any{"expose"}, 1})
	},
	func(_ *rand.Rand, o map[string]any) { delete(o["metadata"].(map[string]any), "namespace") },
	func(_ *rand.Rand, o map[string]any) { delete(o["metadata"].(map[string]any), "name") },
	func(r *rand.Rand, o map[string]any) { // one name for several objects
		o["metadata"].(map[string]any)["name"] = pick(r, []string{"same", "other"})
		o["metadata"].(map[string]any)["namespace"] = "team-0"
	},
	func(r *rand.Rand, o map[string]any) {
		o["metadata"].(map[string]any)["creationTimestamp"] = pick(r, []any{nil, "2018-01-01T00:00:00Z", "yesterday", 0})
	},
	func(_ *rand.Rand, o map[string]any) { // a wide object
		rules := []any{}
		for n := range 300 {
			rules = append(rules, map[string]any{"host": fmt.Sprintf("wide-%d.team.test", n), "http": map[string]any{"paths": []any{map[string]any{"path": "/", "pathType": "Prefix",
				"backend": map[string]any{"service": map[string]any{"name": "web", "port": map[string]any{"number": 80}}}}}}})
		}
		o["spec"].(map[string]any)["rules"] = rules
	},
	func(_ *rand.Rand, o map[string]any) { // a deep one
		var deep any = "bottom"
		for range 200 {
			deep = []any{deep}
		}
		o["status"] = deep
	},
	func(r *rand.Rand, o map[string]any) { // a fat one, now and then above what an API server would store
		size := pick(r, []int{5 << 10, 60 << 10, 260 << 10, 500 << 10, 3 << 20})
		o["metadata"].(map[string]any)["annotations"] = map[string]any{"fat": strings.Repeat("x", size)}
	},
	func(r *rand.Rand, o map[string]any) { // in a list
		inner := map[string]any{}
		for key, value := range o {
			inner[key] = value
			delete(o, key)
		}
		o["apiVersion"], o["kind"], o["items"] = "v1", "List", []any{inner, pick(r, []any{nil, 1, map[string]any{"kind": "Secret", "apiVersion": "v1"}})}
	},
}

// bystanders stand between Ingresses in other people's files.
var bystanders = []string{
	"", "# a comment\n", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 1}\n", "apiVersion: v1\nkind: Secret\nmetadata: {name: tls}\ntype: kubernetes.io/tls\ndata: {tls.key: !!binary AAAA}\n",
	"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: ingressroutes.traefik.io}\nspec: {group: traefik.io, names: {kind: IngressRoute}}\n", "apiVersion: traefik.io/v1alpha1\nkind: IngressRoute\nmetadata: {name: x}\n",
	"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n", "replicaCount: 1\ningress: {enabled: false, hosts: [{host: chart.local}]}\n", "apiVersion: v1\nkind: Service\nmetadata: {name: x, namespace: team-9}\nspec: {type: ExternalName, externalName: kubernetes.default.svc}\n",
	"apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: nginx}\nspec: {controller: k8s.io/ingress-nginx}\n", "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny}\nspec: {podSelector: {}}\n", "null\n", "- a\n- b\n", "just words\n",
}

// damage breaks a file as editors, templates and other systems do.
func damage(r *rand.Rand, name, text string) (string, string) {
	switch r.IntN(12) {
	case 0:
		return name, strings.ReplaceAll(text, "\n", "\r\n")
	case 1:
		return name, "\xef\xbb\xbf" + text
	case 2:
		return name, text[:r.IntN(len(text)+1)]
	case 3:
		return name, text + "---\n{{- if .Values.enabled }}\nkind: Ingress\nmetadata:\n  name: {{ .Release.Name }}\n{{- end }}\n"
	case 4:
		at := r.IntN(len(text) + 1)
		return name, text[:at] + pick(r, []string{"\x00", "\xff", "\t", "{{", "'", "\"", "&a *a", "\n---\n", "\n...\n", ": :", "%", "@", "`"}) + text[at:]
	case 5:
		return strings.TrimSuffix(name, ".yaml") + ".yml", text
	}
	return name, text
}
