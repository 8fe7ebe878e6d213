package protocols

import (
	"fmt"
	"strings"
	"testing"

	"blastdoor.io/test/expect"
	"blastdoor.io/test/peers"
)

// configMap is one with a CA bundle.
func configMap(name, bundle string) string {
	return fmt.Sprintf("---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %s\n  namespace: shop\n  labels: {blastdoor.io/ca: \"true\"}\ndata:\n  ca.crt: |\n    %s\n",
		name, strings.ReplaceAll(strings.TrimSpace(bundle), "\n", "\n    "))
}

// A certificate that is to be verified is, over both protocols: its issuer and its name.
func TestUpstreamIsVerified(t *testing.T) {
	w := newWorld(t)
	good, other := peers.NewAuthority(t), peers.NewAuthority(t)
	w.write("ca.yaml", configMap("good", good.PEM)+configMap("other", other.PEM))
	type row struct {
		speech         peers.Speech
		ca, serverName string
		status         string
	}
	rows := map[string]row{}
	for _, speech := range []peers.Speech{{TLS: true}, {TLS: true, HTTP2: true}} {
		server := peers.StartGoServer(t, speech, "go", newAddress(), good.Issue("upstream.test"))
		for ca, wants := range map[string]map[string]string{
			"good":  {"upstream.test": "200", "someone.else.test": "502"},
			"other": {"upstream.test": "502"},
		} {
			for name, status := range wants {
				host := expect.NewHost("verified")
				rows[host] = row{speech, ca, name, status}
				w.add(app{Host: host, Address: server.Address, Speech: speech, Annotations: map[string]string{
					"blastdoor.io/upstream-tls": "verify", "blastdoor.io/upstream-ca": "configmap " + ca,
					"blastdoor.io/upstream-server-name": name,
				}})
			}
		}
	}
	plain := peers.StartGoServer(t, peers.Speech{}, "go", newAddress(), peers.Issued{})
	host := expect.NewHost("plain")
	w.add(app{Host: host, Address: plain.Address})
	w.start()
	w.awaitServed(host)
	for host, r := range rows {
		body, answer := curl(t, peers.Speech{}, "http://"+host+"/upload")
		if answer != "1.1 "+r.status {
			t.Errorf("%v, CA %s, name %s: answered %s %.300s", r.speech, r.ca, r.serverName, answer, body)
		}
	}
}
