package emulator

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// OneTimeCode is the code of every authenticator app.
const OneTimeCode = "246810"

const (
	mfaLifetime     = 10 * time.Minute
	mfaPollInterval = 5 * time.Second
)

// An mfaAttempt is a token request that waits for a second factor.
type mfaAttempt struct {
	grant
	started time.Time
	tries   int

	factor  string // that was challenged
	oobCode string
	code    string // that was sent with it
	polled  time.Time
	answer  string // to a push notification: "approve", "reject" or not yet
}

// The refusals of second factors.
var (
	errMFAToken    = &tokenError{http.StatusForbidden, oauthError{"invalid_grant", "Malformed mfa_token"}}
	errMFAExpired  = &tokenError{http.StatusUnauthorized, oauthError{"expired_token", "mfa_token is expired"}}
	errMFARequired = &tokenError{http.StatusForbidden, oauthError{"mfa_required", "Multifactor authentication required"}}
	errOTP         = &tokenError{http.StatusForbidden, oauthError{"invalid_grant", "Invalid otp_code."}}
	errBindingCode = &tokenError{http.StatusForbidden, oauthError{"invalid_grant", "Invalid binding_code."}}
	errRecovery    = &tokenError{http.StatusForbidden, oauthError{"invalid_grant", "MFA Authorization rejected."}}
	errPending     = &tokenError{http.StatusBadRequest, oauthError{"authorization_pending", "Authorization pending: please repeat the request in a few seconds."}}
	errSlowDown    = &tokenError{http.StatusBadRequest, oauthError{"slow_down", "You are polling faster than allowed. Try again in 10 seconds."}}
	errRejected    = &tokenError{http.StatusBadRequest, oauthError{"access_denied", "MFA Authorization rejected."}}

	errNoFactor      = &tokenError{http.StatusBadRequest, oauthError{"association_required", "The user has no authenticator"}}
	errChallengeType = &tokenError{http.StatusBadRequest, oauthError{"unsupported_challenge_type", "The user has no authenticator of this type"}}
)

// factorKinds are the names of the factors in mfa_requirements.
var factorKinds = map[string]string{"otp": "otp", "sms": "phone", "email": "email", "push": "push-notification", "recovery-code": "recovery-code"}

// secondFactors is the MFA API: it requires a second factor, sends challenges
// and checks the answers.
type secondFactors struct {
	*site
	clientAuth    *clientAuth
	directory     *directory
	mailbox       *mailbox
	refreshTokens *refreshTokens

	pending *bounded[mfaAttempt] // by mfa_token
}

// demandFactor suspends a grant until the user has passed a second factor.
func (sf *secondFactors) demandFactor(g grant, user *storedUser) (map[string]any, *tokenError) {
	token := "Fe26.2*" + randomID(86)
	sf.mu.Lock()
	sf.pending.put(token, mfaAttempt{grant: g, started: sf.now()})
	sf.mu.Unlock()
	requirements := map[string]any{}
	var kinds []map[string]any
	for _, factor := range user.Factors {
		kinds = append(kinds, map[string]any{"type": factorKinds[factor]})
	}
	requirements["challenge"] = kinds
	if len(kinds) == 0 {
		requirements = map[string]any{"enroll": []map[string]any{{"type": "otp"}, {"type": "phone"}}}
	}
	return map[string]any{"mfa_token": token, "mfa_requirements": requirements}, errMFARequired
}

// mfaAttempt returns the attempt of a token and its user.
func (sf *secondFactors) mfaAttempt(token string) (mfaAttempt, *storedUser, *tokenError) {
	sf.mu.Lock()
	defer sf.mu.Unlock()
	m, ok := sf.pending.get(token)
	user := sf.directory.data.users[m.user]
	switch {
	case !ok || user == nil:
		return m, nil, errMFAToken
	case sf.now().Sub(m.started) > mfaLifetime:
		return m, nil, errMFAExpired
	case m.tries >= maxAttempts:
		return m, nil, errTooManyAttempts
	}
	return m, user, nil
}

func authenticatorID(user *storedUser, factor string) string {
	return factor + "|dev_" + derivedID(16, "authenticator", user.Connection, user.ID, factor)
}

// listAuthenticators answers GET /mfa/authenticators.
func (sf *secondFactors) listAuthenticators(w http.ResponseWriter, r *http.Request) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	_, user, err := sf.mfaAttempt(token)
	if !ok {
		err = errUnauthorized
	}
	if err != nil {
		writeJSON(w, err.status, err.oauthError)
		return
	}
	list := []map[string]any{}
	for _, factor := range user.Factors {
		a := map[string]any{"id": authenticatorID(user, factor), "authenticator_type": "oob", "active": true}
		switch factor {
		case "otp", "recovery-code":
			a["authenticator_type"] = factor
		case "push":
			a["oob_channel"], a["name"] = "auth0", "Phone of "+user.Name
		default:
			address := user.factorAddress(factor)
			a["oob_channel"], a["name"] = factor, "XXXX"+address[max(0, len(address)-4):]
		}
		list = append(list, a)
	}
	writeJSON(w, http.StatusOK, list)
}

// factorAddress is the address for a code.
func (u *User) factorAddress(factor string) string {
	if factor == "sms" {
		return cmp.Or(u.Phone, "+15555550100")
	}
	return u.Email
}

// challenge answers POST /mfa/challenge.
func (sf *secondFactors) challenge(w http.ResponseWriter, r *http.Request) {
	body, err := sf.challengeFactor(r)
	if err != nil {
		writeJSON(w, err.status, err.oauthError)
		return
	}
	writeJSON(w, http.StatusOK, body)
}

func (sf *secondFactors) challengeFactor(r *http.Request) (map[string]any, *tokenError) {
	_, form, err := sf.clientAuth.clientRequest(r)
	if err != nil {
		return nil, err
	}
	token := form.Get("mfa_token")
	m, user, err := sf.mfaAttempt(token)
	if err != nil {
		return nil, err
	}
	m.factor = ""
	for _, factor := range user.Factors {
		kind := "oob"
		if factor == "otp" {
			kind = factor
		}
		wanted := form.Get("authenticator_id")
		if m.factor == "" && factor != "recovery-code" && slices.Contains(strings.Fields(form.Get("challenge_type")), kind) &&
			(wanted == "" || wanted == authenticatorID(user, factor)) {
			m.factor = factor
		}
	}
	switch {
	case len(user.Factors) == 0:
		return nil, errNoFactor
	case m.factor == "":
		return nil, errChallengeType
	case m.factor == "otp":
		return map[string]any{"challenge_type": "otp"}, nil
	}
	m.oobCode, m.code, m.answer, m.polled = "Fe26.2*"+randomID(43), "", "", time.Time{}
	body := map[string]any{"challenge_type": "oob", "oob_code": m.oobCode}
	if m.factor != "push" {
		m.code = randomDigits()
		body["binding_method"] = "prompt"
		sf.mailbox.send("mfa", user.factorAddress(m.factor), sentCode{code: m.code})
	}
	sf.mu.Lock()
	defer sf.mu.Unlock()
	sf.pending.put(token, m)
	return body, nil
}

// AnswerPush answers the push notifications that the user has on the phone.
func (sf *secondFactors) AnswerPush(user string, approve bool) {
	answer := "reject"
	if approve {
		answer = "approve"
	}
	subject := sf.directory.named(user)
	sf.mu.Lock()
	defer sf.mu.Unlock()
	for e := sf.pending.order.Front(); e != nil; e = e.Next() {
		entry := e.Value.(entry[mfaAttempt])
		if entry.value.user == subject && entry.value.factor == "push" {
			entry.value.answer = answer
			e.Value = entry
		}
	}
}

// otpFactor answers mfa-otp.
func (sf *secondFactors) otpFactor(c *Client, form url.Values) (map[string]any, *tokenError) {
	return sf.showFactor(c, form, func(m *mfaAttempt, u *storedUser) *tokenError {
		if !slices.Contains(u.Factors, "otp") || !same(form.Get("otp"), OneTimeCode) {
			return errOTP
		}
		return nil
	})
}

// oobFactor answers mfa-oob.
func (sf *secondFactors) oobFactor(c *Client, form url.Values) (map[string]any, *tokenError) {
	return sf.showFactor(c, form, func(m *mfaAttempt, u *storedUser) *tokenError {
		last := m.polled
		m.polled = sf.now()
		switch {
		case m.oobCode == "" || !same(form.Get("oob_code"), m.oobCode), m.code != "" && !same(form.Get("binding_code"), m.code):
			return errBindingCode
		case m.code != "" || m.answer == "approve":
			return nil
		case m.answer == "reject":
			return errRejected
		case !last.IsZero() && m.polled.Sub(last) < mfaPollInterval:
			return errSlowDown
		}
		return errPending
	})
}

// recoveryFactor answers mfa-recovery-code, and replaces the code.
func (sf *secondFactors) recoveryFactor(c *Client, form url.Values) (map[string]any, *tokenError) {
	next := strings.ToUpper(randomHex(12))
	body, err := sf.showFactor(c, form, func(m *mfaAttempt, u *storedUser) *tokenError {
		if !slices.Contains(u.Factors, "recovery-code") || !same(form.Get("recovery_code"), u.RecoveryCode) {
			return errRecovery
		}
		changed := *u
		changed.RecoveryCode = next
		sf.directory.data.users[m.user] = &changed
		return nil
	})
	if err == nil {
		body["recovery_code"] = next
	}
	return body, err
}

// showFactor issues the tokens of an attempt if check agrees. The ID token does
// not report the second factor.
func (sf *secondFactors) showFactor(c *Client, form url.Values, check func(*mfaAttempt, *storedUser) *tokenError) (map[string]any, *tokenError) {
	token := form.Get("mfa_token")
	m, user, err := sf.mfaAttempt(token)
	if err != nil {
		return nil, err
	}
	if m.client != c.ID {
		return nil, errMFAToken
	}
	sf.mu.Lock()
	err = check(&m, user)
	if err != nil {
		if err.Code == "invalid_grant" {
			m.tries++
		}
		sf.pending.put(token, m)
		sf.mu.Unlock()
		return nil, err
	}
	_, first := sf.pending.take(token)
	sf.mu.Unlock()
	if !first {
		return nil, errMFAToken
	}
	return sf.refreshTokens.issueGrant(c, m.grant)
}
