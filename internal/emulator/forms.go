package emulator

import (
	"crypto/subtle"
	"net/http"
	"strings"
	"unicode/utf8"
)

// loginForms answer the pages of a login: a show method writes the page, a
// submit method handles its form.
type loginForms struct {
	*site
	sessions       *browserSessions
	directory      *directory
	flow           *loginFlow
	pages          *pages
	upstreamLogins *upstreamLogins
	views          *views
}

func (lf *loginForms) showLogin(w http.ResponseWriter, r *http.Request, tx transaction) {
	lf.views.loginPage(w, tx, http.StatusOK, tx.req.loginHint, "")
}

// submitLogin checks identifier and password, or leads an address whose domain
// belongs to an enterprise connection there.
func (lf *loginForms) submitLogin(w http.ResponseWriter, r *http.Request, tx transaction) {
	identifier := strings.TrimSpace(r.PostForm.Get("username"))
	if c := lf.directory.domainConnection(tx.req, identifier); c != nil {
		redirect(w, lf.pageURL(pathOf(c), tx, c.Name))
		return
	}
	subject, connection, ok := lf.directory.checkPassword(tx.req, identifier, r.PostForm.Get("password"))
	if !ok {
		lf.views.loginPage(w, tx, http.StatusBadRequest, identifier, "Wrong email or password.")
		return
	}
	lf.flow.authenticate(w, r, tx, subject, connection)
}

func (lf *loginForms) showSignup(w http.ResponseWriter, r *http.Request, tx transaction) {
	if lf.directory.signupConnection(tx.req) == nil {
		lf.pages.errorPage(w, pageError{http.StatusNotFound, "Sign-up is closed", "New users cannot sign up for this application."})
		return
	}
	lf.views.signupPage(w, tx, http.StatusOK, tx.req.loginHint, "")
}

// submitSignup creates a user of the database and logs it in.
func (lf *loginForms) submitSignup(w http.ResponseWriter, r *http.Request, tx transaction) {
	conn := lf.directory.signupConnection(tx.req)
	if conn == nil {
		lf.showSignup(w, r, tx)
		return
	}
	email, password := strings.TrimSpace(r.PostForm.Get("email")), r.PostForm.Get("password")
	lf.mu.Lock()
	_, taken := lf.directory.data.userByAddress(conn.Name, email)
	lf.mu.Unlock()
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
		lf.views.signupPage(w, tx, http.StatusBadRequest, email, problem)
		return
	}
	subject, err := lf.directory.register(User{Connection: conn.Name, Email: email, Password: password})
	if err != nil {
		lf.views.signupPage(w, tx, http.StatusBadRequest, email, "Something went wrong, please try again.")
		return
	}
	lf.flow.authenticate(w, r, tx, subject, conn.Name)
}

func (lf *loginForms) showSSO(w http.ResponseWriter, r *http.Request, tx transaction) {
	lf.views.ssoPage(w, tx, http.StatusOK, tx.req.loginHint, "")
}

// submitSSO finds the enterprise connection of a work address.
func (lf *loginForms) submitSSO(w http.ResponseWriter, r *http.Request, tx transaction) {
	email := strings.TrimSpace(r.PostForm.Get("email"))
	c := lf.directory.domainConnection(tx.req, email)
	if c == nil {
		lf.views.ssoPage(w, tx, http.StatusBadRequest, email, "Single sign-on is not set up for this address.")
		return
	}
	redirect(w, lf.pageURL(pathOf(c), tx, c.Name))
}

// chosenConnection returns the connection of a page: the one that the
// application requested, or else the one that the user clicked.
func (lf *loginForms) chosenConnection(r *http.Request, tx transaction, path string) *Connection {
	name := tx.req.connection
	if name == "" {
		name = r.URL.Query().Get("connection")
	}
	if c := lf.directory.usableConnection(tx.req, name); c != nil && pathOf(c) == path {
		return c
	}
	return nil
}

func (lf *loginForms) showProvider(w http.ResponseWriter, r *http.Request, tx transaction) {
	c := lf.chosenConnection(r, tx, "/u/provider")
	if c == nil {
		lf.pages.errorPage(w, noConnectionPage)
		return
	}
	if c.isLive() {
		lf.upstreamLogins.startUpstream(w, tx, c)
		return
	}
	lf.views.providerPage(w, tx, c)
}

// submitProvider handles the account chosen at the simulated provider, or the
// user's refusal.
func (lf *loginForms) submitProvider(w http.ResponseWriter, r *http.Request, tx transaction) {
	c := lf.chosenConnection(r, tx, "/u/provider")
	if c == nil || c.isLive() {
		lf.pages.errorPage(w, noConnectionPage)
		return
	}
	if r.PostForm.Has("cancel") {
		lf.flow.abandon(w, tx, userRefused)
		return
	}
	subject := r.PostForm.Get("account")
	user, ok := lf.directory.user(subject)
	if !ok || user.Connection != c.Name {
		lf.views.providerPage(w, tx, c)
		return
	}
	lf.flow.authenticate(w, r, tx, subject, c.Name)
}

func (lf *loginForms) showPasswordless(w http.ResponseWriter, r *http.Request, tx transaction) {
	c := lf.chosenConnection(r, tx, "/u/passwordless")
	if c == nil {
		lf.pages.errorPage(w, noConnectionPage)
		return
	}
	lf.views.passwordlessPage(w, tx, c, http.StatusOK, tx.req.loginHint, "")
}

// submitPasswordless handles first the address, then the code sent to it.
func (lf *loginForms) submitPasswordless(w http.ResponseWriter, r *http.Request, tx transaction) {
	c := lf.chosenConnection(r, tx, "/u/passwordless")
	switch {
	case c == nil:
		lf.pages.errorPage(w, noConnectionPage)
	case r.PostForm.Has("restart"):
		tx.address, tx.code, tx.tries = "", "", 0
		lf.flow.saveTransaction(&tx)
		redirect(w, lf.pageURL("/u/passwordless", tx, c.Name))
	case tx.address == "":
		lf.takeAddress(w, r, tx, c)
	default:
		lf.takePasswordlessCode(w, r, tx, c)
	}
}

func (lf *loginForms) takeAddress(w http.ResponseWriter, r *http.Request, tx transaction, c *Connection) {
	address := strings.TrimSpace(r.PostForm.Get("address"))
	if c.Strategy == "email" && !looksLikeEmail(address) {
		lf.views.passwordlessPage(w, tx, c, http.StatusBadRequest, address, "Enter a valid email address.")
		return
	}
	if c.Strategy != "email" && !looksLikePhone(address) {
		lf.views.passwordlessPage(w, tx, c, http.StatusBadRequest, address, "Enter a phone number with its country code, like +44 20 7946 0000.")
		return
	}
	tx.address, tx.code, tx.tries = address, randomDigits(), 0
	lf.flow.saveTransaction(&tx)
	redirect(w, lf.pageURL("/u/passwordless", tx, c.Name))
}

func (lf *loginForms) takePasswordlessCode(w http.ResponseWriter, r *http.Request, tx transaction, c *Connection) {
	if !lf.codeMatches(w, r, &tx) {
		if tx.tries < maxTries {
			lf.views.passwordlessPage(w, tx, c, http.StatusBadRequest, "", "The code is wrong. Try again.")
		}
		return
	}
	lf.mu.Lock()
	subject, known := lf.directory.data.subject(tx.address, c.Name)
	lf.mu.Unlock()
	if !known {
		user := User{Connection: c.Name, Email: tx.address, EmailVerified: true}
		if c.Strategy != "email" {
			user = User{Connection: c.Name, Phone: tx.address}
		}
		var err error
		if subject, err = lf.directory.register(user); err != nil {
			lf.pages.errorPage(w, pageError{http.StatusBadRequest, "invalid_request", "The address cannot be used."})
			return
		}
	}
	lf.flow.authenticate(w, r, tx, subject, c.Name)
}

// codeMatches compares the typed code, and counts failures. With the last try
// the transaction ends and is answered.
func (lf *loginForms) codeMatches(w http.ResponseWriter, r *http.Request, tx *transaction) bool {
	typed := strings.ReplaceAll(strings.TrimSpace(r.PostForm.Get("code")), " ", "")
	if tx.code != "" && subtle.ConstantTimeCompare([]byte(typed), []byte(tx.code)) == 1 {
		return true
	}
	tx.tries++
	if tx.tries >= maxTries {
		lf.flow.endTransaction(*tx)
		lf.pages.errorPage(w, pageError{http.StatusTooManyRequests, "Too many attempts", "The code was wrong too often. Start again from the application."})
		return false
	}
	lf.flow.saveTransaction(tx)
	return false
}

func (lf *loginForms) showAccount(w http.ResponseWriter, r *http.Request, tx transaction) {
	s, ok := lf.sessions.sessionOf(r)
	if !ok {
		tx.chosen = true
		lf.flow.proceed(w, r, tx)
		return
	}
	lf.views.accountPage(w, tx, s.user)
}

// submitAccount answers prompt=select_account.
func (lf *loginForms) submitAccount(w http.ResponseWriter, r *http.Request, tx transaction) {
	tx.chosen = true
	tx.keep = r.PostForm.Has("keep")
	lf.flow.proceed(w, r, tx)
}

func (lf *loginForms) showMFA(w http.ResponseWriter, r *http.Request, tx transaction) {
	if tx.user == "" || tx.code == "" || tx.mfaDone {
		lf.flow.proceed(w, r, tx)
		return
	}
	lf.views.mfaPage(w, tx, http.StatusOK, "")
}

func (lf *loginForms) submitMFA(w http.ResponseWriter, r *http.Request, tx transaction) {
	if tx.user == "" || tx.code == "" {
		lf.flow.proceed(w, r, tx)
		return
	}
	if !lf.codeMatches(w, r, &tx) {
		if tx.tries < maxTries {
			lf.views.mfaPage(w, tx, http.StatusBadRequest, "The code is wrong. Try again.")
		}
		return
	}
	tx.mfaDone = true
	tx.code, tx.tries = "", 0
	lf.flow.proceed(w, r, tx)
}

func (lf *loginForms) showConsent(w http.ResponseWriter, r *http.Request, tx transaction) {
	user, ok := lf.directory.user(tx.user)
	if !ok {
		lf.flow.proceed(w, r, tx)
		return
	}
	lf.views.consentPage(w, tx, user)
}

func (lf *loginForms) submitConsent(w http.ResponseWriter, r *http.Request, tx transaction) {
	switch next, err := lf.flow.nextStep(r, tx); {
	case err != nil || next != stepConsent: // not this page's turn
	case r.PostForm.Has("accept"):
		tx.consented = true
	default:
		lf.flow.abandon(w, tx, userRefused)
		return
	}
	lf.flow.proceed(w, r, tx)
}
