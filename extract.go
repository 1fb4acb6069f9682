package auth0

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// A TokenExtractor is a place of a request where an access token may be. The other
// functions than [FromHeader] are for clients that cannot set a header.
type TokenExtractor struct {
	// take returns the credential at that place. A zero one, or the error
	// ErrNoToken, is for none.
	take   func(*http.Request) (credential, error)
	method string // of RFC 9728, Section 2: header, body or query, if it is one
	header string // that the source reads, if it is known
	err    error  // why the source cannot be used
}

// A credential is what was found, and the request as the handler gets it.
type credential struct {
	token   string
	request *http.Request // nil if it is as it was
	// Where it was, if that makes a difference. A token that is ambient comes with
	// every request of a browser, as cookies do.
	inHeader, ambient bool
}

// refused is why a credential is refused whose token is, for a reason. A header
// with characters that no token has is malformed itself (RFC 6750, Section 3.1).
// Since no token with such a character is ever accepted, it is enough to look at
// those that were refused.
func (c credential) refused(err error) error {
	if c.inHeader && !syntax.IsToken68(c.token) {
		return refusal.Header.Because("characters that no token has")
	}
	return asBearerError(err)
}

// credentials looks everywhere it may. Two tokens are refused even if they are
// the same: RFC 6750, Section 2 has one method per request, and two parties that
// look in different places must not see different users. The request is the one
// to go on with, also if there is no token.
func (a *API) credentials(r *http.Request) (credential, error) {
	found := credential{request: r}
	var none error // why there is none
	for _, source := range a.config.TokenExtractors {
		c, err := source.take(found.request)
		switch {
		case isRefused(err, refusal.NoToken):
			none = err
			continue
		case err != nil:
			return found, err
		case c.request != nil:
			found.request = c.request
		}
		if c.token == "" {
			continue
		}
		if found.token != "" {
			return found, refusal.Several.Because("tokens in two places of one request")
		}
		found.token, found.inHeader, found.ambient = c.token, c.inHeader, c.ambient
	}
	switch {
	case found.token != "":
		return found, nil
	case none == nil:
		none = refusal.NoToken.New()
	}
	return found, none
}

// FromHeader is the Authorization header with the scheme Bearer (RFC 6750,
// Section 2.1), where a token belongs.
func FromHeader() TokenExtractor {
	return TokenExtractor{method: "header", header: "Authorization", take: func(r *http.Request) (credential, error) {
		token, err := bearerToken(r)
		return credential{token: token, inHeader: true}, err
	}}
}

// FromCookie is a cookie. Browsers send it with requests that other sites cause,
// so for routes that change something use [http.CrossOriginProtection] too. That
// lets every GET pass, and a WebSocket handshake is a GET. A request with the header
// Upgrade is therefore rejected with 403 unless its Origin has the host of the
// request, or its Sec-Fetch-Site is same-origin. For handshakes from other origins
// read the cookie with [FromFunc], and check the Origin there.
func FromCookie(name string) TokenExtractor {
	if err := (&http.Cookie{Name: name}).Valid(); err != nil {
		return TokenExtractor{err: errors.New("FromCookie: that is no name of a cookie")}
	}
	return TokenExtractor{header: "Cookie", take: func(r *http.Request) (credential, error) {
		cookies := r.CookiesNamed(name)
		switch len(cookies) {
		case 0:
			return credential{}, nil
		case 1:
			return credential{token: cookies[0].Value, ambient: true}, nil
		}
		return credential{}, refusal.Several.Because("%d cookies of that name", len(cookies))
	}}
}

// FromQuery is the parameter access_token of the URL (RFC 6750, Section 2.3). URLs
// end up in logs and histories, so it is the last resort. The handler gets a
// URL without it.
func FromQuery() TokenExtractor {
	return TokenExtractor{method: "query", take: func(r *http.Request) (credential, error) {
		if q := r.URL.RawQuery; !strings.Contains(q, tokenParameter) && !strings.Contains(q, "%") {
			return credential{}, nil // as good as always; with % the name may be escaped
		}
		values := r.URL.Query()[tokenParameter]
		switch {
		case len(values) > 1:
			return credential{}, refusal.Several.Because("%d parameters of that name", len(values))
		case len(values) == 0 || values[0] == "":
			return credential{}, nil
		}
		u := *r.URL
		u.RawQuery = withoutToken(u.RawQuery)
		request := r.WithContext(r.Context())
		request.URL, request.RequestURI = &u, u.RequestURI()
		if request.Form != nil {
			request.Form = maps.Clone(request.Form)
			delete(request.Form, tokenParameter)
		}
		return credential{token: values[0], request: request}, nil
	}}
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

// maxForm is how much of a body is read in search of a token.
const maxForm = 64 << 10

// FromForm is the field access_token of a form in the body of a POST, PUT or PATCH
// (RFC 6750, Section 2.2). The handler can still read the body. A form of more
// than 64 KiB is taken to have no token.
func FromForm() TokenExtractor {
	return TokenExtractor{method: "body", take: func(r *http.Request) (credential, error) {
		if !hasForm(r) {
			return credential{}, nil
		}
		body, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
		request := r.WithContext(r.Context())
		request.Body = &readAgain{Reader: io.MultiReader(bytes.NewReader(body), r.Body), Closer: r.Body}
		found := credential{request: request}
		if err != nil || len(body) > maxForm {
			return found, nil // whoever reads on sees the same
		}
		if bytes.ContainsFunc(body, func(c rune) bool { return c >= 0x80 }) {
			return credential{}, refusal.Form.Because("the form has bytes that are not ASCII")
		}
		values, err := url.ParseQuery(string(body))
		if err != nil {
			return credential{}, refusal.Form.Because("the form cannot be read")
		}
		switch tokens := values[tokenParameter]; {
		case len(tokens) > 1:
			return credential{}, refusal.Several.Because("%d fields of that name", len(tokens))
		case len(tokens) == 1:
			found.token = tokens[0]
		}
		return found, nil
	}}
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

// FromWebSocket is the header Sec-WebSocket-Protocol of a handshake, since that
// is all that a script in a browser can set:
//
//	new WebSocket(url, ["bearer", token])
//
// The server must choose a protocol for the connection to come about; let it be
// "bearer", or another one that the client offers. The token is in no answer.
func FromWebSocket() TokenExtractor {
	return TokenExtractor{header: "Sec-WebSocket-Protocol", take: func(r *http.Request) (credential, error) {
		var protocols []string
		for _, line := range r.Header.Values("Sec-WebSocket-Protocol") {
			for protocol := range strings.SplitSeq(line, ",") {
				protocols = append(protocols, strings.TrimSpace(protocol))
			}
		}
		var found credential
		for i, protocol := range protocols {
			switch {
			case protocol != "bearer":
			case i+1 == len(protocols):
				return credential{}, refusal.Credential.Because("the protocol bearer has no token after it")
			case found.token != "":
				return credential{}, refusal.Several.Because("the protocol bearer is there twice")
			default:
				found.token = protocols[i+1]
			}
		}
		return found, nil
	}}
}

// FromFunc is a place of your own. Find returns the token, or nothing or
// [ErrNoToken] if there is none. If it returns another error the request is
// refused with 400. An [*Error] chooses the status, and what means 503 for
// [APIConfig].Validate means that here too. The error goes to the log only.
//
// A token that a browser sends by itself, from a cookie say, needs a check of the
// Origin in find.
func FromFunc(find func(*http.Request) (string, error)) TokenExtractor {
	if find == nil {
		return TokenExtractor{err: errors.New("FromFunc: the function is nil")}
	}
	return TokenExtractor{take: func(r *http.Request) (credential, error) {
		token, err := find(r)
		switch {
		case errors.Is(err, ErrNoToken):
			return credential{}, nil
		case err != nil:
			return credential{}, hookError(err, refusal.Forbidden, func(err error) error { return refusal.Credential.Wrap(err) })
		}
		return credential{token: token}, nil
	}}
}

// bearerToken reads the Authorization header (RFC 6750, Section 2.1; RFC 9110,
// Section 11.4). A scheme that is not ours is as good as no credentials (RFC
// 6750, Section 3.1).
func bearerToken(r *http.Request) (string, error) {
	const scheme = "Bearer"
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return "", refusal.NoToken.New()
	}
	if len(values) > 1 {
		return "", refusal.Header.Because("%d Authorization headers", len(values))
	}
	value := values[0]
	if value == "" {
		return "", refusal.NoToken.New()
	}
	name, rest, spaced := strings.Cut(value, " ")
	switch {
	case !spaced && strings.EqualFold(value, scheme):
		return "", refusal.Header.Because("the scheme has no token")
	case !spaced && len(value) >= len(scheme) && strings.EqualFold(value[:len(scheme)], scheme) && syntax.IsToken68(value):
		// Some other scheme whose name begins like ours.
		return "", refusal.NoToken.New()
	case !spaced && !strings.Contains(value, ".") && syntax.IsToken68(value):
		return "", refusal.NoToken.New()
	case !spaced:
		return "", refusal.Header.Because("a token without a scheme; send Authorization: Bearer TOKEN")
	case !strings.EqualFold(name, scheme):
		// What stands there is not quoted: it may be a token without a scheme.
		return "", refusal.NoToken.Because("the scheme is not Bearer")
	}
	token := strings.TrimLeft(rest, " ")
	if token == "" {
		return "", refusal.Header.Because("the scheme has no token")
	}
	return token, nil
}
