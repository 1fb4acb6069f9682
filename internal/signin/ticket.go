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

// A ticket is a sealed value in a link to the login route. It holds options that the
// route accepts only from this application.
type ticket struct {
	Options authrequest.Saved `json:"o"`
	// Login is the state parameter of the login to retry, if that login has application
	// state. The browser keeps both in one cookie. So a ticket that an attacker sends to
	// a user does not bring the attacker's application state, which can name an account
	// to link, or a basket.
	Login string `json:"l,omitempty"`
	Ends  int64  `json:"x"` // Unix time
}

const (
	ticketName    = "login_ticket" // parameter of the login route
	ticketPurpose = "ticket"
	// maxTicket bounds the bytes of a sealed ticket, which is part of a URL.
	maxTicket = 600
)

// Ticket returns the ticket for a login with the given options, which retries another
// login. It is valid for the given time. If the options do not fit, it leaves out the
// return URL, and then the options that only save typing. It returns an empty text if
// nothing is left, or if the rest does not fit.
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

// redeemTicket returns the options of a ticket. For a missing or invalid ticket it
// returns none, and the user can still log in.
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
		// The login was rejected, or has expired, and its cookie still exists.
		if before, _ := s.c.Transactions.Find(s.c.Visits.Jar(r), t.Login, s.c.Flow.ResponseType); before != nil {
			options = append(options, authrequest.AppState(before.AppState))
		}
	}
	return options
}

// pageAsked returns the requested page, and an empty text if a login cannot return there:
// a login route is excluded, and a form is not sent again.
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

// otherAccount makes the tenant ask for an account and its credentials. The provider
// behind a connection gets select_account. With login alone, single sign-on could choose
// the same account again.
const otherAccount = "login select_account"

// LoginLinks returns the next steps after a rejected request for which a login would
// help, on a page of the application. Without returnTo, the login returns to the
// requested page.
func (s *Routes) LoginLinks(r *http.Request, returnTo string, row refusal.Row) []refusal.Link {
	return s.loginLinks(r, authrequest.Saved{ReturnTo: returnTo}, "", row)
}

// loginLinks returns the next steps after a rejected login with these options, which
// include the requested page. The login is named as in a ticket.
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
		query.Set("prompt", otherAccount) // this works even without the ticket
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

// cannotBegin returns the error of a login that could not start, with a link to retry it.
// A browser keeps application state in a login cookie, so it gets the cookie of an ended
// login.
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
