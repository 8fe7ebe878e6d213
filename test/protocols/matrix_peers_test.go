package protocols

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"blastdoor.io/test/expect"
	"blastdoor.io/test/peers"
)

// goUpstreams starts a GoServer per speech behind one door.
func goUpstreams(t *testing.T) (*world, map[peers.Speech]*peers.GoServer, map[peers.Speech]string) {
	t.Helper()
	w := newWorld(t)
	certificate := peers.NewAuthority(t).Issue("upstream.test")
	hosts := map[peers.Speech]string{}
	servers := map[peers.Speech]*peers.GoServer{}
	for _, up := range peers.Speeches {
		hosts[up] = expect.NewHost("go-" + up.String())
		servers[up] = peers.StartGoServer(t, up, "go-"+up.String(), newAddress(), certificate)
		w.add(app{Host: hosts[up], Address: servers[up].Address, Speech: up})
	}
	w.start()
	w.awaitServed(hosts[peers.Speech{}]) // all came in one batch
	return w, servers, hosts
}

// curl runs it against the door, and returns the body and "HTTP-VERSION STATUS" of the answer.
func curl(t *testing.T, down peers.Speech, url string, arguments ...string) (body []byte, answer string) {
	t.Helper()
	output := filepath.Join(t.TempDir(), "body")
	version := map[peers.Speech]string{
		{}: "--http1.1", {TLS: true}: "--http1.1", {TLS: true, HTTP2: true}: "--http2", {HTTP2: true}: "--http2-prior-knowledge",
	}[down]
	argv := append([]string{peers.Installed(t, "curl", "curl"), "-sS", "-k", "--max-time", "20", version, "-o", output,
		"-w", "%{http_version} %{http_code}", "--connect-to", fmt.Sprintf("::127.0.0.1:%d", port(down))}, arguments...)
	result := peers.Run(t, 30*time.Second, append(argv, url)...)
	if result.Code != 0 {
		t.Errorf("curl: %v", result)
	}
	body, err := os.ReadFile(output)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return body, result.Stdout
}

// curl uploads with and without a length, and downloads, between all protocols.
func TestMatrixCurl(t *testing.T) {
	_, _, hosts := goUpstreams(t)
	file := filepath.Join(t.TempDir(), "upload")
	content, _ := io.ReadAll(peers.Content(someBytes))
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
	hash := peers.ContentHash(someBytes)
	for _, down := range peers.Speeches {
		for _, up := range peers.Speeches {
			t.Run(down.String()+" to "+up.String(), func(t *testing.T) {
				base := down.Scheme() + "://" + hosts[up]
				version := strings.TrimSuffix(strings.TrimPrefix(down.Proto(), "HTTP/"), ".0")
				check := func(what string, body []byte, answer string, wanted ...string) {
					t.Helper()
					if answer != version+" 200" {
						t.Errorf("%s: answered %s %.300q", what, answer, body)
					}
					for _, want := range append(wanted, up.Proto(), hash) {
						if !strings.Contains(string(body), want) {
							t.Errorf("%s: no %s in %.600s", what, want, body)
						}
					}
				}
				body, answer := curl(t, down, base+"/upload", "--data-binary", "@"+file)
				check("length", body, answer, fmt.Sprintf(`"length":%d,`, someBytes), `"X-Blastdoor-Hop":["1"]`)
				streaming := []string{"-X", "POST", "-T", "-"}
				body, answer = curlFrom(t, file, down, base+"/upload", streaming...)
				check("streamed", body, answer, `"length":-1,`, `"X-Blastdoor-Hop":["1"]`)
				body, answer = curl(t, down, fmt.Sprintf("%s/download?bytes=%d", base, someBytes))
				if answer != version+" 200" || string(body) != string(content) {
					t.Errorf("download: answered %s, %d bytes", answer, len(body))
				}
			})
		}
	}
}

// curlFrom is curl with a file as its standard input, whose length it cannot know.
func curlFrom(t *testing.T, file string, down peers.Speech, url string, arguments ...string) (body []byte, answer string) {
	t.Helper()
	pipe := filepath.Join(t.TempDir(), "curl")
	text := "#!/bin/sh\nexec cat '" + file + "' | exec '" + peers.Installed(t, "curl", "curl") + "' \"$@\"\n"
	if err := os.WriteFile(pipe, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Dir(pipe)+":"+os.Getenv("PATH"))
	return curl(t, down, url, arguments...)
}

// node's clients upload and download with trailers, between all protocols.
func TestMatrixNodeClient(t *testing.T) {
	_, _, hosts := goUpstreams(t)
	for _, down := range peers.Speeches {
		for _, up := range peers.Speeches {
			t.Run(down.String()+" to "+up.String(), func(t *testing.T) {
				got := peers.RunNodeClient(t, down, strconv.Itoa(port(down)), hosts[up], strconv.Itoa(someBytes))
				if u := got.Upload; u.Status != 200 || u.Told.Hash != u.Sent || u.Told.Proto != up.Proto() || u.Told.Headers.Get("X-Blastdoor-Hop") != "1" {
					t.Errorf("upload: %+v", u)
				}
				want := ""
				if requestTrailersPass(down, up) {
					want = got.Upload.Sent
				}
				if got.Upload.Trailer != want {
					t.Errorf("the upstream got the trailers %v", got.Upload.Told.Trailers)
				}
				if d := got.Download; d.Status != 200 || d.Hash != peers.ContentHash(someBytes) {
					t.Errorf("download: %+v", d)
				}
				if got.Download.Trailer != peers.ContentHash(someBytes) {
					t.Errorf("the client got the trailer %q", got.Download.Trailer)
				}
			})
		}
	}
}

// node's servers get uploads and serve downloads, with trailers, between all protocols.
func TestMatrixNodeServer(t *testing.T) {
	w := newWorld(t)
	certificate := peers.NewAuthority(t).Issue("upstream.test")
	hosts := map[peers.Speech]string{}
	for _, up := range peers.Speeches {
		hosts[up] = expect.NewHost("node-" + up.String())
		address := newAddress()
		peers.StartNodeServer(t, up, address, certificate)
		w.add(app{Host: hosts[up], Address: address, Speech: up})
	}
	w.start()
	w.awaitServed(hosts[peers.Speech{}])
	for _, down := range peers.Speeches {
		for _, up := range peers.Speeches {
			server := &peers.GoServer{Speech: up, Name: "node-" + up.String()}
			c := cell{w, down, server, hosts[up], newClient(t, down)}
			t.Run(down.String()+" to "+up.String(), func(t *testing.T) {
				c.t = t
				trailersOfUpload(t, c)
				downloadFromNode(t, c)
			})
		}
	}
}

func downloadFromNode(t *testing.T, c cell) {
	t.Helper()
	request := c.request(t.Context(), http.MethodGet, fmt.Sprintf("/download?bytes=%d", someBytes), nil)
	request.Header.Set("TE", "trailers")
	response := c.do(t, request)
	hash, err := peers.Hash(response.Body)
	if err != nil || hash != response.Trailer.Get(peers.TrailerField) {
		t.Errorf("downloaded %s, %v; the trailers are %v", hash, err, response.Trailer)
	}
}

// nghttpd serves files with a trailer, and echoes uploads.
func TestMatrixNghttpd(t *testing.T) {
	program := peers.Installed(t, "nghttpd", "nghttp2-server")
	w := newWorld(t)
	certificate := peers.NewAuthority(t).Issue("upstream.test")
	files := t.TempDir()
	content, _ := io.ReadAll(peers.Content(someBytes))
	if err := os.WriteFile(filepath.Join(files, "file.txt"), content, 0o644); err != nil {
		t.Fatal(err)
	}
	ups := []peers.Speech{{TLS: true, HTTP2: true}, {HTTP2: true}}
	hosts := map[peers.Speech]string{}
	for _, up := range ups {
		hosts[up] = expect.NewHost("nghttpd-" + up.String())
		address := newAddress()
		host, digits, _ := net.SplitHostPort(address)
		argv := []string{program, "-a", host, "-d", files, "--echo-upload", "--trailer", "x-peer-hash: abc"}
		if up.TLS {
			argv = append(argv, digits, certificate.KeyFile, certificate.CertificateFile)
		} else {
			argv = append(argv, "--no-tls", digits)
		}
		peers.Serve(t, address, argv...)
		w.add(app{Host: hosts[up], Address: address, Speech: up})
	}
	w.start()
	for _, down := range peers.Speeches {
		for _, up := range ups {
			c := cell{w, down, nil, hosts[up], newClient(t, down)}
			t.Run(down.String()+" to "+up.String(), func(t *testing.T) { c.t = t; fromNghttpd(t, c) })
		}
	}
}

func fromNghttpd(t *testing.T, c cell) {
	t.Helper()
	for method, target := range map[string]string{"GET": "/file.txt", "POST": "/"} {
		var body io.Reader
		if method == "POST" {
			body = streamed(someBytes)
		}
		request := c.request(t.Context(), method, target, body)
		request.Header.Set("TE", "trailers")
		response, err := c.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.StatusCode != 200 || response.Header.Get("Server") == "" {
			t.Errorf("%s: answered %d %v", method, response.StatusCode, response.Header)
		}
		checkContent(t, response.Body, someBytes)
		// It announces a length, with which HTTP/1.1 has no place for trailers.
		if c.down.HTTP2 && response.Trailer.Get(peers.TrailerField) != "abc" {
			t.Errorf("%s: the client got the trailers %v", method, response.Trailer)
		}
	}
}
