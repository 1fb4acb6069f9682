package transaction

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/seal"
)

const (
	issuer   = "https://tenant.example/"
	clientID = "the-client-id"
	callback = "https://app.example/auth/callback"

	began = 1_800_000_000 // when every login begins, in Unix seconds
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// An env is an application with a clock.
type env struct {
	now          int64
	transactions *Jar
}

func newEnv() *env {
	e := &env{now: began}
	e.transactions = &Jar{
		Cookies:  cookie.NewNames(cookie.Cookie{Name: "app_session", Path: "/", Secure: true}, false),
		Keyring:  must(seal.New([]string{"an example of a secret for the tests of login"})),
		Issuer:   issuer,
		ClientID: clientID,
		Life:     10 * time.Minute,
		Now:      func() time.Time { return time.Unix(e.now, 0) },
	}
	return e
}

// expect compares the row of a refusal, the zero row for none, and looks for a text
// in its cause.
func expect(t *testing.T, why string, err error, want refusal.Row, cause string) *refusal.Refusal {
	t.Helper()
	if want == (refusal.Row{}) {
		if err != nil {
			t.Errorf("%s: %v", why, err)
		}
		return &refusal.Refusal{}
	}
	got, ok := err.(*refusal.Refusal)
	switch {
	case !ok:
		t.Errorf("%s: %v, want the refusal %v", why, err, want)
		return &refusal.Refusal{}
	case got.Row != want:
		t.Errorf("%s: %v because of %v, want %v", why, got.Row, got.Err, want)
	case !strings.Contains(got.Error(), cause):
		t.Errorf("%s: the cause is %v, want one with %q", why, got.Err, cause)
	}
	return got
}
