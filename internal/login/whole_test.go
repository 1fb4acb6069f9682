package login

import (
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/cookie"
)

// TestALoginFromBeginningToEnd is the way of a browser: a stored cookie, an answer that
// finds it, and tokens.
func TestALoginFromBeginningToEnd(t *testing.T) {
	t.Parallel()
	e := newEnv(t, "code")
	authURL, begun := e.begin(authrequest.Scopes("a"), authrequest.Audience("https://api.example/"), authrequest.AppState("state"))
	w := httptest.NewRecorder()
	if err := e.transactions.Keep(w, cookie.Jar{}, begun); err != nil {
		t.Fatal(err)
	}
	back := httptest.NewRequest("GET", "/", nil)
	for _, c := range w.Result().Cookies() {
		back.AddCookie(c)
	}
	e.now += int64(5 * time.Minute / time.Second)
	e.token = gives(change{"id_token": idToken{}.signed(authURL.Query().Get("nonce"))})
	found, err := e.transactions.Find(e.transactions.Cookies.Read(back), authURL.Query().Get("state"), "code")
	if err != nil {
		t.Fatal(err)
	}
	got, err := e.complete(found, url.Values{"state": {authURL.Query().Get("state")}, "code": {"c"}})
	if err != nil || got.Identity.Claims.Subject != "auth0|ada" {
		t.Errorf("%+v, %v", got, err)
	}
	found.Session, found.Parts = "the session before", 1
	accepted := Accept(e.transactions, found, got, "/there")
	if accepted.Identity != got.Identity || accepted.Token != got.Token || accepted.ReturnTo != "/there" ||
		string(accepted.AppState) != `"state"` || accepted.Scope != "openid a" || accepted.Audience != "https://api.example/" ||
		accepted.Session != "the session before" || !slices.Equal(accepted.Cookies, []string{"__Host-app_session"}) {
		t.Errorf("%+v", accepted)
	}
	if form := e.at(tokenEndpoint)[0].form; form.Get("code_verifier") != begun.Verifier || form.Get("redirect_uri") != callback {
		t.Errorf("the tenant gets %v", form)
	}
}
