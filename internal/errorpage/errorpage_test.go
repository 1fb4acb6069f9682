package errorpage

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/site"
)

const (
	origin = "https://app.example"
	again  = origin + "/auth/login?returnTo=%2Fpage"
)

// TestNew has the title and the links of each kind of refusal. The text is the description,
// unless the user must know more.
func TestNew(t *testing.T) {
	t.Parallel()
	where := site.New(site.Config{BaseURL: origin}, func(field, format string, args ...any) { t.Errorf(field+": "+format, args...) })
	const home, page = origin + "/", origin + "/page?a=b"
	row := func(status int) refusal.Row {
		return refusal.Row{Status: status, Reason: "x", Description: "the sentence"}
	}
	for _, tt := range []struct {
		why, op, method, target string
		row                     refusal.Row
		returnTo                string
		title, text             string
		links                   []string
	}{
		{"no session", "session", "GET", "/page?a=b", refusal.LoginRequired, "", "You need to log in", "Log in to continue.", []string{again}},
		{"form without a session", "session", "POST", "/page?a=b", refusal.LoginRequired, "", "Your form was not sent",
			"You are not logged in. Use a new tab to log in, then go back in this tab and send the form again.", []string{again}},
		{"form that needs a stronger login", "session", "POST", "/page", refusal.StepUp, "", "Confirm that it is you",
			"Your form needs a more recent or stronger login. Confirm in a new tab, then go back in this tab and send the form again.", []string{again}},
		{"form of another organization", "session", "POST", "/page", refusal.OrganizationLogin, "", "Your form was not sent",
			"Your form needs a login to another organization. Use a new tab to log in, then go back in this tab and send the form again.", []string{again}},
		{"stronger login", "session", "GET", "/page", refusal.StepUp, "", "Confirm that it is you", "This page requires a more recent or stronger login.", []string{again}},
		{"other organization", "session", "GET", "/page", refusal.Organization, "", "You have no access to this page", "This page is for an organization that you are not logged in to.", []string{again, home}},
		{"forbidden", "session", "GET", "/page", row(403), "", "You have no access to this page", "The sentence.", []string{again, home}},
		{"outage", "session", "GET", "/page?a=b", row(503), "", "Try again in a minute", "The sentence.", []string{page, home}},
		{"outage of the start page", "session", "GET", "/", row(503), "", "Try again in a minute", "The sentence.", []string{home}},
		{"outage at a form", "session", "POST", "/page", row(503), "", "Try again in a minute", "The sentence.", []string{home}},
		{"mistake", "session", "GET", "/page", row(500), "", "Something went wrong", "The sentence.", []string{home}},
		{"bad gateway", "session", "GET", "/page?a=b", row(502), "", "Something went wrong", "The sentence.", []string{page, home}},
		{"callback", "callback", "GET", "/auth/callback?code=c", row(400), "/page", "The login did not work", "The sentence.", []string{again, home}},
		{"outage at the callback", "callback", "GET", "/auth/callback?code=c", row(503), "/page", "Try again in a minute", "The sentence.", []string{again, home}},
		{"login", "login", "GET", "/auth/login", row(400), "", "The login did not work", "The sentence.", []string{again, home}},
		{"script's login opened as a page", "login", "GET", "/auth/login", refusal.LoginRequired, "", "You need to log in", "Log in to continue.", []string{origin + "/auth/login"}},
		{"logout", "logout", "GET", "/auth/logout", row(403), "", "You are still logged in", "The sentence.", []string{home}},
		{"logout with a store that is down", "logout", "GET", "/auth/logout", row(503), "", "The logout is not complete", "The sentence.", []string{home}},
		{"connected account", "connect", "GET", "/connect", row(400), "/profile", "Your account was not connected", "The sentence.", []string{origin + "/profile"}},
		{"connected account, no page", "connect", "GET", "/connect", row(400), "", "Your account was not connected", "The sentence.", []string{home}},
		{"connected account, page elsewhere", "connect", "GET", "/connect", row(400), "https://other.example/", "Your account was not connected", "The sentence.", []string{home}},
		{"other site", "session", "POST", "/page", refusal.CrossOrigin, "", "You have no access to this page", "", []string{home}},
		{"loop", "session", "GET", "/page", refusal.Loop, "/page", "The login did not work", "", []string{again, home}},
		{"not found", "session", "GET", "/page", row(404), "", "This page cannot be shown", "The sentence.", []string{home}},
	} {
		r := httptest.NewRequest(tt.method, origin+tt.target, nil)
		e := Refusal{Row: tt.row, Op: tt.op, ReturnTo: tt.returnTo, Login: refusal.Link{Text: "Log in again", URL: again}}
		got := New(where, r, e, "the reference")
		var links []string
		for _, link := range got.Links {
			links = append(links, link.Href)
		}
		if got.Title != tt.title || tt.text != "" && got.Text != tt.text || !slices.Equal(links, tt.links) || got.Reference != "the reference" {
			t.Errorf("%s: %q, %q, %q; want %q, %q, %q", tt.why, got.Title, got.Text, links, tt.title, tt.text, tt.links)
		}
	}
}

// TestUnknownHost: the links lead to the first base URL.
func TestUnknownHost(t *testing.T) {
	t.Parallel()
	where := site.New(site.Config{BaseURL: origin, BaseURLs: []string{"https://other.example"}}, func(field, format string, args ...any) { t.Errorf(field+": "+format, args...) })
	r := httptest.NewRequest("GET", "https://evil.example/page", nil)
	got := New(where, r, Refusal{Row: refusal.UnknownHost, Op: "session", Login: refusal.Link{Text: "Log in", URL: again}}, "x")
	if len(got.Links) != 2 || got.Links[0].Href != again || got.Links[1].Href != origin+"/" {
		t.Errorf("%+v", got.Links)
	}
}

// TestWriter: an application's function that writes no status does not turn a refusal into
// a success.
func TestWriter(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		write  func(*Writer)
		status int
		begun  bool
	}{
		"nothing":       {func(*Writer) {}, 200, false}, // of the recorder
		"header":        {func(w *Writer) { w.Header().Set("A", "b") }, 200, false},
		"body":          {func(w *Writer) { w.Write([]byte("x")) }, 403, true},
		"empty body":    {func(w *Writer) { w.Write(nil) }, 403, true},
		"flush":         {func(w *Writer) { w.Flush() }, 403, true},
		"own status":    {func(w *Writer) { w.WriteHeader(418); w.Write([]byte("x")) }, 418, true},
		"informational": {func(w *Writer) { w.WriteHeader(http.StatusEarlyHints) }, 200, false},
	} {
		rec := httptest.NewRecorder()
		w := NewWriter(rec, 403)
		tt.write(w)
		if rec.Code != tt.status && name != "informational" || w.Begun() != tt.begun {
			t.Errorf("%s: %d, begun %v", name, rec.Code, w.Begun())
		}
		if w.Unwrap() != http.ResponseWriter(rec) {
			t.Errorf("%s: another writer", name)
		}
	}
	w := NewWriter(httptest.NewRecorder(), 403)
	if _, _, err := w.Hijack(); err == nil || w.Begun() {
		t.Errorf("a recorder was hijacked: %v, %v", err, w.Begun())
	}
}

func TestWriteJSON(t *testing.T) {
	t.Parallel()
	row := refusal.Row{Status: 418, Code: "a_code", Description: "a \"text\"\n<b>"}
	for method, want := range map[string]string{"GET": `{"error":"a_code","error_description":"a \"text\"\n\u003cb\u003e"}`, "HEAD": ""} {
		w := httptest.NewRecorder()
		WriteJSON(w, httptest.NewRequest(method, "/", nil), row)
		if w.Code != 418 || w.Header().Get("Content-Type") != "application/json" || w.Body.String() != want {
			t.Errorf("%s: %d, %v, %s", method, w.Code, w.Header(), w.Body)
		}
	}
}
