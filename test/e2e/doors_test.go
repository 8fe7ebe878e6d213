package e2e

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/echo"
	"blastdoor.io/test/expect"
	"blastdoor.io/test/manifest"
	"blastdoor.io/test/netns"
	"blastdoor.io/test/poll"
)

// Nothing that a client writes on one exposure reaches a route of another.
func TestDoorsHold(t *testing.T) {
	f, hostOf := fourDoors(t)
	f.start(blastdoor.Options{})
	for port, exposure := range blastdoor.Exposures {
		poll.Eventually(t, expect.Soon, exposure, blastdoor.Expect(port, hostOf[exposure], "/", 200, "local-a"))
		for _, other := range blastdoor.Exposures {
			if other == exposure {
				continue
			}
			for name, request := range hostile(port, hostOf[exposure], hostOf[other]) {
				checkHostile(t, exposure+" with "+name, request, hostOf[other])
			}
		}
	}
}

// hostile are requests on one exposure that want the host of another.
func hostile(port int, own, other string) map[string]blastdoor.Request {
	on := func(host, path string, headers ...string) blastdoor.Request {
		return blastdoor.Request{Port: port, Host: host, Path: path, Headers: headers}
	}
	return map[string]blastdoor.Request{
		"Host":                     on(other, "/"),
		"Host in capitals":         on(strings.ToUpper(other), "/"),
		"Host with a dot":          on(other+".", "/"),
		"Host with a port":         on(other+":443", "/"),
		"absolute URI":             on(own, "http://"+other+"/"),
		"absolute https URI":       on(own, "https://"+other+"/"),
		"absolute URI, no match":   on(other, "http://"+other+"/"),
		"second Host":              on(own, "/", "Host: "+other),
		"X-Forwarded-Host":         on(own, "/", "X-Forwarded-Host: "+other),
		"Forwarded":                on(own, "/", "Forwarded: host="+other+";proto=https"),
		"X-Forwarded-Proto, -Port": on(other, "/", "X-Forwarded-Proto: https", "X-Forwarded-Port: 443"),
		"X-Original-URL":           on(own, "/", "X-Original-URL: http://"+other+"/", "X-Rewrite-URL: http://"+other+"/"),
		"obs-fold":                 on(own, "/", "X-A: b\r\n Host: "+other),
		"user info":                on("a@"+other, "/"),
		"authority path":           on(own, "//"+other+"/"),
	}
}

// checkHostile accepts any refusal, and an answer for the exposure's own host.
func checkHostile(t *testing.T, what string, request blastdoor.Request, other string) {
	t.Helper()
	answer, err := request.Do()
	if err != nil {
		return // closed without an answer: refused too
	}
	if answer.Echo != nil && strings.Contains(strings.ToLower(answer.Echo.Host), other) {
		t.Errorf("%s: it got through: %.400s", what, answer.Body)
	}
}

// What the upstream is told about client and scheme are facts of the listener, not of the request.
func TestDoorsTellTheTruth(t *testing.T) {
	f, hostOf := fourDoors(t)
	f.start(blastdoor.Options{})
	for port, exposure := range blastdoor.Exposures {
		proto, public := "http", "80"
		if strings.HasSuffix(exposure, "httpsecure") {
			proto, public = "https", "443"
		}
		host := hostOf[exposure]
		poll.Eventually(t, expect.Soon, exposure, blastdoor.Expect(port, host, "/", 200, "local-a"))
		answer, err := blastdoor.Get(port, host, "/a?b=%2F", "X-Forwarded-Proto: gopher", "X_Forwarded_Proto: gopher",
			"X-Forwarded-Port: 7", "X-Forwarded-Host: evil.example.com", "X-Forwarded-For: 203.0.113.9",
			"Forwarded: for=203.0.113.9", "X-Real-IP: 203.0.113.9", "Connection: X-Named", "X-Named: kept", "Keep-Alive: 3")
		if err != nil || answer.Echo == nil {
			t.Fatalf("%s: %v %+v", exposure, err, answer)
		}
		checkTruth(t, answer.Echo, map[string]string{
			"X-Forwarded-Proto": proto, "X-Forwarded-Port": public, "X-Forwarded-Host": host,
			"X-Forwarded-For": "127.0.0.1", "X_Forwarded_Proto": "", "Forwarded": "", "X-Real-Ip": "", "Keep-Alive": "",
			"X-Named": "kept", // ADR 0009: a client cannot take away what the balancer added
		})
		if answer.Echo.Host != host || answer.Echo.Target != "/a?b=%2F" {
			t.Errorf("forwarded as %q %q", answer.Echo.Host, answer.Echo.Target)
		}
	}
}

func checkTruth(t *testing.T, got *echo.Reply, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if has := strings.Join(got.Headers[name], ", "); has != value {
			t.Errorf("%s: %q, not %q", name, has, value)
		}
	}
	if got.Headers.Get("X-Request-Id") == "" {
		t.Error("no X-Request-Id")
	}
}

// Doors cannot be chained: an endpoint that is one of our own ports is refused.
func TestDoorsCannotBeChained(t *testing.T) {
	f, hostOf := fourDoors(t)
	targets := []string{"127.0.0.1:10000", "127.0.0.2:10003", "127.0.0.1:9900", "127.0.0.1:9901", "127.0.0.1:9902"}
	if netns.Isolated() {
		targets = append(targets, netns.NodeIP+":10001")
	}
	text, hosts := "", map[string]string{}
	for n, target := range targets {
		address, digits, _ := strings.Cut(target, ":")
		port, _ := strconv.Atoi(digits)
		name := fmt.Sprintf("chain-%d", n)
		hosts[target] = expect.NewHost(name)
		text += manifest.App("shop", name, port, address) +
			manifest.Ingress{Namespace: "shop", Name: name, Expose: "external-http", Service: name, Host: hosts[target]}.YAML()
	}
	f.write("chain.yaml", text)
	f.start(blastdoor.Options{})
	poll.Eventually(t, expect.Soon, "served", blastdoor.Expect(blastdoor.ExternalHTTP, hostOf["external-http"], "/", 200, "local-a"))
	for target, host := range hosts {
		poll.Eventually(t, expect.Live, target, blastdoor.Expect(blastdoor.ExternalHTTP, host, "/", http.StatusServiceUnavailable, ""))
	}
}
