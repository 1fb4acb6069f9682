package auth0

import (
	"errors"
	"net/http"
	"slices"

	"github.com/seed-15d5a55c/auth0/internal/bearer"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// A TokenExtractor is a place where a request can have an access token. [FromHeader]
// is the default. The others are for clients that cannot set a header.
type TokenExtractor struct {
	place bearer.Place
	err   error // not nil if the extractor cannot be used
}

// FromHeader reads the Authorization header with the scheme Bearer (RFC 6750, Section
// 2.1), and with the scheme DPoP if [APIConfig].DPoP accepts it (RFC 9449, Section 7.1).
func FromHeader() TokenExtractor { return TokenExtractor{place: bearer.Header(false)} }

// FromCookie reads a cookie. Browsers also send cookies with requests of other sites, so
// protect routes that change something with [http.CrossOriginProtection]. It lets every
// GET pass, and a WebSocket handshake is a GET. So the API rejects a request with the
// header Upgrade with 403, unless its Origin has the host of the request, or its
// Sec-Fetch-Site is same-origin. For handshakes from other origins,
// read the cookie with [FromFunc] and check the Origin there.
func FromCookie(name string) TokenExtractor {
	if err := (&http.Cookie{Name: name}).Valid(); err != nil {
		return TokenExtractor{err: errors.New("FromCookie: the name is not a cookie name")}
	}
	return TokenExtractor{place: bearer.Cookie(name)}
}

// FromQuery reads the parameter access_token of the URL (RFC 6750, Section 2.3). URLs
// end up in logs and histories, so use it only as a last resort. The handler gets a URL
// without the parameter.
func FromQuery() TokenExtractor { return TokenExtractor{place: bearer.Query()} }

// FromForm reads the field access_token of a form in the body of a POST, PUT or PATCH
// (RFC 6750, Section 2.2). The handler can still read the body. A form of more than
// 64 KiB counts as one without a token.
func FromForm() TokenExtractor { return TokenExtractor{place: bearer.Form()} }

// FromWebSocket reads the header Sec-WebSocket-Protocol of a handshake, the only header
// that a script in a browser can set:
//
//	new WebSocket(url, ["bearer", token])
//
// The server must select a protocol, or the browser closes the connection: select
// "bearer", or another protocol that the client offers. No response has the token.
func FromWebSocket() TokenExtractor { return TokenExtractor{place: bearer.WebSocket()} }

// FromFunc reads the token with your own function. Find returns the token. If there
// is none, find returns an empty text or [ErrNoToken]. Any other error rejects the
// request with 400. An [*Error] chooses the status. Errors that mean 503 for
// [APIConfig].Validate are answered with 503, and [ErrForbidden] with 403. The error
// goes to the log only.
//
// If browsers send the token by themselves, as in a cookie, find must check the
// Origin.
func FromFunc(find func(*http.Request) (string, error)) TokenExtractor {
	if find == nil {
		return TokenExtractor{err: errors.New("FromFunc: the function is nil")}
	}
	return TokenExtractor{place: bearer.Place{Take: func(r *http.Request) (bearer.Credential, error) {
		token, err := find(r)
		switch {
		case errors.Is(err, ErrNoToken):
			return bearer.Credential{}, nil
		case err != nil:
			return bearer.Credential{}, hookError(err, refusal.Forbidden, func(err error) error { return refusal.Credential.Wrap(err) })
		}
		return bearer.Credential{Token: token}, nil
	}}}
}

// checkExtractors returns the places where an API reads a token.
func checkExtractors(p *problems, list []TokenExtractor, dpop bool) (places bearer.Places) {
	if list == nil {
		list = []TokenExtractor{FromHeader()}
	}
	for i, x := range list {
		if x.err != nil {
			p.add("TokenExtractors", "[%d] %v", i, x.err)
		} else if x.place.Take == nil {
			p.add("TokenExtractors", "[%d] is the zero TokenExtractor; use a From function", i)
		}
		if x.place.Method == bearer.Header(dpop).Method {
			x.place = bearer.Header(dpop)
		}
		places = append(places, x.place)
	}
	if dpop && !slices.Contains(places.Methods(), bearer.Header(dpop).Method) {
		p.add("TokenExtractors", "needs FromHeader, because DPoP-bound tokens come in the Authorization header alone")
	}
	if len(list) == 0 {
		p.add("TokenExtractors", "is empty; leave it out for the Authorization header")
	}
	return places
}
