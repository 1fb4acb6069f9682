package auth0_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// BenchmarkSession reads a session of about 2 KB of JSON from its cookie.
func BenchmarkSession(b *testing.B) {
	e := testkit.SignedIn(b, func(c *auth0.Config) { c.Audience = testkit.Audience })
	e.Tenant.EditIDToken(testkit.Claim("padding", strings.Repeat("x", 400)))
	r := httptest.NewRequest("GET", "/", nil)
	for name, value := range e.Browser().MustLogin().Cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Strategy.Session(r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSessionDamaged rejects cookies in the forms that attackers send.
func BenchmarkSessionDamaged(b *testing.B) {
	e := testkit.SignedIn(b)
	good := e.Browser().MustLogin().Cookies[testkit.SessionCookie]
	for name, cookie := range map[string]string{
		"case=changed": testkit.SessionCookie + "=" + good[:len(good)-5] + "AAAAA",
		"case=garbage": testkit.SessionCookie + "=garbage",
		"case=many":    strings.Repeat(testkit.SessionCookie+"=x; ", 2000),
		"case=parts":   partsOf(2000),
	} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Cookie", cookie)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Strategy.Session(r); err == nil {
					b.Fatal("logged in")
				}
			}
		})
	}
}

func partsOf(n int) string {
	var s strings.Builder
	for i := range n {
		fmt.Fprintf(&s, "%s.%d=2:x; ", testkit.SessionCookie, i)
	}
	return s.String()
}

// BenchmarkLogin makes the redirect to the tenant and its cookie.
func BenchmarkLogin(b *testing.B) {
	e := testkit.SignedIn(b)
	r := httptest.NewRequest("GET", "/auth/login?returnTo=/x", nil)
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		e.App.ServeHTTP(w, r)
		if w.Code != http.StatusFound {
			b.Fatal(w.Code)
		}
	}
}

// BenchmarkVerify checks an access token, and rejects bad ones.
func BenchmarkVerify(b *testing.B) {
	e := testkit.SignedIn(b)
	api, err := auth0.NewAPI(auth0.APIConfig{Domain: testkit.TenantHost, Audience: testkit.Audience, Keys: e.Strategy.Application().KeySet(), TokenCache: auth0.None})
	if err != nil {
		b.Fatal(err)
	}
	good := e.Tenant.AccessToken("ada@acme.example", testkit.Audience)
	for name, token := range map[string]string{
		"token=good":      good,
		"token=expired":   e.Tenant.AccessToken("ada@acme.example", testkit.Audience, testkit.ClaimIn("exp", -60)),
		"token=foreign":   e.Tenant.AccessToken("ada@acme.example", testkit.Audience, testkit.Claim("iss", "https://other.example/")),
		"token=malformed": good[:len(good)-3] + "...",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := api.Verify(b.Context(), token); (err == nil) != (name == "token=good") {
					b.Fatal(err)
				}
			}
		})
	}
}
