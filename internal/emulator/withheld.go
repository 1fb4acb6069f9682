package emulator

import (
	"net/http"
	"net/url"
)

// withheld answers for the features that every Auth0 tenant advertises and that this
// one has turned off: the device flow, CIBA, cross-app access and global token
// revocation. Its answers are those to an application or a caller that is
// not allowed to use them.
type withheld struct {
	*site
	clientAuth *clientAuth
}

const (
	deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"
	cibaGrant   = "urn:openid:params:grant-type:ciba"
	jwtGrant    = "urn:ietf:params:oauth:grant-type:jwt-bearer"
)

// notAllowed is the answer to an application for which a grant is not enabled.
func notAllowed(grantType string) *tokenError {
	return &tokenError{http.StatusForbidden, oauthError{"unauthorized_client", "Grant type '" + grantType + "' not allowed for the client."}}
}

// grant returns the handler of a grant type that no application is allowed to use.
func (wh *withheld) grant(grantType string) grantHandler {
	return func(*Client, url.Values) (map[string]any, *tokenError) { return nil, notAllowed(grantType) }
}

// begin returns the endpoint at which such a grant begins: the device authorization
// endpoint (RFC 8628, Section 3.1) or the backchannel authentication endpoint (CIBA Core
// 1.0, Section 7).
func (wh *withheld) begin(grantType string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := wh.authenticate(r)
		if err == nil {
			err = notAllowed(grantType)
		}
		w.Header().Set("Cache-Control", "no-store")
		writeJSON(w, err.status, err.oauthError)
	}
}

func (wh *withheld) authenticate(r *http.Request) *tokenError {
	form, err := requestForm(r)
	if err != nil {
		return err
	}
	id, secret, method, err := clientCredentialsOf(r, form)
	if err != nil {
		return err
	}
	_, err = wh.clientAuth.authenticateClient(id, secret, method)
	return err
}

// revokeAll answers the global token revocation endpoint, which accepts tokens of
// identity providers. This tenant trusts none.
func (wh *withheld) revokeAll(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusUnauthorized, oauthError{"invalid_token", "The token is missing or not valid."})
}
