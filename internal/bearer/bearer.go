// Package bearer reads access tokens from requests and writes the challenges of
// responses (RFC 6750; RFC 9449, Section 7).
//
// The package does not know which tokens are valid, or their claims.
package bearer

import (
	"bytes"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// A Credential is the token of a request.
type Credential struct {
	Token string
	// Request is the request as the handler gets it. In the result of Place.Take, nil
	// means that the request has not changed.
	Request *http.Request
	// InHeader reports that the token was in the Authorization header. Ambient reports
	// that a browser sends the token with every request, like a cookie.
	InHeader, Ambient bool
	// DPoP reports that the scheme of that header was DPoP, and not Bearer.
	DPoP bool
}

// IsMalformed reports whether the Authorization header has characters that no token has.
// Then the header itself is malformed (RFC 6750, Section 3.1). No token with them is
// accepted, so a call for rejected tokens is enough.
func (c Credential) IsMalformed() bool { return c.InHeader && !syntax.IsToken68(c.Token) }

// IsUndefined reports whether the text is that of a script's variable without a value.
func (c Credential) IsUndefined() bool { return c.Token == "undefined" || c.Token == "null" }

// A Place is a place of a request where a token can be.
type Place struct {
	// Take returns the token at that place. It returns an empty Credential, or
	// refusal.NoToken, if there is none.
	Take   func(*http.Request) (Credential, error)
	Method string // of RFC 9728, Section 2: header, body or query; empty for other places
	Header string // the header that Take reads; empty if it is unknown
}

// Places are the places where an API looks for a token.
type Places []Place

// Find reads all places. It rejects two tokens even if they are equal: RFC 6750, Section
// 2, has one method per request, and two parties that read different places must not see
// different users. The Request of the result is never nil.
func (ps Places) Find(r *http.Request) (Credential, error) {
	found := Credential{Request: r}
	var none error // the reason for no token
	for _, place := range ps {
		c, err := place.Take(found.Request)
		if missing, ok := err.(*refusal.Refusal); ok && missing.Row == refusal.NoToken {
			none = missing
			continue
		}
		if err != nil {
			return found, err
		}
		if c.Request != nil {
			found.Request = c.Request
		}
		if c.Token == "" {
			continue
		}
		if found.Token != "" {
			return found, refusal.Several.Because("tokens in two places of one request")
		}
		found.Token, found.InHeader, found.Ambient, found.DPoP = c.Token, c.InHeader, c.Ambient, c.DPoP
	}
	switch {
	case found.Token != "":
		return found, nil
	case none == nil:
		none = refusal.NoToken.New()
	}
	return found, none
}

// Vary adds to the header Vary the names of the headers that can hold a token.
func (ps Places) Vary(h http.Header) {
	for _, place := range ps {
		if place.Header != "" {
			browser.AddVary(h, place.Header)
		}
	}
}

// Methods returns the methods of RFC 9728, Section 2, each once.
func (ps Places) Methods() []string {
	list := []string{}
	for _, place := range ps {
		if place.Method != "" && !slices.Contains(list, place.Method) {
			list = append(list, place.Method)
		}
	}
	return list
}

// Header is the Authorization header, see [Token].
func Header(dpop bool) Place {
	return Place{Method: "header", Header: "Authorization", Take: func(r *http.Request) (Credential, error) { return Token(r, dpop) }}
}

// Cookie is a cookie.
func Cookie(name string) Place {
	return Place{Header: "Cookie", Take: func(r *http.Request) (Credential, error) {
		cookies := r.CookiesNamed(name)
		switch len(cookies) {
		case 0:
			return Credential{}, nil
		case 1:
			return Credential{Token: cookies[0].Value, Ambient: true}, nil
		}
		return Credential{}, refusal.Several.Because("%d cookies of that name", len(cookies))
	}}
}

// Query is the parameter access_token of the URL (RFC 6750, Section 2.3). Take returns a
// request whose URL lacks the parameter.
func Query() Place { return Place{Method: "query", Take: fromQuery} }

func fromQuery(r *http.Request) (Credential, error) {
	if q := r.URL.RawQuery; !strings.Contains(q, tokenParameter) && !strings.Contains(q, "%") {
		return Credential{}, nil // the usual case; with % the name can be escaped
	}
	values := r.URL.Query()[tokenParameter]
	switch {
	case len(values) > 1:
		return Credential{}, refusal.Several.Because("%d parameters of that name", len(values))
	case len(values) == 0 || values[0] == "":
		return Credential{}, nil
	}
	u := *r.URL
	u.RawQuery = withoutToken(u.RawQuery)
	request := r.WithContext(r.Context())
	request.URL, request.RequestURI = &u, u.RequestURI()
	if request.Form != nil {
		request.Form = maps.Clone(request.Form)
		delete(request.Form, tokenParameter)
	}
	return Credential{Token: values[0], Request: request}, nil
}

const tokenParameter = "access_token"

// withoutToken leaves the other parameters as they were written.
func withoutToken(query string) string {
	var rest []string
	for pair := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(name); err != nil || name != tokenParameter {
			rest = append(rest, pair)
		}
	}
	return strings.Join(rest, "&")
}

// maxForm is the size of the longest body that is searched for a token.
const maxForm = 64 << 10

// Form is the field access_token of a form in the body (RFC 6750, Section 2.2). Take
// returns a request whose body can be read from the beginning. A form of more than 64 KiB
// counts as one without a token.
func Form() Place { return Place{Method: "body", Take: fromForm} }

func fromForm(r *http.Request) (Credential, error) {
	if !hasForm(r) {
		return Credential{}, nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
	request := r.WithContext(r.Context())
	request.Body = &readAgain{Reader: io.MultiReader(bytes.NewReader(body), r.Body), Closer: r.Body}
	found := Credential{Request: request}
	if err != nil || len(body) > maxForm {
		return found, nil // the handler reads the same
	}
	if bytes.ContainsFunc(body, func(c rune) bool { return c >= 0x80 }) {
		return Credential{}, refusal.Form.Because("the form has bytes that are not ASCII")
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return Credential{}, refusal.Form.Because("the form cannot be read")
	}
	switch tokens := values[tokenParameter]; {
	case len(tokens) > 1:
		return Credential{}, refusal.Several.Because("%d fields of that name", len(tokens))
	case len(tokens) == 1:
		found.Token = tokens[0]
	}
	return found, nil
}

// readAgain is a body whose beginning was read.
type readAgain struct {
	io.Reader
	io.Closer
}

func hasForm(r *http.Request) bool {
	switch r.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		return err == nil && mediaType == "application/x-www-form-urlencoded" && r.Body != nil
	}
	return false
}

// WebSocket is the header Sec-WebSocket-Protocol of a handshake, with the protocol
// "bearer" and the token after it.
func WebSocket() Place { return Place{Header: "Sec-WebSocket-Protocol", Take: fromWebSocket} }

func fromWebSocket(r *http.Request) (Credential, error) {
	var protocols []string
	for _, line := range r.Header.Values("Sec-WebSocket-Protocol") {
		for protocol := range strings.SplitSeq(line, ",") {
			protocols = append(protocols, strings.TrimSpace(protocol))
		}
	}
	var found Credential
	for i, protocol := range protocols {
		switch {
		case protocol != "bearer":
		case i+1 == len(protocols):
			return Credential{}, refusal.Credential.Because("the protocol bearer has no token after it")
		case found.Token != "":
			return Credential{}, refusal.Several.Because("the protocol bearer is there twice")
		default:
			found.Token = protocols[i+1]
		}
	}
	return found, nil
}

// The schemes of the Authorization header (RFC 6750, Section 2.1; RFC 9449, Section 7.1).
const (
	schemeBearer = "Bearer"
	schemeDPoP   = "DPoP"
)

// Token reads the Authorization header (RFC 9110, Section 11.4). A foreign scheme counts as
// no credentials (RFC 6750, Section 3.1). DPoP is foreign unless the API accepts it.
func Token(r *http.Request, dpop bool) (Credential, error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return Credential{}, refusal.NoToken.New()
	}
	if len(values) > 1 {
		return Credential{}, refusal.Header.Because("%d Authorization headers", len(values))
	}
	value := values[0]
	if value == "" {
		return Credential{}, refusal.NoToken.New()
	}
	name, rest, spaced := strings.Cut(value, " ")
	isDPoP := dpop && strings.EqualFold(name, schemeDPoP)
	isOurs := isDPoP || strings.EqualFold(name, schemeBearer)
	switch {
	case !spaced && isOurs:
		return Credential{}, refusal.Header.Because("the scheme has no token")
	case !spaced && len(value) >= len(schemeBearer) && strings.EqualFold(value[:len(schemeBearer)], schemeBearer) && syntax.IsToken68(value):
		// A foreign scheme whose name begins like ours.
		return Credential{}, refusal.NoToken.New()
	case !spaced && !strings.Contains(value, ".") && syntax.IsToken68(value):
		return Credential{}, refusal.NoToken.New()
	case !spaced:
		return Credential{}, refusal.Header.Because("a token without a scheme; send Authorization: Bearer TOKEN")
	case strings.EqualFold(name, schemeBearer+":"), dpop && strings.EqualFold(name, schemeDPoP+":"):
		return Credential{}, refusal.Header.Because("there is a colon after the scheme; send Authorization: Bearer TOKEN")
	case !isOurs:
		// The error does not quote the header: it can be a token without a scheme.
		return Credential{}, refusal.NoToken.Because("the scheme is not Bearer")
	}
	token := strings.TrimLeft(rest, " ")
	if token == "" {
		return Credential{}, refusal.Header.Because("the scheme has no token")
	}
	return Credential{Token: token, InHeader: true, DPoP: isDPoP}, nil
}
