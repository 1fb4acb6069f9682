package visit

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/clientauth"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/renew"
	"github.com/seed-15d5a55c/auth0/internal/session"
)

const tokenAPI = "https://api.example/"

// A tenantDown answers no request.
type tenantDown struct{}

func (tenantDown) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no connection")
}

// withTokens begins a session with an access token, which is valid for some seconds, and
// with a token of a third party.
func (e *env) withTokens(seconds int64) {
	e.Helper()
	const issuer = "https://tenant.example/"
	e.visits.Tokens = renew.New(renew.Config{
		Sessions: e.visits.Sessions, Stored: e.store != nil, Now: now, Log: e.visits.Log,
		Client: &provider.Client{
			ID: "client", Auth: clientauth.WithSecret("client_secret_post", "the client's secret"),
			Tenant: &provider.Tenant{Issuer: issuer, Static: provider.Auth0Layout(issuer)}, HTTP: &http.Client{Transport: tenantDown{}}, Now: now,
		},
	})
	e.login("first")
	record := e.current()
	w := httptest.NewRecorder()
	newest, err := e.visits.Sessions.Change(e.Context(), record, func(r *session.Record) (bool, error) {
		r.Tokens = []session.Token{{Audience: tokenAPI, Token: "access", ExpiresAt: now().Unix() + seconds}}
		r.Vault = []session.Token{{Connection: "google", Token: "google's", ExpiresAt: now().Unix() + 600}}
		r.Refreshes++
		return true, nil
	})
	if err == nil {
		err = e.visits.Sessions.SendTokens(w, &session.Loaded{Jar: e.jar()}, record, newest)
	}
	if err != nil {
		e.Fatal(err)
	}
	e.take(w)
}

// current returns the session of the browser's next request.
func (e *env) current() *session.Record {
	e.Helper()
	record, err := e.visits.Record(e.request())
	if err != nil {
		e.Fatal(err)
	}
	return record
}

// TestAccessToken: a valid token costs nothing. After its end, the refusal asks for a login,
// and the response has the note of that if the session is in cookies.
func TestAccessToken(t *testing.T) {
	inEachMode(t, func(e *env) {
		e.withTokens(600)
		w := httptest.NewRecorder()
		got, key, err := e.visits.AccessToken(w, e.visits.Prepare(e.request()), renew.Wish{Audience: tokenAPI})
		if changes := e.take(w); err != nil || got.Token != "access" || !key.IsZero() || changes != "" {
			e.Errorf("%+v, %v, %v; cookies %q", got, key, err, changes)
		}
		_, _, err = e.visits.AccessToken(w, e.visits.Prepare(e.request()), renew.Wish{Audience: "https://other.example/"})
		expect(e.T, "another API", err, refusal.SessionToken, "no refresh token")
	})
	inEachMode(t, func(e *env) {
		e.withTokens(-1)
		w := httptest.NewRecorder()
		_, _, err := e.visits.AccessToken(w, e.visits.Prepare(e.request()), renew.Wish{})
		expect(e.T, "an expired token", err, refusal.SessionTokenExpired, "")
		if changes := e.take(w); (changes != "") != (e.store == nil) {
			e.Errorf("cookies %q", changes)
		}
		if !e.current().LoginDue {
			e.Error("the session has no note")
		}
	})
}

// TestNoteLogin: the next request finds the note.
func TestNoteLogin(t *testing.T) {
	inEachMode(t, func(e *env) {
		e.withTokens(600)
		w := httptest.NewRecorder()
		if err := e.visits.NoteLogin(w, e.request()); err != nil {
			e.Error(err)
		}
		e.take(w)
		if !e.current().LoginDue {
			e.Error("the session has no note")
		}
		e.cookies = nil
		if err := e.visits.NoteLogin(w, e.request()); err != nil {
			e.Errorf("without a session: %v", err)
		}
	})
}

// TestForget: the tokens of other connections stay.
func TestForget(t *testing.T) {
	inEachMode(t, func(e *env) {
		e.withTokens(600)
		for _, row := range []struct {
			connection string
			left       int
		}{{"github", 1}, {"google", 0}} {
			w := httptest.NewRecorder()
			if err := e.visits.Forget(w, e.visits.Prepare(e.request()), row.connection); err != nil {
				e.Error(err)
			}
			e.take(w)
			if left := len(e.current().Vault); left != row.left {
				e.Errorf("after %s: %d tokens", row.connection, left)
			}
		}
		if e.store != nil {
			e.store.fail(errors.New("down"), nil)
			expect(e.T, "no store", e.visits.Forget(httptest.NewRecorder(), e.visits.Prepare(e.request()), "google"), refusal.Store, "down")
		}
	})
}

// TestTokensOfNobody: without a session there are no tokens.
func TestTokensOfNobody(t *testing.T) {
	inEachMode(t, func(e *env) {
		w := httptest.NewRecorder()
		_, _, err := e.visits.AccessToken(w, e.visits.Prepare(e.request()), renew.Wish{})
		expect(e.T, "a token", err, refusal.LoginRequired, "")
		expect(e.T, "a connection", e.visits.Forget(w, e.visits.Prepare(e.request()), "google"), refusal.LoginRequired, "")
	})
}
