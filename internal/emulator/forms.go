package emulator

import (
	"crypto/subtle"
	"net/http"
	"strings"
	"unicode/utf8"
)

// minPassword is the length that the sign-up page demands.
const minPassword = 8

func (t *Tenant) showLogin(w http.ResponseWriter, r *http.Request, tx transaction) {
	t.loginPage(w, tx, http.StatusOK, tx.req.loginHint, "")
}

// submitLogin checks identifier and password, or leads an address whose domain
// belongs to an enterprise connection there.
func (t *Tenant) submitLogin(w http.ResponseWriter, r *http.Request, tx transaction) {
	identifier := strings.TrimSpace(r.PostForm.Get("username"))
	if c := t.domainConnection(tx.req, identifier); c != nil {
		redirect(w, t.pageURL(pathOf(c), tx, c.Name))
		return
	}
	subject, connection, ok := t.checkPassword(tx.req, identifier, r.PostForm.Get("password"))
	if !ok {
		t.loginPage(w, tx, http.StatusBadRequest, identifier, "Wrong email or password.")
		return
	}
	t.authenticate(w, r, tx, subject, connection)
}

func (t *Tenant) showSignup(w http.ResponseWriter, r *http.Request, tx transaction) {
	if t.signupConnection(tx.req) == nil {
		t.errorPage(w, pageError{http.StatusNotFound, "Sign-up is closed", "New users cannot sign up for this application."})
		return
	}
	t.signupPage(w, tx, http.StatusOK, tx.req.loginHint, "")
}

// submitSignup creates a user of the database and logs it in.
func (t *Tenant) submitSignup(w http.ResponseWriter, r *http.Request, tx transaction) {
	conn := t.signupConnection(tx.req)
	if conn == nil {
		t.showSignup(w, r, tx)
		return
	}
	email, password := strings.TrimSpace(r.PostForm.Get("email")), r.PostForm.Get("password")
	t.mu.Lock()
	_, taken := t.data.userByAddress(conn.Name, email)
	t.mu.Unlock()
	problem := ""
	switch {
	case !looksLikeEmail(email):
		problem = "Enter a valid email address."
	case taken:
		problem = "An account with this email address exists already."
	case utf8.RuneCountInString(password) < minPassword:
		problem = "The password must have at least 8 characters."
	}
	if problem != "" {
		t.signupPage(w, tx, http.StatusBadRequest, email, problem)
		return
	}
	subject, err := t.register(User{Connection: conn.Name, Email: email, Password: password})
	if err != nil {
		t.signupPage(w, tx, http.StatusBadRequest, email, "Something went wrong, please try again.")
		return
	}
	t.authenticate(w, r, tx, subject, conn.Name)
}

// looksLikeEmail is a plausibility check: something, an at sign, a domain.
func looksLikeEmail(s string) bool {
	name, domain, ok := strings.Cut(s, "@")
	return ok && name != "" && strings.Contains(domain, ".") && !strings.ContainsAny(s, " \t\r\n\x00<>\"") &&
		!strings.Contains(domain, "@") && len(s) <= 254
}

func (t *Tenant) showSSO(w http.ResponseWriter, r *http.Request, tx transaction) {
	t.ssoPage(w, tx, http.StatusOK, tx.req.loginHint, "")
}

// submitSSO finds the enterprise connection of a work address.
func (t *Tenant) submitSSO(w http.ResponseWriter, r *http.Request, tx transaction) {
	email := strings.TrimSpace(r.PostForm.Get("email"))
	c := t.domainConnection(tx.req, email)
	if c == nil {
		t.ssoPage(w, tx, http.StatusBadRequest, email, "Single sign-on is not set up for this address.")
		return
	}
	redirect(w, t.pageURL(pathOf(c), tx, c.Name))
}

// chosenConnection returns the connection of a page: the one that the
// application asked for, or else the one that the user clicked.
func (t *Tenant) chosenConnection(r *http.Request, tx transaction, path string) *Connection {
	name := tx.req.connection
	if name == "" {
		name = r.URL.Query().Get("connection")
	}
	if c := t.usableConnection(tx.req, name); c != nil && pathOf(c) == path {
		return c
	}
	return nil
}

var noConnectionPage = pageError{http.StatusBadRequest, "invalid_request", "the connection was not found"}

func (t *Tenant) showProvider(w http.ResponseWriter, r *http.Request, tx transaction) {
	c := t.chosenConnection(r, tx, "/u/provider")
	if c == nil {
		t.errorPage(w, noConnectionPage)
		return
	}
	if c.isLive() {
		t.startUpstream(w, tx, c)
		return
	}
	t.providerPage(w, tx, c)
}

// submitProvider takes the account that was chosen at the simulated provider,
// or the refusal.
func (t *Tenant) submitProvider(w http.ResponseWriter, r *http.Request, tx transaction) {
	c := t.chosenConnection(r, tx, "/u/provider")
	if c == nil || c.isLive() {
		t.errorPage(w, noConnectionPage)
		return
	}
	if r.PostForm.Has("cancel") {
		t.abandon(w, tx, userRefused)
		return
	}
	subject := r.PostForm.Get("account")
	user, ok := t.user(subject)
	if !ok || user.Connection != c.Name {
		t.providerPage(w, tx, c)
		return
	}
	t.authenticate(w, r, tx, subject, c.Name)
}

var userRefused = oauthError{Code: "access_denied", Description: "User did not authorize the request"}

func (t *Tenant) showPasswordless(w http.ResponseWriter, r *http.Request, tx transaction) {
	c := t.chosenConnection(r, tx, "/u/passwordless")
	if c == nil {
		t.errorPage(w, noConnectionPage)
		return
	}
	t.passwordlessPage(w, tx, c, http.StatusOK, tx.req.loginHint, "")
}

// submitPasswordless takes first the address, then the code that went there.
func (t *Tenant) submitPasswordless(w http.ResponseWriter, r *http.Request, tx transaction) {
	c := t.chosenConnection(r, tx, "/u/passwordless")
	switch {
	case c == nil:
		t.errorPage(w, noConnectionPage)
	case r.PostForm.Has("restart"):
		tx.address, tx.code, tx.tries = "", "", 0
		t.saveTransaction(&tx)
		redirect(w, t.pageURL("/u/passwordless", tx, c.Name))
	case tx.address == "":
		t.takeAddress(w, r, tx, c)
	default:
		t.takePasswordlessCode(w, r, tx, c)
	}
}

func (t *Tenant) takeAddress(w http.ResponseWriter, r *http.Request, tx transaction, c *Connection) {
	address := strings.TrimSpace(r.PostForm.Get("address"))
	if c.Strategy == "email" && !looksLikeEmail(address) {
		t.passwordlessPage(w, tx, c, http.StatusBadRequest, address, "Enter a valid email address.")
		return
	}
	if c.Strategy != "email" && !looksLikePhone(address) {
		t.passwordlessPage(w, tx, c, http.StatusBadRequest, address, "Enter a phone number with its country code, like +44 20 7946 0000.")
		return
	}
	tx.address, tx.code, tx.tries = address, randomDigits(), 0
	t.saveTransaction(&tx)
	redirect(w, t.pageURL("/u/passwordless", tx, c.Name))
}

func looksLikePhone(s string) bool {
	return strings.HasPrefix(s, "+") && len(s) >= 8 && len(s) <= 20 && strings.Trim(s[1:], "0123456789 -") == ""
}

func (t *Tenant) takePasswordlessCode(w http.ResponseWriter, r *http.Request, tx transaction, c *Connection) {
	if !t.codeMatches(w, r, &tx) {
		if tx.tries < maxTries {
			t.passwordlessPage(w, tx, c, http.StatusBadRequest, "", "The code is wrong. Try again.")
		}
		return
	}
	t.mu.Lock()
	subject, known := t.data.subject(tx.address, c.Name)
	t.mu.Unlock()
	if !known {
		user := User{Connection: c.Name, Email: tx.address, EmailVerified: true}
		if c.Strategy != "email" {
			user = User{Connection: c.Name, Phone: tx.address}
		}
		var err error
		if subject, err = t.register(user); err != nil {
			t.errorPage(w, pageError{http.StatusBadRequest, "invalid_request", "The address cannot be used."})
			return
		}
	}
	t.authenticate(w, r, tx, subject, c.Name)
}

// codeMatches compares the typed code, and counts failures. With the last try
// the transaction is over and answered.
func (t *Tenant) codeMatches(w http.ResponseWriter, r *http.Request, tx *transaction) bool {
	typed := strings.ReplaceAll(strings.TrimSpace(r.PostForm.Get("code")), " ", "")
	if tx.code != "" && subtle.ConstantTimeCompare([]byte(typed), []byte(tx.code)) == 1 {
		return true
	}
	tx.tries++
	if tx.tries >= maxTries {
		t.endTransaction(*tx)
		t.errorPage(w, pageError{http.StatusTooManyRequests, "Too many attempts", "The code was wrong too often. Start again from the application."})
		return false
	}
	t.saveTransaction(tx)
	return false
}

func (t *Tenant) showAccount(w http.ResponseWriter, r *http.Request, tx transaction) {
	s, ok := t.sessionOf(r)
	if !ok {
		tx.chosen = true
		t.proceed(w, r, tx)
		return
	}
	t.accountPage(w, tx, s.user)
}

// submitAccount answers prompt=select_account.
func (t *Tenant) submitAccount(w http.ResponseWriter, r *http.Request, tx transaction) {
	tx.chosen = true
	tx.keep = r.PostForm.Has("keep")
	t.proceed(w, r, tx)
}

func (t *Tenant) showMFA(w http.ResponseWriter, r *http.Request, tx transaction) {
	if tx.user == "" || tx.code == "" || tx.mfaDone {
		t.proceed(w, r, tx)
		return
	}
	t.mfaPage(w, tx, http.StatusOK, "")
}

func (t *Tenant) submitMFA(w http.ResponseWriter, r *http.Request, tx transaction) {
	if tx.user == "" || tx.code == "" {
		t.proceed(w, r, tx)
		return
	}
	if !t.codeMatches(w, r, &tx) {
		if tx.tries < maxTries {
			t.mfaPage(w, tx, http.StatusBadRequest, "The code is wrong. Try again.")
		}
		return
	}
	tx.mfaDone = true
	tx.code, tx.tries = "", 0
	t.proceed(w, r, tx)
}

func (t *Tenant) showConsent(w http.ResponseWriter, r *http.Request, tx transaction) {
	user, ok := t.user(tx.user)
	if !ok {
		t.proceed(w, r, tx)
		return
	}
	t.consentPage(w, tx, user)
}

func (t *Tenant) submitConsent(w http.ResponseWriter, r *http.Request, tx transaction) {
	switch next, err := t.nextStep(r, tx); {
	case err != nil || next != stepConsent: // not this page's turn
	case r.PostForm.Has("accept"):
		tx.consented = true
	default:
		t.abandon(w, tx, userRefused)
		return
	}
	t.proceed(w, r, tx)
}
