package signin

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/condition"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/session"
	"github.com/seed-15d5a55c/auth0/internal/site"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
)

// A Demand is what a guard of pages asks of a session, and of the login that helps if
// there is none, or if it is not enough. The zero Demand asks for a session.
type Demand struct {
	options   []authrequest.Option // of the login, nil for the login route
	saved     authrequest.Saved    // the same, for a ticket
	condition condition.Demand
	challenge string // further parameters of WWW-Authenticate
}

// demandLife is the time for which a link that a guard gives to a script can be used.
const demandLife = 10 * time.Minute

// NewDemand returns the demand of a guard. Options of the login that can be conditions,
// its age, its acr and its organization, are conditions for the session too. A session
// must be in one of the organizations, if there are any. NewDemand refuses options that
// a guard cannot have.
func (s *Routes) NewDemand(options []authrequest.Option, organizations ...string) (Demand, error) {
	own, err := authrequest.New(options...)
	if err == nil {
		_, err = s.request(options...)
	}
	if err != nil {
		return Demand{}, err
	}
	if organization := own.Organization(); organization != "" {
		organizations = []string{organization}
	}
	empty, _ := authrequest.New()
	d := Demand{
		options: options, saved: own.Save(empty), challenge: challengeOf(own),
		condition: condition.Demand{MaxAge: own.MaxAge, ACR: own.RequiredACR, Organizations: organizations},
	}
	return d, s.check(d, own)
}

// check refuses a demand that no session can meet, or that does not fit into a link.
func (s *Routes) check(d Demand, own *authrequest.Request) error {
	switch {
	case own.MaxAge != nil && *own.MaxAge < 1:
		return errors.New("the age of an authentication must be at least a second")
	case slices.ContainsFunc(own.RequiredACR, func(acr string) bool { return !syntax.IsScope(acr) }):
		return errors.New("an acr has spaces, quotation marks or control characters")
	case own.Popup != nil:
		return errors.New("WithPopup is for LoginHandler")
	case own.ForwardedFor.IsValid():
		return errors.New("WithForwardedFor is for a login without a browser")
	case own.Params.Has("invitation"):
		return errors.New("WithInvitation is for one login, in LoginHandler")
	case own.ReturnTo() != "":
		return errors.New("a guard leads back to its page; leave WithReturnTo out")
	case !d.saved.IsEmpty() && s.ticketFor(d, &session.Record{}) == "":
		return errors.New("the options are too long for a link")
	}
	return nil
}

// challengeOf returns parameters for scripts (RFC 9470, Section 3).
func challengeOf(r *authrequest.Request) (parameters string) {
	if len(r.RequiredACR) > 0 {
		parameters += `, acr_values="` + strings.Join(r.RequiredACR, " ") + `"`
	}
	if r.MaxAge != nil {
		parameters += `, max_age="` + strconv.Itoa(*r.MaxAge) + `"`
	}
	return parameters
}

// Admit decides about the session of a request, which [visit.Visits.Load] has loaded. If
// it does not admit the request, it has answered it, or returns the refusal. A page can
// be answered with a login. Other requests cannot follow the redirects of one.
func (s *Routes) Admit(w http.ResponseWriter, r *http.Request, d Demand, page bool) (admitted bool, err error) {
	v := s.c.Visits.In(r.Context())
	switch {
	case v.Record != nil:
	case v.Err != nil && s.c.Row(v.Err).Reason == refusal.LoginRequired.Reason:
		// The principal is a token: a login would change nothing.
		return false, s.LoginRequired(w, r)
	case v.Err != nil:
		// The user can be logged in. Another login would not help.
		return false, v.Err
	default:
		return false, s.ask(w, r, d, page, nil, refusal.LoginRequired.New())
	}
	bad := d.condition.Check(v.Record.Facts(), s.c.Now(), s.c.Flow.IDTokens.Leeway)
	if bad == nil {
		return true, nil
	}
	row := refusal.StepUp
	switch isOrganization := bad.Is(fault.Organization); {
	case isOrganization && len(d.condition.Organizations) > 1:
		// Which of them to log in to cannot be known.
		return false, refusal.Organization.Wrap(bad)
	case isOrganization:
		row = refusal.OrganizationLogin
	}
	return false, s.ask(w, r, d, page, v.Record, row.Wrap(bad))
}

// ask answers a request that another login helps: with the login, or with a refusal that
// says where the login is. The record is nil if nobody is logged in.
func (s *Routes) ask(w http.ResponseWriter, r *http.Request, d Demand, page bool, record *session.Record, why *refusal.Refusal) error {
	base, err := s.c.Site.Of(r)
	switch {
	case err != nil:
		return err
	case page && browser.Navigates(r) && d.options == nil:
		return s.sendToLogin(w, r, base)
	case page && browser.Navigates(r):
		return s.beginFor(w, r, base, d, record)
	case d.options == nil:
		return s.LoginRequired(w, r)
	}
	login := s.c.Site.LoginFor(base, r)
	if t := s.ticketFor(d, record); t != "" {
		login = withTicket(login, t)
	}
	s.c.Site.Challenge(w, r, login, login, d.challenge)
	text := "Log in"
	if why.Row == refusal.StepUp {
		text = "Confirm that it is you"
	}
	return &transaction.Failure{Err: why, Links: []refusal.Link{{Text: text, URL: base.Origin + login}}}
}

// LoginRequired answers requests that cannot be redirected to a login page. RFC 9110,
// Section 15.5.2 requires a challenge with 401.
func (s *Routes) LoginRequired(w http.ResponseWriter, r *http.Request) error {
	base, err := s.c.Site.Of(r)
	if err != nil {
		return err
	}
	return s.c.Site.LoginRequired(w, r, base, s.c.Site.LoginFor(base, r))
}

// sendToLogin redirects to the login route, which leads back here. If a browser loses
// the session cookie each time, the redirects would never end, because the tenant
// lets it through without a page. After three times the visitor gets a page instead.
func (s *Routes) sendToLogin(w http.ResponseWriter, r *http.Request, base browser.Base) error {
	here := site.Here(base, r)
	if err := s.checkLoop(w, r, base, here); err != nil {
		return err
	}
	target := s.c.Site.LoginPath(base, here)
	if there, ok := s.c.Site.OtherHost(r, target); ok {
		target = there
	}
	browser.Redirect(w, target, http.StatusFound)
	return nil
}

func (s *Routes) checkLoop(w http.ResponseWriter, r *http.Request, base browser.Base, here string) error {
	if !s.c.Visits.Marks.LosesLogins(w, s.c.Visits.Jar(r)) {
		return nil
	}
	return &transaction.Failure{Err: refusal.Loop.New(), ReturnTo: s.c.Site.ReturnTo(base, here)}
}

// beginFor begins a login that leads back to the page. What the page asks for is in no
// URL of the application, so that no link can weaken it.
func (s *Routes) beginFor(w http.ResponseWriter, r *http.Request, base browser.Base, d Demand, record *session.Record) error {
	if r.Method == http.MethodHead || browser.Prefetches(r) {
		browser.NoContent(w)
		return nil
	}
	here := site.Here(base, r)
	if target, ok := s.c.Site.OtherHost(r, here); ok {
		browser.Redirect(w, target, http.StatusFound)
		return nil
	}
	if err := s.checkLoop(w, r, base, here); err != nil {
		return err
	}
	a, err := s.request(slices.Concat(d.options, []authrequest.Option{authrequest.ReturnTo(here), authrequest.ForPerson(personOf(record))})...)
	if err != nil {
		return err
	}
	return s.begin(w, r, base, a)
}

// ticketFor returns the ticket for the login of a demand.
func (s *Routes) ticketFor(d Demand, record *session.Record) string {
	options := d.saved
	options.Person = personOf(record)
	return s.Ticket(options, demandLife)
}

// personOf returns a text that stands for the user of a session, empty for none.
func personOf(record *session.Record) string {
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
