package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// TestWriteErrorOfEachVariable: each variable of the package has its own status,
// alone and wrapped with a cause. A variable that is added later must have a row.
func TestWriteErrorOfEachVariable(t *testing.T) {
	t.Parallel()
	rows := map[string]struct {
		err        error
		page, api  int
		pageReason string
		apiReason  string
	}{
		"ErrNoSession":            {auth0.ErrNoSession, 401, 401, "no_session", "missing_token"},
		"ErrNoToken":              {auth0.ErrNoToken, 401, 401, "missing_token", "missing_token"},
		"ErrTokenExpired":         {auth0.ErrTokenExpired, 401, 401, "token_expired", "token_expired"},
		"ErrKeysUnavailable":      {auth0.ErrKeysUnavailable, 503, 503, "unavailable", "unavailable"},
		"ErrForbidden":            {auth0.ErrForbidden, 403, 403, "claim_requirement", "forbidden"},
		"ErrTransactionNotFound":  {auth0.ErrTransactionNotFound, 400, 400, "transaction_not_found", "transaction_not_found"},
		"ErrStoreUnavailable":     {auth0.ErrStoreUnavailable, 503, 503, "unavailable", "unavailable"},
		"ErrNotConnected":         {auth0.ErrNotConnected, 403, 403, "not_connected", "not_connected"},
		"ErrSessionTooLarge":      {auth0.ErrSessionTooLarge, 500, 500, "session_too_large", "session_too_large"},
		"ErrWrongCredentials":     {auth0.ErrWrongCredentials, 401, 401, "wrong_credentials", "wrong_credentials"},
		"ErrTooManyAttempts":      {auth0.ErrTooManyAttempts, 429, 429, "too_many_attempts", "too_many_attempts"},
		"ErrTenantUnavailable":    {auth0.ErrTenantUnavailable, 503, 503, "unavailable", "unavailable"},
		"ErrUserBlocked":          {auth0.ErrUserBlocked, 403, 403, "user_blocked", "user_blocked"},
		"ErrMFARequired":          {auth0.ErrMFARequired, 403, 403, "mfa_required", "mfa_required"},
		"ErrAuthorizationPending": {auth0.ErrAuthorizationPending, 400, 400, "authorization_pending", "authorization_pending"},
		"ErrGrantNotAllowed":      {auth0.ErrGrantNotAllowed, 500, 500, "grant_not_allowed", "grant_not_allowed"},
	}
	source := testkit.Must(os.ReadFile("../../../errors.go"))
	declared := regexp.MustCompile(`(?m)^\t(Err\w+) += sentinel\(`).FindAllSubmatch(source, -1)
	if len(declared) != len(rows) || len(rows) < 16 {
		t.Errorf("%d variables, %d rows", len(declared), len(rows))
	}
	for _, found := range declared {
		if rows[string(found[1])].err == nil {
			t.Errorf("%s has no row", found[1])
		}
	}
	e, f := testkit.SignedIn(t), testkit.NewAPIEnv(t)
	for name, row := range rows {
		for _, err := range []error{row.err, fmt.Errorf("CAUSE-0123456789: %w", row.err)} {
			for _, tt := range []struct {
				kind   string
				log    *testkit.Log
				write  func(http.ResponseWriter, *http.Request, error)
				status int
				reason string
			}{
				{"page", e.Log, e.Strategy.WriteError, row.page, row.pageReason},
				{"API", f.Log, f.API.WriteError, row.api, row.apiReason},
			} {
				tt.log.Take()
				w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/x", nil)
				r.Host = "app.example"
				tt.write(w, r, err)
				log := tt.log.Take()
				if w.Code != tt.status || !strings.Contains(log, "reason="+tt.reason+" ") || !strings.Contains(w.Header().Get("Cache-Control"), "no-store") || strings.Contains(w.Body.String(), "CAUSE") {
					t.Errorf("%s of %s: %d %s, log %s; want %d %s", tt.kind, name, w.Code, w.Body, log, tt.status, tt.reason)
				}
				if challenge := w.Header().Get("WWW-Authenticate"); tt.status == 401 && row.err != auth0.ErrWrongCredentials && challenge == "" {
					t.Errorf("%s of %s: challenge %q", tt.kind, name, challenge)
				}
			}
		}
	}
}

// TestWriteErrorOfAnExpiredToken: the link of the page leads to the tenant and back, and
// not straight back to the page that failed.
func TestWriteErrorOfAnExpiredToken(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedIn(t, m.Edit, func(c *auth0.Config) { c.Audience = testkit.Audience })
		e.Mux.HandleFunc("GET /report", func(w http.ResponseWriter, r *http.Request) {
			e.Strategy.WriteError(w, r, fmt.Errorf("the API has rejected the token: %w", auth0.ErrTokenExpired))
		})
		b := e.Browser().MustLogin()
		if to := b.Page("/auth/login?returnTo=/report").Header.Get("Location"); to != "/report" {
			t.Fatalf("control: logged in, and sent to %q", to)
		}
		resp := b.Page("/report")
		link := resp.Links()["Log in"]
		if resp.Status != http.StatusUnauthorized || link == "" {
			t.Fatalf("%d %s", resp.Status, resp.Body)
		}
		if back := b.Login(link); back.Status != http.StatusSeeOther || back.Header.Get("Location") != "/report" {
			t.Errorf("the link leads to %d %q", back.Status, back.Header.Get("Location"))
		}
	})
}
