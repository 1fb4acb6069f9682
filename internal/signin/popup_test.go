package signin

import (
	"encoding/json"
	"html"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// given returns the data of a pop-up's page for its script.
func given(t *testing.T, page string) (text string) {
	t.Helper()
	_, text, found := strings.Cut(page, `<script type="application/json" id="given">`)
	text, _, ended := strings.Cut(text, "</script>")
	if !found || !ended || !json.Valid([]byte(text)) {
		t.Fatalf("the page is\n%s", page)
	}
	return text
}

// TestPopup: the page gives its opener the outcome, and the tokens that the login asked
// for. A message with a token, or to another origin, is not broadcast.
func TestPopup(t *testing.T) {
	t.Parallel()
	const other = "https://other.example"
	for _, row := range []struct {
		why, opener string
		tokens      []string
		want        string // of the message, ID for the ID token
		broadcast   bool
	}{
		{"no token", origin, nil, `{"type":"auth0:login","ok":true,"returnTo":"/after"}`, true},
		{"access token", origin, []string{"access_token"}, `{"type":"auth0:login","ok":true,"returnTo":"/after","access_token":"access"}`, false},
		{"ID token", origin, []string{"id_token"}, `{"type":"auth0:login","ok":true,"returnTo":"/after","id_token":"ID"}`, false},
		{"both", origin, []string{"id_token", "access_token"},
			`{"type":"auth0:login","ok":true,"returnTo":"/after","access_token":"access","id_token":"ID"}`, false},
		{"other origin", other, nil, `{"type":"auth0:login","ok":true,"returnTo":"/after"}`, false},
	} {
		t.Run(row.why, func(t *testing.T) {
			t.Parallel()
			inEachMode(t, func(e *env) {
				begun := e.begin("returnTo=/after", authrequest.PopUp(row.opener, row.tokens...))
				raw := e.signed(nil)
				e.tokens = change{"id_token": raw}
				got := e.answer(begun, nil)
				if got.err != nil || got.Code != 200 || got.location() != "" || got.changes != "-txn session session_tries" {
					t.Fatalf("%d, %v, to %q, cookies %q", got.Code, got.err, got.location(), got.changes)
				}
				broadcast := map[bool]string{true: "true", false: "false"}[row.broadcast]
				message := strings.Replace(row.want, `"ID"`, `"`+raw+`"`, 1)
				want := `{"broadcast":` + broadcast + `,"message":` + message + `,"origin":"` + row.opener + `"}`
				page := got.Body.String()
				if message := given(t, page); message != want {
					t.Errorf("given:\n%s\nwant:\n%s", message, want)
				}
				if !strings.Contains(page, "<h1>You are logged in</h1>") || !strings.Contains(page, `<a href="/after">Go on in this window</a>`) {
					t.Error(page)
				}
				if _, err := e.session(); err != nil || len(e.refused) != 0 {
					t.Errorf("%v, refused %v", err, e.refused)
				}
			})
		})
	}
}

// TestFailedPopup: the opener gets a word for the failure and no token. The page has its
// status and a link to log in.
func TestFailedPopup(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why    string
		answer change
		edit   func(*Config)
		status int
		reason string
	}{
		{"tenant says no", change{"error": "access_denied"}, nil, 403, "authorization_denied"},
		{"other issuer", change{"iss": "https://evil.example/"}, nil, 400, "issuer_mismatch"},
		{"AfterLogin", nil, refuses(refusal.AfterLogin.New()), 403, "after_login"},
	} {
		t.Run(row.why, func(t *testing.T) {
			t.Parallel()
			run(t, func(e *env) {
				begun := e.begin("returnTo=/after", authrequest.PopUp(origin, "access_token", "id_token"), authrequest.AppState("cart"))
				got := e.answer(begun, row.answer)
				if got.err != nil || got.Code != row.status || got.changes != "txn" {
					t.Fatalf("%d, %v, cookies %q", got.Code, got.err, got.changes)
				}
				page := got.Body.String()
				want := `{"broadcast":false,"message":{"type":"auth0:login","ok":false,"error":"` + row.reason + `"},"origin":"` + origin + `"}`
				if message := given(t, page); message != want {
					t.Errorf("given:\n%s\nwant:\n%s", message, want)
				}
				_, link, _ := strings.Cut(page, `<a href="`)
				link, rest, _ := strings.Cut(link, `"`)
				if !strings.Contains(page, "<h1>The login was not completed</h1>") || !strings.HasPrefix(rest, ">Log in in this window</a>") {
					t.Error(page)
				}
				again := e.begin(strings.TrimPrefix(html.UnescapeString(link), origin+"/auth/login?"))
				if kept := e.kept(again); kept.ReturnTo != "/after" || kept.Popup != nil || string(kept.AppState) != `"cart"` ||
					(again.Get("prompt") != "") != (row.status == 403) {
					t.Errorf("the link leads to %q, %+v", again, kept)
				}
				if len(e.refused) != 1 {
					t.Fatalf("refused %v", e.refused)
				}
				expectFailure(t, row.why, e.refused[0], "/after", `"cart"`)
			}, edits(row.edit)...)
		})
	}
	run(t, func(e *env) { // the opener also learns of an outage, and the same answer can succeed
		begun := e.begin("", authrequest.PopUp(origin))
		known := e.Flow.Client.Tenant.Static
		e.Flow.Client.Tenant.Static, e.down = nil, true
		got := e.answer(begun, nil)
		if message := given(t, got.Body.String()); got.Code != 503 || !strings.Contains(message, `"error":"tenant_unavailable"`) || got.changes != "" {
			t.Errorf("%d, cookies %q, %s", got.Code, got.changes, message)
		}
		e.Flow.Client.Tenant.Static, e.down = known, false
		if got = e.answer(begun, nil); got.Code != 200 || got.changes != "-txn session session_tries" {
			t.Errorf("again: %d, cookies %q, %v", got.Code, got.changes, got.err)
		}
	})
}
