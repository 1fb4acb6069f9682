// Package tenantapi makes requests with an access token to the APIs of a tenant: it
// sends and reads JSON, reads error responses, replaces a rejected token once, and
// repeats a request after 429 if the wait is short.
//
// The package knows neither the purpose of a request, nor the source of the token, nor
// the meaning of an error for a user.
package tenantapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/prover"
)

// Version is the version of this module that requests name in User-Agent.
const Version = "0.1.0"

// UserAgent is the value of that header.
const UserAgent = "auth0-go-rp/" + Version

// Do makes one request with an access token, and a proof if the token is bound to a
// key. It returns the response, whatever its status. It sends a body other than nil as
// JSON. The error is [ErrUnsendable] or an error of [fetch.Do].
func Do(ctx context.Context, client *http.Client, token prover.Credential, method, target string, query url.Values, body any) (*fetch.Response, error) {
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, ErrUnsendable
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, target, content)
	if err != nil {
		return nil, ErrUnsendable
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Accept", "application/json")
	return token.Do(client, r)
}

// Decode decodes the body of a successful response into out, unless out is nil. The
// error is an [*Error] if the status is not 2xx, and else [ErrUnexpectedJSON].
func Decode(resp *fetch.Response, out any) error {
	if resp.Status < 200 || resp.Status > 299 {
		return ParseError(resp.Status, resp.Header, resp.Body)
	}
	if out != nil && json.Unmarshal(resp.Body, out) != nil {
		return resp.NotJSON()
	}
	return nil
}

// Tokens supplies the access tokens of an [API].
type Tokens interface {
	// Token returns a valid token, from a cache if possible.
	Token(context.Context) (string, error)
	// Renew requests a new token and returns it. It returns the cached token if that is
	// not older than age, or if it cannot get another one.
	Renew(ctx context.Context, age time.Duration) (string, error)
}

// An API is the Management API of a tenant.
type API struct {
	Client *http.Client
	Base   string // URL of the tenant, with a slash at the end
	Tokens Tokens
}

// Get reads one document into out. If the API rejects the token with 401, Get tries
// once more with a new one: the application may have been granted more scopes since.
func (a *API) Get(ctx context.Context, path string, query url.Values, out any) error {
	resp, _, err := a.send(ctx, http.MethodGet, path, query, nil)
	if err != nil {
		return err
	}
	return Decode(resp, out)
}

// Call makes one request and decodes the response into out, unless out is nil. It sends
// a request again only if the API rejected it before doing anything: with 401 or
// insufficient_scope, because of the token, and with 429. A token can be a day old, and
// the application may have been granted more scopes in the meantime.
func (a *API) Call(ctx context.Context, method, path string, query url.Values, body, out any) error {
	// A younger token was very probably issued after the last change of its scopes.
	// Without this limit each call would cost a token request.
	const young = time.Minute
	resp, used, err := a.sendInTurn(ctx, method, path, query, body)
	if err == nil && resp.Status == http.StatusForbidden && ParseError(resp.Status, resp.Header, resp.Body).Code == codeInsufficientScope {
		if token, renewErr := a.Tokens.Renew(ctx, young); renewErr == nil && token != used {
			resp, _, err = a.sendInTurn(ctx, method, path, query, body)
		}
	}
	if err != nil {
		return err
	}
	return Decode(resp, out)
}

// sendInTurn sends a request again after 429, at most twice, if the tenant accepts it
// within three seconds and ctx allows the wait.
func (a *API) sendInTurn(ctx context.Context, method, path string, query url.Values, body any) (*fetch.Response, string, error) {
	const again, soon = 2, 3 * time.Second
	for n := 0; ; n++ {
		resp, token, err := a.send(ctx, method, path, query, body)
		if n == again || err != nil || resp.Status != http.StatusTooManyRequests {
			return resp, token, err
		}
		wait := fetch.RetryAfter(resp.Header, time.Now())
		if deadline, ok := ctx.Deadline(); wait == 0 || wait > soon || ok && time.Until(deadline) <= wait {
			return resp, token, nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return resp, token, nil
		}
	}
}

// send adds a token to a request. It replaces the token once if the API rejects it.
// It returns the token of the last attempt.
func (a *API) send(ctx context.Context, method, path string, query url.Values, body any) (*fetch.Response, string, error) {
	token, err := a.Tokens.Token(ctx)
	if err != nil {
		return nil, "", noToken(err)
	}
	resp, err := a.attempt(ctx, method, path, query, body, token)
	if err == nil && resp.Status == http.StatusUnauthorized {
		if token, err = a.replace(ctx, token); err != nil {
			return nil, "", noToken(err)
		}
		resp, err = a.attempt(ctx, method, path, query, body, token)
	}
	return resp, token, err
}

// replace returns another token than the rejected one. Of many callers with the same
// token, one requests a new one.
func (a *API) replace(ctx context.Context, rejected string) (string, error) {
	if token, err := a.Tokens.Token(ctx); err != nil || token != rejected {
		return token, err
	}
	return a.Tokens.Renew(ctx, 0)
}

func noToken(err error) error { return fmt.Errorf("no token for the Management API: %w", err) }

func (a *API) attempt(ctx context.Context, method, path string, query url.Values, body any, token string) (*fetch.Response, error) {
	if method == http.MethodGet {
		// A page may wait for the response. Other requests have no limit here: the
		// result of an interrupted change would be unknown.
		const perCall = 3 * time.Second
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, fetch.Limit(a.Client, perCall, 1))
		defer cancel()
	}
	return Do(ctx, a.Client, prover.Credential{Token: token}, method, a.Base+"api/v2/"+path, query, body)
}
