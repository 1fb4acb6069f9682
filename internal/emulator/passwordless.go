package emulator

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const sentLifetime = 5 * time.Minute

// A passwordlessAPI sends codes and links, and logs in with them.
type passwordlessAPI struct {
	*site
	clientAuth  *clientAuth
	directory   *directory
	grantLogins *grantLogins
	flow        *loginFlow
	mailbox     *mailbox
	pages       *pages
	requests    *requests
	responses   *responses
}

// startPasswordless answers POST /passwordless/start.
func (pl *passwordlessAPI) startPasswordless(w http.ResponseWriter, r *http.Request) {
	body, err := pl.sendPasswordless(r)
	if err != nil {
		writeJSON(w, err.status, err.oauthError)
		return
	}
	writeJSON(w, http.StatusOK, body)
}

func badStart(code, description string) *tokenError {
	return &tokenError{http.StatusBadRequest, oauthError{code, description}}
}

func (pl *passwordlessAPI) sendPasswordless(r *http.Request) (map[string]any, *tokenError) {
	params, err := takeAuthParams(r)
	if err != nil {
		return nil, err
	}
	c, form, err := pl.clientAuth.clientRequest(r)
	if err != nil {
		return nil, err
	}
	name := form.Get("connection")
	conn := pl.passwordlessConnection(c, name)
	switch {
	case conn == nil:
		return nil, badStart("bad.connection", "Connection does not exist")
	case conn.Strategy == "email" && !looksLikeEmail(form.Get("email")):
		return nil, badStart("bad.email", "Email address is not valid")
	case conn.Strategy != "email" && !looksLikePhone(form.Get("phone_number")):
		return nil, badStart("bad.phone_number", "Phone number is not valid")
	}
	id := randomHex(12)
	if conn.Strategy != "email" {
		pl.mailbox.send(name, form.Get("phone_number"), sentCode{code: randomDigits()})
		return map[string]any{"_id": id, "phone_number": form.Get("phone_number"), "phone_verified": false}, nil
	}
	address := form.Get("email")
	sent := sentCode{code: randomDigits()}
	if form.Get("send") != "code" {
		params.Set("client_id", c.ID)
		params.Set("connection", name)
		params.Set("email", address)
		params.Set("verification_code", sent.code)
		sent.link = pl.base + "/passwordless/verify_redirect?" + params.Encode()
	}
	pl.mailbox.send(name, address, sent)
	return map[string]any{"_id": id, "email": address, "email_verified": false}, nil
}

// takeAuthParams reads the only member other than a text and removes it from
// the body.
func takeAuthParams(r *http.Request) (url.Values, *tokenError) {
	body, _ := io.ReadAll(r.Body) // is in memory
	params := url.Values{}
	var object map[string]any
	if json.Unmarshal(body, &object) == nil {
		list, _ := object["authParams"].(map[string]any)
		for name, value := range list {
			text, ok := value.(string)
			if !ok {
				return nil, badRequest("authParams must be text")
			}
			params.Set(name, text)
		}
		delete(object, "authParams")
		body = marshal(object)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return params, nil
}

// passwordlessConnection returns a connection of the application that sends
// codes.
func (pl *passwordlessAPI) passwordlessConnection(c *Client, name string) *Connection {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	for _, conn := range pl.directory.data.enabledFor(c, nil) {
		if conn.Name == name && !conn.Inactive && kindOf(conn.Strategy) == passwordless {
			return conn
		}
	}
	return nil
}

// passwordlessCode answers the grant of that name.
func (pl *passwordlessAPI) passwordlessCode(c *Client, form url.Values) (map[string]any, *tokenError) {
	conn := pl.passwordlessConnection(c, form.Get("realm"))
	if conn == nil {
		return nil, &tokenError{http.StatusForbidden, oauthError{"invalid_request", "Unknown realm '" + form.Get("realm") + "'"}}
	}
	user, subject, ok := pl.takeSent(conn, form.Get("username"), form.Get("otp"))
	switch {
	case !ok && conn.Strategy == "email":
		return nil, &tokenError{http.StatusForbidden, oauthError{"invalid_grant", "Wrong email or verification code."}}
	case !ok:
		return nil, &tokenError{http.StatusForbidden, oauthError{"invalid_grant", "Wrong phone number or verification code."}}
	}
	return pl.grantLogins.loginByGrant(c, form, user, subject, "")
}

// takeSent checks a code from a message, uses it up, and returns its user, who
// is new if the address is new.
func (pl *passwordlessAPI) takeSent(conn *Connection, address, code string) (*storedUser, string, bool) {
	key := conn.Name + "\x00" + address
	pl.mu.Lock()
	sent, ok := pl.mailbox.sent.get(key)
	if !ok || pl.now().Sub(sent.at) > sentLifetime || sent.tries >= maxTries || !same(code, sent.code) {
		sent.tries++
		if ok {
			pl.mailbox.sent.put(key, sent)
		}
		pl.mu.Unlock()
		return nil, "", false
	}
	pl.mailbox.sent.delete(key)
	subject, known := pl.directory.data.subject(address, conn.Name)
	pl.mu.Unlock()
	if !known {
		user := User{Connection: conn.Name, Email: address, EmailVerified: true}
		if conn.Strategy != "email" {
			user = User{Connection: conn.Name, Phone: address}
		}
		var err error
		if subject, err = pl.directory.register(user); err != nil {
			return nil, "", false
		}
	}
	user, ok := pl.directory.user(subject)
	return user, subject, ok
}

// followLink answers the link in an email: a login whose user is known.
func (pl *passwordlessAPI) followLink(w http.ResponseWriter, r *http.Request) {
	params := r.URL.Query()
	req, refusal := pl.requests.identifyApplication(params)
	if refusal != nil {
		pl.pages.errorPage(w, *refusal)
		return
	}
	conn := pl.passwordlessConnection(req.client, params.Get("connection"))
	address := params.Get("email")
	code := params.Get("verification_code")
	for _, name := range []string{"connection", "email", "verification_code"} {
		params.Del(name)
	}
	if err := pl.requests.checkRequest(req, params); err != nil {
		pl.responses.refuse(w, req, *err)
		return
	}
	if conn == nil {
		pl.pages.errorPage(w, noConnectionPage)
		return
	}
	_, subject, ok := pl.takeSent(conn, address, strings.TrimSpace(code))
	if !ok {
		pl.pages.errorPage(w, pageError{http.StatusBadRequest, "invalid_request", "The verification code has expired. Please try to login again."})
		return
	}
	pl.flow.authenticate(w, r, transaction{id: randomID(43), req: req, started: pl.now()}, subject, conn.Name)
}
