package auth0

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/discovery"
)

// push sends an authorization request to the tenant directly and returns the URL
// that stands for it (RFC 9126). The browser then carries nothing that could be
// read, changed or made up. How long that URL is good for does not matter here:
// nothing is done with it but to go there.
func (s *Strategy) push(ctx context.Context, ep discovery.Metadata, authURL string) (string, error) {
	query, ok := strings.CutPrefix(authURL, ep.AuthorizationEndpoint)
	if !ok {
		return "", refuseInternal.because("the authorization request is not for the authorization endpoint")
	}
	form, err := url.ParseQuery(strings.TrimLeft(query, "?&"))
	if err != nil {
		return "", refuseInternal.because("the authorization request cannot be read")
	}
	resp, err := s.application.post(ctx, parEndpoint, form)
	switch {
	case errors.Is(err, errNoEndpoint):
		return "", refuseMisconfigured.because("Config.PushedAuthorizationRequests is set, and the tenant does not allow them: %w", err)
	case err != nil:
		return "", pushError(err)
	case resp.Status != http.StatusCreated: // RFC 9126, Section 2.2
		return "", pushError(parseTenantError(resp.Status, resp.Header, resp.Body))
	}
	const longest = 2048
	var got struct {
		RequestURI string `json:"request_uri"`
	}
	if json.Unmarshal(resp.Body, &got) != nil || got.RequestURI == "" || len(got.RequestURI) > longest {
		return "", refuseTenantAnswer.because("the answer to the pushed request has no request_uri")
	}
	separator := "?"
	if strings.Contains(ep.AuthorizationEndpoint, "?") {
		separator = "&"
	}
	// RFC 9126, Section 4
	return ep.AuthorizationEndpoint + separator + url.Values{"client_id": {s.config.ClientID}, "request_uri": {got.RequestURI}}.Encode(), nil
}

// pushError says what a refused request means for the login. What the tenant says
// of the request it would otherwise have said to the browser. No person has been
// asked yet, so it is never somebody's own refusal.
func pushError(err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	e, ok := errors.AsType[tenantError](err)
	switch {
	case !ok && errors.Is(err, context.Canceled):
		return refuseCanceled.wrap(context.Canceled)
	case !ok, e.temporary():
		return refreshError(err)
	case e.status < 400, e.status == http.StatusUnauthorized, e.code == "", e.code == "invalid_client", e.code == "unauthorized_client":
		return e.as(refuseTenantAnswer)
	}
	return e.as(refuseByTenant)
}
