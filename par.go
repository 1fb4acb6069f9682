package auth0

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// push sends an authorization request to the tenant directly and returns what
// stands for it (RFC 9126). The browser then carries nothing that could be read,
// changed or made up. How long it is good for does not matter here: nothing is
// done with it but to go there.
func (s *Strategy) push(ctx context.Context, request url.Values) (requestURI string, err error) {
	if err := s.pushing.take(); err != nil {
		return "", err
	}
	resp, err := s.application.post(ctx, parEndpoint, request)
	switch {
	case errors.Is(err, errNoEndpoint):
		return "", refusal.Misconfigured.Because("Config.PushedAuthorizationRequests is set, and the tenant does not allow them: %w", err)
	case err != nil:
		return "", pushError(err)
	case resp.Status != http.StatusCreated: // RFC 9126, Section 2.2
		err := parseTenantError(resp.Status, resp.Header, resp.Body)
		s.pushing.settle(err)
		return "", pushError(err)
	}
	const longest = 2048
	var got struct {
		RequestURI string `json:"request_uri"`
	}
	if json.Unmarshal(resp.Body, &got) != nil || got.RequestURI == "" || len(got.RequestURI) > longest {
		return "", refusal.TenantAnswer.Because("the answer to the pushed request has no request_uri")
	}
	return got.RequestURI, nil
}

// pushError says what a refused request means for the login. What the tenant says
// of the request it would otherwise have said to the browser. No person has been
// asked yet, so it is never somebody's own refusal.
func pushError(err error) error {
	e, ok := answered(err)
	if !ok || e.temporary() || e.status < 400 || e.status == http.StatusUnauthorized ||
		slices.Contains([]string{"", "invalid_client", "unauthorized_client"}, e.code) {
		return requestError(err)
	}
	return e.as(refusal.ByTenant)
}
