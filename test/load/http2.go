package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// http2 is one HTTP/2 connection, outside of Go's pool, which would send a request again.
type http2 struct {
	conn    *http.ClientConn
	address string
	sent    int
}

func dialHTTP2(port int, secure *tls.Config) (*http2, error) {
	transport := &http.Transport{TLSClientConfig: secure.Clone(), Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP2(true)
	c := &http2{address: fmt.Sprintf("127.0.0.1:%d", port)}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	var err error
	c.conn, err = transport.NewClientConn(ctx, "https", c.address)
	return c, err
}

func (c *http2) close() { _ = c.conn.Close() }

func (c *http2) requests() int { return c.sent }

func (c *http2) get(host, path string) (*http.Response, []byte, error) {
	c.sent++
	target, err := url.Parse("https://" + c.address + path)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithDeadline(context.Background(), time.Now().Add(timeout))
	defer cancel()
	answer, err := c.conn.RoundTrip((&http.Request{Method: http.MethodGet, URL: target, Host: host, Header: http.Header{}}).WithContext(ctx))
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	if answer.ProtoMajor != 2 {
		return nil, nil, errors.New("no HTTP/2 but " + answer.Proto)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, nil, fmt.Errorf("body: %w", err)
	}
	return answer, body, nil
}
