package auth0

import (
	"context"
	"encoding/json"
	"net/url"

	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"golang.org/x/oauth2"
)

// ImplicitURL begins a login of a page that gets its access token by the implicit
// grant (RFC 6749, Section 4.2), for applications that are old enough to need it.
// ResponseType is "token" or "id_token token". RedirectURI is the URL of the page,
// registered as an Allowed Callback URL: the tenant sends the
// browser there, with its answer in the fragment of the URL, which only a script
// of the page sees. The page posts the parameters of the fragment to the
// application, and that gives them to [Application.VerifyImplicit], as in
// examples/implicit.
//
// Transaction is to be kept for that browser until then: in a cookie that is
// HttpOnly and SameSite=Lax, say. It is encrypted.
//
// New applications have better ways. Tokens in URLs get into histories and into
// scripts of others, nothing binds them to who asked for them, and they cannot be
// renewed without another login; RFC 9700, Section 2.1.2 advises against them. A
// page that needs a token of its own gets it with the authorization code grant
// and PKCE, as that of examples/api does; one that talks to its own server needs
// none, but a session.
func (a *Application) ImplicitURL(ctx context.Context, responseType, redirectURI string, opts ...LoginOption) (authURL, transaction string, err error) {
	begun, err := op("login", a, func() (begunLogin, error) {
		r, err := a.loginRequest(opts)
		if err != nil {
			return begunLogin{}, err
		}
		if a.site.IsCallback(redirectURI) {
			return begunLogin{}, refusal.LoginOption.Because("the callback %q takes other answers; the page needs one of its own", redirectURI)
		}
		if err := a.flow.CheckImplicit(responseType, r); err != nil {
			return begunLogin{}, err
		}
		return a.begin(ctx, redirectURI, responseType, r)
	})
	return begun.url, begun.transaction, err
}

// An ImplicitGrant is what [Application.VerifyImplicit] has accepted.
type ImplicitGrant struct {
	// Login is who has logged in. It is nil with the response type token, by which
	// nobody is told: whoever has a token need not be who it was issued to.
	Login *Login
	// ReturnTo is where the page goes next.
	ReturnTo string
	// AppState is what WithAppState was given, nil without it.
	AppState json.RawMessage

	token secret.Box[*oauth2.Token]
}

// Token returns the access token. It was not verified: that is for the API that
// it is for ([API.Verify]).
func (g *ImplicitGrant) Token() *oauth2.Token {
	if g.token.IsEmpty() {
		return nil
	}
	return g.token.Reveal()
}

// VerifyImplicit checks the answer to a login that [Application.ImplicitURL] has
// begun: that it belongs to the transaction (state), and, with the response type
// id_token token, the ID token, its nonce, and that the access token came with it
// (at_hash; OpenID Connect Core 1.0, Section 3.2.2.9). Values are the parameters of
// the fragment. A token alone, without its transaction, is never accepted. The
// caller must forget the transaction, whatever the outcome: nothing else makes it
// good for one answer only.
func (a *Application) VerifyImplicit(ctx context.Context, transaction string, values url.Values) (*ImplicitGrant, error) {
	return op("callback", a, func() (*ImplicitGrant, error) {
		t, got, err := a.complete(ctx, transaction, values, login.ImplicitTypes...)
		if err != nil {
			return nil, err
		}
		g := &ImplicitGrant{ReturnTo: a.returnPath(t), AppState: t.AppState, token: secret.Of(got.Token)}
		if got.Identity != nil {
			g.Login = a.newLogin(t, got)
		}
		return g, nil
	})
}
