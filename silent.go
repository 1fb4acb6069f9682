package auth0

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// TrySilentLogin logs people in who are logged in at the tenant already, for
// another application say, when they come to a page. The browser makes the way
// to the tenant and back without a question (prompt=none, OpenID Connect Core
// 1.0, Section 3.1.2.1); who is not logged in there sees the page as before. It
// is tried once in five minutes, and not after a logout.
//
// Put it inside [Strategy.LoadUser], around the pages that anybody may see.
func (s *Strategy) TrySilentLogin(next http.Handler) http.Handler {
	s.silent.Store(true)
	return s.LoadUser(s.handler("login", func(w http.ResponseWriter, r *http.Request) error {
		if !s.maySilentLogin(r) {
			next.ServeHTTP(w, r)
			return nil
		}
		return s.beginSilentLogin(w, r, next)
	}))
}

const (
	// silentLoginPause is how long it is not tried again.
	silentLoginPause = 5 * time.Minute
	// silentMarker, in a query, is for browsers that keep no cookies.
	silentMarker  = "silent_login=failed"
	purposeSilent = "silent"
)

// silentRefusals say that the tenant would have to ask the person something
// (OpenID Connect Core 1.0, Section 3.1.2.6).
var silentRefusals = []string{"login_required", "interaction_required", "consent_required", "account_selection_required"}

// isSilentRefusal reports whether an error is nobody's business, because nobody has
// asked to log in: the tenant would have to ask something, or the tenant or the
// application does not want this person. An answer that is not good is told.
func isSilentRefusal(err error) bool {
	e := outermost(err)
	return e != nil && (e.Status == http.StatusForbidden || e.Reason == refusal.ByTenant.Reason && slices.Contains(silentRefusals, e.Code))
}

func (s *Strategy) maySilentLogin(r *http.Request) bool {
	loaded := loadedBy(r.Context(), s)
	return loaded.Record == nil && loaded.Err == nil && browser.Navigates(r) && r.Method == http.MethodGet && !browser.Prefetches(r) &&
		!s.triedSilentLogin(loaded.Jar) && !strings.Contains(r.URL.RawQuery, silentMarker)
}

func (s *Strategy) beginSilentLogin(w http.ResponseWriter, r *http.Request, next http.Handler) error {
	site, err := s.siteOf(r)
	if err != nil {
		return err
	}
	here := url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	options := []LoginOption{WithPrompt("none"), WithReturnTo(site.Path + "/" + strings.TrimLeft(here.RequestURI(), "/"))}
	a, err := s.loginRequest(options)
	if err != nil {
		return err
	}
	a.silent, a.popup = true, nil // it is the page itself that goes there and back
	authURL, t, err := s.begin(r.Context(), site, a)
	if err != nil {
		// A tenant that is down must not take away pages that everybody may see.
		s.log.Warn("auth0: a silent login could not begin", "err", err)
		s.noteSilentLogin(w, s.jar(r))
		next.ServeHTTP(w, r)
		return nil
	}
	s.noteSilentLogin(w, s.jar(r))
	if err := s.keepTransaction(w, r, t); err != nil {
		return err
	}
	browser.Redirect(w, authURL, http.StatusFound)
	return nil
}

// noteSilentLogin keeps the next pages from trying.
func (s *Strategy) noteSilentLogin(w http.ResponseWriter, jar cookie.Jar) {
	if !s.silent.Load() {
		return
	}
	c := s.cookies.Silent
	value := s.keyring.Seal(purposeSilent, c.Name, strconv.AppendInt(nil, s.now().Unix(), 10))
	if err := c.Set(w, jar, value, silentLoginPause); err != nil {
		s.log.Error("auth0: the cookie of silent logins cannot be set", "err", err)
	}
}

// triedSilentLogin reports whether it was tried lately in this browser.
func (s *Strategy) triedSilentLogin(jar cookie.Jar) bool {
	c := s.cookies.Silent
	plain, _, ok := s.keyring.Open(purposeSilent, c.Name, jar.First(c.Name))
	if !ok {
		return false
	}
	at, err := strconv.ParseInt(string(plain), 10, 64)
	age := time.Duration(s.now().Unix()-at) * time.Second
	return err == nil && age < silentLoginPause
}

func (s *Strategy) forgetSilentLogin(w http.ResponseWriter, jar cookie.Jar) {
	if c := s.cookies.Silent; s.triedSilentLogin(jar) {
		c.Delete(w, jar)
	}
}
