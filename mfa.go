package auth0

import (
	"context"

	"github.com/seed-15d5a55c/auth0/internal/grants"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/session"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
)

// An MFA continues a login, or a refresh, for which the tenant requires a second factor.
// [Error.MFA] returns it when the error is [ErrMFARequired]. [MFA.LoginWithOTP] accepts
// the code of an authenticator app. For a message or a push notification,
// [MFA.SendChallenge] makes the tenant send it, and [MFA.LoginWithOOB] accepts the
// answer. [MFA.LoginWithRecoveryCode] is for users without any other factor. Each
// returns a [Login] for [Strategy.StartSession]. After a refresh, StartSession continues
// the existing session.
//
// The options of the first call apply to the login: their requirements are checked at
// the end, and the Login has their values.
//
// An MFA is valid for ten minutes. Auth0's ID tokens of these logins do not report the
// second factor.
type MFA struct {
	// Challenge lists the factors that the user can use, as far as the tenant reports
	// them: otp, phone, email, push-notification, recovery-code.
	Challenge []string
	// Enroll lists the factors that the user can add. If Challenge is empty, the user
	// has to log in with the browser, where the tenant guides the enrollment.
	Enroll []string

	// Type is "otp" or "oob" after [MFA.SendChallenge]. BindingMethod is then "prompt"
	// if the user has to enter a code from a message, else empty.
	Type          string
	BindingMethod string

	app     *Application // nil for an MFA not made by this package
	pending grants.MFA
}

// MFA returns the MFA that continues the login, if the tenant requires a second
// factor. For every other error it returns nil.
func (e *Error) MFA() *MFA {
	m, _ := e.next.(*MFA)
	return m
}

// mfaOfRefresh returns the MFA for a refresh that requires a second factor.
func (a *Application) mfaOfRefresh(d *tenanterror.MFADemand, audience, scope string, r *session.Record) any {
	return a.newMFA(a.grants.Demanded(d, grants.Purpose{Scope: scope, Audience: audience, Session: r.ID, Issuer: r.Issuer, Subject: r.Subject, ProofKey: r.ProofKey}))
}

func (a *Application) newMFA(m grants.MFA) *MFA {
	shown := m.Shown()
	return &MFA{
		Challenge: shown.Challenge, Enroll: shown.Enroll, Type: shown.Type, BindingMethod: shown.BindingMethod,
		app: a, pending: m,
	}
}

// Seal encrypts an MFA for a cookie or a hidden field of a form, until the user
// enters the code. Any instance of the application can open it with
// [Application.OpenMFA], for five minutes after the error.
func (m *MFA) Seal() (string, error) {
	return op("login", m, func() (string, error) {
		return m.app.grants.Seal(m.pending), nil
	})
}

// OpenMFA decrypts the text of [MFA.Seal]. After five minutes it fails (mfa_expired).
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
		return refusal.GrantRequest.Because("the MFA was not returned by Error.MFA or OpenMFA")
	}
	return nil
}

// A Factor is a second factor of a user.
type Factor struct {
	ID string
	// Type is "otp", "oob" or "recovery-code".
	Type string
	// Channel is the channel of a factor of type oob: sms, voice, email, or auth0 for a
	// push notification.
	Channel string
	// Name is the user's name for the factor, such as the end of a phone number.
	Name string
}

// Factors lists the user's active second factors.
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

// SendChallenge makes the tenant send a message or a push notification for a second
// factor. With an empty id, the tenant chooses a factor of the user. Continue with
// the returned MFA, not with m: its Type is the expected kind of answer.
func (m *MFA) SendChallenge(ctx context.Context, factorID string) (*MFA, error) {
	return op("login", m, func() (*MFA, error) {
		pending, err := m.app.grants.Challenge(ctx, m.pending, factorID)
		if err != nil {
			return nil, err
		}
		return m.app.newMFA(pending), nil
	})
}

// LoginWithOTP continues with a code of the user's authenticator app (grant type
// mfa-otp). The error is [ErrWrongCredentials] if the code is wrong; the user can try
// again.
func (m *MFA) LoginWithOTP(ctx context.Context, otp string) (*Login, error) {
	return m.loginWithFactor(ctx, grants.MFA.OTP, otp)
}

// LoginWithOOB continues (grant type mfa-oob) after [MFA.SendChallenge]: with the
// code in the message, or with an empty code for a push notification. The error is
// [ErrAuthorizationPending] until the user has answered the notification.
func (m *MFA) LoginWithOOB(ctx context.Context, bindingCode string) (*Login, error) {
	return m.loginWithFactor(ctx, grants.MFA.OOB, bindingCode)
}

// LoginWithRecoveryCode continues with a recovery code (grant type
// mfa-recovery-code), which works once. Show the user the next one,
// [Login.RecoveryCode].
func (m *MFA) LoginWithRecoveryCode(ctx context.Context, recoveryCode string) (*Login, error) {
	return m.loginWithFactor(ctx, grants.MFA.RecoveryCode, recoveryCode)
}

func (m *MFA) loginWithFactor(ctx context.Context, factor func(grants.MFA, string) (*grants.Request, error), code string) (*Login, error) {
	return op("login", m, func() (*Login, error) {
		r, err := factor(m.pending, code)
		if err != nil {
			return nil, err
		}
		return m.app.login(m.app.logins.Continue(ctx, m.pending, r))
	})
}
