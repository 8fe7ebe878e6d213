package property

import (
	"maps"
	"slices"

	"golang.org/x/net/http2"
)

// fatalFrames break the connection, not only a stream; whatever stands in the bytes behind them is
// no request. They come after the request of `stream`.
var fatalFrames = map[string]func(s *speaker, stream uint32){
	"interleaved": func(s *speaker, stream uint32) {
		_ = s.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream + 2, BlockFragment: s.encode(baitFields)})
		_ = s.framer.WriteData(stream, true, []byte("x"))
	},
	"other-continuation": func(s *speaker, stream uint32) {
		_ = s.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream + 2, BlockFragment: s.encode(baitFields)})
		_ = s.framer.WriteContinuation(stream+4, true, s.encode(baitFields))
	},
	"even-stream": func(s *speaker, stream uint32) {
		_ = s.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream + 1, BlockFragment: s.encode(baitFields), EndHeaders: true, EndStream: true})
	},
	"stream-0": func(s *speaker, _ uint32) {
		_ = s.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 0, BlockFragment: s.encode(baitFields), EndHeaders: true, EndStream: true})
	},
	"data-0":      func(s *speaker, _ uint32) { _ = s.framer.WriteData(0, true, []byte("x")) },
	"no-stream":   func(s *speaker, stream uint32) { _ = s.framer.WriteData(stream+20, true, []byte("x")) },
	"reset-idle":  func(s *speaker, stream uint32) { _ = s.framer.WriteRSTStream(stream+20, http2.ErrCodeCancel) },
	"window-0":    func(s *speaker, _ uint32) { _ = s.framer.WriteWindowUpdate(0, 0) },
	"window-over": func(s *speaker, _ uint32) { _ = s.framer.WriteWindowUpdate(0, 1<<31-1) },
	"push": func(s *speaker, stream uint32) {
		_ = s.framer.WritePushPromise(http2.PushPromiseParam{StreamID: stream, PromiseID: stream + 1, BlockFragment: s.encode(baitFields), EndHeaders: true})
	},
	"hpack-index": func(s *speaker, stream uint32) {
		_ = s.framer.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersEndHeaders|http2.FlagHeadersEndStream, stream+2, []byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	},
	"hpack-cut": func(s *speaker, stream uint32) {
		block := s.encode(baitFields)
		_ = s.framer.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersEndHeaders|http2.FlagHeadersEndStream, stream+2, block[:len(block)-1])
	},
	"large-frame": func(s *speaker, stream uint32) {
		_ = s.framer.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, stream+2, make([]byte, 20000))
	},
	"long-padding": func(s *speaker, stream uint32) {
		_ = s.framer.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersEndHeaders|http2.FlagHeadersPadded, stream+2, []byte{200, 0x82})
	},
	"settings-size":  func(s *speaker, _ uint32) { _ = s.framer.WriteRawFrame(http2.FrameSettings, 0, 0, []byte{1, 2, 3}) },
	"second-preface": func(s *speaker, _ uint32) { s.out.WriteString(http2.ClientPreface) },
	"http/1.1": func(s *speaker, _ uint32) {
		s.out.WriteString("GET / HTTP/1.1\r\nHost: own-internal-http.example.com\r\nX-Probe: 10000.0.0.bait\r\n\r\n")
	},
}

var fatalKinds = slices.Sorted(maps.Keys(fatalFrames))

// baitFields are a whole request that no parser may see as one.
var baitFields = []field{
	{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "own-internal-http.example.com"}, {Name: ":path", Value: "/"},
	{Name: "x-probe", Value: "10000.0.0.bait"},
}
