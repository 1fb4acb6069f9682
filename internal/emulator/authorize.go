package emulator

import (
	"net/http"
	"net/url"
)

// An authorizeEndpoint starts a login.
type authorizeEndpoint struct {
	*site
	flow           *loginFlow
	pages          *pages
	pushedRequests *pushedRequests
	requests       *requests
	responses      *responses
	settings       *settings
}

// authorize answers the authorization endpoint: check the request, then send
// the browser to a page or straight back to the application.
func (e *authorizeEndpoint) authorize(w http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	params := r.URL.Query()
	if r.Method == http.MethodPost {
		params = r.PostForm // OpenID Connect Core 1.0, Section 3.1.2.1
	}
	pushed := params.Has("request_uri") && e.pushedRequests.takesPushed()
	if pushed {
		var refusal *pageError
		if params, refusal = e.pushedRequests.takePushed(params); refusal != nil {
			e.showError(w, params, *refusal)
			return
		}
	}
	req, refusal := e.requests.identifyApplication(params)
	if refusal != nil {
		e.showError(w, params, *refusal)
		return
	}
	err := e.requests.checkRequest(req, params)
	if err == nil && req.client.RequirePushedRequests && !pushed {
		err = invalidRequest("Pushed Authorization Requests are required by the configured compliance level")
	}
	if err != nil {
		e.responses.refuse(w, req, *err)
		return
	}
	e.flow.proceed(w, r, transaction{id: randomID(43), req: req, started: e.now()})
}

// showError shows an error on the page of the tenant, or tells it to the page that the
// tenant has for errors.
func (e *authorizeEndpoint) showError(w http.ResponseWriter, params url.Values, p pageError) {
	own := e.settings.ownErrorPage()
	if own == "" {
		e.pages.errorPage(w, p)
		return
	}
	redirect(w, withQuery(own, url.Values{"client_id": {params.Get("client_id")}, "connection": {params.Get("connection")}, "lang": {"en"},
		"error": {"invalid_request"}, "error_description": {p.Title + " " + p.Text}, "tracking": {randomID(20)}}))
}
