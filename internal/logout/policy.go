// Package logout knows the options of a logout, the browser's next page, and the value
// that the button of the confirmation page sends.
//
// The package does not know the browser's requests and responses, its cookies, and how
// a session ends. It makes no request to the tenant: a function supplies the
// end_session_endpoint.
package logout

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/returnto"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// An Endpoint is a way to end the session at the tenant.
type Endpoint string

const (
	Automatic Endpoint = ""      // OIDC if the tenant has that endpoint, else V2
	OIDC      Endpoint = "oidc"  // end_session_endpoint
	V2        Endpoint = "v2"    // Auth0's /v2/logout
	Local     Endpoint = "local" // none: the session at the tenant remains
)

// A Policy decides the browser's next page after a logout.
type Policy struct {
	Endpoint Endpoint
	ClientID string
	// Auth0 is the base URL of a tenant of Auth0, with a slash at the end. It is empty
	// for another provider, which has no /v2/logout.
	Auth0 string
	// ReturnURLs are the allowed pages after a logout, the first by default.
	ReturnURLs []string
	// Paths says to which paths of the application a browser may be sent.
	Paths returnto.Policy
	// EndSession returns the tenant's end_session_endpoint, empty if there is none.
	EndSession func(context.Context) (string, error)
	Log        *slog.Logger
}

// A Logout is one logout.
type Logout struct {
	*Request
	// Asked is the return URL of the link or the form, which anyone can have written.
	Asked string
	// Origin is the origin of the application, as browsers write it, and Home its URL.
	Origin, Home string
	// Ended is nil if there was no session.
	Ended *Hints
}

// Hints tell the tenant which session to end there.
type Hints struct {
	SessionID string      // claim sid of the ID token, empty if it has none
	IDToken   secret.Text // empty if the session has not kept it
}

// A Mistake is an error in the configuration.
type Mistake struct {
	Field string // of the public Config
	Text  string // follows the name of the field
}

// Check returns the errors in the configuration of a policy.
func (p *Policy) Check() []Mistake {
	var found []Mistake
	add := func(field, format string, args ...any) {
		found = append(found, Mistake{field, fmt.Sprintf(format, args...)})
	}
	switch p.Endpoint {
	case Automatic, OIDC, Local:
	case V2:
		if p.Auth0 == "" {
			add("LogoutEndpoint", `is "v2", which only Auth0 has; Domain is a URL`)
		}
	default:
		add("LogoutEndpoint", `is %q; it must be "oidc", "v2", "local" or empty`, p.Endpoint)
	}
	for _, raw := range p.ReturnURLs {
		if u, err := url.Parse(raw); err == nil && discovery.CheckASCII(u.Hostname()) != nil {
			add("PostLogoutURLs", "%q: the host %v", raw, discovery.CheckASCII(u.Hostname()))
		} else if !isWebURL(raw) {
			add("PostLogoutURLs", "%q must be an absolute URL, with everything but ASCII percent-encoded", raw)
		}
	}
	return found
}

func isWebURL(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && syntax.IsScope(raw)
}

// ReturnURL returns the final URL of the browser: the one of the options, else the
// requested one if it is listed, else the default.
func (p *Policy) ReturnURL(l Logout) string {
	if l.ReturnTo != "" {
		target := p.absolute(l.Origin, l.ReturnTo)
		if strings.HasPrefix(target, l.Origin+"/") || slices.Contains(p.ReturnURLs, target) {
			return target
		}
		p.Log.Warn("auth0: logout: the return URL is not one of Config.PostLogoutURLs")
	}
	// The application did not choose this one, so its own origin is not enough.
	if target := p.absolute(l.Origin, l.Asked); slices.Contains(p.ReturnURLs, target) {
		return target
	}
	if len(p.ReturnURLs) > 0 {
		return p.ReturnURLs[0]
	}
	return l.Home
}

// absolute turns a path of the application into a URL. It returns everything else
// unchanged, which callers compare with the allowed URLs.
func (p *Policy) absolute(origin, target string) string {
	if clean, ok := p.Paths.Clean(origin, target); ok && strings.HasPrefix(clean, "/") {
		return origin + clean
	}
	return target
}

// URL returns the browser's next URL after the session here has ended: a URL of the
// tenant, so that the session there ends too, or the return URL.
func (p *Policy) URL(ctx context.Context, l Logout) (string, error) {
	back := p.ReturnURL(l)
	switch p.Endpoint {
	case Local:
		return back, nil
	case V2:
		return p.v2URL(l, back), nil
	}
	endpoint, err := p.EndSession(ctx)
	switch {
	case err != nil:
		// The session here has ended. A tenant that does not answer would show the
		// user an error, and no sign of the logout.
		p.Log.Warn("auth0: logout: the session at the tenant is not ended", "err", err)
		return back, nil
	case endpoint == "":
		return p.withoutEndSession(l, back)
	}
	target, hinted := p.endSessionURL(endpoint, l, back)
	switch {
	case !hinted && p.Auth0 != "":
		// Without a hint, Auth0 looks for the return URL in the list of the tenant and
		// not of the application, and the browser ends at an error page.
		return p.v2URL(l, back), nil
	case l.Ended == nil:
		// No specification says what other providers do without a hint.
		return back, nil
	}
	return target, nil
}

// withoutEndSession returns the URL for a tenant that has no end_session_endpoint.
func (p *Policy) withoutEndSession(l Logout, back string) (string, error) {
	switch {
	case p.Endpoint == OIDC:
		return "", refusal.LogoutEndpoint.Because("Config.LogoutEndpoint is oidc, and the tenant has no end_session_endpoint; " +
			"turn on RP-initiated logout in the tenant's settings")
	case p.Auth0 != "":
		return p.v2URL(l, back), nil
	}
	p.Log.Warn("auth0: logout: the provider has no end_session_endpoint, its session is not ended")
	return back, nil
}

// v2URL returns the URL of Auth0's own endpoint, which does not know the parameters
// of OpenID Connect.
func (p *Policy) v2URL(l Logout, back string) string {
	v := url.Values{}
	l.apply(v, "id_token_hint", "logout_hint", "state")
	v.Set("client_id", p.ClientID)
	v.Set("returnTo", back)
	return l.withQuery(p.Auth0+"v2/logout", v)
}

// maxURL is the most bytes of a URL of the end_session_endpoint. Servers reject longer
// ones, and then no logout would succeed.
const maxURL = 4096

// endSessionURL returns the URL of OpenID Connect RP-Initiated Logout 1.0, Section
// 2. Hinted reports whether it tells the provider whose session to end.
func (p *Policy) endSessionURL(endpoint string, l Logout, back string) (target string, hinted bool) {
	v := url.Values{}
	if l.Ended != nil {
		set(v, "logout_hint", l.Ended.SessionID)
		set(v, "id_token_hint", l.Ended.IDToken.Reveal())
	}
	l.apply(v)
	v.Set("client_id", p.ClientID)
	v.Set("post_logout_redirect_uri", back)
	target = l.withQuery(endpoint, v)
	if len(target) > maxURL {
		v.Del("id_token_hint") // by far the largest, and client_id replaces it
		target = l.withQuery(endpoint, v)
	}
	return target, v.Has("id_token_hint") || v.Has("logout_hint")
}

// set leaves out empty values.
func set(v url.Values, name, value string) {
	if value != "" {
		v.Set(name, value)
	}
}

// withQuery adds the parameters to an endpoint, which may have a query. Auth0's
// parameter federated has no value.
func (r *Request) withQuery(endpoint string, v url.Values) string {
	target := returnto.AddQuery(endpoint, v.Encode())
	if r.Federated {
		target += "&federated"
	}
	return target
}
