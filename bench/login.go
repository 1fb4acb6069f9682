package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

// content is a session of a program with a library for cookies: the values of our
// session, under the same names.
type content struct {
	ID           string  `json:"id"`
	Issuer       string  `json:"iss"`
	Subject      string  `json:"sub"`
	CreatedAt    int64   `json:"iat"`
	TouchedAt    int64   `json:"uat"`
	ExpiresAt    int64   `json:"exp"`
	SID          string  `json:"sid"`
	Nonce        string  `json:"nonce"`
	RefreshToken string  `json:"refresh_token"`
	Audience     string  `json:"aud"`
	Scope        string  `json:"scope"`
	AccessToken  string  `json:"access_token"`
	TokenType    string  `json:"token_type"`
	TokenExpires int64   `json:"token_exp"`
	Theme        string  `json:"theme"`
	Basket       string  `json:"basket"`
	Profile      profile `json:"profile"`
}

// profile has the ID token's claims about the user.
type profile struct {
	Name          string   `json:"name"`
	Nickname      string   `json:"nickname"`
	Email         string   `json:"email"`
	EmailVerified bool     `json:"email_verified"`
	Picture       string   `json:"picture"`
	UpdatedAt     string   `json:"updated_at"`
	Roles         []string `json:"https://acme.example/roles"`
	Department    string   `json:"https://acme.example/department"`
}

// values are the content for libraries that keep values by name. Their types are known
// to encoding/gob, which writes them in little space.
func (c *content) values() map[string]any {
	return map[string]any{
		"id": c.ID, "iss": c.Issuer, "sub": c.Subject, "iat": c.CreatedAt, "uat": c.TouchedAt, "exp": c.ExpiresAt,
		"sid": c.SID, "nonce": c.Nonce, "refresh_token": c.RefreshToken, "aud": c.Audience, "scope": c.Scope,
		"access_token": c.AccessToken, "token_type": c.TokenType, "token_exp": c.TokenExpires, "theme": c.Theme, "basket": c.Basket,
		"name": c.Profile.Name, "nickname": c.Profile.Nickname, "email": c.Profile.Email, "email_verified": c.Profile.EmailVerified,
		"picture": c.Profile.Picture, "updated_at": c.Profile.UpdatedAt, "roles": c.Profile.Roles, "department": c.Profile.Department,
	}
}

// An app is a program with this library, its tenant, and a browser.
type app struct {
	tenant   *auth0test.Tenant
	strategy *auth0.Strategy
	mux      *http.ServeMux
	browser  *http.Client
	token    string // of the last login
	refresh  string
}

// newApp makes an application. Without a store, its sessions are in cookies.
func newApp(store auth0.Store, edit ...func(*auth0.Config)) (_ *app, err error) {
	defer func() {
		if failed, ok := recover().(setupError); ok {
			err = failed
		}
	}()
	a := &app{tenant: auth0test.NewTenant(setup{}), mux: http.NewServeMux()}
	a.tenant.LogIn("ada@acme.example")
	a.tenant.EditIDToken(func(_, claims map[string]any) {
		claims["https://acme.example/roles"] = []string{
			"editor", "reviewer", "billing-admin", "release-manager", "auditor", "support-agent", "translator", "moderator",
			"project:apollo:owner", "project:gemini:member", "project:mercury:member", "project:skylab:guest",
		}
		claims["https://acme.example/department"] = "Research and Development"
	})
	config := a.tenant.Config()
	config.Scopes = []string{"openid", "profile", "email", "offline_access"}
	config.Store = store
	config.Logger = slog.New(slog.DiscardHandler)
	config.AfterLogin = func(_ context.Context, l *auth0.Login) error {
		l.Data["theme"], l.Data["basket"] = theme, basket
		a.token, a.refresh = l.Token().AccessToken, l.Token().RefreshToken
		return nil
	}
	for _, f := range edit {
		f(&config)
	}
	if a.strategy, err = auth0.New(config); err != nil {
		return nil, err
	}
	a.strategy.Register(a.mux)
	a.mux.HandleFunc("GET /{$}", func(http.ResponseWriter, *http.Request) {})
	a.browser = a.tenant.Browser(a.strategy.LoadUser(a.mux))
	return a, nil
}

const (
	theme  = "dark"
	basket = "4c1f9e2a-77b0-4d0e-9a53-1c6f0d2b8e31"
)

// setup stands for a test outside of tests.
type setup struct{}

type setupError struct{ error }

func (setup) Helper()        {}
func (setup) Cleanup(func()) {}
func (setup) Fatalf(format string, args ...any) {
	panic(setupError{fmt.Errorf(format, args...)})
}

// login opens the login route, and the page after it. It returns the resulting cookies of
// the browser.
func (a *app) login(ctx context.Context) ([]*http.Cookie, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, auth0test.AppURL+"/auth/login", nil)
	if err != nil {
		return nil, err
	}
	resp, err := a.browser.Do(r)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("login: the last answer is %d", resp.StatusCode)
	}
	home, err := url.Parse(auth0test.AppURL + "/")
	if err != nil {
		return nil, err
	}
	return a.browser.Jar.Cookies(home), nil
}

// logIn returns the content of a session after a login, for libraries without a login, and
// the number of bytes that this library encrypts.
func logIn(ctx context.Context) (*content, int, error) {
	a, err := newApp(nil)
	if err != nil {
		return nil, 0, err
	}
	cookies, err := a.login(ctx)
	if err != nil {
		return nil, 0, err
	}
	r, err := request(ctx, cookies)
	if err != nil {
		return nil, 0, err
	}
	s, err := a.strategy.Session(r)
	if err != nil {
		return nil, 0, err
	}
	c := &content{
		ID: strings.Repeat("i", 43), Issuer: s.User.Issuer, Subject: s.User.Subject,
		CreatedAt: s.CreatedAt.Unix(), TouchedAt: s.CreatedAt.Unix(), ExpiresAt: s.ExpiresAt.Unix(),
		SID: strings.Repeat("s", 32), Nonce: strings.Repeat("n", 43), RefreshToken: a.refresh,
		Audience: auth0test.Audience, Scope: "openid profile email offline_access",
		AccessToken: a.token, TokenType: "Bearer", TokenExpires: s.ExpiresAt.Unix(),
		Theme: s.Data["theme"], Basket: s.Data["basket"],
	}
	claims := map[string]any{}
	for _, name := range []string{"name", "nickname", "email", "email_verified", "picture", "updated_at", "https://acme.example/roles", "https://acme.example/department"} {
		if value, ok := s.User.Claim(name); ok {
			claims[name] = value
		}
	}
	text, err := json.Marshal(claims)
	if err != nil {
		return nil, 0, err
	}
	if err := json.Unmarshal(text, &c.Profile); err != nil {
		return nil, 0, err
	}
	size, err := sealedSize(cookies)
	if err != nil {
		return nil, 0, err
	}
	return c, size, sameSize(c, size)
}

// sealedSize is the length of the plaintext in one of our cookies, without the version,
// the random part and the tag of AES-GCM.
func sealedSize(cookies []*http.Cookie) (int, error) {
	if len(cookies) != 1 {
		return 0, fmt.Errorf("the session is in %d cookies, want 1", len(cookies))
	}
	_, text, _ := strings.Cut(cookies[0].Value, ".")
	const around = 16 + 16
	return base64.RawURLEncoding.DecodedLen(len(text)) - around, nil
}

// sameSize checks that the content of the others is not larger than ours.
func sameSize(c *content, size int) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if size < 1900 || size > 2200 || len(text) < size*9/10 || len(text) > size {
		return fmt.Errorf("the session has %d bytes in this library and %d in others", size, len(text))
	}
	return nil
}

// loaded returns the request that a handler inside LoadUser gets.
func (a *app) loaded(r *http.Request) (inside *http.Request) {
	a.strategy.LoadUser(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { inside = r })).ServeHTTP(newHeaderWriter(), r)
	return inside
}

// keepOurselves logs in once more, because our sessions come only from a login.
func keepOurselves(ctx context.Context, _ *content, store auth0.Store) (*keeping, error) {
	a, err := newApp(store)
	if err != nil {
		return nil, err
	}
	cookies, err := a.login(ctx)
	if err != nil {
		return nil, err
	}
	if len(cookies) == 0 {
		return nil, errors.New("no cookie after the login")
	}
	return &keeping{
		cookies: cookies,
		read: func(r *http.Request) (view, error) {
			s, err := a.strategy.Session(r)
			if err != nil {
				return view{}, err
			}
			return view{s.User.Subject, s.User.Email, s.Data["theme"]}, nil
		},
		accessToken: func(r *http.Request) (string, error) {
			t, err := a.strategy.AccessToken(newHeaderWriter(), a.loaded(r))
			if err != nil {
				return "", err
			}
			if t.AccessToken != a.token {
				return "", errors.New("it is another one than at the login")
			}
			return t.AccessToken, nil
		},
		writer: func(r *http.Request) (func(http.ResponseWriter, string) error, error) {
			r = a.loaded(r)
			s, err := a.strategy.Session(r)
			return func(w http.ResponseWriter, theme string) error {
				s.Data["theme"] = theme
				return a.strategy.SaveSession(w, r, s)
			}, err
		},
	}, nil
}
