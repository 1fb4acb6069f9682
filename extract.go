package auth0

import (
	"errors"
	"net/http"

	"github.com/seed-15d5a55c/auth0/internal/bearer"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// A TokenExtractor is a place of a request where an access token may be. The other
// functions than [FromHeader] are for clients that cannot set a header.
type TokenExtractor struct {
	place bearer.Place
	err   error // why it cannot be used
}

// FromHeader is the Authorization header with the scheme Bearer (RFC 6750,
// Section 2.1), where a token belongs.
func FromHeader() TokenExtractor { return TokenExtractor{place: bearer.Header()} }

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
	return TokenExtractor{place: bearer.Cookie(name)}
}

// FromQuery is the parameter access_token of the URL (RFC 6750, Section 2.3). URLs
// end up in logs and histories, so it is the last resort. The handler gets a
// URL without it.
func FromQuery() TokenExtractor { return TokenExtractor{place: bearer.Query()} }

// FromForm is the field access_token of a form in the body of a POST, PUT or PATCH
// (RFC 6750, Section 2.2). The handler can still read the body. A form of more
// than 64 KiB is taken to have no token.
func FromForm() TokenExtractor { return TokenExtractor{place: bearer.Form()} }

// FromWebSocket is the header Sec-WebSocket-Protocol of a handshake, since that
// is all that a script in a browser can set:
//
//	new WebSocket(url, ["bearer", token])
//
// The server must choose a protocol for the connection to come about; let it be
// "bearer", or another one that the client offers. The token is in no answer.
func FromWebSocket() TokenExtractor { return TokenExtractor{place: bearer.WebSocket()} }

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

// checkExtractors returns the places where an API looks for a token.
func checkExtractors(p *problems, list []TokenExtractor) (places bearer.Places) {
	if list == nil {
		list = []TokenExtractor{FromHeader()}
	}
	for i, x := range list {
		if x.err != nil {
			p.add("TokenExtractors", "[%d] %v", i, x.err)
		} else if x.place.Take == nil {
			p.add("TokenExtractors", "[%d] was made by none of the From functions", i)
		}
		places = append(places, x.place)
	}
	if len(list) == 0 {
		p.add("TokenExtractors", "is empty; leave it out for the Authorization header")
	}
	return places
}
