// Package signin logs users in with a browser: the login route, the callback, silent
// logins, and the session that a login starts.
//
// The package does not know the texts that a visitor reads when a login fails, the
// public types of a login, or how a session ends.
package signin

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/session"
	"github.com/seed-15d5a55c/auth0/internal/site"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
	"github.com/seed-15d5a55c/auth0/internal/visit"
)

// Config holds the dependencies and the settings of Routes.
type Config struct {
	Site         *site.Site
	Visits       *visit.Visits
	Flow         *login.Flow
	Transactions *transaction.Jar
	Links        authrequest.Links
	Options      []authrequest.Option // of every login

	// AfterLogin, if not nil, is called before the session of a login starts. It may
	// change ReturnTo and Data.
	AfterLogin func(context.Context, *login.Accepted) error
	// KeepClaim selects the claims that a session stores. It can be nil, see
	// [idtoken.Identity.Kept]. KeepIDToken stores the ID token too.
	KeepClaim   func(name string) bool
	KeepIDToken bool

	// Row returns the row with which an error is answered. Refused returns the same row,
	// and logs the error.
	Row     func(error) refusal.Row
	Refused func(*http.Request, error) refusal.Row

	Now func() time.Time
	Log *slog.Logger
}

// Routes log users in to one application.
type Routes struct {
	c        Config
	every    *authrequest.Request // the options common to all logins
	attempts *attempts
}

// New returns the routes.
func New(c Config) *Routes {
	every, _ := authrequest.New(c.Options...) // each login reports its errors
	return &Routes{c, every, &attempts{now: c.Now}}
}

// request applies the options of one login over those of every login.
func (s *Routes) request(options ...authrequest.Option) (*authrequest.Request, error) {
	r, err := authrequest.New(slices.Concat(s.c.Options, options)...)
	if err != nil {
		return nil, refusal.LoginOption.Wrap(err)
	}
	return r, s.c.Flow.CheckPage(r)
}

// Check rejects options that are invalid for a login.
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
	// A prefetch starts no login: its cookie could evict the cookie of a login that the
	// user started.
	if r.Method == http.MethodHead || browser.Prefetches(r) {
		browser.NoContent(w)
		return nil
	}
	base, err := s.c.Site.Of(r)
	if err != nil {
		return err
	}
	values, err := allValues(w, r)
	if err != nil {
		return refusal.LoginOption.Wrap(err)
	}
	again := s.redeemTicket(r, values.Get(ticketName))
	a, err := s.request(slices.Concat(s.c.Links.Options(values), options, again)...)
	if err != nil {
		return err
	}
	if len(options) == 0 && len(again) == 0 && s.isLoggedIn(r, a) {
		browser.Redirect(w, s.c.Site.ReturnTo(base, a.ReturnTo()), http.StatusSeeOther)
		return nil
	}
	// A script cannot follow the redirect to the tenant, and its transaction could evict
	// one that the user started.
	if browser.CallerOf(r).IsScript() {
		return site.LoginRequired(w, r, s.here(base, r, values))
	}
	if target, ok := s.c.Site.OtherHost(r, s.here(base, r, values)); ok {
		browser.Leave(w, r, target, "Log in")
		return nil
	}
	return s.begin(w, r, base, a)
}

// Begin redirects a navigation to the tenant, for a login with these options.
func (s *Routes) Begin(w http.ResponseWriter, r *http.Request, base browser.Base, options []authrequest.Option) error {
	a, err := s.request(options...)
	if err != nil {
		return err
	}
	return s.begin(w, r, base, a)
}

// begin redirects the browser to the tenant for a login that continues at a base URL.
func (s *Routes) begin(w http.ResponseWriter, r *http.Request, base browser.Base, a *authrequest.Request) error {
	at := s.place(base, a)
	authURL, t, err := s.c.Flow.Begin(r.Context(), at, a)
	if err != nil {
		return s.cannotBegin(w, r, at, a, err)
	}
	s.remember(t, a)
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

// here returns the path at which a browser starts the login of a request, with the
// parameters of the link or the form.
func (s *Routes) here(base browser.Base, r *http.Request, values url.Values) string {
	if r.Method == http.MethodPost {
		taken := s.c.Links.Taken(values)
		if values.Has(ticketName) {
			taken.Set(ticketName, values.Get(ticketName))
		}
		values = taken
	}
	return site.WithQuery(site.Here(base, r), values)
}

// allValues returns the fields of a form and the query of its URL, which can hold
// further parameters.
func allValues(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	values, err := browser.Values(w, r)
	if err != nil {
		return nil, err
	}
	all := r.URL.Query()
	maps.Copy(all, values)
	return all, nil
}

// isLoggedIn reports whether the session has a user and the tokens of the login, and the
// login requests nothing that only the tenant can do. A session can outlive its tokens.
// If isLoggedIn ignored that, a page that needs them would send the browser here again
// and again.
func (s *Routes) isLoggedIn(r *http.Request, a *authrequest.Request) bool {
	record, err := s.c.Visits.Record(r)
	if err == nil {
		record, err = s.c.Visits.Sessions.Newest(r.Context(), record)
	}
	if err != nil {
		return false
	}
	if strings.Contains(s.c.Flow.ResponseType, "code") && !s.c.Visits.Tokens.Meets(record, a.Params.Get("audience"), s.c.Flow.ScopesOf(a)) {
		return false
	}
	return a.IsMetBy(record.Facts())
}

// place returns the redirect URI and the return page of a login that starts at a base
// URL.
func (s *Routes) place(base browser.Base, a *authrequest.Request) transaction.Place {
	return transaction.Place{RedirectURI: base.URL(s.c.Site.Callback), ReturnTo: s.c.Site.ReturnTo(base, a.ReturnTo())}
}

// remember keeps the options of a login in its transaction, for another attempt.
func (s *Routes) remember(t *transaction.Transaction, a *authrequest.Request) {
	saved := a.Save(s.every)
	saved.ReturnTo = "" // the transaction has it
	if !saved.IsEmpty() {
		t.Again = &saved
	}
}

// Keep stores a transaction in the browser. It notes the browser's session, which the
// login ends.
func (s *Routes) Keep(w http.ResponseWriter, r *http.Request, t *transaction.Transaction) error {
	jar := s.c.Visits.Jar(r)
	if record, err := s.c.Visits.Record(r); err == nil {
		t.Session, t.Parts = record.ID, len(s.c.Visits.Cookies.Session.Names(jar))
	}
	return s.c.Transactions.Keep(w, jar, t)
}

// Find returns the transaction of a response. With an error it returns a transaction
// that is not usable, if the browser has it.
func (s *Routes) Find(r *http.Request, state, responseType string) (*transaction.Transaction, error) {
	t, err := s.c.Transactions.Find(s.c.Visits.Jar(r), state, responseType)
	if err != nil {
		return t, err
	}
	return t, s.c.Site.CheckHost(r, t.RedirectURI)
}

// Link starts a login that continues with a link in an email, and returns the parameters
// of its Authentication Request.
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
	s.remember(t, a)
	// The cookie is set before the caller sends the link, because the link logs in only
	// a browser that has the cookie.
	return request, a.ForwardedFor, s.Keep(w, r, t)
}

// PersonOf returns a text that identifies the user of a session, empty for no session.
func PersonOf(record *session.Record) string {
	if record == nil {
		return ""
	}
	return person(record.Issuer, record.Subject)
}

// person returns a short text, because links contain it. It is sealed there, so that an
// attacker cannot guess users.
func person(issuer, subject string) string {
	hash := sha256.Sum256([]byte(issuer + "\x00" + subject))
	return base64.RawURLEncoding.EncodeToString(hash[:9])
}
