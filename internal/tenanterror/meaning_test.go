package tenanterror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/tenantapi"
)

// statuses has one status of each kind and its neighbors.
var statuses = []int{302, 399, 400, 401, 402, 403, 404, 405, 428, 429, 430, 499, 500, 501, 502, 503}

const (
	all       = "302 399 400 401 402 403 404 405 428 429 430 499 500 501 502 503"
	final     = "302 399 400 401 402 403 404 405 428 430 499 501" // another try ends in the same way
	not401    = "302 399 400 402 403 404 405 428 429 430 499 500 501 502 503"
	rejected  = "400 402 403 404 405 428 430 499 501"
	temporary = "429 500 502 503"
)

// meanings are the codes with a meaning, and their statuses. The code * stands for all
// codes that are not in other rows of the place.
var meanings = []struct{ place, code, statuses, reason string }{
	{"pushed request", "invalid_client", "", ""},
	{"pushed request", "unauthorized_client", "", ""},
	{"pushed request", "", "", ""},
	{"pushed request", "*", rejected, "authorization_error"},

	{"code of a login", "invalid_grant", all, "invalid_grant"},

	{"refresh", "access_denied", not401, "token_expired"},
	{"refresh", "unmet_authentication_requirements", all, "token_expired"},
	{"refresh", "interaction_required", all, "token_expired"},
	{"refresh", "unauthorized", final, "token_expired"},
	{"refresh", "invalid_grant", final, "token_expired"},

	{"Token Vault", "access_denied", not401, "token_expired"},
	{"Token Vault", "unmet_authentication_requirements", not401, "token_expired"},
	{"Token Vault", "unmet_authentication_requirements", "401", "not_connected"},
	{"Token Vault", "interaction_required", not401, "token_expired"},
	{"Token Vault", "interaction_required", "401", "not_connected"},
	{"Token Vault", "unauthorized", final, "token_expired"},
	{"Token Vault", "invalid_grant", strings.ReplaceAll(final, "401 ", ""), "token_expired"},
	{"Token Vault", "invalid_grant", "401", "not_connected"},
	{"Token Vault", "invalid_client", "", ""},
	{"Token Vault", "*", "401", "not_connected"},

	{"completion of a connection", "access_denied", strings.NewReplacer("400 ", "", "404 ", "").Replace(not401), "token_expired"},
	{"completion of a connection", "unmet_authentication_requirements", strings.NewReplacer("400 ", "", "404 ", "").Replace(all),
		"token_expired"},
	{"completion of a connection", "interaction_required", strings.NewReplacer("400 ", "", "404 ", "").Replace(all), "token_expired"},
	{"completion of a connection", "unauthorized", strings.NewReplacer("400 ", "", "404 ", "").Replace(final), "token_expired"},
	{"completion of a connection", "invalid_grant", strings.NewReplacer("400 ", "", "404 ", "").Replace(final), "token_expired"},
	{"completion of a connection", "access_denied", "400 404", "invalid_grant"},
	{"completion of a connection", "unmet_authentication_requirements", "400 404", "invalid_grant"},
	{"completion of a connection", "interaction_required", "400 404", "invalid_grant"},
	{"completion of a connection", "unauthorized", "400 404", "invalid_grant"},
	{"completion of a connection", "invalid_grant", "400 404", "invalid_grant"},
	{"completion of a connection", "*", "400 404", "invalid_grant"},

	{"grant", "invalid_grant", final, "wrong_credentials"},
	{"grant", "access_denied", not401, "authorization_denied"},
	{"grant", "unauthorized", final, "user_blocked"},
	{"grant", "too_many_attempts", all, "too_many_attempts"},
	{"grant", "too_many_logins", all, "too_many_attempts"},
	{"grant", "password_leaked", final, "password_leaked"},
	{"grant", "requires_verification", final, "verification_required"},
	{"grant", "mfa_required", final, "mfa_required"},
	{"grant", "expired_token", final, "mfa_expired"},
	{"grant", "authorization_pending", all, "authorization_pending"},
	{"grant", "slow_down", all, "authorization_pending"},
	{"grant", "unauthorized_client", final, "grant_not_allowed"},
	{"grant", "unsupported_grant_type", final, "grant_not_allowed"},
	{"grant", "invalid_request", final, "grant_not_allowed"},
	{"grant", "invalid_scope", final, "grant_not_allowed"},
	{"grant", "endpoint_disabled", final, "grant_not_allowed"},
	{"grant", "unsupported_challenge_type", final, "grant_not_allowed"},
	{"grant", "association_required", final, "grant_not_allowed"},
	{"grant", "bad.connection", final, "grant_not_allowed"},
	{"grant", "bad.email", final, "bad_address"},
	{"grant", "bad.phone_number", final, "bad_address"},

	// At these places other codes have the meaning of a grant's error.
	{"client credentials", "access_denied", not401, "grant_not_allowed"},
	{"token exchange", "invalid_request", final, "subject_token"},
	{"token exchange", "invalid_grant", final, "subject_token"},
	{"token exchange", "invalid_target", final, "grant_not_allowed"},
	{"second factor", "invalid_grant", final, "mfa_expired"},
}

// likeGrant are the places where other codes have the meaning of a grant's error.
var likeGrant = []string{"client credentials", "token exchange", "second factor", "userinfo"}

// expected returns the reason of a response's refusal.
func expected(place, code string, status int) string {
	at := func(where, c string) (reason string, listed bool) {
		for _, m := range meanings {
			if m.place != where || m.code != c {
				continue
			}
			listed = true
			if slices.Contains(strings.Fields(m.statuses), strconv.Itoa(status)) {
				return m.reason, true
			}
		}
		return "", listed
	}
	if place == "userinfo" && status == 401 {
		return "token_not_accepted"
	}
	reason, listed := at(place, code)
	if !listed && slices.Contains(likeGrant, place) {
		reason, listed = at("grant", code)
	}
	if !listed {
		reason, _ = at(place, "*")
	}
	switch {
	case reason != "":
		return reason
	case slices.Contains(strings.Fields(temporary), strconv.Itoa(status)):
		return "tenant_unavailable"
	}
	return "tenant_answer"
}

// TestTable tries at every place every code that has a meaning anywhere, with every kind of
// status.
func TestTable(t *testing.T) {
	t.Parallel()
	codes := map[string]bool{"": true, "server_error": true, "invalid_client": true}
	for _, m := range meanings {
		codes[m.code] = true
	}
	delete(codes, "*")
	for _, place := range []string{
		"elsewhere", "pushed request", "code of a login", "refresh", "Token Vault", "completion of a connection",
		"grant", "client credentials", "token exchange", "second factor", "userinfo",
	} {
		for _, code := range slices.Sorted(maps.Keys(codes)) {
			for _, status := range statuses {
				err := Meaning(Place(place), fmt.Errorf("around: %w", Error{Status: status, Code: code, Wait: time.Minute}))
				got, ok := err.(*refusal.Refusal)
				if !ok {
					t.Fatalf("%s, %q, %d: %v", place, code, status, err)
				}
				if want := expected(place, code, status); got.Reason != want || got.TenantStatus != status {
					t.Errorf("%s, %q, %d: %s with status %d of the tenant, want %s", place, code, status, got.Reason, got.TenantStatus, want)
				}
			}
		}
	}
}

// TestPlaces: the tests above know every row of the table.
func TestPlaces(t *testing.T) {
	t.Parallel()
	names := map[Place]string{
		Elsewhere: "elsewhere", PushedRequest: "pushed request", LoginCode: "code of a login", Refresh: "refresh", TokenVault: "Token Vault",
		ConnectedAccount: "completion of a connection", Grant: "grant", AppToken: "client credentials", TokenExchange: "token exchange",
		SecondFactor: "second factor", UserInfo: "userinfo",
	}
	for place, name := range names {
		if string(place) != name {
			t.Errorf("%q, want %q", place, name)
		}
	}
	for _, row := range table {
		if names[row.where] == "" {
			t.Errorf("a row of the place %q", row.where)
		}
	}
}

// TestRefusal: the content of a refusal from the response.
func TestRefusal(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		place       Place
		said        Error
		row         refusal.Row
		code        string
		wait        time.Duration
		alsoBlocked bool
	}{
		{Grant, Error{Status: 403, Code: "invalid_grant", Wait: time.Minute}, refusal.Credentials, "invalid_grant", time.Minute, false},
		{Grant, Error{Status: 429, Code: "too_many_attempts", Wait: time.Hour}, refusal.Attempts, "too_many_attempts", time.Hour, false},
		{Grant, Error{Status: 401}, refusal.TenantAnswer, "server_error", 0, false},
		{Grant, Error{Status: 503}, refusal.TenantDown, "temporarily_unavailable", 0, false},
		{Grant, Error{Status: 400, Code: "line\nbreak"}, refusal.TenantAnswer, "unknown_error", 0, false},
		// RFC 8628, Section 3.5: five seconds, and five more to be slower.
		{Grant, Error{Status: 400, Code: "authorization_pending"}, refusal.Pending, "authorization_pending", 5 * time.Second, false},
		{Grant, Error{Status: 400, Code: "slow_down"}, refusal.Pending, "slow_down", 10 * time.Second, false},
		{Grant, Error{Status: 400, Code: "authorization_pending", Wait: time.Second}, refusal.Pending, "authorization_pending",
			time.Second, false},
		{Grant, Error{Status: 429, Code: "slow_down", Wait: time.Minute}, refusal.Pending, "slow_down", time.Minute, false},
		// Another login does not have to wait, and the caller learns that it is due.
		{Refresh, Error{Status: 403, Code: "invalid_grant", Wait: time.Minute}, refusal.SessionTokenExpired, "login_required", 0, false},
		{Refresh, Error{Status: 403, Code: "unauthorized", Wait: time.Minute}, refusal.SessionTokenExpired, "login_required", 0, true},
		{TokenVault, Error{Status: 401, Code: "unauthorized"}, refusal.SessionTokenExpired, "login_required", 0, true},
		{TokenVault, Error{Status: 401, Code: "federated_connection_refresh_token_flow_failed"}, refusal.NotConnected,
			"federated_connection_refresh_token_flow_failed", 0, false},
		{PushedRequest, Error{Status: 400, Code: "invalid_request"}, refusal.ByTenant, "invalid_request", 0, false},
		{Grant, Error{Status: 403, Code: "unauthorized"}, refusal.Blocked, "unauthorized", 0, false},
	} {
		got, _ := Meaning(tt.place, tt.said).(*refusal.Refusal)
		if got == nil {
			t.Fatalf("%s, %v: no refusal", tt.place, tt.said)
		}
		want := tt.row
		want.Code = tt.code
		if got.Row != want || got.RetryAfter != tt.wait || got.TenantStatus != tt.said.Status {
			t.Errorf("%s, %v: %+v, after %v, tenant %d", tt.place, tt.said, got.Row, got.RetryAfter, got.TenantStatus)
		}
		also := refusal.Row{}
		if tt.alsoBlocked {
			also = refusal.Blocked
		}
		if got.Also != also {
			t.Errorf("%s, %v: also %+v", tt.place, tt.said, got.Also)
		}
		if cause, ok := errors.AsType[Error](got.Err); !ok || cause != tt.said {
			t.Errorf("%s, %v: the cause is %v", tt.place, tt.said, got.Err)
		}
	}
}

// TestOtherErrors: errors other than a response of the tenant.
func TestOtherErrors(t *testing.T) {
	t.Parallel()
	if err := Meaning(Grant, nil); err != nil {
		t.Errorf("no error: %v", err)
	}
	decided := refusal.NoCredential.Wrap(Error{Status: 400, Code: "invalid_grant"})
	if err := Meaning(Grant, decided); err != error(decided) {
		t.Errorf("a refusal: %v", err)
	}
	around := fmt.Errorf("around: %w", decided)
	if err := Meaning(Grant, around); err != around {
		t.Errorf("an error around a refusal: %v", err)
	}
	connect := errors.New("no route to host")
	for _, tt := range []struct {
		err  error
		want refusal.Row
		text string // of the cause
	}{
		{&url.Error{Op: "Post", URL: "https://tenant.example/?code=SECRET", Err: context.Canceled}, refusal.Canceled, "context canceled"},
		{&url.Error{Op: "Post", URL: "https://tenant.example/?code=SECRET", Err: fetch.ErrBodyTooLarge}, refusal.TenantAnswer, "answer is longer than 1 MiB"},
		{tenantapi.ErrUnexpectedJSON, refusal.TenantAnswer, "the answer is not the expected JSON"},
		{tenantapi.ErrUnsendable, refusal.Internal, "the request has an unusable URL or body"},
		{&url.Error{Op: "Post", URL: "https://tenant.example/?code=SECRET", Err: connect}, refusal.TenantDown, "no route to host"},
		{context.DeadlineExceeded, refusal.TenantDown, "context deadline exceeded"},
		{io.EOF, refusal.TenantDown, "EOF"},
	} {
		got, _ := Meaning(Grant, tt.err).(*refusal.Refusal)
		if got == nil || got.Row != tt.want || got.Err.Error() != tt.text || got.TenantStatus != 0 {
			t.Errorf("%v: %+v", tt.err, got)
		}
	}
}
