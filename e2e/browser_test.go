package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// patience is the longest wait before a test gives up. It is generous, so that a slow
// machine does not fail.
const patience = 30 * time.Second

// A tab is one page of a browser, used as a user does: by the visible text.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu        sync.Mutex
	documents []document
	faults    []string
	expected  []string  // parts of expected faults
	loading   time.Time // start of the page's loading, else zero
}

// A document is the response that the browser got for a page, redirects included.
type document struct {
	url    string
	status int
	header http.Header
}

// newBrowser returns the first tab of a browser without a history. Flags are additional
// command line flags, as name=value. Tests without flags share one process, each with an
// isolated profile.
func newBrowser(t *testing.T, flags ...string) *tab {
	t.Helper()
	if len(flags) > 0 {
		return newBrowserWith(t, "", flags...)
	}
	shared.Lock()
	defer shared.Unlock()
	if shared.ctx == nil {
		allocator, stop, err := startBrowser("")
		if err != nil {
			t.Fatal(err)
		}
		ctx, closeTab := chromedp.NewContext(allocator)
		shared.stop = func() { closeTab(); stop() }
		if _, err := chromedp.Targets(ctx); err != nil {
			t.Fatalf("the browser does not start: %v", err)
		}
		shared.ctx = ctx
	}
	return openTab(t, shared.ctx, chromedp.WithNewBrowserContext())
}

var shared struct {
	sync.Mutex
	ctx  context.Context // of a tab that stays empty
	stop func()
}

// newBrowserWith starts a separate browser, for a profile with preferences, in JSON.
func newBrowserWith(t *testing.T, preferences string, flags ...string) *tab {
	t.Helper()
	allocator, stop, err := startBrowser(preferences, flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return openTab(t, allocator)
}

// startBrowser prepares a browser process, which starts with the first context.
func startBrowser(preferences string, flags ...string) (ctx context.Context, stop func(), err error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, nil, fmt.Errorf("these tests need a browser, and there is no chromium on PATH: %w", err)
	}
	// Not t.TempDir: a closing browser may still write into it.
	dir, err := os.MkdirTemp("", "e2e-browser-")
	if err != nil {
		return nil, nil, err
	}
	profile, temporary := filepath.Join(dir, "profile"), filepath.Join(dir, "tmp")
	for _, d := range []string{filepath.Join(profile, "Default"), temporary} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, nil, err
		}
	}
	if preferences != "" {
		if err := os.WriteFile(filepath.Join(profile, "Default", "Preferences"), []byte(preferences), 0o600); err != nil {
			return nil, nil, err
		}
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.UserDataDir(profile),
		chromedp.Env("TMPDIR="+temporary), // the browser leaves files there
		chromedp.NoSandbox,                // containers run tests as root
		chromedp.DisableGPU,
		chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("lang", "en-US"),
		chromedp.WindowSize(1280, 800),
	)
	for _, f := range flags {
		name, value, _ := strings.Cut(f, "=")
		options = append(options, chromedp.Flag(name, value))
	}
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	return allocator, func() { stopAllocator(); removeAll(dir) }, nil
}

// during makes faults in the tab fail the subtest.
func (tb *tab) during(t *testing.T) {
	outer := tb.t
	tb.t = t
	t.Cleanup(func() { tb.t = outer })
}

// removeAll deletes a directory in which ending processes may still write.
func removeAll(dir string) {
	for deadline := time.Now().Add(patience); os.RemoveAll(dir) != nil && time.Now().Before(deadline); {
		time.Sleep(pollEvery)
	}
}

// newTab opens another tab of the same browser, which shares its cookies.
func (tb *tab) newTab() *tab {
	tb.t.Helper()
	return openTab(tb.t, tb.ctx)
}

// opened waits for a window that a page has opened, at a URL with the prefix.
func (tb *tab) opened(prefix string) *tab {
	tb.t.Helper()
	var id target.ID
	tb.until("a window with "+prefix, func() (bool, string) {
		pages, err := tb.pages()
		if err != nil {
			return false, err.Error()
		}
		var others []string
		for _, p := range pages {
			if strings.HasPrefix(p.URL, prefix) && p.TargetID != chromedp.FromContext(tb.ctx).Target.TargetID {
				id = p.TargetID
				return true, ""
			}
			others = append(others, p.URL)
		}
		return false, fmt.Sprintf("%q", others)
	})
	return openTab(tb.t, tb.ctx, chromedp.WithTargetID(id))
}

// pages returns the open pages in the profile of the tab.
func (tb *tab) pages() ([]*target.Info, error) {
	all, err := chromedp.Targets(tb.ctx)
	own := chromedp.FromContext(tb.ctx).Target.TargetID
	i := slices.IndexFunc(all, func(p *target.Info) bool { return p.TargetID == own })
	if err != nil || i < 0 {
		return nil, err
	}
	profile := all[i].BrowserContextID
	return slices.DeleteFunc(all, func(p *target.Info) bool { return p.BrowserContextID != profile }), nil
}

// windows waits until the browser shows the wanted number of pages.
func (tb *tab) windows(want int) {
	tb.t.Helper()
	tb.until(fmt.Sprintf("%d windows", want), func() (bool, string) {
		pages, err := tb.pages()
		var shown []string
		for _, p := range pages {
			if p.Type == "page" {
				shown = append(shown, p.URL)
			}
		}
		return err == nil && len(shown) == want, fmt.Sprintf("%q, %v", shown, err)
	})
}

func openTab(t *testing.T, parent context.Context, options ...chromedp.ContextOption) *tab {
	t.Helper()
	ctx, closeTab := chromedp.NewContext(parent, options...)
	t.Cleanup(closeTab)
	tb := &tab{t: t, ctx: ctx}
	// The browser lives as long as the context of this first call, so the call has no
	// timeout.
	if err := chromedp.Listen(ctx, tb.observe); err != nil {
		t.Fatalf("the browser does not start: %v", err)
	}
	call(tb, network.Enable, network.EnableParams{})
	call(tb, log.Enable, cdp.Empty{})
	tb.size(1280, 800)
	t.Cleanup(func() {
		tb.mu.Lock()
		defer tb.mu.Unlock()
		for _, f := range tb.faults {
			if !slices.ContainsFunc(tb.expected, func(part string) bool { return strings.Contains(f, part) }) {
				t.Errorf("a page has a fault: %s", f)
			}
		}
	})
	return tb
}

// expectFault declares a fault that the test causes.
func (tb *tab) expectFault(part string) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	tb.expected = append(tb.expected, part)
}

// observe records events that a user does not see. A fault of the pages themselves, for
// example a script error or a style that the page's own policy forbids, fails every test.
func (tb *tab) observe(event any) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	switch e := event.(type) {
	case *page.EventFrameStartedLoading:
		if tb.isItself(e.FrameID) {
			tb.loading = time.Now()
		}
	case *page.EventFrameRequestedNavigation:
		if tb.isItself(e.FrameID) && e.Disposition == page.ClientNavigationDispositionCurrentTab {
			tb.loading = time.Now()
		}
	case *page.EventFrameStoppedLoading:
		if tb.isItself(e.FrameID) {
			tb.loading = time.Time{}
		}
	case *network.EventRequestWillBeSent:
		if e.Type == network.ResourceTypeDocument && e.RedirectResponse != nil {
			tb.documents = append(tb.documents, documentOf(e.RedirectResponse))
		}
	case *network.EventResponseReceived:
		if e.Type == network.ResourceTypeDocument {
			tb.documents = append(tb.documents, documentOf(e.Response))
		}
	case *runtime.EventExceptionThrown:
		tb.faults = append(tb.faults, e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		if e.Entry.Source == "security" || strings.Contains(e.Entry.Text, "Content Security Policy") {
			tb.faults = append(tb.faults, e.Entry.Text)
		}
	}
}

// isItself reports whether a frame is the page itself.
func (tb *tab) isItself(frame cdp.FrameID) bool {
	c := chromedp.FromContext(tb.ctx)
	return c != nil && c.Target != nil && string(frame) == string(c.Target.TargetID)
}

// leaving reports whether the browser is about to load another page. The browser may
// never answer commands sent then, nor later ones.
func (tb *tab) leaving() bool {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	return !tb.loading.IsZero() && time.Since(tb.loading) < attempt
}

func documentOf(r *network.Response) document {
	d := document{url: r.URL, status: int(r.Status), header: http.Header{}}
	for name, value := range r.Headers {
		d.header.Set(name, fmt.Sprint(value))
	}
	return d
}

// last returns the last document whose URL has the prefix.
func (tb *tab) last(prefix string) document {
	tb.t.Helper()
	var found document
	tb.until("an answer from "+prefix, func() (bool, string) {
		tb.mu.Lock()
		defer tb.mu.Unlock()
		for _, d := range slices.Backward(tb.documents) {
			if strings.HasPrefix(d.url, prefix) {
				found = d
				return true, ""
			}
		}
		return false, "there was none"
	})
	return found
}

// visited returns the number of responses from URLs with the prefix.
func (tb *tab) visited(prefix string) int {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	n := 0
	for _, d := range tb.documents {
		if strings.HasPrefix(d.url, prefix) {
			n++
		}
	}
	return n
}

// call runs a command of the browser.
func call[P, R any](tb *tab, command cdp.Command[P, R], params P) R {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	if err != nil {
		tb.t.Fatalf("%s: %v", command.Method, err)
	}
	return result
}

// attempt is the time limit of a command that is retried. The browser never answers some
// commands in progress when the page changes.
const attempt = patience / 10

func try[P, R any](tb *tab, command cdp.Command[P, R], params P) (R, error) {
	ctx, cancel := context.WithTimeout(tb.ctx, attempt)
	defer cancel()
	return chromedp.Call(ctx, command, params)
}

// eval returns the value of a script expression in the page.
func eval[T any](tb *tab, expression string) T {
	tb.t.Helper()
	result, err := evalWithin[T](tb, patience, expression)
	if err != nil {
		tb.t.Fatalf("%s: %v", expression, err)
	}
	return result
}

func tryEval[T any](tb *tab, expression string) (T, error) {
	return evalWithin[T](tb, attempt, expression)
}

func evalWithin[T any](tb *tab, d time.Duration, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(tb.ctx, d)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

const pollEvery = 20 * time.Millisecond

// until waits for a condition, and fails the test with the actual state.
func (tb *tab) until(what string, condition func() (ok bool, instead string)) {
	tb.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		ok, instead := condition()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			tb.shot("failed")
			tb.t.Fatalf("waited for %s; instead: %s\npage %s:\n%s", what, instead, tb.url(), tb.text())
		}
		time.Sleep(pollEvery)
	}
}

// open types an address.
func (tb *tab) open(url string) {
	tb.t.Helper()
	result := call(tb, page.Navigate, page.NavigateParams{URL: url, TransitionType: page.TransitionTypeTyped})
	if result.ErrorText != "" {
		tb.t.Fatalf("%s: %s", url, result.ErrorText)
	}
	tb.settled()
}

// settled waits until the page is complete.
func (tb *tab) settled() {
	tb.t.Helper()
	tb.until("a complete page", func() (bool, string) {
		if tb.leaving() {
			return false, "it is loading"
		}
		state, err := tryEval[string](tb, "document.readyState")
		return err == nil && state == "complete", fmt.Sprint(state, " ", err)
	})
}

// back presses the back button.
func (tb *tab) back() {
	tb.t.Helper()
	history := call(tb, page.GetNavigationHistory, cdp.Empty{})
	if history.CurrentIndex == 0 {
		tb.t.Fatal("there is nowhere to go back to")
	}
	entry := history.Entries[history.CurrentIndex-1]
	call(tb, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: entry.ID})
	tb.until("the history to move", func() (bool, string) {
		now, err := try(tb, page.GetNavigationHistory, cdp.Empty{})
		return err == nil && now.CurrentIndex == history.CurrentIndex-1, fmt.Sprint(now.CurrentIndex, " ", err)
	})
	tb.settled()
}

func (tb *tab) reload() {
	tb.t.Helper()
	before := tb.visited("")
	call(tb, page.Reload, page.ReloadParams{})
	tb.until("the page to be asked for again", func() (bool, string) {
		return tb.visited("") > before, "it was not"
	})
	tb.settled()
}

func (tb *tab) url() string {
	history, err := try(tb, page.GetNavigationHistory, cdp.Empty{})
	if err != nil || len(history.Entries) == 0 {
		return ""
	}
	return history.Entries[history.CurrentIndex].URL
}

// text returns the visible text of the page.
func (tb *tab) text() string {
	text, err := tryEval[string](tb, "document.body ? document.body.innerText : ''")
	if err != nil {
		return ""
	}
	return text
}

func (tb *tab) html() string {
	tb.t.Helper()
	return eval[string](tb, "document.documentElement.outerHTML")
}

// at waits until the tab shows a page whose URL has the prefix.
func (tb *tab) at(prefix string) {
	tb.t.Helper()
	tb.until("the page "+prefix, func() (bool, string) {
		url := tb.url()
		return strings.HasPrefix(url, prefix), url
	})
	tb.settled()
}

// reads waits until the page shows all of the texts.
func (tb *tab) reads(texts ...string) {
	tb.t.Helper()
	for _, text := range texts {
		tb.until(fmt.Sprintf("the text %q", text), func() (bool, string) {
			return strings.Contains(tb.text(), text), "it is not there"
		})
	}
	tb.settled()
}

// hides fails if the page or its source contains one of the texts.
func (tb *tab) hides(texts ...string) {
	tb.t.Helper()
	all := tb.text() + "\n" + tb.html()
	for _, text := range texts {
		if strings.Contains(all, text) {
			tb.shot("shows-what-it-must-not")
			tb.t.Errorf("%s shows %q:\n%s", tb.url(), text, all)
		}
	}
}

// find waits for the element that assistive technology announces with the role
// and the name.
func (tb *tab) find(role, name string) cdp.BackendNodeID {
	tb.t.Helper()
	var found cdp.BackendNodeID
	tb.until(fmt.Sprintf("the %s %q", role, name), func() (bool, string) {
		if tb.leaving() {
			return false, "the page is loading"
		}
		nodes, err := tb.nodes(role)
		if err != nil {
			return false, err.Error()
		}
		var names []string
		for _, n := range nodes {
			if n.name == name {
				found = n.id
				return true, ""
			}
			names = append(names, n.name)
		}
		return false, fmt.Sprintf("%q", names)
	})
	return found
}

// names returns the names of all elements with the role, in the order of the
// page.
func (tb *tab) names(role string) []string {
	tb.t.Helper()
	nodes, err := tb.nodes(role)
	if err != nil {
		tb.t.Fatal(err)
	}
	var names []string
	for _, n := range nodes {
		names = append(names, n.name)
	}
	return names
}

type node struct {
	id   cdp.BackendNodeID
	name string
}

func (tb *tab) nodes(role string) ([]node, error) {
	document, err := try(tb, dom.GetDocument, dom.GetDocumentParams{})
	if err != nil {
		return nil, err
	}
	tree, err := try(tb, accessibility.QueryAXTree, accessibility.QueryAXTreeParams{BackendNodeID: document.Root.BackendNodeID, Role: role})
	if err != nil {
		return nil, err
	}
	var nodes []node
	for _, n := range tree.Nodes {
		var name string
		if n.Ignored || n.Name == nil || json.Unmarshal([]byte(n.Name.Value), &name) != nil {
			continue
		}
		nodes = append(nodes, node{n.BackendDOMNodeID, strings.TrimSpace(name)})
	}
	return nodes, nil
}

// click presses the mouse in the middle of an element. An element that covers it gets the
// click, as with a user.
func (tb *tab) click(role, name string) {
	tb.t.Helper()
	tb.settled() // a button may need a script that is not loaded yet
	tb.press(role, name, 1)
}

func (tb *tab) press(role, name string, clicks int64) {
	tb.t.Helper()
	tb.until(fmt.Sprintf("a click on the %s %q", role, name), func() (bool, string) {
		x, y, err := tb.middle(tb.find(role, name))
		if err != nil {
			return false, err.Error() // the page has changed meanwhile
		}
		for i := range clicks {
			for _, kind := range []input.DispatchMouseEventType{input.DispatchMouseEventTypeMousePressed, input.DispatchMouseEventTypeMouseReleased} {
				call(tb, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: kind, X: x, Y: y, Button: input.MouseButtonLeft, ClickCount: i + 1})
			}
		}
		time.Sleep(pollEvery) // the browser reports a moment later that it leaves the page
		return true, ""
	})
}

func (tb *tab) middle(id cdp.BackendNodeID) (x, y float64, err error) {
	if _, err := try(tb, dom.ScrollIntoViewIfNeeded, dom.ScrollIntoViewIfNeededParams{BackendNodeID: id}); err != nil {
		return 0, 0, err
	}
	quads, err := try(tb, dom.GetContentQuads, dom.GetContentQuadsParams{BackendNodeID: id})
	if err != nil {
		return 0, 0, err
	}
	if len(quads.Quads) == 0 || len(quads.Quads[0]) != 8 {
		return 0, 0, errors.New("it has no place on the screen")
	}
	q := quads.Quads[0]
	return (q[0] + q[2] + q[4] + q[6]) / 4, (q[1] + q[3] + q[5] + q[7]) / 4, nil
}

// fill replaces the content of the field with the label.
func (tb *tab) fill(label, text string) {
	tb.t.Helper()
	tb.settled()
	tb.press("textbox", label, 3) // selects the content
	call(tb, input.InsertText, input.InsertTextParams{Text: text})
}

// enter presses the key of that name.
func (tb *tab) enter() {
	tb.t.Helper()
	tb.key("Enter", "\r", 13)
}

func (tb *tab) key(name, text string, code int64) {
	tb.t.Helper()
	for _, kind := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeKeyDown, input.DispatchKeyEventTypeKeyUp} {
		call(tb, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: kind, Key: name, Code: name, Text: text, WindowsVirtualKeyCode: code})
	}
}

// types enters a text at the focus.
func (tb *tab) types(text string) {
	tb.t.Helper()
	call(tb, input.InsertText, input.InsertTextParams{Text: text})
}

// focus returns the text of the focused element.
func (tb *tab) focus() string {
	tb.t.Helper()
	return eval[string](tb, "document.activeElement === document.body ? '' : document.activeElement.innerText.trim()")
}

// showsFocus fails if the focus is not visible (WCAG 2.2, 2.4.7).
func (tb *tab) showsFocus() {
	tb.t.Helper()
	if !eval[bool](tb, `(e => { const s = getComputedStyle(e); return e.matches(":focus-visible") && s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 1 })(document.activeElement)`) {
		tb.t.Errorf("%s: nobody sees that the focus is on %q", tb.url(), tb.focus())
	}
}

// tabTo presses the tabulator key until an element with the text has the focus.
func (tb *tab) tabTo(text string) {
	tb.t.Helper()
	tb.settled()
	var passed []string
	for range 30 {
		tb.key("Tab", "", 9)
		got := tb.focus()
		if strings.Contains(got, text) {
			tb.showsFocus()
			return
		}
		passed = append(passed, got)
	}
	tb.t.Fatalf("the tabulator key does not lead to %q, but to %q", text, passed)
}

// cookies returns all cookies of the browser.
func (tb *tab) cookies() []*network.Cookie {
	tb.t.Helper()
	c := chromedp.FromContext(tb.ctx)
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	result, err := cdp.Call(ctx, c.Browser, storage.GetCookies, storage.GetCookiesParams{BrowserContextID: c.BrowserContextID})
	if err != nil {
		tb.t.Fatal(err)
	}
	return result.Cookies
}

// setCookies adds cookies to the browser.
func (tb *tab) setCookies(cookies ...*network.CookieParam) {
	tb.t.Helper()
	c := chromedp.FromContext(tb.ctx)
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	if _, err := cdp.Call(ctx, c.Browser, storage.SetCookies, storage.SetCookiesParams{Cookies: cookies, BrowserContextID: c.BrowserContextID}); err != nil {
		tb.t.Fatal(err)
	}
}

// cookieNames returns the names of a host's cookies that begin with the prefix, without
// the short-lived markers of an ended session.
func (tb *tab) cookieNames(host, prefix string) []string {
	tb.t.Helper()
	var names []string
	for _, c := range tb.cookies() {
		if c.Domain == host && strings.HasPrefix(c.Name, prefix) && !strings.Contains(c.Name, "_session_ended_") {
			names = append(names, c.Name)
		}
	}
	return names
}

// holdAt stops the browser before it requests the URL pattern, and returns that URL.
// Afterwards the page fails to load.
func (tb *tab) holdAt(pattern string) (wait func() string) {
	tb.t.Helper()
	held := make(chan *fetch.EventRequestPaused, 1)
	ctx, stop := context.WithCancel(tb.ctx)
	if err := chromedp.Listen(ctx, func(event any) {
		if e, ok := event.(*fetch.EventRequestPaused); ok {
			select {
			case held <- e:
			default:
			}
		}
	}); err != nil {
		tb.t.Fatal(err)
	}
	call(tb, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: pattern}}})
	return func() string {
		tb.t.Helper()
		defer stop()
		select {
		case e := <-held:
			call(tb, fetch.FailRequest, fetch.FailRequestParams{RequestID: e.RequestID, ErrorReason: network.ErrorReasonAborted})
			call(tb, fetch.Disable, cdp.Empty{})
			return e.Request.URL
		case <-time.After(patience):
			tb.t.Fatalf("no request for %s", pattern)
			return ""
		}
	}
}

func (tb *tab) size(width, height int64) {
	tb.t.Helper()
	call(tb, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500})
}

func (tb *tab) dark(on bool) {
	tb.t.Helper()
	scheme := "light"
	if on {
		scheme = "dark"
	}
	call(tb, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

// shot stores a picture of the tab in screenshots/, for a human reviewer.
func (tb *tab) shot(name string) {
	tb.t.Helper()
	picture, err := try(tb, page.CaptureScreenshot, page.CaptureScreenshotParams{})
	if err != nil {
		tb.t.Errorf("screenshot %s: %v", name, err)
		return
	}
	test := strings.NewReplacer("Test", "", "/", "-").Replace(tb.t.Name())
	file := filepath.Join("screenshots", strings.ToLower(fmt.Sprintf("%s-%02d-%s.png", test, nextShot(test), name)))
	if err := os.WriteFile(file, picture.Data, 0o644); err != nil {
		tb.t.Errorf("screenshot %s: %v", name, err)
	}
}

var shots = struct {
	sync.Mutex
	count map[string]int
}{count: map[string]int{}}

func nextShot(test string) int {
	shots.Lock()
	defer shots.Unlock()
	shots.count[test]++
	return shots.count[test]
}

// examine checks a page on a narrow screen, in light and in dark: it is not wider than
// the screen, and axe finds nothing.
func (tb *tab) examine(name string) {
	tb.t.Helper()
	tb.size(320, 800)
	for _, dark := range []bool{false, true} {
		tb.dark(dark)
		tb.fits(320)
		tb.accessible(fmt.Sprintf("%s, dark %v", name, dark), "html")
		tb.shot(fmt.Sprintf("%s-dark-%v", name, dark))
	}
	tb.dark(false)
}

// fits fails if a user would have to scroll sideways on a screen of the width.
func (tb *tab) fits(width int64) {
	tb.t.Helper()
	// Not window.innerWidth: on a phone it grows with the page.
	if needs := eval[int64](tb, "document.documentElement.scrollWidth"); needs > width {
		tb.t.Errorf("%s is %d pixels wide on a screen of %d", tb.url(), needs, width)
	}
}
