package emulator

import (
	"cmp"
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A connecting is an account that is being connected: the application has requested
// it, the user is at the provider or has come back, and the application has not
// fetched it yet.
type connecting struct {
	session     string // auth_session, which only the application knows
	client      *Client
	user        string // subject
	connection  string
	redirectURI string
	state       string
	hasState    bool
	scopes      []string
	params      map[string]any // for the provider

	challenge, challengeMethod string

	started time.Time
	code    string // empty until the provider has answered
	account thirdParty
}

const connectLifetime = 5 * time.Minute

// A connector connects accounts at third parties to users.
type connector struct {
	*site
	directory *directory
	faults    *faults
	pages     *pages
	providers *providers
	views     *views

	connects *bounded[connecting] // by auth_session
	tickets  *bounded[string]     // auth_session, by ticket and by page
}

// beginConnect stores the request and returns a ticket for the browser.
func (cn *connector) beginConnect(call accountCall) (any, *problem) {
	var body struct {
		Connection      string         `json:"connection"`
		RedirectURI     string         `json:"redirect_uri"`
		State           *string        `json:"state"`
		Scopes          []string       `json:"scopes"`
		Challenge       string         `json:"code_challenge"`
		ChallengeMethod string         `json:"code_challenge_method"`
		Params          map[string]any `json:"authorization_params"`
	}
	if p := call.decode(&body); p != nil {
		return nil, p
	}
	switch {
	case body.Connection == "":
		return nil, invalidField("body", "connection", "is required")
	case body.RedirectURI == "":
		return nil, invalidField("body", "redirect_uri", "is required")
	case !call.client.allowsCallback(body.RedirectURI, nil):
		return nil, invalidField("body", "redirect_uri", "is not in the list of allowed callback URLs")
	case body.Challenge == "" && body.ChallengeMethod != "":
		return nil, invalidField("body", "code_challenge", "is required with code_challenge_method")
	case body.Challenge != "" && body.ChallengeMethod != "S256":
		return nil, invalidField("body", "code_challenge_method", "must be S256")
	case cn.directory.connectable(call.client.ID, body.Connection) == nil:
		return nil, invalidField("body", "connection", "was not found, or is not enabled for connected accounts")
	}
	c := connecting{session: randomID(64), client: call.client, user: call.subject, connection: body.Connection, redirectURI: body.RedirectURI,
		scopes: body.Scopes, params: body.Params, challenge: body.Challenge, challengeMethod: body.ChallengeMethod, started: cn.now()}
	if body.State != nil {
		c.state, c.hasState = *body.State, true
	}
	ticket := randomUUID()
	cn.mu.Lock()
	cn.connects.put(c.session, c)
	cn.tickets.put(ticket, c.session)
	cn.mu.Unlock()
	return map[string]any{"auth_session": c.session, "connect_uri": cn.base + "/connected-accounts/connect",
		"connect_params": map[string]any{"ticket": ticket}, "expires_in": int(connectLifetime / time.Second)}, nil
}

var connectExpiredPage = pageError{http.StatusBadRequest, "This page has expired",
	"The account was connected, or that was given up. Start again from the application."}

// connectingOf returns the account of a ticket or a page and its connection, unless
// it has expired. A ticket works once.
func (cn *connector) connectingOf(ticket string, take bool) (connecting, *Connection, bool) {
	cn.mu.Lock()
	session, ok := cn.tickets.get(ticket)
	if take {
		cn.tickets.delete(ticket)
	}
	c, open := cn.connects.get(session)
	cn.mu.Unlock()
	if !ok || !open || cn.now().Sub(c.started) >= connectLifetime {
		return c, nil, false
	}
	conn := cn.directory.connectable(c.client.ID, c.connection)
	return c, conn, conn != nil
}

// followTicket sends the browser to the provider, or to the page that simulates it.
func (cn *connector) followTicket(w http.ResponseWriter, r *http.Request) {
	c, conn, ok := cn.connectingOf(r.URL.Query().Get("ticket"), true)
	if !ok {
		cn.pages.errorPage(w, connectExpiredPage)
		return
	}
	if denial := cn.faults.nextDenial(); denial != nil {
		cn.refuseConnect(w, c, *denial)
		return
	}
	if conn.isLive() {
		scope := cmp.Or(strings.Join(c.scopes, " "), conn.scopes())
		target, ok := cn.providers.toUpstream(conn, upstreamLogin{connecting: c.session, connection: conn.Name}, scope, c.params)
		if !ok {
			cn.refuseConnect(w, c, badAuthorizationURL)
			return
		}
		redirect(w, target)
		return
	}
	if cn.faults.automaticMode() {
		cn.connectAutomatically(w, c, conn)
		return
	}
	page := randomID(43)
	cn.mu.Lock()
	cn.tickets.put(page, c.session)
	cn.mu.Unlock()
	redirect(w, cn.path+"/u/connect?"+url.Values{"state": {page}}.Encode())
}

// connectPage simulates the provider.
func (cn *connector) connectPage(w http.ResponseWriter, r *http.Request) {
	page := r.URL.Query().Get("state")
	c, conn, ok := cn.connectingOf(page, false)
	if !ok {
		cn.pages.errorPage(w, connectExpiredPage)
		return
	}
	if err := cn.forms.Check(r); err != nil {
		cn.pages.errorPage(w, foreignForm)
		return
	}
	r.ParseForm()
	user, known := cn.directory.user(r.PostForm.Get("account")) // no form, no account
	cancelled := r.PostForm.Has("cancel")
	if !cancelled && (!known || user.Connection != conn.Name) {
		cn.showConnect(w, c, conn)
		return
	}
	if _, _, ok := cn.connectingOf(page, true); !ok {
		cn.pages.errorPage(w, connectExpiredPage) // of two answers, one counts
		return
	}
	if cancelled {
		cn.refuseConnect(w, c, userRefused)
		return
	}
	cn.finishConnect(w, c, simulatedAccount(c, conn, user))
}

func (cn *connector) showConnect(w http.ResponseWriter, c connecting, conn *Connection) {
	tx := transaction{req: &authorization{client: c.client, redirectURI: c.redirectURI}}
	view := cn.views.providerView(tx, conn)
	view.Connect = true
	view.Scopes = c.scopes
	if len(c.scopes) == 0 {
		view.Scopes = strings.Fields(conn.scopes())
	}
	cn.pages.render(w, http.StatusOK, "provider.html", view)
}

// connectAutomatically chooses in place of the automatic user: the account with the
// same email address, or else the first.
func (cn *connector) connectAutomatically(w http.ResponseWriter, c connecting, conn *Connection) {
	cn.mu.Lock()
	subject := cn.directory.data.automaticSubject(cn.faults.automatic, conn.Name)
	if all := cn.directory.data.usersOf(conn.Name); subject == "" && len(all) > 0 {
		subject = all[0]
	}
	user := cn.directory.data.users[subject]
	cn.mu.Unlock()
	if user == nil {
		cn.refuseConnect(w, c, oauthError{"access_denied", "The connection has no accounts"})
		return
	}
	cn.finishConnect(w, c, simulatedAccount(c, conn, user))
}

// simulatedAccount has a token that no provider knows.
func simulatedAccount(c connecting, conn *Connection, u *storedUser) thirdParty {
	scope := cmp.Or(strings.Join(c.scopes, " "), conn.scopes())
	return thirdParty{provided: u.ID, email: u.Email, token: "simulated-" + randomID(32), scope: scope}
}

// connectCallback handles the response of the provider of a live connection.
func (cn *connector) connectCallback(w http.ResponseWriter, r *http.Request, login upstreamLogin) {
	cn.mu.Lock()
	c, open := cn.connects.get(login.connecting)
	cn.mu.Unlock()
	if !open || cn.now().Sub(c.started) >= connectLifetime {
		cn.pages.errorPage(w, connectExpiredPage)
		return
	}
	conn := cn.directory.connectable(c.client.ID, c.connection)
	if conn == nil {
		cn.pages.errorPage(w, noConnectionPage)
		return
	}
	query := r.URL.Query()
	if code := query.Get("error"); code != "" {
		cn.refuseConnect(w, c, oauthError{code, query.Get("error_description")})
		return
	}
	tokens, user, err := cn.providers.askUpstream(r.Context(), conn, login, query.Get("code"))
	if err != nil {
		cn.refuseConnect(w, c, oauthError{"invalid_request", err.Error()})
		return
	}
	account := tokens.account(cn.now())
	account.provided, account.email = user.ID, user.Email
	account.scope = cmp.Or(account.scope, strings.Join(c.scopes, " "), conn.scopes())
	cn.finishConnect(w, c, account)
}

// finishConnect sends the browser back with a code, for which the application
// connects the account. Until then nothing is.
func (cn *connector) finishConnect(w http.ResponseWriter, c connecting, account thirdParty) {
	c.code, c.account = randomID(43), account
	cn.mu.Lock()
	cn.connects.put(c.session, c)
	cn.mu.Unlock()
	c.deliver(w, url.Values{"connect_code": {c.code}})
}

// refuseConnect sends the browser back with an error, and ends the connecting.
func (cn *connector) refuseConnect(w http.ResponseWriter, c connecting, err oauthError) {
	cn.mu.Lock()
	cn.connects.delete(c.session)
	cn.mu.Unlock()
	values := url.Values{"error": {err.Code}}
	if err.Description != "" {
		values.Set("error_description", err.Description)
	}
	c.deliver(w, values)
}

func (c connecting) deliver(w http.ResponseWriter, values url.Values) {
	if c.hasState {
		values.Set("state", c.state)
	}
	redirect(w, withQuery(c.redirectURI, values))
}

// completeConnect stores the account for a caller who has both the auth_session of
// the application and the connect_code of the browser. An attempt uses them up.
func (cn *connector) completeConnect(call accountCall) (any, *problem) {
	var body struct {
		Session     string `json:"auth_session"`
		Code        string `json:"connect_code"`
		RedirectURI string `json:"redirect_uri"`
		Verifier    string `json:"code_verifier"`
	}
	if p := call.decode(&body); p != nil {
		return nil, p
	}
	for _, field := range []struct{ name, value string }{
		{"auth_session", body.Session}, {"connect_code", body.Code}, {"redirect_uri", body.RedirectURI}} {
		if field.value == "" {
			return nil, invalidField("body", field.name, "is required")
		}
	}
	cn.mu.Lock()
	c, ok := cn.connects.get(body.Session)
	if ok = ok && c.user == call.subject && c.client.ID == call.client.ID && c.code != ""; ok {
		cn.connects.delete(body.Session)
	}
	cn.mu.Unlock()
	switch {
	case !ok, cn.now().Sub(c.started) >= connectLifetime:
		return nil, invalidField("body", "auth_session", "is invalid or has expired")
	case subtle.ConstantTimeCompare([]byte(body.Code), []byte(c.code)) != 1:
		return nil, invalidField("body", "connect_code", "is invalid")
	case body.RedirectURI != c.redirectURI:
		return nil, invalidField("body", "redirect_uri", "is not the one of the request")
	case !verifies(authorizationCode{challenge: c.challenge, challengeMethod: c.challengeMethod}, body.Verifier):
		return nil, invalidField("body", "code_verifier", "does not fit the code_challenge")
	case cn.directory.connectable(c.client.ID, c.connection) == nil:
		return nil, invalidField("body", "auth_session", "is for a connection that is not enabled any more")
	}
	if slices.ContainsFunc(cn.directory.connected(c.user, c.connection), c.account.isSame) {
		return nil, newProblem("409-0001", http.StatusConflict, "The account is connected already")
	}
	account := c.account
	account.subject, account.connection, account.created = c.user, c.connection, cn.now()
	account.id = "cac_" + derivedID(22, c.code)
	cn.directory.keepAccount(account)
	return account.item(), nil
}
