package blastdoor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"blastdoor.io/test/echo"
)

const requestTimeout = 10 * time.Second

// Response is an answer, with what the upstream saw if the answer came from one.
type Response struct {
	Status int
	Header http.Header
	Body   string
	Echo   *echo.Reply // nil: not from an echo upstream
}

// Request is one request to a data port. Method GET and no headers by default.
type Request struct {
	Port    int
	Host    string
	Path    string // request target
	Method  string
	Headers []string // "Name: value"
	Timeout time.Duration
}

// Do sends the request on a connection of its own and follows no redirect. It writes the bytes
// itself: the path is sent as it stands, and nothing is sent twice.
func (r Request) Do() (*Response, error) {
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	if r.Timeout == 0 {
		r.Timeout = requestTimeout
	}
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", r.Port), r.Timeout)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(r.Timeout))
	lines := []string{r.Method + " " + r.Path + " HTTP/1.1", "Host: " + r.Host, "Connection: close"}
	lines = append(lines, r.Headers...)
	if _, err := io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: r.Method})
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return readResponse(answer)
}

func readResponse(answer *http.Response) (*Response, error) {
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	response := &Response{Status: answer.StatusCode, Header: answer.Header, Body: string(body)}
	var reply echo.Reply
	if answer.Header.Get("X-Pod") != "" && json.Unmarshal(body, &reply) == nil {
		response.Echo = &reply
	}
	return response, nil
}

// Get is the common case.
func Get(port int, host, path string, headers ...string) (*Response, error) {
	return Request{Port: port, Host: host, Path: path, Headers: headers}.Do()
}

// Expect is a condition for poll: the answer has that status and, if pod is not empty, comes from
// that pod.
func Expect(port int, host, path string, status int, pod string) func() error {
	return func() error {
		answer, err := Get(port, host, path)
		if err != nil {
			return err
		}
		return answer.Is(status, pod)
	}
}

// Is says how the answer differs from a status, and from a pod if that is not empty.
func (r *Response) Is(status int, pod string) error {
	if r.Status != status {
		return fmt.Errorf("answered %d %.200q, not %d", r.Status, r.Body, status)
	}
	if pod != "" && (r.Echo == nil || r.Echo.Pod != pod) {
		return fmt.Errorf("not answered by pod %s: %.300q", pod, r.Body)
	}
	return nil
}

// fetch GETs a URL of the admin API, the probes or the metrics.
func fetch(url string) (int, string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body), err
}

func expectStatus(url string, status int) error {
	got, body, err := fetch(url)
	if err != nil {
		return err
	}
	if got != status {
		return fmt.Errorf("%s says %d %.200q", url, got, body)
	}
	return nil
}

// Readyz is a condition: the probe address says 200.
func Readyz() error { return readyz(adminPort + 1) }

func readyz(port int) error {
	return expectStatus(fmt.Sprintf("http://127.0.0.1:%d/readyz", port), http.StatusOK)
}

// Admin GETs /api/v1/WHAT.
func Admin(what string) (string, error) { return admin(adminPort, what) }

func admin(port int, what string) (string, error) {
	status, body, err := fetch(fmt.Sprintf("http://127.0.0.1:%d/api/v1/%s", port, what))
	if err != nil {
		return "", err
	}
	if status != http.StatusOK {
		return "", fmt.Errorf("/api/v1/%s says %d %.200q", what, status, body)
	}
	return body, nil
}

// Finding is one element of /api/v1/findings.
type Finding struct {
	Severity string `json:"severity"`
	Code     string `json:"code"`
	Field    string `json:"field"`
	What     string `json:"what"`
	Hint     string `json:"hint"`
	// Raw is the whole of it as JSON.
	Raw string `json:"-"`
}

// Findings are what the compiler has to say about the object of that name.
func Findings(object string) ([]Finding, error) { return findings(adminPort, object) }

func findings(port int, object string) ([]Finding, error) {
	body, err := admin(port, "findings")
	if err != nil {
		return nil, err
	}
	elements, err := elements(body)
	if err != nil {
		return nil, err
	}
	var found []Finding
	for _, raw := range elements {
		finding := Finding{Raw: string(raw)}
		if err := json.Unmarshal(raw, &finding); err != nil {
			return nil, err
		}
		if namesObject(raw, object) {
			found = append(found, finding)
		}
	}
	return found, nil
}

// elements unwraps a list that stands alone or as the one member "findings".
func elements(body string) ([]json.RawMessage, error) {
	var list []json.RawMessage
	if json.Unmarshal([]byte(body), &list) == nil {
		return list, nil
	}
	var wrapped struct{ Findings []json.RawMessage }
	if err := json.Unmarshal([]byte(body), &wrapped); err != nil {
		return nil, err
	}
	if wrapped.Findings == nil {
		return nil, errors.New("no list of findings: " + body)
	}
	return wrapped.Findings, nil
}

// namesObject reads the member "object": {"kind", "namespace", "name", …}.
func namesObject(raw json.RawMessage, name string) bool {
	var finding struct {
		Object struct{ Name string }
	}
	return json.Unmarshal(raw, &finding) == nil && finding.Object.Name == name
}
