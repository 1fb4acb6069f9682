// Package guard decides which requests a page guard admits, and answers the others: with a
// login, or with a refusal that links to the login.
//
// The package does not know how a login works, the texts for a visitor, or which users a page
// is for.
package guard

import (
	"context"
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
	"github.com/seed-15d5a55c/auth0/internal/signin"
	"github.com/seed-15d5a55c/auth0/internal/site"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
	"github.com/seed-15d5a55c/auth0/internal/visit"
)

// A Config holds the dependencies of guards.
type Config struct {
	Site   *site.Site
	Visits *visit.Visits
	Signin *signin.Routes
	Leeway time.Duration           // for the age of an authentication
	Row    func(error) refusal.Row // with which an error is answered
	Now    func() time.Time
}

// Guards are the guards of one application.
type Guards struct{ c Config }

// New returns the guards.
func New(c Config) *Guards { return &Guards{c} }

// A Demand is what a page guard requires of a session, and the login for a session that is
// missing or too weak. The zero Demand requires a session.
type Demand struct {
	options   []authrequest.Option // of the login, nil for the login route
	saved     authrequest.Saved    // the same, for a ticket
	condition condition.Demand
	challenge string // further parameters of WWW-Authenticate
}

// demandLife is the life of a login link that a guard gives to a script.
const demandLife = 10 * time.Minute

// NewDemand returns the demand of a guard. Login options that can be conditions, namely age,
// acr and organization, are conditions for the session too. If organizations are given, a
// session must be in one of them. NewDemand rejects options that a guard cannot use.
func (g *Guards) NewDemand(options []authrequest.Option, organizations ...string) (Demand, error) {
	if err := g.c.Signin.Check(options); err != nil {
		return Demand{}, err
	}
	d, own, err := demandOf(options, organizations)
	if err != nil {
		return Demand{}, err
	}
	return d, g.check(d, own)
}

// demandOf returns the demand of options, and their request.
func demandOf(options []authrequest.Option, organizations []string) (Demand, *authrequest.Request, error) {
	own, err := authrequest.New(options...)
	if err != nil {
		return Demand{}, nil, err
	}
	if organization := own.Organization(); organization != "" {
		organizations = []string{organization}
	}
	empty, _ := authrequest.New()
	return Demand{
		options: options, saved: own.Save(empty), challenge: challengeOf(own),
		condition: condition.Demand{MaxAge: own.MaxAge, ACR: own.RequiredACR, Organizations: organizations},
	}, own, nil
}

// heldDemand is the demand of a guard that has admitted a request, in the context of the
// request for the guards inside. A login for one of them must not take away what an
// outer one has asked for: the two would send the browser to the tenant in turns, without end.
type heldDemand struct {
	Demand
	outer *heldDemand
}

// heldKey is the key of a heldDemand in a context.
type heldKey struct{ of *Guards }

// hold keeps the demand of a guard for the guards inside.
func (g *Guards) hold(r *http.Request, d Demand) *http.Request {
	if len(d.options) == 0 && len(d.condition.Organizations) == 0 {
		return r
	}
	outer, _ := r.Context().Value(heldKey{g}).(*heldDemand)
	return r.WithContext(context.WithValue(r.Context(), heldKey{g}, &heldDemand{d, outer}))
}

// whole returns a demand combined with those of the outer guards. Inner options override outer
// ones, but all conditions hold. It fails if no session can meet them. A login that only
// confirms the user stays in the organization of the session.
func (g *Guards) whole(r *http.Request, d Demand, record *session.Record) (Demand, error) {
	outer, _ := r.Context().Value(heldKey{g}).(*heldDemand)
	stay := organizationOf(record)
	if outer == nil && (stay == nil || len(d.condition.Organizations) > 0) {
		return d, nil
	}
	all, options := d.condition, slices.Clone(d.options) // guards share the list
	for ; outer != nil; outer = outer.outer {
		options = slices.Concat(outer.options, options)
		var ok bool
		if all, ok = all.And(outer.condition); !ok {
			return d, refusal.Misconfigured.Because("guards inside each other ask for an acr or an organization that no session can have at once")
		}
	}
	if all.MaxAge != nil {
		options = append(options, authrequest.MaxAge(time.Duration(*all.MaxAge)*time.Second))
	}
	if len(all.ACR) > 0 {
		options = append(options, authrequest.ACR(true, all.ACR...))
	}
	if len(d.condition.Organizations) == 0 {
		options = append(options, stay...)
	}
	whole, _, err := demandOf(options, all.Organizations)
	return whole, err
}

// check rejects a demand that no session can meet, or that does not fit into a link.
func (g *Guards) check(d Demand, own *authrequest.Request) error {
	longest, _, err := demandOf(append([]authrequest.Option{authrequest.Organization("org_0123456789abcdef")}, d.options...), nil)
	switch {
	case err != nil:
		return err
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
	case !d.saved.IsEmpty() && g.ticketFor(longest, &session.Record{}) == "":
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

// organizationOf returns the organization of a session, as an option of a login.
func organizationOf(record *session.Record) []authrequest.Option {
	if record == nil || !strings.HasPrefix(record.Facts().OrgID, "org_") {
		return nil
	}
	return []authrequest.Option{authrequest.Organization(record.Facts().OrgID)}
}

// Admit decides about the session of a request, which [visit.Visits.Load] has loaded. It
// returns the request for the next handler. Otherwise it has written the response, or returns
// the refusal. A page can be answered with a login. Other requests cannot follow its
// redirects.
func (g *Guards) Admit(w http.ResponseWriter, r *http.Request, d Demand, page bool) (admitted *http.Request, err error) {
	v := g.c.Visits.In(r.Context())
	switch {
	case v.Record != nil:
	case v.Err != nil && g.c.Row(v.Err).Reason == refusal.LoginRequired.Reason:
		// The principal is a token: a login would change nothing.
		return nil, g.LoginRequired(w, r)
	case v.Err != nil:
		// The user can be logged in. Another login would not help.
		return nil, v.Err
	default:
		return nil, g.ask(w, r, d, page, nil, refusal.LoginRequired.New())
	}
	bad := d.condition.Check(v.Record.Facts(), g.c.Now(), g.c.Leeway)
	if bad == nil {
		return g.hold(r, d), nil
	}
	row := refusal.StepUp
	switch isOrganization := bad.Is(fault.Organization); {
	case isOrganization && len(d.condition.Organizations) > 1:
		// The organization to log in to is unknown.
		return nil, refusal.Organization.Wrap(bad)
	case isOrganization:
		row = refusal.OrganizationLogin
	}
	return nil, g.ask(w, r, d, page, v.Record, row.Wrap(bad))
}

// ask answers a request that another login helps: with the login, or with a refusal that links
// to it. The record is nil if nobody is logged in.
func (g *Guards) ask(w http.ResponseWriter, r *http.Request, d Demand, page bool, record *session.Record, why *refusal.Refusal) error {
	base, err := g.c.Site.Of(r)
	if err == nil {
		d, err = g.whole(r, d, record)
	}
	switch {
	case err != nil:
		return err
	case page && browser.Navigates(r) && d.options == nil:
		return g.sendToLogin(w, r, base)
	case page && browser.Navigates(r):
		return g.beginFor(w, r, base, d, record)
	case d.options == nil:
		return g.LoginRequired(w, r)
	}
	login := g.c.Site.LoginFor(base, r)
	if t := g.ticketFor(d, record); t != "" {
		login = signin.WithTicket(login, t)
	} else if !d.saved.IsEmpty() {
		return refusal.Misconfigured.Because("the options of guards inside each other are too long for a link")
	}
	site.Challenge(w, r, login, d.challenge)
	text := "Log in"
	if why.Row == refusal.StepUp {
		text = "Confirm that it is you"
	}
	return &transaction.Failure{Err: why, Links: []refusal.Link{{Text: text, URL: base.Origin + login}}}
}

// LoginLink returns the link after a rejected request that a login helps.
func (g *Guards) LoginLink(r *http.Request) []refusal.Link {
	base, err := g.c.Site.Of(r)
	if err != nil {
		base = g.c.Site.All()[0]
	}
	return []refusal.Link{{Text: "Log in", URL: base.Origin + g.c.Site.LoginFor(base, r)}}
}

// LoginRequired answers requests that cannot be redirected to a login page. RFC 9110,
// Section 15.5.2 requires a challenge with 401.
func (g *Guards) LoginRequired(w http.ResponseWriter, r *http.Request) error {
	base, err := g.c.Site.Of(r)
	if err != nil {
		return err
	}
	return site.LoginRequired(w, r, g.c.Site.LoginFor(base, r))
}

// sendToLogin redirects to the login route, which returns here. If a browser loses the session
// cookie each time, the redirects would never end, because single sign-on shows no page. After
// three times the visitor gets a page instead.
func (g *Guards) sendToLogin(w http.ResponseWriter, r *http.Request, base browser.Base) error {
	here := site.Here(base, r)
	if err := g.checkLoop(w, r, base, here); err != nil {
		return err
	}
	target := g.c.Site.LoginPath(base, here)
	if there, ok := g.c.Site.OtherHost(r, target); ok {
		target = there
	}
	browser.Redirect(w, target, http.StatusFound)
	return nil
}

func (g *Guards) checkLoop(w http.ResponseWriter, r *http.Request, base browser.Base, here string) error {
	if !g.c.Visits.Marks.LosesLogins(w, g.c.Visits.Jar(r)) {
		return nil
	}
	return &transaction.Failure{Err: refusal.Loop.New(), ReturnTo: g.c.Site.ReturnTo(base, here)}
}

// beginFor starts a login that returns to the page. The page's requirements are in no URL of
// the application, so that no link can weaken them.
func (g *Guards) beginFor(w http.ResponseWriter, r *http.Request, base browser.Base, d Demand, record *session.Record) error {
	if r.Method == http.MethodHead || browser.Prefetches(r) {
		browser.NoContent(w)
		return nil
	}
	here := site.Here(base, r)
	if target, ok := g.c.Site.OtherHost(r, here); ok {
		browser.Redirect(w, target, http.StatusFound)
		return nil
	}
	if err := g.checkLoop(w, r, base, here); err != nil {
		return err
	}
	options := []authrequest.Option{authrequest.ReturnTo(here), authrequest.ForPerson(signin.PersonOf(record))}
	return g.c.Signin.Begin(w, r, base, slices.Concat(d.options, options))
}

// ticketFor returns the ticket for the login of a demand.
func (g *Guards) ticketFor(d Demand, record *session.Record) string {
	options := d.saved
	options.Person = signin.PersonOf(record)
	return g.c.Signin.Ticket(options, "", demandLife)
}
