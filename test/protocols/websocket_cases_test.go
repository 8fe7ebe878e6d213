package protocols

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// frame is one WebSocket frame as a client writes it; also one that no client should.
type frame struct {
	opcode   byte
	more     bool // FIN is not set
	rsv      byte
	payload  []byte
	unmasked bool
	length   uint64 // announced in place of the true one, if not 0
}

const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

func (f frame) bytes() []byte {
	first := f.opcode | f.rsv<<4
	if !f.more {
		first |= 0x80
	}
	length := uint64(len(f.payload))
	if f.length != 0 {
		length = f.length
	}
	mask := byte(0x80)
	if f.unmasked {
		mask = 0
	}
	out := []byte{first}
	switch {
	case length < 126:
		out = append(out, mask|byte(length))
	case length < 1<<16:
		out = binary.BigEndian.AppendUint16(append(out, mask|126), uint16(length))
	default:
		out = binary.BigEndian.AppendUint64(append(out, mask|127), length)
	}
	if f.unmasked {
		return append(out, f.payload...)
	}
	key := []byte{0x12, 0x34, 0x56, 0x78}
	out = append(out, key...)
	for i, b := range f.payload {
		out = append(out, b^key[i%4])
	}
	return out
}

func closing(code uint16, reason string) frame {
	return frame{opcode: opClose, payload: append(binary.BigEndian.AppendUint16(nil, code), reason...)}
}

// webSocketCase is what one client sends. Unless it says goodbye, or is to be told off, it ends with
// a close of 1000.
type webSocketCase struct {
	name    string
	frames  []frame
	chopped bool // byte by byte
	last    bool // nothing is sent after the frames
	broken  bool // no close either: the connection ends
}

func letters(n int) []byte { return bytes.Repeat([]byte("blastdoor "), n/10+1)[:n] }

// webSocketCases cover opcodes, lengths, fragments, control frames, close codes, and what is wrong.
func webSocketCases() []webSocketCase {
	var cases []webSocketCase
	good := func(name string, frames ...frame) {
		cases = append(cases, webSocketCase{name: name, frames: frames})
	}
	bad := func(name string, frames ...frame) {
		cases = append(cases, webSocketCase{name: name, frames: frames, last: true})
	}
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 1 << 20} {
		good(fmt.Sprint("text of ", n), frame{opcode: opText, payload: letters(n)})
		good(fmt.Sprint("binary of ", n), frame{opcode: opBinary, payload: letters(n)})
	}
	part := func(opcode byte, more bool, n int) frame {
		return frame{opcode: opcode, more: more, payload: letters(n)}
	}
	for _, n := range []int{0, 1, 126, 70000} {
		good(fmt.Sprint("three fragments of ", n), part(opText, true, n), part(opContinuation, true, n), part(opContinuation, false, n))
	}
	many := []frame{part(opBinary, true, 3)}
	for range 200 {
		many = append(many, part(opContinuation, true, 3))
	}
	good("202 fragments", append(many, part(opContinuation, false, 3))...)
	good("ping between fragments", part(opText, true, 5), frame{opcode: opPing, payload: letters(4)}, part(opContinuation, false, 5))
	for _, n := range []int{0, 1, 125} {
		good(fmt.Sprint("ping of ", n), frame{opcode: opPing, payload: letters(n)})
		good(fmt.Sprint("pong of ", n), frame{opcode: opPong, payload: letters(n)})
	}
	pings := []frame{}
	for i := range 10 {
		pings = append(pings, frame{opcode: opPing, payload: letters(i)})
	}
	good("ten pings", pings...)
	good("UTF-8 over a fragment's edge", frame{opcode: opText, more: true, payload: []byte("\xe2\x82")}, frame{payload: []byte("\xac")})
	for _, code := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		bad(fmt.Sprint("close ", code), closing(code, "because"))
	}
	bad("close without a code", frame{opcode: opClose})
	bad("close with a long reason", closing(1000, strings.Repeat("r", 123)))
	bad("message after a close", closing(1000, ""), frame{opcode: opText, payload: letters(3)})
	// Wrong: passed on as it is, and judged by the server alone.
	for _, code := range []uint16{0, 999, 1004, 1005, 1006, 1016, 2999, 5000} {
		bad(fmt.Sprint("close with the wrong code ", code), closing(code, ""))
	}
	bad("close of one byte", frame{opcode: opClose, payload: []byte{3}})
	bad("close with a reason that is no UTF-8", closing(1000, "\xff\xfe"))
	bad("close that is too long", closing(1000, strings.Repeat("r", 124)))
	for _, opcode := range []byte{3, 7, 11, 15} {
		bad(fmt.Sprint("reserved opcode ", opcode), frame{opcode: opcode, payload: letters(5)})
	}
	for _, rsv := range []byte{1, 2, 4, 7} {
		bad(fmt.Sprint("reserved bits ", rsv), frame{opcode: opText, rsv: rsv, payload: letters(5)})
	}
	bad("unmasked", frame{opcode: opText, payload: letters(5), unmasked: true})
	bad("ping of 126", frame{opcode: opPing, payload: letters(126)})
	bad("fragmented ping", frame{opcode: opPing, more: true, payload: letters(3)})
	bad("continuation of nothing", part(opContinuation, false, 3))
	bad("a message within another", part(opText, true, 3), part(opText, false, 3))
	bad("no UTF-8", frame{opcode: opText, payload: []byte("a\xc3\x28")})
	bad("half a UTF-8 character at the end", frame{opcode: opText, payload: []byte("\xe2\x82")})
	bad("longer than the server takes", frame{opcode: opBinary, payload: letters(100), length: 1 << 40})
	bad("a length with its first bit set", frame{opcode: opBinary, payload: letters(100), length: 1 << 63})
	cases = append(cases,
		webSocketCase{name: "byte by byte", chopped: true, frames: []frame{
			{opcode: opText, payload: letters(200)}, {opcode: opPing, payload: letters(3)}}},
		webSocketCase{name: "an end in the middle of a frame", last: true, broken: true,
			frames: []frame{{opcode: opText, payload: letters(5), length: 100}}},
		webSocketCase{name: "an end without a close", last: true, broken: true,
			frames: []frame{{opcode: opText, payload: letters(5)}}})
	return cases
}
