package protocols

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"blastdoor.io/test/peers"
)

// selfSigned are what testssl.sh rightly says of a certificate that a door made itself, for a balancer
// that verifies none: nobody issued it, nobody revokes it, and it lives as long as a door may.
var selfSigned = []string{"cert_validityPeriod", "cert_chain_of_trust", "cert_trust", "cert_caIssuers", "cert_revocation", "cert_crlDistributionPoints", "cert_ocspURL"}

// testssl.sh finds nothing above LOW. In `make test` it looks at protocols, ciphers and the server's
// defaults; with BLASTDOOR_FLOOD set, for the vulnerabilities that it knows too.
func TestTestssl(t *testing.T) {
	program := peers.Installed(t, "testssl", "testssl.sh")
	_, _, _ = serving(t)
	report := filepath.Join(t.TempDir(), "report.json")
	argv := []string{program, "--jsonfile", report, "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--ip", "127.0.0.1",
		"--protocols", "--std", "--server-preference"}
	limit := 2 * time.Minute
	if os.Getenv("BLASTDOOR_FLOOD") != "" {
		argv, limit = append(argv, "--server-defaults", "--vulnerable", "--fs"), 15*time.Minute
	}
	result := peers.Run(t, limit, append(argv, fmt.Sprintf("127.0.0.1:%d", tlsPort))...)
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatalf("%v: %v", err, result)
	}
	var findings []struct{ ID, Severity, Finding string }
	if err := json.Unmarshal(text, &findings); err != nil {
		t.Fatalf("%v: %.2000s", err, text)
	}
	said := map[string]string{}
	for _, f := range findings {
		said[f.ID] = f.Finding
		switch f.Severity {
		case "MEDIUM", "HIGH", "CRITICAL", "FATAL":
			if !isSelfSigned(f.ID) {
				t.Errorf("%s: %s: %s", f.Severity, f.ID, f.Finding)
			}
		}
	}
	for id, want := range map[string]string{"TLS1": "not offered", "TLS1_1": "not offered", "TLS1_2": "offered", "TLS1_3": "offered", "SSLv3": "not offered"} {
		if !strings.HasPrefix(said[id], want) {
			t.Errorf("%s: %q, not %q", id, said[id], want)
		}
	}
	t.Logf("%d findings", len(findings))
}

func isSelfSigned(id string) bool {
	for _, prefix := range selfSigned {
		if strings.HasPrefix(id, prefix) {
			return true
		}
	}
	return false
}
