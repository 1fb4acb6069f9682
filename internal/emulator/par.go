package emulator

import (
	"net/http"
	"net/url"
	"time"
)

// pushedLife is how long a pushed request waits for the browser.
const pushedLife = 30 * time.Second

// A pushedRequest is an authorization request that waits for the browser (RFC
// 9126).
type pushedRequest struct {
	client  string
	params  url.Values
	expires time.Time
}

// pushedRequests holds pushed authorization requests until the browser comes.
type pushedRequests struct {
	*site

	on      bool // whether requests may be pushed
	waiting *bounded[pushedRequest]
}

// AllowPushedRequests turns pushed authorization requests on or off, as the
// tenant's settings do. A tenant with the [Enterprise] document has them on.
func (pr *pushedRequests) AllowPushedRequests(on bool) {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	pr.on = on
}

func (pr *pushedRequests) takesPushed() bool {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	return pr.on
}

// A parEndpoint accepts pushed authorization requests (RFC 9126).
type parEndpoint struct {
	*site
	clientAuth     *clientAuth
	pushedRequests *pushedRequests
	requests       *requests
}

// pushRequest answers the pushed authorization request endpoint.
func (e *parEndpoint) pushRequest(w http.ResponseWriter, r *http.Request) {
	uri, err := e.keepRequest(r)
	w.Header().Set("Cache-Control", "no-store")
	if err != nil {
		writeJSON(w, err.status, err.oauthError)
		return
	}
	writeJSON(w, http.StatusCreated, struct {
		URI       string `json:"request_uri"`
		ExpiresIn int    `json:"expires_in"`
	}{uri, int(pushedLife / time.Second)})
}

// keepRequest checks a request as the authorization endpoint would (RFC 9126,
// Section 2.1), so that its errors are reported here.
func (e *parEndpoint) keepRequest(r *http.Request) (uri string, err *tokenError) {
	form, err := requestForm(r)
	if err != nil {
		return "", err
	}
	id, shown, method, err := clientCredentialsOf(r, form)
	if err != nil {
		return "", err
	}
	client, err := e.clientAuth.authenticateClient(id, shown, method)
	if err != nil {
		return "", err
	}
	if form.Has("request_uri") {
		return "", badRequest("The parameter request_uri is not allowed here")
	}
	params := url.Values{}
	for name, values := range form {
		switch name {
		case "client_secret", "client_assertion", "client_assertion_type":
		default:
			params[name] = values
		}
	}
	params.Set("client_id", client.ID)
	req, refusal := e.requests.identifyApplication(params)
	if refusal != nil {
		return "", badRequest(refusal.Text)
	}
	req.pushing = true
	if fault := e.requests.checkRequest(req, params); fault != nil {
		return "", &tokenError{http.StatusBadRequest, *fault}
	}
	uri = "urn:ietf:params:oauth:request_uri:" + randomID(32)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pushedRequests.waiting.put(uri, pushedRequest{client.ID, params, e.now().Add(pushedLife)})
	return uri, nil
}

// takePushed returns the pushed parameters, in place of those of the URL (RFC
// 9126, Section 4). They work once.
func (pr *pushedRequests) takePushed(params url.Values) (url.Values, *pageError) {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	got, ok := pr.waiting.take(params.Get("request_uri"))
	if !ok || got.client != params.Get("client_id") || !pr.now().Before(got.expires) {
		return nil, &pageError{http.StatusBadRequest, "invalid_request", "The request_uri is invalid or has expired"}
	}
	return got.params, nil
}
