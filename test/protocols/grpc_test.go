package protocols

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"blastdoor.io/test/peers"
)

// grpcCases are those of gRPC's interop_test.sh.
var grpcCases = []string{
	"empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream",
	"timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response", "status_code_and_message",
	"special_status_message", "custom_metadata", "unimplemented_method", "unimplemented_service",
	"orca_per_rpc", "orca_oob", "rpc_soak", "channel_soak",
}

// gRPC's own client and server understand each other through a door: TLS or plain on the way in, plain
// HTTP/2 to the server.
func TestGRPC(t *testing.T) {
	client, program := peers.Built(t, "grpc-client"), peers.Built(t, "grpc-server")
	authority := peers.NewAuthority(t)
	const name = "grpc.example.com"
	certificate := authority.Issue(name)
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, []byte(authority.PEM), 0o644); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.options.Config = configWithTLS(fmt.Sprintf("{mode: files, certificates: [{certificate: %s, key: %s}]}",
		certificate.CertificateFile, certificate.KeyFile))
	const serverPort = 10099 // it listens on all addresses
	peers.Serve(t, net.JoinHostPort("127.0.0.1", strconv.Itoa(serverPort)), program, fmt.Sprintf("--port=%d", serverPort))
	w.add(app{Host: name, Address: fmt.Sprintf("127.0.0.3:%d", serverPort), Speech: peers.Speech{HTTP2: true}})
	w.add(app{Address: fmt.Sprintf("127.0.0.3:%d", serverPort), Speech: peers.Speech{HTTP2: true}}) // authority 127.0.0.1
	w.start()
	for way, arguments := range map[string][]string{
		"h2-tls": {fmt.Sprintf("--server_port=%d", tlsPort), "--use_tls", "--use_test_ca", "--ca_file=" + ca, "--server_host_override=" + name},
		"h2c":    {fmt.Sprintf("--server_port=%d", plainPort)},
	} {
		for _, test := range grpcCases {
			t.Run(way+"/"+test, func(t *testing.T) {
				argv := append([]string{client, "--server_host=127.0.0.1", "--test_case=" + test, "--soak_iterations=10"}, arguments...)
				if strings.HasPrefix(test, "orca") { // what these look at is reported to a balancer, which has to be asked for
					argv = append(argv, `--service_config_json={"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}`)
				}
				if result := peers.Run(t, 30*time.Second, argv...); result.Code != 0 {
					t.Errorf("%v", result)
				}
			})
		}
	}
}
