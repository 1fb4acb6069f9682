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

// ImplicitURL begins a login by the implicit grant (RFC 6749, Section 4.2), for old
// applications with a page that gets an access token. ResponseType is "token" or
// "id_token token". RedirectURI is the URL of the page, an Allowed Callback URL. The
// tenant redirects the browser there, with its response in the fragment of the URL,
// which only a script of the page sees. The page posts the parameters of the fragment
// to the application, and the application passes them to
// [Application.VerifyImplicit], as in examples/implicit.
//
// Keep the transaction for that browser until then, for example in a cookie that is
// HttpOnly and SameSite=Lax. It is encrypted.
//
// Use it only for existing applications. Tokens in URLs get into histories and other
// scripts, nothing binds them to a client, and only another login renews them; RFC
// 9700, Section 2.1.2 advises against them. A page that needs its own token should
// use the authorization code grant with PKCE, as in examples/api. A page that calls
// only its own server needs a session, but no token.
func (a *Application) ImplicitURL(ctx context.Context, responseType, redirectURI string, opts ...LoginOption) (authURL, transaction string, err error) {
	begun, err := op("login", a, func() (begunLogin, error) {
		r, err := a.loginRequest(opts)
		if err != nil {
			return begunLogin{}, err
		}
		if a.site.IsCallback(redirectURI) {
			return begunLogin{}, refusal.LoginOption.Because("%q is the callback of the Strategy; the page needs another URL", redirectURI)
		}
		if err := a.flow.CheckImplicit(responseType, r); err != nil {
			return begunLogin{}, err
		}
		return a.begin(ctx, redirectURI, responseType, r)
	})
	return begun.url, begun.transaction, err
}

// An ImplicitGrant is a response that [Application.VerifyImplicit] has verified.
type ImplicitGrant struct {
	// Login is the verified login. It is nil for the response type token: an access
	// token alone does not prove who is present, because anybody can hold it.
	Login *Login
	// ReturnTo is the return URL, where the page goes next.
	ReturnTo string
	// AppState is the value of WithAppState, nil without it.
	AppState json.RawMessage

	token secret.Box[*oauth2.Token]
}

// Token returns the access token. It is not verified: its API verifies it
// ([API.Verify]).
func (g *ImplicitGrant) Token() *oauth2.Token {
	if g.token.IsEmpty() {
		return nil
	}
	return g.token.Reveal()
}

// VerifyImplicit verifies the response to a login that [Application.ImplicitURL] has
// begun. Values are the parameters of the fragment. The response must belong to the
// transaction (state). For the response type id_token token, the ID token and its
// nonce are verified, and the access token must match at_hash (OpenID Connect Core
// 1.0, Section 3.2.2.9). A token without its transaction is never accepted. The
// caller must delete the transaction, whatever the outcome: nothing else prevents a
// second use.
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
