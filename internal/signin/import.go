package signin

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/prover"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/renew"
	"github.com/seed-15d5a55c/auth0/internal/session"
	"golang.org/x/oauth2"
)

// An Imported session comes from another session system.
type Imported struct {
	Claims     jwt.Claims      // issuer, subject, organization, session at the tenant
	Kept       json.RawMessage // the session's claims
	Token      *oauth2.Token   // nil if there is none
	Audience   string
	Scope      string
	Data       map[string]string
	LoggedInAt time.Time
	Persistent *bool // see [session.Record]
}

// Import starts a session for a user whom another session system has logged in. The
// session id is new. The time limits count from the time of that login.
func (s *Routes) Import(w http.ResponseWriter, r *http.Request, i Imported) error {
	const leeway = 5 * time.Minute // between the clocks of instances
	if i.LoggedInAt.After(s.c.Now().Add(leeway)) {
		return refusal.Internal.Because("the imported session starts in the future, at %v", i.LoggedInAt)
	}
	i.Claims.IssuedAt = float64(i.LoggedInAt.Unix())
	// The login time is not the authentication time: with single sign-on the user can
	// have authenticated long before. Only claims of the old ID token reveal it.
	const facts = jwt.AuthTime | jwt.ACR | jwt.AMR
	if known, err := jwt.ParseClaims(string(i.Kept), false, facts); err == nil {
		i.Claims.AuthTime, i.Claims.ACR, i.Claims.AMR = known.AuthTime, known.ACR, known.AMR
	}
	record, err := session.NewRecord(&i.Claims, 0, i.LoggedInAt)
	if err != nil {
		return err
	}
	record.SetIdentity(&i.Claims, string(i.Kept), "")
	record.Data, record.Persistent = i.Data, i.Persistent
	if i.Token != nil {
		record.RefreshToken = i.Token.RefreshToken
		record.Tokens, record.ProofKey = s.imported(i), keyFor(i.Token, s.c.Flow.Client.Proofs).Kept()
	}
	loaded, err := s.c.Visits.Loaded(r)
	if err != nil {
		return err
	}
	return s.c.Visits.Sessions.Begin(r.Context(), w, loaded, record)
}

// imported returns the token of the old session, in the place of the token of the login.
// It drops a sender-constrained token, whose key this process may not have. If there is
// only a refresh token, imported returns an expired access token, which tells the
// session the API of the login.
func (s *Routes) imported(i Imported) []session.Token {
	switch {
	case i.Token.AccessToken != "" && !isBound(i.Token):
		return []session.Token{renew.OfLogin(s.lasting(i.Token), i.Audience, i.Scope, s.c.Now())}
	case i.Token.RefreshToken != "":
		return []session.Token{{Audience: i.Audience, Asked: i.Scope}}
	}
	return nil
}

// keyFor returns the key for the next tokens of an imported session. If its token was
// sender-constrained, they must not be bearer tokens: keyFor returns the token's key, or
// else a key of the application.
func keyFor(t *oauth2.Token, own *prover.Keys) prover.Key {
	if !isBound(t) || t.RefreshToken == "" {
		return prover.Key{}
	}
	if key := prover.KeyOf(t); !key.IsZero() {
		return key
	}
	return own.ForLogin()
}

func isBound(t *oauth2.Token) bool { return strings.EqualFold(t.TokenType, prover.TokenType) }

// lasting returns a token with its remaining life in seconds. An expired access token,
// or one with an unknown expiry, counts as valid for a second.
func (s *Routes) lasting(t *oauth2.Token) *oauth2.Token {
	lasting := *t
	lasting.ExpiresIn = max(1, int64(t.Expiry.Sub(s.c.Now())/time.Second))
	return &lasting
}
