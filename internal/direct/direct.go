// Package direct logs users in for a program that has no routes: the program passes on the
// tenant's response to a login, or has the user's credentials.
//
// The package does not know sessions, the requests of browsers, and the public types of a
// login.
package direct

import (
	"cmp"
	"context"
	"net/url"
	"slices"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/grants"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/site"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
)

// Logins are the logins of one application. All fields are required, except where noted.
type Logins struct {
	Flow         *login.Flow
	Grants       *grants.Grants
	Site         *site.Site
	Transactions *transaction.Jar
	Options      []authrequest.Option // of every login; can be nil
}

// A Begun login is the URL of its Authentication Request, and its sealed transaction.
type Begun struct{ URL, Transaction string }

// Begin begins a login in a browser, whose answer [Logins.Complete] gets.
func (l *Logins) Begin(ctx context.Context, redirectURI string, options []authrequest.Option) (Begun, error) {
	r, err := l.plain(options)
	if err != nil {
		return Begun{}, err
	}
	return l.begin(ctx, redirectURI, "", r)
}

// BeginImplicit begins a login by the implicit grant, whose answer
// [Logins.CompleteImplicit] gets.
func (l *Logins) BeginImplicit(ctx context.Context, redirectURI, responseType string, options []authrequest.Option) (Begun, error) {
	r, err := l.request(options)
	if err != nil {
		return Begun{}, err
	}
	if l.Site.IsCallback(redirectURI) {
		return Begun{}, refusal.LoginOption.Because("%q is the callback of the Strategy; the page needs another URL", redirectURI)
	}
	if err := l.Flow.CheckImplicit(responseType, r); err != nil {
		return Begun{}, err
	}
	return l.begin(ctx, redirectURI, responseType, r)
}

// SendLink emails a link that logs in, and returns the sealed transaction of the login.
// [Logins.Complete] gets its answer.
func (l *Logins) SendLink(ctx context.Context, redirectURI string, to grants.Recipient, options []authrequest.Option) (string, error) {
	if err := to.CheckLink(); err != nil {
		return "", err
	}
	r, err := l.plain(options)
	if err != nil {
		return "", err
	}
	at, err := l.place(redirectURI, "", r)
	if err != nil {
		return "", err
	}
	request, t := l.Flow.Authentication(at, r)
	sealed, err := l.Transactions.Seal(t)
	if err != nil {
		return "", err
	}
	return sealed, l.Grants.SendLink(ctx, to, r.ForwardedFor, request)
}

// request applies the options of one login over those of every login.
func (l *Logins) request(options []authrequest.Option) (*authrequest.Request, error) {
	r, err := authrequest.New(slices.Concat(l.Options, options)...)
	if err != nil {
		return nil, refusal.LoginOption.Wrap(err)
	}
	return r, nil
}

// plain is request for a login that no page of this module starts.
func (l *Logins) plain(options []authrequest.Option) (*authrequest.Request, error) {
	r, err := l.request(options)
	if err != nil {
		return nil, err
	}
	return r, l.Flow.CheckPlain(r)
}

func (l *Logins) begin(ctx context.Context, redirectURI, responseType string, r *authrequest.Request) (Begun, error) {
	at, err := l.place(redirectURI, responseType, r)
	if err != nil {
		return Begun{}, err
	}
	authURL, t, err := l.Flow.Begin(ctx, at, r)
	if err != nil {
		return Begun{}, err
	}
	sealed, err := l.Transactions.Seal(t)
	return Begun{authURL, sealed}, err
}

// place returns the redirect URI, the return URL and the response type of a login.
func (l *Logins) place(redirectURI, responseType string, r *authrequest.Request) (transaction.Place, error) {
	if err := l.Site.CheckRedirectURI(redirectURI); err != nil {
		return transaction.Place{}, refusal.LoginOption.Wrap(err)
	}
	return transaction.Place{RedirectURI: redirectURI, ReturnTo: l.Site.ReturnFor(redirectURI, r.ReturnTo()), ResponseType: responseType}, nil
}

// Complete verifies the tenant's answer to a login.
func (l *Logins) Complete(ctx context.Context, sealed string, answer url.Values) (*login.Accepted, error) {
	return l.complete(ctx, sealed, answer, l.Flow.ResponseType)
}

// CompleteImplicit verifies the tenant's answer to a login by the implicit grant. Without
// an ID token the result has no identity.
func (l *Logins) CompleteImplicit(ctx context.Context, sealed string, answer url.Values) (*login.Accepted, error) {
	return l.complete(ctx, sealed, answer, login.ImplicitTypes...)
}

func (l *Logins) complete(ctx context.Context, sealed string, values url.Values, types ...string) (*login.Accepted, error) {
	answer, err := login.ParseAnswer(values)
	if err != nil {
		return nil, answer.Stray(err)
	}
	t, err := l.Transactions.Open(sealed, answer.State, types...)
	if err != nil {
		return nil, answer.Stray(err)
	}
	pending, err := l.Flow.Prepare(ctx, t, answer)
	if err != nil {
		return nil, t.Failed(err)
	}
	got, err := pending.Complete(ctx)
	if err != nil {
		return nil, t.Failed(err)
	}
	// A return URL that was too long to keep is lost.
	return login.Accept(l.Transactions, t, got, cmp.Or(t.ReturnTo, l.Site.ReturnFor(t.RedirectURI, ""))), nil
}

// SendCode makes the tenant send a code for [Logins.Code].
func (l *Logins) SendCode(ctx context.Context, to grants.Recipient, options []authrequest.Option) error {
	_, wish, err := l.read(options)
	if err != nil {
		return err
	}
	return l.Grants.SendCode(ctx, to, wish.ForwardedFor)
}

// Code logs in with a code that SendCode sent to the same recipient.
func (l *Logins) Code(ctx context.Context, to grants.Recipient, code string, options []authrequest.Option) (*login.Accepted, error) {
	connection, wish, err := l.read(options)
	if err == nil && connection != "" {
		err = refusal.LoginOption.Because("the connection of a code is email or sms")
	}
	if err != nil {
		return nil, err
	}
	r, err := l.Grants.Code(to, code, wish)
	if err != nil {
		return nil, err
	}
	return l.send(ctx, r)
}

// Password logs in with a password.
func (l *Logins) Password(ctx context.Context, username, password string, options []authrequest.Option) (*login.Accepted, error) {
	connection, wish, err := l.read(options)
	if err != nil {
		return nil, err
	}
	r, err := l.Grants.Password(username, password, connection, wish)
	if err != nil {
		return nil, err
	}
	return l.send(ctx, r)
}

// Exchange logs in with a token of another kind.
func (l *Logins) Exchange(ctx context.Context, x grants.Exchange) (*login.Accepted, error) {
	r, err := l.Grants.ExchangeForLogin(x)
	if err != nil {
		return nil, err
	}
	return l.send(ctx, r)
}

// read reads the options of a login without a browser. The wish holds all of them, so that
// they still apply if the login continues with a second factor.
func (l *Logins) read(options []authrequest.Option) (connection string, w grants.Wish, err error) {
	own, err := authrequest.New(options...)
	if err != nil {
		return "", w, refusal.LoginOption.Wrap(err)
	}
	all, err := l.request(options)
	if err != nil {
		return "", w, err
	}
	every, err := l.request(nil)
	if err != nil {
		return "", w, err
	}
	kept, err := own.Direct(all, every)
	if err != nil {
		return "", w, err
	}
	w = grants.Wish{Scopes: own.Scopes, Audience: own.Params.Get("audience"), ForwardedFor: own.ForwardedFor, Login: kept}
	return own.Params.Get("connection"), w, nil
}

// send makes a token request, and verifies the login in its response.
func (l *Logins) send(ctx context.Context, r *grants.Request) (*login.Accepted, error) {
	got, err := l.Grants.Send(ctx, r)
	if err != nil {
		return nil, err
	}
	return l.granted(ctx, got, r.Purpose(), 0)
}

// Continue continues a login or a refresh with the request of a second factor.
func (l *Logins) Continue(ctx context.Context, m grants.MFA, r *grants.Request) (*login.Accepted, error) {
	got, err := l.Grants.Send(ctx, r)
	if err != nil {
		return nil, err
	}
	purpose := m.Purpose()
	if purpose.Subject == "" {
		return l.granted(ctx, got, purpose, m.Began())
	}
	verified, err := l.Flow.Continued(ctx, purpose.Issuer, purpose.Subject, got)
	if err != nil {
		return nil, err
	}
	accepted := l.accept(verified, got, purpose, authrequest.Kept{}, "")
	accepted.Continued, accepted.Session = &got, purpose.Session
	return accepted, nil
}

// granted verifies the response to a token request, as [login.Pending.Complete] verifies a
// login in the browser. The options of every login apply here too: the login fails if they
// require proof that a grant cannot give. The purpose holds the options of this login, even
// after a second factor. Began is when that was required, 0 for now.
func (l *Logins) granted(ctx context.Context, got provider.TokenResponse, purpose grants.Purpose, began int64) (*login.Accepted, error) {
	options, err := authrequest.OptionsOf(purpose.Login)
	if err != nil {
		return nil, refusal.Internal.Wrap(err)
	}
	r, err := l.request(options)
	if err != nil {
		return nil, err
	}
	verified, err := l.Flow.Granted(ctx, r, purpose.Organization, began, got)
	if err != nil {
		return nil, err
	}
	return l.accept(verified, got, purpose, r.Kept, r.ReturnTo()), nil
}

// accept returns the login of a token request.
func (l *Logins) accept(
	verified login.Result, got provider.TokenResponse, purpose grants.Purpose, kept authrequest.Kept, returnTo string,
) *login.Accepted {
	t := &transaction.Transaction{Scope: purpose.Scope, Audience: purpose.Audience, Kept: kept}
	accepted := login.Accept(l.Transactions, t, verified, l.Site.ReturnFor("", returnTo))
	accepted.Recovery = secret.OfText(got.RecoveryCode)
	return accepted
}
