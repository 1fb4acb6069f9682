package testkit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
)

// SignedInTapped is SignedIn with a tenant that has all enterprise features, an
// application with the authentication method that client sets, and a tap.
func SignedInTapped(t testing.TB, client func(*TenantClient), edit ...func(*auth0.Config)) (*Env, *Tap) {
	t.Helper()
	p := &Tap{certificate: "certificate"}
	e := SignedInAt(t, TenantConfig{Host: TenantHost, OrganizationNames: true, Discovery: EnterpriseTenant}, append([]func(*auth0.Config){func(c *auth0.Config) {
		ten := c.HTTPClient.Transport.(Hosts)[TenantHost]
		p.Next = Hosts{TenantHost: ten, "mtls." + TenantHost: ten, "mtls.elsewhere.example": ten}
		c.HTTPClient = &http.Client{Transport: p}
		c.Audience = Audience
		c.Scopes = []string{"openid", "profile", "email", "offline_access"}
		c.PushedAuthorizationRequests = true
	}}, edit...)...)
	if client != nil {
		if err := e.Tenant.EditClient(ClientID, client); err != nil {
			t.Fatal(err)
		}
	}
	e.Mux.Handle("GET /token", e.Strategy.RequireSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		opts := []auth0.TokenOption{auth0.ForceRefresh()}
		if audience := r.FormValue("audience"); audience != "" {
			opts = append(opts, auth0.ForAudience(audience))
		}
		_, err := e.Strategy.AccessToken(w, r, opts...)
		if problem, ok := errors.AsType[*auth0.Error](err); ok {
			fmt.Fprintf(w, "%d %s %s %d; %v", problem.Status, problem.Reason, problem.Code, problem.TenantStatus, err)
			return
		}
		fmt.Fprintf(w, "%v", err)
	})))
	return e, p
}

// Password is the password of every user of SignedInForGrants. MFAUser has a second factor
// of every kind. LegacyToken is the type of token that the tenant exchanges.
const (
	Realm        = "Username-Password-Authentication"
	Password     = "correct horse"
	MFAUser      = "mia@acme.example"
	MFAPhone     = "+15555550142"
	RecoveryCode = "17EQHNZC2SZDYG7X4QXVX9SW"
	NextAPI      = "https://next.example/"
	LegacyToken  = "urn:acme:legacy-token"
)

// SignedInForGrants is SignedIn with the settings that grants need beside a login.
func SignedInForGrants(t testing.TB, edit ...func(*auth0.Config)) *Env {
	t.Helper()
	e := SignedInAt(t, TenantConfig{Host: TenantHost, OrganizationNames: true, DefaultDirectory: Realm}, edit...)
	for _, err := range []error{
		e.Tenant.AddConnection(TenantConnection{Name: "sms", Strategy: "sms"}),
		e.Tenant.AddAPI(TenantAPI{Audience: NextAPI, Scopes: []string{"read:next"}, ProofOfPossession: BoundByDPoP}),
		e.Tenant.AddUser(TenantUser{Connection: Realm, Email: MFAUser, Password: Password, MFA: true, Phone: MFAPhone, RecoveryCode: RecoveryCode,
			Factors: []string{"otp", "sms", "push", "recovery-code"}}),
		e.Tenant.AddUser(TenantUser{Connection: Realm, Email: "bare@acme.example", Password: Password, MFA: true, Factors: []string{}}),
		e.Tenant.AddTokenExchange(LegacyToken, func(token string) (string, bool) {
			name, ok := strings.CutPrefix(token, "legacy-SECRET:")
			return name, ok
		}),
		e.Tenant.EditClient(ClientID, func(c *TenantClient) {
			c.Connections = append(c.Connections, "email", "sms")
			c.Grants = append(c.Grants, ClientGrant{Audience: Audience, Scopes: []string{"read:protected", "write:messages"}})
			c.TrustForwardedFor = true
		}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// A PasswordLogin holds a test's changes to a login with a password.
type PasswordLogin struct {
	Username, Password   string
	Connection, Audience string
	Scopes               []string
	ForwardedFor         netip.Addr
}

func (p PasswordLogin) options() (opts []auth0.LoginOption) {
	if p.Connection != "" {
		opts = append(opts, auth0.WithConnection(p.Connection))
	}
	if p.Audience != "" {
		opts = append(opts, auth0.WithAudience(p.Audience))
	}
	if p.Scopes != nil {
		opts = append(opts, auth0.WithScopes(p.Scopes...))
	}
	if p.ForwardedFor.IsValid() {
		opts = append(opts, auth0.WithForwardedFor(p.ForwardedFor))
	}
	return opts
}

// LoginWithPassword logs ada in with her password, without a browser.
func (e *Env) LoginWithPassword(edit ...func(*PasswordLogin)) (*auth0.Login, error) {
	p := PasswordLogin{Username: "ada@acme.example", Password: Password}
	for _, f := range edit {
		f(&p)
	}
	return e.Strategy.Application().LoginWithPassword(context.Background(), p.Username, p.Password, p.options()...)
}

// DemandMFA starts a login that requires a second factor, and returns the error that
// reports it.
func (e *Env) DemandMFA() *auth0.Error {
	e.T.Helper()
	_, err := e.LoginWithPassword(func(p *PasswordLogin) { p.Username = MFAUser })
	return e.ExpectError(err, auth0.ErrMFARequired)
}

// BeginMFA starts a login that requires a second factor.
func (e *Env) BeginMFA() *auth0.MFA {
	e.T.Helper()
	return e.DemandMFA().MFA()
}
