// Package site holds the base URLs of an application, its own routes, and the URLs to
// which it may send a browser.
//
// The package does not know what its routes do, sessions, or the tenant.
package site

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/peer"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/returnto"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// A Config holds the settings of a Site. The names are those of the public configuration.
type Config struct {
	BaseURL         string
	BaseURLs        []string // further ones
	InsecureHTTP    bool
	TrustedProxies  []netip.Prefix
	Routes          Routes // empty ones have a default
	DefaultReturnTo string
	ReturnToOrigins []string
	Log             *slog.Logger
}

// Routes are the paths of the application's own routes, as this process sees them.
type Routes struct{ Login, Callback, Logout, BackchannelLogout string }

// A Site holds the base URLs and the routes of one application.
type Site struct {
	Routes
	bases browser.Bases
	home  string // path below a base
	// Paths accepts the URLs to which a browser may be sent.
	Paths returnto.Policy
	log   *slog.Logger
}

// New checks a configuration. It reports each error with its field.
func New(c Config, mistake func(field, format string, args ...any)) *Site {
	s := &Site{
		Routes: Routes{
			Login:             cmp.Or(c.Routes.Login, "/auth/login"),
			Callback:          cmp.Or(c.Routes.Callback, "/auth/callback"),
			Logout:            cmp.Or(c.Routes.Logout, "/auth/logout"),
			BackchannelLogout: cmp.Or(c.Routes.BackchannelLogout, "/auth/backchannel-logout"),
		},
		bases: browser.Bases{List: bases(c, mistake)},
		home:  cmp.Or(c.DefaultReturnTo, "/"), log: c.Log,
	}
	s.bases.Proxies = peer.Networks(c.TrustedProxies, func(format string, args ...any) { mistake("TrustedProxies", format, args...) })
	s.checkRoutes(mistake)
	s.checkBases(mistake)
	for _, raw := range c.ReturnToOrigins {
		if origin, err := discovery.Origin(raw); err != nil {
			mistake("ReturnToOrigins", "%q must be an origin such as https://admin.example.com: %v", raw, err)
		} else if origin != raw {
			mistake("ReturnToOrigins", "%q must be an origin such as https://admin.example.com", raw)
		}
	}
	s.Paths = returnto.Policy{Origins: slices.Clone(c.ReturnToOrigins)}
	for _, base := range s.bases.List {
		for _, path := range []string{s.Login, s.Callback, s.Logout, s.BackchannelLogout} {
			s.Paths.Routes = append(s.Paths.Routes, base.Path+path)
		}
		if got, ok := s.Paths.Clean(base.Origin, s.Home(base)); !ok || got != s.Home(base) {
			mistake("DefaultReturnTo", "%q must be a plain path of the application", s.home)
		}
	}
	return s
}

func bases(c Config, mistake func(field, format string, args ...any)) []browser.Base {
	var list []browser.Base
	for i, raw := range append([]string{c.BaseURL}, c.BaseURLs...) {
		field := "BaseURL"
		if i > 0 {
			field = "BaseURLs"
		}
		base, err := browser.NewBase(raw, c.InsecureHTTP)
		switch {
		case err != nil:
			mistake(field, "%q: %v", raw, err)
			continue
		case slices.ContainsFunc(list, func(o browser.Base) bool { return o.Host() == base.Host() }):
			mistake(field, "%q has the host of another base URL", raw)
		case len(list) > 0 && base.IsSecure() != list[0].IsSecure():
			mistake(field, "%q: all base URLs must have the same scheme", raw)
		case len(list) > 0 && base.Path != list[0].Path:
			mistake(field, "%q: all base URLs must have the same path, because links to log in have it", raw)
		}
		list = append(list, base)
	}
	return list
}

func (s *Site) checkRoutes(mistake func(field, format string, args ...any)) {
	paths := []struct{ field, path string }{
		{"LoginPath", s.Login}, {"CallbackPath", s.Callback}, {"LogoutPath", s.Logout}, {"BackchannelLogoutPath", s.BackchannelLogout},
	}
	for i, route := range paths {
		if !syntax.IsPlainPath(route.path) {
			mistake(route.field, "%q must be a plain path that begins with a slash", route.path)
		}
		for _, other := range paths[:i] {
			if other.path == route.path {
				mistake(route.field, "%q is also the %s", route.path, other.field)
			}
		}
	}
}

// checkBases rejects a base URL that is the URL of a route, such as the callback URL.
func (s *Site) checkBases(mistake func(field, format string, args ...any)) {
	for i, base := range s.bases.List {
		field := "BaseURL"
		if i > 0 {
			field = "BaseURLs"
		}
		for _, route := range []string{s.Login, s.Callback, s.Logout, s.BackchannelLogout} {
			if base.Path != "" && strings.HasSuffix(base.Path, route) {
				mistake(field, "%q ends in the path of a route of this package; it is the URL of the application, %q", base, strings.TrimSuffix(base.String(), route))
			}
		}
	}
}

// Log returns the log of the application.
func (s *Site) Log() *slog.Logger { return s.log }

// All returns the base URLs. Links outside a request use the first one.
func (s *Site) All() []browser.Base { return s.bases.List }

// URLs returns the base URLs as texts.
func (s *Site) URLs() (urls []string) {
	for _, base := range s.bases.List {
		urls = append(urls, base.String())
	}
	return urls
}

// Path returns the path of the base URLs, empty if they have none.
func (s *Site) Path() string {
	if len(s.bases.List) == 0 {
		return ""
	}
	return s.bases.List[0].Path
}

// IsSecure reports whether browsers reach the application by https.
func (s *Site) IsSecure() bool { return len(s.bases.List) > 0 && s.bases.List[0].IsSecure() }

// Of returns the base URL of a request.
func (s *Site) Of(r *http.Request) (browser.Base, error) {
	base, err := s.bases.Of(r)
	if err != nil {
		err = refusal.UnknownHost.Wrap(err)
	}
	return base, err
}

// Origin returns the origin of the base URL of a request.
func (s *Site) Origin(r *http.Request) (string, error) {
	base, err := s.Of(r)
	return base.Origin, err
}

// CheckOrigin rejects a request that can change state and that a page of another origin
// caused.
func (s *Site) CheckOrigin(r *http.Request) error {
	base, err := s.Of(r)
	if err != nil {
		return err
	}
	return browser.CheckOrigin(r, base)
}

// Home returns the path to which a browser goes after a login without a return URL.
func (s *Site) Home(base browser.Base) string { return base.Path + s.home }

// ReturnTo returns the given target if a browser may be sent there, or else home. If a
// target is too long for the cookie of a login, ReturnTo removes its query.
func (s *Site) ReturnTo(base browser.Base, target string) string {
	if clean, ok := s.Clean(base, target); ok {
		return clean
	}
	if page, ok := s.Clean(base, returnto.Page(target)); ok && returnto.IsTooLong(target) {
		return page
	}
	if target != "" {
		s.log.Debug("auth0: return URL refused", "reason", "return_to_refused")
	}
	return s.Home(base)
}

// Clean returns a target as browsers read it. It reports false if a browser must not be
// sent there.
func (s *Site) Clean(base browser.Base, target string) (string, bool) {
	return s.Paths.Clean(base.Origin, target)
}

// Elsewhere returns the site of an application without a base URL. It may send a
// browser to paths of the redirect URI's own origin.
func Elsewhere(log *slog.Logger) *Site { return &Site{home: "/", log: log} }

// ReturnFor returns a target to which a browser may be sent after a login with a
// redirect URI: the given one, or home.
func (s *Site) ReturnFor(redirectURI, target string) string {
	return s.ReturnTo(s.baseOf(redirectURI), target)
}

func (s *Site) baseOf(uri string) browser.Base {
	for _, base := range s.bases.List {
		if strings.HasPrefix(uri, base.Origin+"/") {
			return base
		}
	}
	if len(s.bases.List) > 0 {
		return s.bases.List[0]
	}
	origin, err := discovery.Origin(uri)
	if err != nil {
		origin = "https://invalid" // so that only a path is clean
	}
	return browser.Base{Origin: origin}
}

// CheckRedirectURI rejects a redirect URI that the tenant's response must not go to. An
// application with base URLs gets responses below them only.
func (s *Site) CheckRedirectURI(uri string) error {
	u, err := url.Parse(uri)
	isAbove := func(base browser.Base) bool { return strings.HasPrefix(uri, base.String()+"/") }
	switch {
	case err != nil || u.Scheme == "" || strings.Contains(uri, "#") || !syntax.CleanText(uri):
		return fmt.Errorf("the redirect URI %.100q is not an absolute URI without a fragment", uri)
	case len(s.bases.List) > 0 && !slices.ContainsFunc(s.bases.List, isAbove):
		return fmt.Errorf("the redirect URI %.100q is not below Config.BaseURL or one of Config.BaseURLs", uri)
	}
	return nil
}

// IsCallback reports whether a URI is the callback URL.
func (s *Site) IsCallback(uri string) bool {
	return slices.ContainsFunc(s.bases.List, func(base browser.Base) bool { return uri == base.URL(s.Callback) })
}

// CheckHost rejects a response to a login that was started at another base URL.
func (s *Site) CheckHost(r *http.Request, redirectURI string) error {
	base, err := s.Of(r)
	if err != nil {
		return err
	}
	if len(s.bases.List) > 1 && !strings.HasPrefix(redirectURI, base.Origin+"/") {
		return refusal.NoTransaction.Because("the login was started on another host")
	}
	return nil
}

// LoginURL returns the URL of the login route at the base URL of a request. The login
// returns to returnTo.
func (s *Site) LoginURL(r *http.Request, returnTo string) string {
	base, err := s.Of(r)
	if err != nil {
		base = s.bases.List[0]
	}
	return base.Origin + s.LoginPath(base, returnTo)
}
