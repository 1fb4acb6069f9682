package api_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// apiStepUp is the answer of RFC 9470, Section 3.
func apiStepUp(parameters string) testkit.Answer {
	return testkit.Answer{Status: 401,
		Challenge: `Bearer realm="api", error="insufficient_user_authentication", error_description="stronger authentication required", ` + parameters,
		Body:      `{"error":"insufficient_user_authentication","error_description":"stronger authentication required"}`}
}

func TestRequireAny(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	for _, tt := range []struct {
		why    string
		h      http.Handler
		needs  string // in the challenge of a 401
		claims testkit.Object
		want   testkit.Answer
	}{
		{"first scope", f.API.RequireAnyScope("read:m", "admin")(f), "read:m admin", testkit.GoodClaims(testkit.Noon), testkit.AnswerOK},
		{"second scope", f.API.RequireAnyScope("admin", "read:m")(f), "admin read:m", testkit.GoodClaims(testkit.Noon), testkit.AnswerOK},
		{"the only scope", f.API.RequireAnyScope("read:m")(f), "read:m", testkit.GoodClaims(testkit.Noon), testkit.AnswerOK},
		{"no such scope", f.API.RequireAnyScope("a", "b")(f), "a b", testkit.GoodClaims(testkit.Noon), testkit.AnswerLacks("a b")},
		{"no scope", f.API.RequireAnyScope("a", "b")(f), "a b", testkit.GoodClaims(testkit.Noon).Without("scope"), testkit.AnswerLacks("a b")},
		{"a permission is no scope", f.API.RequireAnyScope("del:m")(f), "del:m", testkit.GoodClaims(testkit.Noon), testkit.AnswerLacks("del:m")},
		{"first permission", f.API.RequireAnyPermission("del:m", "admin")(f), "", testkit.GoodClaims(testkit.Noon), testkit.AnswerOK},
		{"second permission", f.API.RequireAnyPermission("admin", "del:m")(f), "", testkit.GoodClaims(testkit.Noon), testkit.AnswerOK},
		{"no such permission", f.API.RequireAnyPermission("a", "b")(f), "", testkit.GoodClaims(testkit.Noon), testkit.AnswerLacks("a b")},
		{"no permissions", f.API.RequireAnyPermission("del:m")(f), "", testkit.GoodClaims(testkit.Noon).Without("permissions"), testkit.AnswerLacks("del:m")},
		{"a scope is no permission", f.API.RequireAnyPermission("write:m")(f), "", testkit.GoodClaims(testkit.Noon), testkit.AnswerLacks("write:m")},
	} {
		t.Run(tt.why, func(t *testing.T) {
			f.ExpectWhole(t, tt.h, testkit.BearerRequest(testkit.Signed(testkit.GoodHeader, tt.claims)), tt.want)
			f.ExpectWhole(t, tt.h, testkit.RequestWith(), testkit.AnswerNoToken.Needs(tt.needs))
			f.ExpectWhole(t, tt.h, testkit.BearerRequest(testkit.Signed(testkit.GoodHeader, tt.claims.Set("exp", testkit.NoonPlus(-60)))), testkit.AnswerExpired.Needs(tt.needs))
		})
	}
}

func TestRequireOrganization(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	refused := apiRefused("organization not allowed")
	h := f.API.RequireOrganization("org_1", "org_2")(f)
	for _, tt := range []struct {
		org  string // empty for none
		want testkit.Answer
	}{
		{`"org_1"`, testkit.AnswerOK},
		{`"org_2"`, testkit.AnswerOK},
		{`"org_3"`, refused},
		{`"ORG_1"`, refused},
		{`"org_1 "`, refused},
		{`"org_"`, refused},
		{`""`, refused},
		{"", refused},
	} {
		t.Run(tt.org, func(t *testing.T) {
			claims := testkit.WithClaim("org_name", `"org_1"`) // names do not count
			if tt.org != "" {
				claims = claims.Set("org_id", tt.org)
			}
			f.ExpectWhole(t, h, testkit.BearerRequest(testkit.Signed(testkit.GoodHeader, claims)), tt.want)
		})
	}
	f.ExpectWhole(t, h, testkit.RequestWith(), testkit.AnswerNoToken)

	ids := []string{"org_1"}
	h = f.API.RequireOrganization(ids...)(f)
	ids[0] = "org_9"
	f.ExpectWhole(t, h, testkit.BearerRequest(testkit.Signed(testkit.GoodHeader, testkit.WithClaim("org_id", `"org_9"`))), refused)
}

func TestRequireStepUp(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	const minutes = 5 * time.Minute
	mfa, fresh := testkit.GoodClaims(testkit.Noon).Set("acr", `"mfa"`), testkit.GoodClaims(testkit.Noon).Set("auth_time", testkit.NoonPlus(-299))
	for _, tt := range []struct {
		why    string
		h      http.Handler
		claims testkit.Object
		want   testkit.Answer
	}{
		{"acr", f.API.RequireStepUp(0, "mfa")(f), mfa, testkit.AnswerOK},
		{"acr, one of two", f.API.RequireStepUp(0, "phr", "mfa")(f), mfa, testkit.AnswerOK},
		{"other acr", f.API.RequireStepUp(0, "mfa")(f), testkit.GoodClaims(testkit.Noon).Set("acr", `"pwd"`), apiStepUp(`acr_values="mfa"`)},
		{"acr in other case", f.API.RequireStepUp(0, "mfa")(f), testkit.GoodClaims(testkit.Noon).Set("acr", `"MFA"`), apiStepUp(`acr_values="mfa"`)},
		{"several words in acr", f.API.RequireStepUp(0, "mfa")(f), testkit.GoodClaims(testkit.Noon).Set("acr", `"mfa pwd"`), apiStepUp(`acr_values="mfa"`)},
		{"empty acr", f.API.RequireStepUp(0, "mfa")(f), testkit.GoodClaims(testkit.Noon).Set("acr", `""`), apiStepUp(`acr_values="mfa"`)},
		{"no acr", f.API.RequireStepUp(0, "phr", "mfa")(f), testkit.GoodClaims(testkit.Noon), apiStepUp(`acr_values="phr mfa"`)},
		{"URL of a policy", f.API.RequireStepUp(0, "http://schemas.openid.net/pape/policies/2007/06/multi-factor")(f), testkit.GoodClaims(testkit.Noon), apiStepUp(`acr_values="http://schemas.openid.net/pape/policies/2007/06/multi-factor"`)},
		{"fresh", f.API.RequireStepUp(minutes)(f), fresh, testkit.AnswerOK},
		{"within leeway", f.API.RequireStepUp(minutes)(f), testkit.GoodClaims(testkit.Noon).Set("auth_time", testkit.NoonPlus(-305)), testkit.AnswerOK},
		{"too old", f.API.RequireStepUp(minutes)(f), testkit.GoodClaims(testkit.Noon).Set("auth_time", testkit.NoonPlus(-306)), apiStepUp(`max_age="300"`)},
		{"no time", f.API.RequireStepUp(minutes)(f), testkit.GoodClaims(testkit.Noon), apiStepUp(`max_age="300"`)},
		{"shortest time", f.API.RequireStepUp(time.Second)(f), testkit.GoodClaims(testkit.Noon), apiStepUp(`max_age="1"`)},
		{"acr, and no time is asked", f.API.RequireStepUp(0, "mfa")(f), mfa.Set("auth_time", "1"), testkit.AnswerOK},
		{"both", f.API.RequireStepUp(minutes, "mfa")(f), fresh.Set("acr", `"mfa"`), testkit.AnswerOK},
		{"both, acr missing", f.API.RequireStepUp(minutes, "mfa")(f), fresh, apiStepUp(`acr_values="mfa", max_age="300"`)},
		{"both, time missing", f.API.RequireStepUp(minutes, "mfa")(f), mfa, apiStepUp(`acr_values="mfa", max_age="300"`)},
		{"both missing", f.API.RequireStepUp(minutes, "mfa")(f), testkit.GoodClaims(testkit.Noon), apiStepUp(`acr_values="mfa", max_age="300"`)},
	} {
		t.Run(tt.why, func(t *testing.T) {
			f.ExpectWhole(t, tt.h, testkit.BearerRequest(testkit.Signed(testkit.GoodHeader, tt.claims)), tt.want)
			f.ExpectWhole(t, tt.h, testkit.RequestWith(), testkit.AnswerNoToken)
		})
	}
	// A claim of the wrong form counts as absent, so the guard rejects it only where it is
	// needed.
	badTime := testkit.BearerRequest(testkit.Signed(testkit.GoodHeader, mfa.Set("auth_time", `"x"`)))
	f.ExpectWhole(t, f.API.RequireStepUp(0, "mfa")(f), badTime, testkit.AnswerOK)
	f.ExpectWhole(t, f.API.RequireStepUp(minutes)(f), badTime, apiStepUp(`max_age="300"`))
	badACR := testkit.BearerRequest(testkit.Signed(testkit.GoodHeader, fresh.Set("acr", `["mfa"]`)))
	f.ExpectWhole(t, f.API.RequireStepUp(minutes)(f), badACR, testkit.AnswerOK)
	f.ExpectWhole(t, f.API.RequireStepUp(0, "mfa")(f), badACR, apiStepUp(`acr_values="mfa"`))
}

// A guard that no token can satisfy is a programming error.
func TestUnusableGuards(t *testing.T) {
	t.Parallel()
	for why, guard := range map[string]func(*auth0.API) func(http.Handler) http.Handler{
		"any of no scopes":         func(a *auth0.API) func(http.Handler) http.Handler { return a.RequireAnyScope() },
		"scope with quotes":        func(a *auth0.API) func(http.Handler) http.Handler { return a.RequireAnyScope("read:m", `a"`) },
		"any of no permissions":    func(a *auth0.API) func(http.Handler) http.Handler { return a.RequireAnyPermission() },
		"permission with a space":  func(a *auth0.API) func(http.Handler) http.Handler { return a.RequireAnyPermission("read:m", "a b") },
		"no organization":          func(a *auth0.API) func(http.Handler) http.Handler { return a.RequireOrganization() },
		"organization without id":  func(a *auth0.API) func(http.Handler) http.Handler { return a.RequireOrganization("org_1", "") },
		"step-up to nothing":       func(a *auth0.API) func(http.Handler) http.Handler { return a.RequireStepUp(0) },
		"step-up in no time":       func(a *auth0.API) func(http.Handler) http.Handler { return a.RequireStepUp(time.Second - 1) },
		"step-up in negative time": func(a *auth0.API) func(http.Handler) http.Handler { return a.RequireStepUp(-time.Minute, "mfa") },
		"step-up in a millisecond": func(a *auth0.API) func(http.Handler) http.Handler { return a.RequireStepUp(time.Millisecond, "mfa") },
		"step-up to an empty way":  func(a *auth0.API) func(http.Handler) http.Handler { return a.RequireStepUp(time.Minute, "") },
		"step-up with quotes":      func(a *auth0.API) func(http.Handler) http.Handler { return a.RequireStepUp(0, `a"b`) },
		"step-up with a space":     func(a *auth0.API) func(http.Handler) http.Handler { return a.RequireStepUp(0, `a b`) },
	} {
		t.Run(why, func(t *testing.T) {
			f := testkit.NewAPIEnv(t)
			h := guard(f.API)(f)
			if log := f.Log.Take(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "level=ERROR") {
				t.Errorf("logged at wiring: %q", log)
			}
			claims := testkit.WithClaim("org_id", `""`).Set("acr", `""`).Set("auth_time", testkit.NoonPlus(0))
			for _, r := range []*http.Request{testkit.RequestWith(), testkit.BearerRequest("abc"), testkit.BearerRequest(testkit.Signed(testkit.GoodHeader, claims))} {
				f.ExpectWhole(t, h, r, testkit.AnswerUnusable)
			}
		})
	}
}

func TestRequire(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	var answer error
	asked := 0
	h := f.API.Require(func(ctx context.Context, token *auth0.Token) error {
		asked++
		if got, ok := auth0.TokenFrom(ctx); !ok || got != token || token.Subject() != "auth0|u" {
			t.Errorf("asked about %v, and the context has %v", token, got)
		}
		return answer
	})(f)
	f.ExpectWhole(t, h, testkit.BearerRequest(testkit.GoodToken()), testkit.AnswerOK)
	for _, answer = range []error{errors.New("SECRET"), auth0.ErrForbidden, auth0.ErrTokenExpired, auth0.ErrNoToken} {
		f.ExpectWhole(t, h, testkit.BearerRequest(testkit.GoodToken()), apiNotAllowed)
		if log := f.Log.Take(); !strings.Contains(log, "reason=forbidden") || !strings.Contains(log, answer.Error()) {
			t.Errorf("the log does not say why: %s", log)
		}
	}
	before := asked
	f.ExpectWhole(t, h, testkit.RequestWith(), testkit.AnswerNoToken)
	f.ExpectWhole(t, h, testkit.BearerRequest("abc"), testkit.AnswerMalformed)
	if asked != before {
		t.Error("asked without a token")
	}
}

// A function decides which actor can act for another user.
func TestRequireActor(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	h := f.API.Require(func(_ context.Context, token *auth0.Token) error {
		actors, err := token.Actors()
		if err == nil && (len(actors) == 0 || actors[0] != "service") {
			err = errors.New("not for the service")
		}
		return err
	})(f)
	for act, want := range map[string]testkit.Answer{
		`{"sub":"service"}`:                       testkit.AnswerOK,
		`{"sub":"service","act":{"sub":"other"}}`: testkit.AnswerOK,
		`{"sub":"other","act":{"sub":"service"}}`: apiNotAllowed,
		`{"client_id":"service"}`:                 apiNotAllowed,
		`"service"`:                               apiNotAllowed,
	} {
		f.ExpectWhole(t, h, testkit.BearerRequest(testkit.Signed(testkit.GoodHeader, testkit.WithClaim("act", act))), want)
	}
	f.ExpectWhole(t, h, testkit.BearerRequest(testkit.GoodToken()), apiNotAllowed)
}

type planClaims struct {
	Plan string `json:"plan"`
}

// valueClaims and pointerClaims differ in the receiver of the method.
type (
	valueClaims   planClaims
	pointerClaims planClaims
)

var errPlan = errors.New("SECRET: the plan does not fit")

func checkPlan(ctx context.Context, plan string) error {
	if _, ok := auth0.TokenFrom(ctx); !ok {
		return errors.New("no token in the context")
	}
	if plan != "pro" {
		return errPlan
	}
	return nil
}

func (c valueClaims) Validate(ctx context.Context) error    { return checkPlan(ctx, c.Plan) }
func (c *pointerClaims) Validate(ctx context.Context) error { return checkPlan(ctx, c.Plan) }

// claimsErr returns how decoding ends.
func claimsErr[T any](ctx context.Context) error {
	_, err := auth0.Claims[T](ctx)
	return err
}

func TestClaimsThatValidate(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	token := func(plan string) string { return testkit.Signed(testkit.GoodHeader, testkit.WithClaim("plan", plan)) }
	for _, tt := range []struct {
		why    string
		claims func(context.Context) error
		guard  http.Handler
		checks bool
	}{
		{"no method", claimsErr[planClaims], auth0.RequireClaims[planClaims](f.API)(f), false},
		{"no method, pointer", claimsErr[*planClaims], auth0.RequireClaims[*planClaims](f.API)(f), false},
		{"method of the value", claimsErr[valueClaims], auth0.RequireClaims[valueClaims](f.API)(f), true},
		{"method of the value, pointer", claimsErr[*valueClaims], auth0.RequireClaims[*valueClaims](f.API)(f), true},
		{"method of the pointer", claimsErr[pointerClaims], auth0.RequireClaims[pointerClaims](f.API)(f), true},
		{"method of the pointer, pointer", claimsErr[*pointerClaims], auth0.RequireClaims[*pointerClaims](f.API)(f), true},
	} {
		t.Run(tt.why, func(t *testing.T) {
			bad := testkit.AnswerOK
			if tt.checks {
				bad = testkit.AnswerBadClaims
			}
			f.ExpectWhole(t, tt.guard, testkit.BearerRequest(token(`"pro"`)), testkit.AnswerOK)
			f.ExpectWhole(t, tt.guard, testkit.BearerRequest(token(`"free"`)), bad)
			f.ExpectWhole(t, tt.guard, testkit.BearerRequest(token(`5`)), testkit.AnswerBadClaims)
			f.ExpectWhole(t, tt.guard, testkit.RequestWith(), testkit.AnswerNoToken)

			if err := tt.claims(requestContext(t, f.API, token(`"pro"`))); err != nil {
				t.Errorf("Claims: %v", err)
			}
			err := tt.claims(requestContext(t, f.API, token(`"free"`)))
			if errors.Is(err, errPlan) != tt.checks || (err != nil) != tt.checks {
				t.Errorf("Claims: %v, want the error of Validate: %v", err, tt.checks)
			}
			if e := (*auth0.Error)(nil); tt.checks && (!errors.As(err, &e) || e.Status != 403) {
				t.Errorf("Claims: %v, want an *auth0.Error of status 403", err)
			}
		})
	}
}

// The log has the reason.
func TestRequireClaimsLogs(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	f.ExpectWhole(t, auth0.RequireClaims[valueClaims](f.API)(f), testkit.BearerRequest(testkit.GoodToken()), testkit.AnswerBadClaims)
	if log := f.Log.Take(); !strings.Contains(log, errPlan.Error()) || !strings.Contains(log, "reason=invalid_claim") {
		t.Errorf("the log does not say why: %s", log)
	}
}

// A handler finds the claims that its guard has decoded.
func TestRequireClaimsDecodesOnce(t *testing.T) {
	// Not parallel: it counts with timesDecoded.
	f := testkit.NewAPIEnv(t)
	timesDecoded.Store(0)
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d, err := auth0.Claims[decoded](r.Context()); err != nil || d.Subject != "auth0|u" {
			t.Errorf("got %+v, %v", d, err)
		}
		f.ServeHTTP(w, r)
	})
	guard := auth0.RequireClaims[decoded](f.API)
	f.ExpectWhole(t, guard(guard(inner)), testkit.BearerRequest(testkit.GoodToken()), testkit.AnswerOK)
	if n := timesDecoded.Load(); n != 1 {
		t.Errorf("claims were decoded %d times in one request, want once", n)
	}
	// Another request is another token.
	f.ExpectWhole(t, guard(inner), testkit.BearerRequest(testkit.GoodToken()), testkit.AnswerOK)
	if n := timesDecoded.Load(); n != 2 {
		t.Errorf("claims were decoded %d times in two requests, want twice", n)
	}
}

// A method can ask for claims itself.
type nestedClaims planClaims

func (c nestedClaims) Validate(ctx context.Context) error {
	_, err := auth0.Claims[planClaims](ctx)
	return err
}

func TestValidateMayAskForClaims(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	f.ExpectWhole(t, auth0.RequireClaims[nestedClaims](f.API)(f), testkit.BearerRequest(testkit.GoodToken()), testkit.AnswerOK)
	f.ExpectWhole(t, auth0.RequireClaims[nestedClaims](f.API)(f), testkit.BearerRequest(testkit.Signed(testkit.GoodHeader, testkit.WithClaim("plan", `5`))), testkit.AnswerBadClaims)
}
