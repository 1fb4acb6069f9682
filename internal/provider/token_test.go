package provider

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/clientauth"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/prover"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
)

// TestTokenRequest: the content of a token request, and its result.
func TestTokenRequest(t *testing.T) {
	t.Parallel()
	c, s := newClient(t, 200, `{"access_token":"a","token_type":"bearer","expires_in":60,"refresh_token":"r","id_token":"i","scope":"x y",
		"recovery_code":"c","issued_token_type":"urn:x","extra":7}`)
	form := GrantForm("refresh_token")
	SetText(form, "scope", "x")
	SetText(form, "audience", "")
	got, err := c.Tokens(t.Context(), prover.Key{}, form)
	if err != nil {
		t.Fatal(err)
	}
	r := s.last()
	if r.URL.String() != "https://tenant.example/oauth/token" ||
		r.PostForm.Encode() != "client_id=client&client_secret=the-secret&grant_type=refresh_token&scope=x" {
		t.Errorf("%s %s", r.URL, r.PostForm.Encode())
	}
	if len(form) != 2 {
		t.Errorf("the form of the caller has changed: %v", form)
	}
	if got.AccessToken != "a" || got.TokenType != "bearer" || got.RefreshToken != "r" || got.IDToken != "i" || *got.Scope != "x y" ||
		got.RecoveryCode != "c" || got.Life() != time.Minute || got.CheckUsable() != nil {
		t.Errorf("%+v", got)
	}
	token := got.Token(at)
	if token.AccessToken != "a" || token.TokenType != "bearer" || token.RefreshToken != "r" || !token.Expiry.Equal(at.Add(time.Minute)) {
		t.Errorf("%+v", token)
	}
	if token.Extra("issued_token_type") != "urn:x" || token.Extra("extra") != 7.0 || token.Extra("id_token") != "i" {
		t.Error("members are missing")
	}
}

// TestRedeem: the request has the prepared credentials, in the form or in the header, and
// goes to their URL.
func TestRedeem(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ method, form, password string }{
		{clientauth.ClientSecretPost, "client_id=client&client_secret=the-secret&code=c&grant_type=authorization_code", ""},
		{clientauth.ClientSecretBasic, "code=c&grant_type=authorization_code", "the-secret"},
	} {
		c, s := newClient(t, 200, `{"access_token":"a","token_type":"Bearer"}`)
		c.Auth = clientauth.WithSecret(tt.method, "the-secret")
		_, credentials, err := c.Authenticate(t.Context(), TokenEndpoint)
		if err != nil {
			t.Fatal(err)
		}
		form := GrantForm("authorization_code")
		form.Set("code", "c")
		if got, err := c.Redeem(t.Context(), prover.Key{}, "https://tenant.example/before", credentials, form); err != nil || got.AccessToken != "a" {
			t.Errorf("%+v, %v", got, err)
		}
		_, password, _ := s.last().BasicAuth()
		if s.last().URL.Path != "/before" || s.last().PostForm.Encode() != tt.form || password != tt.password || len(form) != 2 {
			t.Errorf("%s: %s %s, password %q; the form of the caller is %v", tt.method, s.last().URL, s.last().PostForm.Encode(), password, form)
		}
	}
}

// TestAnyToken: the client sends the header. A token can be useless at an API.
func TestAnyToken(t *testing.T) {
	t.Parallel()
	c, s := newClient(t, 200, `{"access_token":"a","token_type":"N_A"}`)
	header := http.Header{"X-Test": {"1"}}
	got, err := c.AnyToken(t.Context(), prover.Key{}, GrantForm("x"), header)
	if err != nil || got.AccessToken != "a" || s.last().Header.Get("X-Test") != "1" || len(header) != 1 {
		t.Errorf("%+v, %v, %v", got, err, s.last().Header)
	}
	checkRefused(t, "N_A", got.CheckUsable(), refusal.TenantAnswer, `token_type is "N_A", not Bearer`)
	got, err = c.Tokens(t.Context(), prover.Key{}, GrantForm("x"))
	checkRefused(t, "N_A as an access token", err, refusal.TenantAnswer, `token_type is "N_A", not Bearer`)
	if got.AccessToken != "" {
		t.Errorf("%+v beside the refusal", got)
	}
}

// TestTokenResponses: the token responses of each grant, and the member that makes an
// answer unusable.
func TestTokenResponses(t *testing.T) {
	t.Parallel()
	const (
		good          = `"access_token":"a","token_type":"Bearer"`
		tokenAndError = `{"access_token":"a","token_type":"Bearer","error":"invalid_grant"}`
	)
	for _, tt := range []struct {
		body string
		any  string // why AnyToken rejects it, empty if it does not
		api  string // why Tokens and Redeem reject it
		life time.Duration
	}{
		{`{` + good + `}`, "", "", 5 * time.Minute},
		{`{"access_token":"a","token_type":"BEARER"}`, "", "", 5 * time.Minute},
		{`{"access_token":"a","token_type":"n_a"}`, "", `token_type is "n_a"`, 0},
		{`{"access_token":"a","token_type":"Mac"}`, `token_type is "Mac"`, `token_type is "Mac"`, 0},
		{`{"access_token":"a","token_type":"` + strings.Repeat("x", 500) + `"}`, "xxx\", not Bearer", "xxx\", not Bearer", 0},
		{`{"access_token":"a","token_type":["Bearer"]}`, "token_type is not a text", "token_type is not a text", 0},
		{`{"access_token":"a"}`, `token_type is ""`, `token_type is ""`, 0},
		{`{"access_token":"","token_type":"Bearer"}`, "no access_token", "no access_token", 0},
		{`{"token_type":"Bearer"}`, "no access_token", "no access_token", 0},
		{`{"Access_Token":"a","token_type":"Bearer"}`, "no access_token", "no access_token", 0},
		{`{"access_token":1,"token_type":"Bearer"}`, "access_token is not a text", "access_token is not a text", 0},
		{`{` + good + `,"refresh_token":{}}`, "refresh_token is not a text", "refresh_token is not a text", 0},
		{`{` + good + `,"id_token":7}`, "id_token is not a text", "id_token is not a text", 0},
		{`{` + good + `,"scope":["a"]}`, "scope is not a text", "scope is not a text", 0},
		{`{` + good + `,"recovery_code":true}`, "recovery_code is not a text", "recovery_code is not a text", 0},
		{`{` + good + `,"refresh_token":null,"scope":null,"expires_in":null}`, "", "", 5 * time.Minute},
		{`{` + good + `,"error":"a note"}`, "", "", 5 * time.Minute},
		{`["access_token"]`, "other members or types", "other members or types", 0},
		{`null`, "other members or types", "other members or types", 0},
		{`<html>`, "HTML or XML", "HTML or XML", 0},
		{``, "empty", "empty", 0},

		{`{` + good + `,"expires_in":3600}`, "", "", time.Hour},
		{`{` + good + `,"expires_in":"3600"}`, "", "", time.Hour},
		{`{` + good + `,"expires_in":"0.5"}`, "", "", 500 * time.Millisecond},
		{`{` + good + `,"expires_in":3600000000000}`, "", "", 365 * 24 * time.Hour}, // nanoseconds
		{`{` + good + `,"expires_in":"3600000000000"}`, "", "", 365 * 24 * time.Hour},
		{`{` + good + `,"expires_in":"1e999"}`, "", "", 365 * 24 * time.Hour},
		{`{` + good + `,"expires_in":0}`, "", "", 5 * time.Minute},
		{`{` + good + `,"expires_in":-1}`, "", "", 5 * time.Minute},
		{`{` + good + `,"expires_in":"-1"}`, "", "", 5 * time.Minute},
		{`{` + good + `,"expires_in":"soon"}`, "expires_in is a text", "expires_in is a text", 0},
		{`{` + good + `,"expires_in":"0x10"}`, "expires_in", "expires_in", 0},
		{`{` + good + `,"expires_in":"inf"}`, "expires_in", "expires_in", 0},
		{`{` + good + `,"expires_in":""}`, "expires_in", "expires_in", 0},
		{`{` + good + `,"expires_in":true}`, "expires_in", "expires_in", 0},
	} {
		c, _ := newClient(t, 200, tt.body)
		target, credentials, err := c.Authenticate(t.Context(), TokenEndpoint)
		if err != nil {
			t.Fatal(err)
		}
		for name, send := range map[string]func() (TokenResponse, error){
			"AnyToken": func() (TokenResponse, error) { return c.AnyToken(t.Context(), prover.Key{}, GrantForm("x"), nil) },
			"Tokens":   func() (TokenResponse, error) { return c.Tokens(t.Context(), prover.Key{}, GrantForm("x")) },
			"Redeem": func() (TokenResponse, error) {
				return c.Redeem(t.Context(), prover.Key{}, target, credentials, GrantForm("x"))
			},
		} {
			want := tt.api
			if name == "AnyToken" {
				want = tt.any
			}
			got, err := send()
			if want != "" {
				checkRefused(t, name+" "+tt.body, err, refusal.TenantAnswer, want)
				if err != nil && len(err.Error()) > 250 || got.AccessToken != "" {
					t.Errorf("%s %s: %+v, %v", name, tt.body, got, err)
				}
			} else if err != nil || got.AccessToken != "a" || tt.life != 0 && got.Life() != tt.life {
				t.Errorf("%s %s: %+v, %v", name, tt.body, got, err)
			}
		}
	}
	for status, body := range map[int]string{
		200: `{"error":"invalid_grant"}`, // some servers do not send 400
		201: tokenAndError, 204: tokenAndError, 302: tokenAndError, 400: tokenAndError, 500: tokenAndError,
	} {
		c, s := newClient(t, status, body)
		s.header.Set("Retry-After", "3")
		got, err := c.Tokens(t.Context(), prover.Key{}, GrantForm("x"))
		if e, ok := err.(tenanterror.Error); !ok || e.Status != status || e.Code != "invalid_grant" || e.Wait != 3*time.Second ||
			got.AccessToken != "" {
			t.Errorf("%d: %v", status, err)
		}
		s.last() // the client sends one request
	}
	c, s := newClient(t, 200, "")
	s.err = errors.New("no route")
	if _, err := c.Tokens(t.Context(), prover.Key{}, GrantForm("x")); err == nil || !strings.Contains(err.Error(), "no route") {
		t.Errorf("%v", err)
	}
	s.last()
}

// TestLife: a token of unknown life serves five minutes, and no life is longer than a year.
func TestLife(t *testing.T) {
	t.Parallel()
	const year = 365 * 24 * 60 * 60
	for seconds, want := range map[float64]time.Duration{
		-1: 5 * time.Minute, 0: 5 * time.Minute, 0.5: 500 * time.Millisecond, 1: time.Second, 86400: 24 * time.Hour,
		year: 365 * 24 * time.Hour, year + 1: 365 * 24 * time.Hour, 1e300: 365 * 24 * time.Hour,
	} {
		got := TokenResponse{ExpiresIn: seconds}
		if got.Life() != want {
			t.Errorf("%v: %v, want %v", seconds, got.Life(), want)
		}
		// Package oauth2 takes 0 for unknown. The session then asks for a new token.
		if token := got.Token(at); token.ExpiresIn != max(1, int64(want.Seconds())) || !token.Expiry.Equal(at.Add(want)) {
			t.Errorf("%v: %d, %v", seconds, token.ExpiresIn, token.Expiry)
		}
	}
}

// TestNoJSON: the error describes the answer in place of a token response, and quotes
// nothing.
func TestNoJSON(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"<html>SECRET": "HTML or XML", "": "empty", "\x1f\x8bSECRET": "gzip", `["SECRET"]`: "other members or types",
		`{"access_token":["SECRET"]}`:                                             "access_token is not a text",
		`{"access_token":"SECRET","token_type":"Bearer","expires_in":"SECRET"}`:   "expires_in is a text and not a number",
		`{"access_token":"SECRET","token_type":"Bearer","expires_in":["SECRET"]}`: "expires_in is not a number",
	} {
		c, _ := newClient(t, 200, body)
		_, err := c.Tokens(t.Context(), prover.Key{}, GrantForm("x"))
		checkRefused(t, body, err, refusal.TenantAnswer, want)
		if err != nil && strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%q: %v", body, err)
		}
	}
}

// TestLateAnswer: the life of a token counts from the request, by the wall clock. A frozen
// process can read the answer long after the tenant has issued it.
func TestLateAnswer(t *testing.T) {
	t.Parallel()
	for took, want := range map[time.Duration]time.Duration{
		0: 10 * time.Minute, time.Second: 10*time.Minute - time.Second, 9 * time.Minute: time.Minute, time.Hour: 0, -time.Hour: 10 * time.Minute,
	} {
		c, _ := newClient(t, 200, `{"access_token":"a","token_type":"Bearer","expires_in":600}`)
		now := at
		c.Now = func() time.Time { defer func() { now = at.Add(took) }(); return now }
		c.HTTP = &http.Client{Transport: c.HTTP.Transport}
		got, err := c.Tokens(t.Context(), prover.Key{}, GrantForm("x"))
		if err != nil || got.Life() != want || !got.Token(at).Expiry.Equal(at.Add(want)) {
			t.Errorf("after %v: %v, %v", took, got.Life(), err)
		}
	}
}

// TestRepeatable: the requests that package net/http may send again after a closed
// connection. A code or a refresh token is good for one use, and a message goes out once.
func TestRepeatable(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		send func(context.Context, *Client) error
		want bool
	}{
		"client credentials": {func(ctx context.Context, c *Client) error {
			return second(c.Tokens(ctx, prover.Key{}, GrantForm("client_credentials")))
		}, true},
		"pushed request": {func(ctx context.Context, c *Client) error { return second(c.Push(ctx, url.Values{})) }, true},
		"revocation":     {func(ctx context.Context, c *Client) error { return c.Revoke(ctx, "x") }, true},
		"code": {func(ctx context.Context, c *Client) error {
			return second(c.Tokens(ctx, prover.Key{}, GrantForm("authorization_code")))
		}, false},
		"refresh": {func(ctx context.Context, c *Client) error {
			return second(c.Tokens(ctx, prover.Key{}, GrantForm("refresh_token")))
		}, false},
		"any token": {func(ctx context.Context, c *Client) error {
			return second(c.AnyToken(ctx, prover.Key{}, GrantForm("x"), nil))
		}, false},
		"message": {func(ctx context.Context, c *Client) error { return second(c.PostJSON(ctx, "x", map[string]any{}, nil)) }, false},
	} {
		c, s := newClient(t, 200, `{"access_token":"a","token_type":"Bearer"}`)
		c.Tenant.Discovered = document(discovery.Metadata{Issuer: issuer, PAREndpoint: issuer + "par"}, nil)
		if err := tt.send(t.Context(), c); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r := s.last()
		if _, marked := r.Header["Idempotency-Key"]; marked != tt.want || r.GetBody == nil {
			t.Errorf("%s: may be sent again: %v", name, marked)
		}
	}
}

// TestGranted: an answer without a scope grants the requested one.
func TestGranted(t *testing.T) {
	t.Parallel()
	less, none := "a", ""
	for _, tt := range []struct {
		scope *string
		want  string
	}{{nil, "a b"}, {&less, "a"}, {&none, ""}} {
		if got := (TokenResponse{Scope: tt.scope}).Granted("a b"); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// TestPostJSON: the client authenticates in the body, or in the header.
func TestPostJSON(t *testing.T) {
	t.Parallel()
	c, s := newClient(t, 200, `{"a":1}`)
	body := map[string]any{"connection": "email", "client_id": "another"}
	resp, err := c.PostJSON(t.Context(), "passwordless/start", body, http.Header{"X-Test": {"1"}})
	if err != nil || string(resp.Body) != `{"a":1}` {
		t.Fatalf("%v, %v", resp, err)
	}
	r := s.last()
	if r.Method != "POST" || r.URL.String() != "https://tenant.example/passwordless/start" ||
		r.Header.Get("Content-Type") != "application/json" ||
		r.Header.Get("Accept") != "application/json" || r.Header.Get("X-Test") != "1" ||
		r.Header.Get("Body") != `{"client_id":"client","client_secret":"the-secret","connection":"email"}` {
		t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
	}
	if len(body) != 2 || body["client_id"] != "another" {
		t.Errorf("the body of the caller has changed: %v", body)
	}

	c, s = newClient(t, 200, `{}`)
	c.Auth = clientauth.WithSecret(clientauth.ClientSecretBasic, "the-secret")
	if _, err := c.PostJSON(t.Context(), "x", map[string]any{}, nil); err != nil {
		t.Fatal(err)
	}
	if _, secret, _ := s.last().BasicAuth(); secret != "the-secret" || s.last().Header.Get("Body") != `{"client_id":"client"}` {
		t.Errorf("%q, %s", secret, s.last().Header.Get("Body"))
	}
}

// TestPostJSONErrors: everything but 200 is an error, and so is a body without JSON.
func TestPostJSONErrors(t *testing.T) {
	t.Parallel()
	for _, status := range []int{201, 302, 400, 503} {
		c, s := newClient(t, status, `{"error":"bad.email"}`)
		if e, ok := tenanterror.Of(second(c.PostJSON(t.Context(), "x", map[string]any{}, nil))); !ok || e.Status != status ||
			e.Code != "bad.email" {
			t.Errorf("%d: %+v", status, e)
		}
		s.last()
	}
	c, s := newClient(t, 200, `{}`)
	s.err = errors.New("no route")
	if err := second(c.PostJSON(t.Context(), "x", map[string]any{}, nil)); err == nil || !strings.Contains(err.Error(), "no route") {
		t.Errorf("%v", err)
	}
	c, s = newClient(t, 200, `{}`)
	if err := second(c.PostJSON(t.Context(), "x", map[string]any{"a": func() {}}, nil)); err == nil ||
		err.Error() != "the request cannot be encoded" || len(s.requests) > 0 {
		t.Errorf("%v", err)
	}
	c.Tenant.Static.TokenEndpoint = ""
	if err := second(c.PostJSON(t.Context(), "x", map[string]any{}, nil)); !errors.Is(err, ErrNoEndpoint) || len(s.requests) > 0 {
		t.Errorf("%v", err)
	}
}

func second[T any](_ T, err error) error { return err }

// TestCredentialsFail: the client sends nothing without credentials.
func TestCredentialsFail(t *testing.T) {
	t.Parallel()
	c, s := newClient(t, 200, `{}`)
	c.Auth = unsigned(t)
	_, tokens := c.Tokens(t.Context(), prover.Key{}, GrantForm("x"))
	_, push := c.Push(t.Context(), url.Values{})
	for why, err := range map[string]error{"tokens": tokens, "revocation": c.Revoke(t.Context(), "x"),
		"JSON": second(c.PostJSON(t.Context(), "x", nil, nil))} {
		checkRefused(t, why, err, refusal.NoCredential, "the key does not sign")
	}
	if push == nil || len(s.requests) > 0 {
		t.Errorf("%v, %d requests", push, len(s.requests))
	}
}

// TestMembers: the members of an answer equal those of encoding/json.
func TestMembers(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{}`, ` {"access_token" : "a" , "expires_in":86400} `, `{"a":true,"b":false,"c":null,"d":"","e":0,"f":1.5e3}`,
		`{"a":-0,"b":-1}`, `{"a":{"b":[1,"x",null]},"c":[]}`, `{"a":"1","a":"2"}`, `{"a":null,"a":"2"}`, `{"a":1e999}`,
		`{"a":"\u00e9\n\/"}`, `{"\u0061":"x"}`, `{"a":"\ud800"}`, "{\"a\":\"\xff\"}", `{"A":"x","a":"y"}`, `{"a":12345678901234567890}`,
		``, `null`, `[]`, `"x"`, `{"a":1`, `{"a":1} x`, `{"a":01}`, `{"a":nul}`, `{"a":truth}`, "\xef\xbb\xbf{}",
	} {
		var want map[string]any
		if json.Unmarshal([]byte(body), &want) != nil {
			want = nil
		}
		if got := membersOf([]byte(body)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, want %#v", body, got, want)
		}
	}
}

// FuzzMembers looks for a body that membersOf and encoding/json read differently.
func FuzzMembers(f *testing.F) {
	for _, body := range []string{
		`{"access_token":"a","expires_in":86400,"x":null,"b":true,"n":1.5e3}`, `{"a":"1","\u0061":"2"}`, `{"a":-0,"A":1e999}`,
		"{\"a\":\"\xff\"}", `{"a":"\ud800"}`, `{"a":123456789012345678901}`, `{"a":{"b":[1]}} `, `null`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var want map[string]any
		if json.Unmarshal([]byte(body), &want) != nil {
			want = nil
		}
		if got := membersOf([]byte(body)); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %#v, want %#v", body, got, want)
		}
	})
}
