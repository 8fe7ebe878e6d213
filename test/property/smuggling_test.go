package property

import (
	"fmt"
	"strings"
)

// smuggling are bodies that hold a bait. What follows them on the connection must not be the bait,
// whichever way the doors and the upstreams read the framing.
var smuggling = []func(*draft){
	baitInBody, baitInBody, baitInChunk, baitInChunk, lengthAndCoding, twoLengths, oddLength, oddCoding, oddChunk, baitInTrailer, expectation, cutShort, baitBehindGet,
}

func (d *draft) withLength(body string) {
	d.add(fmt.Sprintf("Content-Length: %d", len(body)))
	d.body = body
}

func (d *draft) withChunks(chunks ...string) {
	d.add("Transfer-Encoding: chunked")
	var b strings.Builder
	for _, chunk := range chunks {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(chunk), chunk)
	}
	d.body = b.String() + "0\r\n\r\n"
}

// baitInBody is honest framing: the bait is data, also where the door answers by itself.
func baitInBody(d *draft) {
	d.name("bait-in-body")
	d.withLength(d.bait() + d.bait())
}

func baitInChunk(d *draft) {
	d.name("bait-in-chunk")
	d.withChunks(d.bait(), "0\r\n\r\n"+d.bait(), "x")
}

// baitBehindGet gives a body to methods that usually have none.
func baitBehindGet(d *draft) {
	d.name("bait-behind-get")
	d.method = pick(d.r, []string{"GET", "HEAD", "DELETE", "OPTIONS", "TRACE"})
	d.withLength(d.bait())
}

func lengthAndCoding(d *draft) {
	d.name("length-and-coding")
	bait := d.bait()
	body := "0\r\n\r\n" + bait
	lines := []string{fmt.Sprintf("Content-Length: %d", pick(d.r, []int{len(body), 5, 0, len(body) - 1})), "Transfer-Encoding: chunked"}
	if d.r.IntN(2) == 0 {
		lines[0], lines[1] = lines[1], lines[0]
	}
	if d.r.IntN(4) == 0 {
		d.version = "HTTP/1.0"
	}
	d.fatal(lines...)
	d.body = body
}

func twoLengths(d *draft) {
	d.name("two-lengths")
	bait := d.bait()
	d.fatal(pick(d.r, []string{"Content-Length: 0", "content-length: 1", "Content-Length:", "CONTENT-LENGTH: " + fmt.Sprint(len(bait))}), fmt.Sprintf("Content-Length: %d", len(bait)))
	d.body = bait
}

// oddLength are values that one parser reads as the length of the bait and another as nothing.
func oddLength(d *draft) {
	d.name("odd-length")
	bait := d.bait()
	n := len(bait)
	values := []string{
		fmt.Sprintf("+%d", n), fmt.Sprintf("-%d", n), fmt.Sprintf("0x%x", n), fmt.Sprintf("%d,%d", n, n), fmt.Sprintf("%d, 0", n), fmt.Sprintf("0, %d", n), fmt.Sprintf("%d_0", n), fmt.Sprintf("%d 0", n),
		"18446744073709551616", "18446744073709551615", fmt.Sprintf("1844674407370955%d", 1616+n), "9223372036854775808", "10000000000000000000000", "1e2", "1.0", "", "\x00", fmt.Sprintf("\x0b%d", n), fmt.Sprintf("%d\x00", n), fmt.Sprintf("%d;", n), "\"0\"", "chunked", "0x0", "-0", "+0",
	}
	d.fatal("Content-Length" + pick(d.r, []string{":", ": ", ":\t", ":  "}) + pick(d.r, values))
	d.body = bait
}

// oddCoding are Transfer-Encodings that one parser takes for chunked and another does not.
func oddCoding(d *draft) {
	d.name("odd-coding")
	d.fatal(pick(d.r, []string{
		"Transfer-Encoding: xchunked", "Transfer-Encoding: chunked, identity", "Transfer-Encoding: identity", "Transfer-Encoding: ,chunked", "Transfer-Encoding: chunked,", "Transfer-Encoding: gzip, chunked",
		"Transfer-Encoding: \"chunked\"", "Transfer-Encoding: \x0bchunked", "Transfer-Encoding: \xa0chunked", "Transfer-Encoding: chunked;q=1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "Transfer-Encoding:\r\n chunked", "Transfer-Encoding : chunked", "Transfer-Encoding\t: chunked", "Transfer-Encoding: chunked\x00", "Transfer-Encoding: chunked chunked",
		"Transfer-Encoding:", "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: ch\x00unked", "Transfer-Encoding: cow", "\tTransfer-Encoding: chunked", "X: y\nTransfer-Encoding: chunked", "X: y\rTransfer-Encoding: chunked", "Transfer-Encoding\x00: chunked",
	}))
	d.body = "0\r\n\r\n" + d.bait()
	if d.r.IntN(2) == 0 {
		d.add(fmt.Sprintf("Content-Length: %d", len(d.body)))
	}
}

// oddChunks have the bait for {b}, its size for {n}, and the last digit of that for {last}.
var oddChunks = []string{
	"+{n}\r\n{b}\r\n", "0x{n}\r\n{b}\r\n", "{n} \r\n{b}\r\n", " {n}\r\n{b}\r\n", "-{n}\r\n{b}\r\n", "{n}\n{b}\n", "{b}\r\n",
	"1000000000000000{last}\r\n{b}\r\n", "ffffffffffffffff\r\n{b}\r\n", "8000000000000000\r\n{b}\r\n", "1_\r\nx\r\n0\r\n\r\n{b}",
	"1;a\n{b}\r\n", "1;a=\"\n\"\r\nx\r\n0\r\n\r\n{b}", "1\rx\r\n0\r\n\r\n{b}", "1\r\nxx\r\n0\r\n\r\n{b}", "1\r\nx0\r\n\r\n{b}",
	"0\r\nX{b}", "0\n\n{b}", "\r\n0\r\n\r\n{b}", "1;" + strings.Repeat("e", 70000) + "\r\nx\r\n0\r\n\r\n{b}",
}

// oddChunk are chunk lines that parsers read in different ways.
func oddChunk(d *draft) {
	d.name("odd-chunk")
	bait := d.bait()
	d.fatal("Transfer-Encoding: chunked")
	size := fmt.Sprintf("%x", len(bait))
	d.body = strings.NewReplacer("{n}", size, "{last}", size[len(size)-1:], "{b}", bait).Replace(pick(d.r, oddChunks)) + "0\r\n\r\n"
}

func baitInTrailer(d *draft) {
	d.name("bait-in-trailer")
	bait := d.probe
	bait.bait = true
	d.withChunks("x")
	d.body = strings.TrimSuffix(d.body, "\r\n") + pick(d.r, []string{"Host: " + d.other, "X-Probe: " + bait.String(), "Content-Length: 7", "Transfer-Encoding: chunked", "X-Forwarded-Proto: gopher", "X-Forwarded-Host: " + d.other}) + "\r\n\r\n"
	if d.r.IntN(2) == 0 {
		d.add("Trailer: Host, X-Probe", "TE: trailers")
	}
	d.last = true
}

// expectation holds the body back, in words only.
func expectation(d *draft) {
	d.name("expect")
	d.add("Expect: " + pick(d.r, []string{"100-continue", "100-Continue", "y 100-continue", "100-continue, x", "x", ""}))
	d.withLength(d.bait())
	d.last = true
}

// cutShort ends in the middle of its body, or of its head.
func cutShort(d *draft) {
	d.name("cut-short")
	bait := d.bait()
	switch d.r.IntN(3) {
	case 0:
		d.add(fmt.Sprintf("Content-Length: %d", len(bait)+100))
		d.body = bait
	case 1:
		d.withChunks(bait)
		d.body = d.body[:len(d.body)-1-d.r.IntN(len(d.body)/2)]
	case 2:
		d.add("X-Open")
	}
	d.last, d.abandoned = true, true
}
