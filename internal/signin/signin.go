// Package signin logs people in with a browser: the login route, the callback, silent
// logins, and the session that a login begins.
//
// The package does not know what a visitor reads when a login fails, the public types of
// a login, or how a session ends.
package signin

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/jsonscan"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/renew"
	"github.com/seed-15d5a55c/auth0/internal/site"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
	"github.com/seed-15d5a55c/auth0/internal/visit"
)

// Config is what signing in needs.
type Config struct {
	Site         *site.Site
	Visits       *visit.Visits
	Tokens       *renew.Tokens
	Flow         *login.Flow
	Transactions *transaction.Jar
	Links        authrequest.Links
	Options      []authrequest.Option // of every login

	// AfterLogin, if not nil, is asked before the session of a login begins. It may
	// change ReturnTo and Data.
	AfterLogin func(context.Context, *login.Accepted) error
	// KeepClaim selects the claims that a session keeps. It can be nil, see
	// [idtoken.Identity.Kept]. KeepIDToken keeps the ID token too.
	KeepClaim   func(name string) bool
	KeepIDToken bool

	// Row returns the row that an error is answered with. Refused returns the same
	// row, and writes the error to the log.
	Row     func(error) refusal.Row
	Refused func(*http.Request, error) refusal.Row

	Now func() time.Time
	Log *slog.Logger
}

// Routes sign people in to one application.
type Routes struct{ c Config }

// New returns the routes.
func New(c Config) *Routes { return &Routes{c} }

// request applies the options of one login over those of every login.
func (s *Routes) request(options ...authrequest.Option) (*authrequest.Request, error) {
	r, err := authrequest.New(slices.Concat(s.c.Options, options)...)
	if err != nil {
		return nil, refusal.LoginOption.Wrap(err)
	}
	return r, s.c.Flow.CheckPage(r)
}

// Check refuses options that a login cannot have.
func (s *Routes) Check(options []authrequest.Option) error {
	_, err := s.request(options...)
	return err
}

// Login is the Authentication Request of OpenID Connect Core 1.0, Section 3.1.2.1,
// with PKCE (RFC 7636).
func (s *Routes) Login(w http.ResponseWriter, r *http.Request, options []authrequest.Option) error {
	if !slices.Contains([]string{http.MethodGet, http.MethodPost, http.MethodHead}, r.Method) {
		w.Header().Set("Allow", "GET, POST")
		return refusal.Method.New()
	}
	// A prefetch begins no login: its cookie could push out the one of a login that
	// a person has begun.
	if r.Method == http.MethodHead || browser.Prefetches(r) {
		browser.NoContent(w)
		return nil
	}
	base, err := s.c.Site.Of(r)
	if err != nil {
		return err
	}
	values, err := browser.Values(w, r)
	if err != nil {
		return refusal.LoginOption.Wrap(err)
	}
	a, err := s.request(slices.Concat(s.c.Links.Options(values), options)...)
	if err != nil {
		return err
	}
	if len(options) == 0 && s.isLoggedIn(r, a) {
		browser.Redirect(w, s.c.Site.ReturnTo(base, a.ReturnTo()), http.StatusSeeOther)
		return nil
	}
	authURL, t, err := s.c.Flow.Begin(r.Context(), s.place(base, a), a)
	if err != nil {
		return err
	}
	if err := s.Keep(w, r, t); err != nil {
		return err
	}
	if r.Method == http.MethodGet {
		browser.Redirect(w, authURL, http.StatusFound)
		return nil
	}
	browser.Leave(w, r, authURL, "Log in") // 303 or a page, so that the tenant does not get the form
	return nil
}

// isLoggedIn reports whether somebody is logged in, with the tokens that the login
// brings, and the login asks for nothing that only the tenant can do. A session can
// outlive its tokens. Without a visit to the tenant, a page that needs them would send
// the browser here again and again.
func (s *Routes) isLoggedIn(r *http.Request, a *authrequest.Request) bool {
	record, err := s.c.Visits.Record(r)
	if err == nil {
		record, err = s.c.Visits.Sessions.Newest(r.Context(), record)
	}
	if err != nil {
		return false
	}
	if strings.Contains(s.c.Flow.ResponseType, "code") && !s.c.Tokens.Meets(record, a.Params.Get("audience"), s.c.Flow.ScopesOf(a)) {
		return false
	}
	id, _ := idtoken.RawClaim(string(record.Claims), "org_id")
	name, _ := idtoken.RawClaim(string(record.Claims), "org_name")
	return a.IsMetBy(text(id), text(name))
}

// text returns the text of a JSON string, and nothing for another value.
func text(raw string) string {
	s, _ := jsonscan.String(raw)
	return s
}

// place returns where the answer to a login goes, and where the browser goes then. The
// login begins at a base URL.
func (s *Routes) place(base browser.Base, a *authrequest.Request) transaction.Place {
	return transaction.Place{RedirectURI: base.URL(s.c.Site.Callback), ReturnTo: s.c.Site.ReturnTo(base, a.ReturnTo())}
}

// Keep hands a transaction to the browser. It notes the session that the browser has,
// which the login ends.
func (s *Routes) Keep(w http.ResponseWriter, r *http.Request, t *transaction.Transaction) error {
	jar := s.c.Visits.Jar(r)
	if record, err := s.c.Visits.Record(r); err == nil {
		t.Session, t.Parts = record.ID, len(s.c.Visits.Cookies.Session.Names(jar))
	}
	return s.c.Transactions.Keep(w, jar, t)
}

// Find returns the transaction of an answer.
func (s *Routes) Find(r *http.Request, state, responseType string) (*transaction.Transaction, error) {
	t, err := s.c.Transactions.Find(s.c.Visits.Jar(r), state, responseType)
	if err != nil {
		return nil, err
	}
	return t, s.c.Site.CheckHost(r, t.RedirectURI)
}

// Link begins a login that a link in an e-mail goes on with, and returns the
// parameters of its Authentication Request.
func (s *Routes) Link(
	w http.ResponseWriter, r *http.Request, options []authrequest.Option,
) (request url.Values, forwardedFor netip.Addr, err error) {
	base, err := s.c.Site.Of(r)
	if err != nil {
		return nil, forwardedFor, err
	}
	a, err := s.request(options...)
	if err != nil {
		return nil, forwardedFor, err
	}
	request, t := s.c.Flow.Authentication(s.place(base, a), a)
	// The cookie is set before the caller sends the link, because the link cannot log
	// in a browser that does not have it.
	return request, a.ForwardedFor, s.Keep(w, r, t)
}

// silentMarker in a query notes that a silent login has failed. It is for browsers that
// keep no cookies.
const silentMarker = "silent_login=failed"

// markSilent adds the marker to a path, which can have a query and a fragment. In a
// fragment it would not reach the server, and the browser would go round in circles.
func markSilent(path string) string {
	path, fragment, found := strings.Cut(path, "#")
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	path += separator + silentMarker
	if found {
		path += "#" + fragment
	}
	return path
}

// maySilently reports whether a silent login may be tried for a request.
func (s *Routes) maySilently(r *http.Request) bool {
	v := s.c.Visits.In(r.Context())
	return v.Record == nil && v.Err == nil && browser.Navigates(r) && r.Method == http.MethodGet && !browser.Prefetches(r) &&
		!s.c.Visits.Marks.TriedSilent(v.Jar) && !strings.Contains(r.URL.RawQuery, silentMarker)
}

// Silently begins a silent login if one may be tried for the request, whose session
// [visit.Visits.Load] has loaded. It reports whether it has answered the request. It
// does not answer if the tenant is down, because everybody may see the page.
func (s *Routes) Silently(w http.ResponseWriter, r *http.Request) (answered bool, err error) {
	if !s.maySilently(r) {
		return false, nil
	}
	base, err := s.c.Site.Of(r)
	if err != nil {
		return true, err
	}
	a, err := s.request(authrequest.ReturnTo(site.Here(base, r)), authrequest.Silent)
	if err != nil {
		return true, err
	}
	authURL, t, err := s.c.Flow.Begin(r.Context(), s.place(base, a), a)
	s.c.Visits.Marks.NoteSilent(w, s.c.Visits.Jar(r))
	if err != nil {
		s.c.Log.Warn("auth0: a silent login could not begin", "err", err)
		return false, nil
	}
	if err := s.Keep(w, r, t); err != nil {
		return true, err
	}
	browser.Redirect(w, authURL, http.StatusFound)
	return true, nil
}
