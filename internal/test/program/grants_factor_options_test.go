package program_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// TestFactorKeepsTheLogin: the requirements and the stored values of a login without a
// browser also hold if the tenant requires a second factor in between. The MFA is used
// at once, and sealed between two pages.
func TestFactorKeepsTheLogin(t *testing.T) {
	t.Parallel()
	const organization = "org_ABCDEFGHIJKLMNOP"
	all := func(edits ...testkit.TokenEdit) testkit.TokenEdit {
		return func(h, c map[string]any) {
			for _, edit := range edits {
				edit(h, c)
			}
		}
	}
	for _, tt := range []struct {
		why    string
		opts   []auth0.LoginOption
		every  []auth0.LoginOption // of the Config
		edit   testkit.TokenEdit   // of the ID token
		reason string              // empty for a login
	}{
		{"acr", []auth0.LoginOption{auth0.WithRequiredACR("strong")}, nil, testkit.Claim("acr", "strong"), ""},
		{"other acr", []auth0.LoginOption{auth0.WithRequiredACR("strong")}, nil, testkit.Claim("acr", "weak"), "invalid_acr"},
		{"no acr", []auth0.LoginOption{auth0.WithRequiredACR("strong")}, nil, nil, "invalid_acr"},
		{"one of several acr", []auth0.LoginOption{auth0.WithRequiredACR("a b", "c")}, nil, testkit.Claim("acr", "c"), ""},
		{"part of an acr", []auth0.LoginOption{auth0.WithRequiredACR("a b", "c")}, nil, testkit.Claim("acr", "a"), "invalid_acr"},
		{"age", []auth0.LoginOption{auth0.WithMaxAge(time.Minute)}, nil, testkit.ClaimIn("auth_time", -30), ""},
		{"too old", []auth0.LoginOption{auth0.WithMaxAge(time.Minute)}, nil, testkit.ClaimIn("auth_time", -600), "auth_too_old"},
		{"no auth_time", []auth0.LoginOption{auth0.WithMaxAge(time.Minute)}, nil, nil, "auth_too_old"},
		{"new authentication", []auth0.LoginOption{auth0.WithMaxAge(0)}, nil, testkit.ClaimIn("auth_time", -1), ""},
		{"old authentication", []auth0.LoginOption{auth0.WithMaxAge(0)}, nil, testkit.ClaimIn("auth_time", -120), "auth_too_old"},
		{"organization", []auth0.LoginOption{auth0.WithOrganization(organization)}, nil, testkit.Claim("org_id", organization), ""},
		{"other organization", []auth0.LoginOption{auth0.WithOrganization(organization)}, nil, testkit.Claim("org_id", "org_other"), "invalid_claim"},
		{"no organization", []auth0.LoginOption{auth0.WithOrganization("acme-eu")}, nil, nil, "invalid_claim"},
		{"all of them", []auth0.LoginOption{auth0.WithOrganization(organization), auth0.WithMaxAge(time.Minute), auth0.WithRequiredACR("strong")}, nil,
			all(testkit.Claim("org_id", organization), testkit.ClaimIn("auth_time", -1), testkit.Claim("acr", "strong")), ""},
		{"every login", nil, []auth0.LoginOption{auth0.WithRequiredACR("strong")}, nil, "invalid_acr"},
		{"every login, but not this one", []auth0.LoginOption{auth0.WithACRValues("weak")}, []auth0.LoginOption{auth0.WithRequiredACR("strong")}, nil, ""},
		{"every login, taken away", []auth0.LoginOption{auth0.WithParam("max_age")}, []auth0.LoginOption{auth0.WithMaxAge(time.Minute)}, nil, ""},
		{"nothing", nil, nil, nil, ""},
	} {
		t.Run(tt.why, func(t *testing.T) {
			t.Parallel()
			e := testkit.SignedInForGrants(t, func(c *auth0.Config) { c.LoginOptions = tt.every })
			app := e.Strategy.Application()
			e.Tenant.EditIDToken(tt.edit)
			for _, sealed := range []bool{false, true} {
				_, err := app.LoginWithPassword(t.Context(), testkit.MFAUser, testkit.Password, tt.opts...)
				m := e.ExpectError(err, auth0.ErrMFARequired).MFA()
				if sealed {
					m = testkit.Must(app.OpenMFA(testkit.Must(m.Seal())))
				}
				_, err = m.LoginWithOTP(t.Context(), testkit.OneTimeCode)
				found := (*auth0.Error)(nil)
				if errors.As(err, &found); (err == nil) != (tt.reason == "") || err != nil && found.Reason != tt.reason {
					t.Errorf("sealed %v: %v, want %q", sealed, err, tt.reason)
				}
				// The control: without a second factor it is the same.
				if _, err := app.LoginWithPassword(t.Context(), "ada@acme.example", testkit.Password, tt.opts...); (err == nil) != (tt.reason == "") || err != nil && testkit.ReasonOf(err) != tt.reason {
					t.Errorf("without a second factor: %v, want %q", err, tt.reason)
				}
			}
		})
	}
}

// TestFactorKeepsValues: the page, the state of the application and the kind of cookie
// come through each kind of second factor.
func TestFactorKeepsValues(t *testing.T) {
	t.Parallel()
	for name, factor := range map[string]func(*testing.T, *testkit.Env, *auth0.MFA) (*auth0.Login, error){
		"otp": func(t *testing.T, _ *testkit.Env, m *auth0.MFA) (*auth0.Login, error) {
			return m.LoginWithOTP(t.Context(), testkit.OneTimeCode)
		},
		"recovery code": func(t *testing.T, _ *testkit.Env, m *auth0.MFA) (*auth0.Login, error) {
			return m.LoginWithRecoveryCode(t.Context(), testkit.RecoveryCode)
		},
		"message": func(t *testing.T, e *testkit.Env, m *auth0.MFA) (*auth0.Login, error) {
			list := testkit.Must(m.Factors(t.Context()))
			m = testkit.Must(m.SendChallenge(t.Context(), list[1].ID))
			m = testkit.Must(e.Strategy.Application().OpenMFA(testkit.Must(m.Seal())))
			code, _ := e.Tenant.Mail(testkit.MFAPhone)
			return m.LoginWithOOB(t.Context(), code)
		},
	} {
		e := testkit.SignedInForGrants(t)
		_, err := e.Strategy.Application().LoginWithPassword(t.Context(), testkit.MFAUser, testkit.Password,
			auth0.WithReturnTo("/cart?id=7"), auth0.WithAppState(map[string]int{"items": 3}), auth0.WithPersistentCookie(false), auth0.WithScopes("openid", "email"))
		l, err := factor(t, e, e.ExpectError(err, auth0.ErrMFARequired).MFA())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "https://app.example/", nil)
		e.Strategy.LoadUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { err = e.Strategy.StartSession(w, r, l) })).ServeHTTP(w, r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		cookie := testkit.Must(http.ParseSetCookie(w.Header().Get("Set-Cookie")))
		if got := fmt.Sprintln(l.ReturnTo, string(l.AppState), cookie.MaxAge); got != "/cart?id=7 {\"items\":3} 0\n" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestFactorTakesTime: a new authentication must be newer than the start of the login,
// and not than the second factor.
func TestFactorTakesTime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		authTime float64
		reason   string
	}{{-1, ""}, {-70, "auth_too_old"}} {
		clock := testkit.NewClock()
		e := testkit.SignedInForGrants(t, func(c *auth0.Config) { c.Now = clock.Now })
		_, err := e.Strategy.Application().LoginWithPassword(t.Context(), testkit.MFAUser, testkit.Password, auth0.WithMaxAge(0))
		m := e.ExpectError(err, auth0.ErrMFARequired).MFA()
		e.Tenant.EditIDToken(testkit.ClaimIn("auth_time", tt.authTime))
		clock.Add(4 * 60)
		_, err = m.LoginWithOTP(t.Context(), testkit.OneTimeCode)
		if (err == nil) != (tt.reason == "") || err != nil && testkit.ReasonOf(err) != tt.reason {
			t.Errorf("authenticated at %v: %v", tt.authTime, err)
		}
	}
}
