// Package e2e runs the real binary against folders of manifests. It needs no cluster, and nothing
// but Go's own library, so that it runs where no module can be fetched.
package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/echo"
	"blastdoor.io/test/load"
	"blastdoor.io/test/netns"
)

func TestMain(m *testing.M) {
	echo.MainIfAsked()
	load.MainIfAsked()
	greedyMainIfAsked()
	netns.Main(m)
}

// folder is a manifests folder of one test.
type folder struct {
	t    *testing.T
	path string
}

func newFolder(t *testing.T) folder {
	t.Helper()
	return folder{t, t.TempDir()}
}

// write replaces a file as careful programs do, in one step.
func (f folder) write(name, text string) {
	f.t.Helper()
	temporary := filepath.Join(f.path, "."+name+".new")
	if err := os.WriteFile(temporary, []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(temporary, filepath.Join(f.path, name)); err != nil {
		f.t.Fatal(err)
	}
}

func (f folder) remove(name string) {
	f.t.Helper()
	if err := os.Remove(filepath.Join(f.path, name)); err != nil {
		f.t.Fatal(err)
	}
}

// start starts Blastdoor on the folder alone.
func (f folder) start(options blastdoor.Options) *blastdoor.Blastdoor {
	f.t.Helper()
	options.Manifests = append(options.Manifests, f.path)
	options.AllowLoopback = true
	return blastdoor.Start(f.t, options)
}

var loopback atomic.Int64

// localPod starts a pod on a loopback address of its own, for folders with --allow-loopback.
func localPod(t *testing.T, name string) (address string) {
	t.Helper()
	address = fmt.Sprintf("127.0.1.%d", loopback.Add(1))
	echo.Local(t, name, fmt.Sprintf("%s:%d", address, echo.Port))
	return address
}
