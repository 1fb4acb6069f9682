package auth0

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/discovery"
)

// logout ends the session here first: what happens at the tenant is not in our
// hands.
func (s *Strategy) logout(w http.ResponseWriter, r *http.Request, opts []LogoutOption) error {
	if r.Method == http.MethodHead || isPrefetch(r) {
		noContent(w)
		return nil
	}
	site, err := s.siteOf(r)
	if err != nil {
		return err
	}
	if err := s.checkLogoutOrigin(w, r, site); err != nil {
		return err
	}
	l, err := newLogoutRequest(s.config.Logout, opts)
	if err != nil {
		return refuseMisconfigured.wrap(err)
	}
	l.asked = r.URL.Query().Get("returnTo")
	// A form that cannot be read is no reason to stay logged in.
	if form, err := linkValues(w, r); err == nil {
		l.asked = cmp.Or(form.Get("returnTo"), l.asked)
	}
	record, _ := s.recordOf(r)
	if record != nil {
		if newest, _, err := s.sessions.newest(r.Context(), record); err == nil {
			record = newest // its refresh token is the one to revoke
		}
	}
	jar := s.jar(r)
	notEnded := s.sessions.end(r.Context(), w, jar)
	s.forgetTransactions(w, jar)
	s.noteSilentLogin(w, jar) // or the next page would log them in again
	var session *Session
	if record != nil {
		session = s.sessions.session(record)
		if record.RefreshToken != "" {
			s.revokeRefreshToken(r.Context(), record.RefreshToken)
		}
	}
	if notEnded != nil {
		return notEnded
	}
	target, err := s.logoutURL(r, site, l, session)
	if err != nil {
		return err
	}
	redirect(w, target, http.StatusSeeOther)
	return nil
}

// checkLogoutOrigin keeps other sites from logging people out, be it with a
// form or with an image.
func (s *Strategy) checkLogoutOrigin(w http.ResponseWriter, r *http.Request, site site) error {
	switch r.Method {
	case http.MethodPost:
		if err := s.checkOrigin(r); err != nil {
			return refuseCrossSite.wrap(err)
		}
	case http.MethodGet:
		if !sameOriginNavigation(r, site) {
			return refuseCrossSite.because("GET that is no navigation within the application: Sec-Fetch-Site is %.20q", r.Header.Get("Sec-Fetch-Site"))
		}
	default:
		w.Header().Set("Allow", "GET, POST")
		return refuseMethod.error()
	}
	return nil
}

// checkOrigin refuses requests that may change something and that a page of
// another origin has caused.
func (s *Strategy) checkOrigin(r *http.Request) error {
	guard := http.NewCrossOriginProtection()
	known := false
	for _, site := range s.sites {
		// A proxy may have changed the Host that the origin is compared with.
		if err := guard.AddTrustedOrigin(site.origin); err != nil {
			return err
		}
		known = known || r.Header.Get("Origin") == site.origin
	}
	if err := guard.Check(r); err != nil {
		return err
	}
	// The guard does not compare schemes, where the browser does not say itself
	// that the origin is the same.
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
	if origin := r.Header.Get("Origin"); origin != "" && !known && !safe && r.Header.Get("Sec-Fetch-Site") != "same-origin" {
		return fmt.Errorf("the origin is %.100q, which is none of ours", origin)
	}
	return nil
}

// sameOriginNavigation reports whether a GET comes from a link of ours, or was
// typed. Browsers of before 2023 may not send Sec-Fetch-Site; then Origin or
// Referer must name us.
func sameOriginNavigation(r *http.Request, site site) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" && mode != "navigate" {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
	default:
		return false
	}
	from := r.Header.Get("Origin")
	if from == "" {
		from = r.Header.Get("Referer")
	}
	origin, err := discovery.Origin(from)
	if err != nil {
		// Origin refuses http beyond this machine, which a configuration may allow.
		return from == site.origin || strings.HasPrefix(from, site.origin+"/")
	}
	return origin == site.origin
}

// logoutURL decides where the browser goes: to the tenant, so that the session
// there ends too, or straight back.
func (s *Strategy) logoutURL(r *http.Request, site site, l *logoutRequest, session *Session) (string, error) {
	back := s.postLogoutURL(site, l)
	endpoint := ""
	switch s.config.LogoutEndpoint {
	case "local":
		return back, nil
	case "v2":
		return s.v2LogoutURL(l, back), nil
	}
	m, err := s.namespace.discovered.Get(r.Context())
	if err != nil {
		// Ended here. Sending somebody to a tenant that does not answer would
		// only hide that.
		s.log.Warn("auth0: logout: the session at the tenant is not ended", "err", clip(err.Error()))
		return back, nil
	}
	endpoint = m.EndSessionEndpoint
	switch {
	case endpoint != "":
		return endSessionURL(endpoint, s.config.ClientID, l, back, session), nil
	case s.config.LogoutEndpoint == "oidc":
		return "", refuseLogoutEndpoint.because("Config.LogoutEndpoint is oidc, and the tenant has no end_session_endpoint; turn on RP-initiated logout in the tenant's settings")
	case s.namespace.static != nil:
		return s.v2LogoutURL(l, back), nil
	}
	s.log.Warn("auth0: logout: the provider has no end_session_endpoint, its session is not ended")
	return back, nil
}

// postLogoutURL takes the return URL of the options, else that of the link or the
// form if it is listed, else the default.
func (s *Strategy) postLogoutURL(site site, l *logoutRequest) string {
	absolute := func(target string) string {
		if clean, ok := s.returnTo.Clean(site.origin, target); ok && strings.HasPrefix(clean, "/") {
			return site.origin + clean
		}
		return target
	}
	if l.returnTo != "" {
		if u := absolute(l.returnTo); strings.HasPrefix(u, site.origin+"/") || slices.Contains(s.config.PostLogoutURLs, u) {
			return u
		}
		s.log.Warn("auth0: logout: the return URL is not one of Config.PostLogoutURLs")
	}
	if l.asked != "" {
		if u := absolute(l.asked); slices.Contains(s.config.PostLogoutURLs, u) {
			return u
		}
	}
	if len(s.config.PostLogoutURLs) > 0 {
		return s.config.PostLogoutURLs[0]
	}
	return site.String()
}

// v2LogoutURL is Auth0's own way. The parameter federated has no value.
func (s *Strategy) v2LogoutURL(l *logoutRequest, back string) string {
	v := url.Values{}
	l.apply(v, "id_token_hint", "logout_hint", "state")
	v.Set("client_id", s.config.ClientID)
	v.Set("returnTo", back)
	target := s.namespace.static.Issuer + "v2/logout?" + v.Encode()
	if l.federated {
		target += "&federated"
	}
	return target
}

// endSessionURL is OpenID Connect RP-Initiated Logout 1.0, Section 2.
func endSessionURL(endpoint, clientID string, l *logoutRequest, back string, session *Session) string {
	v := url.Values{}
	if session != nil {
		if session.sid != "" {
			v.Set("logout_hint", session.sid)
		}
		if session.idToken != nil {
			v.Set("id_token_hint", session.idToken.reveal())
		}
	}
	l.apply(v)
	v.Set("client_id", clientID)
	v.Set("post_logout_redirect_uri", back)
	build := func() string {
		separator := "?"
		if strings.Contains(endpoint, "?") {
			separator = "&"
		}
		target := endpoint + separator + v.Encode()
		if l.federated {
			target += "&federated"
		}
		return target
	}
	// Servers refuse longer URLs, and then nobody would be logged out.
	const limit = 4096
	target := build()
	if len(target) > limit {
		v.Del("id_token_hint")
		target = build()
	}
	return target
}

func (l *logoutRequest) apply(v url.Values, except ...string) {
	for name, values := range l.params {
		v.Del(name)
		if len(values) > 0 && !slices.Contains(except, name) {
			v[name] = values
		}
	}
}

func (s *Strategy) checkLogout(p *problems, c Config) {
	switch c.LogoutEndpoint {
	case "", "local", "oidc":
	case "v2":
		if s.namespace.static == nil {
			p.add("LogoutEndpoint", `is "v2", which only Auth0 has; Domain is a URL`)
		}
	default:
		p.add("LogoutEndpoint", `is %q; it must be "oidc", "v2", "local" or empty`, c.LogoutEndpoint)
	}
	for _, raw := range c.PostLogoutURLs {
		if u, err := url.Parse(raw); err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" || !isScope(raw) {
			p.add("PostLogoutURLs", "%q must be an absolute URL, with everything but ASCII percent-encoded", raw)
		}
	}
	if _, err := newLogoutRequest(c.Logout); err != nil {
		p.add("Logout", "%v", err)
	}
}
