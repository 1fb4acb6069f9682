// Package login runs logins with the Authorization Code Flow, the Implicit Flow and the
// Hybrid Flow of OpenID Connect Core 1.0. It builds the Authentication Request,
// verifies the tenant's response, and redeems the code. It also verifies the responses
// to token requests that log a user in without a browser.
//
// The package does not know sessions, or how a browser's request is answered. Package
// transaction keeps the login transactions.
package login

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/clientauth"
	"github.com/seed-15d5a55c/auth0/internal/condition"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/ratelimit"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/returnto"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
	"golang.org/x/oauth2"
)

// A Config holds the settings of all logins of an application.
type Config struct {
	Client       *provider.Client
	IDTokens     *idtoken.Verifier
	ResponseType string
	ResponseMode string
	Scopes       []string // with openid
	Pushed       bool     // pushed authorization requests (RFC 9126)
	// CheckOrganization, if not nil, decides about the id of the organization that the
	// user logged in to. Every login must then be to an organization.
	CheckOrganization func(ctx context.Context, orgID string) error
	Now               func() time.Time
}

// A Flow is the Authorization Code Flow, the Implicit Flow and the Hybrid Flow of
// OpenID Connect Core 1.0, Sections 3.1 to 3.3, with PKCE wherever there is a code.
type Flow struct {
	Config
	pushing   *ratelimit.Limit // pushed authorization requests
	redeeming *ratelimit.Limit // codes that the tenant rejects
}

// NewFlow returns a flow.
func NewFlow(c Config) *Flow {
	return &Flow{
		Config:    c,
		pushing:   ratelimit.PushedRequests(),
		redeeming: ratelimit.Codes(),
	}
}

// Begin returns the URL of the Authentication Request (OpenID Connect Core 1.0, Section
// 3.1.2.1), and the transaction to which the response must belong.
func (f *Flow) Begin(ctx context.Context, at transaction.Place, r *authrequest.Request) (
	authURL string, t *transaction.Transaction, err error,
) {
	ep, err := f.Client.Endpoints(ctx)
	if err != nil {
		return "", nil, err
	}
	if r.ForwardedFor.IsValid() {
		return "", nil, refusal.LoginOption.Because("WithForwardedFor is for a login without a browser")
	}
	if err := provider.CheckProofs(ep, f.Client.Proofs.ForProgram()); err != nil { // which holds the algorithm of all keys
		return "", nil, err
	}
	query, t := f.Authentication(at, r)
	if f.Pushed {
		requestURI, err := f.push(ctx, query)
		if err != nil {
			return "", nil, err
		}
		query = url.Values{"client_id": query["client_id"], "request_uri": {requestURI}} // RFC 9126, Section 4
	}
	return returnto.AddQuery(ep.AuthorizationEndpoint, query.Encode()), t, nil
}

// Authentication returns the parameters of an Authentication Request, and the
// transaction to which the response must belong. If tokens will be sender-constrained,
// the tenant binds the code to the key too (RFC 9449, Section 10).
func (f *Flow) Authentication(at transaction.Place, r *authrequest.Request) (url.Values, *transaction.Transaction) {
	t := f.Transaction(at)
	t.Nonce = secret.Random()
	t.Kept, t.Organization = r.Kept, r.Organization()
	t.Audience, t.Scope = r.Params.Get("audience"), strings.Join(f.ScopesOf(r), " ")
	query := url.Values{
		"response_type": {t.ResponseType},
		"client_id":     {t.ClientID},
		"redirect_uri":  {t.RedirectURI},
		"scope":         {t.Scope},
		"state":         {t.State},
		"nonce":         {t.Nonce},
	}
	if t.HasCode() {
		query.Set("code_challenge", oauth2.S256ChallengeFromVerifier(t.Verifier))
		query.Set("code_challenge_method", "S256")
		if key := f.Client.Proofs.ForLogin(); !key.IsZero() {
			t.ProofKey = key.Kept()
			query.Set("dpop_jkt", key.Thumbprint())
		}
	}
	// The response types of the implicit grant use the fragment, their default.
	if at.ResponseType == "" && f.ResponseMode != "query" {
		query.Set("response_mode", f.ResponseMode)
	}
	maps.Copy(query, r.Params)
	return query, t
}

// ScopesOf returns the requested scopes.
func (f *Flow) ScopesOf(r *authrequest.Request) []string {
	if r.Scopes == nil {
		return f.Scopes
	}
	return r.Scopes
}

// Transaction starts a transaction whose response goes to a place.
func (f *Flow) Transaction(at transaction.Place) *transaction.Transaction {
	at.ResponseType = cmp.Or(at.ResponseType, f.ResponseType)
	return transaction.New(f.Client.Tenant.Issuer, f.Client.ID, at, f.Now())
}

// push sends an authorization request to the tenant directly and returns the
// request_uri for it (RFC 9126). The browser then carries no parameters that an
// attacker could read or change. The lifetime of the URI is ignored, because the
// browser uses it immediately.
func (f *Flow) push(ctx context.Context, request url.Values) (requestURI string, err error) {
	if err := f.pushing.Take(); err != nil {
		return "", err
	}
	resp, err := f.Client.Push(ctx, request)
	switch {
	case errors.Is(err, provider.ErrNoEndpoint):
		return "", refusal.Misconfigured.Because("Config.PushedAuthorizationRequests is set, and the tenant does not allow them: %w", err)
	case err != nil:
		return "", tenanterror.Meaning(tenanterror.PushedRequest, err)
	case resp.Status != http.StatusCreated: // RFC 9126, Section 2.2
		err := tenanterror.Parse(resp.Status, resp.Header, resp.Body)
		f.pushing.Settle(err)
		return "", tenanterror.Meaning(tenanterror.PushedRequest, err)
	}
	const longest = 2048
	var got struct {
		RequestURI string `json:"request_uri"`
	}
	if json.Unmarshal(resp.Body, &got) != nil || got.RequestURI == "" || len(got.RequestURI) > longest {
		return "", refusal.TenantAnswer.Because("the answer to the pushed request has no request_uri")
	}
	return got.RequestURI, nil
}

// CheckPage rejects a request that cannot end at the callback.
func (f *Flow) CheckPage(r *authrequest.Request) error {
	if r.Popup != nil && slices.Contains(r.Popup.Tokens, "access_token") && !strings.Contains(f.ResponseType, "code") {
		return refusal.LoginOption.Because("WithPopup hands on an access token, which the response type %q has not", f.ResponseType)
	}
	if r.Popup != nil && slices.Contains(r.Popup.Tokens, "access_token") && f.Client.Proofs.Binds() {
		return refusal.LoginOption.Because("WithPopup hands on an access token, which is of no use to a page: Config.ProofKey binds it to a key of the server")
	}
	return nil
}

// CheckPlain rejects a request whose response goes to a program and not to the
// callback.
func (f *Flow) CheckPlain(r *authrequest.Request) error {
	if r.Popup != nil {
		return refusal.LoginOption.Because("WithPopup is for LoginHandler: its answer is a page of CallbackHandler")
	}
	return nil
}

// ImplicitTypes are the response types of the implicit grant (RFC 6749, Section 4.2;
// OAuth 2.0 Multiple Response Type Encoding Practices, Section 5).
var ImplicitTypes = []string{"token", "id_token token"}

// CheckImplicit rejects a request of the implicit grant whose response could not be
// checked.
func (f *Flow) CheckImplicit(responseType string, r *authrequest.Request) error {
	switch {
	case !slices.Contains(ImplicitTypes, responseType):
		return refusal.LoginOption.Because("the response type %.60q is none of %q", responseType, ImplicitTypes)
	case responseType == "token" && (r.Organization() != "" || r.MaxAge != nil || r.RequiredACR != nil || f.CheckOrganization != nil):
		return refusal.LoginOption.Because(
			"organization, max_age and acr cannot be checked without an ID token; use the response type %q", ImplicitTypes[1])
	case f.Client.Proofs.Binds():
		return refusal.LoginOption.Because("an access token that comes through the browser cannot be bound to a key, and Config.ProofKey is set")
	}
	return f.CheckPlain(r)
}

// A Pending login has an answer, and everything needed to complete it. Its code has not
// been sent yet.
type Pending struct {
	flow        *Flow
	transaction *transaction.Transaction
	answer      Answer
	endpoints   discovery.Metadata
	target      string // the endpoint that redeems a code
	credentials clientauth.Credentials
}

// Prepare gets the endpoints and the credentials that an answer needs. If it fails, the
// transaction and the code remain valid, and the same answer can succeed later.
func (f *Flow) Prepare(ctx context.Context, t *transaction.Transaction, a Answer) (*Pending, error) {
	ep, err := f.Client.Endpoints(ctx)
	if err != nil {
		return nil, err
	}
	p := &Pending{flow: f, transaction: t, answer: a, endpoints: ep}
	if !t.HasCode() || a.code == "" || a.ErrorCode != "" {
		return p, nil
	}
	if p.target, p.credentials, err = f.Client.Authenticate(ctx, provider.TokenEndpoint); err != nil {
		return nil, err
	}
	return p, f.redeeming.Take()
}

// A Result is a verified login.
type Result struct {
	// Identity is the user's ID token. It is nil with the response type token, which
	// returns no ID token.
	Identity *idtoken.Identity
	Token    *oauth2.Token // nil with the response type id_token
}

// Complete verifies the tenant's response and returns the login. It redeems the code
// if there is one.
func (p *Pending) Complete(ctx context.Context) (Result, error) {
	response, err := p.answer.response(p.transaction, p.endpoints, p.flow.Now())
	if err != nil {
		return Result{}, err
	}
	front, err := p.verifyResponse(ctx, response)
	if err != nil {
		return Result{}, err
	}
	got, err := p.redeem(ctx, front)
	if err != nil {
		return Result{}, err
	}
	if got.Identity == nil {
		return got, nil
	}
	return got, p.flow.checkOrganization(ctx, p.transaction.Organization, *got.Identity)
}

// A verifiedResponse holds the contents of an answer whose ID token, if any, was
// verified. Only a code in a verifiedResponse is redeemed.
type verifiedResponse struct {
	code        code
	id          *idtoken.Identity // nil if the response type has no ID token
	accessToken *oauth2.Token
}

// verifyResponse checks an ID token that came through the browser, and by its hashes
// the code and the access token. Here the hashes are required, because nothing else
// keeps an attacker from replacing these two (OpenID Connect Core 1.0, Sections
// 3.2.2.10 and 3.3.2.11).
func (p *Pending) verifyResponse(ctx context.Context, got response) (verifiedResponse, error) {
	f, t := verifiedResponse{code: got.code, accessToken: got.accessToken}, p.transaction
	if !t.HasIDToken() {
		return f, nil
	}
	id, err := p.flow.IDTokens.Verify(ctx, p.endpoints, got.idToken, keys.FromAnybody, t.Expectation())
	if err == nil && t.HasCode() {
		err = idtoken.RequireHash(id, jwt.CodeHash, string(got.code))
	}
	if err == nil && t.HasAccessToken() {
		err = idtoken.RequireHash(id, jwt.AccessTokenHash, got.accessToken.AccessToken)
	}
	if err != nil {
		return verifiedResponse{}, idtoken.Refused(err)
	}
	f.id = &id
	return f, nil
}

// redeem gets the tokens for a code. Without a code, it returns the verified response.
func (p *Pending) redeem(ctx context.Context, f verifiedResponse) (Result, error) {
	if !p.transaction.HasCode() {
		return Result{f.id, f.accessToken}, nil
	}
	tokens, err := p.exchange(ctx, f.code)
	if err != nil {
		return Result{}, err
	}
	id, err := p.verifyIDToken(ctx, tokens)
	if err != nil {
		return Result{}, err
	}
	// Section 3.3.3.6: both ID tokens must have the same iss and sub.
	if f.id != nil && (f.id.Claims.Issuer != id.Claims.Issuer || f.id.Claims.Subject != id.Claims.Subject) {
		return Result{}, idtoken.Refused(fault.Claim.Because("the two ID tokens of this login are of different users"))
	}
	return Result{&id, tokens.Token(p.flow.Now())}, nil
}

// exchange redeems the code (RFC 6749, Section 4.1.3; RFC 7636, Section 4.5). It sends
// the redirect URI of the transaction, because the configuration can have changed
// meanwhile. It makes one request, because a code works once.
func (p *Pending) exchange(ctx context.Context, code code) (provider.TokenResponse, error) {
	form := provider.GrantForm("authorization_code")
	form.Set("code", string(code))
	form.Set("code_verifier", p.transaction.Verifier)
	provider.SetText(form, "redirect_uri", p.transaction.RedirectURI)
	key := p.flow.Client.Proofs.Open(p.transaction.ProofKey)
	got, err := p.flow.Client.Redeem(ctx, key, p.target, p.credentials, form)
	if _, unusable := errors.AsType[*refusal.Refusal](err); err == nil || unusable {
		p.flow.redeeming.GiveBack() // an attacker cannot make up a valid code
	}
	if err != nil {
		err = tenanterror.Meaning(tenanterror.LoginCode, err)
		p.flow.redeeming.Settle(err)
		return provider.TokenResponse{}, err
	}
	if got.IDToken == "" {
		return provider.TokenResponse{}, refusal.TenantAnswer.Because("the token response has no id_token")
	}
	return got, nil
}

// verifyIDToken checks the ID token from the token endpoint. It checks the signature
// too, although OpenID Connect Core 1.0, Section 3.1.3.7, item 6 allows TLS alone.
func (p *Pending) verifyIDToken(ctx context.Context, got provider.TokenResponse) (idtoken.Identity, error) {
	id, err := p.flow.IDTokens.Verify(ctx, p.endpoints, got.IDToken, keys.FromTenant, p.transaction.Expectation())
	if err == nil {
		err = idtoken.CheckHash(id, jwt.AccessTokenHash, got.AccessToken) // Section 3.1.3.8
	}
	if err != nil {
		return idtoken.Identity{}, idtoken.Refused(err)
	}
	return id, nil
}

// Granted verifies the response to a token request without a browser. The request r
// holds the required acr and max_age. Organization is the one named in the token
// request. An organization of r replaces it. Began is the start of the login in Unix
// seconds, 0 for now.
func (f *Flow) Granted(ctx context.Context, r *authrequest.Request, organization string, began int64, got provider.TokenResponse) (Result, error) {
	if err := got.CheckUsable(); err != nil {
		return Result{}, err
	}
	if got.IDToken == "" {
		return Result{}, refusal.TenantAnswer.Because("the token response has no id_token")
	}
	ep, err := f.Client.Endpoints(ctx)
	if err != nil {
		return Result{}, err
	}
	now := f.Now()
	id, err := f.IDTokens.VerifyGranted(ctx, ep, got.IDToken, idtoken.Expect{ACR: r.RequiredACR, MaxAge: r.MaxAge, Began: cmp.Or(began, now.Unix())})
	if err == nil {
		err = idtoken.CheckHash(id, jwt.AccessTokenHash, got.AccessToken)
	}
	if err != nil {
		return Result{}, idtoken.Refused(err)
	}
	if r.Organization() != "" {
		organization = r.Organization()
	}
	if err := f.checkOrganization(ctx, organization, id); err != nil {
		return Result{}, err
	}
	return Result{&id, got.Token(now)}, nil
}

// Continued verifies the response to a refresh that required a second factor. The login of
// the session has identified the user. An ID token, if there is one, must name the same
// user.
func (f *Flow) Continued(ctx context.Context, issuer, subject string, got provider.TokenResponse) (Result, error) {
	if err := got.CheckUsable(); err != nil {
		return Result{}, err
	}
	id := idtoken.Identity{Claims: jwt.Claims{Issuer: issuer, Subject: subject}, Payload: "{}"}
	if got.IDToken != "" {
		ep, err := f.Client.Endpoints(ctx)
		if err != nil {
			return Result{}, err
		}
		if id, err = f.IDTokens.Check(ctx, ep, got.IDToken, keys.FromTenant); err != nil {
			return Result{}, idtoken.Refused(err)
		}
		if id.Claims.Issuer != issuer || id.Claims.Subject != subject {
			return Result{}, idtoken.Refused(fault.Claim.Because("iss or sub differs from the login"))
		}
	}
	return Result{&id, got.Token(f.Now())}, nil
}

// checkOrganization requires that a login to an organization has ended in that
// organization.
func (f *Flow) checkOrganization(ctx context.Context, asked string, id idtoken.Identity) error {
	c := id.Claims
	if asked != "" {
		demand := condition.Demand{Organizations: []string{asked}}
		if bad := demand.CheckOrganization(idtoken.Facts(&c)); bad != nil {
			return idtoken.Refused(bad)
		}
	}
	if f.CheckOrganization == nil {
		return nil
	}
	if c.OrgID == "" {
		return idtoken.Refused(fault.Organization.Because("Config.CheckOrganization is set, and the ID token has no org_id"))
	}
	return f.CheckOrganization(ctx, c.OrgID)
}
