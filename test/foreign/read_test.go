package foreign

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	kubeyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// object is an Ingress as another reader, that of Kubernetes' own tools, finds it in a file.
type object struct {
	file, namespace, name string
	nameless              bool // no name, or none that an object can have
	spec                  map[string]any
}

// folderContents is what that reader finds in a folder.
type folderContents struct {
	ingresses []object
	broken    map[string]bool // files of which it could not read all
}

func readFolder(t *testing.T, dir string) folderContents {
	t.Helper()
	contents := folderContents{broken: map[string]bool{}}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		switch filepath.Ext(entry.Name()) {
		case ".yaml", ".yml", ".json":
			contents.readFile(t, dir, entry.Name())
		}
	}
	return contents
}

func (c *folderContents) readFile(t *testing.T, dir, name string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.TrimPrefix(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), []byte("\xef\xbb\xbf"))
	text = bytes.ReplaceAll(text, []byte("\n...\n"), []byte("\n")) // this reader knows only ---
	var value any
	if json.Unmarshal(text, &value) == nil { // \/ is JSON, and no YAML to this reader
		c.take(name, value)
		return
	}
	reader := kubeyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		var value any
		if err == nil && !utf8.Valid(document) {
			err = errors.New("no UTF-8")
		}
		if err == nil {
			err = yaml.Unmarshal(document, &value)
		}
		if err != nil {
			c.broken[name] = true
			if len(document) == 0 {
				return
			}
			continue
		}
		c.take(name, value)
	}
}

// take takes an Ingress, or those of a list.
func (c *folderContents) take(file string, value any) {
	fields, ok := value.(map[string]any)
	if !ok {
		return
	}
	kind, _ := fields["kind"].(string)
	version, _ := fields["apiVersion"].(string)
	if items, ok := fields["items"].([]any); ok && (version == "v1" && kind == "List" || kind == "IngressList") {
		for _, item := range items {
			if one, ok := item.(map[string]any); ok && kind == "IngressList" {
				setDefault(one, "kind", "Ingress")
				setDefault(one, "apiVersion", version)
			}
			c.take(file, item)
		}
	}
	group, _, _ := strings.Cut(version, "/")
	if kind == "Ingress" && (group == "networking.k8s.io" || group == "extensions" || group == "" || version == "v1") {
		c.ingresses = append(c.ingresses, newObject(file, fields))
	}
}

func setDefault(fields map[string]any, name string, value any) {
	if _, found := fields[name]; !found {
		fields[name] = value
	}
}

func newObject(file string, fields map[string]any) object {
	o := object{file: file, namespace: "default"}
	metadata, _ := fields["metadata"].(map[string]any)
	if namespace, ok := metadata["namespace"].(string); ok && namespace != "" {
		o.namespace = namespace
	}
	o.name, _ = metadata["name"].(string)
	o.nameless = o.name == ""
	o.spec, _ = fields["spec"].(map[string]any)
	return o
}

func (o object) String() string {
	return fmt.Sprintf("Ingress %s/%s in %s", o.namespace, o.name, o.file)
}

// exactHosts are the hosts of rules with at least one path that a request for "/" must match.
func (o object) exactHosts() []string {
	var hosts []string
	rules, _ := o.spec["rules"].([]any)
	for _, one := range rules {
		rule, _ := one.(map[string]any)
		host, _ := rule["host"].(string)
		http, _ := rule["http"].(map[string]any)
		paths, _ := http["paths"].([]any)
		for _, one := range paths {
			path, _ := one.(map[string]any)
			if path["path"] == "/" && path["pathType"] == "Prefix" && host != "" && !strings.HasPrefix(host, "*") {
				hosts = append(hosts, host)
				break
			}
		}
	}
	return hosts
}
