package emulator

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// An authorizationCode waits for the token request.
type authorizationCode struct {
	grant
	redirectURI                string // as sent to /authorize; empty if not sent
	challenge, challengeMethod string
	jkt                        string // of the key that may redeem it; empty: any
	expires                    time.Time
	used                       bool
}

// responses deliver the result of an authorization request to the application.
type responses struct {
	*site
	pages    *pages
	settings *settings
	tokens   *tokens

	codes *bounded[authorizationCode]
}

// answer issues the code and the tokens of response_type and delivers them.
func (rs *responses) answer(w http.ResponseWriter, req *authorization, g grant) {
	values := url.Values{}
	hashes := map[string]any{}
	if req.code {
		code := rs.issueCode(req, g)
		values.Set("code", code)
		hashes["c_hash"] = halfHash(code)
	} else {
		// Only the token endpoint returns refresh tokens.
		g.scope = slices.DeleteFunc(slices.Clone(g.scope), func(s string) bool { return s == "offline_access" })
	}
	if req.token {
		token := rs.tokens.issueAccessToken(g, req.api)
		values.Set("access_token", token)
		values.Set("token_type", "Bearer")
		values.Set("expires_in", formatSeconds(lifetimeOf(req.api)))
		if len(g.scope) > 0 {
			values.Set("scope", strings.Join(g.scope, " "))
		}
		hashes["at_hash"] = halfHash(token)
	}
	if req.idToken {
		values.Set("id_token", rs.tokens.issueIDToken(g, hashes))
	}
	rs.deliver(w, req, values)
}

func (rs *responses) issueCode(req *authorization, g grant) string {
	code := randomID(43)
	g.family = randomID(22)
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.codes.put(code, authorizationCode{
		grant:           g,
		redirectURI:     req.sentURI,
		challenge:       req.challenge,
		challengeMethod: req.challengeMethod,
		jkt:             req.jkt,
		expires:         rs.now().Add(codeLifetime),
	})
	return code
}

// reject delivers an error to the application, unless it is one that must not redirect
// with an error.
func (rs *responses) refuse(w http.ResponseWriter, req *authorization, err oauthError) {
	if req.client.Strict {
		rs.pages.errorPage(w, pageError{http.StatusBadRequest, err.Code, err.Description})
		return
	}
	values := url.Values{"error": {err.Code}}
	if err.Description != "" {
		values.Set("error_description", err.Description)
	}
	rs.deliver(w, req, values)
}

// deliver sends the response parameters to the redirect URI by the response mode.
func (rs *responses) deliver(w http.ResponseWriter, req *authorization, values url.Values) {
	if req.hasState {
		values.Set("state", req.state)
	}
	if rs.settings.is(&rs.settings.issuer) {
		values.Set("iss", rs.Issuer()) // RFC 9207
	}
	switch req.mode {
	case "form_post":
		rs.pages.formPostPage(w, req.redirectURI, values)
	case "web_message":
		rs.pages.webMessagePage(w, req, values)
	case "fragment":
		redirect(w, req.redirectURI+"#"+values.Encode())
	default:
		redirect(w, withQuery(req.redirectURI, values))
	}
}

// withQuery adds parameters to a URL without touching the rest of it, because
// the application compares it with the registered one.
func withQuery(uri string, values url.Values) string {
	switch {
	case len(values) == 0:
		return uri
	case strings.Contains(uri, "?"):
		return uri + "&" + values.Encode()
	default:
		return uri + "?" + values.Encode()
	}
}

// redirect answers 302, as Auth0 does also after a form.
func redirect(w http.ResponseWriter, location string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusFound)
}

// verifies checks the PKCE verifier (RFC 7636, Section 4.6). A verifier without
// a challenge is a sign of an attack, too (RFC 9700, Section 4.8.2).
func verifies(code authorizationCode, verifier string) bool {
	if code.challenge == "" {
		return verifier == ""
	}
	expected := verifier
	if code.challengeMethod == "S256" {
		sum := sha256.Sum256([]byte(verifier))
		expected = b64(sum[:])
	}
	return subtle.ConstantTimeCompare([]byte(expected), []byte(code.challenge)) == 1
}
