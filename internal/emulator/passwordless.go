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

// A sentCode is what went to an address by e-mail or text message.
type sentCode struct {
	code, link string
	at         time.Time
	tries      int
}

const sentLifetime = 5 * time.Minute

func (t *Tenant) send(connection, address string, sent sentCode) {
	sent.at = t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent.put(connection+"\x00"+address, sent)
	t.sent.put("\x00"+address, sent) // the mailbox of whoever is there
}

// Mail returns the code and the link that went to an address last, by e-mail or
// text message. They are empty if nothing did.
func (t *Tenant) Mail(address string) (code, link string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	sent, _ := t.sent.get("\x00" + address)
	return sent.code, sent.link
}

// startPasswordless answers POST /passwordless/start.
func (t *Tenant) startPasswordless(w http.ResponseWriter, r *http.Request) {
	body, err := t.sendPasswordless(r)
	if err != nil {
		writeJSON(w, err.status, err.oauthError)
		return
	}
	writeJSON(w, http.StatusOK, body)
}

func badStart(code, description string) *tokenError {
	return &tokenError{http.StatusBadRequest, oauthError{code, description}}
}

func (t *Tenant) sendPasswordless(r *http.Request) (map[string]any, *tokenError) {
	params, err := takeAuthParams(r)
	if err != nil {
		return nil, err
	}
	c, form, err := t.clientRequest(r)
	if err != nil {
		return nil, err
	}
	name := form.Get("connection")
	conn := t.passwordlessConnection(c, name)
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
		t.send(name, form.Get("phone_number"), sentCode{code: randomDigits()})
		return map[string]any{"_id": id, "phone_number": form.Get("phone_number"), "phone_verified": false}, nil
	}
	address := form.Get("email")
	sent := sentCode{code: randomDigits()}
	if form.Get("send") != "code" {
		params.Set("client_id", c.ID)
		params.Set("connection", name)
		params.Set("email", address)
		params.Set("verification_code", sent.code)
		sent.link = t.base + "/passwordless/verify_redirect?" + params.Encode()
	}
	t.send(name, address, sent)
	return map[string]any{"_id": id, "email": address, "email_verified": false}, nil
}

// takeAuthParams reads the one member that is no text and takes it out of the
// body.
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
func (t *Tenant) passwordlessConnection(c *Client, name string) *Connection {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, conn := range t.data.enabledFor(c, nil) {
		if conn.Name == name && !conn.Inactive && kindOf(conn.Strategy) == passwordless {
			return conn
		}
	}
	return nil
}

// passwordlessCode answers the grant of that name.
func (t *Tenant) passwordlessCode(c *Client, form url.Values) (map[string]any, *tokenError) {
	conn := t.passwordlessConnection(c, form.Get("realm"))
	if conn == nil {
		return nil, &tokenError{http.StatusForbidden, oauthError{"invalid_request", "Unknown realm '" + form.Get("realm") + "'"}}
	}
	user, subject, ok := t.takeSent(conn, form.Get("username"), form.Get("otp"))
	switch {
	case !ok && conn.Strategy == "email":
		return nil, &tokenError{http.StatusForbidden, oauthError{"invalid_grant", "Wrong email or verification code."}}
	case !ok:
		return nil, &tokenError{http.StatusForbidden, oauthError{"invalid_grant", "Wrong phone number or verification code."}}
	}
	return t.loginByGrant(c, form, user, subject, "")
}

// takeSent checks a code that was sent, uses it up, and returns whose it is: a
// new user, if the address is new.
func (t *Tenant) takeSent(conn *Connection, address, code string) (*User, string, bool) {
	key := conn.Name + "\x00" + address
	t.mu.Lock()
	sent, ok := t.sent.get(key)
	if !ok || t.now().Sub(sent.at) > sentLifetime || sent.tries >= maxTries || !same(code, sent.code) {
		sent.tries++
		if ok {
			t.sent.put(key, sent)
		}
		t.mu.Unlock()
		return nil, "", false
	}
	t.sent.delete(key)
	subject, known := t.data.subject(address, conn.Name)
	t.mu.Unlock()
	if !known {
		user := User{Connection: conn.Name, Email: address, EmailVerified: true}
		if conn.Strategy != "email" {
			user = User{Connection: conn.Name, Phone: address}
		}
		var err error
		if subject, err = t.register(user); err != nil {
			return nil, "", false
		}
	}
	user, ok := t.user(subject)
	return user, subject, ok
}

// followLink answers the link in an e-mail: a login whose user is known.
func (t *Tenant) followLink(w http.ResponseWriter, r *http.Request) {
	params := r.URL.Query()
	req, refusal := t.identifyApplication(params)
	if refusal != nil {
		t.errorPage(w, *refusal)
		return
	}
	conn := t.passwordlessConnection(req.client, params.Get("connection"))
	address := params.Get("email")
	code := params.Get("verification_code")
	for _, name := range []string{"connection", "email", "verification_code"} {
		params.Del(name)
	}
	if err := t.checkRequest(req, params); err != nil {
		t.refuse(w, req, *err)
		return
	}
	if conn == nil {
		t.errorPage(w, noConnectionPage)
		return
	}
	_, subject, ok := t.takeSent(conn, address, strings.TrimSpace(code))
	if !ok {
		t.errorPage(w, pageError{http.StatusBadRequest, "invalid_request", "The verification code has expired. Please try to login again."})
		return
	}
	t.authenticate(w, r, transaction{id: randomID(43), req: req, started: t.now()}, subject, conn.Name)
}
