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

// A logoutAPI answers both logout endpoints.
type logoutAPI struct {
	*site
	sessions  *browserSessions
	directory *directory
	keys      *keys
	pages     *pages

	logouts *bounded[logoutRequest]
}

// legacyLogout answers /v2/logout: end the session and go to a registered URL.
func (lo *logoutAPI) legacyLogout(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	allowed := lo.cfg.LogoutURLs
	if id := query.Get("client_id"); id != "" {
		client, ok := lo.directory.client(id)
		if !ok {
			lo.pages.errorPage(w, pageError{http.StatusBadRequest, "invalid_request", "Unknown client: " + id})
			return
		}
		allowed = client.LogoutURLs
	}
	location := query.Get("returnTo")
	switch {
	case location == "" && len(allowed) > 0:
		location = allowed[0]
	case location != "" && !slices.ContainsFunc(allowed, func(entry string) bool { return matchesLogout(entry, location) }):
		lo.pages.errorPage(w, pageError{http.StatusBadRequest, "invalid_request",
			`The "returnTo" querystring parameter "` + location + `" is not defined as a valid URL in "Allowed Logout URLs"`})
		return
	}
	lo.logout(w, r, location)
}

// matchesLogout compares without query and fragment, which this endpoint
// ignores.
func matchesLogout(entry, location string) bool {
	bare := func(s string) string { return s[:strings.IndexAny(s+"?", "?#")] }
	return bare(entry) == bare(location) || matchesWildcard(bare(entry), bare(location))
}

// logout ends the browser's session and leaves.
func (lo *logoutAPI) logout(w http.ResponseWriter, r *http.Request, location string) {
	if s, ok := lo.sessions.sessionOf(r); ok {
		lo.sessions.endSession(w, s)
	}
	lo.leave(w, location)
}

func (lo *logoutAPI) leave(w http.ResponseWriter, location string) {
	if location == "" {
		lo.pages.messagePage(w, "You are logged out", "You can close this window.")
		return
	}
	redirect(w, location)
}

func (p *pages) messagePage(w http.ResponseWriter, title, text string) {
	p.render(w, http.StatusOK, "message.html", struct {
		frame
		Text string
	}{p.frame(title, transaction{}), text})
}

// oidcLogout answers /oidc/logout (OpenID Connect RP-Initiated Logout 1.0,
// Section 2), with Auth0's additions: logout_hint is the sid, and the user
// confirms a request that does not prove its session.
func (lo *logoutAPI) oidcLogout(w http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	params := r.URL.Query()
	if r.Method == http.MethodPost {
		params = r.PostForm
	}
	client, sid, problem := lo.identifyLogout(params)
	if problem == "" {
		problem = lo.checkLogoutURL(client, params)
	}
	if problem != "" {
		lo.pages.errorPage(w, pageError{http.StatusBadRequest, "invalid_request", problem})
		return
	}
	location := lo.logoutLocation(client, params)
	s, ok := lo.sessions.sessionOf(r)
	if !ok || params.Get("id_token_hint") != "" || sid == s.sid {
		lo.logout(w, r, location)
		return
	}
	lo.askLogout(w, client, location)
}

// identifyLogout finds the application and the session of a request, and
// requires that its hints agree.
func (lo *logoutAPI) identifyLogout(params url.Values) (client *Client, sid, problem string) {
	id, sid := params.Get("client_id"), params.Get("logout_hint")
	if hint := params.Get("id_token_hint"); hint != "" {
		claims, err := lo.keys.verify(hint) // an expired one is fine
		if err != nil || claims["iss"] != lo.Issuer() {
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
	client, ok := lo.directory.client(id)
	if !ok {
		return nil, "", "Unknown client: " + id
	}
	return client, sid, ""
}

// checkLogoutURL requires that exactly this URL is registered, query included.
func (lo *logoutAPI) checkLogoutURL(client *Client, params url.Values) (problem string) {
	location := params.Get("post_logout_redirect_uri")
	if location == "" || slices.Contains(lo.logoutURLs(client, params), location) {
		return ""
	}
	return `The "post_logout_redirect_uri" parameter "` + location + `" is not defined as a valid URL in "Allowed Logout URLs"`
}

// logoutURLs returns the list that applies: the application's, if a hint
// identifies the session, else the tenant's.
func (lo *logoutAPI) logoutURLs(client *Client, params url.Values) []string {
	if client != nil && (params.Get("id_token_hint") != "" || params.Get("logout_hint") != "") {
		return client.LogoutURLs
	}
	return lo.cfg.LogoutURLs
}

func (lo *logoutAPI) logoutLocation(client *Client, params url.Values) string {
	location := params.Get("post_logout_redirect_uri")
	if registered := lo.logoutURLs(client, params); location == "" && len(registered) > 0 {
		location = registered[0]
	}
	if location != "" && params.Has("state") {
		location = withQuery(location, url.Values{"state": {params.Get("state")}})
	}
	return location
}

// askLogout shows the confirmation page.
func (lo *logoutAPI) askLogout(w http.ResponseWriter, client *Client, location string) {
	req := logoutRequest{location: location, started: lo.now()}
	if client != nil {
		req.client = client.Name
	}
	id := randomID(43)
	lo.mu.Lock()
	lo.logouts.put(id, req)
	lo.mu.Unlock()
	redirect(w, lo.path+"/u/logout?"+url.Values{"state": {id}}.Encode())
}

// confirmLogout is the confirmation page and its form.
func (lo *logoutAPI) confirmLogout(w http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	id := r.URL.Query().Get("state")
	lo.mu.Lock()
	req, ok := lo.logouts.get(id)
	lo.mu.Unlock()
	if !ok || lo.now().Sub(req.started) > transactionLifetime {
		lo.pages.errorPage(w, expiredPage)
		return
	}
	if r.Method != http.MethodPost {
		lo.logoutPage(w, r, req)
		return
	}
	if err := lo.forms.Check(r); err != nil {
		lo.pages.errorPage(w, foreignForm)
		return
	}
	lo.mu.Lock()
	lo.logouts.delete(id)
	lo.mu.Unlock()
	if !r.PostForm.Has("accept") {
		lo.pages.messagePage(w, "You are still logged in", "You can close this window.")
		return
	}
	lo.logout(w, r, req.location)
}

func (lo *logoutAPI) logoutPage(w http.ResponseWriter, r *http.Request, req logoutRequest) {
	view := struct {
		frame
		Account *account
	}{frame: lo.pages.frame("Log out", transaction{})}
	view.App = req.client
	if s, ok := lo.sessions.sessionOf(r); ok {
		if u, ok := lo.directory.user(s.user); ok {
			a := accountOf(s.user, u)
			view.Account = &a
		}
	}
	lo.pages.render(w, http.StatusOK, "logout.html", view)
}
