package testkit

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"golang.org/x/oauth2"
)

// EncodedSecret stands for bytes that are not text.
const EncodedSecret = "_-7dzLuqmYh3ZlVEMyIRAP_u3cy7qpmId2ZVRDMiEQD_7t3M"

// OldApplication makes the tenant sign the ID tokens with the client's secret.
func OldApplication(e *Env, secret string, encoded bool) {
	e.T.Helper()
	if err := e.Tenant.EditClient(ClientID, func(c *TenantClient) {
		c.IDTokenAlg, c.Secret, c.SecretEncoded = "HS256", secret, encoded
	}); err != nil {
		e.T.Fatal(err)
	}
}

// CheapTokens is the configuration of an application whose ID tokens and logout tokens
// have a MAC, for a test with many logins that is not about signatures. Each RSA
// signature takes a millisecond, which is most of the cost of a login. SignedIn makes
// the tenant sign them so.
func CheapTokens(c *auth0.Config) {
	c.ClientSecret = cheapSecret
	c.Keys = Must(auth0.SharedSecret(cheapSecret))
}

const cheapSecret = "client-secret-SECRET-of-more-than-32-bytes"

// SecondAudience is an API whose tokens come with the same refresh token.
const SecondAudience = "https://second.example/"

// TokenLife is the life of the access tokens of SignedInRefreshing.
const TokenLife = 10 * time.Minute

// AccessToken calls the method of a Strategy in a handler for a request.
func AccessToken(s *auth0.Strategy, r *http.Request, opts ...auth0.TokenOption) (token *oauth2.Token, err error) {
	s.LoadUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err = s.AccessToken(w, r, opts...)
	})).ServeHTTP(httptest.NewRecorder(), r)
	return token, err
}

// SignedInRefreshing is SignedIn with an application that has refresh tokens, which
// rotate without an overlap. Access tokens are valid for TokenLife. The route /token
// writes the result of AccessToken. At the end of the test it checks that the log
// contains no token.
func SignedInRefreshing(t *testing.T, edit ...func(*auth0.Config)) *Env {
	t.Helper()
	spy := &TokenSpy{}
	e := SignedIn(t, append([]func(*auth0.Config){func(c *auth0.Config) {
		c.Audience = Audience
		c.Scopes = []string{"openid", "profile", "email", "offline_access", "read:protected"}
		spy.Next = c.HTTPClient.Transport
		c.HTTPClient = &http.Client{Transport: spy}
	}}, edit...)...)
	e.Tenant.EditAccessToken(Header("alg", "HS256")) // with an unpublished key; see CheapTokens
	e.RotateRefreshTokens(true, 0)
	e.lifetime(Audience, TokenLife)
	for _, audience := range []string{SecondAudience, "https://third.example/"} {
		if err := e.Tenant.AddAPI(TenantAPI{Audience: audience, Scopes: []string{"read:a", "read:b", "read:c"}, Lifetime: TokenLife,
			ProofOfPossession: BoundByDPoP}); err != nil {
			t.Fatal(err)
		}
	}
	e.Mux.HandleFunc("GET /token", e.showToken)
	t.Cleanup(func() {
		for _, text := range spy.Seen() {
			if strings.Contains(e.Log.String(), text) {
				t.Errorf("the log has the token %s", text)
			}
		}
	})
	return e
}

// RotateRefreshTokens sets whether refresh tokens rotate, and how long the previous
// one is still accepted.
func (e *Env) RotateRefreshTokens(on bool, overlap time.Duration) {
	e.T.Helper()
	e.EditClient(func(c *TenantClient) {
		c.RotatingRefreshTokens, c.RefreshTokenLeeway = on, overlap
		c.RefreshTokenPolicies = []ClientGrant{
			{Audience: SecondAudience, Scopes: []string{"read:a", "read:b", "read:c"}},
			{Audience: "https://third.example/", Scopes: []string{"read:a"}},
		}
	})
}

func (e *Env) lifetime(audience string, d time.Duration) {
	e.T.Helper()
	if err := e.Tenant.EditAPI(audience, func(a *TenantAPI) { a.Lifetime = d }); err != nil {
		e.T.Fatal(err)
	}
}

// showToken answers with the token that the query requests, or why there is none.
func (e *Env) showToken(w http.ResponseWriter, r *http.Request) {
	var opts []auth0.TokenOption
	q := r.URL.Query()
	if q.Has("audience") || q.Has("scope") {
		opts = append(opts, auth0.ForAudience(cmp.Or(q.Get("audience"), Audience), strings.Fields(q.Get("scope"))...))
	}
	if q.Has("force") {
		opts = append(opts, auth0.ForceRefresh())
	}
	token, err := e.Strategy.AccessToken(w, r, opts...)
	if failed := (*auth0.Error)(nil); errors.As(err, &failed) {
		w.Header().Set("X-Retry-After", failed.RetryAfter.String())
		w.WriteHeader(failed.Status)
		fmt.Fprint(w, failed.Reason)
		return
	}
	if err != nil {
		e.T.Errorf("AccessToken returns %T %v", err, err)
		return
	}
	w.Header().Set("X-Expiry", token.Expiry.UTC().Format(time.RFC3339))
	fmt.Fprint(w, token.AccessToken)
}

// Fetch makes a request as a script of the application does.
func (b *Browser) Fetch(target string) *Response {
	b.Env.T.Helper()
	return b.Do("GET", target, nil, "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-origin")
}

// Token gets a token of the session, and fails the test if there is none.
func (b *Browser) Token(query ...string) string {
	b.Env.T.Helper()
	resp := b.Fetch("/token?" + strings.Join(query, "&"))
	if resp.Status != 200 {
		b.Env.T.Fatalf("token: %d %s; log:\n%s", resp.Status, resp.Body, b.Env.Log)
	}
	return resp.Body
}

// NoToken fails the test if there is a token, or none for another reason.
func (b *Browser) NoToken(status int, reason string, query ...string) *Response {
	b.Env.T.Helper()
	resp := b.Fetch("/token?" + strings.Join(query, "&"))
	if resp.Status != status || resp.Body != reason {
		b.Env.T.Errorf("token: %d %.80s, want %d %s", resp.Status, resp.Body, status, reason)
	}
	return resp
}

// Refreshes returns how many token requests there were after the login.
func (e *Env) Refreshes() int { return e.Tenant.Calls(TokenEndpoint) - 1 }

// ExpectRefreshes fails the test unless the number of token requests after the login
// is right.
func (e *Env) ExpectRefreshes(want int, why string) {
	e.T.Helper()
	if got := e.Refreshes(); got != want {
		e.T.Errorf("%s: %d token requests after the login, want %d", why, got, want)
	}
}

// Tabs returns browsers with the same cookies.
func Tabs(b *Browser, n int) []*Browser {
	var all []*Browser
	for range n {
		all = append(all, b.Clone())
	}
	return all
}

// Together runs n calls concurrently and waits for all.
func Together(n int, f func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

// UserOf returns the user of a browser's session.
func (e *Env) UserOf(b *Browser) auth0.User {
	e.T.Helper()
	s, err := e.Strategy.Session(b.Request("/"))
	if err != nil {
		e.T.Error(err)
		return auth0.User{}
	}
	return s.User
}

// Request returns a request with the cookies of a browser.
func (b *Browser) Request(target string) *http.Request {
	r := httptest.NewRequest("GET", target, nil)
	for name, value := range b.Cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r
}

// FreshKeys fetches the keys if they are due.
func (e *Env) FreshKeys() {
	e.Strategy.Application().KeySet().Warm(e.T.Context())
	synctest.Wait()
}
