package grants_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
	"golang.org/x/oauth2"
)

// TestRenew: the source of the application's own tokens replaces one that is too old
// for the caller.
func TestRenew(t *testing.T) {
	t.Parallel()
	type renewer interface {
		Renew(context.Context, time.Duration) (*oauth2.Token, error)
	}
	of := func(s *auth0.Strategy) renewer {
		return s.Application().ClientCredentials(auth0.ClientCredentials{Audience: "https://" + testkit.TenantHost + "/api/v2/"}).(renewer)
	}
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t)
		source := of(e.Strategy)
		for _, tt := range []struct {
			wait, age time.Duration
			requests  int // in all
		}{{0, time.Minute, 1}, {time.Minute, time.Minute, 1}, {time.Second, time.Minute, 2}, {0, 0, 3}} {
			time.Sleep(tt.wait)
			token, err := source.Renew(t.Context(), tt.age)
			if n := e.Tenant.Calls(testkit.TokenEndpoint); err != nil || token.AccessToken == "" || n != tt.requests {
				t.Errorf("%v after %v: %d requests, %v", tt.age, tt.wait, n, err)
			}
		}
		e.Tenant.Fail(testkit.TokenEndpoint, 503)
		if _, err := source.Renew(t.Context(), 0); !errors.Is(err, auth0.ErrTenantUnavailable) {
			t.Errorf("503: %v", err)
		}
	})
	if _, err := of(new(auth0.Strategy)).Renew(t.Context(), 0); err == nil {
		t.Error("a Strategy that New has not made has tokens")
	}
}
