// Package errorpage writes the page that tells a user why a request failed, and what to
// do next. It also keeps the status of a refusal in a response that a function of the
// application writes.
//
// The package does not know how a refusal came about, or how a link keeps the options of
// a login.
package errorpage

import (
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/site"
)

// A Refusal is a refusal as the user sees it.
type Refusal struct {
	refusal.Row
	Op       string // of the operation, as in the log
	ReturnTo string // the requested page, if known
	Login    refusal.Link
}

// New returns the page for a rejected request.
func New(where *site.Site, r *http.Request, e Refusal, reference string) browser.Page {
	return browser.Page{Title: title(r, e), Text: text(r, e), Links: links(where, r, e), Reference: reference}
}

// isUnsentForm reports whether a user's form was rejected because the session is missing
// or too weak.
func isUnsentForm(r *http.Request, e Refusal) bool {
	switch e.Reason {
	case refusal.LoginRequired.Reason, refusal.OrganizationLogin.Reason, refusal.StepUp.Reason:
		return e.Op != "login" && r.Method != http.MethodGet && r.Method != http.MethodHead
	}
	return false
}

func title(r *http.Request, e Refusal) string {
	switch {
	case e.Reason == refusal.StepUp.Reason:
		return "Confirm that it is you"
	case isUnsentForm(r, e):
		return "Your form was not sent"
	case e.Op == "connect":
		return "Your account was not connected"
	case e.Status == http.StatusUnauthorized:
		return "You need to log in"
	case e.Op == "logout" && e.Status >= http.StatusInternalServerError:
		return "The logout is not complete"
	case e.Op == "logout":
		return "You are still logged in"
	case e.Status == http.StatusServiceUnavailable:
		return "Try again in a minute"
	case e.Op == "callback" || e.Op == "login" || e.Code == refusal.LoginRequired.Code:
		return "The login did not work"
	case e.Status == http.StatusForbidden:
		return "You have no access to this page"
	case e.Status >= http.StatusInternalServerError:
		return "Something went wrong"
	}
	return "This page cannot be shown"
}

func text(r *http.Request, e Refusal) string {
	const again = ", then go back in this tab and send the form again."
	switch {
	case isUnsentForm(r, e) && e.Reason == refusal.StepUp.Reason:
		return "Your form needs a more recent or stronger login. Confirm in a new tab" + again
	case isUnsentForm(r, e) && e.Reason == refusal.OrganizationLogin.Reason:
		return "Your form needs a login to another organization. Use a new tab to log in" + again
	case isUnsentForm(r, e):
		return "You are not logged in. Use a new tab to log in" + again
	case e.Reason == refusal.StepUp.Reason:
		return "This page requires a more recent or stronger login."
	case e.Reason == refusal.Organization.Reason:
		return "This page is for an organization that you are not logged in to."
	}
	first, size := utf8.DecodeRuneInString(e.Description)
	return string(unicode.ToUpper(first)) + e.Description[size:] + "."
}

// links returns what a user can do about an error. Each link must lead to
// something that can work.
func links(where *site.Site, r *http.Request, e Refusal) []browser.Link {
	base, err := where.Of(r)
	if err != nil {
		base = where.All()[0]
	}
	login := browser.Link{Href: e.Login.URL, Text: e.Login.Text}
	start := browser.Link{Href: base.Origin + where.Home(base), Text: "Go to the start page"}
	again := browser.Link{Href: base.Origin + site.Here(base, r), Text: "Try again"}
	isForm := r.Method != http.MethodGet && r.Method != http.MethodHead
	canReload := !isForm && e.Op != "callback" && e.Op != "logout"
	switch {
	case e.Op == "connect" && strings.HasPrefix(e.ReturnTo, "/"):
		return []browser.Link{{Href: base.Origin + e.ReturnTo, Text: "Go back"}}
	case e.Op == "connect":
		return []browser.Link{start}
	case canReload && again.Href == start.Href && e.Status >= http.StatusInternalServerError:
		return []browser.Link{again}
	case isForm && e.Status == http.StatusUnauthorized && e.Op != "login" && e.Op != "callback":
		// The form stays in this tab.
		return []browser.Link{{Href: login.Href, Text: login.Text + " in a new tab", NewTab: true}}
	case e.Status == http.StatusUnauthorized && e.Op == "login" && canReload:
		return []browser.Link{{Href: again.Href, Text: "Log in"}}
	case e.Status == http.StatusUnauthorized && e.Op != "login" && e.Op != "callback" && e.ReturnTo == "":
		return []browser.Link{login}
	case canReload && (e.Status == http.StatusServiceUnavailable || e.Status == http.StatusBadGateway):
		return []browser.Link{again, start}
	case e.Op == "logout", e.Reason == refusal.CrossOrigin.Reason:
		return []browser.Link{start}
	case e.Op == "callback", e.Op == "login", e.Status == http.StatusForbidden, e.Code == refusal.LoginRequired.Code, e.Reason == refusal.UnknownHost.Reason:
		return []browser.Link{login, start}
	}
	return []browser.Link{start}
}
