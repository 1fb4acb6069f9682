package auth0

import (
	"context"

	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/grants"
	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/session"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
)

// An MFA is a login, or a refresh, that the tenant lets go on with a second
// factor. [Error.MFA] returns it when the error is [ErrMFARequired]. What the person
// has in their authenticator app goes to [MFA.LoginWithOTP]; for a message or a
// push notification, [MFA.SendChallenge] has it sent and [MFA.LoginWithOOB] takes
// the answer; [MFA.LoginWithRecoveryCode] is for who has lost everything else. Each
// returns a [Login], which [Strategy.StartSession] makes a session; that of a
// refresh goes on with the session that there is.
//
// It holds for ten minutes. Auth0 does not tell in the ID tokens of such a login
// that there was a second factor.
type MFA struct {
	// Challenge are the kinds of factors that the person can use, as far as the
	// tenant tells: otp, phone, email, push-notification, recovery-code.
	Challenge []string
	// Enroll are the kinds that the person can add. If there are no others, they
	// have to log in with the browser, where the tenant takes them through it.
	Enroll []string

	// Type is "otp" or "oob" after [MFA.SendChallenge]. BindingMethod is then
	// "prompt" if a code was sent that the person has to enter, else empty.
	Type          string
	BindingMethod string

	app     *Application // nil if it was not made here
	pending grants.MFA
}

// MFA returns what continues the login, if the tenant asks for a second factor. It
// returns nil for every other error.
func (e *Error) MFA() *MFA {
	m, _ := e.next.(*MFA)
	return m
}

// mfaOfRefresh returns the MFA for the refresh of a session that needs a second factor.
func (a *Application) mfaOfRefresh(d *tenanterror.MFADemand, audience, scope string, r *session.Record) any {
	return a.newMFA(a.grants.Demanded(d, grants.Purpose{Scope: scope, Audience: audience, Session: r.ID, Issuer: r.Issuer, Subject: r.Subject}))
}

func (a *Application) newMFA(m grants.MFA) *MFA {
	shown := m.Shown()
	return &MFA{
		Challenge: shown.Challenge, Enroll: shown.Enroll, Type: shown.Type, BindingMethod: shown.BindingMethod,
		app: a, pending: m,
	}
}

// Seal encrypts an MFA, so that it can wait for the person in a cookie or a hidden
// field of a form. [Application.OpenMFA] opens it for five minutes after the error, at
// any instance of the application.
func (m *MFA) Seal() (string, error) {
	return op("login", m, func() (string, error) {
		return m.app.grants.Seal(m.pending), nil
	})
}

// OpenMFA opens what [MFA.Seal] has sealed.
func (a *Application) OpenMFA(sealed string) (*MFA, error) {
	return op("login", a, func() (*MFA, error) {
		pending, err := a.grants.Open(sealed)
		if err != nil {
			return nil, err
		}
		return a.newMFA(pending), nil
	})
}

func (m *MFA) ready() error {
	if m == nil || m.app == nil {
		return refusal.GrantRequest.Because("the MFA is not one of an Error")
	}
	return nil
}

// An Factor is a second factor that somebody has set up.
type Factor struct {
	ID string
	// Type is "otp", "oob" or "recovery-code".
	Type string
	// Channel is how one of type oob reaches the person: sms, voice, email, or
	// auth0 for a push notification.
	Channel string
	// Name is what the person knows it by, such as the end of a phone number.
	Name string
}

// Factors lists the second factors that can be used now.
func (m *MFA) Factors(ctx context.Context) ([]Factor, error) {
	return op("login", m, func() ([]Factor, error) {
		found, err := m.app.grants.Factors(ctx, m.pending)
		if err != nil {
			return nil, err
		}
		var list []Factor
		for _, f := range found {
			list = append(list, Factor(f))
		}
		return list, nil
	})
}

// SendChallenge makes the tenant ask for a second factor: it sends a message or a
// push notification. With an empty id the tenant chooses among those that the
// person has. The MFA that it returns, whose Type says what is expected, takes
// the place of the one given.
func (m *MFA) SendChallenge(ctx context.Context, factorID string) (*MFA, error) {
	return op("login", m, func() (*MFA, error) {
		pending, err := m.app.grants.Challenge(ctx, m.pending, factorID)
		if err != nil {
			return nil, err
		}
		return m.app.newMFA(pending), nil
	})
}

// LoginWithOTP goes on with a code of the person's authenticator app. The error
// is [ErrWrongCredentials] if it is wrong; they may try again.
func (m *MFA) LoginWithOTP(ctx context.Context, otp string) (*Login, error) {
	return m.loginWithFactor(ctx, grants.MFA.OTP, otp)
}

// LoginWithOOB goes on when [MFA.SendChallenge] has sent something: with the
// code that the person got, or with the empty one for a push notification. The
// error is [ErrAuthorizationPending] until they have answered that.
func (m *MFA) LoginWithOOB(ctx context.Context, bindingCode string) (*Login, error) {
	return m.loginWithFactor(ctx, grants.MFA.OOB, bindingCode)
}

// LoginWithRecoveryCode goes on with a recovery code, which is used up by that.
// [Login.RecoveryCode] has the next one, to show to the person.
func (m *MFA) LoginWithRecoveryCode(ctx context.Context, recoveryCode string) (*Login, error) {
	return m.loginWithFactor(ctx, grants.MFA.RecoveryCode, recoveryCode)
}

func (m *MFA) loginWithFactor(ctx context.Context, factor func(grants.MFA, string) (*grants.Request, error), code string) (*Login, error) {
	return op("login", m, func() (*Login, error) {
		r, err := factor(m.pending, code)
		if err != nil {
			return nil, err
		}
		got, err := m.app.grants.Send(ctx, r)
		if err != nil {
			return nil, err
		}
		purpose := m.pending.Purpose()
		if purpose.Subject != "" {
			return m.app.continuedLogin(ctx, got, purpose)
		}
		return m.app.grantedLogin(ctx, got, purpose)
	})
}

// continuedLogin is for a refresh that needed a second factor. The login has told who
// the person is. If there is an ID token, it must name the same person.
func (a *Application) continuedLogin(ctx context.Context, got provider.TokenResponse, purpose grants.Purpose) (*Login, error) {
	if err := got.CheckBearer(); err != nil {
		return nil, err
	}
	id := idtoken.Identity{Claims: jwt.Claims{Issuer: purpose.Issuer, Subject: purpose.Subject}, Payload: "{}"}
	if got.IDToken != "" {
		ep, err := a.client.Endpoints(ctx)
		if err != nil {
			return nil, err
		}
		if id, err = a.idTokens.Check(ctx, ep, got.IDToken, keys.FromTenant); err != nil {
			return nil, idtoken.Refused(err)
		}
		if id.Claims.Issuer != purpose.Issuer || id.Claims.Subject != purpose.Subject {
			return nil, idtoken.Refused(fault.Claim.Because("iss or sub is another one than at the login"))
		}
	}
	l := login.Accept(a.transactions, &transaction.Transaction{Scope: purpose.Scope, Audience: purpose.Audience}, login.Result{Identity: &id, Token: got.Token(a.now())}, a.site.ReturnFor("", ""))
	l.Recovery, l.Continued, l.Session = secret.OfText(got.RecoveryCode), &got, purpose.Session
	return a.loginOf(l), nil
}
