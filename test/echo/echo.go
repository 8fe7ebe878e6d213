// Package echo is the upstream of the tests: an HTTP server that answers with what it received, as
// JSON, and misbehaves on request. What to do stands in the query, so that a request says all:
//
//	?status=503        answer with that status
//	?delay=500ms       wait before the head
//	?trickle=200ms     wait between the chunks of ?chunks
//	?chunks=5          send that many chunks of padding before the JSON, chunked
//	?size=10000        pad the body to at least that many bytes
//	?close=1           Connection: close after this answer
//	?reset=1           reset the connection in place of an answer
package echo

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// Reply is the JSON body: the request as the upstream saw it.
type Reply struct {
	Pod     string      `json:"pod"`
	Method  string      `json:"method"`
	Host    string      `json:"host"`
	Target  string      `json:"target"` // the request target as it came, unparsed
	Path    string      `json:"path"`
	Proto   string      `json:"proto"`
	Remote  string      `json:"remote"`
	Headers http.Header `json:"headers"`
	Bytes   int64       `json:"bytes"` // length of the request body
	Padding string      `json:"padding,omitempty"`
}

// Port is where pods listen.
const Port = 18080

const podVariable = "BLASTDOOR_TEST_ECHO" // "NAME ADDRESS"; set in the re-executed test binary

// MainIfAsked turns the process into an echo server if it was started as one by a test. A TestMain
// calls it first, so that pods need no binary besides the test's own.
func MainIfAsked() {
	name, address, found := strings.Cut(os.Getenv(podVariable), " ")
	if !found {
		return
	}
	listener, err := net.Listen("tcp", address)
	if err == nil {
		err = Serve(listener, name)
	}
	fmt.Fprintln(os.Stderr, "echo:", err)
	os.Exit(1)
}

// Environment is what makes a test binary an echo server that listens on address.
func Environment(name, address string) string {
	return podVariable + "=" + name + " " + address
}

// Serve answers on the listener as the pod of the given name until the listener is closed.
func Serve(listener net.Listener, name string) error {
	server := &http.Server{
		Handler:     handler(name),
		IdleTimeout: 10 * time.Minute, // the proxy decides when idle connections end, not we
	}
	return server.Serve(listener)
}

func handler(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if query.Has("reset") {
			reset(w)
			return
		}
		read, _ := io.Copy(io.Discard, r.Body)
		pause(r, query.Get("delay"))
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Pod", name)
		if query.Has("close") {
			w.Header().Set("Connection", "close")
		}
		status, err := strconv.Atoi(query.Get("status"))
		if err != nil {
			status = http.StatusOK
		}
		w.WriteHeader(status)
		trickle(w, r, query)
		size, _ := strconv.Atoi(query.Get("size"))
		_ = json.NewEncoder(w).Encode(Reply{
			Pod: name, Method: r.Method, Host: r.Host, Target: r.RequestURI, Path: r.URL.Path,
			Proto: r.Proto, Remote: r.RemoteAddr, Headers: r.Header, Bytes: read,
			Padding: strings.Repeat("x", max(size, 0)),
		})
	}
}

// trickle sends white space, which JSON allows before a value, in chunks with pauses between them.
func trickle(w http.ResponseWriter, r *http.Request, query url.Values) {
	chunks, _ := strconv.Atoi(query.Get("chunks"))
	for range chunks {
		_, _ = io.WriteString(w, strings.Repeat(" ", 1024))
		if flusher, ok := w.(http.Flusher); ok {
			flusher.Flush()
		}
		pause(r, query.Get("trickle"))
	}
}

func pause(r *http.Request, text string) {
	duration, err := time.ParseDuration(text)
	if err != nil {
		return
	}
	select {
	case <-time.After(duration):
	case <-r.Context().Done():
	}
}

// reset closes the connection so that the peer gets RST.
func reset(w http.ResponseWriter) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		return
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
