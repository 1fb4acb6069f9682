package login

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
	"golang.org/x/oauth2"
)

// An Answer is the Authentication Response (OpenID Connect Core 1.0, Sections 3.1.2.5
// and 3.1.2.6, 3.2.2.5 and 3.3.2.5). None of it has been checked.
type Answer struct {
	State, code, issuer string

	idToken, accessToken, tokenType, expiresIn string // through the browser
	scope                                      *string

	ErrorCode, errorDescription string
}

// ParseAnswer reads the parameters of an answer. It rejects a repeated parameter (RFC
// 6749, Section 3.1), because another program could read the other value. It also
// rejects long values, and an answer without a state. With an error it returns the part
// that it could read.
func ParseAnswer(v url.Values) (Answer, error) {
	const limit, tokenLimit = 4096, 32 << 10
	var unread Answer // returned for an unreadable answer, with its state only
	if len(v["state"]) == 1 && len(v.Get("state")) <= limit {
		unread.State = v.Get("state")
	}
	for _, name := range []string{
		"state", "code", "iss", "id_token", "access_token", "token_type", "expires_in", "scope",
		"error", "error_description", "error_uri",
	} {
		if len(v[name]) > 1 {
			return unread, refusal.Parameters.Because("the parameter %s is there %d times", name, len(v[name]))
		}
		most := limit
		if strings.HasSuffix(name, "_token") {
			most = tokenLimit
		}
		if name != "error_description" && len(v.Get(name)) > most {
			return unread, refusal.Parameters.Because("the parameter %s has %d bytes", name, len(v.Get(name)))
		}
	}
	a := Answer{
		State: v.Get("state"), code: v.Get("code"), issuer: v.Get("iss"),
		idToken: v.Get("id_token"), accessToken: v.Get("access_token"), tokenType: v.Get("token_type"), expiresIn: v.Get("expires_in"),
		ErrorCode: v.Get("error"), errorDescription: v.Get("error_description"),
	}
	if v.Has("scope") {
		scope := v.Get("scope")
		a.scope = &scope
	}
	if a.State == "" {
		return a, refusal.MissingState.New()
	}
	return a, nil
}

// Stray adds the tenant's error to the refusal of an answer that belongs to no login.
// Anyone can have written that answer, so its texts are for the log only.
func (a Answer) Stray(err error) error {
	r, ok := errors.AsType[*refusal.Refusal](err)
	if !ok || a.ErrorCode == "" {
		return err
	}
	said := fmt.Errorf("the answer has the error %.100q: %.200q", a.ErrorCode, a.errorDescription)
	if r.Err != nil {
		said = fmt.Errorf("%w; %w", r.Err, said)
	}
	stray := *r
	stray.Err = said
	return &stray
}

// A code is an authorization code from an answer that belongs to its transaction.
type code string

// A response holds the contents of an answer that belongs to its transaction:
// everything that the response type names, and nothing else.
type response struct {
	code        code
	idToken     string
	accessToken *oauth2.Token
}

// response checks the issuer of an answer, whether it is an error, and whether it is
// complete (RFC 9207, Section 2.4; OpenID Connect Core 1.0, Section 3.1.2.6). The
// issuer comes first: an error from another issuer says nothing about the login.
func (a Answer) response(t *transaction.Transaction, ep discovery.Metadata, now time.Time) (response, error) {
	if a.issuer != "" && a.issuer != ep.Issuer {
		return response{}, refusal.Issuer.Because("iss is %.100q", a.issuer)
	}
	if a.issuer == "" && ep.IssuerInResponse && !a.namesIssuer(t) {
		return response{}, refusal.Issuer.Because("the provider promises iss and did not send it")
	}
	if a.ErrorCode != "" {
		return response{}, tenanterror.Answer(a.ErrorCode, a.errorDescription)
	}
	var got response
	if t.HasCode() {
		if a.code == "" {
			return response{}, refusal.Parameters.Because("neither code nor error")
		}
		got.code = code(a.code)
	}
	if t.HasIDToken() {
		if a.idToken == "" {
			return response{}, refusal.Parameters.Because("neither id_token nor error")
		}
		got.idToken = a.idToken
	}
	if t.HasAccessToken() {
		token, err := a.token(now)
		if err != nil {
			return response{}, err
		}
		got.accessToken = token
	}
	return got, nil
}

// namesIssuer reports whether the answer has its issuer in an ID token of its transaction.
// The parameter iss may then be absent (RFC 9207, Section 4), because verifyResponse
// compares the issuer before a code is redeemed. An error beside an ID token would not be
// compared.
func (a Answer) namesIssuer(t *transaction.Transaction) bool {
	return t.HasIDToken() && a.idToken != "" && a.ErrorCode == ""
}

// token returns the access token that came through the browser (RFC 6749, Section
// 4.2.2).
func (a Answer) token(now time.Time) (*oauth2.Token, error) {
	if a.accessToken == "" {
		return nil, refusal.Parameters.Because("neither access_token nor error")
	}
	if !strings.EqualFold(a.tokenType, "Bearer") {
		return nil, refusal.Parameters.Because("the token type is %.40q, not Bearer", a.tokenType)
	}
	seconds, ok := provider.ParseLife(a.expiresIn)
	if a.expiresIn != "" && (!ok || seconds < 0) {
		return nil, refusal.Parameters.Because("expires_in is %.40q", a.expiresIn)
	}
	life := provider.TokenResponse{ExpiresIn: seconds}.Life()
	token := &oauth2.Token{AccessToken: a.accessToken, TokenType: "Bearer", ExpiresIn: max(1, int64(life/time.Second)), Expiry: now.Add(life)}
	if a.scope != nil {
		token = token.WithExtra(map[string]any{"scope": *a.scope})
	}
	return token, nil
}
