package property

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"blastdoor.io/test/poll"
)

type field = hpack.HeaderField

// message is a request in HTTP/2: its fields, pseudo-fields too, in the order in which they are sent,
// and how they are framed.
type message struct {
	fields, trailers []field
	data             []string
	open             bool // its end is not sent
	openTrailers     bool // nor that of its trailers
	cancelled        bool // at once
	tunnel           bool // an extended CONNECT: broken off when it is answered
	pieces           int  // HEADERS and so many CONTINUATIONs
	pad              int
	priority         bool
	mixedTables      bool // HPACK with a table and without, by turns
	fatal            string
}

// speaker writes HTTP/2 to a buffer.
type speaker struct {
	out     bytes.Buffer
	framer  *http2.Framer
	block   bytes.Buffer
	encoder *hpack.Encoder
}

func newSpeaker() *speaker {
	s := &speaker{}
	s.framer = http2.NewFramer(&s.out, nil)
	s.framer.AllowIllegalWrites = true
	s.encoder = hpack.NewEncoder(&s.block)
	return s
}

// open says hello: with a window that no answers fill, since the attackers never open it again.
func (s *speaker) open() {
	s.out.WriteString(http2.ClientPreface)
	_ = s.framer.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 0})
	_ = s.framer.WriteWindowUpdate(0, 1<<20)
}

func (s *speaker) encode(fields []field) []byte {
	s.block.Reset()
	for _, f := range fields {
		_ = s.encoder.WriteField(f)
	}
	return s.block.Bytes()
}

// send writes a whole request.
func (s *speaker) send(stream uint32, m *message) {
	if m.mixedTables {
		s.encoder.SetMaxDynamicTableSize(uint32(stream) % 3 * 100)
	}
	s.fieldSection(stream, m.fields, len(m.data) == 0 && m.trailers == nil && !m.open, m)
	for n, part := range m.data {
		end := n == len(m.data)-1 && m.trailers == nil && !m.open
		if m.pad == 0 {
			_ = s.framer.WriteData(stream, end, []byte(part))
		} else {
			_ = s.framer.WriteDataPadded(stream, end, []byte(part), make([]byte, m.pad))
		}
	}
	if m.trailers != nil {
		s.fieldSection(stream, m.trailers, !m.openTrailers, m)
	}
	if m.cancelled {
		_ = s.framer.WriteRSTStream(stream, http2.ErrCodeCancel)
	}
	if m.fatal != "" {
		fatalFrames[m.fatal](s, stream)
	}
}

func (s *speaker) fieldSection(stream uint32, fields []field, end bool, m *message) {
	block := s.encode(fields)
	pieces := max(m.pieces, len(block)/(16<<10))
	first := block[:len(block)/(pieces+1)]
	p := http2.HeadersFrameParam{StreamID: stream, BlockFragment: first, EndStream: end, EndHeaders: pieces == 0, PadLength: uint8(m.pad)}
	if m.priority {
		p.Priority = http2.PriorityParam{StreamDep: stream + 2, Exclusive: true, Weight: 200}
	}
	_ = s.framer.WriteHeaders(p)
	for rest := block[len(first):]; pieces > 0; pieces-- {
		part := rest[:len(rest)/pieces]
		rest = rest[len(part):]
		_ = s.framer.WriteContinuation(stream, pieces == 1, part)
	}
}

// talk is one HTTP/2 connection and its answers, by stream.
type talk struct {
	*speaker
	in      *http2.Framer
	next    uint32
	streams map[uint32]*stream
	pongs   int
}

type stream struct {
	request
	status int // 0: none yet
	echo   string
	done   bool
}

func (a *attacker) startH2() {
	a.h2 = &talk{speaker: newSpeaker(), next: 1, streams: map[uint32]*stream{}}
	a.h2.in = http2.NewFramer(io.Discard, a.reader)
	a.h2.in.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	a.h2.open()
}

// attackH2 sends requests as streams of one connection, whoever's hosts they ask for.
func (a *attacker) attackH2(batch []request) {
	h := a.h2
	waiting := 0
	last := batch[len(batch)-1]
	if last.h2.fatal != "" { // alone, so that the others are answered
		batch = batch[:len(batch)-1]
	}
	for _, r := range batch {
		h.send(h.next, r.h2)
		h.streams[h.next] = &stream{request: r, done: r.h2.cancelled}
		h.next += 2
		if r.h2.cancelled {
			a.tally.count(r, statusNone)
		} else {
			waiting++
		}
	}
	_ = a.conn.SetDeadline(time.Now().Add(poll.Slow(batchTimeout)))
	if !a.exchange(waiting) {
		return
	}
	if last.h2.fatal == "" {
		return
	}
	h.send(h.next, last.h2)
	h.streams[h.next] = &stream{request: last}
	a.write()
	closeWrite(a.conn)
	a.listen(func() bool { return false })
	a.overH2()
}

// exchange sends what is there and reads until all streams have ended, and a PING behind them is
// answered, so that an answer too many is seen. False: the connection is over.
func (a *attacker) exchange(waiting int) bool {
	h := a.h2
	a.write()
	ended := func() bool {
		open := 0
		for _, s := range h.streams {
			if !s.done {
				open++
			}
		}
		return open == 0
	}
	if waiting > 0 && !a.listen(ended) {
		a.overH2()
		return false
	}
	pongs := h.pongs
	_ = h.framer.WritePing(false, [8]byte{1})
	a.write()
	if !a.listen(func() bool { return h.pongs > pongs }) {
		a.overH2()
		return false
	}
	clear(h.streams)
	return true
}

func (a *attacker) write() {
	all := a.h2.out.Bytes()
	if a.next%4 == 0 { // in two pieces, cut anywhere
		cut := len(all) * (a.next % 97) / 97
		_, _ = a.conn.Write(all[:cut])
		all = all[cut:]
	}
	_, _ = a.conn.Write(all)
	a.h2.out.Reset()
}

// overH2 ends a connection, and counts what was not answered.
func (a *attacker) overH2() {
	for _, s := range a.h2.streams {
		if !s.done {
			a.tally.count(s.request, statusNone)
		}
	}
	a.h2 = nil
	a.close()
}

// listen reads frames until there is enough. False: the connection is over.
func (a *attacker) listen(enough func() bool) bool {
	for !enough() {
		frame, err := a.h2.in.ReadFrame()
		if err != nil {
			a.judgeEnd(err)
			return false
		}
		if wrong := a.take(frame); wrong != "" {
			a.tally.complain("%s on stream %d: %s", wrong, frame.Header().StreamID, a.ask(frame.Header().StreamID))
			return false
		}
	}
	return true
}

func (a *attacker) judgeEnd(err error) {
	if isTimeout(err) {
		for _, s := range a.h2.streams {
			if !s.done {
				a.tally.complain("%v is not answered: %s", s.probe, replay(a.seed, s.probe))
			}
		}
	} else if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !isReset(err) {
		a.tally.complain("port %d sent bad frames: %v", a.port, err)
	}
}

// ask is the request of a stream, for the words of a failure.
func (a *attacker) ask(id uint32) string {
	if s := a.h2.streams[id]; s != nil {
		return s.probe.String() + " " + replay(a.seed, s.probe)
	}
	return "nobody's"
}

// take follows one frame, and says what is wrong with it.
func (a *attacker) take(frame http2.Frame) string {
	h := a.h2
	s := h.streams[frame.Header().StreamID]
	if s != nil && s.h2.cancelled {
		return "" // what crossed our reset on its way
	}
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			_ = h.framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if f.IsAck() {
			h.pongs++
		}
	case *http2.MetaHeadersFrame:
		if s == nil || s.done {
			return fmt.Sprintf("an answer that nobody waits for: %v", f.Fields)
		}
		return a.answerH2(s, f)
	case *http2.DataFrame:
		if s == nil || s.done || s.status < 200 {
			return fmt.Sprintf("data out of turn: %.100q", f.Data())
		}
		if f.StreamEnded() {
			a.done(s)
		}
	case *http2.RSTStreamFrame:
		if s != nil && !s.done {
			if s.status < 200 {
				s.status = statusReset
			}
			a.done(s)
		}
	case *http2.GoAwayFrame, *http2.WindowUpdateFrame:
	default:
		return fmt.Sprintf("a frame %v", frame.Header())
	}
	return ""
}

func (a *attacker) answerH2(s *stream, f *http2.MetaHeadersFrame) string {
	status, err := strconv.Atoi(f.PseudoValue("status"))
	if s.status >= 200 {
		if err == nil || !f.StreamEnded() {
			return fmt.Sprintf("a second answer: %v", f.Fields)
		}
		a.done(s)
		return ""
	}
	if err != nil {
		return fmt.Sprintf("no status: %v", f.Fields)
	}
	s.status = status
	if status < 200 {
		return ""
	}
	for _, one := range f.RegularFields() {
		if one.Name == "x-echo" {
			s.echo = one.Value
		}
	}
	if s.h2.tunnel && status == 200 && !f.StreamEnded() {
		_ = a.h2.framer.WriteRSTStream(f.StreamID, http2.ErrCodeCancel)
		a.done(s)
		s.h2.cancelled = true
		return ""
	}
	if f.StreamEnded() {
		a.done(s)
	}
	return ""
}

func (a *attacker) done(s *stream) {
	s.done = true
	a.tally.count(s.request, s.status)
	a.judgeStatus(s.request, s.status, s.echo)
	if s.echo != "" && s.echo != s.probe.String() {
		a.tally.complain("%v got the answer for %s", s.probe, s.echo)
	}
}
