package vectors

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestFormat(t *testing.T) {
	found, err := Parse("f.txt", strings.Join([]string{
		"# a comment", "vector one", "why because", "want forward", "want refuse 400 404 bad-request open",
		`| a\r\n\t\\\x41\x24\{3:x\n}\{2:(\{2:y})}|`, `|  b`, "", "vector two-*", "ask HEAD", "then close", "want forward-sanitised", "as /$1", "host h", "drops A B $2",
		"| <$1,$2>$id", "row x | 1 | ", `row y | \x20z\x20 | Q`,
	}, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	none := map[string]bool{}
	two := func(name, raw, target, drop string) *Vector {
		drops := []string{"A", "B", drop}
		return &Vector{Name: name, File: "f.txt", Raw: raw, Ask: []string{"HEAD"}, Then: "close", Wants: []Want{{Verdict: Sanitise, Flags: none, Target: target, Host: "h", Drops: drops}}}
	}
	want := []*Vector{
		{Name: "one", Why: "because", File: "f.txt", Raw: "a\r\n\t\\A$x\nx\nx\n(yy)(yy)| b", Then: "open", Wants: []Want{
			{Verdict: Forward, Flags: none},
			{Verdict: Refuse, Status: []int{400, 404}, Cause: "bad-request", Flags: map[string]bool{"open": true}},
		}},
		two("two-x", "<1,>$id", "/1", ""), two("two-y", "< z ,Q>$id", "/ z ", "Q"),
	}
	for n := range max(len(want), len(found)) {
		if n >= len(want) || n >= len(found) || !reflect.DeepEqual(found[n], want[n]) {
			t.Fatalf("vector %d:\n%+v, not\n%+v", n, found[n], want[n])
		}
	}
}

func TestFormatRefusesMistakes(t *testing.T) {
	for why, text := range map[string]string{
		"before a vector":       "want forward",
		"no want":               "vector a\n| x",
		"no bytes":              "vector a\nwant forward",
		"no such verdict":       "vector a\nwant maybe\n| x",
		"no such flag":          "vector a\nwant forward twice\n| x",
		"no status":             "vector a\nwant refuse\n| x",
		"no such directive":     "vector a\nwant forward\nwhen later\n| x",
		"as without sanitising": "vector a\nwant forward\nas /x\n| x",
		"no such end":           "vector a\nwant pass\nthen sing\n| x",
		"unknown escape":        "vector a\nwant forward\n| \\q",
		"backslash at the end":  "vector a\nwant forward\n| \\",
		"bad digits":            "vector a\nwant forward\n| \\x4g",
		"too few digits":        "vector a\nwant forward\n| \\x4",
		"repeat without end":    "vector a\nwant forward\n| \\{3:x",
		"repeat without count":  "vector a\nwant forward\n| \\{x}",
		"repeat zero":           "vector a\nwant forward\n| \\{0:x}",
		"unknown placeholder":   "vector a\nwant forward\n| $nothing",
		"too few cells":         "vector a-*\nwant forward\n| $2\nrow x | y",
		"rows without a star":   "vector a\nwant forward\n| $1\nrow x | y",
		"a star without rows":   "vector a-*\nwant forward\n| x",
	} {
		if found, err := Parse("f.txt", text); err == nil {
			t.Errorf("%s: %+v", why, found[0])
		}
	}
}

// Lengths in the files count on these.
func TestPlaceholders(t *testing.T) {
	id := strings.Repeat("i", Probe)
	v := Vector{Raw: "$fields\r\n$bait$id"}
	if got := v.Bytes(id); !strings.HasSuffix(got, "\r\n\r\n"+id) || len(got) != len(fields)-3+Probe+2+BaitSize+Probe {
		t.Errorf("%d bytes: %q", len(got), got)
	}
	v.Raw = "Content-Length: $len\r\n\r\n12345$bait"
	if got := v.Bytes(id); !strings.HasPrefix(got, "Content-Length: 85\r\n") {
		t.Errorf("%q", got)
	}
}

// The corpus is as large as it is meant to be.
func TestCorpusSize(t *testing.T) {
	for folder, least := range map[string]struct{ all, legal int }{"requests": {450, 200}, "responses": {150, 50}} {
		all, err := Load(folder)
		if err != nil {
			t.Fatal(err)
		}
		legal := 0
		bytes := map[string]string{}
		for _, v := range all {
			if v.Legal() {
				legal++
			}
			key := fmt.Sprint(v.Raw, v.Ask, v.Then)
			if twin := bytes[key]; twin != "" {
				t.Errorf("%s and %s are the same bytes", v.Name, twin)
			}
			bytes[key] = v.Name
		}
		if t.Logf("%s: %d vectors, %d of them legal", folder, len(all), legal); len(all) < least.all || legal < least.legal {
			t.Errorf("%s: %d vectors, %d of them legal: not %d and %d", folder, len(all), legal, least.all, least.legal)
		}
	}
}
