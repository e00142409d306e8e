package ws

import (
	"bufio"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillon-go/carillon/http"
)

// npm is a process with npm's ws, which has both sides: see testdata/npm/peer.js.
type npm struct {
	stdin   io.Writer
	lines   chan npmReport
	address string // of its echo
}

// npmReport is a line that it says.
type npmReport struct {
	Port             int
	Protocol, Answer string // of the opening handshake
	Pongs            []string
	Code             Code
	Reason           string
	Error            string
}

// npmFolder is where the package is installed, once a process; TestMain removes it. An
// error is a reason to skip.
var npmFolder = sync.OnceValues(func() (dir string, err error) {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return "", err
		}
	}
	if dir, err = os.MkdirTemp("", "carillon-npm-"); err != nil {
		return "", err
	}
	npmRemove = func() { os.RemoveAll(dir) }
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "npm"))); err != nil {
		return "", err
	}
	install := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=0")
	install.Dir, install.WaitDelay = dir, time.Second
	stop := time.AfterFunc(30*time.Second, func() { install.Process.Kill() })
	defer stop.Stop()
	if out, err := install.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return dir, nil
})

var npmRemove = func() {}

func startNPM(t *testing.T) *npm {
	t.Helper()
	dir, err := npmFolder()
	if err != nil {
		t.Skip("npm's ws is not at hand: ", err)
	}
	cmd := exec.Command("node", "peer.js")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	authority := filepath.Join(t.TempDir(), "authority.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: testCertificate().Certificate[0]})
	if err := os.WriteFile(authority, block, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+authority)
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n := &npm{stdin: stdin, lines: make(chan npmReport, 10)}
	var group sync.WaitGroup
	group.Go(func() {
		for scan := bufio.NewScanner(stdout); scan.Scan(); {
			var r npmReport
			if err := json.Unmarshal(scan.Bytes(), &r); err != nil {
				t.Error(err)
			}
			n.lines <- r
		}
	})
	t.Cleanup(func() {
		stdin.Close() // it ends by that
		group.Wait()
		if err := cmd.Wait(); err != nil {
			t.Error("node:", err)
		}
	})
	n.address = fmt.Sprintf("127.0.0.1:%d", wait(t, "port", n.lines).Port)
	return n
}

// talk has its client talk to a server of ours.
func (n *npm) talk(t *testing.T, url, deflate string, sizes []int, closeHere bool) npmReport {
	t.Helper()
	order, err := json.Marshal(map[string]any{
		"url": url + "/ws", "deflate": json.RawMessage(deflate), "sizes": sizes, "closeHere": closeHere,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.stdin.Write(append(order, '\n')); err != nil {
		t.Fatal(err)
	}
	return wait(t, "report", n.lines)
}

// TestNPM has its client talk to our server: messages whole and in fragments, with
// pings in between, and closing handshakes from either side.
func TestNPM(t *testing.T) {
	n := startNPM(t)
	takeover := &Deflate{ContextTakeover: true, Threshold: -1}
	for i, c := range []struct {
		name    string
		deflate *Deflate
		there   string
		answer  string
		agreed  string
	}{
		{"plain", nil, `false`, "", ""},
		{"not here", nil, `{"threshold":0}`, "", ""},
		{"not there", takeover, `false`, "", ""},
		{"as by default", &Deflate{}, `true`, noKeep, "15 15"},
		{"takeover", takeover, `{"threshold":0}`, pmd, "15+ 15+"},
		{"no takeover from here", takeover, `{"threshold":0,"serverNoContextTakeover":true}`, pmd + noServer, "15 15+"},
		{"no takeover from there", takeover, `{"threshold":0,"clientNoContextTakeover":true}`, pmd + noClient, "15+ 15"},
		{"a window asked of us", takeover, `{"threshold":0,"serverMaxWindowBits":9}`, pmd + "; server_max_window_bits=9", "9+ 15+"},
		{"a window it limits itself", takeover, `{"threshold":0,"clientMaxWindowBits":9}`, pmd, "15+ 9+"},
		{"the smallest, for which zlib takes 9", takeover, `{"threshold":0,"serverMaxWindowBits":8,"clientMaxWindowBits":8}`,
			pmd + "; server_max_window_bits=8", "8+ 9+"},
		{"windows granted", smallWindows, `{"threshold":0}`, pmd + small10 + "; client_max_window_bits=11", "10+ 11+"},
		{"a window it cannot limit", smallWindows, `{"threshold":0,"clientMaxWindowBits":false}`, pmd + noClient + small10, "10+ 15"},
		{"small and not kept", &Deflate{ServerWindowBits: 9, ClientWindowBits: 9, Threshold: -1}, `{"threshold":0}`,
			noKeep + "; server_max_window_bits=9; client_max_window_bits=9", "9 9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := newRecorder()
			rec.onMessage = func(c *Conn, op Op, p []byte) {
				if op == OpText && string(p) == "close" {
					c.Close(4321, "as you wish")
				} else {
					c.Send(op, p)
				}
			}
			addr := start(t, rec, withDeflate(c.deflate), WithSubprotocols("chat"))
			sizes, closeHere := deflateSizes, i%2 == 0
			if strings.HasPrefix(c.name, "takeover") || c.deflate == nil && c.there == "false" {
				sizes = append([]int{1 << 20}, sizes...)
			}
			// We repeat only the code of a close frame; its client repeats all of it.
			seen := npmReport{Protocol: "chat", Answer: c.answer, Code: 4321, Reason: "as you wish"}
			want := closeEvent{code: 4321, reason: "as you wish"}
			if closeHere {
				seen.Code, seen.Reason = 4001, ""
				want = closeEvent{code: 4001, reason: "bye"}
			}
			if got := n.talk(t, "ws://"+addr, c.there, sizes, closeHere); fmt.Sprint(got) != fmt.Sprint(seen) {
				t.Fatalf("%+v", got)
			}
			if got := agreedBy(wait(t, "OnOpen", rec.opened)); got != c.agreed {
				t.Error(got)
			}
			if got := wait(t, "OnClose", rec.closed); got.code != want.code || got.reason != want.reason {
				t.Errorf("OnClose got %v %q", got.code, got.reason)
			}
		})
	}
}

// TestClientWithNPM has our client talk to its server.
func TestClientWithNPM(t *testing.T) {
	n := startNPM(t)
	takeover := &Deflate{ContextTakeover: true, Threshold: -1}
	for _, c := range []struct {
		name    string
		deflate *Deflate
		there   string
		agreed  string
	}{
		{"plain", nil, `false`, ""},
		{"not here", nil, `{"threshold":0}`, ""},
		{"not there", takeover, `false`, ""},
		{"as by default", &Deflate{}, `true`, "15 15"},
		{"takeover", takeover, `{"threshold":0}`, "15+ 15+"},
		{"no takeover from there", takeover, `{"threshold":0,"serverNoContextTakeover":true}`, "15+ 15"},
		{"no takeover from here", takeover, `{"threshold":0,"clientNoContextTakeover":true}`, "15 15+"},
		{"windows it wants", takeover, `{"threshold":0,"serverMaxWindowBits":10,"clientMaxWindowBits":11}`, "11+ 10+"},
		{"the smallest, for which zlib takes 9", takeover, `{"threshold":0,"serverMaxWindowBits":8,"clientMaxWindowBits":8}`, "8+ 9+"},
		{"windows we want", smallWindows, `{"threshold":0}`, "11+ 10+"},
		{"windows we want smaller", &Deflate{ContextTakeover: true, ServerWindowBits: 9, ClientWindowBits: 9, Threshold: -1},
			`{"threshold":0}`, "9+ 9+"},
		{"a window it cannot limit", smallWindows, `{"threshold":0,"serverMaxWindowBits":false}`, "11+ 15"},
	} {
		for name, face := range faces {
			t.Run(c.name+" "+name, func(t *testing.T) {
				to := "ws://" + n.address + "/?" + url.QueryEscape(c.there)
				opts := []DialOption{withDeflate(c.deflate), WithSubprotocols("other", "chat"), WithMaxMessage(32 << 20)}
				conn, d, closeBy := face(t, to, opts...)
				if got := agreedBy(conn); got != c.agreed || conn.Subprotocol() != "chat" {
					t.Fatal(got, conn.Subprotocol())
				}
				d.hold(t, deflateSizes...)
				if name == "DialStream" && (c.name == "plain" || c.name == "takeover") {
					d.holdBig(t)
				}
				want := npmReport{Pongs: []string{"there?"}, Code: 4321}
				if name == "Dial" {
					if err := closeBy(4001, "bye"); err != nil {
						t.Error(err)
					}
					want.Code, want.Reason = 4001, "bye"
				} else {
					if err := d.send(OpText, []byte("close")); err != nil {
						t.Error(err)
					}
					if _, _, err := d.receive(); unless(err, 4321, "as you wish") != nil {
						t.Error(err)
					}
				}
				if got := wait(t, "report", n.lines); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%+v", got)
				}
			})
		}
	}
}

// TestNPMOverTLS has its client talk to our server, which it knows by its authority.
func TestNPMOverTLS(t *testing.T) {
	n := startNPM(t)
	rec := newRecorder()
	rec.onMessage = onCommand
	addr := startTLS(t, &http.Server{Handler: Endpoint(rec, WithSubprotocols("chat"))})
	for _, closeHere := range []bool{true, false} {
		r := n.talk(t, "wss://"+addr, `false`, interopSizes, closeHere)
		want := closeEvent{code: 4321, reason: "as you wish"}
		if closeHere {
			want = closeEvent{code: 4001, reason: "bye"}
		}
		if r.Error != "" || r.Code != want.code || r.Reason != want.reason && !closeHere {
			t.Errorf("%+v", r)
		}
		if got := wait(t, "OnClose", rec.closed); got.code != want.code {
			t.Errorf("OnClose got %v %q", got.code, got.reason)
		}
	}
}
