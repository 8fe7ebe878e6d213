// Package kube runs the real binary against a real API server, with the rights that we ship.
package kube

import (
	"testing"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/cluster"
	"blastdoor.io/test/echo"
	"blastdoor.io/test/netns"
)

const rbac = "../../deploy/rbac.yaml"

func TestMain(m *testing.M) {
	echo.MainIfAsked()
	netns.Main(m)
}

// startInCluster starts Blastdoor against the API server, with the rights that we ship.
func startInCluster(t *testing.T, c *cluster.Cluster) *blastdoor.Blastdoor {
	t.Helper()
	return blastdoor.Start(t, blastdoor.Options{Kubeconfig: c.ServiceAccountKubeconfig(t, rbac)})
}
