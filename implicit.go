package auth0

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
	"golang.org/x/oauth2"
)

// ImplicitURL begins a login of a page that gets its access token by the implicit
// grant (RFC 6749, Section 4.2), for applications that are old enough to need it.
// ResponseType is "token" or "id_token token". CallbackPath is the page's path in
// this application, registered as an Allowed Callback URL: the tenant sends the
// browser there, with its answer in the fragment of the URL, which only a script
// of the page sees. The page posts the parameters of the fragment to the
// application, and that gives them to [Strategy.VerifyImplicit], as in
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
func (s *Strategy) ImplicitURL(ctx context.Context, responseType, callbackPath string, opts ...LoginOption) (authURL, transaction string, err error) {
	a, err := s.implicitRequest(responseType, callbackPath, opts)
	if err == nil {
		base := s.site.All()[0]
		at := login.Place{RedirectURI: base.URL(callbackPath), ReturnTo: s.site.ReturnTo(base, a.ReturnTo()), ResponseType: responseType}
		authURL, transaction, err = s.beginSealed(ctx, at, a)
	}
	if err != nil {
		return "", "", asError("login", err)
	}
	return authURL, transaction, nil
}

func (s *Strategy) implicitRequest(responseType, callbackPath string, opts []LoginOption) (*authrequest.Request, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	a, err := s.loginRequest(opts)
	switch {
	case err != nil:
		return nil, err
	case !syntax.IsPlainPath(callbackPath):
		return nil, refusal.LoginOption.Because("the callback path %.100q is not a plain path that begins with a slash", callbackPath)
	case callbackPath == s.site.Callback:
		return nil, refusal.LoginOption.Because("the callback path %q takes other answers; the page needs one of its own", callbackPath)
	}
	return a, s.flow.CheckImplicit(responseType, a)
}

// An ImplicitGrant is what [Strategy.VerifyImplicit] has accepted.
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

// Format hides the token from every verb of package fmt.
func (g *ImplicitGrant) Format(f fmt.State, _ rune) { fmt.Fprint(f, "auth0.ImplicitGrant") }

// VerifyImplicit checks the answer to a login that [Strategy.ImplicitURL] has
// begun: that it belongs to the transaction (state), and, with the response type
// id_token token, the ID token, its nonce, and that the access token came with it
// (at_hash; OpenID Connect Core 1.0, Section 3.2.2.9). Values are the parameters of
// the fragment. A token alone, without its transaction, is never accepted. The
// caller must forget the transaction, whatever the outcome: nothing else makes it
// good for one answer only.
func (s *Strategy) VerifyImplicit(ctx context.Context, transaction string, values url.Values) (*ImplicitGrant, error) {
	g, err := s.verifyImplicit(ctx, transaction, values)
	if err != nil {
		return nil, asError("callback", err)
	}
	return g, nil
}

func (s *Strategy) verifyImplicit(ctx context.Context, sealed string, values url.Values) (*ImplicitGrant, error) {
	t, a, err := s.openSealed(sealed, values, login.ImplicitTypes...)
	if err != nil {
		return nil, err
	}
	g, err := s.completeImplicit(ctx, t, a)
	if err != nil {
		return nil, failedLogin(t, err)
	}
	return g, nil
}

// completeImplicit is complete without a code (OpenID Connect Core 1.0, Sections
// 3.2.2.8 to 3.2.2.11).
func (s *Strategy) completeImplicit(ctx context.Context, t *login.Transaction, a login.Answer) (*ImplicitGrant, error) {
	pending, err := s.flow.Prepare(ctx, t, a)
	if err != nil {
		return nil, err
	}
	got, err := pending.Complete(ctx)
	if err != nil {
		return nil, err
	}
	g := &ImplicitGrant{ReturnTo: s.returnPath(t), AppState: t.AppState, token: secret.Of(got.Token)}
	if got.Identity != nil {
		g.Login = s.newLogin(t, got)
	}
	return g, nil
}
