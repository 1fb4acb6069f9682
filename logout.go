package auth0

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/session"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// logout ends the session here first: what happens at the tenant is not in our
// hands.
func (s *Strategy) logout(w http.ResponseWriter, r *http.Request, opts []LogoutOption) error {
	if r.Method == http.MethodHead || browser.Prefetches(r) {
		browser.NoContent(w)
		return nil
	}
	site, err := s.siteOf(r)
	if err != nil {
		return err
	}
	l, err := readLogout(w, r, s.config.LogoutOptions, opts)
	if err != nil {
		return err
	}
	known, err := browser.LogoutOrigin(r, site)
	if err != nil {
		return refusal.CrossSite.Wrap(err)
	}
	record, err := s.recordOf(r)
	if !known && !s.isConfirmed(record, l.confirmation) {
		switch {
		case isRefused(err, refusal.LoginRequired):
			// There is no session here, and the one at the tenant must not end
			// because of a request that may come from anywhere.
			browser.Redirect(w, s.postLogoutURL(site, l), http.StatusSeeOther)
			return nil
		case err != nil:
			return err
		}
		s.askLogout(w, record, l)
		return nil
	}
	ended, err := s.endHere(w, r, record)
	if err != nil {
		return err
	}
	target, err := s.logoutURL(r, site, l, ended)
	if err != nil {
		return err
	}
	if l.confirmation != "" {
		browser.WriteLeavePage(w, target)
		return nil
	}
	browser.Redirect(w, target, http.StatusSeeOther)
	return nil
}

// readLogout reads what a request asks of a logout.
func readLogout(w http.ResponseWriter, r *http.Request, layers ...[]LogoutOption) (*logoutRequest, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		return nil, refusal.Method.New()
	}
	l, err := newLogoutRequest(layers...)
	if err != nil {
		return nil, refusal.Misconfigured.Wrap(err)
	}
	l.asked = r.URL.Query().Get("returnTo")
	// A form that cannot be read is no reason to stay logged in.
	if form, err := browser.Values(w, r); err == nil {
		l.asked = cmp.Or(form.Get("returnTo"), l.asked)
		if r.Method == http.MethodPost {
			l.confirmation = form.Get(confirmField)
		}
	}
	return l, nil
}

// endHere ends the session of a request, and the logins of this browser that are in
// progress. It revokes the refresh token. The session returned is nil if there was
// none.
func (s *Strategy) endHere(w http.ResponseWriter, r *http.Request, record *session.Record) (*Session, error) {
	if record != nil {
		if newest, _, err := s.sessions.Newest(r.Context(), record); err == nil {
			record = newest // its refresh token is the one to revoke
		}
	}
	jar := s.jar(r)
	err := s.sessions.End(r.Context(), w, jar)
	s.transactions.Forget(w, jar)
	s.noteSilentLogin(w, jar) // or the next page would log them in again
	if record == nil {
		return nil, err
	}
	if record.RefreshToken != "" {
		s.tokens.Revoke(r.Context(), record.RefreshToken)
	}
	return newSession(record), err
}

const (
	purposeLogout = "logout"
	// confirmField is the field of the form that askLogout writes.
	confirmField = "confirm"
	// confirmLife is how long a person may take to press its button.
	confirmLife = 10 * time.Minute
)

// A logoutConfirmation is what the button of askLogout sends. It is good for one
// session, and so for one logout.
type logoutConfirmation struct {
	SessionID string `json:"id"`
	IssuedAt  int64  `json:"iat"`
}

// askLogout writes a page that asks whether to log out.
func (s *Strategy) askLogout(w http.ResponseWriter, record *session.Record, l *logoutRequest) {
	plain, _ := json.Marshal(logoutConfirmation{record.ID, s.now().Unix()})
	fields := browser.HiddenField(confirmField, s.keyring.Seal(purposeLogout, s.cookies.Session.Name, plain))
	if l.asked != "" {
		fields += browser.HiddenField("returnTo", l.asked)
	}
	// Without an action, the form is posted to where this page is, whatever path
	// the route has for the browser.
	browser.WritePage(w, "Log out", "", `<h1>Log out?</h1>
<form method="post">`+fields+`<button>Log out</button></form>`)
}

// isConfirmed reports whether a form is that of askLogout for this session.
func (s *Strategy) isConfirmed(record *session.Record, sealed string) bool {
	if record == nil || sealed == "" {
		return false
	}
	plain, _, ok := s.keyring.Open(purposeLogout, s.cookies.Session.Name, sealed)
	var c logoutConfirmation
	if !ok || json.Unmarshal(plain, &c) != nil {
		return false
	}
	age := time.Duration(s.now().Unix()-c.IssuedAt) * time.Second
	return c.SessionID == record.ID && age < confirmLife && age > -time.Minute
}

// sessionIn reads the session of a request. A request to upgrade is a GET and, with
// cookies, as powerful as a POST: its session counts only if it comes from a page of
// the site, and browsers always say from which one (RFC 6455, Section 4.1).
func (s *Strategy) sessionIn(r *http.Request) *loadedSession {
	loaded := &loadedSession{Loaded: s.sessions.Load(r.Context(), s.jar(r)), decoded: &decodedClaims{}}
	if loaded.Record == nil || !browser.Upgrades(r) {
		return loaded
	}
	site, err := s.siteOf(r)
	if origins := r.Header["Origin"]; err == nil && (len(origins) != 1 || origins[0] != site.Origin) {
		err = refusal.CrossOrigin.Because("a request to upgrade has the Origin header %.100q, which differs from the origin of the site", origins)
	}
	if err != nil {
		return &loadedSession{Loaded: &session.Loaded{Jar: loaded.Jar, Err: err}, decoded: loaded.decoded}
	}
	return loaded
}

// logoutURL decides where the browser goes: to the tenant, so that the session
// there ends too, or straight back.
func (s *Strategy) logoutURL(r *http.Request, site browser.Base, l *logoutRequest, session *Session) (string, error) {
	back := s.postLogoutURL(site, l)
	endpoint := ""
	switch s.config.LogoutEndpoint {
	case "local":
		return back, nil
	case "v2":
		return s.v2LogoutURL(l, back), nil
	}
	m, err := s.namespace.Discovered.Get(r.Context())
	if err != nil {
		// Ended here. Sending somebody to a tenant that does not answer would
		// only hide that.
		s.log.Warn("auth0: logout: the session at the tenant is not ended", "err", clip(err.Error()))
		return back, nil
	}
	endpoint = m.EndSessionEndpoint
	target, hinted := endSessionURL(endpoint, s.config.ClientID, l, back, session)
	switch {
	case endpoint != "" && !hinted && s.namespace.Static != nil:
		// Without a hint, Auth0 looks for the return URL in the list of the tenant
		// and not of the application, and ends at an error page.
		return s.v2LogoutURL(l, back), nil
	case endpoint != "" && session == nil:
		return back, nil // nobody knows what others do without a hint
	case endpoint != "":
		return target, nil
	case s.config.LogoutEndpoint == "oidc":
		return "", refusal.LogoutEndpoint.Because("Config.LogoutEndpoint is oidc, and the tenant has no end_session_endpoint; turn on RP-initiated logout in the tenant's settings")
	case s.namespace.Static != nil:
		return s.v2LogoutURL(l, back), nil
	}
	s.log.Warn("auth0: logout: the provider has no end_session_endpoint, its session is not ended")
	return back, nil
}

// postLogoutURL takes the return URL of the options, else that of the link or the
// form if it is listed, else the default.
func (s *Strategy) postLogoutURL(site browser.Base, l *logoutRequest) string {
	absolute := func(target string) string {
		if clean, ok := s.returnTo.Clean(site.Origin, target); ok && strings.HasPrefix(clean, "/") {
			return site.Origin + clean
		}
		return target
	}
	if l.returnTo != "" {
		if u := absolute(l.returnTo); strings.HasPrefix(u, site.Origin+"/") || slices.Contains(s.config.PostLogoutURLs, u) {
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
	target := s.namespace.Static.Issuer + "v2/logout?" + v.Encode()
	if l.federated {
		target += "&federated"
	}
	return target
}

// endSessionURL is OpenID Connect RP-Initiated Logout 1.0, Section 2.
// Hinted says whether the provider can tell whose session it is.
func endSessionURL(endpoint, clientID string, l *logoutRequest, back string, session *Session) (target string, hinted bool) {
	v := url.Values{}
	if session != nil {
		if session.sid != "" {
			v.Set("logout_hint", session.sid)
		}
		if !session.idToken.IsEmpty() {
			v.Set("id_token_hint", session.idToken.Reveal())
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
	target = build()
	if len(target) > limit {
		v.Del("id_token_hint")
		target = build()
	}
	return target, v.Has("id_token_hint") || v.Has("logout_hint")
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
		if s.namespace.Static == nil {
			p.add("LogoutEndpoint", `is "v2", which only Auth0 has; Domain is a URL`)
		}
	default:
		p.add("LogoutEndpoint", `is %q; it must be "oidc", "v2", "local" or empty`, c.LogoutEndpoint)
	}
	for _, raw := range c.PostLogoutURLs {
		if u, err := url.Parse(raw); err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" || !syntax.IsScope(raw) {
			p.add("PostLogoutURLs", "%q must be an absolute URL, with everything but ASCII percent-encoded", raw)
		}
	}
	if _, err := newLogoutRequest(c.LogoutOptions); err != nil {
		p.add("LogoutOptions", "%v", err)
	}
}
