package signin

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/site"
)

// A ticket is a sealed value in a link to the login route. It has options that the
// route accepts from nobody else.
type ticket struct {
	Options authrequest.Saved `json:"o"`
	Ends    int64             `json:"x"` // Unix time
}

const (
	ticketName    = "login_ticket" // parameter of the login route
	ticketPurpose = "ticket"
	// maxTicket bounds the bytes of a sealed ticket. It is part of a URL.
	maxTicket = 600
)

// Ticket returns the ticket for a login with the given options. It is valid for the
// given time. If they have no room, it leaves out the return URL, the state of the
// application, and what only saves the person some work, in this order. It returns
// an empty text if there is nothing left, or if the rest does not fit.
func (s *Routes) Ticket(options authrequest.Saved, life time.Duration) string {
	ends := s.c.Now().Add(life).Unix()
	for _, smaller := range []func(authrequest.Saved) authrequest.Saved{
		func(o authrequest.Saved) authrequest.Saved { return o },
		func(o authrequest.Saved) authrequest.Saved { o.ReturnTo = ""; return o },
		func(o authrequest.Saved) authrequest.Saved { o.AppState = nil; return o },
		authrequest.Saved.Essential,
	} {
		options = smaller(options)
		if _, err := options.Options(); err != nil || options.IsEmpty() {
			continue
		}
		plain, err := json.Marshal(ticket{options, ends})
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
// cannot be used, it returns none: the person can then log in in the ordinary way.
func (s *Routes) redeemTicket(value string) []authrequest.Option {
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
	if !ok || page == s.c.Site.Home(base) {
		return ""
	}
	return page
}

// otherAccount has the tenant ask which account to use, and for its credentials. The
// provider behind a connection gets select_account, and login alone would let it
// choose the same account again.
const otherAccount = "login select_account"

// LoginLinks returns the ways to go on after a login with these options was refused.
// The options have the page that was asked for. Without one, the login leads to the page
// of the request.
func (s *Routes) LoginLinks(r *http.Request, options authrequest.Saved, row refusal.Row) []refusal.Link {
	if options.ReturnTo == "" {
		options.ReturnTo = s.pageAsked(r)
	}
	link := refusal.Link{Text: "Log in again", URL: s.c.Site.LoginURL(r, options.ReturnTo)}
	query := url.Values{}
	switch {
	case row.IsOfRequest():
		options = authrequest.Saved{}
	case row.IsOfAccount():
		link.Text = "Log in with another account"
		options = options.OtherAccount(otherAccount)
		query.Set("prompt", otherAccount) // the way out works also without the ticket
	}
	if t := s.Ticket(options, s.c.Transactions.Life); t != "" {
		query.Set(ticketName, t)
	}
	link.URL = withParams(link.URL, query)
	return []refusal.Link{link}
}

// WithTicket adds a ticket to a URL of the login route.
func WithTicket(login, ticket string) string {
	return withParams(login, url.Values{ticketName: {ticket}})
}

func withParams(target string, query url.Values) string {
	separator := "?"
	switch {
	case len(query) == 0:
		return target
	case strings.Contains(target, "?"):
		separator = "&"
	}
	return target + separator + query.Encode()
}
