package peers

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Speech is a protocol with or without TLS, as one side of an exchange speaks it.
type Speech struct{ TLS, HTTP2 bool }

func (s Speech) String() string {
	switch s {
	case Speech{false, false}:
		return "h1"
	case Speech{true, false}:
		return "h1-tls"
	case Speech{true, true}:
		return "h2-tls"
	default:
		return "h2c"
	}
}

// Speeches are all four.
var Speeches = []Speech{{false, false}, {true, false}, {true, true}, {false, true}}

// Proto is the name of the protocol in net/http.
func (s Speech) Proto() string {
	if s.HTTP2 {
		return "HTTP/2.0"
	}
	return "HTTP/1.1"
}

// Scheme is http or https.
func (s Speech) Scheme() string {
	if s.TLS {
		return "https"
	}
	return "http"
}

// Protocols is nothing but this, for a client or server of net/http.
func (s Speech) Protocols() *http.Protocols {
	var protocols http.Protocols
	protocols.SetHTTP1(!s.HTTP2)
	protocols.SetHTTP2(s.HTTP2 && s.TLS)
	protocols.SetUnencryptedHTTP2(s.HTTP2 && !s.TLS)
	return &protocols
}

// Upload is what a server says of a body that it has received whole.
type Upload struct {
	Proto    string      `json:"proto"`
	Length   int64       `json:"length"` // announced; -1: none was
	Bytes    int64       `json:"bytes"`
	Hash     string      `json:"hash"`
	Headers  http.Header `json:"headers"`
	Trailers http.Header `json:"trailers"`
}

// Fields of responses.
const (
	ServerField  = "X-Peer"            // who answers
	ProtoField   = "X-Peer-Proto"      // what it was asked in
	RequestField = "X-Peer-Request-Id" // the X-Request-Id it was asked with: that of the door
	HopField     = "X-Peer-Hop"        // the X-Blastdoor-Hop it was asked with
	TrailerField = "X-Peer-Hash"       // trailer: the hash of the body
)

// GoServer is net/http, in the test's own process, over one Speech:
//
//	/upload                 answers with an Upload
//	/download?bytes=N       N bytes of Content; &length=1: announced, else streamed; &trailer=1: with TrailerField
//	/abort?bytes=N          the same, and then the connection or the stream is reset; N < 0: before the head
//	/wait?bytes=N           reads N bytes of the request body, then waits for its end; see Gone
//	/drip?bytes=N           writes N bytes as fast as they are taken; see Written
//	/sluggish?gate=NAME     reads nothing until Release of that name, then answers as /upload does
type GoServer struct {
	Speech  Speech
	Name    string
	Address string

	t       testing.TB
	server  *http.Server
	mutex   sync.Mutex
	arrived int
	gone    []error
	written atomic.Int64
	gates   map[string]chan struct{}
}

// StartGoServer starts one at a loopback address, "127.0.2.1:8080". It ends with the test.
func StartGoServer(t testing.TB, speech Speech, name, address string, certificate Issued) *GoServer {
	t.Helper()
	g := &GoServer{Speech: speech, Name: name, Address: address, gates: map[string]chan struct{}{}}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	g.server = &http.Server{
		Handler: g.handler(), Protocols: speech.Protocols(), IdleTimeout: 10 * time.Minute,
		ErrorLog: log.New(io.Discard, "", 0),
	}
	if speech.TLS {
		g.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate.TLS}}
		go func() { _ = g.server.ServeTLS(listener, "", "") }()
	} else {
		go func() { _ = g.server.Serve(listener) }()
	}
	t.Cleanup(func() { _ = g.server.Close() })
	return g
}

// Gone is how the requests to /wait ended, nil for a body that ended well.
func (g *GoServer) Gone() []error {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	return append([]error(nil), g.gone...)
}

// Waiting is how many requests have come to /wait and read what they were to read.
func (g *GoServer) Waiting() int {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	return g.arrived
}

// Written is how many bytes /drip has got rid of, over all requests.
func (g *GoServer) Written() int64 { return g.written.Load() }

// Release lets one /sluggish read.
func (g *GoServer) Release(name string) { close(g.gate(name)) }

func (g *GoServer) gate(name string) chan struct{} {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if g.gates[name] == nil {
		g.gates[name] = make(chan struct{})
	}
	return g.gates[name]
}

func (g *GoServer) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello\n") })
	mux.HandleFunc("/upload", g.upload)
	mux.HandleFunc("/download", g.download)
	mux.HandleFunc("/abort", g.abort)
	mux.HandleFunc("/wait", g.wait)
	mux.HandleFunc("/drip", g.drip)
	mux.HandleFunc("/sluggish", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-g.gate(r.URL.Query().Get("gate")):
		case <-r.Context().Done():
		}
		g.upload(w, r)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(ServerField, g.Name)
		w.Header().Set(ProtoField, r.Proto)
		w.Header().Set(RequestField, r.Header.Get("X-Request-Id"))
		w.Header().Set(HopField, r.Header.Get("X-Blastdoor-Hop"))
		mux.ServeHTTP(w, r)
	})
}

func (g *GoServer) upload(w http.ResponseWriter, r *http.Request) {
	sum := sha256.New()
	read, err := io.CopyBuffer(onlyWriter{sum}, r.Body, make([]byte, 64<<10))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(Upload{r.Proto, r.ContentLength, read, hexSum(sum), r.Header, r.Trailer})
}

func number(r *http.Request, name string) int64 {
	n, _ := strconv.ParseInt(r.URL.Query().Get(name), 10, 64)
	return n
}

func (g *GoServer) download(w http.ResponseWriter, r *http.Request) {
	bytes := number(r, "bytes")
	if r.URL.Query().Has("length") {
		w.Header().Set("Content-Length", fmt.Sprint(bytes))
	}
	sum := sha256.New()
	if r.URL.Query().Has("trailer") {
		w.Header().Set("Trailer", TrailerField)
		defer func() { w.Header().Set(TrailerField, hexSum(sum)) }()
	}
	w.WriteHeader(http.StatusOK)
	if flusher, ok := w.(http.Flusher); ok && !r.URL.Query().Has("length") {
		flusher.Flush() // else a short body would get a length
	}
	_, _ = io.CopyBuffer(onlyWriter{io.MultiWriter(w, sum)}, Content(bytes), make([]byte, 64<<10))
}

func (g *GoServer) abort(w http.ResponseWriter, r *http.Request) {
	if bytes := number(r, "bytes"); bytes >= 0 {
		w.WriteHeader(http.StatusOK)
		_, _ = io.CopyBuffer(onlyWriter{w}, Content(bytes), make([]byte, 64<<10))
		_ = http.NewResponseController(w).Flush()
	}
	panic(http.ErrAbortHandler)
}

func (g *GoServer) wait(w http.ResponseWriter, r *http.Request) {
	_, _ = io.CopyN(io.Discard, r.Body, number(r, "bytes"))
	g.mutex.Lock()
	g.arrived++
	g.mutex.Unlock()
	_, err := io.Copy(io.Discard, r.Body) // of a GET: ends at once
	if err == nil {
		<-r.Context().Done()
		err = r.Context().Err()
	}
	g.mutex.Lock()
	g.gone = append(g.gone, err)
	g.mutex.Unlock()
	_, _ = io.WriteString(w, "never seen\n")
}

func (g *GoServer) drip(w http.ResponseWriter, r *http.Request) {
	from, buffer := Content(number(r, "bytes")), make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if _, err := w.Write(buffer[:n]); err != nil {
			return
		}
		g.written.Add(int64(n))
	}
}
