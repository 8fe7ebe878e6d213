package protocols

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"blastdoor.io/test/expect"
	"blastdoor.io/test/peers"
	"blastdoor.io/test/poll"
)

// cell is one of the 16 ways through a door: a client of one speech, an upstream of another.
type cell struct {
	*world
	down   peers.Speech
	server *peers.GoServer
	host   string
	client *http.Client
}

// newClient is net/http over one speech; whatever the host, it connects to the door.
func newClient(t *testing.T, speech peers.Speech) *http.Client {
	t.Helper()
	transport := &http.Transport{
		Protocols:       speech.Protocols(),
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", port(speech)))
		},
		DisableCompression: true,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: poll.Slow(10 * time.Minute)}
}

// request is one to the cell's host.
func (c cell) request(ctx context.Context, method, target string, body io.Reader) *http.Request {
	c.t.Helper()
	request, err := http.NewRequestWithContext(ctx, method, c.down.Scheme()+"://"+c.host+target, body)
	if err != nil {
		c.t.Fatal(err)
	}
	return request
}

// do sends it, and checks that the answer came over the right protocols, and through the door.
func (c cell) do(t *testing.T, request *http.Request) *http.Response {
	t.Helper()
	response, err := c.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(response.Body, 1000))
		t.Fatalf("answered %d %s", response.StatusCode, body)
	}
	for name, want := range map[string]string{peers.ProtoField: c.server.Speech.Proto(), peers.ServerField: c.server.Name, peers.HopField: "1"} {
		if got := response.Header.Get(name); got != want {
			t.Errorf("%s: %q, not %q", name, got, want)
		}
	}
	if response.Header.Get(peers.RequestField) == "" {
		t.Error("the upstream saw no X-Request-Id: this did not come through a door")
	}
	if response.Proto != c.down.Proto() {
		t.Errorf("the client was answered in %s, not %s", response.Proto, c.down.Proto())
	}
	return response
}

func (c cell) get(t *testing.T, target string) *http.Response {
	t.Helper()
	return c.do(t, c.request(t.Context(), http.MethodGet, target, nil))
}

// content checks that a body is Content(n).
func checkContent(t *testing.T, body io.Reader, n int64) {
	t.Helper()
	if hash, err := peers.Hash(body); err != nil || hash != peers.ContentHash(n) {
		t.Errorf("the body of %d bytes came as %s, %v", n, hash, err)
	}
}

// checkUpload checks what the server says of a request body that was Content(n).
func checkUpload(t *testing.T, response *http.Response, length, n int64) peers.Upload {
	t.Helper()
	var got peers.Upload
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Length != length || got.Bytes != n || got.Hash != peers.ContentHash(n) {
		t.Errorf("%d bytes, announced as %d, came as %d %d %s", n, length, got.Bytes, got.Length, got.Hash)
	}
	return got
}

// streamed hides the length of a body from net/http.
func streamed(n int64) io.Reader { return struct{ io.Reader }{peers.Content(n)} }

// someBytes is more than any buffer of a door.
const someBytes = 300_001

// largeBytes is how long the bodies are whose memory is watched: 64 MiB, or BLASTDOOR_STREAM_BYTES.
func largeBytes(t *testing.T) int64 {
	t.Helper()
	text := os.Getenv("BLASTDOOR_STREAM_BYTES")
	if text == "" {
		return 64 * mebibyte
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatalf("BLASTDOOR_STREAM_BYTES: %v", err)
	}
	return n
}

// Every kind of body and of ending comes through between all protocols.
func TestMatrix(t *testing.T) {
	w, servers, hosts := goUpstreams(t)
	for _, down := range peers.Speeches {
		for _, up := range peers.Speeches {
			c := cell{w, down, servers[up], hosts[up], newClient(t, down)}
			t.Run(down.String()+" to "+up.String(), func(t *testing.T) { scenarios(t, c) })
		}
	}
}

func scenarios(t *testing.T, c cell) {
	for _, scenario := range []struct {
		name string
		run  func(*testing.T, cell)
	}{
		{"no body", noBody},
		{"length", withLength},
		{"streamed", withoutLength},
		{"trailers", trailers},
		{"client aborts upload", clientAbortsUpload},
		{"client aborts download", clientAbortsDownload},
		{"upstream aborts before the head", upstreamAbortsEarly},
		{"upstream aborts the body", upstreamAbortsBody},
		{"large download, slow client", slowClient},
		{"large upload, slow upstream", slowUpstream},
	} {
		c.t = t
		t.Run(scenario.name, func(t *testing.T) { scenario.run(t, c) })
	}
}

func noBody(t *testing.T, c cell) {
	response := c.get(t, "/download?bytes=0&length=1")
	if body, err := io.ReadAll(response.Body); err != nil || len(body) != 0 {
		t.Errorf("%d bytes, %v", len(body), err)
	}
	head := c.do(t, c.request(t.Context(), http.MethodHead, "/download?bytes=1234&length=1", nil))
	if body, err := io.ReadAll(head.Body); err != nil || len(body) != 0 || head.ContentLength != 1234 {
		t.Errorf("HEAD: %d bytes, %v, length %d", len(body), err, head.ContentLength)
	}
	upload := c.do(t, c.request(t.Context(), http.MethodPost, "/upload", http.NoBody))
	checkUpload(t, upload, 0, 0)
}

func withLength(t *testing.T, c cell) {
	body, _ := io.ReadAll(peers.Content(someBytes))
	upload := c.do(t, c.request(t.Context(), http.MethodPost, "/upload", bytes.NewReader(body)))
	checkUpload(t, upload, someBytes, someBytes)
	download := c.get(t, fmt.Sprintf("/download?bytes=%d&length=1", someBytes))
	if download.ContentLength != someBytes {
		t.Errorf("the response's length is %d", download.ContentLength)
	}
	checkContent(t, download.Body, someBytes)
}

func withoutLength(t *testing.T, c cell) {
	upload := c.do(t, c.request(t.Context(), http.MethodPost, "/upload", streamed(someBytes)))
	checkUpload(t, upload, -1, someBytes)
	download := c.get(t, fmt.Sprintf("/download?bytes=%d", someBytes))
	if download.ContentLength != -1 {
		t.Errorf("the response's length is %d", download.ContentLength)
	}
	checkContent(t, download.Body, someBytes)
}

func trailers(t *testing.T, c cell) {
	trailersOfUpload(t, c)
	request := c.request(t.Context(), http.MethodGet, fmt.Sprintf("/download?bytes=%d&trailer=1", someBytes), nil)
	request.Header.Set("TE", "trailers")
	download := c.do(t, request)
	checkContent(t, download.Body, someBytes)
	if value := download.Trailer.Get(peers.TrailerField); value != peers.ContentHash(someBytes) {
		t.Errorf("the client got the trailers %v", download.Trailer)
	}
}

// requestTrailersPass says where trailers of requests are passed on: RFC 9110 §6.5.1 lets them be
// dropped, and few HTTP/1.1 servers expect any.
func requestTrailersPass(_, up peers.Speech) bool { return up.HTTP2 }

func trailersOfUpload(t *testing.T, c cell) {
	t.Helper()
	request := c.request(t.Context(), http.MethodPost, "/upload", streamed(someBytes))
	request.Trailer = http.Header{"X-Sum": {"from the client"}}
	request.Header.Set("TE", "trailers")
	got := checkUpload(t, c.do(t, request), -1, someBytes)
	arrived := ""
	for name, values := range got.Trailers {
		if strings.EqualFold(name, "X-Sum") {
			arrived = values[0]
		}
	}
	want := ""
	if requestTrailersPass(c.down, c.server.Speech) {
		want = "from the client"
	}
	if arrived != want {
		t.Errorf("the upstream got the trailers %v", got.Trailers)
	}
}

var gates atomic.Int64

// waitFor waits until more requests than before wait in /wait.
func waitFor(t *testing.T, c cell, before int) {
	t.Helper()
	poll.Eventually(t, expect.Soon, "the request arrives", func() error {
		if c.server.Waiting() == before {
			return fmt.Errorf("not yet")
		}
		return nil
	})
}

// noticed checks that the upstream sees its request die.
func noticed(t *testing.T, c cell, before int) {
	t.Helper()
	poll.Eventually(t, aborted, "the upstream notices", func() error {
		gone := c.server.Gone()
		if len(gone) == before {
			return fmt.Errorf("not yet")
		}
		if gone[before] == nil {
			return poll.Hopeless("the request ended as if it were complete")
		}
		return nil
	})
}

// abortive makes the client's connections end with a reset: over HTTP/1.1 that alone is an abort, since
// an end of stream may come from a client that waits for its answer.
func abortive(c cell) {
	transport := c.client.Transport.(*http.Transport)
	transport.CloseIdleConnections()
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err == nil {
			err = conn.(*net.TCPConn).SetLinger(0)
		}
		return conn, err
	}
}

func clientAbortsUpload(t *testing.T, c cell) {
	waiting, gone := c.server.Waiting(), len(c.server.Gone())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reader, writer := io.Pipe()
	defer writer.Close()
	go func() { _, _ = io.Copy(writer, peers.Content(someBytes)) }()
	abortive(c)
	ended := make(chan error, 1)
	request := c.request(ctx, http.MethodPost, fmt.Sprintf("/wait?bytes=%d", someBytes), reader)
	go func() { ended <- discard(c.client.Do(request)) }()
	waitFor(t, c, waiting)
	cancel()
	_ = writer.CloseWithError(context.Canceled) // net/http waits for its body's reader
	<-ended
	noticed(t, c, gone)
}

func discard(response *http.Response, err error) error {
	if err != nil {
		return err
	}
	return response.Body.Close()
}

func clientAbortsDownload(t *testing.T, c cell) {
	waiting, gone := c.server.Waiting(), len(c.server.Gone())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	abortive(c)
	ended := make(chan error, 1)
	go func() { ended <- discard(c.client.Do(c.request(ctx, http.MethodGet, "/wait", nil))) }()
	waitFor(t, c, waiting)
	cancel()
	<-ended
	noticed(t, c, gone)
}

// withDeadline is for aborts: what is not noticed in time fails.
func withDeadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), poll.Slow(aborted))
	t.Cleanup(cancel)
	return ctx
}

func upstreamAbortsEarly(t *testing.T, c cell) {
	response, err := c.client.Do(c.request(withDeadline(t), http.MethodPost, "/abort?bytes=-1", http.NoBody))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusBadGateway {
		t.Errorf("answered %d", response.StatusCode)
	}
}

func upstreamAbortsBody(t *testing.T, c cell) {
	ctx := withDeadline(t)
	response := c.do(t, c.request(ctx, http.MethodGet, fmt.Sprintf("/abort?bytes=%d", someBytes), nil))
	_, err := io.Copy(io.Discard, response.Body)
	if err == nil {
		t.Error("a body that was cut off came as if it were complete")
	}
	if ctx.Err() != nil {
		t.Errorf("not within %v", aborted)
	}
}

// stalled waits until a counter has stood still for a while, and returns it.
func stalled(t *testing.T, counter func() int64) int64 {
	t.Helper()
	last, since := int64(-1), time.Now()
	poll.Eventually(t, expect.Soon, "backpressure", func() error {
		if now := counter(); now != last || now == 0 {
			last, since = now, time.Now()
		}
		if time.Since(since) < 150*time.Millisecond {
			return fmt.Errorf("%d bytes, and more come", last)
		}
		return nil
	})
	return last
}

// Bounds on what may be under way towards somebody who reads nothing: socket buffers of the kernel on
// both sides of the door, and what the door's process holds.
const (
	underWayMax = 40 * mebibyte
	bufferedMax = 8 * mebibyte
)

func slowClient(t *testing.T, c cell) {
	n := largeBytes(t)
	grown := growth(t, c.Door(exposure))
	before := c.server.Written()
	response := c.get(t, fmt.Sprintf("/drip?bytes=%d", n))
	written := stalled(t, func() int64 { return c.server.Written() - before })
	if written > underWayMax {
		t.Errorf("the upstream got rid of %s while the client read nothing", mib(written))
	}
	checkContent(t, response.Body, n)
	if bytes := grown(); bytes > bufferedMax {
		t.Errorf("the door grew by %s over a body of %s", mib(bytes), mib(n))
	}
}

// counted counts what is read.
type counted struct {
	io.Reader
	n atomic.Int64
}

func (c *counted) Read(into []byte) (int, error) {
	n, err := c.Reader.Read(into)
	c.n.Add(int64(n))
	return n, err
}

func slowUpstream(t *testing.T, c cell) {
	n, gate := largeBytes(t), fmt.Sprint(gates.Add(1))
	grown := growth(t, c.Door(exposure))
	body := &counted{Reader: peers.Content(n)}
	request := c.request(t.Context(), http.MethodPost, "/sluggish?gate="+gate, body)
	answers := make(chan *http.Response, 1)
	go func() {
		response, err := c.client.Do(request)
		if err != nil {
			t.Error(err)
		}
		answers <- response
	}()
	read := stalled(t, body.n.Load)
	if read > underWayMax {
		t.Errorf("the client got rid of %s while the upstream read nothing", mib(read))
	}
	c.server.Release(gate)
	response := <-answers
	if response == nil {
		return
	}
	defer response.Body.Close()
	checkUpload(t, response, -1, n)
	if bytes := grown(); bytes > bufferedMax {
		t.Errorf("the door grew by %s over a body of %s", mib(bytes), mib(n))
	}
}
