package property

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// identity is what a client has to show for itself.
type identity int

const (
	nobody   identity = iota
	good              // of the first CA
	partner           // of the second
	stranger          // of a CA that no listener knows, with good's subject and serial number
	expired           // of the first CA, in its time
	identityCount
)

// caOf is the CA whose listeners believe an identity; 0: none does.
func caOf(i identity) int { return map[identity]int{good: 1, partner: 2}[i] }

func caFile(n int) string { return fmt.Sprintf("ca-%d.pem", n) }

// pki is all keys of a run, and the folder with the files that Blastdoor reads.
type pki struct {
	folder  string
	clients [identityCount]tls.Certificate
	facts   [identityCount]string // what X-Forwarded-Client-Cert says of one that was believed
}

type issuer struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newPKI(t testing.TB) *pki {
	t.Helper()
	p := &pki{folder: t.TempDir()}
	var issuers [4]issuer // the last one is known to nobody
	for n := 1; n < len(issuers); n++ {
		key, der := certify(t, &x509.Certificate{
			SerialNumber: big.NewInt(int64(n)), Subject: pkix.Name{CommonName: fmt.Sprintf("CA %d", min(n, 2))},
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		}, issuer{})
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		issuers[n] = issuer{certificate, key}
		p.write(t, caFile(n), "CERTIFICATE", der)
	}
	p.issue(t, good, issuers[1], "good", time.Hour)
	p.issue(t, partner, issuers[2], "partner", time.Hour)
	p.issue(t, stranger, issuers[3], "good", time.Hour)
	p.issue(t, expired, issuers[1], "expired", -time.Minute)
	for n, names := range servedCertificates {
		key, der := certify(t, &x509.Certificate{SerialNumber: big.NewInt(int64(n + 1)), DNSNames: names}, issuer{})
		p.write(t, fmt.Sprintf("server-%d.pem", n), "CERTIFICATE", der)
		text, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		p.write(t, fmt.Sprintf("server-%d.key", n), "PRIVATE KEY", text)
	}
	return p
}

func (p *pki) issue(t testing.TB, i identity, ca issuer, name string, valid time.Duration) {
	t.Helper()
	key, der := certify(t, &x509.Certificate{
		SerialNumber: big.NewInt(0x1234), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(valid),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, ca)
	p.clients[i] = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	p.facts[i] = fmt.Sprintf("Hash=%x;Serial=1234;Subject=\"CN=%s\"", sha256.Sum256(der), name)
}

// certify makes a key and its certificate, signed by itself without a CA.
func certify(t testing.TB, template *x509.Certificate, ca issuer) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.NotBefore = time.Now().Add(-time.Hour)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(24 * time.Hour)
	}
	if ca.key == nil {
		ca = issuer{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.certificate, &key.PublicKey, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	return key, der
}

func (p *pki) write(t testing.TB, name, kind string, der []byte) {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(filepath.Join(p.folder, name), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// listeners is a list for the configuration: one plain, and where the scheme allows it one with TLS.
func (p *pki) listeners(e exposure, plain, secure int) string {
	text := ""
	if plain != 0 {
		text = fmt.Sprintf("{port: %d, publicScheme: %s}, ", plain, exposures[e].proto)
	}
	if secure != 0 {
		text += fmt.Sprintf("{name: secure, port: %d, publicScheme: https, tls: {%s}}", secure, p.tls(e))
	}
	return "[" + strings.TrimSuffix(text, ", ") + "]"
}

// tls is the TLS of an exposure, as policyOf and covers read it.
func (p *pki) tls(e exposure) string {
	words := []string{"mode: self-signed"}
	if exposures[e].files {
		var pairs []string
		for n := range servedCertificates {
			pairs = append(pairs, fmt.Sprintf("{certificate: %q, key: %q}",
				filepath.Join(p.folder, fmt.Sprintf("server-%d.pem", n)), filepath.Join(p.folder, fmt.Sprintf("server-%d.key", n))))
		}
		words = []string{"mode: files", "certificates: [" + strings.Join(pairs, ", ") + "]"}
	}
	words = append(words, p.policy(policyOf(e, "")))
	var hosts []string
	for host, policy := range policies {
		hosts = append(hosts, fmt.Sprintf("{host: %q, %s}", host, p.policy(policy)))
	}
	return strings.Join(append(words, "hosts: ["+strings.Join(hosts, ", ")+"]"), ", ")
}

func (p *pki) policy(policy tlsPolicy) string {
	version := "1.2"
	if policy.only13 {
		version = "1.3"
	}
	text := "minVersion: " + version + ", clientCertificate: " + policy.asks
	if policy.ca != 0 {
		text += fmt.Sprintf(", clientCa: %q", filepath.Join(p.folder, caFile(policy.ca)))
	}
	return text
}
