package vectors

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Field is one field line.
type Field struct{ Name, Value string }

// Message is a request or a response, read.
type Message struct {
	Line    string // the request line or status line
	Fields  []Field
	Body    string // decoded
	Framing string // "none", "length", "chunked", "until-close"
	Ended   bool   // false: bytes are missing
	Size    int    // bytes of all of it, as it stood there
}

// Get is the value of the first field of that name, and how many there are.
func (m *Message) Get(name string) (value string, count int) {
	for _, field := range m.Fields {
		if strings.EqualFold(field.Name, name) {
			if count == 0 {
				value = field.Value
			}
			count++
		}
	}
	return value, count
}

// Parts are the three parts of a request line.
func (m *Message) Parts() (method, target, version string) {
	parts := strings.Split(m.Line, " ")
	if len(parts) != 3 {
		return "", "", ""
	}
	return parts[0], parts[1], parts[2]
}

// Status is that of a response; 0: it has none.
func (m *Message) Status() int {
	_, rest, _ := strings.Cut(m.Line, " ")
	status, _ := strconv.Atoi(rest[:min(3, len(rest))])
	return status
}

// Style is how much freedom a reader leaves to the writer.
type Style int

const (
	// Strict is what Blastdoor has to write: one spelling, nothing optional. Whatever two parsers
	// could disagree about is an error.
	Strict Style = iota
	// Legal is what the RFCs allow a client or an origin to write. It is not a judge of what is
	// illegal: it reads messages that are known to be legal.
	Legal
)

const (
	tokens = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	hex    = "0123456789abcdef"
)

func isToken(text string) bool { return text != "" && strings.Trim(text, tokens) == "" }

// ReadRequest reads the first request of text. nil: its head has not ended.
func ReadRequest(text string, style Style) (*Message, error) {
	skipped := 0
	if style == Legal && strings.HasPrefix(text, "\r\n") { // RFC 9112 §2.2
		skipped = 2
	}
	m, rest, err := readHead(text[skipped:], style)
	if m == nil || err != nil {
		return nil, err
	}
	method, target, version := m.Parts()
	if style == Strict && (!isToken(method) || !strings.HasPrefix(target, "/") || version != "HTTP/1.1" || !isVisible(target)) {
		return nil, fmt.Errorf("request line %q", m.Line)
	}
	if _, count := m.Get("Host"); style == Strict && count != 1 {
		return nil, fmt.Errorf("%d Host fields", count)
	}
	err = m.readBody(rest, style, "none")
	m.Size += skipped
	return m, err
}

// ReadResponse reads the first response of text to a request with that method; ended says whether
// the connection has. nil: its head has not ended.
func ReadResponse(text, method string, style Style, ended bool) (*Message, error) {
	m, rest, err := readHead(text, style)
	if m == nil || err != nil {
		return nil, err
	}
	status := m.Status()
	if style == Strict && (len(m.Line) < 13 || !strings.HasPrefix(m.Line, "HTTP/1.1 ") || m.Line[12] != ' ' || status < 100) {
		return nil, fmt.Errorf("status line %q", m.Line)
	}
	if method == "HEAD" || status < 200 || status == 204 || status == 304 {
		m.Framing, m.Ended = "none", true
		return m, nil
	}
	err = m.readBody(rest, style, "until-close")
	if m.Framing == "until-close" {
		m.Body, m.Size, m.Ended = rest, len(text), ended
	}
	return m, err
}

func isVisible(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

func readHead(text string, style Style) (m *Message, rest string, err error) {
	head, rest, found := strings.Cut(text, "\r\n\r\n")
	if !found {
		return nil, "", nil
	}
	lines := strings.Split(head, "\r\n")
	m = &Message{Line: lines[0], Size: len(head) + 4}
	for _, line := range lines {
		if strings.ContainsAny(line, "\r\n\x00") {
			return nil, "", fmt.Errorf("control in line %q", line)
		}
	}
	for _, line := range lines[1:] {
		name, value, found := strings.Cut(line, ":")
		if !found || !isToken(name) {
			return nil, "", fmt.Errorf("field line %q", line)
		}
		trimmed := strings.Trim(value, " \t")
		if style == Strict {
			if value != " "+trimmed {
				return nil, "", fmt.Errorf("field line %q is not `name: value`", line)
			}
			if err := strictValue(line, trimmed); err != nil {
				return nil, "", err
			}
		}
		m.Fields = append(m.Fields, Field{name, trimmed})
	}
	return m, rest, nil
}

// strictValue wants no control but a tab, and that no other reading of the name means framing.
func strictValue(line, value string) error {
	for n := range len(value) {
		if c := value[n]; c < ' ' && c != '\t' || c == 0x7f {
			return fmt.Errorf("control in field line %q", line)
		}
	}
	name, _, _ := strings.Cut(line, ":")
	folded := strings.Map(func(r rune) rune {
		if strings.ContainsRune(tokens[:15], r) {
			return '-'
		}
		return r
	}, strings.ToLower(name))
	if framing[folded] && !framing[strings.ToLower(name)] {
		return fmt.Errorf("look-alike of a framing field: %q", line)
	}
	return nil
}

var framing = map[string]bool{"content-length": true, "transfer-encoding": true}

func (m *Message) readBody(rest string, style Style, otherwise string) error {
	length, lengths := m.Get("Content-Length")
	coding, codings := m.Get("Transfer-Encoding")
	switch {
	case lengths > 1 || codings > 1 || lengths == 1 && codings == 1:
		return fmt.Errorf("%d lengths and %d codings", lengths, codings)
	case codings == 1:
		m.Framing = "chunked"
		if strings.ToLower(coding) != "chunked" || style == Strict && coding != "chunked" {
			return fmt.Errorf("coding %q", coding)
		}
		return m.readChunks(rest, style)
	case lengths == 1:
		m.Framing = "length"
		size, err := strconv.ParseInt(length, 10, 64)
		if err != nil || size < 0 || strconv.FormatInt(size, 10) != length {
			return fmt.Errorf("length %q", length)
		}
		m.Ended = int64(len(rest)) >= size
		m.Body = rest[:min(int64(len(rest)), size)]
		m.Size += len(m.Body)
		return nil
	}
	m.Framing, m.Ended = otherwise, true
	return nil
}

var errChunk = errors.New("chunk framing")

func (m *Message) readChunks(rest string, style Style) error {
	all := len(rest)
	var body strings.Builder // there may be thousands of chunks
	defer func() { m.Body = body.String() }()
	for {
		line, behind, found := strings.Cut(rest, "\r\n")
		if !found {
			return checkPiece(line, style)
		}
		digits := line
		if style == Legal {
			digits, _, _ = strings.Cut(line, ";")
			digits = strings.ToLower(digits)
		}
		if digits == "" || strings.Trim(digits, hex) != "" || style == Strict && len(digits) > 1 && digits[0] == '0' {
			return fmt.Errorf("%w: size %q", errChunk, line)
		}
		size, err := strconv.ParseUint(digits, 16, 63)
		if err != nil {
			return fmt.Errorf("%w: size %q", errChunk, line)
		}
		rest = behind
		if size == 0 {
			break
		}
		if uint64(len(rest)) < size+2 {
			body.WriteString(rest[:min(uint64(len(rest)), size)])
			return nil
		}
		body.WriteString(rest[:size])
		if rest[size:size+2] != "\r\n" {
			return fmt.Errorf("%w: %q behind the data", errChunk, rest[size:size+2])
		}
		rest = rest[size+2:]
	}
	for {
		line, behind, found := strings.Cut(rest, "\r\n")
		if !found {
			return nil
		}
		rest = behind
		if line == "" {
			break
		}
		if style == Strict {
			return fmt.Errorf("%w: trailer %q", errChunk, line)
		}
	}
	m.Ended = true
	m.Size += all - len(rest)
	return nil
}

// checkPiece looks at a chunk line that has not ended.
func checkPiece(line string, style Style) error {
	if style == Strict && strings.Trim(line, hex+"\r") != "" {
		return fmt.Errorf("%w: size %q", errChunk, line)
	}
	return nil
}

// hopByHop are the fields that belong to one connection: each side has its own.
var hopByHop = []string{"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "content-length"}

// EndToEnd are the fields that a proxy passes on: without those of one connection and without the
// others named.
func (m *Message) EndToEnd(others ...string) []Field {
	return m.Without(slices.Concat(hopByHop, others))
}

// Without are the fields whose names are not in the list.
func (m *Message) Without(names []string) []Field {
	var kept []Field
	for _, field := range m.Fields {
		if !slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, field.Name) }) {
			kept = append(kept, field)
		}
	}
	return kept
}
