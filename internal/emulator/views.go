package emulator

import (
	"net/http"
	"slices"
	"unicode"
)

// views write the pages of a login.
type views struct {
	*site
	directory *directory
	pages     *pages
}

func (vs *views) buttons(tx transaction) []button {
	var list []button
	for _, c := range vs.directory.enabledConnections(tx.req) {
		if c.onButton(tx.req.org) && vs.directory.usableConnection(tx.req, c.Name) != nil {
			list = append(list, button{
				Label: c.label(),
				URL:   vs.pageURL(pathOf(c), tx, c.Name),
				Badge: badgeOf(c),
				Class: badgeClass(c),
			})
		}
	}
	return list
}

func (vs *views) loginPage(w http.ResponseWriter, tx transaction, status int, identifier, problem string) {
	databases := vs.directory.databases(tx.req)
	view := struct {
		frame
		Form              bool
		Identifier        string
		Buttons           []button
		SignupURL, SSOURL string
		Hints             []hint
	}{
		frame:      vs.pages.frame("Log in", tx),
		Form:       len(databases) > 0,
		Identifier: identifier,
		Buttons:    vs.buttons(tx),
		Hints:      vs.hints(databases),
	}
	view.Error = problem
	if vs.directory.signupConnection(tx.req) != nil {
		view.SignupURL = vs.pageURL("/u/signup", tx, "")
	}
	if vs.hasDomains(tx.req) {
		view.SSOURL = vs.pageURL("/u/sso", tx, "")
	}
	vs.pages.render(w, status, "login.html", view)
}

// hints returns the demonstration accounts of the databases.
func (vs *views) hints(databases []*Connection) []hint {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if !vs.directory.data.demo {
		return nil
	}
	var list []hint
	for _, c := range databases {
		for _, subject := range vs.directory.data.usersOf(c.Name) {
			if u := vs.directory.data.users[subject]; !slices.Contains(vs.directory.data.signups, subject) {
				list = append(list, hint{u.Email, u.Password})
			}
		}
	}
	return list[:min(len(list), 5)]
}

// hasDomains reports whether an email address can lead to a connection.
func (vs *views) hasDomains(req *authorization) bool {
	return req.connection == "" && slices.ContainsFunc(vs.directory.enabledConnections(req), func(c *Connection) bool {
		return kindOf(c.Strategy) == enterprise && !c.Inactive && len(c.DomainAliases) > 0
	})
}

func (vs *views) signupPage(w http.ResponseWriter, tx transaction, status int, email, problem string) {
	view := struct {
		frame
		Email, LoginURL string
		MinPassword     int
	}{vs.pages.frame("Sign up", tx), email, vs.pageURL("/u/login", tx, ""), minPassword}
	view.Error = problem
	vs.pages.render(w, status, "signup.html", view)
}

func (vs *views) ssoPage(w http.ResponseWriter, tx transaction, status int, email, problem string) {
	view := struct {
		frame
		Email, LoginURL string
	}{vs.pages.frame("Single sign-on", tx), email, vs.pageURL("/u/login", tx, "")}
	view.Error = problem
	vs.pages.render(w, status, "sso.html", view)
}

func (vs *views) providerPage(w http.ResponseWriter, tx transaction, c *Connection) {
	vs.pages.render(w, http.StatusOK, "provider.html", vs.providerView(tx, c))
}

func (vs *views) providerView(tx transaction, c *Connection) providerView {
	view := providerView{
		frame:      vs.pages.frame("Simulated "+c.label()+" sign-in", tx),
		Provider:   c.label(),
		Connection: c.Name,
		Badge:      badgeOf(c),
		Class:      badgeClass(c),
	}
	vs.mu.Lock()
	for _, subject := range vs.directory.data.usersOf(c.Name) {
		u := vs.directory.data.users[subject]
		if u.hasAddress(tx.req.loginHint) {
			view.Accounts = slices.Insert(view.Accounts, 0, accountOf(subject, u))
		} else {
			view.Accounts = append(view.Accounts, accountOf(subject, u))
		}
	}
	vs.mu.Unlock()
	view.Accounts = view.Accounts[:min(len(view.Accounts), maxAccounts)]
	return view
}

func (vs *views) passwordlessPage(w http.ResponseWriter, tx transaction, c *Connection, status int, address, problem string) {
	view := struct {
		frame
		Email               bool
		Address, Sent, Code string
	}{
		frame:   vs.pages.frame("Log in", tx),
		Email:   c.Strategy == "email",
		Address: address,
		Sent:    tx.address,
		Code:    tx.code,
	}
	view.Error = problem
	vs.pages.render(w, status, "passwordless.html", view)
}

func (vs *views) accountPage(w http.ResponseWriter, tx transaction, subject string) {
	view := struct {
		frame
		Account account
	}{frame: vs.pages.frame("Choose an account", tx)}
	if u, ok := vs.directory.user(subject); ok {
		view.Account = accountOf(subject, u)
	}
	vs.pages.render(w, http.StatusOK, "account.html", view)
}

func (vs *views) mfaPage(w http.ResponseWriter, tx transaction, status int, problem string) {
	view := struct {
		frame
		Code string
	}{vs.pages.frame("Verify your identity", tx), tx.code}
	view.Error = problem
	vs.pages.render(w, status, "mfa.html", view)
}

func (vs *views) consentPage(w http.ResponseWriter, tx transaction, u *storedUser) {
	view := struct {
		frame
		Account account
		API     string
		Scopes  []string
	}{frame: vs.pages.frame("Authorize the application", tx), Account: accountOf(tx.user, u)}
	if tx.req.api != nil {
		view.API = tx.req.api.Audience
		if tx.req.api.Name != "" {
			view.API = tx.req.api.Name
		}
	}
	for _, scope := range grantedScopes(tx.req.scope, tx.req.client, u, tx.req.orgID(), tx.req.api) {
		view.Scopes = append(view.Scopes, describeScope(scope))
	}
	vs.pages.render(w, http.StatusOK, "consent.html", view)
}

func (vs *views) organizationPage(w http.ResponseWriter, tx transaction, status int, name, problem string) {
	view := struct {
		frame
		Name     string
		Optional bool
		Hints    []string
	}{frame: vs.pages.frame("Enter your organization", tx), Name: name, Optional: tx.req.orgOptional()}
	view.Error = problem
	vs.mu.Lock()
	if vs.directory.data.demo {
		for _, o := range vs.directory.data.orgs[:min(len(vs.directory.data.orgs), 5)] {
			view.Hints = append(view.Hints, o.Name)
		}
	}
	vs.mu.Unlock()
	vs.pages.render(w, status, "organization.html", view)
}

func (vs *views) membershipsPage(w http.ResponseWriter, tx transaction, u *storedUser) {
	type choice struct{ ID, Name, DisplayName, Initials string }
	view := struct {
		frame
		Email    string
		Optional bool
		Choices  []choice
	}{frame: vs.pages.frame("Select your organization", tx), Email: accountOf(tx.user, u).Email, Optional: tx.req.orgOptional()}
	for _, o := range vs.directory.organizationsOf(u) {
		view.Choices = append(view.Choices, choice{o.ID, o.Name, o.DisplayName, initials(o.DisplayName)})
	}
	vs.pages.render(w, http.StatusOK, "memberships.html", view)
}

func badgeOf(c *Connection) string {
	for _, r := range c.label() {
		return string(unicode.ToUpper(r))
	}
	return "?" // unreachable: every connection has a name
}

// badgeClass returns the CSS class that colours the badge of a connection.
func badgeClass(c *Connection) string {
	switch c.Strategy {
	case "google-oauth2", "google-apps", "github", "waad", "windowslive", "facebook", "linkedin", "apple", "email", "sms":
		return "badge-" + c.Strategy
	}
	return "badge-other"
}

func describeScope(scope string) string {
	switch scope {
	case "openid":
		return "Know who you are"
	case "profile":
		return "See your profile: name, nickname and picture"
	case "email":
		return "See your email address"
	case "phone":
		return "See your phone number"
	case "offline_access":
		return "Keep access while you are away"
	}
	return scope
}
