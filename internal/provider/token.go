package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
	"golang.org/x/oauth2"
)

// GrantForm begins the form of a token request. The client adds who sends it.
func GrantForm(grantType string) url.Values { return url.Values{"grant_type": {grantType}} }

// SetText sets a parameter of a form unless the value is empty: the tenant may take
// an empty parameter for something.
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
	ExpiresIn    float64 `json:"-"` // from members, since some send it as a text
	RefreshToken string  `json:"refresh_token"`
	IDToken      string  `json:"id_token"`
	Scope        *string `json:"scope"`
	// RecoveryCode replaces a recovery code that was used up. Auth0 sends it.
	RecoveryCode string `json:"recovery_code"`

	members map[string]any // all of them
	took    time.Duration  // the request, by the wall clock
}

// Life returns how long the access token is still good. It counts from the request: the
// tenant issued the token at some time after it, and the machine can have slept before
// the answer was read. A time out of range means that it is unknown, and then it is
// short.
func (t TokenResponse) Life() time.Duration {
	const unknown, year = 5 * time.Minute, 365 * 24 * 60 * 60
	if inRange := t.ExpiresIn > 0 && t.ExpiresIn <= year; !inRange { // which NaN is not
		return unknown
	}
	return max(0, time.Duration(t.ExpiresIn*float64(time.Second))-t.took)
}

// Granted returns the scopes of the token. Without a scope in the answer they are
// those that were asked for (RFC 6749, Section 5.1).
func (t TokenResponse) Granted(asked string) string {
	if t.Scope != nil {
		return *t.Scope
	}
	return asked
}

// Token makes a token of package oauth2 of the response, with all its members.
func (t TokenResponse) Token(now time.Time) *oauth2.Token {
	token := &oauth2.Token{AccessToken: t.AccessToken, TokenType: t.TokenType, RefreshToken: t.RefreshToken, Expiry: now.Add(t.Life()).Round(0)}
	return token.WithExtra(t.members)
}

// CheckBearer refuses a token that is of no use at an API.
func (t TokenResponse) CheckBearer() error {
	if !t.isBearer() {
		return refusal.TenantAnswer.Wrap(tenanterror.ErrNoBearerToken)
	}
	return nil
}

func (t TokenResponse) isBearer() bool { return strings.EqualFold(t.TokenType, "Bearer") }

// Tokens makes one request to the token endpoint. The client adds its id and its
// credentials to the form. The request is not repeated, because what it sends may be
// good for one use. Client credentials are good for more: they are sent again if the
// connection was closed. The error is a [tenanterror.Error] if the tenant has answered, and a
// refusal if there was nothing to send.
func (c *Client) Tokens(ctx context.Context, form url.Values) (TokenResponse, error) {
	var header http.Header
	if form.Get("grant_type") == "client_credentials" {
		header = repeatable()
	}
	got, err := c.AnyToken(ctx, form, header)
	if err == nil && !got.isBearer() {
		return TokenResponse{}, tenanterror.ErrNoBearerToken
	}
	return got, err
}

// AnyToken is Tokens for a token that may be of no use at an API. The type of such a
// token is N_A (RFC 8693, Section 2.2.1).
func (c *Client) AnyToken(ctx context.Context, form url.Values, header http.Header) (TokenResponse, error) {
	begin := c.Now().Round(0)
	resp, err := c.post(ctx, TokenEndpoint, form, header)
	if err != nil {
		return TokenResponse{}, err
	}
	if resp.Status != http.StatusOK {
		return TokenResponse{}, tenanterror.Parse(resp.Status, resp.Header, resp.Body)
	}
	got := TokenResponse{took: max(0, c.Now().Round(0).Sub(begin))}
	if err := got.decode(resp); err != nil {
		return TokenResponse{}, fmt.Errorf("%w: %w", tenanterror.ErrNoBearerToken, err)
	}
	if got.AccessToken == "" || !got.isBearer() && !strings.EqualFold(got.TokenType, "N_A") {
		return TokenResponse{}, tenanterror.ErrNoBearerToken
	}
	return got, nil
}

// decode reads the response. The error names the member that is wrong, and quotes
// nothing.
func (t *TokenResponse) decode(resp *fetch.Response) error {
	if json.Unmarshal(resp.Body, &t.members) != nil {
		return resp.NotJSON()
	}
	if err := json.Unmarshal(resp.Body, t); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return fmt.Errorf("its member %.40q is a JSON %s", wrong.Field, wrong.Value)
		}
		return resp.NotJSON()
	}
	switch seconds := t.members["expires_in"].(type) {
	case nil:
	case float64:
		t.ExpiresIn = seconds
	case string:
		n, err := strconv.ParseFloat(seconds, 64)
		if err != nil {
			return errors.New(`its member "expires_in" is a text and not a number`)
		}
		t.ExpiresIn = n
	default:
		return errors.New(`its member "expires_in" is not a number`)
	}
	return nil
}

// PostJSON makes one request to an endpoint of Auth0 that no standard names, such as
// passwordless/start. The endpoint takes JSON and authenticates the client as the
// token endpoint does. Any status but 200 is an error. The request is not repeated:
// it may send somebody a message.
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
