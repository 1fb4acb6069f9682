package provider

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/cached"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
	"github.com/seed-15d5a55c/auth0/internal/tenantapi"
	"golang.org/x/oauth2"
)

// PushError says what a refused request means for the login. What the tenant says
// of the request it would otherwise have said to the browser. No person has been
// asked yet, so it is never somebody's own refusal.
func PushError(err error) error {
	e, ok := Answered(err)
	if !ok || e.Temporary() || e.Status < 400 || e.Status == http.StatusUnauthorized ||
		slices.Contains([]string{"", "invalid_client", "unauthorized_client"}, e.Code) {
		return RequestError(err)
	}
	return e.Refusal(refusal.ByTenant)
}

// An AppToken is an access token for the application itself.
type AppToken struct {
	Value   secret.Text
	scope   string
	expires time.Time
}

func (t AppToken) Token() *oauth2.Token {
	token := &oauth2.Token{AccessToken: t.Value.Reveal(), TokenType: "Bearer", Expiry: t.expires}
	return token.WithExtra(map[string]any{"scope": t.scope})
}

// ClientCredentials keeps a token of the client credentials grant. One request
// gets it, whoever asks, and it is renewed in the background before it expires.
func (a *Client) ClientCredentials(audience, organization string, scopes []string) *cached.Value[AppToken] {
	return cached.New(func(ctx context.Context) (AppToken, cached.Life, error) {
		if a.Auth.Method == PublicClient {
			return AppToken{}, cached.Life{}, refusal.Misconfigured.Because("a public client gets no token for itself; for the Management API set Config.ManagementClientID and ManagementClientSecret")
		}
		form := GrantForm("client_credentials")
		SetText(form, "audience", audience)
		SetText(form, "organization", organization)
		SetText(form, "scope", strings.Join(scopes, " "))
		got, err := a.Tokens(ctx, form)
		if err != nil {
			return AppToken{}, cached.Life{}, err
		}
		// The next one is due after four fifths of the life of this one.
		life := got.Life()
		t := AppToken{secret.OfText(got.AccessToken), got.scope(scopes), time.Now().Add(life)}
		return t, cached.Life{Due: life * 4 / 5, Stale: life - life/20}, nil
	}, cached.Policy{
		Timeout:    fetch.Timeout,
		MinBackoff: time.Second, MaxBackoff: time.Minute, MaxRetryAfter: time.Minute,
	})
}

// GrantForm begins every token request. Who asks is added when it is sent.
func GrantForm(grantType string) url.Values { return url.Values{"grant_type": {grantType}} }

// SetText leaves out what is empty: the tenant may take it for something.
func SetText(form url.Values, name, value string) {
	if value != "" {
		form.Set(name, value)
	}
}

// A TokenResponse is the successful answer of the token endpoint (RFC 6749,
// Section 5.1).
type TokenResponse struct {
	AccessToken  string  `json:"access_token"`
	TokenType    string  `json:"token_type"`
	ExpiresIn    float64 `json:"expires_in"`
	RefreshToken string  `json:"refresh_token"`
	IDToken      string  `json:"id_token"`
	Scope        *string `json:"scope"`
	// IssuedTokenType is of a token exchange (RFC 8693, Section 2.2.1).
	IssuedTokenType string `json:"issued_token_type"`
	// RecoveryCode is Auth0's, for the one that was used up.
	RecoveryCode string `json:"recovery_code"`

	members map[string]any // all of them
}

// Life is how long the access token is good. Out of range means unknown, and
// unknown means not long.
func (t TokenResponse) Life() time.Duration {
	const unknown, year = 5 * time.Minute, 365 * 24 * 60 * 60
	if t.ExpiresIn <= 0 || t.ExpiresIn > year {
		return unknown
	}
	return time.Duration(t.ExpiresIn * float64(time.Second))
}

// scope is what was granted. Without one it is what was asked for (RFC 6749,
// Section 5.1).
func (t TokenResponse) scope(asked []string) string {
	if t.Scope != nil {
		return *t.Scope
	}
	return strings.Join(asked, " ")
}

// Token makes a token of package oauth2 of the response, with all its members.
func (t TokenResponse) Token(now time.Time) *oauth2.Token {
	token := &oauth2.Token{AccessToken: t.AccessToken, TokenType: t.TokenType, RefreshToken: t.RefreshToken, Expiry: now.Add(t.Life())}
	return token.WithExtra(t.members)
}

// Tokens makes one request to the token endpoint, with the client id and
// what proves it added to the form. It is never repeated: what it sends may be
// good for one use. The error is a tenantError if the tenant has answered, and an
// Error if there was nothing to send. Header is names and values in turn.
func (a *Client) Tokens(ctx context.Context, form url.Values, header ...string) (TokenResponse, error) {
	got, err := a.AnyToken(ctx, form, header...)
	if err == nil && !strings.EqualFold(got.TokenType, "Bearer") {
		return TokenResponse{}, ErrNoBearerToken
	}
	return got, err
}

var ErrNoBearerToken = errors.New("the token response has no bearer token")

// AnyToken is requestTokens for a token that may be of no use at an API:
// the type of such a one is N_A (RFC 8693, Section 2.2.1).
func (a *Client) AnyToken(ctx context.Context, form url.Values, header ...string) (TokenResponse, error) {
	resp, err := a.Post(ctx, TokenEndpoint, form, header...)
	if err != nil {
		return TokenResponse{}, err
	}
	if resp.Status != http.StatusOK {
		return TokenResponse{}, ParseError(resp.Status, resp.Header, resp.Body)
	}
	var got TokenResponse
	known := func() bool {
		return strings.EqualFold(got.TokenType, "Bearer") || strings.EqualFold(got.TokenType, "N_A")
	}
	if json.Unmarshal(resp.Body, &got) != nil || json.Unmarshal(resp.Body, &got.members) != nil || got.AccessToken == "" || !known() {
		return TokenResponse{}, ErrNoBearerToken
	}
	return got, nil
}

// postForm sends a form together with a proof, which has the last word on who
// sends it.
func postForm(ctx context.Context, client *http.Client, target string, form url.Values, p Credentials, header ...string) (*fetch.Response, error) {
	all := maps.Clone(form)
	maps.Copy(all, p.Params)
	return post(ctx, client, target, "application/x-www-form-urlencoded", all.Encode(), p, header...)
}

// PostJSON makes one request to an endpoint of Auth0's that takes JSON and
// authenticates the client as the token endpoint does. It gives an error unless
// the answer is 200. It is not repeated: it may send somebody a message.
func (a *Client) PostJSON(ctx context.Context, target string, body map[string]any, header ...string) (*fetch.Response, error) {
	_, p, err := a.Authenticate(ctx, TokenEndpoint)
	if err != nil {
		return nil, err
	}
	body = maps.Clone(body)
	body["client_id"] = a.ID
	for name := range p.Params {
		body[name] = p.Params.Get(name)
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, errors.New("the request cannot be encoded")
	}
	resp, err := post(ctx, a.HTTP, target, "application/json", string(encoded), p, header...)
	if err == nil && resp.Status != http.StatusOK {
		err = ParseError(resp.Status, resp.Header, resp.Body)
	}
	return resp, err
}

func post(ctx context.Context, client *http.Client, target, contentType, body string, p Credentials, header ...string) (*fetch.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		return nil, errors.New("unusable endpoint")
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Accept", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	p.addTo(r)
	return fetch.Do(client, r)
}

// A Error is what the tenant said was wrong. Auth0's endpoints answer in
// several shapes, and its edge in HTML.
type Error struct {
	Status      int
	Code        string // of RFC 6749, or the errorCode of the Management API
	Description string // for logs only: it may change, and may quote users
	Wait        time.Duration
	MFA         *MFADemand // if it wants a second factor
}

// ParseError reads every known shape of an error response. It never fails: the
// status alone is an answer.
func ParseError(status int, h http.Header, body []byte) Error {
	e := errorOf(tenantapi.ParseError(status, h, body))
	if e.Code != "mfa_required" {
		return e
	}
	var members map[string]json.RawMessage
	json.Unmarshal(body, &members) // which ParseError has done
	var token string
	if json.Unmarshal(members["mfa_token"], &token); token != "" {
		var factors struct {
			Challenge []mfaFactor `json:"challenge"`
			Enroll    []mfaFactor `json:"enroll"`
		}
		json.Unmarshal(members["mfa_requirements"], &factors) // which may be missing
		e.MFA = &MFADemand{Token: secret.OfText(token), Challenge: kindsOf(factors.Challenge), Enroll: kindsOf(factors.Enroll)}
	}
	return e
}

// errorOf is the inverse of said.
func errorOf(e *tenantapi.Error) Error {
	return Error{Status: e.Status, Code: e.Code, Description: e.Description, Wait: e.Wait}
}

func (e Error) said() *tenantapi.Error {
	return &tenantapi.Error{Status: e.Status, Code: e.Code, Description: e.Description, Wait: e.Wait}
}

func (e Error) Error() string { return e.said().Error() }

// As lets packages that do not know this type find what the tenant said.
func (e Error) As(target any) bool {
	said, ok := target.(**tenantapi.Error)
	if ok {
		*said = e.said()
	}
	return ok
}

// Temporary reports whether the same request can succeed later.
func (e Error) Temporary() bool { return e.said().Temporary() }

// APIError makes an error of package tenantapi one of this package.
func APIError(err error) error {
	if said, ok := err.(*tenantapi.Error); ok {
		return errorOf(said)
	}
	switch err {
	case tenantapi.ErrUnsendable:
		return refusal.Internal.Wrap(err)
	case tenantapi.ErrUnexpectedJSON:
		return refusal.TenantAnswer.Wrap(err)
	}
	return err
}

// RetryAfter lets package cached leave the tenant alone for as long as it asks.
func (e Error) RetryAfter() time.Duration { return e.Wait }

// Refusal returns the refusal that the tenant's answer means.
func (e Error) Refusal(r refusal.Row) *refusal.Refusal {
	out := r.Wrap(e)
	out.TenantStatus, out.RetryAfter = e.Status, e.Wait
	if e.Code != "" {
		out.Code = syntax.Code(e.Code)
	}
	return out
}

// isDecided reports whether an error is a refusal already.
func isDecided(err error) bool {
	_, decided := errors.AsType[*refusal.Refusal](err)
	return decided
}

// Answered returns what the tenant has said, if nobody has said yet what that
// means.
func Answered(err error) (Error, bool) {
	if isDecided(err) {
		return Error{}, false
	}
	return errors.AsType[Error](err)
}

// RequestError says what a failed request to the tenant means where no code of its
// has a meaning of its own: it is between the tenant and us.
func RequestError(err error) error {
	if isDecided(err) {
		return err
	}
	e, ok := errors.AsType[Error](err)
	switch {
	case errors.Is(err, context.Canceled):
		return refusal.Canceled.Wrap(context.Canceled)
	case errors.Is(err, ErrNoBearerToken):
		return refusal.TenantAnswer.Wrap(err)
	case !ok:
		return refusal.TenantDown.Wrap(fetch.Cause(err))
	case e.Temporary():
		return e.Refusal(refusal.TenantDown)
	}
	return e.Refusal(refusal.TenantAnswer)
}

// CodeError says what a failed request to the token endpoint means for
// the login: a code that is not accepted is between the visitor and the tenant,
// everything else is between us and the tenant.
func CodeError(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		// Package oauth2 does not wrap what keeps it from reading an answer.
		return refusal.Canceled.Wrap(context.Canceled)
	}
	re, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		return RequestError(err)
	}
	e := ParseError(re.Response.StatusCode, re.Response.Header, re.Body)
	if e.Code == "invalid_grant" {
		return e.Refusal(refusal.Code)
	}
	return RequestError(e)
}

// BearerRequest makes a request with an access token. It sends a body other than nil
// as JSON.
func BearerRequest(ctx context.Context, client *http.Client, token secret.Text, method, target string, query url.Values, body any) (*fetch.Response, error) {
	resp, err := tenantapi.Do(ctx, client, token.Reveal(), method, target, query, body)
	return resp, APIError(err)
}

// Decode decodes a response into out, unless that is nil. The error is a
// tenantError if the tenant reports an error.
func Decode(resp *fetch.Response, out any) error { return APIError(tenantapi.Decode(resp, out)) }

// An MFADemand is the answer mfa_required: a second factor is needed. Challenge has the
// kinds of factors that the user can use, and Enroll those that the user can add.
type MFADemand struct {
	Token             secret.Text
	Challenge, Enroll []string
}

type mfaFactor struct {
	Type string `json:"type"`
}

func kindsOf(factors []mfaFactor) []string {
	var kinds []string
	for _, f := range factors {
		kinds = append(kinds, syntax.Code(f.Type))
	}
	return kinds
}

// RefreshError says what a failed request means that was made with the tokens of a
// session. If the tenant denies it to the person, a login is needed: there the tenant
// tells the person why, or lets them in.
func RefreshError(err error) error {
	e, ok := Answered(err)
	switch {
	case !ok:
	case e.DeniesByPolicy():
		return e.LoginAgain()
	case !e.Temporary() && (e.Code == "unauthorized" || e.Code == "invalid_grant"):
		return e.LoginAgain()
	}
	return RequestError(err)
}

// LoginAgain returns the refusal for tokens that need another login.
func (e Error) LoginAgain() *refusal.Refusal {
	out := refusal.SessionTokenExpired.Wrap(e)
	out.TenantStatus = e.Status
	if e.Code == "unauthorized" {
		out.Also = refusal.Blocked
	}
	return out
}

// DeniesByPolicy reports whether an Action or a policy of the tenant wants another
// login. The code says so, whatever the status: Auth0 has sent 500 with it. But
// with 401 access_denied is Auth0's answer to wrong credentials of the
// application.
func (e Error) DeniesByPolicy() bool {
	switch e.Code {
	case "access_denied":
		return e.Status != http.StatusUnauthorized
	case "unmet_authentication_requirements", "interaction_required":
		return true
	}
	return false
}
