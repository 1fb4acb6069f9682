package management_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/seed-15d5a55c/auth0/internal/emulator"
	"github.com/seed-15d5a55c/auth0/management"
)

// A roundTrip answers requests.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A source is a token source without further methods.
type source func() (*oauth2.Token, error)

func (f source) Token() (*oauth2.Token, error) { return f() }

func static(token string) oauth2.TokenSource {
	return oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})
}

// answering returns an API whose tenant is the handler.
func answering(domain string, s oauth2.TokenSource, handler http.HandlerFunc) *management.API {
	return must(management.New(domain, s, management.WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		handler(w, r)
		return w.Result(), r.Context().Err()
	})})))
}

// TestDomains: each spelling of a domain leads to its URL.
func TestDomains(t *testing.T) {
	for domain, want := range map[string]string{
		"acme.eu.auth0.com": "https://acme.eu.auth0.com/api/v2/", "ACME.Auth0.example": "https://acme.auth0.example/api/v2/",
		"https://acme.auth0.example": "https://acme.auth0.example/api/v2/", "https://acme.auth0.example:8443/": "https://acme.auth0.example:8443/api/v2/",
		"http://127.0.0.1:4000/": "http://127.0.0.1:4000/api/v2/", "http://localhost:4000": "http://localhost:4000/api/v2/",
	} {
		var asked string
		api := answering(domain, static("t"), func(w http.ResponseWriter, r *http.Request) {
			asked = r.URL.String()
			if r.Header.Get("Authorization") != "Bearer t" || !strings.HasPrefix(r.UserAgent(), "auth0-go-rp/") {
				t.Errorf("headers %v", r.Header)
			}
		})
		if err := api.DeleteConnection(t.Context(), "con_1"); err != nil || asked != want+"connections/con_1" {
			t.Errorf("%s: %s, %v", domain, asked, err)
		}
	}
	for _, domain := range []string{
		"", " ", "localhost", "acme", "10.0.0.1", "acme.auth0.example/", "acme.auth0.example/api", "acme.auth0.example:443", "user@acme.auth0.example", "acme.auth0.example\n", "acme..example", "[::1]",
		"http://acme.auth0.example", "https://", "https://a.example/api/v2/", "https://a.example?x", "https://a.example#x", "https://user:SECRET@a.example", "https://user:SECRET@a.example/x", "ftp://a.example", "https://a b.example",
	} {
		api, err := management.New(domain, static("t"))
		if err == nil || api != nil || strings.Contains(err.Error(), "SECRET") || !strings.HasPrefix(err.Error(), "management: the domain ") {
			t.Errorf("%q: %v", domain, err)
		}
	}
	if _, err := management.New(tenantHost, nil); err == nil {
		t.Error("no source is accepted")
	}
	if _, err := management.New(tenantHost, static("t"), nil, management.WithHTTPClient(nil)); err != nil {
		t.Errorf("nil for the default: %v", err)
	}
}

// TestIDs: the package rejects an id that would name another document.
func TestIDs(t *testing.T) {
	api := answering(tenantHost, static("t"), func(w http.ResponseWriter, r *http.Request) { t.Errorf("%s %s", r.Method, r.URL) })
	for _, id := range []string{"", ".", ".."} {
		_, read := api.OAuth2Connection(t.Context(), id)
		_, updated := api.UpdateOAuth2Connection(t.Context(), id, func(*management.OAuth2Connection) { t.Error("edit was called") })
		_, token := api.IdentityProviderToken(t.Context(), id, "github")
		for _, err := range []error{read, updated, token, api.DeleteConnection(t.Context(), id), api.EnableConnection(t.Context(), id, "c"), api.DisableConnection(t.Context(), id, "c")} {
			if !errors.Is(err, management.ErrInvalid) {
				t.Errorf("%q: %v", id, err)
			}
		}
	}
	if err := api.EnableConnection(t.Context(), "con_1"); !errors.Is(err, management.ErrInvalid) {
		t.Errorf("no application: %v", err)
	}
}

// TestOtherStrategy: the package reads only custom OAuth2 connections.
func TestOtherStrategy(t *testing.T) {
	api := answering(tenantHost, static("t"), func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"id":"con_1","name":"google","strategy":"google-oauth2"}`)
	})
	if _, err := api.OAuth2Connection(t.Context(), "con_1"); !errors.Is(err, management.ErrInvalid) {
		t.Errorf("%v", err)
	}
	_, err := api.UpdateOAuth2Connection(t.Context(), "con_1", func(*management.OAuth2Connection) { t.Error("edit was called") })
	if !errors.Is(err, management.ErrInvalid) {
		t.Errorf("%v", err)
	}
}

// TestEndlessPages: the list ends after fifty pages.
func TestEndlessPages(t *testing.T) {
	n := 0
	api := answering(tenantHost, static("t"), func(w http.ResponseWriter, r *http.Request) {
		n++
		fmt.Fprintf(w, `{"connections":[],"next":"p%d"}`, n)
	})
	if _, err := api.OAuth2Connections(t.Context()); err == nil || n != 50 {
		t.Errorf("%d pages, %v", n, err)
	}
}

// TestPlainSource: after 401, the API asks a source without Renew again. For a missing
// scope it repeats the request only with another token.
func TestPlainSource(t *testing.T) {
	for _, status := range []int{401, 403} {
		for name, tokens := range map[string][]string{"the same": {"a", "a"}, "another": {"a", "b"}} {
			asked, requests := 0, 0
			api := answering(tenantHost, source(func() (*oauth2.Token, error) {
				asked++
				return &oauth2.Token{AccessToken: tokens[min(asked, 2)-1]}, nil
			}), func(w http.ResponseWriter, r *http.Request) {
				requests++
				if r.Header.Get("Authorization") != "Bearer b" {
					w.WriteHeader(status)
					io.WriteString(w, `{"errorCode":"insufficient_scope","message":"Insufficient scope, expected any of: delete:connections"}`)
				}
			})
			err := api.DeleteConnection(t.Context(), "con_1")
			want := 2
			if status == 403 && name == "the same" {
				want = 1
			}
			if (err == nil) != (name == "another") || requests != want {
				t.Errorf("%d, %s: %d requests, %v", status, name, requests, err)
			}
			if err != nil && status == 403 && err.Error() != `management: the tenant answered 403, "insufficient_scope": "Insufficient scope, expected any of: delete:connections"; the token lacks the scope delete:connections` {
				t.Errorf("text %s", err)
			}
		}
	}
}

// TestNoToken: an error of the source decides the status and the reason.
func TestNoToken(t *testing.T) {
	for _, tt := range []struct {
		name string
		got  func() (*oauth2.Token, error)
		kind error
		want management.Error
	}{
		{"broken", func() (*oauth2.Token, error) { return nil, errBroken }, errBroken, management.Error{}},
		{"nil", func() (*oauth2.Token, error) { return nil, nil }, nil, management.Error{}},
		{"empty", func() (*oauth2.Token, error) { return &oauth2.Token{}, nil }, nil, management.Error{}},
		{"bound to a key", func() (*oauth2.Token, error) { return &oauth2.Token{AccessToken: "a", TokenType: "DPoP"}, nil }, nil, management.Error{}},
		{"canceled", func() (*oauth2.Token, error) { return nil, context.Canceled }, context.Canceled, management.Error{}},
		{"timeout", func() (*oauth2.Token, error) { return nil, context.DeadlineExceeded }, management.ErrUnavailable, management.Error{}},
	} {
		api := answering(tenantHost, source(tt.got), func(w http.ResponseWriter, r *http.Request) { t.Error("a request without a token") })
		err := api.DeleteConnection(t.Context(), "con_1")
		e := asError(t, err)
		if e.Status != 0 || e.Code != "" || tt.kind != nil && !errors.Is(err, tt.kind) || errors.Is(err, management.ErrUnavailable) != (tt.kind == management.ErrUnavailable) || !strings.Contains(err.Error(), "no token for the Management API") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestClientCredentials takes the tokens from package clientcredentials.
func TestClientCredentials(t *testing.T) {
	e := newEnv(t)
	e.allow(writeScopes...)
	config := clientcredentials.Config{
		ClientID: testClientID, ClientSecret: "client-secret-SECRET", TokenURL: "https://" + tenantHost + "/oauth/token",
		EndpointParams: map[string][]string{"audience": {apiAudience}}, AuthStyle: oauth2.AuthStyleInParams,
	}
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, e.cfg.HTTPClient)
	api := must(management.New(tenantHost, config.TokenSource(ctx), management.WithHTTPClient(e.cfg.HTTPClient)))
	if list, err := api.OAuth2Connections(t.Context()); err != nil || len(list) == 0 {
		t.Errorf("%d connections, %v", len(list), err)
	}
	for _, tt := range []struct {
		status int
		body   string
		code   string
		kind   error
	}{
		{401, `{"error":"access_denied","error_description":"Unauthorized","client_secret":"client-secret-SECRET"}`, "access_denied", nil},
		{429, `{"error":"too_many_requests","error_description":"SECRETS are not here"}`, "too_many_requests", management.ErrUnavailable},
		{503, `<html>client-secret-SECRET`, "", management.ErrUnavailable},
	} {
		e.tenant.Replace(emulator.Token, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "9")
			w.WriteHeader(tt.status)
			io.WriteString(w, tt.body)
		})
		api := must(management.New(tenantHost, config.TokenSource(ctx), management.WithHTTPClient(e.cfg.HTTPClient)))
		err := api.DeleteConnection(t.Context(), "con_1")
		if got := asError(t, err); got.Status != tt.status || got.Code != tt.code || got.RetryAfter != 9*time.Second || errors.Is(err, management.ErrUnavailable) != (tt.kind != nil) || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, got.Err), "client-secret-SECRET") {
			t.Errorf("%d: %+v", tt.status, got)
		}
	}
	// The same with the source of the root package.
	err := e.fresh().DeleteConnection(t.Context(), "con_1")
	if got := asError(t, err); got.Status != 503 || !errors.Is(err, management.ErrUnavailable) {
		t.Errorf("503 of the token endpoint: %+v", got)
	}
	nobody := &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, errBroken })}
	api = must(management.New(tenantHost, config.TokenSource(context.WithValue(t.Context(), oauth2.HTTPClient, nobody))))
	if err := api.DeleteConnection(t.Context(), "con_1"); !errors.Is(err, management.ErrUnavailable) {
		t.Errorf("no token endpoint: %v", err)
	}
	api = must(management.New(tenantHost, static("t"), management.WithHTTPClient(nobody)))
	if err := api.DeleteConnection(t.Context(), "con_1"); !errors.Is(err, management.ErrUnavailable) || asError(t, err).Status != 0 {
		t.Errorf("no API: %v", err)
	}
}

// TestSlowSource: a caller waits for a token no longer than its context allows.
func TestSlowSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := answering(tenantHost, source(func() (*oauth2.Token, error) {
			time.Sleep(time.Minute)
			return nil, errBroken
		}), func(w http.ResponseWriter, r *http.Request) { t.Error("a request") })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if err := api.DeleteConnection(ctx, "con_1"); !errors.Is(err, management.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		if err := api.DeleteConnection(ctx, "con_1"); !errors.Is(err, context.Canceled) || errors.Is(err, management.ErrUnavailable) {
			t.Errorf("%v", err)
		}
		time.Sleep(time.Minute) // when the source has returned
	})
}

// TestTenantTexts: a text of a tenant cannot break a log line.
func TestTenantTexts(t *testing.T) {
	api := answering(tenantHost, static("t"), func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(400)
		fmt.Fprintf(w, `{"errorCode":"a\nb","message":"x\ny\u001b%s"}`, strings.Repeat("é", 400))
	})
	err := api.DeleteConnection(t.Context(), "con_1")
	if got := asError(t, err); got.Code != "unknown_error" || !strings.HasPrefix(got.Description, "x?y?é") || len(got.Description) > 300 || strings.ContainsAny(err.Error(), "\n\x1b") || got.Unwrap() == nil {
		t.Errorf("%q, %q, %q", got.Code, got.Description, err)
	}
}

// TestTokensDoNotPrint: package fmt does not reach the source of an API, even inside
// another value.
func TestTokensDoNotPrint(t *testing.T) {
	type holder struct{ api any }
	api := must(management.New(tenantHost, secretSource{"CANARY"}))
	for _, v := range []any{api, *api, holder{api}, &holder{*api}, []any{api}} {
		for _, verb := range "vsdqxXtbceEfFgGoUT" {
			for _, flag := range []string{"", "+", "#"} {
				if text := fmt.Sprintf("%"+flag+string(verb), v); strings.Contains(text, "CANARY") || strings.Contains(text, fmt.Sprintf("%x", "CANARY")) {
					t.Errorf("%%%s%c of %T: %s", flag, verb, v, text)
				}
			}
		}
	}
}

type secretSource struct{ token string }

func (s secretSource) Token() (*oauth2.Token, error) { return &oauth2.Token{AccessToken: s.token}, nil }
