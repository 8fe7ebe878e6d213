package property

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const stormVariable = "BLASTDOOR_PROPERTY_STORM"

// storm is somebody who unpacks packages on the same disk: small files, each synced and renamed. It
// makes the journal of the file system commit all the time, and whoever changes a file waits for it.
type storm struct {
	stop    chan struct{}
	stopped sync.Once
	writers sync.WaitGroup
	files   atomic.Int64
	slowest atomic.Int64 // to create, write, sync and rename one file
}

func startStorm(t *testing.T) *storm {
	t.Helper()
	s := &storm{stop: make(chan struct{})}
	folder := t.TempDir()
	t.Cleanup(s.calm)
	for n := range setting(t, stormVariable, 0) {
		s.writers.Go(func() { s.write(t, filepath.Join(folder, fmt.Sprint(n))) })
	}
	return s
}

func (s *storm) write(t *testing.T, prefix string) {
	content := bytes.Repeat([]byte("x"), 16<<10)
	for n := 0; ; n++ {
		select {
		case <-s.stop:
			return
		default:
		}
		began := time.Now()
		if err := writeSynced(fmt.Sprintf("%s-%d", prefix, n%1000), content[:1+n*997%len(content)]); err != nil {
			t.Error(err)
			return
		}
		s.files.Add(1)
		took := int64(time.Since(began))
		for old := s.slowest.Load(); took > old && !s.slowest.CompareAndSwap(old, took); old = s.slowest.Load() {
		}
	}
}

func writeSynced(path string, content []byte) error {
	file, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func (s *storm) calm() {
	s.stopped.Do(func() { close(s.stop) })
	s.writers.Wait()
}

func (s *storm) end(t *testing.T) {
	t.Helper()
	s.calm()
	if files := s.files.Load(); files > 0 {
		t.Logf("meanwhile the storm synced %d files, the slowest in %v", files, time.Duration(s.slowest.Load()).Round(time.Millisecond))
	}
}
