// Package signin logs users in with a browser: the login route, the callback, silent
// logins, and the session that a login begins.
//
// The package does not know what a visitor reads when a login fails, the public types of
// a login, or how a session ends.
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
	"github.com/seed-15d5a55c/auth0/internal/renew"
	"github.com/seed-15d5a55c/auth0/internal/session"
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

// Routes log users in to one application.
type Routes struct {
	c        Config
	every    *authrequest.Request // what every login asks for
	attempts *attempts
}

// New returns the routes.
func New(c Config) *Routes {
	every, _ := authrequest.New(c.Options...) // each login reports its mistakes
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

// Check rejects options that a login cannot have.
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
	// a user has begun.
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
	// A script cannot follow the redirect to the tenant. Its transaction could push out
	// one of a user.
	if browser.CallerOf(r).IsScript() {
		return s.c.Site.LoginRequired(w, r, base, s.here(base, r, values))
	}
	if target, ok := s.c.Site.OtherHost(r, s.here(base, r, values)); ok {
		browser.Leave(w, r, target, "Log in")
		return nil
	}
	return s.begin(w, r, base, a)
}

// Begin sends a browser that opens a page to the tenant, for a login with these options.
func (s *Routes) Begin(w http.ResponseWriter, r *http.Request, base browser.Base, options []authrequest.Option) error {
	a, err := s.request(options...)
	if err != nil {
		return err
	}
	return s.begin(w, r, base, a)
}

// begin sends the browser to the tenant for a login, which then goes on at a base URL.
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

// here returns the path at which a browser begins the login of a request, with the
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

// allValues returns the fields of a form, and the query of its URL, which can have what
// is not a field.
func allValues(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	values, err := browser.Values(w, r)
	if err != nil {
		return nil, err
	}
	all := r.URL.Query()
	maps.Copy(all, values)
	return all, nil
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
	return a.IsMetBy(record.Facts())
}

// place returns where the answer to a login goes, and where the browser goes then. The
// login begins at a base URL.
func (s *Routes) place(base browser.Base, a *authrequest.Request) transaction.Place {
	return transaction.Place{RedirectURI: base.URL(s.c.Site.Callback), ReturnTo: s.c.Site.ReturnTo(base, a.ReturnTo())}
}

// remember keeps the options of a login in its transaction, for another try.
func (s *Routes) remember(t *transaction.Transaction, a *authrequest.Request) {
	saved := a.Save(s.every)
	saved.ReturnTo = "" // the transaction has it
	if !saved.IsEmpty() {
		t.Again = &saved
	}
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

// Find returns the transaction of an answer. Beside an error it returns one that cannot
// be used, if the browser has it.
func (s *Routes) Find(r *http.Request, state, responseType string) (*transaction.Transaction, error) {
	t, err := s.c.Transactions.Find(s.c.Visits.Jar(r), state, responseType)
	if err != nil {
		return t, err
	}
	return t, s.c.Site.CheckHost(r, t.RedirectURI)
}

// Link begins a login that a link in an email goes on with, and returns the
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
	s.remember(t, a)
	// The cookie is set before the caller sends the link, because the link cannot log
	// in a browser that does not have it.
	return request, a.ForwardedFor, s.Keep(w, r, t)
}

// PersonOf returns a text that stands for the user of a session, empty for no session.
func PersonOf(record *session.Record) string {
	if record == nil {
		return ""
	}
	return person(record.Issuer, record.Subject)
}

// person returns a short text, because it is part of links. It is sealed there, so that
// nobody can try out users.
func person(issuer, subject string) string {
	hash := sha256.Sum256([]byte(issuer + "\x00" + subject))
	return base64.RawURLEncoding.EncodeToString(hash[:9])
}
