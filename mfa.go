package auth0

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/session"
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

	app   *Application // nil if it was not made here
	state secret.Box[mfaState]
}

// MFA returns what continues the login, if the tenant asks for a second factor. It
// returns nil for every other error.
func (e *Error) MFA() *MFA {
	m, _ := e.next.(*MFA)
	return m
}

// An mfaState is what an MFA needs and does not show. Sealed, it has the rest
// too.
type mfaState struct {
	Token   string `json:"token"`
	OOBCode string `json:"oob,omitempty"`
	// What the login asked for.
	Scope        string `json:"scope"`
	Audience     string `json:"aud,omitempty"`
	Organization string `json:"org,omitempty"`
	// Session is the id of the session whose refresh it was, Issuer and Subject
	// are those of its person.
	Session string `json:"session,omitempty"`
	Issuer  string `json:"iss,omitempty"`
	Subject string `json:"sub,omitempty"`

	IssuedAt      int64    `json:"iat"`
	Base          string   `json:"base"`
	ClientID      string   `json:"client"`
	Challenge     []string `json:"challenge,omitempty"`
	Enroll        []string `json:"enroll,omitempty"`
	Type          string   `json:"type,omitempty"`
	BindingMethod string   `json:"binding,omitempty"`
}

const (
	purposeMFA = "mfa"
	// mfaLife is shorter than the ten minutes for which the tenant's token is
	// good, because what is sealed lies in a browser.
	mfaLife = 5 * time.Minute
)

// mfaOfRefresh is for the refresh of a session that needs a second factor.
func (a *Application) mfaOfRefresh(d *provider.MFADemand, audience, scope string, r *session.Record) any {
	st := a.mfaState(d, loginWish{scope: scope, audience: audience})
	st.Session, st.Issuer, st.Subject = r.ID, r.Issuer, r.Subject
	return a.newMFA(st)
}

// mfaState is the state of a demand for a second factor, for what was asked for.
func (a *Application) mfaState(d *provider.MFADemand, wish loginWish) mfaState {
	return mfaState{
		Token: d.Token.Reveal(), Scope: wish.scope, Audience: wish.audience, Organization: wish.organization,
		Challenge: d.Challenge, Enroll: d.Enroll, IssuedAt: a.now().Unix(), Base: a.Issuer(), ClientID: a.client.ID,
	}
}

func (a *Application) newMFA(st mfaState) *MFA {
	return &MFA{
		Challenge: slices.Clone(st.Challenge), Enroll: slices.Clone(st.Enroll), Type: st.Type, BindingMethod: st.BindingMethod,
		app: a, state: secret.Of(st),
	}
}

// Seal encrypts an MFA, so that it can wait for the person in a cookie or a hidden
// field of a form. [Application.OpenMFA] opens it for five minutes after the error, at
// any instance of the application.
func (m *MFA) Seal() (string, error) {
	return op("login", m, func() (string, error) {
		plain, err := json.Marshal(m.state.Reveal())
		if err != nil {
			return "", refusal.Internal.Wrap(err)
		}
		return m.app.keyring.Seal(purposeMFA, purposeMFA, plain), nil
	})
}

// OpenMFA opens what [MFA.Seal] has sealed.
func (a *Application) OpenMFA(sealed string) (*MFA, error) {
	return op("login", a, func() (*MFA, error) {
		var st mfaState
		plain, _, ok := a.keyring.Open(purposeMFA, purposeMFA, sealed)
		if !ok || json.Unmarshal(plain, &st) != nil || st.Base != a.Issuer() || st.ClientID != a.client.ID {
			return nil, refusal.MFAExpired.Because("the sealed MFA does not open")
		}
		if age := time.Duration(a.now().Unix()-st.IssuedAt) * time.Second; age >= mfaLife || age < -time.Minute {
			return nil, refusal.MFAExpired.Because("the sealed MFA is %v old", age)
		}
		return a.newMFA(st), nil
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
		var listed []struct {
			ID      string `json:"id"`
			Type    string `json:"authenticator_type"`
			Channel string `json:"oob_channel"`
			Name    string `json:"name"`
			Active  bool   `json:"active"`
		}
		client, token := m.app.client, secret.OfText(m.state.Reveal().Token)
		resp, err := provider.BearerRequest(ctx, client.HTTP, token, http.MethodGet, client.Beside("mfa/authenticators"), nil, nil)
		if err == nil {
			err = provider.Decode(resp, &listed)
		}
		if err != nil {
			return nil, grantError(err, mfaRefusals)
		}
		var list []Factor
		for _, l := range listed {
			if l.Active {
				list = append(list, Factor{l.ID, l.Type, l.Channel, l.Name})
			}
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
		st := m.state.Reveal()
		body := map[string]any{"mfa_token": st.Token, "challenge_type": "oob otp"}
		if factorID != "" {
			body["authenticator_id"] = factorID
		}
		resp, err := m.app.client.PostJSON(ctx, m.app.client.Beside("mfa/challenge"), body)
		if err != nil {
			return nil, grantError(err, mfaRefusals)
		}
		var got struct {
			Type          string `json:"challenge_type"`
			OOBCode       string `json:"oob_code"`
			BindingMethod string `json:"binding_method"`
		}
		if json.Unmarshal(resp.Body, &got) != nil || got.Type != "otp" && got.Type != "oob" || (got.Type == "oob") != (got.OOBCode != "") {
			return nil, refusal.TenantAnswer.Because("the challenge is not the expected JSON")
		}
		st.Type, st.OOBCode, st.BindingMethod = got.Type, got.OOBCode, got.BindingMethod
		return m.app.newMFA(st), nil
	})
}

// mfaRefusals: here, a credential that is not accepted is the MFA itself.
var mfaRefusals = map[string]refusal.Row{"invalid_grant": refusal.MFAExpired}

// LoginWithOTP goes on with a code of the person's authenticator app. The error
// is [ErrWrongCredentials] if it is wrong; they may try again.
func (m *MFA) LoginWithOTP(ctx context.Context, otp string) (*Login, error) {
	return m.loginWithFactor(ctx, "mfa-otp", "otp", otp)
}

// LoginWithOOB goes on when [MFA.SendChallenge] has sent something: with the
// code that the person got, or with the empty one for a push notification. The
// error is [ErrAuthorizationPending] until they have answered that.
func (m *MFA) LoginWithOOB(ctx context.Context, bindingCode string) (*Login, error) {
	return m.loginWithFactor(ctx, "mfa-oob", "binding_code", bindingCode)
}

// LoginWithRecoveryCode goes on with a recovery code, which is used up by that.
// [Login.RecoveryCode] has the next one, to show to the person.
func (m *MFA) LoginWithRecoveryCode(ctx context.Context, recoveryCode string) (*Login, error) {
	return m.loginWithFactor(ctx, "mfa-recovery-code", "recovery_code", recoveryCode)
}

func (m *MFA) loginWithFactor(ctx context.Context, grant, name, value string) (*Login, error) {
	return op("login", m, func() (*Login, error) {
		st := m.state.Reveal()
		form := provider.GrantForm("http://auth0.com/oauth/grant-type/" + grant)
		form.Set("mfa_token", st.Token)
		provider.SetText(form, name, value)
		switch {
		case grant == "mfa-oob" && st.OOBCode == "":
			return nil, refusal.GrantRequest.Because("nothing was sent yet: use the MFA that SendChallenge returns")
		case grant == "mfa-oob":
			form.Set("oob_code", st.OOBCode)
		case value == "":
			return nil, refusal.Credentials.Because("the code is empty")
		}
		got, err := m.app.requestGrant(ctx, form, nil)
		if err != nil {
			return nil, err
		}
		if st.Subject != "" {
			return m.app.continuedLogin(ctx, got, st)
		}
		return m.app.grantedLogin(ctx, got, loginWish{st.Scope, st.Audience, st.Organization})
	})
}

// continuedLogin is for a refresh that needed a second factor. Who it is was
// settled at the login; an ID token, if there is one, must say the same.
func (a *Application) continuedLogin(ctx context.Context, got provider.TokenResponse, st mfaState) (*Login, error) {
	if !strings.EqualFold(got.TokenType, "Bearer") {
		return nil, refusal.TenantAnswer.Wrap(provider.ErrNoBearerToken)
	}
	id := idtoken.Identity{Claims: jwt.Claims{Issuer: st.Issuer, Subject: st.Subject}, Payload: "{}"}
	if got.IDToken != "" {
		ep, err := a.client.Endpoints(ctx)
		if err != nil {
			return nil, err
		}
		if id, err = a.idTokens.Check(ctx, ep, got.IDToken, keys.FromTenant); err != nil {
			return nil, idtoken.Refused(err)
		}
		if id.Claims.Issuer != st.Issuer || id.Claims.Subject != st.Subject {
			return nil, idtoken.Refused(fault.Claim.Because("iss or sub is another one than at the login"))
		}
	}
	l := a.transactions.Accept(&login.Transaction{Scope: st.Scope, Audience: st.Audience}, login.Result{Identity: &id, Token: got.Token(a.now())}, a.site.ReturnFor("", ""))
	l.Recovery, l.Continued, l.Session = secret.OfText(got.RecoveryCode), &got, st.Session
	return a.loginOf(l), nil
}
