package api_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// TestBothBindings: a token that is bound to a key and to a certificate needs both.
func TestBothBindings(t *testing.T) {
	t.Parallel()
	const off, allowed, required = auth0.BindingOff, auth0.BindingAllowed, auth0.BindingRequired
	ours, other := newCertificate(t, 1), newCertificate(t, 2)
	both := newHolder(client.key, [2]string{"cnf", `{"jkt":"` + client.thumbprint() + `","x5t#S256":"` + hashOf(ours) + `"}`})
	thief := holder{stranger.key, both.token}
	onlyCertificate := holder{client.key, boundTo(ours)}
	with := func(r *http.Request, certificates ...*x509.Certificate) *http.Request {
		r.TLS = over("", certificates...).TLS
		return r
	}
	for _, tt := range []struct {
		why                string
		keys, certificates auth0.Binding
		r                  *http.Request
		want               testkit.Answer
	}{
		{"both good", allowed, allowed, with(both.request(both.proof()), ours), testkit.AnswerOK},
		{"both good and required", required, required, with(both.request(both.proof()), ours), testkit.AnswerOK},
		{"no certificate", allowed, allowed, with(both.request(both.proof())), badToken("client certificate required")},
		{"another certificate", allowed, allowed, with(both.request(both.proof()), other), badToken("client certificate mismatch")},
		{"no proof", allowed, allowed, with(both.request(), ours), badProof},
		{"bad proof", allowed, allowed, with(both.request(both.proof(claim("htm", `"POST"`))), ours), badProof},
		{"proof of another key", allowed, allowed, with(thief.request(thief.proof()), ours), badToken("token not bound to this key")},
		{"as bearer", allowed, allowed, with(testkit.BearerRequest(both.token), ours), asBearer(401, "invalid_token", "token is sender-constrained")},
		{"certificates are off", allowed, off, with(both.request(both.proof()), ours), badToken("token is sender-constrained")},
		{"DPoP is off", off, allowed, with(testkit.BearerRequest(both.token), ours), testkit.AnswerBound},

		{"certificate alone", allowed, allowed, with(testkit.BearerRequest(onlyCertificate.token), ours), testkit.AnswerOK},
		{"certificate alone with the scheme DPoP", allowed, allowed, with(onlyCertificate.request(onlyCertificate.proof()), ours), badToken("token not bound to a key")},
		{"certificate alone, DPoP required", required, allowed, with(testkit.BearerRequest(onlyCertificate.token), ours), alone(noToken)},
		{"key alone", allowed, allowed, with(client.request(client.proof())), testkit.AnswerOK},
		{"key alone, certificates required", allowed, required, with(client.request(client.proof()), ours), badToken("client certificate binding required")},
	} {
		t.Run(tt.why, func(t *testing.T) {
			t.Parallel()
			f := testkit.NewAPIEnv(t, dpop(tt.keys), certificates(tt.certificates))
			f.ExpectWhole(t, f.API.RequireAuth(f), tt.r, tt.want)
		})
	}
}

// TestProofIsNotUsedForAnotherCertificate: a request that fails before the proof does not use it up.
func TestProofIsNotUsedForAnotherCertificate(t *testing.T) {
	t.Parallel()
	ours := newCertificate(t, 1)
	both := newHolder(client.key, [2]string{"cnf", `{"jkt":"` + client.thumbprint() + `","x5t#S256":"` + hashOf(ours) + `"}`})
	f := testkit.NewAPIEnv(t, dpop(auth0.BindingAllowed), certificates(auth0.BindingAllowed))
	p := both.proof()
	f.ExpectWhole(t, f.API.RequireAuth(f), both.request(p), badToken("client certificate required"))
	r := both.request(p)
	r.TLS = over("", ours).TLS
	f.ExpectWhole(t, f.API.RequireAuth(f), r, testkit.AnswerOK)
}

// TestChallengesOfGuards has rejections by guards: the challenge of the scheme that the client
// uses has the error.
func TestChallengesOfGuards(t *testing.T) {
	t.Parallel()
	const scope = `, error="insufficient_scope", error_description="insufficient scope", scope="admin"`
	const step = `, error="insufficient_user_authentication", error_description="stronger authentication required", max_age="60"`
	body := func(code, description string) string {
		return `{"error":"` + code + `","error_description":"` + description + `"}`
	}
	lacks, weak := body("insufficient_scope", "insufficient scope"), body("insufficient_user_authentication", "stronger authentication required")
	for _, mode := range []auth0.Binding{auth0.BindingAllowed, auth0.BindingRequired} {
		f := newEnv(t, mode)
		admin, permission, recent := f.API.RequireScope("admin")(f), f.API.RequireAnyPermission("admin")(f), f.API.RequireStepUp(time.Minute)(f)
		for _, tt := range []struct {
			why  string
			h    http.Handler
			r    *http.Request
			want testkit.Answer
		}{
			{"scope", admin, client.request(client.proof()), testkit.Answer{Status: 403, Challenge: bearerLine + "\n" + dpopLine + scope, Body: lacks}},
			{"permission", permission, client.request(client.proof()), testkit.Answer{Status: 403, Challenge: bearerLine + "\n" + dpopLine + scope, Body: lacks}},
			{"step-up", recent, client.request(client.proof()), testkit.Answer{Status: 401, Challenge: bearerLine + "\n" + dpopLine + step, Body: weak}},
			{"scope and no token", admin, testkit.RequestWith(), testkit.Answer{Status: 401, Challenge: bearerLine + `, scope="admin"` + "\n" + dpopLine + `, scope="admin"`, Body: noToken.Body}},
			{"scope and a bad proof", admin, client.request("x"), testkit.Answer{Status: 401,
				Challenge: bearerLine + `, scope="admin"` + "\n" + dpopLine + `, error="invalid_dpop_proof", error_description="DPoP proof invalid", scope="admin"`, Body: badProof.Body}},
			{"denied", f.API.Require(func(context.Context, *auth0.Token) error { return errors.New("no") })(f), client.request(client.proof()),
				testkit.Answer{Status: 403, Body: body("access_denied", "not allowed")}},
			{"unusable guard", f.API.RequireScope()(f), client.request(client.proof()), testkit.AnswerUnusable},
		} {
			want := tt.want
			if mode == auth0.BindingRequired {
				want = alone(want)
			}
			t.Run(fmt.Sprint(mode, " ", tt.why), func(t *testing.T) { f.ExpectWhole(t, tt.h, tt.r, want) })
		}
		if mode == auth0.BindingRequired {
			continue
		}
		f.ExpectWhole(t, admin, testkit.BearerRequest(testkit.GoodToken()), testkit.Answer{Status: 403, Challenge: bearerLine + scope + "\n" + dpopLine, Body: lacks})
		f.ExpectWhole(t, recent, testkit.BearerRequest(testkit.GoodToken()), testkit.Answer{Status: 401, Challenge: bearerLine + step + "\n" + dpopLine, Body: weak})
	}
}

// TestMetadataURLInChallenges: the URL ends every challenge.
func TestMetadataURLInChallenges(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t, dpop(auth0.BindingAllowed), func(c *auth0.APIConfig) {
		c.MetadataURL = "https://api.example/.well-known/oauth-protected-resource"
	})
	const end = `, resource_metadata="https://api.example/.well-known/oauth-protected-resource"`
	for _, tt := range []struct {
		h    http.Handler
		r    *http.Request
		want testkit.Answer
	}{
		{f.API.RequireAuth(f), testkit.RequestWith(), noToken},
		{f.API.RequireAuth(f), client.request(), badProof},
		{f.API.RequireAuth(f), testkit.BearerRequest(client.token), asBearer(401, "invalid_token", "token is sender-constrained")},
	} {
		tt.want.Challenge = strings.ReplaceAll(tt.want.Challenge, "\n", end+"\n") + end
		f.ExpectWhole(t, tt.h, tt.r, tt.want)
	}
	w := httptest.NewRecorder()
	f.API.RequireScope("a")(f).ServeHTTP(w, testkit.RequestWith())
	if got := w.Result().Header.Values("WWW-Authenticate"); !slices.Equal(got, []string{bearerLine + `, scope="a"` + end, dpopLine + `, scope="a"` + end}) {
		t.Errorf("%q", got)
	}
}

// TestOptionalAuthWithProofs: only a request without a token is anonymous.
func TestOptionalAuthWithProofs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why  string
		mode auth0.Binding
		r    *http.Request
		want testkit.Answer // AnswerOK for a request that reaches the handler
		sub  string         // of the token that the handler finds
	}{
		{"no token", auth0.BindingAllowed, testkit.RequestWith(), testkit.AnswerOK, ""},
		{"good", auth0.BindingAllowed, client.request(client.proof()), testkit.AnswerOK, "auth0|u"},
		{"bad proof", auth0.BindingAllowed, client.request("x"), badProof, ""},
		{"no proof", auth0.BindingAllowed, client.request(), badProof, ""},
		{"bound as bearer", auth0.BindingAllowed, testkit.BearerRequest(client.token), asBearer(401, "invalid_token", "token is sender-constrained"), ""},
		{"a variable without a token", auth0.BindingAllowed, testkit.BearerRequest("undefined"), testkit.AnswerOK, ""},
		{"a variable without a token, and a proof", auth0.BindingAllowed, testkit.WithHeader(testkit.RequestWith("DPoP undefined"), "DPoP", client.proof()), badToken("token malformed"), ""},
		{"required, no token", auth0.BindingRequired, testkit.RequestWith(), testkit.AnswerOK, ""},
		{"required, bearer", auth0.BindingRequired, testkit.BearerRequest(testkit.GoodToken()), alone(noToken), ""},
		{"off, scheme DPoP", auth0.BindingOff, client.request(client.proof()), testkit.AnswerOK, ""},
	} {
		t.Run(tt.why, func(t *testing.T) {
			t.Parallel()
			f := newEnv(t, tt.mode)
			sub := ""
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if token, ok := auth0.TokenFrom(r.Context()); ok {
					sub = token.Subject()
				}
				f.ServeHTTP(w, r)
			})
			f.ExpectWhole(t, f.API.OptionalAuth(h), tt.r, tt.want)
			if sub != tt.sub {
				t.Errorf("subject %q, want %q", sub, tt.sub)
			}
		})
	}
}

// TestThumbprint: a handler learns which key the client has.
func TestThumbprint(t *testing.T) {
	t.Parallel()
	f := newEnv(t, auth0.BindingAllowed)
	for _, tt := range []struct {
		r    *http.Request
		want string
	}{
		{client.request(client.proof()), client.thumbprint()}, {stranger.request(stranger.proof()), stranger.thumbprint()}, {testkit.BearerRequest(testkit.GoodToken()), ""},
	} {
		got := "none"
		f.API.RequireAuth(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if token, ok := auth0.TokenFrom(r.Context()); ok {
				got = token.Thumbprint()
			}
		})).ServeHTTP(httptest.NewRecorder(), tt.r)
		if got != tt.want {
			t.Errorf("thumbprint %q, want %q", got, tt.want)
		}
	}
}

// TestVerifyRequest checks as the guards do, without an answer.
func TestVerifyRequest(t *testing.T) {
	t.Parallel()
	var events testkit.Events
	f := testkit.NewAPIEnv(t, dpop(auth0.BindingAllowed), events.Observe, testkit.Sources(auth0.FromHeader(), auth0.FromCookie("token"), auth0.FromQuery()))
	used := client.proof()
	cookie := func(upgrade bool) *http.Request {
		r := testkit.RequestWith()
		r.AddCookie(&http.Cookie{Name: "token", Value: testkit.GoodToken()})
		if upgrade {
			r.Header.Set("Upgrade", "websocket")
			r.Header.Set("Connection", "Upgrade")
			r.Header.Set("Origin", "https://evil.example")
		}
		return r
	}
	two := testkit.BearerRequest(testkit.GoodToken())
	two.URL.RawQuery = "access_token=" + testkit.GoodToken()
	for _, tt := range []struct {
		why    string
		r      *http.Request
		status int
		reason string
	}{
		{"bearer", testkit.BearerRequest(testkit.GoodToken()), 200, "ok"},
		{"proof", client.request(used), 200, "ok"},
		{"used proof", client.request(used), 401, "invalid_dpop_proof"},
		{"bound as bearer", testkit.BearerRequest(client.token), 401, "dpop_required"},
		{"no token", testkit.RequestWith(), 401, "missing_token"},
		{"malformed header", testkit.RequestWith("Bearer a b"), 400, "invalid_request"},
		{"two tokens", two, 400, "invalid_request"},
		{"cookie", cookie(false), 200, "ok"},
		{"handshake of another origin", cookie(true), 403, "cross_site"},
	} {
		events.Take()
		token, err := f.API.VerifyRequest(tt.r)
		told, _ := events.Take()
		if len(told) != 1 || told[0].Status != tt.status || told[0].Reason != tt.reason {
			t.Errorf("%s: events %+v", tt.why, told)
		}
		if tt.status == 200 {
			if err != nil || token.Subject() != "auth0|u" {
				t.Errorf("%s: %v, %v", tt.why, token, err)
			}
			continue
		}
		e, ok := errors.AsType[*auth0.Error](err)
		if !ok || token != nil || e.Status != tt.status || e.Reason != tt.reason || e.Op != "bearer" {
			t.Errorf("%s: %v, %+v", tt.why, token, e)
		}
	}
	if _, err := f.API.VerifyRequest(testkit.RequestWith()); !errors.Is(err, auth0.ErrNoToken) {
		t.Errorf("no token: %v", err)
	}
	if _, err := new(auth0.API).VerifyRequest(testkit.BearerRequest(testkit.GoodToken())); err == nil {
		t.Error("an API that NewAPI has not made accepts a token")
	}
	// Behind a guard, the proof is already used.
	f.API.RequireAuth(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		inside, _ := auth0.TokenFrom(r.Context())
		if token, err := f.API.VerifyRequest(r); err != nil || token != inside {
			t.Errorf("behind a guard: %v, %v", token, err)
		}
		other := newEnv(t, auth0.BindingAllowed)
		if token, err := other.API.VerifyRequest(r); err != nil || token == inside { // another API verifies for itself
			t.Errorf("behind a guard of another API: %v, %v", token, err)
		}
	})).ServeHTTP(httptest.NewRecorder(), client.request(client.proof()))
}

// TestOtherPlacesOfTokens: a bound token is accepted in the Authorization header
// alone.
func TestOtherPlacesOfTokens(t *testing.T) {
	t.Parallel()
	list := testkit.Sources(auth0.FromHeader(), auth0.FromQuery(), auth0.FromCookie("token"))
	for _, tt := range []struct {
		why   string
		mode  auth0.Binding
		token string
		proof bool
		want  testkit.Answer
	}{
		{"unbound", auth0.BindingAllowed, testkit.GoodToken(), false, testkit.AnswerOK},
		{"unbound with a proof", auth0.BindingAllowed, testkit.GoodToken(), true, asBearer(400, "invalid_request", "DPoP proof sent with Bearer scheme")},
		{"bound", auth0.BindingAllowed, client.token, false, asBearer(401, "invalid_token", "token is sender-constrained")},
		{"bound with a proof", auth0.BindingAllowed, client.token, true, asBearer(401, "invalid_token", "token is sender-constrained")},
		{"required", auth0.BindingRequired, testkit.GoodToken(), false, alone(noToken)},
		{"required, bound with a proof", auth0.BindingRequired, client.token, true, alone(noToken)},
	} {
		f := testkit.NewAPIEnv(t, dpop(tt.mode), list)
		query, cookie := httptest.NewRequest("GET", "/members?access_token="+tt.token, nil), httptest.NewRequest("GET", "/members", nil)
		cookie.AddCookie(&http.Cookie{Name: "token", Value: tt.token})
		for place, r := range map[string]*http.Request{"query": query, "cookie": cookie} {
			if tt.proof {
				r.Header.Set("DPoP", client.proof())
			}
			w := httptest.NewRecorder()
			f.API.RequireAuth(f).ServeHTTP(w, r)
			if got := strings.Join(w.Result().Header.Values("WWW-Authenticate"), "\n"); w.Code != tt.want.Status || got != tt.want.Challenge {
				t.Errorf("%s, %s: %d %s\nwant %d %s", place, tt.why, w.Code, got, tt.want.Status, tt.want.Challenge)
			}
		}
	}
	f := testkit.NewAPIEnv(t, dpop(auth0.BindingAllowed), list)
	r := client.request(client.proof())
	r.URL.RawQuery = "access_token=" + testkit.GoodToken()
	f.ExpectWhole(t, f.API.RequireAuth(f), r, withProof(400, "invalid_request", "more than one credential"))
}

// TestVerifyWithoutProof: programs without net/http have no proof.
func TestVerifyWithoutProof(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		mode   auth0.Binding
		token  string
		reason string
	}{
		{auth0.BindingOff, testkit.GoodToken(), "ok"}, {auth0.BindingAllowed, testkit.GoodToken(), "ok"}, {auth0.BindingRequired, testkit.GoodToken(), "dpop_required"},
		{auth0.BindingOff, client.token, "dpop_required"}, {auth0.BindingAllowed, client.token, "dpop_required"}, {auth0.BindingRequired, client.token, "dpop_required"},
	} {
		f := newEnv(t, tt.mode)
		for range 2 {
			_, err := f.API.Verify(t.Context(), tt.token)
			_, withErr := f.API.VerifyWithCertificate(t.Context(), tt.token, nil)
			for _, err := range []error{err, withErr} {
				e, _ := errors.AsType[*auth0.Error](err)
				if tt.reason == "ok" && err != nil || tt.reason != "ok" && (e == nil || e.Reason != tt.reason || e.Status != 401) {
					t.Errorf("mode %d: %+v, want %s", tt.mode, e, tt.reason)
				}
			}
		}
	}
}

// TestTokenOrSession: a token with the scheme DPoP is a token, and a request with a bad one does
// not fall back to the session. The access token of a session needs no proof.
func TestTokenOrSession(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.Audience = testkit.Audience })
	bob, _ := e.Tenant.Subject("bob@acme.example")
	cnf := testkit.Claim("cnf", map[string]any{"jkt": client.thumbprint()})
	holder := holder{client.key, e.Tenant.AccessToken(bob, testkit.Audience, cnf)}
	unbound := e.Tenant.AccessToken(bob, testkit.Audience)
	proofs := func(edits ...edit) string {
		return holder.proof(append([]edit{htu(testkit.AppURL + "/"), claim("iat", testkit.AsJSON(time.Now().Unix()))}, edits...)...)
	}
	e.Tenant.EditAccessToken(cnf)
	sessionBound := e.Browser().MustLogin().Cookies
	e.Tenant.EditAccessToken(nil)
	session := e.Browser().MustLogin().Cookies
	for _, tt := range []struct {
		why           string
		mode          auth0.Binding
		cookies       map[string]string
		authorization string
		proof         string
		status        int
		principal     string // the principal of a guard inside
	}{
		{"token", auth0.BindingAllowed, nil, "DPoP " + holder.token, proofs(), 200, "token"},
		{"token beside a session", auth0.BindingAllowed, session, "DPoP " + holder.token, proofs(), 200, "token"},
		{"bad proof beside a session", auth0.BindingAllowed, session, "DPoP " + holder.token, "x", 401, ""},
		{"no proof beside a session", auth0.BindingAllowed, session, "DPoP " + holder.token, "", 401, ""},
		{"scheme without a token beside a session", auth0.BindingAllowed, session, "DPoP", "", 400, ""},
		{"bound as bearer beside a session", auth0.BindingAllowed, session, "Bearer " + holder.token, "", 401, ""},
		{"required, bearer beside a session", auth0.BindingRequired, session, "Bearer " + unbound, "", 401, ""},
		{"off, scheme DPoP beside a session", auth0.BindingOff, session, "DPoP " + holder.token, proofs(), 200, "user"},
		{"session", auth0.BindingAllowed, session, "", "", 200, "user"},
		{"session, required", auth0.BindingRequired, session, "", "", 200, "user"},
		{"session whose token is bound", auth0.BindingAllowed, sessionBound, "", "", 200, "user"},
		{"session whose token is bound, required", auth0.BindingRequired, sessionBound, "", "", 200, "user"},
		{"session whose token is bound, off", auth0.BindingOff, sessionBound, "", "", 403, ""},
		{"neither", auth0.BindingAllowed, nil, "", "", 401, ""},
	} {
		t.Run(tt.why, func(t *testing.T) {
			api := e.NewAPI(func(c *auth0.APIConfig) {
				c.DPoP = auth0.DPoP{Mode: tt.mode, BaseURLs: []string{testkit.AppURL}}
			})
			h := api.RequireTokenOrSession(e.Strategy)(api.RequireAuth(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, ok := auth0.TokenFrom(r.Context()); ok {
					io.WriteString(w, "token")
				} else if _, ok := auth0.UserFrom(r.Context()); ok {
					io.WriteString(w, "user")
				}
			})))
			r := httptest.NewRequest("GET", "/", nil)
			r.Host = "app.example"
			for name, value := range tt.cookies {
				r.AddCookie(&http.Cookie{Name: name, Value: value})
			}
			if tt.authorization != "" {
				r.Header.Set("Authorization", tt.authorization)
			}
			if tt.proof != "" {
				r.Header.Set("DPoP", tt.proof)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.status || tt.status == 200 && w.Body.String() != tt.principal {
				t.Errorf("%d %s, want %d %s; log: %s", w.Code, w.Body, tt.status, tt.principal, e.Log.Take())
			}
			if tt.status == 401 && tt.mode == auth0.BindingAllowed && len(w.Result().Header.Values("WWW-Authenticate")) != 2 {
				t.Errorf("challenges %q", w.Result().Header.Values("WWW-Authenticate"))
			}
		})
	}
}
