package management_test

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
	"github.com/seed-15d5a55c/auth0/management"
)

const (
	tenantHost   = "acme.auth0.example"
	testClientID = "client-of-the-tests"
	apiAudience  = "https://" + tenantHost + "/api/v2/"
)

// An env is a tenant and its Management API with the credentials of an application,
// connected without sockets.
type env struct {
	t      testing.TB
	tenant *emulator.Tenant
	cfg    auth0.Config
	api    *management.API
	log    *testkit.Log
}

func newEnv(t testing.TB) *env {
	t.Helper()
	ten, err := emulator.New(emulator.Config{Host: tenantHost})
	if err != nil {
		t.Fatal(err)
	}
	if err := ten.AddDemo(emulator.Demo{ClientID: testClientID, ClientSecret: "client-secret-SECRET", BaseURL: "https://app.example"}); err != nil {
		t.Fatal(err)
	}
	e := &env{t: t, tenant: ten, log: &testkit.Log{}}
	e.cfg = auth0.Config{
		Domain: tenantHost, ClientID: testClientID, ClientSecret: "client-secret-SECRET",
		BaseURL: "https://app.example", Secrets: []string{"0123456789abcdef-cookie-secret-of-the-tests"},
		HTTPClient: &http.Client{Transport: testkit.Hosts{tenantHost: ten}},
		Logger:     slog.New(slog.NewTextHandler(e.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	e.api = e.fresh()
	return e
}

// fresh returns the API with a source without a cached token.
func (e *env) fresh() *management.API {
	e.t.Helper()
	source := must(auth0.New(e.cfg)).Application().ClientCredentials(auth0.ClientCredentials{Audience: apiAudience})
	return must(management.New(tenantHost, source, management.WithHTTPClient(e.cfg.HTTPClient)))
}

// allow grants scopes of the Management API to the application, and no others.
func (e *env) allow(scopes ...string) {
	e.t.Helper()
	if err := e.tenant.EditClient(testClientID, func(c *emulator.Client) {
		c.Grants = []emulator.ClientGrant{{Audience: apiAudience, Scopes: scopes}}
	}); err != nil {
		e.t.Fatal(err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func names(list []auth0.Connection) string {
	var out []string
	for _, c := range list {
		out = append(out, c.Name)
	}
	return strings.Join(out, " ")
}

var errBroken = errors.New("the source is broken")
