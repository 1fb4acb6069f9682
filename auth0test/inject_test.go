package auth0test_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

func TestWithUser(t *testing.T) {
	r := auth0test.WithUser(httptest.NewRequest("GET", "/", nil), auth0.User{Subject: "auth0|1", Email: "ada@acme.example", EmailVerified: true})
	user, ok := auth0.UserFrom(r.Context())
	claims, err := auth0.Claims[struct {
		Email    string `json:"email"`
		Verified bool   `json:"email_verified"`
	}](r.Context())
	if !ok || user.Subject != "auth0|1" || user.Email != "ada@acme.example" || err != nil || claims.Email != user.Email || !claims.Verified {
		t.Errorf("%+v, %v, %+v, %v", user, ok, claims, err)
	}
	if _, ok := auth0.TokenFrom(r.Context()); ok {
		t.Error("a token")
	}
}

func TestWithToken(t *testing.T) {
	r := auth0test.WithToken(t, httptest.NewRequest("GET", "/", nil), map[string]any{
		"sub": "auth0|7", "scope": "read:a write:b", "permissions": []string{"p"}, "https://acme.example/x": 1, "aud": []string{"https://one.example/", "https://two.example/"},
	})
	token, ok := auth0.TokenFrom(r.Context())
	if !ok || token.Subject() != "auth0|7" || !token.HasScope("write:b") || !token.HasPermission("p") || token.Issuer() != "https://tenant.auth0.example/" {
		t.Fatalf("%+v, %v", token, ok)
	}
	if x, ok := token.Claim("https://acme.example/x"); !ok || x != 1.0 {
		t.Errorf("%v, %v", x, ok)
	}
	if _, ok := auth0.UserFrom(r.Context()); ok {
		t.Error("a user")
	}
}

// TestWithTokenRefuses: claims that every API rejects fail the test.
func TestWithTokenRefuses(t *testing.T) {
	for why, claims := range map[string]map[string]any{
		"expired":           {"exp": time.Now().Add(-time.Hour).Unix()},
		"no audience":       {"aud": ""},
		"issuer by http":    {"iss": "http://tenant.auth0.example/"},
		"cannot be encoded": {"x": func() {}},
	} {
		failed := &fatal{TB: t}
		func() {
			defer func() { recover() }()
			auth0test.WithToken(failed, httptest.NewRequest("GET", "/", nil), claims)
		}()
		if !strings.Contains(failed.text, "auth0test: WithToken: ") {
			t.Errorf("%s: %q", why, failed.text)
		}
	}
}

// A fatal records the failure of a test, and ends the calling function.
type fatal struct {
	testing.TB
	text string
}

func (f *fatal) Fatalf(format string, args ...any) {
	f.text = fmt.Sprintf(format, args...)
	panic(f.text)
}
