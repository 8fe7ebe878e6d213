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

// autobahnVariable is the program that tools/peers/autobahn.sh prints.
const autobahnVariable = "BLASTDOOR_AUTOBAHN"

// autobahnCases is how many cases there are but those of compression, which the server does not offer.
const autobahnCases = 301

// Autobahn's suite comes to the same verdicts with a door and without one.
func TestAutobahn(t *testing.T) {
	program := os.Getenv(autobahnVariable)
	if program == "" {
		t.Skip("SKIPPED LOUDLY: no Autobahn: set " + autobahnVariable + " to what tools/peers/autobahn.sh prints; make acceptance does")
	}
	server := newAddress()
	peers.StartWebSocketServer(t, server)
	w := newWorld(t)
	w.add(app{Address: server}) // no host: the suite's is the address
	w.start()
	w.awaitServed("127.0.0.1")
	folder := t.TempDir()
	spec, err := json.Marshal(map[string]any{
		"outdir": folder, "cases": []string{"*"}, "exclude-cases": []string{"12.*", "13.*"}, "exclude-agent-cases": map[string]any{},
		"servers": []map[string]string{
			{"agent": "direct", "url": "ws://" + server + "/?id=direct"},
			{"agent": "door", "url": fmt.Sprintf("ws://127.0.0.1:%d/?id=door", plainPort)},
			{"agent": "door-tls", "url": fmt.Sprintf("wss://127.0.0.1:%d/?id=door-tls", tlsPort)},
		},
	})
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "spec.json"), spec, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	result := peers.Run(t, 30*time.Minute, program, "-m", "fuzzingclient", "-s", filepath.Join(folder, "spec.json"))
	text, err := os.ReadFile(filepath.Join(folder, "index.json"))
	if err != nil {
		t.Fatalf("%v: %v", err, result)
	}
	var verdicts map[string]map[string]struct{ Behavior, BehaviorClose string }
	if err := json.Unmarshal(text, &verdicts); err != nil {
		t.Fatal(err)
	}
	for _, agent := range []string{"direct", "door", "door-tls"} {
		if n := len(verdicts[agent]); n < autobahnCases {
			t.Errorf("%s: only %d cases", agent, n)
		}
	}
	for name, direct := range verdicts["direct"] {
		if direct.Behavior == "FAILED" {
			if !strings.HasPrefix(name, "9.") { // megabytes: more than the server takes, or not in time on this machine
				t.Errorf("%s fails without a door", name)
			}
			continue
		}
		for _, agent := range []string{"door", "door-tls"} {
			if got := verdicts[agent][name]; got != direct {
				t.Errorf("%s, %s: %v; without a door: %v", agent, name, got, direct)
			}
		}
	}
	t.Logf("%d cases", len(verdicts["direct"]))
}
