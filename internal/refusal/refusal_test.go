package refusal

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestRefusal(t *testing.T) {
	inside := errors.New("inside")
	for _, tt := range []struct {
		r     *Refusal
		text  string
		cause error
	}{
		{Scope.New(), "insufficient scope", nil},
		{Scope.Wrap(inside), "insufficient scope: inside", inside},
		{Scope.Because("for %d: %w", 1, inside), "insufficient scope: for 1: inside", inside},
	} {
		if tt.r.Error() != tt.text || tt.r.Status != 403 || tt.r.Code != "insufficient_scope" || tt.r.Reason != "insufficient_scope" {
			t.Errorf("%+v: %q, want %q", tt.r, tt.r, tt.text)
		}
		if !errors.Is(tt.r, tt.r) || tt.cause != nil && !errors.Is(tt.r, tt.cause) || tt.cause == nil && errors.Unwrap(tt.r) != nil {
			t.Errorf("%v does not lead to %v", tt.r, tt.cause)
		}
	}
	if r := Keys.Later(time.Minute, inside); r.Row != Keys || r.RetryAfter != time.Minute || r.Err != inside {
		t.Errorf("later: %+v", r)
	}
	// An addition to one case does not change its row.
	r := Scope.New()
	r.Status, r.Scope = 500, "x"
	if Scope.Status != 403 || Scope.New().Scope != "" {
		t.Error("the row was changed")
	}
}

// TestWaysToGoOn has a row for each kind of refusal, and whether another account, or
// another request, would help.
func TestWaysToGoOn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		row              Row
		account, request bool
	}{
		{Denied, true, false}, {AfterLogin, true, false}, {UserForbidden, true, false}, {Forbidden, true, false},
		{BlockedAtTenant, true, false}, {NotMember, true, false}, {OtherOrganization, true, false}, {Unverified, true, false},
		{Row{400, "invalid_request", "authorization_error", NotMember.Description}, true, false},
		{Row{400, "invalid_token", "invalid_claim", OtherOrganization.Description}, true, false},
		{Row{403, "x", "no_seat", "you have no seat"}, true, false},
		{Cancelled, false, false}, {CrossOrigin, false, false}, {ByTenant, false, false}, {NoTransaction, false, false},
		{MissingState, false, false}, {Code, false, false}, {IDToken, false, false}, {TenantDown, false, false}, {Outage, false, false},
		{LoginSetup, false, true}, {StaleInvitation, false, true},
		{Row{403, "access_denied", "authorization_denied", LoginSetup.Description}, false, true},
	} {
		if tt.row.IsOfAccount() != tt.account || tt.row.IsOfRequest() != tt.request {
			t.Errorf("%+v: account %v, request %v", tt.row, tt.row.IsOfAccount(), tt.row.IsOfRequest())
		}
	}
}

func TestSaid(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ code, description, wantCode, want string }{
		{"access_denied", "why", "access_denied", "why"},
		{"", "", "", ""},
		{strings.Repeat("c", 65), strings.Repeat("d", 513), strings.Repeat("c", 64), strings.Repeat("d", 512)},
		{strings.Repeat("ä", 40), "a" + strings.Repeat("ä", 300), strings.Repeat("ä", 32), "a" + strings.Repeat("ä", 255)},
		{"\xff", "a\xffb", "", "ab"},
	} {
		if got := NewSaid(tt.code, tt.description); got != (Said{tt.wantCode, tt.want}) {
			t.Errorf("%q, %q: %q", tt.code, tt.description, got)
		}
	}
}

// TestIsOf: only the outermost error counts.
func TestIsOf(t *testing.T) {
	t.Parallel()
	for why, tt := range map[string]struct {
		err  error
		want bool
	}{
		"the row":      {Store.New(), true},
		"with a cause": {Store.Wrap(errors.New("down")), true},
		"another row":  {LoginRequired.New(), false},
		"inside":       {fmt.Errorf("a hook: %w", Store.New()), false},
		"another type": {errors.New("down"), false},
		"nothing":      {nil, false},
	} {
		if Store.IsOf(tt.err) != tt.want {
			t.Errorf("%s: %v", why, !tt.want)
		}
	}
}
