package testkit

import (
	"net/url"
)

// BackchannelPath is the route of back-channel logout.
const BackchannelPath = "/auth/backchannel-logout"

// LogoutEvent is the event that makes a token a logout token.
const LogoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// EndByToken posts a logout token to the application, as the tenant does.
func (e *Env) EndByToken(token string) *Response {
	e.T.Helper()
	return e.Browser().Do("POST", BackchannelPath, url.Values{"logout_token": {token}})
}

// MustEndByToken fails the test if a logout token is rejected.
func (e *Env) MustEndByToken(token string) {
	e.T.Helper()
	resp := e.EndByToken(token)
	if resp.Status != 200 || resp.Body != "" || resp.Header.Get("Cache-Control") != "no-store" || len(resp.Header.Values("Set-Cookie")) != 0 {
		e.T.Fatalf("logout token: %d %q, %v; log:\n%s", resp.Status, resp.Body, resp.Header, e.Log)
	}
}
