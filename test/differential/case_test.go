package differential

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"blastdoor.io/test/poll"
	"blastdoor.io/test/vectors"
)

const limit = 20 * time.Second

// Case is one vector on its way to one origin.
type Case struct {
	vector   *vectors.Vector
	id       string
	requests []string // method and target of those that must arrive
	methods  []string // theirs
	certain  bool     // nothing else may be counted: no refusal, nothing that may be cut short
	partial  bool     // one more may arrive, cut short
	statuses []int    // of the answers to those
	err      error
}

// expect reads from the vector what must arrive.
func (c *Case) expect() {
	c.certain = true
	sent := c.vector.Bytes(c.id)
	for _, want := range c.vector.Wants {
		m, err := vectors.ReadRequest(sent, vectors.Legal)
		switch want.Verdict {
		case vectors.Forward, vectors.Sanitise:
			if err != nil || m == nil || !m.Ended {
				c.err = fmt.Errorf("the vector itself is not whole: %v", err)
				return
			}
			sent = sent[m.Size:]
			method, target, _ := strings.Cut(m.Line, " ")
			target, _, _ = strings.Cut(target, " ")
			if want.Target != "" {
				target = want.Target
			}
			c.methods = append(c.methods, method)
			c.requests = append(c.requests, method+" "+target)
			c.certain = c.certain && !want.Flags["early"]
		case vectors.Ignore:
		default:
			if want.Flags["open"] && m != nil {
				sent = sent[m.Size:]
			}
			c.certain = false
			c.partial = c.partial || want.Flags["partial"]
		}
	}
}

// send sends the vector whole, reads as many answers as requests must arrive, and then waits for the
// end of the connection. What the answers say is the origin's business.
func (c *Case) send(port int) {
	conn, err := net.DialTimeout("tcp4", fmt.Sprintf("127.0.0.1:%d", port), poll.Slow(limit))
	if err != nil {
		c.err = err
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(poll.Slow(limit)))
	// The door may close before it has all; what it said is still there.
	_, _ = io.WriteString(conn, c.vector.Bytes(c.id)+c.bait())
	reader := answers{conn: conn}
	local := c.vector.Wants[0].Verdict == vectors.Refuse && c.vector.Wants[0].Flags["open"]
	if local {
		_, _ = reader.next("")
	}
	for n, method := range c.methods {
		m, err := reader.next(method)
		if err != nil {
			c.err = fmt.Errorf("answer %d: %w", n+1, err)
			return
		}
		c.statuses = append(c.statuses, m.Status())
	}
	_ = conn.(*net.TCPConn).CloseWrite()
	var timeout net.Error
	if _, err := io.Copy(io.Discard, conn); errors.As(err, &timeout) && timeout.Timeout() {
		c.err = fmt.Errorf("the connection does not end: %w", err)
	}
}

func (c *Case) bait() string {
	last := c.vector.Wants[len(c.vector.Wants)-1]
	if last.Verdict != vectors.Refuse || last.Flags["open"] {
		return ""
	}
	return (&vectors.Vector{Raw: "$bait"}).Bytes(c.id)
}

type answers struct {
	conn net.Conn
	held string
}

func (a *answers) next(method string) (*vectors.Message, error) {
	buffer := make([]byte, 4096)
	for {
		m, err := vectors.ReadResponse(a.held, method, vectors.Strict, false)
		if err != nil {
			return nil, err
		}
		if m != nil && m.Ended {
			a.held = a.held[m.Size:]
			if m.Status() >= 200 {
				return m, nil
			}
			continue
		}
		n, err := a.conn.Read(buffer)
		if a.held += string(buffer[:n]); n == 0 {
			return nil, fmt.Errorf("%.300q and %w", a.held, err)
		}
	}
}

// judge compares what one origin logged with what was forwarded.
type judge struct {
	origin   string
	byID     map[string][]Logged
	nameless int // requests that the origin refused before it read their probe
	refusals map[string]int
	missing  []string
	problems []string
}

func newJudge(origin string, logged []Logged) *judge {
	j := &judge{origin: origin, byID: map[string][]Logged{}, refusals: map[string]int{}}
	ids := map[string]string{}
	for _, one := range logged {
		if one.Probe == "" {
			j.nameless++
			j.refusals[one.Line]++
			continue
		}
		if before := ids[one.RequestID]; before != "" || len(one.RequestID) != 32 {
			j.problem("%s and %s have the request id %q", one.Probe, before, one.RequestID)
		}
		ids[one.RequestID] = one.Probe
		id := one.Probe[:min(vectors.Probe, len(one.Probe))]
		j.byID[id] = append(j.byID[id], one)
	}
	return j
}

func (j *judge) problem(format string, args ...any) {
	j.problems = append(j.problems, fmt.Sprintf(format, args...))
}

// judge returns how many requests of the case were logged.
func (j *judge) judge(c *Case) int {
	logged := j.byID[c.id]
	delete(j.byID, c.id)
	left := slices.Clone(c.requests)
	extra := 0
	for _, one := range logged {
		if one.Probe != c.id {
			j.problem("UNSAFE: %s: %s logged %+v", c.vector.Name, j.origin, one)
			continue
		}
		if at := slices.Index(left, one.Line); at >= 0 {
			left = slices.Delete(left, at, at+1)
			continue
		}
		if extra++; !c.partial || extra > 1 {
			j.problem("UNSAFE: %s: %s logged %+v, and should have %q", c.vector.Name, j.origin, one, c.requests)
		}
	}
	for _, line := range left {
		j.missing = append(j.missing, fmt.Sprintf("%s: %.200q", c.vector.Name, line))
	}
	return len(logged)
}

// finish says what is wrong in all. A request may be missing only if the origin said that it
// refused to read one.
func (j *judge) finish() []string {
	for id, logged := range j.byID {
		j.problem("UNSAFE: %s: nobody's request %+v", id, logged)
	}
	if len(j.missing) != j.nameless {
		j.problem("%d requests are missing at %s, which refused to read %v: %q", len(j.missing), j.origin, j.refusals, j.missing)
	}
	return j.problems
}
