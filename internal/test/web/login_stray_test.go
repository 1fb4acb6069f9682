package web_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// TestAnswerOfAnotherLogin: an answer for Application.AuthCodeURL that comes to the
// callback belongs to no login of this route. The user stays logged in and sees the
// home page, the log has the cause, and Exchange can still complete the login.
func TestAnswerOfAnotherLogin(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, testkit.CheapTokens)
	b := e.Browser().MustLogin()
	app := e.Strategy.Application()
	authURL, transaction, err := app.AuthCodeURL(t.Context(), testkit.CallbackURL, auth0.WithPrompt("login"))
	if err != nil {
		t.Fatal(err)
	}
	answer := b.AtTenant(testkit.Must(url.Parse(strings.Replace(authURL, "prompt=login", "", 1))))
	if strings.Contains(e.Log.String(), "level=WARN") {
		t.Fatalf("a warning too soon:\n%s", e.Log)
	}
	if resp := b.Callback(answer); resp.Status != 303 || resp.Header.Get("Location") != "/" {
		t.Errorf("%d to %q", resp.Status, resp.Header.Get("Location"))
	}
	found := false
	for line := range strings.Lines(e.Log.String()) {
		found = found || strings.Contains(line, "level=WARN") && strings.Contains(line, "its own redirect URI") && strings.Contains(line, "no cookie for the state")
	}
	if code := answer.Query().Get("code"); !found || strings.Contains(e.Log.String(), code) {
		t.Errorf("the log does not say that the answer was ignored, or has the code:\n%s", e.Log)
	}
	if !b.LoggedIn() {
		t.Error("logged out")
	}
	if l, err := app.Exchange(t.Context(), transaction, answer.Query()); err != nil || l.User.Email != "ada@acme.example" {
		t.Errorf("%+v, %v", l, err)
	}
}
