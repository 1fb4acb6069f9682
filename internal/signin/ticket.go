package signin

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/returnto"
	"github.com/seed-15d5a55c/auth0/internal/site"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
)

// A ticket is a sealed value in a link to the login route. It has options that the
// route accepts from nobody else.
type ticket struct {
	Options authrequest.Saved `json:"o"`
	// Login is the state parameter of the login that is tried again, if that login has a
	// state of the application. The browser keeps both in one cookie. So a ticket that a
	// stranger sends to a user does not bring the stranger's state of the application,
	// which can name an account to link, or a basket.
	Login string `json:"l,omitempty"`
	Ends  int64  `json:"x"` // Unix time
}

const (
	ticketName    = "login_ticket" // parameter of the login route
	ticketPurpose = "ticket"
	// maxTicket bounds the bytes of a sealed ticket. It is part of a URL.
	maxTicket = 600
)

// Ticket returns the ticket for a login with the given options, which tries another
// login again. It is valid for the given time. If the options have no room, it leaves
// out the return URL, and then what only saves the user some work. It returns an empty
// text if there is nothing left, or if the rest does not fit.
func (s *Routes) Ticket(options authrequest.Saved, login string, life time.Duration) string {
	ends := s.c.Now().Add(life).Unix()
	for _, smaller := range []func(authrequest.Saved) authrequest.Saved{
		func(o authrequest.Saved) authrequest.Saved { return o },
		func(o authrequest.Saved) authrequest.Saved { o.ReturnTo = ""; return o },
		authrequest.Saved.Essential,
	} {
		options = smaller(options)
		if _, err := options.Options(); err != nil || options.IsEmpty() && login == "" {
			continue
		}
		plain, err := json.Marshal(ticket{options, login, ends})
		if err != nil {
			continue
		}
		if sealed := s.c.Transactions.Keyring.Seal(ticketPurpose, s.c.Visits.Cookies.Session.Name, plain); len(sealed) <= maxTicket {
			return sealed
		}
	}
	return ""
}

// redeemTicket returns the options of a ticket. Without a ticket, or with one that
// cannot be used, it returns none: the user can then log in in the ordinary way.
func (s *Routes) redeemTicket(r *http.Request, value string) []authrequest.Option {
	if value == "" || len(value) > maxTicket {
		return nil
	}
	plain, _, ok := s.c.Transactions.Keyring.Open(ticketPurpose, s.c.Visits.Cookies.Session.Name, value)
	var t ticket
	if !ok || json.Unmarshal(plain, &t) != nil || s.c.Now().Unix() >= t.Ends {
		return nil
	}
	options, err := t.Options.Options()
	if err != nil {
		return nil
	}
	if t.Login != "" {
		// The login was rejected, or has expired, and its cookie is still there.
		if before, _ := s.c.Transactions.Find(s.c.Visits.Jar(r), t.Login, s.c.Flow.ResponseType); before != nil {
			options = append(options, authrequest.AppState(before.AppState))
		}
	}
	return options
}

// pageAsked returns the page that a request has asked for, and an empty text if a login
// cannot lead there: the route of a login is none, and a form is not sent again.
func (s *Routes) pageAsked(r *http.Request) string {
	base, err := s.c.Site.Of(r)
	if err != nil || r.Method != http.MethodGet {
		return ""
	}
	page, ok := s.c.Site.Clean(base, site.Here(base, r))
	if !ok {
		return ""
	}
	return page
}

// otherAccount has the tenant ask which account to use, and for its credentials. The
// provider behind a connection gets select_account, and login alone would let it
// choose the same account again.
const otherAccount = "login select_account"

// LoginLinks returns the ways to go on after a request was rejected that a login would
// help, for a page of the application. Without the page, the login leads to the page of
// the request.
func (s *Routes) LoginLinks(r *http.Request, returnTo string, row refusal.Row) []refusal.Link {
	return s.loginLinks(r, authrequest.Saved{ReturnTo: returnTo}, "", row)
}

// loginLinks returns the ways to go on after a login with these options was rejected. The
// options have the page that was asked for. The login is named as in a ticket.
func (s *Routes) loginLinks(r *http.Request, options authrequest.Saved, login string, row refusal.Row) []refusal.Link {
	if options.ReturnTo == "" {
		options.ReturnTo = s.pageAsked(r)
	}
	link := refusal.Link{Text: "Log in again", URL: s.c.Site.LoginURL(r, options.ReturnTo)}
	query := url.Values{}
	switch {
	case row.IsOfRequest():
		options = authrequest.Saved{Persistent: options.Persistent} // the tenant does not see it
	case row.IsOfAccount():
		link.Text = "Log in with another account"
		options = options.OtherAccount(otherAccount)
		query.Set("prompt", otherAccount) // the way out works also without the ticket
	}
	if t := s.Ticket(options, login, s.c.Transactions.Life); t != "" {
		query.Set(ticketName, t)
	}
	if len(query) > 0 {
		link.URL = returnto.AddQuery(link.URL, query.Encode())
	}
	return []refusal.Link{link}
}

// WithTicket adds a ticket to a URL of the login route.
func WithTicket(login, ticket string) string {
	return returnto.AddQuery(login, url.Values{ticketName: {ticket}}.Encode())
}

// cannotBegin returns the error of a login that could not begin, with the way to try it
// again. A browser keeps the state of the application in the cookie of a login, so it
// gets one for a login that has ended.
func (s *Routes) cannotBegin(w http.ResponseWriter, r *http.Request, at transaction.Place, a *authrequest.Request, err error) error {
	row := s.c.Row(err)
	saved, login := a.Save(s.every), ""
	saved.ReturnTo = at.ReturnTo
	if a.AppState != nil {
		t := s.c.Flow.Transaction(at)
		t.AppState, t.Ended, t.Verifier = a.AppState, &transaction.Ended{Row: row}, ""
		if s.c.Transactions.Keep(w, s.c.Visits.Jar(r), t) == nil {
			login = t.State
		}
	}
	return &transaction.Failure{Err: err, ReturnTo: at.ReturnTo, AppState: a.AppState, Links: s.loginLinks(r, saved, login, row)}
}
