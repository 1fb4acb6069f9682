package grants

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/prover"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/tenantapi"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
)

// An MFA is a request that the tenant continues after a second factor. Formatting it
// reveals nothing.
type MFA struct{ state secret.Box[mfaState] }

// Shown are the public members of an MFA.
type Shown struct {
	// Challenge lists the factors that the user can use, and Enroll the factors that
	// the user can add.
	Challenge []string `json:"challenge,omitempty"`
	Enroll    []string `json:"enroll,omitempty"`
	// Type is "otp" or "oob" after a challenge. BindingMethod is then "prompt" if the
	// user has to enter a code from a message, else empty.
	Type          string `json:"type,omitempty"`
	BindingMethod string `json:"binding,omitempty"`
}

// An mfaState is the state of an MFA, and its form as JSON when it is sealed.
type mfaState struct {
	Token   string `json:"token"`
	OOBCode string `json:"oob,omitempty"`
	Purpose
	Shown
	IssuedAt int64  `json:"iat"`
	Base     string `json:"base"` // the issuer
	ClientID string `json:"client"`
}

// Shown returns a copy of the public members.
func (m MFA) Shown() Shown {
	s := m.state.Reveal().Shown
	s.Challenge, s.Enroll = slices.Clone(s.Challenge), slices.Clone(s.Enroll)
	return s
}

// Purpose returns the requested properties.
func (m MFA) Purpose() Purpose { return m.state.Reveal().Purpose }

// Began returns when the tenant required the second factor, in Unix seconds.
func (m MFA) Began() int64 { return m.state.Reveal().IssuedAt }

// Demanded returns the MFA for a demand of the tenant.
func (g *Grants) Demanded(d *tenanterror.MFADemand, p Purpose) MFA {
	return MFA{secret.Of(mfaState{
		Token: d.Token.Reveal(), Purpose: p, Shown: Shown{Challenge: d.Challenge, Enroll: d.Enroll},
		IssuedAt: g.Now().Unix(), Base: g.Client.Tenant.Issuer, ClientID: g.Client.ID,
	})}
}

const (
	purposeMFA = "mfa"
	// mfaLife is shorter than the ten minutes of the tenant's token, because a
	// browser keeps the sealed MFA.
	mfaLife = 5 * time.Minute
)

// Seal encrypts an MFA.
func (g *Grants) Seal(m MFA) string {
	plain, _ := json.Marshal(m.state.Reveal()) // texts and numbers, so it cannot fail
	return g.Keyring.Seal(purposeMFA, purposeMFA, plain)
}

// Open opens an MFA that an instance of the same application sealed.
func (g *Grants) Open(sealed string) (MFA, error) {
	var st mfaState
	plain, _, ok := g.Keyring.Open(purposeMFA, purposeMFA, sealed)
	if !ok || json.Unmarshal(plain, &st) != nil || st.Base != g.Client.Tenant.Issuer || st.ClientID != g.Client.ID {
		return MFA{}, refusal.MFAExpired.Because("the sealed MFA does not open")
	}
	if age := time.Duration(g.Now().Unix()-st.IssuedAt) * time.Second; age >= mfaLife || age < -time.Minute {
		return MFA{}, refusal.MFAExpired.Because("the sealed MFA is %v old", age)
	}
	return MFA{secret.Of(st)}, nil
}

// A Factor is an enrolled second factor. Its fields are those of the public type
// Factor in the same order, so that one converts to the other.
type Factor struct{ ID, Type, Channel, Name string }

// Factors returns the usable factors.
func (g *Grants) Factors(ctx context.Context, m MFA) ([]Factor, error) {
	var listed []struct {
		ID      string `json:"id"`
		Type    string `json:"authenticator_type"`
		Channel string `json:"oob_channel"`
		Name    string `json:"name"`
		Active  bool   `json:"active"`
	}
	token := prover.Credential{Token: m.state.Reveal().Token}
	resp, err := tenantapi.Do(ctx, g.Client.HTTP, token, http.MethodGet, g.Client.Beside("mfa/authenticators"), nil, nil)
	if err == nil {
		err = tenantapi.Decode(resp, &listed)
	}
	if err != nil {
		return nil, tenanterror.Meaning(tenanterror.SecondFactor, err)
	}
	var list []Factor
	for _, l := range listed {
		if l.Active {
			list = append(list, Factor{l.ID, l.Type, l.Channel, l.Name})
		}
	}
	return list, nil
}

// Challenge makes the tenant challenge a factor. Without an id the tenant chooses
// one. It returns the MFA that accepts the user's code.
func (g *Grants) Challenge(ctx context.Context, m MFA, factorID string) (MFA, error) {
	st := m.state.Reveal()
	body := map[string]any{"mfa_token": st.Token, "challenge_type": "oob otp"}
	if factorID != "" {
		body["authenticator_id"] = factorID
	}
	resp, err := g.Client.PostJSON(ctx, "mfa/challenge", body, nil)
	if err != nil {
		return MFA{}, tenanterror.Meaning(tenanterror.SecondFactor, err)
	}
	var got struct {
		Type          string `json:"challenge_type"`
		OOBCode       string `json:"oob_code"`
		BindingMethod string `json:"binding_method"`
	}
	if json.Unmarshal(resp.Body, &got) != nil || got.Type != "otp" && got.Type != "oob" || (got.Type == "oob") != (got.OOBCode != "") {
		return MFA{}, refusal.TenantAnswer.Because("the challenge is not the expected JSON")
	}
	st.Type, st.OOBCode, st.BindingMethod = got.Type, got.OOBCode, got.BindingMethod
	return MFA{secret.Of(st)}, nil
}

// OTP returns a request with a code of an authenticator app.
func (m MFA) OTP(code string) (*Request, error) { return m.request("mfa-otp", "otp", code) }

// RecoveryCode returns a request with a recovery code.
func (m MFA) RecoveryCode(code string) (*Request, error) {
	return m.request("mfa-recovery-code", "recovery_code", code)
}

func (m MFA) request(grant, name, code string) (*Request, error) {
	if code == "" {
		return nil, refusal.Credentials.Because("the code is empty")
	}
	r := m.begin(grant)
	r.form.Set(name, code)
	return r, nil
}

// OOB returns a request with the code of a message, or with the empty code for a push
// notification.
func (m MFA) OOB(bindingCode string) (*Request, error) {
	sent := m.state.Reveal().OOBCode
	if sent == "" {
		return nil, refusal.GrantRequest.Because("nothing was sent yet: use the MFA that SendChallenge returns")
	}
	r := m.begin("mfa-oob")
	r.form.Set("oob_code", sent)
	provider.SetText(r.form, "binding_code", bindingCode)
	return r, nil
}

func (m MFA) begin(grant string) *Request {
	r := &Request{form: provider.GrantForm("http://auth0.com/oauth/grant-type/" + grant), where: tenanterror.Grant, key: (*prover.Keys).ForLogin}
	r.form.Set("mfa_token", m.state.Reveal().Token)
	if p := m.Purpose(); p.Session != "" { // this continues a refresh, whose session has its key
		r.key = func(k *prover.Keys) prover.Key { return k.Open(p.ProofKey) }
	}
	return r
}
