package testkit

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
)

// GoodConfig is a configuration that New accepts, and whose tenant does not answer.
func GoodConfig() auth0.Config {
	return auth0.Config{
		Domain:       "acme.eu.auth0.com",
		ClientID:     "client",
		ClientSecret: "secret",
		BaseURL:      "https://app.example",
		Secrets:      []string{CookieSecret},
		Logger:       slog.New(slog.DiscardHandler),
		HTTPClient:   &http.Client{Transport: Hosts{}}, // no host answers
	}
}

// Must returns v, and panics if there is an error.
func Must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// The tenant, the application and the API of an Env. CookieSecret is the secret for
// the application's cookies.
const (
	TenantHost   = "acme.auth0.example"
	AppURL       = "https://app.example"
	CallbackURL  = AppURL + "/auth/callback"
	ClientID     = "client-of-the-tests"
	Audience     = "https://api.example/"
	CookieSecret = "0123456789abcdef-cookie-secret-of-the-tests"
)

// An Env is a tenant, a strategy for its application, and the application,
// connected without sockets.
type Env struct {
	T        testing.TB
	Tenant   *Tenant
	Strategy *auth0.Strategy
	Mux      *http.ServeMux
	App      http.Handler // LoadUser around Mux
	Log      *Log
	Config   auth0.Config
}

// SignedIn makes an Env in which ada is logged in at the tenant, and not in the
// application. Edit changes the configuration.
func SignedIn(t testing.TB, edit ...func(*auth0.Config)) *Env {
	t.Helper()
	return SignedInAt(t, TenantConfig{Host: TenantHost, OrganizationNames: true}, edit...)
}

// SignedInAt is SignedIn with a tenant of another kind.
func SignedInAt(t testing.TB, tc TenantConfig, edit ...func(*auth0.Config)) *Env {
	t.Helper()
	ten, err := NewTenant(tc)
	if err != nil {
		t.Fatal(err)
	}
	if err := ten.AddDemo(Demo{ClientID: ClientID, ClientSecret: "client-secret-SECRET", BaseURL: AppURL, Audience: Audience}); err != nil {
		t.Fatal(err)
	}
	if err := ten.LogIn("ada@acme.example"); err != nil {
		t.Fatal(err)
	}
	e := &Env{T: t, Tenant: ten, Log: &Log{}, Mux: http.NewServeMux()}
	e.Config = auth0.Config{
		Domain:       TenantHost,
		ClientID:     ClientID,
		ClientSecret: "client-secret-SECRET",
		BaseURL:      AppURL,
		Secrets:      []string{CookieSecret},
		HTTPClient:   &http.Client{Transport: Hosts{TenantHost: ten}},
		Logger:       slog.New(slog.NewTextHandler(e.Log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range edit {
		f(&e.Config)
	}
	if e.Config.ClientSecret == cheapSecret {
		OldApplication(e, cheapSecret, false)
	}
	if e.Strategy, err = auth0.New(e.Config); err != nil {
		t.Fatal(err)
	}
	e.Strategy.Register(e.Mux)
	e.Mux.Handle("GET /private", e.Strategy.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := auth0.UserFrom(r.Context())
		fmt.Fprintf(w, "private %s", user.Subject)
	})))
	e.Mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		user, ok := auth0.UserFrom(r.Context())
		fmt.Fprintf(w, "home %v %s", ok, user.Email)
	})
	e.App = e.Strategy.LoadUser(e.Mux)
	return e
}

// SignInAtTenant changes the user who is logged in at the tenant.
func (e *Env) SignInAtTenant(email string) {
	e.T.Helper()
	if err := e.Tenant.LogIn(email); err != nil {
		e.T.Fatal(err)
	}
}

// IDTokenOnly is the form-post login of an application without a client secret.
func IDTokenOnly(c *auth0.Config) { c.ResponseType, c.ClientSecret = "id_token", "" }

// LastReason returns the reason of the last refusal in the log.
func (e *Env) LastReason() (reason string) {
	for line := range strings.Lines(e.Log.String()) {
		if _, rest, ok := strings.Cut(line, " reason="); ok {
			reason, _, _ = strings.Cut(rest, " ")
		}
	}
	return reason
}

// ExpectError fails the test unless err is an *Error that errors.Is finds to be the
// given one.
func (e *Env) ExpectError(err, want error) *auth0.Error {
	e.T.Helper()
	var found *auth0.Error
	if !errors.As(err, &found) || !errors.Is(err, want) {
		e.T.Fatalf("got %v, want %#v", err, want)
	}
	return found
}

// NewAPI is an API that accepts tokens of the tenant.
func (e *Env) NewAPI(edit ...func(*auth0.APIConfig)) *auth0.API {
	e.T.Helper()
	c := auth0.APIConfig{Domain: TenantHost, Audience: Audience, HTTPClient: e.Config.HTTPClient, Logger: e.Config.Logger}
	for _, f := range edit {
		f(&c)
	}
	a, err := auth0.NewAPI(c)
	if err != nil {
		e.T.Fatal(err)
	}
	return a
}

// EditClient changes the application's registration at the tenant.
func (e *Env) EditClient(edit func(*TenantClient)) {
	e.T.Helper()
	if err := e.Tenant.EditClient(ClientID, edit); err != nil {
		e.T.Fatal(err)
	}
}

// ReasonOf returns the reason of an *Error, or the type of another error.
func ReasonOf(err error) string {
	var e *auth0.Error
	if !errors.As(err, &e) {
		return fmt.Sprintf("%T", err)
	}
	return e.Reason
}
