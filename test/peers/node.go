package peers

import (
	"embed"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

//go:embed node/*.mjs
var scripts embed.FS

// script writes a script of node/ to a file. `ws` is found from there if it was built.
func script(t testing.TB, name string) string {
	t.Helper()
	text, err := scripts.ReadFile("node/" + name)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func node(t testing.TB) string { return Installed(t, "node", "nodejs") }

// StartNodeServer starts node's HTTP server; see node/server.mjs.
func StartNodeServer(t testing.TB, speech Speech, address string, certificate Issued) {
	t.Helper()
	host, port, _ := net.SplitHostPort(address)
	argv := []string{node(t), script(t, "server.mjs"), host, port, speech.String()}
	if speech.TLS {
		argv = append(argv, certificate.CertificateFile, certificate.KeyFile)
	}
	Serve(t, address, argv...)
}

// NodeReport is what node/client.mjs saw.
type NodeReport struct {
	Upload struct {
		Status  int
		Head    map[string]any
		Told    Upload
		Sent    string // hash
		Trailer string
	}
	Download struct {
		Status  int
		Head    map[string]any
		Bytes   int64
		Hash    string
		Trailer string
	}
}

// RunNodeClient uploads and downloads with node's HTTP clients over one speech.
func RunNodeClient(t testing.TB, speech Speech, port, host, bytes string) NodeReport {
	t.Helper()
	result := Run(t, 20*time.Second, node(t), script(t, "client.mjs"), port, speech.String(), host, bytes)
	var report NodeReport
	if err := json.Unmarshal([]byte(result.Stdout), &report); err != nil {
		t.Fatalf("node: %v: %v", err, result)
	}
	return report
}

// StartWebSocketServer starts the npm package ws; see node/ws.mjs.
func StartWebSocketServer(t testing.TB, address string) {
	t.Helper()
	host, port, _ := net.SplitHostPort(address)
	packages := filepath.Dir(filepath.Dir(Built(t, "node_modules/ws")))
	Serve(t, address, node(t), script(t, "ws.mjs"), host, port, packages)
}
