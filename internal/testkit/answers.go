package testkit

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// An Answer is a complete expected response. The challenge has a line for each
// WWW-Authenticate header.
type Answer struct {
	Status          int
	Challenge, Body string
}

// The answers of an API. They are written out, so that an error in the library cannot
// repeat itself here.
var (
	AnswerOK           = Answer{200, "", "for members"}
	AnswerNoToken      = Answer{401, `Bearer realm="api"`, `{"error":"unauthorized","error_description":"authentication required"}`}
	AnswerBadHeader    = Answer{400, `Bearer realm="api", error="invalid_request", error_description="malformed Authorization header"`, `{"error":"invalid_request","error_description":"malformed Authorization header"}`}
	AnswerMalformed    = Answer{401, `Bearer realm="api", error="invalid_token", error_description="token malformed"`, `{"error":"invalid_token","error_description":"token malformed"}`}
	AnswerWrongType    = Answer{401, `Bearer realm="api", error="invalid_token", error_description="token type not accepted"`, `{"error":"invalid_token","error_description":"token type not accepted"}`}
	AnswerWrongAlg     = Answer{401, `Bearer realm="api", error="invalid_token", error_description="algorithm not accepted"`, `{"error":"invalid_token","error_description":"algorithm not accepted"}`}
	AnswerUnknownKey   = Answer{401, `Bearer realm="api", error="invalid_token", error_description="signing key unknown"`, `{"error":"invalid_token","error_description":"signing key unknown"}`}
	AnswerBadSignature = Answer{401, `Bearer realm="api", error="invalid_token", error_description="signature invalid"`, `{"error":"invalid_token","error_description":"signature invalid"}`}
	AnswerExpired      = Answer{401, `Bearer realm="api", error="invalid_token", error_description="token expired"`, `{"error":"invalid_token","error_description":"token expired"}`}
	AnswerNotYet       = Answer{401, `Bearer realm="api", error="invalid_token", error_description="token not yet valid"`, `{"error":"invalid_token","error_description":"token not yet valid"}`}
	AnswerWrongIssuer  = Answer{401, `Bearer realm="api", error="invalid_token", error_description="issuer not trusted"`, `{"error":"invalid_token","error_description":"issuer not trusted"}`}
	AnswerWrongAud     = Answer{401, `Bearer realm="api", error="invalid_token", error_description="audience not accepted"`, `{"error":"invalid_token","error_description":"audience not accepted"}`}
	AnswerBadClaims    = Answer{401, `Bearer realm="api", error="invalid_token", error_description="token claims invalid"`, `{"error":"invalid_token","error_description":"token claims invalid"}`}
	AnswerBound        = Answer{401, `Bearer realm="api", error="invalid_token", error_description="token is sender-constrained"`, `{"error":"invalid_token","error_description":"token is sender-constrained"}`}
	AnswerForbidden    = Answer{403, "", `{"error":"access_denied","error_description":"claim requirement not met"}`}
	AnswerUnusable     = Answer{500, "", `{"error":"server_error","error_description":"this route is not set up correctly"}`}
	AnswerNoKeys       = Answer{503, "", `{"error":"temporarily_unavailable","error_description":"signing keys unavailable"}`}
)

// AnswerLacks is the answer to a token that lacks one of these scopes or permissions.
func AnswerLacks(scopes string) Answer {
	return Answer{403,
		`Bearer realm="api", error="insufficient_scope", error_description="insufficient scope", scope="` + scopes + `"`,
		`{"error":"insufficient_scope","error_description":"insufficient scope"}`}
}

// Needs is the answer of a guard that needs scopes. Permissions are not named in a 401.
func (a Answer) Needs(scopes string) Answer {
	if a.Status == http.StatusUnauthorized && scopes != "" {
		a.Challenge += `, scope="` + scopes + `"`
	}
	return a
}

// ExpectWhole sends a request and compares the whole answer, its headers too.
func (f *APIEnv) ExpectWhole(t *testing.T, h http.Handler, r *http.Request, want Answer) {
	t.Helper()
	before := f.Served.Load()
	f.Log.Take()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	resp := w.Result()
	if w.Code != want.Status || w.Body.String() != want.Body {
		t.Errorf("got  %d %s\nwant %d %s\nlog: %s", w.Code, w.Body, want.Status, want.Body, f.Log.Take())
	}
	passes := want.Status == http.StatusOK
	headers := map[string][]string{"Www-Authenticate": nil, "Retry-After": nil, "Cache-Control": {"no-store"}, "Content-Type": {"application/json"}}
	if want.Challenge != "" {
		headers["Www-Authenticate"] = strings.Split(want.Challenge, "\n")
	}
	if want.Status == http.StatusServiceUnavailable {
		headers["Retry-After"] = []string{"5"}
	}
	if passes {
		headers["Cache-Control"], headers["Content-Type"] = nil, []string{"text/plain; charset=utf-8"}
	}
	for name, values := range headers {
		if got := resp.Header.Values(name); !slices.Equal(got, values) {
			t.Errorf("%s: got %q, want %q", name, got, values)
		}
	}
	if reached := f.Served.Load() != before; reached != passes {
		t.Errorf("handler reached: %v, want %v", reached, passes)
	}
}

// ExpectToken sends a token to a route that requires any valid token.
func (f *APIEnv) ExpectToken(t *testing.T, token string, want Answer) {
	t.Helper()
	f.ExpectWhole(t, f.API.RequireAuth(f), BearerRequest(token), want)
}

// A TokenCase is one row of a table of tokens: a name for it, the token, and what
// an API must answer to it. It is an alias, so that rows do without field names.
type TokenCase = struct {
	Why, Token string
	Want       Answer
}

// ExpectTokens sends each token in a subtest, and compares the whole answers.
func (f *APIEnv) ExpectTokens(t *testing.T, cases []TokenCase) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.Why, func(t *testing.T) { f.ExpectToken(t, tt.Token, tt.Want) })
	}
}

// A Challenge is a value of WWW-Authenticate.
type Challenge struct {
	Scheme string
	Params map[string]string
}

// ParseChallenge accepts the one form that RFC 6750, Section 3, leaves us: a scheme, a
// space, and parameters with quoted values of its characters, without duplicates. RFC
// 9110, Section 11.6.1, allows much more, which clients read differently.
func ParseChallenge(value string) (Challenge, error) {
	scheme, rest, ok := strings.Cut(value, " ")
	if !ok || !isLetters(scheme) {
		return Challenge{}, errors.New("no scheme")
	}
	c := Challenge{scheme, map[string]string{}}
	for {
		name, after, ok := strings.Cut(rest, `="`)
		if !ok || !isLetters(name) {
			return Challenge{}, fmt.Errorf("no parameter in %q", rest)
		}
		text, after, ok := strings.Cut(after, `"`)
		if !ok || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' || r == '\\' }) {
			return Challenge{}, fmt.Errorf("parameter %s is not quoted as it should be", name)
		}
		if _, twice := c.Params[name]; twice {
			return Challenge{}, fmt.Errorf("parameter %s is there twice", name)
		}
		c.Params[name] = text
		if after == "" {
			return c, nil
		}
		if rest, ok = strings.CutPrefix(after, ", "); !ok {
			return Challenge{}, fmt.Errorf("%q between parameters", after)
		}
	}
}

// isLetters reports whether s is a name: of schemes and parameters we have no
// others.
func isLetters(s string) bool {
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_") == ""
}
