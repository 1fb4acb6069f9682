package emulator_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// An inbox is an application that receives logout tokens.
type inbox struct {
	status int
	tokens []string
	kinds  []string
	paths  []string
}

func (i *inbox) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	i.tokens = append(i.tokens, r.PostForm.Get("logout_token"))
	i.kinds = append(i.kinds, r.Method+" "+r.Header.Get("Content-Type"))
	i.paths = append(i.paths, r.URL.String())
	w := httptest.NewRecorder()
	w.WriteHeader(i.status)
	fmt.Fprint(w, `{"error":"invalid_request"}`)
	return w.Result(), nil
}

func TestBackchannelLogout(t *testing.T) {
	t.Parallel()
	tn, c := newTenant(t)
	web := webApp()
	web.BackchannelLogoutURLs = []string{app + "/one", app + "/two"}
	must(t, tn.AddClient(web))
	b, _ := signedIn(t, tn)
	_, idToken := signedIn(t, tn)
	_, id := verify(t, tn, idToken)
	in := &inbox{status: 200}
	must(t, tn.BackchannelLogout(&http.Client{Transport: in}, "web", "jane@acme.example"))
	equal(t, "posts", len(in.tokens), 4) // two sessions, two addresses
	if !slices.Equal(in.paths, []string{app + "/one", app + "/two", app + "/one", app + "/two"}) {
		t.Errorf("posted to %q", in.paths)
	}
	equal(t, "request", in.kinds[0], "POST application/x-www-form-urlencoded")
	header, claims := verify(t, tn, in.tokens[3])
	equal(t, "typ", header["typ"], any("JWT"))
	now := float64(c.Now().Unix())
	for name, want := range map[string]any{"iss": issuer, "aud": "web", "sub": "auth0|65f0c1d2", "sid": id["sid"],
		"iat": now, "exp": now + 120, "nonce": nil} {
		equal(t, name, claims[name], want)
	}
	for _, name := range []string{"jti", "trace_id", "events"} {
		if claims[name] == nil {
			t.Errorf("no %s", name)
		}
	}
	_, other := verify(t, tn, in.tokens[0])
	if other["sid"] == claims["sid"] || other["jti"] == claims["jti"] {
		t.Error("two sessions have one sid or jti")
	}
	equal(t, "still logged in", b.loggedIn(), false)
	if err := tn.BackchannelLogout(&http.Client{Transport: in}, "web", "jane@acme.example"); err == nil {
		t.Error("sessions that have ended are ended again")
	}
}

func TestBackchannelLogoutRefused(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	client := &http.Client{Transport: &inbox{status: 400}}
	signedIn(t, tn)
	if err := tn.BackchannelLogout(client, "web", "jane@acme.example"); err == nil {
		t.Error("no address, and no error")
	}
	web := webApp()
	web.BackchannelLogoutURLs = []string{app + "/logout"}
	must(t, tn.AddClient(web))
	err := tn.BackchannelLogout(client, "web", "jane@acme.example")
	if err == nil {
		t.Fatal("the application refuses, and there is no error")
	}
	contains(t, err.Error(), `https://app.example/logout answers 400 to the logout token: {"error":"invalid_request"}`)
}

func TestLogoutTokenWithoutSession(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	_, claims := verify(t, tn, tn.LogoutToken("web", "jane@acme.example", "", func(_, claims map[string]any) { claims["extra"] = true }))
	_, there := claims["sid"]
	equal(t, "sid", there, false)
	equal(t, "extra", claims["extra"], any(true))
}

// TestRefreshTokenUsedTwiceAtOnce: one of the two requests is reuse, which revokes the
// whole family.
func TestRefreshTokenUsedTwiceAtOnce(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	web := webApp()
	web.RotatingRefreshTokens = true
	must(t, tn.AddClient(web))
	for range 20 {
		token := tokens(t, tn, "scope", "openid offline_access")["refresh_token"].(string)
		answers := make(chan response)
		for range 2 {
			go func() { answers <- refresh(tn, token) }()
		}
		good, next := 0, ""
		for range 2 {
			if res := <-answers; res.status == 200 {
				good++
				next = res.json(t)["refresh_token"].(string)
			}
		}
		equal(t, "answers with tokens", good, 1)
		equal(t, "status of the successor", refresh(tn, next).status, 403)
	}
}

func TestEditAPI(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	must(t, tn.EditAPI(api, func(a *emulator.API) { a.Lifetime = time.Minute }))
	body := tokens(t, tn, "audience", api, "scope", "read:things")
	equal(t, "expires_in", body["expires_in"], any(60.0))
	equal(t, "scope", body["scope"], any("read:things"))
	if tn.EditAPI("https://nowhere.example", func(*emulator.API) {}) == nil {
		t.Error("an API that does not exist was changed")
	}
}
