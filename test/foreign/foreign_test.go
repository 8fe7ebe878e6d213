package foreign

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"blastdoor.io/test/blastdoor"
	"blastdoor.io/test/echo"
	"blastdoor.io/test/netns"
	"blastdoor.io/test/poll"
	"blastdoor.io/test/process"
)

const (
	podAddress = "127.0.9.1"
	checkLimit = 20 * time.Second
)

// finding is what `check --output json` and the admin API print.
type finding struct {
	Severity, Code, Field, What string
	Object                      struct {
		Kind, Namespace, Name, File string
		Line                        int
	}
	Exposures []string
}

// check runs `blastdoor check` on a folder. It may end with 0 or 1 and in no other way.
func check(t *testing.T, dir string) []finding {
	t.Helper()
	command := exec.Command(blastdoor.Binary(t), "check", "--manifests", dir, "--allow-loopback", "--output", "json")
	command.Env = []string{"PATH=" + os.Getenv("PATH")} // BLASTDOOR_… variables of the tests are no configuration
	var out, complaints strings.Builder
	command.Stdout, command.Stderr = &out, &complaints
	began := time.Now()
	err := command.Run()
	if code := command.ProcessState.ExitCode(); code != 0 && code != 1 {
		t.Fatalf("exit code %d: %v\n%s", code, err, complaints.String())
	}
	if took := time.Since(began); took > poll.Slow(checkLimit) {
		t.Errorf("check took %v", took)
	}
	findings := parse(t, out.String())
	refused := slices.ContainsFunc(findings, func(f finding) bool { return f.Severity == "refused" })
	if refused != (command.ProcessState.ExitCode() == 1) {
		t.Errorf("exit code %d, but refused: %v", command.ProcessState.ExitCode(), refused)
	}
	return findings
}

func parse(t *testing.T, text string) []finding {
	t.Helper()
	var answer struct{ Findings []finding }
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		t.Fatalf("no JSON: %v: %.300s", err, text)
	}
	return answer.Findings
}

// everyIngressIsNamed compares what Kubernetes' own reader finds with what the findings name.
func everyIngressIsNamed(t *testing.T, contents folderContents, findings []finding) {
	t.Helper()
	type place struct{ file, namespace, name string }
	lines := map[place]map[int]bool{}
	files := map[string]bool{}   // with a finding about the file as such
	nameless := map[string]int{} // findings about an Ingress that can't be named
	for _, f := range findings {
		at := place{f.Object.File, f.Object.Namespace, f.Object.Name}
		// What stands between "..." and "---" is a document of its own, and no object: our reader
		// names that, the one here takes it for a broken end of the document before.
		if f.Object.Kind == "Manifest" || f.Object.Kind == "" && f.Severity == "refused" {
			files[f.Object.File] = true
		}
		if f.Object.Kind != "Ingress" {
			continue
		}
		if lines[at] == nil {
			lines[at] = map[int]bool{}
		}
		if !lines[at][f.Object.Line] && f.Object.Name == "" {
			nameless[f.Object.File]++
		}
		lines[at][f.Object.Line] = true
	}
	for file := range contents.broken {
		if !files[file] {
			t.Errorf("%s can't be read whole, and no finding says so", file)
		}
	}
	wanted := map[place]int{}
	wantedNameless := map[string]int{}
	for _, o := range contents.ingresses {
		if o.nameless {
			wantedNameless[o.file]++
		} else {
			wanted[place{o.file, o.namespace, o.name}]++
		}
	}
	for at, count := range wanted {
		if named := len(lines[at]); named < count && !files[at.file] {
			t.Errorf("Ingress %s/%s stands in %s %d times, and findings name %d", at.namespace, at.name, at.file, count, named)
		}
	}
	for file, count := range wantedNameless {
		if nameless[file] < count && !files[file] {
			t.Errorf("%s has %d Ingresses without a name, and findings name %d", file, count, nameless[file])
		}
	}
}

// everyOneHasAnEnd: an Ingress is served, refused or not selected; a warning alone is no verdict.
func everyOneHasAnEnd(t *testing.T, findings []finding) {
	t.Helper()
	type key struct {
		file string
		line int
		name string
	}
	ends := map[key]bool{}
	for _, f := range findings {
		if f.Object.Kind == "Ingress" {
			at := key{f.Object.File, f.Object.Line, f.Object.Name}
			ends[at] = ends[at] || f.Severity != "warning" || strings.Contains(f.What, "served nowhere")
		}
	}
	for at, end := range ends {
		if !end {
			t.Errorf("Ingress %s (%s:%d) has warnings, and nothing says whether it is served", at.name, at.file, at.line)
		}
	}
}

// Each file of the corpus alone: one bad file must not hide another.
func TestEveryFileOfTheCorpus(t *testing.T) {
	files, err := filepath.Glob("corpus/*")
	if err != nil || len(files) == 0 {
		t.Fatal("no corpus:", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			dir := t.TempDir()
			text, err := os.ReadFile(file)
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, filepath.Base(file)), text, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
			findings := check(t, dir)
			everyIngressIsNamed(t, readFolder(t, dir), findings)
			everyOneHasAnEnd(t, findings)
		})
	}
}

// The corpus as one folder, checked and served.
func TestTheCorpus(t *testing.T) { testFolder(t, "corpus") }

// Hundreds of generated Ingresses, checked and served.
func TestGeneratedFolders(t *testing.T) {
	seed := seedWanted(t)
	for n := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed+n), func(t *testing.T) {
			dir := t.TempDir()
			generate(t, dir, seed+n, podAddress)
			if t.Failed() {
				return
			}
			keep(t, dir)
			testFolder(t, dir)
		})
	}
}

// keep leaves a generated folder where it can be looked at, if that is wanted.
func keep(t *testing.T, dir string) {
	t.Helper()
	if os.Getenv("BLASTDOOR_TEST_KEEP") == "" {
		return
	}
	kept := filepath.Join(os.Getenv("BLASTDOOR_TEST_KEEP"), strings.ReplaceAll(t.Name(), "/", "-"))
	if err := os.CopyFS(kept, os.DirFS(dir)); err != nil {
		t.Error(err)
		return
	}
	t.Logf("the folder: %s", kept)
}

func testFolder(t *testing.T, dir string) {
	t.Helper()
	contents, findings := readFolder(t, dir), check(t, dir)
	everyIngressIsNamed(t, contents, findings)
	everyOneHasAnEnd(t, findings)
	count := map[string]int{}
	for _, f := range findings {
		count[f.Severity]++
	}
	t.Logf("%d Ingresses, %d files that can't be read whole, findings: %v", len(contents.ingresses), len(contents.broken), count)
	if count["served"] == 0 || count["refused"] == 0 || count["info"] == 0 {
		t.Error("that proves little")
	}
	serve(t, dir, contents, findings)
}

// serve runs Blastdoor on the folder: it says the same as check, what it says is served is served,
// and no process dies of it.
func serve(t *testing.T, dir string, contents folderContents, findings []finding) {
	t.Helper()
	netns.Require(t)
	defer echo.Local(t, "foreign", fmt.Sprintf("%s:%d", podAddress, echo.Port))()
	b := blastdoor.Start(t, blastdoor.Options{Manifests: []string{dir}, AllowLoopback: true})
	before := pids(b)
	body, err := blastdoor.Admin("findings")
	if err != nil {
		t.Fatal(err)
	}
	if running := parse(t, body); len(running) != len(findings) {
		t.Errorf("check has %d findings, and the running one %d", len(findings), len(running))
	}
	asked := 0
	for _, f := range findings {
		if f.Severity == "served" {
			asked += askFor(t, f, contents)
		}
	}
	t.Logf("%d hosts that are served did answer", asked)
	if after := pids(b); !slices.Equal(before, after) {
		t.Errorf("processes were replaced: %v, now %v", before, after)
	}
	b.Kill()
}

func pids(b *blastdoor.Blastdoor) []int {
	var all []int
	for _, child := range process.Children(b.PID()) {
		all = append(all, child.PID)
	}
	slices.Sort(all)
	return all
}

// askFor requests the hosts of an Ingress on every exposure that is said to serve it. Some of its
// rules may have lost to another Ingress or be refused; but a host that is listed is never unknown.
func askFor(t *testing.T, f finding, contents folderContents) int {
	t.Helper()
	asked := 0
	for _, o := range contents.ingresses {
		if o.file != f.Object.File || o.name != f.Object.Name || o.namespace != f.Object.Namespace {
			continue
		}
		hosts := o.exactHosts()
		for _, host := range hosts[:min(len(hosts), 3)] {
			host = strings.ToLower(strings.TrimSuffix(host, "."))
			if !strings.Contains(f.What+" ", " "+host+" ") && !strings.Contains(f.What, " "+host+",") && !strings.Contains(f.What, " "+host+".") {
				continue // not among those that it says are served
			}
			for port, exposure := range blastdoor.Exposures {
				if !slices.Contains(f.Exposures, exposure) {
					continue
				}
				answer, err := blastdoor.Get(port, host, "/")
				if err != nil || answer.Status == 404 || answer.Status == 400 {
					t.Errorf("%v is said to be served on %s, but %s: %v %+v", o, exposure, host, err, answer)
				}
				asked++
			}
		}
	}
	return asked
}
