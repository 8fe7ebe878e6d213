package vectors

import (
	"os"
	"testing"

	"blastdoor.io/test/echo"
	"blastdoor.io/test/netns"
)

func TestMain(m *testing.M) {
	echo.MainIfAsked()
	// Every run has a connection of its own; the default has too few ports for those.
	if netns.Isolated() {
		_ = os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("1025 65000"), 0)
	}
	netns.Main(m)
}
