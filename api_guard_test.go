package auth0_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
)

// apiStepUp is the answer of RFC 9470, Section 3.
func apiStepUp(parameters string) apiAnswer {
	return apiAnswer{401,
		`Bearer realm="api", error="insufficient_user_authentication", error_description="stronger authentication required", ` + parameters,
		`{"error":"insufficient_user_authentication","error_description":"stronger authentication required"}`}
}

func TestRequireAny(t *testing.T) {
	f := newAPIFixture(t)
	for _, tt := range []struct {
		why    string
		h      http.Handler
		claims jsonObject
		want   apiAnswer
	}{
		{"first scope", f.api.RequireAnyScope("read:m", "admin")(f), goodClaims(noon), apiOK},
		{"second scope", f.api.RequireAnyScope("admin", "read:m")(f), goodClaims(noon), apiOK},
		{"the only scope", f.api.RequireAnyScope("read:m")(f), goodClaims(noon), apiOK},
		{"no such scope", f.api.RequireAnyScope("a", "b")(f), goodClaims(noon), apiLacks("a b")},
		{"no scope", f.api.RequireAnyScope("a", "b")(f), goodClaims(noon).without("scope"), apiLacks("a b")},
		{"a permission is no scope", f.api.RequireAnyScope("del:m")(f), goodClaims(noon), apiLacks("del:m")},
		{"first permission", f.api.RequireAnyPermission("del:m", "admin")(f), goodClaims(noon), apiOK},
		{"second permission", f.api.RequireAnyPermission("admin", "del:m")(f), goodClaims(noon), apiOK},
		{"no such permission", f.api.RequireAnyPermission("a", "b")(f), goodClaims(noon), apiLacks("a b")},
		{"no permissions", f.api.RequireAnyPermission("del:m")(f), goodClaims(noon).without("permissions"), apiLacks("del:m")},
		{"a scope is no permission", f.api.RequireAnyPermission("write:m")(f), goodClaims(noon), apiLacks("write:m")},
	} {
		t.Run(tt.why, func(t *testing.T) {
			f.expect(t, tt.h, bearerRequest(signed(goodHeader, tt.claims)), tt.want)
			f.expect(t, tt.h, requestWith(), apiNoToken)
			f.expect(t, tt.h, bearerRequest(signed(goodHeader, tt.claims.set("exp", noonPlus(-60)))), apiExpired)
		})
	}
}

func TestRequireOrganization(t *testing.T) {
	f := newAPIFixture(t)
	refused := apiRefused("organization not allowed")
	h := f.api.RequireOrganization("org_1", "org_2")(f)
	for _, tt := range []struct {
		org  string // empty for none
		want apiAnswer
	}{
		{`"org_1"`, apiOK},
		{`"org_2"`, apiOK},
		{`"org_3"`, refused},
		{`"ORG_1"`, refused},
		{`"org_1 "`, refused},
		{`"org_"`, refused},
		{`""`, refused},
		{"", refused},
	} {
		t.Run(tt.org, func(t *testing.T) {
			claims := withClaim("org_name", `"org_1"`) // names do not count
			if tt.org != "" {
				claims = claims.set("org_id", tt.org)
			}
			f.expect(t, h, bearerRequest(signed(goodHeader, claims)), tt.want)
		})
	}
	f.expect(t, h, requestWith(), apiNoToken)

	ids := []string{"org_1"}
	h = f.api.RequireOrganization(ids...)(f)
	ids[0] = "org_9"
	f.expect(t, h, bearerRequest(signed(goodHeader, withClaim("org_id", `"org_9"`))), refused)
}

func TestRequireStepUp(t *testing.T) {
	f := newAPIFixture(t)
	const minutes = 5 * time.Minute
	mfa, fresh := goodClaims(noon).set("acr", `"mfa"`), goodClaims(noon).set("auth_time", noonPlus(-299))
	for _, tt := range []struct {
		why    string
		h      http.Handler
		claims jsonObject
		want   apiAnswer
	}{
		{"acr", f.api.RequireStepUp(0, "mfa")(f), mfa, apiOK},
		{"acr, one of two", f.api.RequireStepUp(0, "phr", "mfa")(f), mfa, apiOK},
		{"other acr", f.api.RequireStepUp(0, "mfa")(f), goodClaims(noon).set("acr", `"pwd"`), apiStepUp(`acr_values="mfa"`)},
		{"acr in other case", f.api.RequireStepUp(0, "mfa")(f), goodClaims(noon).set("acr", `"MFA"`), apiStepUp(`acr_values="mfa"`)},
		{"several words in acr", f.api.RequireStepUp(0, "mfa")(f), goodClaims(noon).set("acr", `"mfa pwd"`), apiStepUp(`acr_values="mfa"`)},
		{"empty acr", f.api.RequireStepUp(0, "mfa")(f), goodClaims(noon).set("acr", `""`), apiStepUp(`acr_values="mfa"`)},
		{"no acr", f.api.RequireStepUp(0, "phr", "mfa")(f), goodClaims(noon), apiStepUp(`acr_values="phr mfa"`)},
		{"URL of a policy", f.api.RequireStepUp(0, "http://schemas.openid.net/pape/policies/2007/06/multi-factor")(f), goodClaims(noon), apiStepUp(`acr_values="http://schemas.openid.net/pape/policies/2007/06/multi-factor"`)},
		{"fresh", f.api.RequireStepUp(minutes)(f), fresh, apiOK},
		{"within leeway", f.api.RequireStepUp(minutes)(f), goodClaims(noon).set("auth_time", noonPlus(-305)), apiOK},
		{"too old", f.api.RequireStepUp(minutes)(f), goodClaims(noon).set("auth_time", noonPlus(-306)), apiStepUp(`max_age="300"`)},
		{"no time", f.api.RequireStepUp(minutes)(f), goodClaims(noon), apiStepUp(`max_age="300"`)},
		{"shortest time", f.api.RequireStepUp(time.Second)(f), goodClaims(noon), apiStepUp(`max_age="1"`)},
		{"acr, and no time is asked", f.api.RequireStepUp(0, "mfa")(f), mfa.set("auth_time", "1"), apiOK},
		{"both", f.api.RequireStepUp(minutes, "mfa")(f), fresh.set("acr", `"mfa"`), apiOK},
		{"both, acr missing", f.api.RequireStepUp(minutes, "mfa")(f), fresh, apiStepUp(`acr_values="mfa", max_age="300"`)},
		{"both, time missing", f.api.RequireStepUp(minutes, "mfa")(f), mfa, apiStepUp(`acr_values="mfa", max_age="300"`)},
		{"both missing", f.api.RequireStepUp(minutes, "mfa")(f), goodClaims(noon), apiStepUp(`acr_values="mfa", max_age="300"`)},
	} {
		t.Run(tt.why, func(t *testing.T) {
			f.expect(t, tt.h, bearerRequest(signed(goodHeader, tt.claims)), tt.want)
			f.expect(t, tt.h, requestWith(), apiNoToken)
		})
	}
	// A time that is none makes the token a bad one, for every guard.
	f.expect(t, f.api.RequireStepUp(0, "mfa")(f), bearerRequest(signed(goodHeader, mfa.set("auth_time", `"x"`))), apiBadClaims)
}

// What no token can satisfy is a mistake of the program.
func TestUnusableGuards(t *testing.T) {
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
			f := newAPIFixture(t)
			h := guard(f.api)(f)
			if log := f.log.take(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "level=ERROR") {
				t.Errorf("logged at wiring: %q", log)
			}
			claims := withClaim("org_id", `""`).set("acr", `""`).set("auth_time", noonPlus(0))
			for _, r := range []*http.Request{requestWith(), bearerRequest("abc"), bearerRequest(signed(goodHeader, claims))} {
				f.expect(t, h, r, apiUnusable)
			}
		})
	}
}

func TestRequire(t *testing.T) {
	f := newAPIFixture(t)
	var answer error
	asked := 0
	h := f.api.Require(func(ctx context.Context, token *auth0.Token) error {
		asked++
		if got, ok := auth0.TokenFrom(ctx); !ok || got != token || token.Subject() != "auth0|u" {
			t.Errorf("asked about %v, and the context has %v", token, got)
		}
		return answer
	})(f)
	f.expect(t, h, bearerRequest(goodToken()), apiOK)
	for _, answer = range []error{errors.New("SECRET"), auth0.ErrForbidden, auth0.ErrTokenExpired, auth0.ErrNoToken} {
		f.expect(t, h, bearerRequest(goodToken()), apiNotAllowed)
		if log := f.log.take(); !strings.Contains(log, "reason=forbidden") || !strings.Contains(log, answer.Error()) {
			t.Errorf("the log does not say why: %s", log)
		}
	}
	before := asked
	f.expect(t, h, requestWith(), apiNoToken)
	f.expect(t, h, bearerRequest("abc"), apiMalformed)
	if asked != before {
		t.Error("asked without a token")
	}
}

// Who may act for somebody else is decided by a function.
func TestRequireActor(t *testing.T) {
	f := newAPIFixture(t)
	h := f.api.Require(func(_ context.Context, token *auth0.Token) error {
		actors, err := token.Actors()
		if err == nil && (len(actors) == 0 || actors[0] != "service") {
			err = errors.New("not for the service")
		}
		return err
	})(f)
	for act, want := range map[string]apiAnswer{
		`{"sub":"service"}`:                       apiOK,
		`{"sub":"service","act":{"sub":"other"}}`: apiOK,
		`{"sub":"other","act":{"sub":"service"}}`: apiNotAllowed,
		`{"client_id":"service"}`:                 apiNotAllowed,
		`"service"`:                               apiNotAllowed,
	} {
		f.expect(t, h, bearerRequest(signed(goodHeader, withClaim("act", act))), want)
	}
	f.expect(t, h, bearerRequest(goodToken()), apiNotAllowed)
}

type planClaims struct {
	Plan string `json:"plan"`
}

// valueClaims and pointerClaims differ in who has the method.
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
	f := newAPIFixture(t)
	token := func(plan string) string { return signed(goodHeader, withClaim("plan", plan)) }
	for _, tt := range []struct {
		why    string
		claims func(context.Context) error
		guard  http.Handler
		checks bool
	}{
		{"no method", claimsErr[planClaims], auth0.RequireClaims[planClaims](f.api)(f), false},
		{"no method, pointer", claimsErr[*planClaims], auth0.RequireClaims[*planClaims](f.api)(f), false},
		{"method of the value", claimsErr[valueClaims], auth0.RequireClaims[valueClaims](f.api)(f), true},
		{"method of the value, pointer", claimsErr[*valueClaims], auth0.RequireClaims[*valueClaims](f.api)(f), true},
		{"method of the pointer", claimsErr[pointerClaims], auth0.RequireClaims[pointerClaims](f.api)(f), true},
		{"method of the pointer, pointer", claimsErr[*pointerClaims], auth0.RequireClaims[*pointerClaims](f.api)(f), true},
	} {
		t.Run(tt.why, func(t *testing.T) {
			bad := apiOK
			if tt.checks {
				bad = apiBadClaims
			}
			f.expect(t, tt.guard, bearerRequest(token(`"pro"`)), apiOK)
			f.expect(t, tt.guard, bearerRequest(token(`"free"`)), bad)
			f.expect(t, tt.guard, bearerRequest(token(`5`)), apiBadClaims)
			f.expect(t, tt.guard, requestWith(), apiNoToken)

			if err := tt.claims(requestContext(t, f.api, token(`"pro"`))); err != nil {
				t.Errorf("Claims: %v", err)
			}
			err := tt.claims(requestContext(t, f.api, token(`"free"`)))
			if errors.Is(err, errPlan) != tt.checks || (err != nil) != tt.checks {
				t.Errorf("Claims: %v, want the error of Validate: %v", err, tt.checks)
			}
			if e := (*auth0.Error)(nil); tt.checks && (!errors.As(err, &e) || e.Status != 403) {
				t.Errorf("Claims: %v, want an *auth0.Error of status 403", err)
			}
		})
	}
}

// What is the reason goes to the log.
func TestRequireClaimsLogs(t *testing.T) {
	f := newAPIFixture(t)
	f.expect(t, auth0.RequireClaims[valueClaims](f.api)(f), bearerRequest(goodToken()), apiBadClaims)
	if log := f.log.take(); !strings.Contains(log, errPlan.Error()) || !strings.Contains(log, "reason=invalid_claim") {
		t.Errorf("the log does not say why: %s", log)
	}
}

// A handler finds ready what its guard has decoded.
func TestRequireClaimsDecodesOnce(t *testing.T) {
	f := newAPIFixture(t)
	timesDecoded.Store(0)
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d, err := auth0.Claims[decoded](r.Context()); err != nil || d.Subject != "auth0|u" {
			t.Errorf("got %+v, %v", d, err)
		}
		f.ServeHTTP(w, r)
	})
	guard := auth0.RequireClaims[decoded](f.api)
	f.expect(t, guard(guard(inner)), bearerRequest(goodToken()), apiOK)
	if n := timesDecoded.Load(); n != 1 {
		t.Errorf("claims were decoded %d times in one request, want once", n)
	}
	// Another request is another token.
	f.expect(t, guard(inner), bearerRequest(goodToken()), apiOK)
	if n := timesDecoded.Load(); n != 2 {
		t.Errorf("claims were decoded %d times in two requests, want twice", n)
	}
}

// A method may ask for claims itself.
type nestedClaims planClaims

func (c nestedClaims) Validate(ctx context.Context) error {
	_, err := auth0.Claims[planClaims](ctx)
	return err
}

func TestValidateMayAskForClaims(t *testing.T) {
	f := newAPIFixture(t)
	f.expect(t, auth0.RequireClaims[nestedClaims](f.api)(f), bearerRequest(goodToken()), apiOK)
	f.expect(t, auth0.RequireClaims[nestedClaims](f.api)(f), bearerRequest(signed(goodHeader, withClaim("plan", `5`))), apiBadClaims)
}
