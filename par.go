package auth0

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// push sends an authorization request to the tenant directly and returns what
// stands for it (RFC 9126). The browser then carries nothing that could be read,
// changed or made up. How long it is good for does not matter here: nothing is
// done with it but to go there.
func (s *Strategy) push(ctx context.Context, request url.Values) (requestURI string, err error) {
	if err := s.pushing.Take(); err != nil {
		return "", err
	}
	resp, err := s.application.Post(ctx, provider.ParEndpoint, request)
	switch {
	case errors.Is(err, provider.ErrNoEndpoint):
		return "", refusal.Misconfigured.Because("Config.PushedAuthorizationRequests is set, and the tenant does not allow them: %w", err)
	case err != nil:
		return "", provider.PushError(err)
	case resp.Status != http.StatusCreated: // RFC 9126, Section 2.2
		err := provider.ParseError(resp.Status, resp.Header, resp.Body)
		s.pushing.Settle(err)
		return "", provider.PushError(err)
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
