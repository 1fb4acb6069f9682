package provider

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/clientauth"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/jsonscan"
	"github.com/seed-15d5a55c/auth0/internal/prover"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
	"golang.org/x/oauth2"
)

// GrantForm starts the form of a token request. The client adds its credentials.
func GrantForm(grantType string) url.Values { return url.Values{"grant_type": {grantType}} }

// SetText sets a parameter of a form unless the value is empty: a tenant can give an
// empty parameter a meaning.
func SetText(form url.Values, name, value string) {
	if value != "" {
		form.Set(name, value)
	}
}

// A TokenResponse is the successful response of the token endpoint (RFC 6749, Section
// 5.1).
type TokenResponse struct {
	AccessToken  string
	TokenType    string
	ExpiresIn    float64 // seconds, 0 or less if that is unknown
	RefreshToken string
	IDToken      string
	Scope        *string
	// RecoveryCode replaces a used recovery code. Auth0 sends it.
	RecoveryCode string
	// Key is the one to which the access token is bound, the zero Key for a bearer token.
	Key prover.Key

	members map[string]any // all of them
	took    time.Duration  // the request, by the wall clock
}

// Life returns the remaining life of the access token. It counts from the request: the
// tenant issued the token some time after it, and the machine can have slept before the
// response was read. Life is at most a year, because some servers send nanoseconds. An
// unknown life is short.
func (t TokenResponse) Life() time.Duration {
	const unknown, year = 5 * time.Minute, 365 * 24 * 60 * 60
	if t.ExpiresIn <= 0 {
		return unknown
	}
	return max(0, time.Duration(min(t.ExpiresIn, year)*float64(time.Second))-t.took)
}

// ParseLife reads expires_in as text. It reports false for a text other than a decimal
// number.
func ParseLife(text string) (seconds float64, ok bool) {
	if strings.Trim(text, "0123456789.eE+-") != "" {
		return 0, false // ParseFloat also accepts hexadecimal numbers and words
	}
	seconds, err := strconv.ParseFloat(text, 64)
	// A number too large for a float64 is more than a year too.
	return seconds, err == nil || errors.Is(err, strconv.ErrRange)
}

// Granted returns the scopes of the token. Without a scope in the response they are the
// requested ones (RFC 6749, Section 5.1).
func (t TokenResponse) Granted(asked string) string {
	if t.Scope != nil {
		return *t.Scope
	}
	return asked
}

// Token returns the response as a token of package oauth2, with all its members and its
// key.
func (t TokenResponse) Token(now time.Time) *oauth2.Token {
	token := &oauth2.Token{
		AccessToken: t.AccessToken, TokenType: t.TokenType, RefreshToken: t.RefreshToken,
		Expiry: now.Add(t.Life()).Round(0), ExpiresIn: max(1, int64(t.Life()/time.Second)), // 0 would be an unknown time
	}
	return prover.Attach(token, t.Key, t.members)
}

// CheckUsable rejects a token that an API would not accept. A token requested with a
// proof must be bound to the key of that proof: a server without DPoP returns a bearer
// token, which anyone who obtains it can use (RFC 9449, Section 5).
func (t TokenResponse) CheckUsable() error {
	wanted := "Bearer"
	if !t.Key.IsZero() {
		wanted = prover.TokenType
	}
	switch {
	case strings.EqualFold(t.TokenType, wanted):
		return nil
	case strings.EqualFold(t.TokenType, "Bearer"), strings.EqualFold(t.TokenType, prover.TokenType):
		return refusal.TokenNotBound.Because("token_type is %.40q, not %s, so the token was dropped; %s", t.TokenType, wanted, bindingAdvice)
	}
	return unusable("token_type is %.40q, not %s", t.TokenType, wanted)
}

const bindingAdvice = "compare Config.ProofKey with the sender-constraining of the API and of the application in the tenant's settings"

// unusable returns the refusal of a successful response without a usable token.
func unusable(format string, args ...any) *refusal.Refusal {
	return refusal.TenantAnswer.Because("the token response cannot be used: "+format, args...)
}

// Tokens makes a request to the token endpoint. The client adds its id and its
// credentials to the form, and a proof unless the key is zero. The request is not
// repeated, because codes and refresh tokens can be valid for one use. Client credentials
// are not: they are sent again if the connection was closed. Any request is sent again if
// the tenant requires a nonce in the proof, because then it has used up nothing. The
// error is a [tenanterror.Error] if the tenant rejected the request, and a refusal if its
// response has no token, or if there was nothing to send. If the token is unusable, the
// response has only the refresh token with the error.
func (c *Client) Tokens(ctx context.Context, key prover.Key, form url.Values) (TokenResponse, error) {
	var header http.Header
	if form.Get("grant_type") == "client_credentials" {
		header = repeatable()
	}
	got, err := c.ask(ctx, key, form, header, c.authenticateToken)
	return checked(got, err, TokenResponse.CheckUsable)
}

// AnyToken is Tokens for a token that an API may not accept. The type of that token is
// N_A (RFC 8693, Section 2.2.1).
func (c *Client) AnyToken(ctx context.Context, key prover.Key, form url.Values, header http.Header) (TokenResponse, error) {
	got, err := c.ask(ctx, key, form, header, c.authenticateToken)
	if err == nil && strings.EqualFold(got.TokenType, "N_A") {
		got.Key = prover.Key{}
		return got, nil
	}
	return checked(got, err, TokenResponse.CheckUsable)
}

// ThirdPartyToken is Tokens for a third party's token, which is not bound to the key of
// the proof.
func (c *Client) ThirdPartyToken(ctx context.Context, key prover.Key, form url.Values) (TokenResponse, error) {
	got, err := c.ask(ctx, key, form, nil, c.authenticateToken)
	got.Key = prover.Key{}
	return checked(got, err, TokenResponse.CheckUsable)
}

// Redeem is Tokens with the URL and the credentials from Authenticate.
func (c *Client) Redeem(ctx context.Context, key prover.Key, target string, credentials clientauth.Credentials, form url.Values) (TokenResponse, error) {
	used := false
	got, err := c.ask(ctx, key, form, nil, func(ctx context.Context) (string, clientauth.Credentials, error) {
		if used { // an assertion is valid for one request
			return c.authenticateToken(ctx)
		}
		used = true
		return target, credentials, nil
	})
	return checked(got, err, TokenResponse.CheckUsable)
}

func (c *Client) authenticateToken(ctx context.Context) (string, clientauth.Credentials, error) {
	return c.Authenticate(ctx, TokenEndpoint)
}

// checked drops an unusable token. The refresh token beside it stays: it can have
// replaced the one that was sent.
func checked(got TokenResponse, err error, check func(TokenResponse) error) (TokenResponse, error) {
	if err != nil {
		return TokenResponse{}, err
	}
	if err := check(got); err != nil {
		return TokenResponse{RefreshToken: got.RefreshToken, Key: got.Key}, err
	}
	return got, nil
}

// ask makes a request to the token endpoint, with the URL and the credentials of the
// function, and reads the response.
func (c *Client) ask(ctx context.Context, key prover.Key, form url.Values, header http.Header,
	authenticate func(context.Context) (string, clientauth.Credentials, error)) (TokenResponse, error) {
	if !key.IsZero() {
		ep, err := c.Tenant.Endpoints(ctx)
		if err != nil {
			return TokenResponse{}, refusal.TenantDown.Wrap(err)
		}
		if err := CheckProofs(ep, key); err != nil {
			return TokenResponse{}, err
		}
	}
	begin := c.Now().Round(0)
	resp, err := key.Do(c.HTTP, func() (*http.Request, error) {
		target, credentials, err := authenticate(ctx)
		if err != nil {
			return nil, err
		}
		return formRequest(ctx, target, credentials, form, header)
	})
	got, err := c.readTokens(begin, resp, err)
	got.Key = key
	return got, err
}

// CheckProofs rejects a key whose proofs the tenant does not accept.
func CheckProofs(ep discovery.Metadata, key prover.Key) error {
	if err := key.Check(ep.ProofAlgorithms); err != nil {
		return refusal.Misconfigured.Because("Config.ProofKey %w", err)
	}
	return nil
}

// readTokens reads a response of the token endpoint. Every grant uses it, so that a
// response that logs users in also refreshes their tokens. The request began at the given
// time.
func (c *Client) readTokens(begin time.Time, resp *fetch.Response, err error) (TokenResponse, error) {
	if err != nil {
		return TokenResponse{}, err
	}
	if resp.Status != http.StatusOK {
		return TokenResponse{}, tenanterror.Parse(resp.Status, resp.Header, resp.Body)
	}
	got := TokenResponse{took: max(0, c.Now().Round(0).Sub(begin))}
	if got.members = membersOf(resp.Body); got.members == nil {
		return TokenResponse{}, unusable("%w", resp.NotJSON())
	}
	if _, refused := got.members["error"].(string); refused && got.members["access_token"] == nil {
		return TokenResponse{}, tenanterror.Parse(resp.Status, resp.Header, resp.Body) // some servers do not send 400
	}
	if err := got.read(); err != nil {
		return TokenResponse{}, err
	}
	return got, nil
}

// membersOf returns the members of a JSON object, as encoding/json decodes them, and nil for
// anything else. It leaves to encoding/json what is not plain.
func membersOf(body []byte) map[string]any {
	members := make(map[string]any, 8)
	err := jsonscan.Object(string(body), func(name, raw string) error {
		value, ok := plainValue(raw)
		if _, repeated := members[name]; repeated || !ok {
			return jsonscan.ErrSyntax
		}
		members[name] = value
		return nil
	})
	if err == nil {
		return members
	}
	members = nil
	if json.Unmarshal(body, &members) != nil {
		return nil
	}
	return members
}

// plainValue decodes a value that is a text, a number that is not negative, or a literal.
func plainValue(raw string) (any, bool) {
	switch c := raw[0]; {
	case c == '"':
		return jsonscan.String(raw)
	case '0' <= c && c <= '9':
		return jsonscan.Number(raw)
	case c == 't' || c == 'f':
		return c == 't', true
	}
	return nil, raw == "null"
}

// read reads the members. Their names are case-sensitive. A null member counts as absent.
func (t *TokenResponse) read() error {
	scope := ""
	for _, member := range [...]struct {
		name string
		text *string
	}{
		{"access_token", &t.AccessToken}, {"id_token", &t.IDToken}, {"recovery_code", &t.RecoveryCode},
		{"refresh_token", &t.RefreshToken}, {"scope", &scope}, {"token_type", &t.TokenType},
	} {
		text, ok := t.members[member.name].(string)
		if !ok && t.members[member.name] != nil {
			return unusable("%s is not a text", member.name)
		}
		*member.text = text
	}
	if t.members["scope"] != nil {
		t.Scope = &scope
	}
	if t.AccessToken == "" {
		return unusable("it has no access_token")
	}
	return t.readLife()
}

// readLife reads expires_in, a number or a text with a number. Some servers send a text,
// although RFC 6749, Section 5.1 defines a number.
func (t *TokenResponse) readLife() error {
	switch life := t.members["expires_in"].(type) {
	case nil:
		return nil
	case float64:
		t.ExpiresIn = life
		return nil
	case string:
		seconds, ok := ParseLife(life)
		if t.ExpiresIn = seconds; ok {
			return nil
		}
		return unusable("expires_in is a text and not a number of seconds")
	}
	return unusable("expires_in is not a number of seconds")
}

// PostJSON makes one request to an Auth0 endpoint that no standard names, such as
// passwordless/start. The endpoint accepts JSON and authenticates the client as the token
// endpoint does. Any status but 200 is an error. The request is not repeated: it can send
// the user a message.
func (c *Client) PostJSON(ctx context.Context, path string, body map[string]any, header http.Header) (*fetch.Response, error) {
	_, credentials, err := c.Authenticate(ctx, TokenEndpoint)
	if err != nil {
		return nil, err
	}
	body = maps.Clone(body)
	body["client_id"] = c.ID
	for name := range credentials.Params {
		body[name] = credentials.Params.Get(name)
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, errors.New("the request cannot be encoded")
	}
	resp, err := c.send(ctx, c.Beside(path), "application/json", string(encoded), credentials, header)
	if err == nil && resp.Status != http.StatusOK {
		err = tenanterror.Parse(resp.Status, resp.Header, resp.Body)
	}
	return resp, err
}
