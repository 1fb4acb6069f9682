package emulator

import (
	"net/http"
	"net/url"
	"slices"
)

// silentErrors are the answers to prompt=none (OpenID Connect Core 1.0, Section 3.1.2.6).
var silentErrors = map[step]oauthError{
	stepLogin:   {"login_required", "Login required"},
	stepAccount: {"login_required", "Login required"},
	stepMFA:     {"interaction_required", "Multifactor authentication required"},

	stepOrganization: {"interaction_required", "Organization required"},
	stepMembership:   {"interaction_required", "Organization required"},

	stepConsent: {"consent_required", "Consent required"},
}

// A loginFlow moves a transaction from page to page and to its end.
type loginFlow struct {
	*site
	sessions  *browserSessions
	directory *directory
	faults    *faults
	pages     *pages
	requests  *requests
	responses *responses

	logins   *bounded[transaction]
	consents *bounded[[]string]
}

// proceed moves a transaction to its next page, or to its end.
func (f *loginFlow) proceed(w http.ResponseWriter, r *http.Request, tx transaction) {
	if tx.user == "" {
		f.resume(r, &tx)
	}
	for {
		next, err := f.nextStep(r, tx)
		if err == nil && next == stepDone {
			f.finish(w, r, tx)
			return
		}
		if silent, ok := silentErrors[next]; err == nil && ok && tx.req.prompts("none") {
			err = &silent
		}
		if err == nil && next == stepMembership && f.enterOnly(&tx) {
			continue
		}
		if err == nil && f.faults.automaticMode() && !(next == stepLogin && f.leadsUpstream(tx.req)) {
			if err = f.stepAutomatically(&tx, next); err == nil {
				continue
			}
		}
		if err != nil {
			f.abandon(w, tx, *err)
			return
		}
		f.showStep(w, tx, next)
		return
	}
}

// resume logs in with the session of the browser, if the request allows.
func (f *loginFlow) resume(r *http.Request, tx *transaction) {
	s, ok := f.sessions.sessionOf(r)
	if !ok || !f.reusable(s, *tx) {
		return
	}
	tx.user = s.user
	tx.connection = s.connection
	tx.authTime = s.authTime
	tx.resumed = true
	tx.sessionMFA = s.mfa
}

func (f *loginFlow) reusable(s session, tx transaction) bool {
	req := tx.req
	age := f.now().Sub(s.authTime)
	f.mu.Lock()
	automatic := f.faults.automatic
	f.mu.Unlock()
	switch {
	case req.prompts("login"),
		req.prompts("select_account") && !tx.keep,
		req.maxAge == 0 || req.maxAge > 0 && age > req.maxAge,
		automatic != "" && automatic != s.user:
		return false
	}
	return f.directory.usableConnection(req, s.connection) != nil
}

func (f *loginFlow) nextStep(r *http.Request, tx transaction) (step, *oauthError) {
	req := tx.req
	if tx.lacksOrganization(preLogin) {
		return stepOrganization, nil
	}
	user, ok := f.directory.user(tx.user)
	if !ok {
		if _, known := f.sessions.sessionOf(r); known && req.prompts("select_account") && !tx.chosen {
			return stepAccount, nil
		}
		return stepLogin, nil
	}
	if err := f.checkUser(user, tx); err != nil {
		return 0, err
	}
	if tx.lacksOrganization(postLogin) {
		switch {
		case len(f.directory.organizationsOf(user)) > 0:
			return stepMembership, nil
		case req.client.OrganizationUsage == "require":
			return 0, &noMembership
		}
	}
	// An application that requests a second factor gets a challenge every time, and so
	// an amr claim. A user with mandatory MFA is challenged once per session.
	if !tx.mfaDone && (req.mfa || user.MFA && !tx.sessionMFA) {
		return stepMFA, nil
	}
	if !tx.consented && (req.prompts("consent") || req.client.ThirdParty && !f.hasConsented(tx, user)) {
		return stepConsent, nil
	}
	return stepDone, nil
}

// checkUser denies the login to a blocked user, or to a nonmember.
func (f *loginFlow) checkUser(u *storedUser, tx transaction) *oauthError {
	org := tx.req.org
	invitation := Invitation{}
	if org != nil {
		invitation, _ = org.invitation(tx.req.invitation)
	}
	switch {
	case u.Blocked:
		return &oauthError{Code: "unauthorized", Description: "user is blocked"}
	case u.DenyReason != "":
		return &oauthError{Code: "access_denied", Description: u.DenyReason}
	case invitation.Email != "" && !u.hasAddress(invitation.Email):
		return &oauthError{Code: "access_denied", Description: "the specified account is not allowed to accept the current invitation"}
	case org == nil || slices.Contains(u.Organizations, org.ID) || tx.req.invitation != "":
		return nil
	}
	if c, ok := org.connection(tx.connection); ok && c.AssignMembershipOnLogin {
		return nil
	}
	return &oauthError{Code: "access_denied", Description: "user " + tx.user + " is not part of the " + org.ID + " organization"}
}

func consentKey(tx transaction) string {
	return tx.user + "\x00" + tx.req.client.ID + "\x00" + tx.req.audience
}

func (f *loginFlow) hasConsented(tx transaction, u *storedUser) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	given, ok := f.consents.get(consentKey(tx))
	for _, scope := range grantedScopes(tx.req.scope, tx.req.client, u, tx.req.orgID(), tx.req.api) {
		ok = ok && slices.Contains(given, scope)
	}
	return ok
}

// finish completes a transaction: keep the session, issue, answer.
func (f *loginFlow) finish(w http.ResponseWriter, r *http.Request, tx transaction) {
	if !f.endTransaction(tx) {
		f.pages.errorPage(w, expiredPage)
		return
	}
	req := tx.req
	user, ok := f.directory.user(tx.user)
	if !ok {
		f.responses.refuse(w, req, silentErrors[stepLogin])
		return
	}
	s := f.sessions.keepSession(w, r, tx)
	g := grant{
		client:   req.client.ID,
		user:     tx.user,
		audience: req.audience,
		scope:    grantedScopes(req.scope, req.client, user, req.orgID(), req.api),
		sid:      s.sid,
		nonce:    req.nonce,
		mfa:      tx.mfaDone,
	}
	if req.maxAge >= 0 || req.prompts("login") {
		g.authTime = tx.authTime
	}
	if req.org != nil {
		g.orgID, g.orgName = req.org.ID, req.org.Name
	}
	f.remember(tx, g)
	f.responses.answer(w, req, g)
}

// remember stores membership and consent, which outlive the transaction.
func (f *loginFlow) remember(tx transaction, g grant) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if g.orgID != "" {
		f.directory.data.join(g.user, g.orgID, tx.req.invitation)
	}
	if tx.consented {
		given, _ := f.consents.get(consentKey(tx))
		f.consents.put(consentKey(tx), slices.Concat(given, g.scope))
	}
}

// abandon ends a transaction with an error for the application.
func (f *loginFlow) abandon(w http.ResponseWriter, tx transaction, err oauthError) {
	if !f.endTransaction(tx) {
		f.pages.errorPage(w, expiredPage)
		return
	}
	f.responses.refuse(w, tx.req, err)
}

// endTransaction deletes the transaction. It returns false if another request has.
func (f *loginFlow) endTransaction(tx transaction) bool {
	if !tx.stored {
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.logins.take(tx.id)
	return ok
}

func (f *loginFlow) saveTransaction(tx *transaction) {
	tx.stored = true
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logins.put(tx.id, *tx)
}

// showStep sends the browser to the page of a step.
func (f *loginFlow) showStep(w http.ResponseWriter, tx transaction, next step) {
	path := "/u/login"
	switch next {
	case stepAccount:
		path = "/u/account"
	case stepConsent:
		path = "/u/consent"
	case stepOrganization:
		path = "/u/organization"
	case stepMembership:
		path = "/u/memberships"
	case stepMFA:
		path = "/u/mfa"
		if tx.code == "" {
			tx.code = randomDigits()
		}
	case stepLogin:
		if c := f.directory.usableConnection(tx.req, tx.req.connection); c != nil {
			path = pathOf(c)
		}
		if tx.req.signup && path == "/u/login" && f.directory.signupConnection(tx.req) != nil {
			path = "/u/signup"
		}
	}
	f.saveTransaction(&tx)
	redirect(w, f.pageURL(path, tx, ""))
}

// pathOf returns the page on which users of a connection log in.
func pathOf(c *Connection) string {
	switch kindOf(c.Strategy) {
	case database:
		return "/u/login"
	case passwordless:
		return "/u/passwordless"
	default:
		return "/u/provider"
	}
}

// page returns the handler of a page. It finds the transaction, and rejects a form
// posted by another site.
func (f *loginFlow) page(show, submit func(http.ResponseWriter, *http.Request, transaction)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		f.mu.Lock()
		tx, ok := f.logins.get(r.URL.Query().Get("state"))
		f.mu.Unlock()
		if !ok || f.now().Sub(tx.started) > transactionLifetime {
			f.pages.errorPage(w, expiredPage)
			return
		}
		if r.Method != http.MethodPost {
			show(w, r, tx)
			return
		}
		if err := f.forms.Check(r); err != nil {
			f.pages.errorPage(w, foreignForm)
			return
		}
		submit(w, r, tx)
	}
}

// authenticate records the user and continues.
func (f *loginFlow) authenticate(w http.ResponseWriter, r *http.Request, tx transaction, subject, connection string) {
	tx.user = subject
	tx.connection = connection
	tx.authTime = f.now()
	tx.resumed = false
	tx.address, tx.code, tx.tries = "", "", 0
	f.proceed(w, r, tx)
}

// leadsUpstream reports whether the request is for a connection whose provider shows the
// login page.
func (f *loginFlow) leadsUpstream(req *authorization) bool {
	c := f.directory.usableConnection(req, req.connection)
	return c != nil && c.isLive()
}

// stepAutomatically answers a page in place of the automatic user.
func (f *loginFlow) stepAutomatically(tx *transaction, next step) *oauthError {
	switch next {
	case stepMFA:
		tx.mfaDone = true
		return nil
	case stepConsent:
		tx.consented = true
		return nil
	case stepOrganization, stepMembership:
		return f.enterAutomatically(tx)
	}
	f.mu.Lock()
	subject := f.directory.data.automaticSubject(f.faults.automatic, tx.req.connection)
	user := f.directory.data.users[subject]
	f.mu.Unlock()
	if user == nil || f.directory.usableConnection(tx.req, user.Connection) == nil {
		return &oauthError{Code: "access_denied", Description: "The user of the automatic sign-in has no account in an enabled connection"}
	}
	tx.user = subject
	tx.connection = user.Connection
	tx.authTime = f.now()
	return nil
}

// pageURL returns the URL of a page of the transaction, for the browser.
func (s *site) pageURL(path string, tx transaction, connection string) string {
	query := url.Values{"state": {tx.id}}
	if connection != "" && connection != tx.req.connection {
		query.Set("connection", connection)
	}
	return s.path + path + "?" + query.Encode()
}

// enter makes the login one to the organization. A user who logged in with a connection
// that is not enabled for the organization logs in again.
func (f *loginFlow) enter(tx *transaction, org *Organization) *oauthError {
	req := *tx.req // stored transactions share it
	req.org = org
	if err := f.requests.checkConnection(&req, url.Values{"connection": {req.connection}}); err != nil {
		return err
	}
	tx.req = &req
	if tx.user != "" && f.directory.usableConnection(tx.req, tx.connection) == nil {
		tx.user = ""
	}
	return nil
}

// enterOnly enters the only organization of a user who needs one.
func (f *loginFlow) enterOnly(tx *transaction) bool {
	user, ok := f.directory.user(tx.user)
	if !ok || tx.req.orgOptional() {
		return false
	}
	list := f.directory.organizationsOf(user)
	return len(list) == 1 && f.enter(tx, list[0]) == nil
}

// enterAutomatically enters the first organization of the automatic user.
func (f *loginFlow) enterAutomatically(tx *transaction) *oauthError {
	f.mu.Lock()
	user := f.directory.data.users[f.faults.automatic]
	f.mu.Unlock()
	var list []*Organization
	if user != nil {
		list = f.directory.organizationsOf(user)
	}
	switch {
	case len(list) > 0:
		return f.enter(tx, list[0])
	case tx.req.orgOptional():
		tx.personal = true
		return nil
	}
	return &noMembership
}

var noMembership = oauthError{Code: "invalid_request", Description: "client requires organization membership, but user does not belong to any organization"}
