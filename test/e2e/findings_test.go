package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/expect"
	"blastdoor.io/test/manifest"
	"blastdoor.io/test/poll"
)

// finding waits until there is a finding of that severity about an object, and returns it.
func finding(t *testing.T, object, severity string) blastdoor.Finding {
	t.Helper()
	var found blastdoor.Finding
	poll.Eventually(t, expect.Live, severity+" finding about "+object, func() error {
		all, err := blastdoor.Findings(object)
		if err != nil {
			return err
		}
		for _, one := range all {
			if one.Severity == severity {
				found = one
				return nil
			}
		}
		return fmt.Errorf("there is none among %+v", all)
	})
	return found
}

// Why was my Ingress not picked up? A typo in the label is refused and named with the nearest
// exposure; no label and a foreign class are information; none is served anywhere.
func TestFindingsOfSelection(t *testing.T) {
	f := newFolder(t)
	address := localPod(t, "findings-a")
	typo, unlabelled, foreign := expect.NewHost("typo"), expect.NewHost("unlabelled"), expect.NewHost("foreign")
	f.write("apps.yaml", app("good", expect.NewHost("good"), address)+
		manifest.Ingress{Namespace: "shop", Name: "typo", Expose: "external-htpt", Service: "good", Host: typo}.YAML()+
		manifest.Ingress{Namespace: "shop", Name: "unlabelled", Service: "good", Host: unlabelled}.YAML()+
		manifest.Ingress{Namespace: "shop", Name: "foreign", Class: "nginx", Expose: "external-http", Service: "good", Host: foreign}.YAML())
	f.start(blastdoor.Options{})

	mistyped := finding(t, "typo", "refused")
	if !strings.Contains(mistyped.What+mistyped.Hint, "external-http") {
		t.Errorf("no did-you-mean: %s", mistyped.Raw)
	}
	if !strings.Contains(mistyped.Field, "expose") {
		t.Errorf("the field is not named: %s", mistyped.Raw)
	}
	finding(t, "unlabelled", "info")
	if class := finding(t, "foreign", "info"); !strings.Contains(class.What+class.Hint+class.Field, "lass") {
		t.Errorf("the class is not named: %s", class.Raw)
	}
	for _, host := range []string{typo, unlabelled, foreign} {
		expect.ServedOnlyOn(t, expect.Live, 0, host, "")
	}

	f.write("apps.yaml", app("good", expect.NewHost("good"), address)+
		manifest.Ingress{Namespace: "shop", Name: "typo", Expose: "external-http", Service: "good", Host: typo}.YAML())
	expect.ServedOnlyOn(t, expect.Live, blastdoor.ExternalHTTP, typo, "findings-a")
	poll.Eventually(t, expect.Live, "the finding is gone", func() error {
		all, err := blastdoor.Findings("typo")
		for _, one := range all {
			if one.Severity == "refused" {
				return fmt.Errorf("still %s", one.Raw)
			}
		}
		return err
	})
}

// A missing Service is 503 with a finding that names the backend, and so is a missing port.
func TestFindingsOfBackends(t *testing.T) {
	f := newFolder(t)
	address := localPod(t, "backends-a")
	missing, port := expect.NewHost("missing"), expect.NewHost("port")
	f.write("apps.yaml", app("good", expect.NewHost("good"), address)+
		manifest.Ingress{Namespace: "shop", Name: "missing", Expose: "internal-http", Service: "absent", Host: missing}.YAML()+
		manifest.Ingress{Namespace: "shop", Name: "port", Expose: "internal-http", Service: "good", Port: 81, Host: port}.YAML())
	f.start(blastdoor.Options{})
	for object, host := range map[string]string{"missing": missing, "port": port} {
		if found := finding(t, object, "refused"); !strings.Contains(found.Field, "backend") {
			t.Errorf("the field is not named: %s", found.Raw)
		}
		poll.Eventually(t, expect.Live, host, blastdoor.Expect(blastdoor.InternalHTTP, host, "/", 503, ""))
	}
}

// The older of two Ingresses wins a path, and the loser's finding names it.
func TestFindingsOfConflicts(t *testing.T) {
	f := newFolder(t)
	host := expect.NewHost("conflict")
	older := manifest.Ingress{Namespace: "shop", Name: "older", Expose: "internal-http", Service: "one", Host: host,
		CreatedTimestamp: "2020-01-01T00:00:00Z"}
	younger := manifest.Ingress{Namespace: "shop", Name: "younger", Expose: "internal-http", Service: "two", Host: host,
		CreatedTimestamp: "2021-01-01T00:00:00Z"}
	f.write("apps.yaml", app("one", expect.NewHost("one"), localPod(t, "conflict-a"))+
		app("two", expect.NewHost("two"), localPod(t, "conflict-b"))+younger.YAML()+older.YAML())
	f.start(blastdoor.Options{})
	servedWithin(t, expect.Live, host, "conflict-a")
	if found := finding(t, "younger", "refused"); !strings.Contains(found.What+found.Hint, "older") {
		t.Errorf("the winner is not named: %s", found.Raw)
	}
}

// The admin API has all its pages, and answers no page of a browser that was tricked by DNS.
func TestAdminAPI(t *testing.T) {
	f, _ := fourDoors(t)
	f.start(blastdoor.Options{})
	for _, page := range []string{"exposures", "routes", "upstreams", "findings", "generations"} {
		poll.Eventually(t, expect.Live, page, func() error {
			_, err := blastdoor.Admin(page)
			return err
		})
	}
	answer, err := blastdoor.Get(9900, "rebound.example.com", "/api/v1/routes")
	if err == nil && answer.Status == http.StatusOK {
		t.Error("it answers a foreign Host")
	}
}
