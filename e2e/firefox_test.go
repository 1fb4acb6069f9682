package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// A fox is one page of Firefox, controlled by WebDriver BiDi. Debian has no geckodriver,
// and Firefox itself implements this protocol.
type fox struct {
	t    *testing.T
	conn *websocket.Conn
	page string // id of the browsing context

	mu      sync.Mutex
	last    int
	waiting map[int]chan foxAnswer
	dead    chan struct{}
}

type foxAnswer struct {
	ID      int             `json:"id"`
	Type    string          `json:"type"`
	Result  json.RawMessage `json:"result"`
	Error   string          `json:"error"`
	Message string          `json:"message"`
}

// foxPreferences keep Firefox from requesting anything but the pages of the test.
const foxPreferences = `user_pref("app.normandy.enabled", false);
user_pref("app.update.disabledForTesting", true);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("browser.safebrowsing.malware.enabled", false);
user_pref("browser.safebrowsing.phishing.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.page", 0);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "data:,#remote-settings-dummy/v1");
user_pref("signon.rememberSignons", false);
user_pref("toolkit.telemetry.enabled", false);
`

var foxListens = regexp.MustCompile(`WebDriver BiDi listening on (ws://\S+)`)

// newFox starts Firefox with an empty profile.
func newFox(t *testing.T) *fox {
	t.Helper()
	path, err := exec.LookPath("firefox-esr")
	if err != nil {
		t.Fatalf("this test needs Firefox (on Debian: apt-get install firefox-esr): %v", err)
	}
	dir, err := os.MkdirTemp("", "e2e-firefox-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeAll(dir) })
	if err := os.WriteFile(filepath.Join(dir, "user.js"), []byte(foxPreferences), 0o600); err != nil {
		t.Fatal(err)
	}
	log := &output{}
	program := exec.Command(path, "--headless", "--no-remote", "--profile", dir, "--remote-debugging-port=0", "about:blank")
	program.Env = append(os.Environ(), "HOME="+dir, "TMPDIR="+dir)
	program.Stdout, program.Stderr = log, log
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { program.Wait(); close(ended) }()
	f := &fox{t: t, waiting: map[int]chan foxAnswer{}, dead: make(chan struct{})}
	t.Cleanup(func() {
		if f.conn != nil {
			f.try("browser.close", map[string]any{}) // its other processes end with it
		}
		select {
		case <-ended:
		case <-time.After(patience):
			program.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("log of Firefox:\n%s", log)
		}
	})
	f.until("Firefox to listen", func() (bool, string) { return foxListens.MatchString(log.String()), log.String() })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, foxListens.FindStringSubmatch(log.String())[1]+"/session", nil)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(64 << 20) // pictures
	f.conn = conn
	go f.read()
	f.call("session.new", map[string]any{"capabilities": map[string]any{}}, nil)
	var tree struct{ Contexts []struct{ Context string } }
	f.call("browsingContext.getTree", map[string]any{}, &tree)
	if len(tree.Contexts) == 0 {
		t.Fatal("Firefox has no page")
	}
	f.page = tree.Contexts[0].Context
	f.call("browsingContext.setViewport", map[string]any{"context": f.page, "viewport": map[string]int{"width": 1000, "height": 800}}, nil)
	return f
}

// read passes each response to the call that waits for it.
func (f *fox) read() {
	defer close(f.dead)
	for {
		var a foxAnswer
		if err := wsjson.Read(context.Background(), f.conn, &a); err != nil {
			return
		}
		f.mu.Lock()
		if to := f.waiting[a.ID]; to != nil && a.Type != "event" {
			to <- a
			delete(f.waiting, a.ID)
		}
		f.mu.Unlock()
	}
}

func (f *fox) try(method string, params any) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	to := make(chan foxAnswer, 1)
	f.mu.Lock()
	f.last++
	id := f.last
	f.waiting[id] = to
	f.mu.Unlock()
	if err := wsjson.Write(ctx, f.conn, map[string]any{"id": id, "method": method, "params": params}); err != nil {
		return nil, err
	}
	select {
	case a := <-to:
		if a.Type != "success" {
			return nil, fmt.Errorf("%s: %s: %s", method, a.Error, a.Message)
		}
		return a.Result, nil
	case <-f.dead:
		return nil, fmt.Errorf("%s: Firefox has ended the connection", method)
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: no answer", method)
	}
}

func (f *fox) call(method string, params, result any) {
	f.t.Helper()
	answer, err := f.try(method, params)
	if err == nil && result != nil {
		err = json.Unmarshal(answer, result)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fox) until(what string, condition func() (ok bool, instead string)) {
	f.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(pollEvery) {
		ok, instead := condition()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("waited for %s; instead: %s", what, instead)
		}
	}
}

// eval returns the text value of a script in the page.
func (f *fox) eval(expression string) (string, error) {
	answer, err := f.try("script.evaluate", map[string]any{"expression": "String(" + expression + ")", "target": map[string]any{"context": f.page}, "awaitPromise": true})
	if err != nil {
		return "", err
	}
	var result struct {
		Type             string
		Result           struct{ Value string }
		ExceptionDetails struct{ Text string }
	}
	if err := json.Unmarshal(answer, &result); err != nil {
		return "", err
	}
	if result.Type != "success" {
		return "", fmt.Errorf("%s: %s", expression, result.ExceptionDetails.Text)
	}
	return result.Result.Value, nil
}

func (f *fox) open(url string) {
	f.t.Helper()
	f.call("browsingContext.navigate", map[string]any{"context": f.page, "url": url, "wait": "complete"}, nil)
}

// at waits for a page whose URL has the prefix and whose text has the texts.
func (f *fox) at(prefix string, texts ...string) {
	f.t.Helper()
	f.until("the page "+prefix, func() (bool, string) {
		got, err := f.eval(`document.readyState + " " + location.href + "\n" + document.body.innerText`)
		ok := err == nil && strings.HasPrefix(got, "complete "+prefix)
		for _, text := range texts {
			ok = ok && strings.Contains(got, text)
		}
		return ok, fmt.Sprint(got, " ", err)
	})
}

// act presses the mouse on an element, and then types.
func (f *fox) act(selector, name, text string) {
	f.t.Helper()
	f.until("the element "+selector+" "+name, func() (bool, string) {
		place, err := f.eval(fmt.Sprintf(`(() => {
	const e = [...document.querySelectorAll(%q)].find(e => (e.labels?.[0] ?? e).textContent.trim().startsWith(%q));
	if (!e) return "";
	e.scrollIntoView({block: "center", behavior: "instant"});
	const r = e.getBoundingClientRect();
	return Math.floor(r.x + r.width / 2) + " " + Math.floor(r.y + r.height / 2);
})()`, selector, name))
		var x, y int
		if _, scanErr := fmt.Sscan(place, &x, &y); err != nil || scanErr != nil {
			return false, fmt.Sprint(place, " ", err)
		}
		keys := []any{}
		for _, letter := range text {
			keys = append(keys, map[string]any{"type": "keyDown", "value": string(letter)}, map[string]any{"type": "keyUp", "value": string(letter)})
		}
		_, err = f.try("input.performActions", map[string]any{"context": f.page, "actions": []any{
			map[string]any{"type": "pointer", "id": "mouse", "actions": []any{
				map[string]any{"type": "pointerMove", "x": x, "y": y},
				map[string]any{"type": "pointerDown", "button": 0}, map[string]any{"type": "pointerUp", "button": 0},
			}},
		}})
		if err == nil && len(keys) > 0 {
			_, err = f.try("input.performActions", map[string]any{"context": f.page, "actions": []any{map[string]any{"type": "key", "id": "keys", "actions": keys}}})
		}
		return err == nil, fmt.Sprint(err)
	})
}

// back presses the back button.
func (f *fox) back() {
	f.t.Helper()
	f.call("browsingContext.traverseHistory", map[string]any{"context": f.page, "delta": -1}, nil)
}

// cookies returns the names of the cookies of a host.
func (f *fox) cookies(host string) (names []string) {
	f.t.Helper()
	var got struct {
		Cookies []struct{ Name, Domain string }
	}
	f.call("storage.getCookies", map[string]any{"partition": map[string]any{"type": "context", "context": f.page}}, &got)
	for _, c := range got.Cookies {
		if c.Domain == host {
			names = append(names, c.Name)
		}
	}
	return names
}

// shot stores a picture of the page, see [tab.shot].
func (f *fox) shot(name string) {
	f.t.Helper()
	var picture struct{ Data []byte }
	f.call("browsingContext.captureScreenshot", map[string]any{"context": f.page}, &picture)
	file := filepath.Join("screenshots", fmt.Sprintf("firefox-%02d-%s.png", nextShot("Firefox"), name))
	if err := os.WriteFile(file, picture.Data, 0o644); err != nil {
		f.t.Error(err)
	}
}

// TestFirefox logs in and out in Firefox, by a link and by the forms of pages with
// form-action 'self' in their policy. After the logout, the back button shows nothing of
// the session.
func TestFirefox(t *testing.T) {
	t.Parallel()
	app := startExample(t)
	tenant := app.tenantURL(t)
	f := newFox(t)

	f.open(app.url + "/profile")
	f.at(tenant+"u/login", "Email address")
	f.shot("tenant")
	f.act("input", "Email address", "ada@acme.example")
	f.act("input", "Password", "correct horse")
	f.act("button", "Continue", "")
	f.at(app.url+"/profile", "Ada Lovelace", "ada@acme.example")
	f.shot("profile")
	if names := strings.Join(f.cookies("localhost"), " "); !strings.Contains(names, "auth0_session") || strings.Contains(names, "auth0_txn_") {
		t.Errorf("after the login there are the cookies %q", names)
	}

	f.act("button", "Log out", "")
	f.at(app.url+"/", "You are logged out.", "Log in to Fieldnotes")
	f.shot("logged-out")
	f.back()
	f.at(tenant+"u/login", "Email address") // the profile requires a login, and the tenant's session has ended
	f.shot("back")

	f.open(app.url + "/auth/callback?code=x&state=y")
	f.at(app.url+"/auth/callback", "Login failed")
	f.shot("refused")
	f.act("a", "Log in", "")
	f.at(tenant+"u/login", "Email address")
}
