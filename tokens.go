package auth0

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/refresh"
)

// clientCredentials keeps a token of the client credentials grant (RFC 6749,
// Section 4.4) for one audience. One request gets it, whoever asks, and it is
// renewed in the background before it expires.
func (a *application) clientCredentials(audience string) *refresh.Value[secret] {
	return refresh.New(func(ctx context.Context) (secret, refresh.Life, error) {
		if a.authentication.method == publicClient {
			return nil, refresh.Life{}, errors.New("a public client gets no token for itself; set Config.ManagementClientID and Config.ManagementClientSecret")
		}
		got, err := a.requestTokens(ctx, url.Values{"grant_type": {"client_credentials"}, "audience": {audience}})
		if err != nil {
			return nil, refresh.Life{}, err
		}
		// The next one is due after four fifths of the life of this one.
		life := got.life()
		return newSecret(got.AccessToken), refresh.Life{Due: life * 4 / 5, Stale: life - life/20}, nil
	}, refresh.Policy{
		Timeout:    fetch.Timeout,
		MinBackoff: time.Second, MaxBackoff: time.Minute, MaxRetryAfter: time.Minute,
	})
}

// A tokenResponse is the successful answer of the token endpoint (RFC 6749,
// Section 5.1).
type tokenResponse struct {
	AccessToken  string  `json:"access_token"`
	TokenType    string  `json:"token_type"`
	ExpiresIn    float64 `json:"expires_in"`
	RefreshToken string  `json:"refresh_token"`
	IDToken      string  `json:"id_token"`
	Scope        *string `json:"scope"`
}

// life is how long the access token is good. Out of range means unknown, and
// unknown means not long.
func (t tokenResponse) life() time.Duration {
	const unknown, year = 5 * time.Minute, 365 * 24 * 60 * 60
	if t.ExpiresIn <= 0 || t.ExpiresIn > year {
		return unknown
	}
	return time.Duration(t.ExpiresIn * float64(time.Second))
}

// requestTokens makes one request to the token endpoint, with the client id and
// what proves it added to the form. It is never repeated: what it sends may be
// good for one use. The error is a tenantError if the tenant has answered, and an
// Error if there was nothing to send.
func (a *application) requestTokens(ctx context.Context, form url.Values) (tokenResponse, error) {
	resp, err := a.post(ctx, tokenEndpoint, form)
	if err != nil {
		return tokenResponse{}, err
	}
	if resp.Status != http.StatusOK {
		return tokenResponse{}, parseTenantError(resp.Status, resp.Header, resp.Body)
	}
	var got tokenResponse
	if json.Unmarshal(resp.Body, &got) != nil || got.AccessToken == "" || !strings.EqualFold(got.TokenType, "Bearer") {
		return tokenResponse{}, errors.New("the token response has no bearer token")
	}
	return got, nil
}

// postForm sends a form together with a proof, which has the last word on who
// sends it.
func postForm(ctx context.Context, client *http.Client, target string, form url.Values, p proof) (*fetch.Response, error) {
	all := maps.Clone(form)
	maps.Copy(all, p.params)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(all.Encode()))
	if err != nil {
		return nil, errors.New("unusable endpoint")
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	p.addTo(r)
	return fetch.Do(client, r)
}

// A tenantError is what the tenant said was wrong. Auth0's endpoints answer in
// several shapes, and its edge in HTML.
type tenantError struct {
	status      int
	code        string // of RFC 6749, or the errorCode of the Management API
	description string // for logs only: it may change, and may quote users
	retryAfter  time.Duration
}

// parseTenantError reads every shape that is known. It never fails: the status
// alone is an answer.
func parseTenantError(status int, h http.Header, body []byte) tenantError {
	e := tenantError{status: status, retryAfter: fetch.RetryAfter(h, time.Now())}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return e
	}
	text := func(name string) string {
		var s string
		json.Unmarshal(members[name], &s) // other types give nothing
		return s
	}
	first := func(names ...string) string {
		for _, name := range names {
			if s := text(name); s != "" {
				return s
			}
		}
		return ""
	}
	// The Management API has both, and its error is only the text of the status.
	e.code = first("errorCode", "error", "code", "name")
	e.description = first("error_description", "message", "description")
	if e.description == "" && len(members["error_description"]) > 0 {
		e.description = string(members["error_description"])
	}
	return e
}

func (e tenantError) Error() string {
	switch {
	case e.code != "":
		return fmt.Sprintf("the tenant answered %d, %.100q: %.300q", e.status, e.code, e.description)
	case e.description != "":
		return fmt.Sprintf("the tenant answered %d: %.300q", e.status, e.description)
	}
	return fmt.Sprintf("the tenant answered %d", e.status)
}

// RetryAfter lets package refresh leave the tenant alone for as long as it asks.
func (e tenantError) RetryAfter() time.Duration { return e.retryAfter }

// as makes it an Error of the given kind.
func (e tenantError) as(r refusal) *Error {
	out := r.wrap(e)
	out.TenantStatus, out.RetryAfter = e.status, e.retryAfter
	if e.code != "" {
		out.Code = protocolCode(e.code)
	}
	return out
}
