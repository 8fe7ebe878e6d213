package vectors

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"blastdoor.io/test/poll"
)

// Fetch asks for the reply through its door, and judges what comes.
func (r *Reply) Fetch() {
	method, version := "GET", "1.1"
	for _, word := range r.Vector.Ask {
		if strings.HasPrefix(word, "1.") {
			version = word
		} else {
			method = word
		}
	}
	client := &Run{Vector: r.Vector, ID: r.ID, Door: r.Door}
	defer client.close()
	if r.Err = client.connect(net.IPv4(127, 0, 0, 9)); r.Err != nil {
		return
	}
	request := fmt.Sprintf("%s /%s HTTP/%s\r\nHost: %s\r\nX-Probe: %s\r\n\r\n", method, r.ID, version, HostAnswers, r.ID)
	if _, r.Err = io.WriteString(client.conn, request); r.Err != nil {
		return
	}
	r.Err = r.judge(client, method, version)
	if r.Err != nil || !r.Tainted() || r.Vector.Then == "reset" {
		return
	}
	select {
	case <-r.over:
	case <-time.After(poll.Slow(runTimeout)):
		r.Err = errors.New("Blastdoor has not closed its connection to the origin")
	}
}

func (r *Reply) judge(client *Run, method, version string) error {
	want := r.Vector.Wants[0]
	switch want.Verdict {
	case Refuse:
		got, err := client.next(method)
		if err != nil {
			return err
		}
		cause, _ := got.Get("X-Blastdoor-Cause")
		if !slices.Contains(want.Status, got.Status()) || want.Cause != "" && cause != want.Cause {
			return fmt.Errorf("answer %q %q %.300q", got.Line, got.Fields, got.Body)
		}
		return nil
	case Truncated:
		return truncated(client, method)
	case Pass:
		return r.passed(client, method, version)
	}
	return fmt.Errorf("%s is no verdict on a response", want.Verdict)
}

// truncated wants a message that no client takes for a whole one; a refusal is as good.
func truncated(client *Run, method string) error {
	var err error
	for err == nil {
		err = client.more()
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Errorf("the connection does not end; there is %.300q", client.held)
	}
	aborted := errors.Is(err, syscall.ECONNRESET)
	m, wrong := ReadResponse(client.held, method, Strict, !aborted)
	if wrong != nil {
		return wrong
	}
	if m == nil || !m.Ended || m.Status() == 502 && m.Size == len(client.held) {
		return nil
	}
	return fmt.Errorf("a clean message: %q %q %.300q", m.Line, m.Fields, m.Body)
}

// passed compares what the client got with what the origin sent.
func (r *Reply) passed(client *Run, method, version string) error {
	sent := r.Vector.Bytes(r.ID)
	for {
		m, err := ReadResponse(sent, method, Legal, r.Vector.Then == "close")
		if err != nil || m == nil || !m.Ended {
			return fmt.Errorf("the vector itself is not whole: %v", err)
		}
		sent = sent[m.Size:]
		interim := m.Status() < 200
		if interim && (m.Status() == 100 || version == "1.0") {
			continue
		}
		got, err := client.nextOrEnd(method)
		if err != nil {
			return err
		}
		if err := r.same(m, got, method, version); err != nil {
			return err
		}
		if !interim {
			break
		}
	}
	if sent != "" && !r.Tainted() {
		return fmt.Errorf("%.80q of the vector itself is behind its message", sent)
	}
	if client.held != "" {
		return fmt.Errorf("%.500q behind the answer", client.held)
	}
	return nil
}

func (r *Reply) same(sent, got *Message, method, version string) error {
	_, status, _ := strings.Cut(sent.Line, " ")
	if _, after, _ := strings.Cut(got.Line, " "); after != status && len(status) > len("200 ") || got.Status() != sent.Status() {
		return fmt.Errorf("line %q, not %q", got.Line, sent.Line)
	}
	expected := sent.EndToEnd(r.Vector.Wants[0].Drops...)
	if err := sameFields(expected, got.Without([]string{"Connection", "Content-Length", "Transfer-Encoding"})); err != nil {
		return err
	}
	if got.Body != sent.Body {
		return fmt.Errorf("body %.200q, not %.200q", got.Body, sent.Body)
	}
	framing := sent.Framing
	length, lengths := got.Get("Content-Length")
	switch {
	case method == "HEAD" || sent.Status() == 304:
		if said, count := sent.Get("Content-Length"); said != length || count != lengths {
			return fmt.Errorf("%d lengths, %q: not %q", lengths, length, said)
		}
		return nil
	case framing == "none" && lengths > 0:
		return fmt.Errorf("length %q of a message that has none", length)
	case version == "1.0" && framing == "chunked":
		framing = "until-close"
	case version == "1.1" && framing == "until-close":
		framing = "chunked"
	}
	if got.Framing != framing {
		return fmt.Errorf("framing %s, not %s", got.Framing, framing)
	}
	return nil
}

// nextOrEnd reads one answer, which may be one that the end of the connection ends.
func (r *Run) nextOrEnd(method string) (*Message, error) {
	var ended error
	for {
		m, err := ReadResponse(r.held, method, Strict, ended == io.EOF)
		if err != nil {
			return nil, fmt.Errorf("answer %.500q: %w", r.held, err)
		}
		if m != nil && m.Ended {
			r.held = r.held[m.Size:]
			return m, nil
		}
		if ended != nil {
			return nil, fmt.Errorf("no answer, but %d bytes, %.200q…%q, and %w", len(r.held), r.held, r.held[max(0, len(r.held)-60):], ended)
		}
		ended = r.more()
	}
}
