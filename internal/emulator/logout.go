package emulator

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A logoutRequest waits for the user's confirmation.
type logoutRequest struct {
	client   string // name of the application, if one asked
	location string // where to go then; empty: a page of the tenant
	started  time.Time
}

// legacyLogout answers /v2/logout: end the session and go to a registered URL.
func (t *Tenant) legacyLogout(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	allowed := t.cfg.LogoutURLs
	if id := query.Get("client_id"); id != "" {
		client, ok := t.client(id)
		if !ok {
			t.errorPage(w, pageError{http.StatusBadRequest, "invalid_request", "Unknown client: " + id})
			return
		}
		allowed = client.LogoutURLs
	}
	location := query.Get("returnTo")
	switch {
	case location == "" && len(allowed) > 0:
		location = allowed[0]
	case location != "" && !slices.ContainsFunc(allowed, func(entry string) bool { return matchesLogout(entry, location) }):
		t.errorPage(w, pageError{http.StatusBadRequest, "invalid_request",
			`The "returnTo" querystring parameter "` + location + `" is not defined as a valid URL in "Allowed Logout URLs"`})
		return
	}
	t.logout(w, r, location)
}

// matchesLogout compares without query and fragment, which this endpoint does
// not look at.
func matchesLogout(entry, location string) bool {
	bare := func(s string) string { return s[:strings.IndexAny(s+"?", "?#")] }
	return bare(entry) == bare(location) || matchesWildcard(bare(entry), bare(location))
}

// logout ends the browser's session and leaves.
func (t *Tenant) logout(w http.ResponseWriter, r *http.Request, location string) {
	if s, ok := t.sessionOf(r); ok {
		t.endSession(w, s)
	}
	t.leave(w, location)
}

func (t *Tenant) leave(w http.ResponseWriter, location string) {
	if location == "" {
		t.messagePage(w, "You are logged out", "You can close this window.")
		return
	}
	redirect(w, location)
}

func (t *Tenant) messagePage(w http.ResponseWriter, title, text string) {
	t.render(w, http.StatusOK, "message.html", struct {
		frame
		Text string
	}{t.frame(title, transaction{}), text})
}

// oidcLogout answers /oidc/logout (OpenID Connect RP-Initiated Logout 1.0,
// Section 2), with Auth0's additions: logout_hint is the sid, and a request
// that does not prove whose session it means is confirmed by the user.
func (t *Tenant) oidcLogout(w http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	params := r.URL.Query()
	if r.Method == http.MethodPost {
		params = r.PostForm
	}
	client, sid, problem := t.identifyLogout(params)
	if problem == "" {
		problem = t.checkLogoutURL(client, params)
	}
	if problem != "" {
		t.errorPage(w, pageError{http.StatusBadRequest, "invalid_request", problem})
		return
	}
	location := t.logoutLocation(client, params)
	s, ok := t.sessionOf(r)
	if !ok || params.Get("id_token_hint") != "" || sid == s.sid {
		t.logout(w, r, location)
		return
	}
	t.askLogout(w, client, location)
}

// identifyLogout finds the application and the session that a request means,
// and insists that its hints agree.
func (t *Tenant) identifyLogout(params url.Values) (client *Client, sid, problem string) {
	id, sid := params.Get("client_id"), params.Get("logout_hint")
	if hint := params.Get("id_token_hint"); hint != "" {
		claims, err := t.verify(hint) // an expired one is fine
		if err != nil || claims["iss"] != t.Issuer() {
			return nil, "", "The id_token_hint is invalid"
		}
		aud, _ := claims["aud"].(string)
		tokenSID, _ := claims["sid"].(string)
		switch {
		case id != "" && id != aud:
			return nil, "", "The client_id does not match the aud of the id_token_hint"
		case sid != "" && sid != tokenSID:
			return nil, "", "The logout_hint does not match the sid of the id_token_hint"
		}
		id, sid = aud, tokenSID
	}
	if id == "" {
		return nil, sid, ""
	}
	client, ok := t.client(id)
	if !ok {
		return nil, "", "Unknown client: " + id
	}
	return client, sid, ""
}

// checkLogoutURL demands that the URL is registered as it is, query included.
func (t *Tenant) checkLogoutURL(client *Client, params url.Values) (problem string) {
	location := params.Get("post_logout_redirect_uri")
	if location == "" || slices.Contains(t.logoutURLs(client, params), location) {
		return ""
	}
	return `The "post_logout_redirect_uri" parameter "` + location + `" is not defined as a valid URL in "Allowed Logout URLs"`
}

// logoutURLs returns the list that applies: the application's, if a hint tells
// whose session it is, else the tenant's.
func (t *Tenant) logoutURLs(client *Client, params url.Values) []string {
	if client != nil && (params.Get("id_token_hint") != "" || params.Get("logout_hint") != "") {
		return client.LogoutURLs
	}
	return t.cfg.LogoutURLs
}

func (t *Tenant) logoutLocation(client *Client, params url.Values) string {
	location := params.Get("post_logout_redirect_uri")
	if registered := t.logoutURLs(client, params); location == "" && len(registered) > 0 {
		location = registered[0]
	}
	if location != "" && params.Has("state") {
		location = withQuery(location, url.Values{"state": {params.Get("state")}})
	}
	return location
}

// askLogout shows the confirmation page.
func (t *Tenant) askLogout(w http.ResponseWriter, client *Client, location string) {
	req := logoutRequest{location: location, started: t.now()}
	if client != nil {
		req.client = client.Name
	}
	id := randomID(43)
	t.mu.Lock()
	t.logouts.put(id, req)
	t.mu.Unlock()
	redirect(w, t.path+"/u/logout?"+url.Values{"state": {id}}.Encode())
}

// confirmLogout is the confirmation page and its form.
func (t *Tenant) confirmLogout(w http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	id := r.URL.Query().Get("state")
	t.mu.Lock()
	req, ok := t.logouts.get(id)
	t.mu.Unlock()
	if !ok || t.now().Sub(req.started) > transactionLifetime {
		t.errorPage(w, expiredPage)
		return
	}
	if r.Method != http.MethodPost {
		t.logoutPage(w, r, req)
		return
	}
	if err := t.forms.Check(r); err != nil {
		t.errorPage(w, foreignForm)
		return
	}
	t.mu.Lock()
	t.logouts.delete(id)
	t.mu.Unlock()
	if !r.PostForm.Has("accept") {
		t.messagePage(w, "You are still logged in", "You can close this window.")
		return
	}
	t.logout(w, r, req.location)
}

func (t *Tenant) logoutPage(w http.ResponseWriter, r *http.Request, req logoutRequest) {
	view := struct {
		frame
		Account *account
	}{frame: t.frame("Log out", transaction{})}
	view.App = req.client
	if s, ok := t.sessionOf(r); ok {
		if u, ok := t.user(s.user); ok {
			a := accountOf(s.user, u)
			view.Account = &a
		}
	}
	t.render(w, http.StatusOK, "logout.html", view)
}
