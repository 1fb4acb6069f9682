package web_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"unsafe"
	"weak"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// foundIn describes the principal that a handler finds in a context.
func foundIn(ctx context.Context) string {
	var found []string
	if token, ok := auth0.TokenFrom(ctx); ok {
		found = append(found, "token of "+token.Subject())
	}
	if raw, ok := auth0.AccessTokenFrom(ctx); ok {
		found = append(found, fmt.Sprintf("text of %d bytes", len(raw)))
	}
	if user, ok := auth0.UserFrom(ctx); ok {
		found = append(found, "user "+user.Subject)
	}
	claims, err := auth0.Claims[struct{ Sub, Email, Plan string }](ctx)
	switch {
	case err == nil:
		found = append(found, fmt.Sprintf("claims %v", claims))
	case !errors.Is(err, auth0.ErrNoToken):
		found = append(found, err.Error())
	}
	return strings.Join(found, ", ")
}

func TestPrincipalOfAContext(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	token := testkit.Must(e.NewAPI().Verify(t.Context(), e.Tenant.AccessToken("ada@acme.example", testkit.Audience)))
	type layer = func(context.Context) context.Context
	withToken := func(ctx context.Context) context.Context { return auth0.ContextWithToken(ctx, token) }
	noToken := func(ctx context.Context) context.Context { return auth0.ContextWithToken(ctx, nil) }
	withUser := func(u auth0.User) layer {
		return func(ctx context.Context) context.Context { return auth0.ContextWithUser(ctx, u) }
	}
	bob := withUser(auth0.User{Issuer: "https://i.example/", Subject: "auth0|bob", Email: "bob@acme.example"})
	type key struct{}
	value := func(ctx context.Context) context.Context { return context.WithValue(ctx, key{}, "x") }
	ofToken := "token of " + token.Subject() + ", claims {" + token.Subject() + "  }"
	for _, tt := range []struct {
		why    string
		layers []layer
		want   string
	}{
		{"nothing", nil, ""},
		{"token", []layer{withToken}, ofToken},
		{"user", []layer{bob}, "user auth0|bob, claims { bob@acme.example }"},
		{"a value inside", []layer{bob, value}, "user auth0|bob, claims { bob@acme.example }"},
		{"token over user", []layer{bob, withToken}, ofToken},
		{"user over token", []layer{withToken, bob}, "user auth0|bob, claims { bob@acme.example }"},
		{"user over user", []layer{bob, withUser(auth0.User{Subject: "auth0|eve"})}, "user auth0|eve, claims {  }"},
		{"no token", []layer{noToken}, ""},
		{"no token over token", []layer{withToken, noToken}, ""},
		{"no token over user", []layer{bob, noToken}, ""},
		{"no subject over token", []layer{withToken, withUser(auth0.User{Email: "eve@acme.example"})}, ""},
		{"no subject over user", []layer{bob, withUser(auth0.User{})}, ""},
	} {
		ctx := context.WithValue(t.Context(), key{}, "outside")
		for _, l := range tt.layers {
			ctx = l(ctx)
		}
		if got := foundIn(ctx); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.why, got, tt.want)
		}
		if ctx.Value(key{}) == nil || ctx.Done() != t.Context().Done() {
			t.Errorf("%s: the context has lost what it had", tt.why)
		}
	}
}

// The context returns the user that was put in, with claims for every field.
func TestContextWithUserKeepsTheUser(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) {
		c.KeepClaim = func(name string) bool { return name != "nickname" }
	})
	b := e.Browser().MustLogin()
	ada := e.UserOf(b)
	if _, ok := ada.Claim("sub"); !ok {
		t.Fatal("the session keeps no claim that has no field")
	}
	edited := ada
	edited.Email, edited.EmailVerified, edited.Name, edited.Picture = "ada@new.example", false, "", `https://acme.example/"ada".png`
	all := auth0.User{
		Issuer: "i", Subject: "s", Name: "n", Nickname: "nn", GivenName: "g", FamilyName: "f",
		Email: "e", EmailVerified: true, Picture: "p", OrgID: "o", OrgName: "on",
	}
	claims := map[string]any{
		"name": "n", "nickname": "nn", "given_name": "g", "family_name": "f", "email": "e", "email_verified": true,
		"picture": "p", "org_id": "o", "org_name": "on",
	}
	for _, want := range []auth0.User{ada, edited, all, {Subject: "s"}} {
		ctx := auth0.ContextWithUser(t.Context(), want)
		got, ok := auth0.UserFrom(ctx)
		if fields(got) != fields(want) || !ok {
			t.Errorf("got  %s\nwant %s", fields(got), fields(want))
		}
		if before, had := want.Claim("sub"); had {
			if after, has := got.Claim("sub"); !has || after != before {
				t.Errorf("the claim sub was %v and is %v", before, after)
			}
		}
		if email, ok := got.Claim("email"); ok != (want.Email != "") || ok && email != want.Email {
			t.Errorf("the claim email is %v, %v; want %q", email, ok, want.Email)
		}
		decoded, err := auth0.Claims[map[string]any](ctx)
		if err != nil || want.Subject == all.Subject && want.Name != "" && fmt.Sprint(decoded) != fmt.Sprint(claims) {
			t.Errorf("claims %v, %v", decoded, err)
		}
	}
	// A number with many digits keeps its value.
	e.Tenant.EditIDToken(func(_, claims map[string]any) { claims["big"] = uint64(9007199254740993) })
	big := e.UserOf(e.Browser().MustLogin())
	big.Email = "x@acme.example"
	got, err := auth0.Claims[struct{ Big uint64 }](auth0.ContextWithUser(t.Context(), big))
	if err != nil || got.Big != 9007199254740993 {
		t.Errorf("%v, %v", got, err)
	}
}

// fields are the exported fields of a user.
func fields(u auth0.User) string {
	return fmt.Sprint([]any{u.Issuer, u.Subject, u.Name, u.Nickname, u.GivenName, u.FamilyName, u.Email, u.EmailVerified, u.Picture, u.OrgID, u.OrgName})
}

// A guard reads the request, whatever principal the program has put into its
// context.
func TestGuardsDoNotRelyOnTheContext(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.Audience = testkit.Audience })
	api := e.NewAPI()
	b := e.Browser().MustLogin()
	raw := e.Tenant.AccessToken("ada@acme.example", testkit.Audience)
	token := testkit.Must(api.Verify(t.Context(), raw))
	found := "not reached"
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { found = foundIn(r.Context()) })
	guards := map[string]http.Handler{
		"RequireAuth":           api.RequireAuth(h),
		"Require":               api.Require(func(context.Context, *auth0.Token) error { return nil })(h),
		"RequirePermissions":    api.RequirePermissions("read:protected")(h),
		"RequireTokenOrSession": api.RequireTokenOrSession(e.Strategy)(h),
		"RequireLogin":          e.Strategy.RequireLogin(h),
		"RequireSession":        e.Strategy.RequireSession(h),
		"RequireUser":           e.Strategy.RequireUser(func(auth0.User) bool { return true })(h),
	}
	contexts := map[string]context.Context{
		"token": auth0.ContextWithToken(t.Context(), token),
		"user":  auth0.ContextWithUser(t.Context(), e.UserOf(b)),
	}
	for name, guard := range guards {
		for principal, ctx := range contexts {
			r := httptest.NewRequest("GET", "/", nil).WithContext(ctx)
			r.Host = "app.example"
			w := httptest.NewRecorder()
			found = "not reached"
			if guard.ServeHTTP(w, r); w.Code != 401 || found != "not reached" {
				t.Errorf("%s, %s: %d, %s", name, principal, w.Code, found)
			}
		}
	}
	// LoadUser replaces a user with the one of the request, and leaves a token alone.
	for _, tt := range []struct {
		principal string
		cookies   bool
		want      string
	}{
		{"user", false, ""},
		{"user", true, "user " + e.UserOf(b).Subject},
		{"token", false, "token of " + token.Subject()},
		{"token", true, "token of " + token.Subject()},
	} {
		r := b.Request("/")
		if !tt.cookies {
			r.Header.Del("Cookie")
		}
		inside := auth0.ContextWithUser(contexts[tt.principal], auth0.User{Subject: "auth0|somebody-else"})
		if tt.principal == "token" {
			inside = contexts["token"]
		}
		e.Strategy.LoadUser(h).ServeHTTP(httptest.NewRecorder(), r.WithContext(inside))
		if got, _, _ := strings.Cut(found, ", claims"); got != tt.want {
			t.Errorf("LoadUser, %s, cookies %v: %q, want %q", tt.principal, tt.cookies, found, tt.want)
		}
	}
	// The methods of a Strategy read the request, and one principal hides the other.
	for principal, ctx := range contexts {
		for _, cookies := range []bool{false, true} {
			r := b.Request("/")
			if !cookies {
				r.Header.Del("Cookie")
			}
			s, err := e.Strategy.Session(r.WithContext(ctx))
			if want := cookies && principal == "user"; (err == nil) != want || err != nil && !errors.Is(err, auth0.ErrNoSession) {
				t.Errorf("%s, cookies %v: session %v, %v", principal, cookies, s, err)
			}
		}
	}
	// The same inside a guard that has accepted a session.
	for principal, put := range map[string]func(context.Context) context.Context{
		"token": func(ctx context.Context) context.Context { return auth0.ContextWithToken(ctx, token) },
		"user":  func(ctx context.Context) context.Context { return auth0.ContextWithUser(ctx, e.UserOf(b)) },
		"none":  func(ctx context.Context) context.Context { return ctx },
	} {
		inside := api.RequireAuth(h)
		outside := api.RequireTokenOrSession(e.Strategy)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			inside.ServeHTTP(w, r.WithContext(put(r.Context())))
		}))
		// A guard between them has read the token of the session.
		asked := api.RequireTokenOrSession(e.Strategy)(api.RequireAuth(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			inside.ServeHTTP(w, r.WithContext(put(r.Context())))
		})))
		want := map[string]int{"token": 401, "user": 401, "none": 200}[principal]
		for where, guards := range map[string]http.Handler{"inside the guard of a session": outside, "inside two guards": asked} {
			w := httptest.NewRecorder()
			if guards.ServeHTTP(w, b.Request("/")); w.Code != want {
				t.Errorf("%s, %s: %d, want %d", where, principal, w.Code, want)
			}
		}
	}
	// A token that a guard has checked replaces both.
	for principal, ctx := range contexts {
		r := b.Request("/").WithContext(ctx)
		r.Header.Set("Authorization", "Bearer "+raw)
		api.RequireAuth(h).ServeHTTP(httptest.NewRecorder(), r)
		if want := fmt.Sprintf("token of %s, text of %d bytes", token.Subject(), len(raw)); !strings.HasPrefix(found, want) {
			t.Errorf("%s: %q, want %q", principal, found, want)
		}
	}
}

func TestAccessTokenFrom(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.Audience = testkit.Audience })
	own := func(r *http.Request) (string, error) { return r.Header.Get("X-Token"), nil }
	api := e.NewAPI(func(c *auth0.APIConfig) {
		c.TokenExtractors = []auth0.TokenExtractor{
			auth0.FromHeader(), auth0.FromCookie("token"), auth0.FromQuery(), auth0.FromForm(), auth0.FromWebSocket(), auth0.FromFunc(own),
		}
	})
	ada := e.Tenant.AccessToken("ada@acme.example", testkit.Audience)
	bob := e.Tenant.AccessToken("bob@acme.example", testkit.Audience)
	var got string
	var ok bool
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+bob)
		for name, values := range r.Header {
			for i := range values {
				r.Header[name][i] = "Bearer " + bob
			}
		}
		got, ok = auth0.AccessTokenFrom(r.Context())
	})
	b := e.Browser().MustLogin()
	plain := func(header ...string) *http.Request {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = "app.example"
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return r
	}
	for _, tt := range []struct {
		why   string
		h     http.Handler
		r     *http.Request
		want  string
		found bool
	}{
		{"header", api.RequireAuth(h), plain("Authorization", "Bearer "+ada), ada, true},
		{"header, seen before", api.RequireAuth(h), plain("Authorization", "Bearer "+ada), ada, true},
		{"another token", api.RequireAuth(h), plain("Authorization", "Bearer "+bob), bob, true},
		{"cookie", api.RequireAuth(h), plain("Cookie", "token="+ada), ada, true},
		{"query", api.RequireAuth(h), httptest.NewRequest("GET", "/?access_token="+ada, nil), ada, true},
		{"form", api.RequireAuth(h), testkit.FormRequest("POST", testkit.FormType, "access_token="+ada), ada, true},
		{"WebSocket", api.RequireAuth(h), plain("Sec-WebSocket-Protocol", "bearer, "+ada), ada, true},
		{"own", api.RequireAuth(h), plain("X-Token", ada), ada, true},
		{"two guards", api.RequireAuth(api.RequirePermissions("read:protected")(h)), plain("Authorization", "Bearer "+ada), ada, true},
		{"optional", api.OptionalAuth(h), plain("Authorization", "Bearer "+ada), ada, true},
		{"optional, without", api.OptionalAuth(h), plain(), "", false},
		{"token or session, token", api.RequireTokenOrSession(e.Strategy)(h), plain("Authorization", "Bearer "+ada), ada, true},
		{"token or session, session", api.RequireTokenOrSession(e.Strategy)(h), b.Request("/"), "", false},
		{"session's token asked for", api.RequireTokenOrSession(e.Strategy)(api.RequireAuth(h)), b.Request("/"), "", false},
		{"page", e.Strategy.RequireLogin(h), b.Request("/"), "", false},
	} {
		got, ok = "not reached", false
		w := httptest.NewRecorder()
		if tt.h.ServeHTTP(w, tt.r); got != tt.want || ok != tt.found {
			t.Errorf("%s: %d, %.40q, %v; want %.40q, %v", tt.why, w.Code, got, ok, tt.want, tt.found)
		}
	}
	if got, ok := auth0.AccessTokenFrom(t.Context()); got != "" || ok {
		t.Errorf("an empty context has %q", got)
	}
}

// An API that caches a token keeps no text of it: after the request, the garbage
// collector frees the text.
func TestTextOfATokenIsNotKept(t *testing.T) {
	e := testkit.SignedIn(t)
	api := e.NewAPI()
	token := e.Tenant.AccessToken("ada@acme.example", testkit.Audience)
	var verified *auth0.Token
	serve := func() weak.Pointer[byte] {
		header := []byte("Bearer " + token)
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Authorization"] = []string{unsafe.String(&header[0], len(header))}
		read := ""
		api.RequireAuth(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			read, _ = auth0.AccessTokenFrom(r.Context())
			verified, _ = auth0.TokenFrom(r.Context())
		})).ServeHTTP(httptest.NewRecorder(), r)
		if read != token {
			t.Errorf("the text is %.40q", read)
		}
		return weak.Make(&header[0])
	}
	text := serve()
	for range 3 {
		runtime.GC()
	}
	if text.Value() != nil {
		t.Error("the text of the token is still in memory")
	}
	if verified == nil || verified.Subject() == "" {
		t.Error("no token")
	}
	runtime.KeepAlive(api)
}
