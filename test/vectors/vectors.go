// Package vectors is a corpus of raw HTTP/1 messages, each with what must become of it. The files
// in requests/ and responses/ hold them; README.md in this folder describes the format.
package vectors

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Verdict is what must become of one message of a vector.
type Verdict string

// The verdicts. The first five are for requests, the others for responses.
const (
	Forward   Verdict = "forward"           // legal: the origin gets exactly this meaning
	Sanitise  Verdict = "forward-sanitised" // the origin gets less, or a normal form
	Refuse    Verdict = "refuse"            // an answer of ours, and nothing for the origin
	Close     Verdict = "close"             // the client gives up; a request that has not ended does not arrive
	Ignore    Verdict = "ignored"           // bytes behind the last message of a connection
	Pass      Verdict = "pass"              // the client gets exactly this message
	Truncated Verdict = "truncated"         // the client sees that the message broke
)

// Want is one message: its verdict, and what qualifies that.
type Want struct {
	Verdict Verdict
	Status  []int           // of Refuse: one of them
	Cause   string          // of Refuse: X-Blastdoor-Cause; empty: any
	Flags   map[string]bool // open, partial, early, once
	Target  string          // of Sanitise: the request target that the origin gets; empty: as sent
	Host    string          // likewise
	Drops   []string        // names of fields that are taken out, besides hop-by-hop ones
}

// Vector is one case.
type Vector struct {
	Name, File string
	Why        string
	Wants      []Want
	Raw        string   // escapes are gone, placeholders are still there
	Ask        []string // response side: lines of the request; the first may be "HEAD" or "1.0"
	On         string   // the name of the only door that it is for; empty: all
	Then       string   // response side: what the origin does afterwards: open, close, reset
}

// Probe is the fixed length of an id, so that lengths in the files hold for all of them.
const Probe = 10

// BaitSize is the length of $bait.
const BaitSize = 0x50

// fields is $fields: what nearly every request needs.
const fields = "Host: v.test\r\nX-Probe: $id\r\n"

const bait = "GET /bait HTTP/1.1\r\nHost: v.test\r\nX-Probe: $id.bait\r\nX-Pad: 123456789\r\n\r\n"

// Bytes are what is sent for one id: $id, $bait, $fields and $len are filled in.
func (v *Vector) Bytes(id string) string {
	text := strings.NewReplacer("$fields", fields, "$bait", bait).Replace(v.Raw)
	text = strings.ReplaceAll(text, "$id", id)
	_, body, _ := strings.Cut(text, "\r\n\r\n")
	return strings.ReplaceAll(text, "$len", strconv.Itoa(len(body)))
}

// Legal says whether every message of it must get through unchanged.
func (v *Vector) Legal() bool {
	for _, w := range v.Wants {
		if w.Verdict != Forward && w.Verdict != Pass {
			return false
		}
	}
	return true
}

// Load reads all files of a folder.
func Load(folder string) ([]*Vector, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	if err != nil {
		return nil, err
	}
	var all []*Vector
	names := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		found, err := Parse(filepath.Base(path), string(text))
		if err != nil {
			return nil, err
		}
		for _, v := range found {
			if before := names[v.Name]; before != "" {
				return nil, fmt.Errorf("%s: %s is in %s already", path, v.Name, before)
			}
			names[v.Name] = path
		}
		all = append(all, found...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no vectors in %s", folder)
	}
	return all, nil
}
