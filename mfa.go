package auth0

import (
	"context"
	"encoding/json"
	"fmt"
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
// factor. [Error].MFA has it when the error is [ErrMFARequired]. What the person
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

	strategy *Strategy // nil if it was not made here
	state    secret.Box[mfaState]
}

// Format hides the token from every verb of package fmt.
func (m *MFA) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "auth0.MFA(%q)", m.Challenge) }

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
func (s *Strategy) mfaOfRefresh(d *provider.MFADemand, audience, scope string, r *session.Record) any {
	return s.mfa(d, loginWish{scope: scope, audience: audience}, r)
}

// mfa makes an MFA of it, for what was asked for.
// Of a refresh, r is the session.
func (s *Strategy) mfa(d *provider.MFADemand, wish loginWish, r *session.Record) *MFA {
	st := mfaState{
		Token: d.Token.Reveal(), Scope: wish.scope, Audience: wish.audience, Organization: wish.organization,
		Challenge: d.Challenge, Enroll: d.Enroll, IssuedAt: s.now().Unix(), Base: s.namespace.Issuer, ClientID: s.config.ClientID,
	}
	if r != nil {
		st.Session, st.Issuer, st.Subject = r.ID, r.Issuer, r.Subject
	}
	return s.newMFA(st)
}

func (s *Strategy) newMFA(st mfaState) *MFA {
	return &MFA{
		Challenge: slices.Clone(st.Challenge), Enroll: slices.Clone(st.Enroll), Type: st.Type, BindingMethod: st.BindingMethod,
		strategy: s, state: secret.Of(st),
	}
}

// Seal encrypts an MFA, so that it can wait for the person in a cookie or a hidden
// field of a form. [Strategy.OpenMFA] opens it for five minutes after the error, at
// any instance of the application.
func (m *MFA) Seal() (string, error) {
	s, st, err := m.open()
	if err != nil {
		return "", asError("login", err)
	}
	plain, err := json.Marshal(st)
	if err != nil {
		return "", asError("login", refusal.Internal.Wrap(err))
	}
	return s.keyring.Seal(purposeMFA, purposeMFA, plain), nil
}

// OpenMFA opens what [MFA.Seal] has sealed.
func (s *Strategy) OpenMFA(sealed string) (*MFA, error) {
	if err := s.ready(); err != nil {
		return nil, asError("login", err)
	}
	var st mfaState
	plain, _, ok := s.keyring.Open(purposeMFA, purposeMFA, sealed)
	if !ok || json.Unmarshal(plain, &st) != nil || st.Base != s.namespace.Issuer || st.ClientID != s.config.ClientID {
		return nil, asError("login", refusal.MFAExpired.Because("the sealed MFA does not open"))
	}
	if age := time.Duration(s.now().Unix()-st.IssuedAt) * time.Second; age >= mfaLife || age < -time.Minute {
		return nil, asError("login", refusal.MFAExpired.Because("the sealed MFA is %v old", age))
	}
	return s.newMFA(st), nil
}

func (m *MFA) open() (*Strategy, mfaState, error) {
	if m == nil || m.strategy == nil {
		return nil, mfaState{}, refusal.GrantRequest.Because("the MFA is not one of an Error")
	}
	return m.strategy, m.state.Reveal(), nil
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
	list, err := m.authenticators(ctx)
	if err != nil {
		return nil, asError("login", err)
	}
	return list, nil
}

func (m *MFA) authenticators(ctx context.Context) ([]Factor, error) {
	s, st, err := m.open()
	if err != nil {
		return nil, err
	}
	var listed []struct {
		ID      string `json:"id"`
		Type    string `json:"authenticator_type"`
		Channel string `json:"oob_channel"`
		Name    string `json:"name"`
		Active  bool   `json:"active"`
	}
	resp, err := provider.BearerRequest(ctx, s.client, secret.OfText(st.Token), http.MethodGet, s.beside("mfa/authenticators"), nil, nil)
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
}

// SendChallenge makes the tenant ask for a second factor: it sends a message or a
// push notification. With an empty id the tenant chooses among those that the
// person has. The MFA that it returns, whose Type says what is expected, takes
// the place of the one given.
func (m *MFA) SendChallenge(ctx context.Context, authenticatorID string) (*MFA, error) {
	challenged, err := m.challenge(ctx, authenticatorID)
	if err != nil {
		return nil, asError("login", err)
	}
	return challenged, nil
}

// mfaRefusals: here, a credential that is not accepted is the MFA itself.
var mfaRefusals = map[string]refusal.Row{"invalid_grant": refusal.MFAExpired}

func (m *MFA) challenge(ctx context.Context, authenticatorID string) (*MFA, error) {
	s, st, err := m.open()
	if err != nil {
		return nil, err
	}
	body := map[string]any{"mfa_token": st.Token, "challenge_type": "oob otp"}
	if authenticatorID != "" {
		body["authenticator_id"] = authenticatorID
	}
	resp, err := s.application.PostJSON(ctx, s.beside("mfa/challenge"), body)
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
	return s.newMFA(st), nil
}

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

// RecoveryCode returns the recovery code that replaces the one that was used for
// this login, else nothing. It is not there again.
func (l *Login) RecoveryCode() string { return l.recovery.Reveal() }

func (m *MFA) loginWithFactor(ctx context.Context, grant, name, value string) (*Login, error) {
	l, err := m.factorGrant(ctx, grant, name, value)
	if err != nil {
		return nil, asError("login", err)
	}
	return l, nil
}

func (m *MFA) factorGrant(ctx context.Context, grant, name, value string) (*Login, error) {
	s, st, err := m.open()
	if err != nil {
		return nil, err
	}
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
	got, err := s.requestGrant(ctx, form, nil)
	if err != nil {
		return nil, err
	}
	if st.Subject != "" {
		return s.continuedLogin(ctx, got, st)
	}
	return s.grantedLogin(ctx, got, loginWish{st.Scope, st.Audience, st.Organization})
}

// continuedLogin is for a refresh that needed a second factor. Who it is was
// settled at the login; an ID token, if there is one, must say the same.
func (s *Strategy) continuedLogin(ctx context.Context, got provider.TokenResponse, st mfaState) (*Login, error) {
	if !strings.EqualFold(got.TokenType, "Bearer") {
		return nil, refusal.TenantAnswer.Wrap(provider.ErrNoBearerToken)
	}
	id := idtoken.Identity{Claims: jwt.Claims{Issuer: st.Issuer, Subject: st.Subject}, Payload: "{}"}
	if got.IDToken != "" {
		ep, err := s.endpoints(ctx)
		if err != nil {
			return nil, err
		}
		if id, err = s.idTokens.Check(ctx, ep, got.IDToken, keys.FromTenant); err != nil {
			return nil, idtoken.Refused(err)
		}
		if id.Claims.Issuer != st.Issuer || id.Claims.Subject != st.Subject {
			return nil, idtoken.Refused(fault.Claim.Because("iss or sub is another one than at the login"))
		}
	}
	l := s.newLogin(&login.Transaction{Scope: st.Scope, Audience: st.Audience}, login.Result{Identity: &id, Token: got.Token(s.now())})
	l.recovery = secret.OfText(got.RecoveryCode)
	l.continued, l.replaces = secret.Of(got), st.Session
	return l, nil
}

// continueSession adds what a refresh has brought in the end to the session that
// it was for. Its id is new, as after any authentication.
func (s *Strategy) continueSession(w http.ResponseWriter, r *http.Request, l *Login) error {
	previous, err := s.visits.Current(w, r)
	if err != nil && !isRefused(err, refusal.LoginRequired) {
		return err
	}
	if previous == nil || previous.ID != l.replaces {
		return refusal.LoginRequired.Because("the session whose refresh this was is over")
	}
	previous, _, err = s.sessions.Newest(r.Context(), previous)
	if err != nil {
		return err
	}
	record := previous.Clone()
	record.ID = secret.Random()
	if err := s.tokens.Continue(r.Context(), record, l.continued.Reveal(), l.audience, l.scope); err != nil {
		return idtoken.Refused(err)
	}
	return s.sessions.Begin(r.Context(), w, s.visits.Jar(r), record, previous.ID)
}
