package auth0

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// A PasswordlessLogin is whom [Strategy.SendCode] sends a code, and how they log in
// with it. The tenant needs the connection email or sms.
type PasswordlessLogin struct {
	// Email or PhoneNumber is where the code goes.
	Email       string
	PhoneNumber string // with the country code: "+442079460000"

	// Scopes and Audience are as in [Config]. Default: those of the Config.
	Scopes   []string
	Audience string
	// ForwardedFor is as in [PasswordLogin].
	ForwardedFor netip.Addr
}

// SendCode sends a code for [Strategy.LoginWithCode] by e-mail or text message.
// Whether somebody has an account with that address does not show. The error is
// [ErrGrantNotAllowed] if the tenant has no such connection, and has the Reason
// bad_address if nothing can be sent there.
//
// Every call sends a message, and the tenant limits them by the address of
// whoever asks; see ForwardedFor. The form must be protected against posts from
// other sites.
func (s *Strategy) SendCode(ctx context.Context, to PasswordlessLogin) error {
	if err := s.startPasswordless(ctx, to, "code", nil); err != nil {
		return asError("login", err)
	}
	return nil
}

// LoginWithCode logs in with a code that [Strategy.SendCode] has sent to the same
// address. The error is [ErrWrongCredentials] if it is wrong or too old.
func (s *Strategy) LoginWithCode(ctx context.Context, to PasswordlessLogin, code string) (*Login, error) {
	l, err := s.codeGrant(ctx, to, code)
	if err != nil {
		return nil, asError("login", err)
	}
	return l, nil
}

func (s *Strategy) codeGrant(ctx context.Context, to PasswordlessLogin, code string) (*Login, error) {
	realm, address, err := to.realm()
	if err != nil {
		return nil, err
	}
	if code == "" {
		return nil, refusal.Credentials.Because("the code is empty")
	}
	g, err := s.userGrant("http://auth0.com/oauth/grant-type/passwordless/otp", to.Scopes, to.Audience, to.ForwardedFor)
	if err != nil {
		return nil, err
	}
	g.form.Set("realm", realm)
	g.form.Set("username", address)
	g.form.Set("otp", code)
	return s.loginByGrant(ctx, g)
}

// SendLink sends a link by e-mail that logs in, and keeps the login for this
// browser: the link must be opened in it, and leads to
// [Strategy.CallbackHandler]. Options are those of a login in the browser. Of
// to, Scopes and Audience are left out. SendLink must be called before the first
// byte of the response is written.
func (s *Strategy) SendLink(w http.ResponseWriter, r *http.Request, to PasswordlessLogin, opts ...LoginOption) error {
	if err := s.sendLink(w, r, to, opts); err != nil {
		return asError("login", err)
	}
	return nil
}

func (s *Strategy) sendLink(w http.ResponseWriter, r *http.Request, to PasswordlessLogin, opts []LoginOption) error {
	if err := s.ready(); err != nil {
		return err
	}
	if to.Email == "" {
		return refusal.GrantRequest.Because("a link can only be sent by e-mail")
	}
	base, err := s.site.Of(r)
	if err != nil {
		return err
	}
	a, err := s.pageRequest(opts)
	if err != nil {
		return err
	}
	// It is never pushed: that would be good for a minute, and mail takes longer.
	request, t := s.flow.Authentication(s.placeOf(base, a), a)
	params := map[string]any{}
	for name := range request {
		if name != "client_id" && name != "connection" { // which are beside them
			params[name] = request.Get(name)
		}
	}
	// First the cookie: a link without it is of no use to anybody.
	if err := s.keepTransaction(w, r, t); err != nil {
		return err
	}
	return s.startPasswordless(r.Context(), to, "link", params)
}

func (s *Strategy) startPasswordless(ctx context.Context, to PasswordlessLogin, send string, authParams map[string]any) error {
	if err := s.ready(); err != nil {
		return err
	}
	realm, address, err := to.realm()
	if err != nil {
		return err
	}
	body := map[string]any{"connection": realm}
	if realm == "email" {
		body["email"], body["send"] = address, send
	} else {
		body["phone_number"] = address
	}
	if authParams != nil {
		body["authParams"] = authParams
	}
	if _, err := s.application.PostJSON(ctx, s.beside("passwordless/start"), body, forwarded(to.ForwardedFor)...); err != nil {
		return grantError(err, nil)
	}
	return nil
}

// realm returns the connection and the address to use.
func (p PasswordlessLogin) realm() (realm, address string, err error) {
	switch {
	case (p.Email == "") == (p.PhoneNumber == ""):
		return "", "", refusal.GrantRequest.Because("exactly one of Email and PhoneNumber is needed")
	case p.Email != "":
		return "email", p.Email, nil
	}
	return "sms", p.PhoneNumber, nil
}
