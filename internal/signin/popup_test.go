package signin

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// given returns what the page of a pop-up gives to its script.
func given(t *testing.T, page string) (text string) {
	t.Helper()
	_, text, found := strings.Cut(page, `<script type="application/json" id="given">`)
	text, _, ended := strings.Cut(text, "</script>")
	if !found || !ended || !json.Valid([]byte(text)) {
		t.Fatalf("the page is\n%s", page)
	}
	return text
}

// TestPopup: the page gives its opener the outcome, and the tokens that the login was
// begun with. A message that has a token, or goes to another origin, is not broadcast.
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

// TestFailedPopup: the opener gets a word for the failure and no token, and the page has
// its status and a link to log in.
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
				if got.err != nil || got.Code != row.status || got.changes != "-txn" {
					t.Fatalf("%d, %v, cookies %q", got.Code, got.err, got.changes)
				}
				page := got.Body.String()
				want := `{"broadcast":false,"message":{"type":"auth0:login","ok":false,"error":"` + row.reason + `"},"origin":"` + origin + `"}`
				if message := given(t, page); message != want {
					t.Errorf("given:\n%s\nwant:\n%s", message, want)
				}
				const link = `<a href="https://app.example/auth/login?returnTo=%2Fafter">Log in in this window</a>`
				if !strings.Contains(page, "<h1>The login was not completed</h1>") || !strings.Contains(page, link) {
					t.Error(page)
				}
				if len(e.refused) != 1 {
					t.Fatalf("refused %v", e.refused)
				}
				expectFailure(t, row.why, e.refused[0], "/after", `"cart"`)
			}, edits(row.edit)...)
		})
	}
	run(t, func(e *env) { // before the transaction is used up, a page is loaded again
		begun := e.begin("", authrequest.PopUp(origin))
		e.Flow.Client.Tenant.Static, e.down = nil, true
		expect(t, "no endpoints", e.answer(begun, nil).err, refusal.TenantDown, "")
	})
}
