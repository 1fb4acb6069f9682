package web_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// TestImportSession moves a user from another session system: the user stays logged
// in, with claims, data and tokens, for as long as the old login allows.
func TestImportSession(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedInRefreshing(t, m.Edit, func(c *auth0.Config) {
			c.AfterLogin = nil
			c.AbsoluteTimeout, c.IdleTimeout = 7*24*time.Hour, 24*time.Hour
		})
		// The old system: it logged ada in six days ago.
		l := exchangedLogin(e, t)
		loggedIn := time.Now()
		time.Sleep(6 * 24 * time.Hour)
		old := auth0.ImportedSession{
			User: auth0.User{Subject: l.User.Subject, Email: "ada@acme.example", Name: "Ada", OrgID: "org_1"},
			Claims: map[string]any{
				"https://acme.example/roles": []string{"admin"},
				"email":                      "other@acme.example", // the field counts
			},
			Token: &oauth2.Token{RefreshToken: l.Token().RefreshToken}, Data: map[string]string{"cart": "7"}, LoggedInAt: loggedIn, SessionID: "sid-1",
		}
		e.Mux.HandleFunc("GET /import", func(w http.ResponseWriter, r *http.Request) {
			if err := e.Strategy.ImportSession(w, r, old); err != nil {
				t.Error(err)
			}
		})
		e.Mux.HandleFunc("GET /show", func(w http.ResponseWriter, r *http.Request) {
			s, err := e.Strategy.Session(r)
			if err != nil {
				t.Fatal(err)
			}
			roles, _ := s.User.Claim("https://acme.example/roles")
			fmt.Fprintln(w, s.User.Issuer == e.Strategy.Application().Issuer(), s.User.Subject == l.User.Subject, s.User.Email, s.User.Name, s.User.OrgID, roles, s.Data["cart"], s.CreatedAt.Equal(loggedIn.Truncate(time.Second)))
		})
		var token string
		e.Mux.HandleFunc("GET /access", func(w http.ResponseWriter, r *http.Request) {
			got, err := e.Strategy.AccessToken(w, r)
			if err != nil {
				t.Error(err)
				return
			}
			token = got.AccessToken
		})
		b := e.Browser()
		b.Page("/import")
		if got, want := strings.TrimSpace(b.Page("/show").Body), "true true ada@acme.example Ada org_1 [admin] 7 true"; got != want {
			t.Errorf("%s: %q, want %q", m.Name, got, want)
		}
		if b.Page("/access"); token == "" || token == l.Token().AccessToken {
			t.Errorf("%s: token %q", m.Name, token)
		}
		// The login was six days ago, so a day is left, whatever the use.
		for range 3 {
			time.Sleep(11 * time.Hour)
			b.Page("/")
			if time.Since(loggedIn) < 7*24*time.Hour != b.LoggedIn() {
				t.Errorf("%s: logged in %v after %v", m.Name, b.LoggedIn(), time.Since(loggedIn))
			}
			if !b.LoggedIn() {
				break
			}
		}
	})
}

// TestImportSessionRefusals: an invalid session is not imported.
func TestImportSessionRefusals(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	good := auth0.ImportedSession{User: auth0.User{Subject: "auth0|1"}, LoggedInAt: time.Now()}
	for why, tt := range map[string]struct {
		edit func(*auth0.ImportedSession)
		want error
	}{
		"no subject":       {func(i *auth0.ImportedSession) { i.User.Subject = "" }, nil},
		"no time":          {func(i *auth0.ImportedSession) { i.LoggedInAt = time.Time{} }, nil},
		"the future":       {func(i *auth0.ImportedSession) { i.LoggedInAt = time.Now().Add(time.Hour) }, nil},
		"too old":          {func(i *auth0.ImportedSession) { i.LoggedInAt = time.Now().Add(-8 * 24 * time.Hour) }, auth0.ErrNoSession},
		"claim is no JSON": {func(i *auth0.ImportedSession) { i.Claims = map[string]any{"x": func() {}} }, nil},
		"too much":         {func(i *auth0.ImportedSession) { i.Data = map[string]string{"x": strings.Repeat("y", 1<<16)} }, auth0.ErrSessionTooLarge},
	} {
		old := good
		tt.edit(&old)
		e.Mux.HandleFunc("GET /import/"+strings.ReplaceAll(why, " ", "-"), func(w http.ResponseWriter, r *http.Request) {
			err := e.Strategy.ImportSession(w, r, old)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("%s: %v, want %v", why, err, tt.want)
			}
		})
		b := e.Browser()
		b.Page("/import/" + strings.ReplaceAll(why, " ", "-"))
		if b.LoggedIn() {
			t.Errorf("%s: logged in", why)
		}
	}
}

// TestImportedSessionIsEnded: every way to end a session works for an imported one.
func TestImportedSessionIsEnded(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.Store = auth0.NewMemoryStore(10) })
	old := auth0.ImportedSession{User: auth0.User{Subject: "auth0|1"}, LoggedInAt: time.Now().Add(-time.Hour), SessionID: "sid-1"}
	e.Mux.HandleFunc("GET /import", func(w http.ResponseWriter, r *http.Request) {
		if err := e.Strategy.ImportSession(w, r, old); err != nil {
			t.Error(err)
		}
	})
	b := e.Browser()
	b.Page("/import")
	if !b.LoggedIn() {
		t.Fatal("not logged in")
	}
	if err := e.Strategy.EndSessionsOf(t.Context(), e.Strategy.Application().Issuer(), "auth0|1"); err != nil {
		t.Fatal(err)
	}
	if b.LoggedIn() {
		t.Error("logged in after EndSessionsOf")
	}
	// A session that started before that cannot be imported again.
	b = e.Browser()
	b.Page("/import")
	if b.LoggedIn() {
		t.Error("a session that was ended came back")
	}
}

// TestImportedSessionIsNotShown: neither tokens nor data are formatted or logged.
func TestImportedSessionIsNotShown(t *testing.T) {
	t.Parallel()
	const canary = "CANARY"
	old := auth0.ImportedSession{User: auth0.User{Subject: "x"}, Token: &oauth2.Token{AccessToken: canary, RefreshToken: canary}, Data: map[string]string{"x": canary}}
	text := fmt.Sprintf("%v %+v %#v %s %q", old, old, old, old, old) + string(testkit.Must(json.Marshal(old)))
	if strings.Contains(text, canary) {
		t.Error(text)
	}
}

// TestImportedAuthentication: the start of an old session is not the time of an
// authentication, because single sign-on starts sessions too. Claims of the old ID
// token have the time and the method.
func TestImportedAuthentication(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, tt := range []struct {
		why            string
		claims         map[string]any
		recent, strong bool // whether the session passes the guard
	}{
		{"nothing is known", nil, false, false},
		{"recent", map[string]any{"auth_time": now.Add(-time.Minute).Unix()}, true, false},
		{"too old", map[string]any{"auth_time": now.Add(-time.Hour).Unix()}, false, false},
		{"no number", map[string]any{"auth_time": "now"}, false, false},
		{"second factor", map[string]any{"amr": []string{"mfa"}}, false, true},
		{"class", map[string]any{"acr": auth0.ACRMultiFactor}, false, true},
		{"a claim that cannot be read", map[string]any{"amr": []string{"mfa"}, "exp": "x"}, false, false},
	} {
		e := testkit.SignedIn(t, testkit.CheapTokens)
		e.Mux.HandleFunc("GET /import", func(w http.ResponseWriter, r *http.Request) {
			old := auth0.ImportedSession{User: auth0.User{Subject: "auth0|1"}, Claims: tt.claims, LoggedInAt: now.Add(-10 * time.Second)}
			if err := e.Strategy.ImportSession(w, r, old); err != nil {
				t.Error(err)
			}
		})
		page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "page") })
		e.Mux.Handle("GET /recent", e.Strategy.RequireStepUp(5*time.Minute)(page))
		e.Mux.Handle("GET /strong", e.Strategy.RequireStepUp(0, auth0.ACRMultiFactor)(page))
		b := e.Browser()
		b.Page("/import")
		if recent, strong := b.Page("/recent").Status == 200, b.Page("/strong").Status == 200; recent != tt.recent || strong != tt.strong {
			t.Errorf("%s: recent %v, strong %v", tt.why, recent, strong)
		}
	}
}

// TestImportedSessionIsRefreshed: an ID token whose authentication was before the old
// session started is of the same user, and the session keeps its refresh token.
func TestImportedSessionIsRefreshed(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedInRefreshing(t, m.Edit)
		l := exchangedLogin(e, t)
		authenticated := time.Now()
		time.Sleep(time.Hour)
		e.Mux.HandleFunc("GET /import", func(w http.ResponseWriter, r *http.Request) {
			old := auth0.ImportedSession{
				User: auth0.User{Subject: l.User.Subject}, Token: &oauth2.Token{RefreshToken: l.Token().RefreshToken}, LoggedInAt: time.Now(),
			}
			if err := e.Strategy.ImportSession(w, r, old); err != nil {
				t.Error(err)
			}
		})
		b := e.Browser()
		b.Page("/import")
		e.Tenant.EditIDToken(testkit.Claim("auth_time", authenticated.Unix()))
		b.Token()
		time.Sleep(2 * testkit.TokenLife)
		b.Token()
		if strings.Contains(e.Log.String(), "auth_time") {
			t.Errorf("%s: %s", m.Name, e.Log)
		}
	})
}
