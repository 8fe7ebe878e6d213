package protocols

import (
	_ "embed"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"blastdoor.io/test/expect"
	"blastdoor.io/test/peers"
)

// Every case of h2spec, the strict ones too, or named with its reason.
//
//go:embed h2spec_waivers.txt
var waiverText string

const waiversMax = 3

// readWaivers are reasons by "PACKAGE TITLE".
func readWaivers(t *testing.T) map[string]string {
	t.Helper()
	waivers := map[string]string{}
	for line := range strings.Lines(waiverText) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, reason, found := strings.Cut(line, " | ")
		if !found || !strings.Contains(reason, "RFC 9113") {
			t.Errorf("a waiver without a reason in RFC 9113: %q", line)
		}
		waivers[name] = reason
	}
	if len(waivers) > waiversMax {
		t.Errorf("%d waivers, more than %d", len(waivers), waiversMax)
	}
	return waivers
}

type junit struct {
	Suites []struct {
		Cases []struct {
			Package string  `xml:"package,attr"`
			Name    string  `xml:"classname,attr"`
			Failure *string `xml:"failure"`
			Error   *string `xml:"error"`
			Skipped *string `xml:"skipped"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

// h2specCases is how many cases version 2.6 has: fewer means that it did not get that far.
const h2specCases = 147

// h2spec finds nothing wrong with a door as a server, over TLS and in plain text.
func TestH2spec(t *testing.T) {
	program := peers.Built(t, "h2spec")
	w := newWorld(t)
	server := peers.StartGoServer(t, peers.Speech{}, "go", newAddress(), peers.Issued{})
	w.add(app{Address: server.Address}) // no host: h2spec's authority is the address
	w.start()
	w.awaitServed("127.0.0.1")
	held := map[string]int{} // on how many listeners a case passed
	for name, arguments := range map[string][]string{
		"h2-tls": {"-t", "-k", "-p", strconv.Itoa(tlsPort)},
		"h2c":    {"-p", strconv.Itoa(plainPort)},
	} {
		t.Run(name, func(t *testing.T) {
			report := filepath.Join(t.TempDir(), "report.xml")
			argv := append([]string{program, "-h", "127.0.0.1", "-S", "-o", "2", "-j", report, "generic", "http2", "hpack"}, arguments...)
			result := peers.Run(t, 3*time.Minute, argv...)
			text, err := os.ReadFile(report)
			if err != nil {
				t.Fatalf("%v: %v", err, result)
			}
			checkH2spec(t, text, held)
		})
	}
	for name := range readWaivers(t) {
		if held[name] == 2 {
			t.Errorf("%s passes on both listeners: its waiver must go", name)
		}
	}
}

func checkH2spec(t *testing.T, report []byte, held map[string]int) {
	t.Helper()
	var parsed junit
	if err := xml.Unmarshal(report, &parsed); err != nil {
		t.Fatal(err)
	}
	waivers, cases, passed := readWaivers(t), 0, 0
	for _, suite := range parsed.Suites {
		for _, one := range suite.Cases {
			cases++
			name := one.Package + " " + one.Name
			_, waived := waivers[name]
			switch bad := one.Failure != nil || one.Error != nil || one.Skipped != nil; {
			case !bad:
				passed++
				held[name]++
			case waived:
				t.Logf("waived: %s: %s", name, waivers[name])
			default:
				t.Errorf("%s: %s%s%s", name, text(one.Failure), text(one.Error), text(one.Skipped))
			}
		}
	}
	if cases < h2specCases {
		t.Errorf("only %d cases were run", cases)
	}
	t.Logf("%d of %d cases passed", passed, cases)
}

func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

const (
	h2specdFirst = 30000
	h2specdLast  = 30080 // it has 57 cases, each on a port of its own
)

// h2specd finds nothing wrong with a door as a client, towards an upstream.
func TestH2specd(t *testing.T) {
	program := peers.Built(t, "h2specd")
	w := newWorld(t)
	for number := h2specdFirst; number <= h2specdLast; number++ {
		w.add(app{Host: h2specdHost(number), Address: fmt.Sprintf("127.0.0.1:%d", number), Speech: peers.Speech{HTTP2: true}})
	}
	served := peers.StartGoServer(t, peers.Speech{}, "go", newAddress(), peers.Issued{})
	host := expect.NewHost("ready")
	w.add(app{Host: host, Address: served.Address})
	w.start()
	w.awaitServed(host)
	// It runs this with the URL of a case, which the request through the door goes to.
	ask := filepath.Join(t.TempDir(), "ask")
	text := fmt.Sprintf("#!/bin/sh\nport=${1##*:}\nport=${port%%/}\nexec %s -s --max-time 2 -H \"Host: p$port.h2specd.test\" http://127.0.0.1:%d/\n",
		peers.Installed(t, "curl", "curl"), plainPort)
	if err := os.WriteFile(ask, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	result := peers.Run(t, 3*time.Minute, program, "-h", "127.0.0.1", "-f", strconv.Itoa(h2specdFirst), "-o", "2", "-S", "-e", ask)
	total := regexp.MustCompile(`(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed`).FindStringSubmatch(result.Stdout)
	if total == nil {
		t.Fatalf("no totals: %v", result)
	}
	t.Logf("h2specd: %s", total[0])
	if total[2] != total[1] || total[3] != "0" || total[4] != "0" {
		t.Errorf("h2specd: %s\n%s", total[0], failures(result.Stdout))
	}
}

func h2specdHost(number int) string { return fmt.Sprintf("p%d.h2specd.test", number) }

// failures is what stands behind the heading of that name.
func failures(output string) string {
	_, failed, found := strings.Cut(output, "Failures:")
	if !found {
		return output[max(0, len(output)-3000):]
	}
	return failed
}
