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

// AllowPushedRequests turns pushed authorization requests on or off, as the
// tenant's settings do. A tenant with the [Enterprise] document has them on.
func (t *Tenant) AllowPushedRequests(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.par = on
}

func (t *Tenant) takesPushed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.par
}

// pushRequest answers the pushed authorization request endpoint.
func (t *Tenant) pushRequest(w http.ResponseWriter, r *http.Request) {
	uri, err := t.keepRequest(r)
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
// Section 2.1), so that its mistakes come to light here.
func (t *Tenant) keepRequest(r *http.Request) (uri string, err *tokenError) {
	form, err := requestForm(r)
	if err != nil {
		return "", err
	}
	id, shown, method, err := clientCredentialsOf(r, form)
	if err != nil {
		return "", err
	}
	client, err := t.authenticateClient(id, shown, method)
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
	req, refusal := t.identifyApplication(params)
	if refusal != nil {
		return "", badRequest(refusal.Text)
	}
	req.pushing = true
	if fault := t.checkRequest(req, params); fault != nil {
		return "", &tokenError{http.StatusBadRequest, *fault}
	}
	uri = "urn:ietf:params:oauth:request_uri:" + randomID(32)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pushed.put(uri, pushedRequest{client.ID, params, t.now().Add(pushedLife)})
	return uri, nil
}

// takePushed returns the parameters that were pushed, in place of those of the
// URL (RFC 9126, Section 4). They serve once.
func (t *Tenant) takePushed(params url.Values) (url.Values, *pageError) {
	t.mu.Lock()
	defer t.mu.Unlock()
	got, ok := t.pushed.take(params.Get("request_uri"))
	if !ok || got.client != params.Get("client_id") || !t.now().Before(got.expires) {
		return nil, &pageError{http.StatusBadRequest, "invalid_request", "The request_uri is invalid or has expired"}
	}
	return got.params, nil
}
