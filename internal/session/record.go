package session

import (
	"encoding/json"
	"maps"
)

// MergeData makes the changes from before to after in newest.
func MergeData(before, after, newest map[string]string) map[string]string {
	merged := maps.Clone(newest)
	if merged == nil {
		merged = map[string]string{}
	}
	for name, value := range after {
		if old, ok := before[name]; !ok || old != value {
			merged[name] = value
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			delete(merged, name)
		}
	}
	return merged
}

// A Record is what the session cookie or the store holds. Times are Unix
// seconds.
type Record struct {
	Version int    `json:"v"`
	ID      string `json:"id"` // new at every login
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`

	CreatedAt int64 `json:"iat"`
	TouchedAt int64 `json:"uat"`
	ExpiresAt int64 `json:"exp"`

	SID             string          `json:"sid,omitempty"` // the tenant's session
	IDTokenIssuedAt int64           `json:"id_iat"`
	AuthTime        int64           `json:"auth_time,omitempty"`
	ACR             string          `json:"acr,omitempty"`
	AMR             []string        `json:"amr,omitempty"`
	Claims          json.RawMessage `json:"-"` // behind the rest, see encode
	IDToken         string          `json:"id_token,omitempty"`
	RefreshToken    string          `json:"refresh_token,omitempty"`
	// Tokens are access tokens; the first is that of the login.
	Tokens []Token           `json:"tokens,omitempty"`
	Vault  []VaultToken      `json:"vault,omitempty"`
	Data   map[string]string `json:"data,omitempty"`

	// Organization is the id of the one that the login was to; among Claims it
	// may not be kept.
	Organization string `json:"org,omitempty"`
	// Nonce is the first ID token's, which one of a refresh may repeat.
	Nonce string `json:"nonce,omitempty"`
	// Refreshes counts the changes of tokens, so that of two copies the newer
	// one is known.
	Refreshes int `json:"rev,omitempty"`
	// Ceiling is when the tenant wants the session to end, if it has said so.
	Ceiling int64 `json:"ceil,omitempty"`

	inCookie bool // and not in the store
}

type Token struct {
	Audience string `json:"aud,omitempty"`
	// Asked and Scope are kept apart: the tenant leaves out of Scope what it
	// does not grant, and nobody should ask for that again and again.
	Asked     string `json:"asked,omitempty"`
	Scope     string `json:"scope,omitempty"`
	Type      string `json:"type"`
	Token     string `json:"token"`
	ExpiresAt int64  `json:"exp"`
}

const (
	Version        = 1
	purposeSession = "session"
)

// CeilingLeeway is how many seconds before its ceiling a session ends, since what
// it does takes time too.
const CeilingLeeway = 30

// A VaultToken is a token of a third party as a session keeps it. Without hint
// is a hint of its own: what it stands for may be another account than any that
// was named.
type VaultToken struct {
	Connection string `json:"con"`
	Hint       string `json:"hint,omitempty"`
	Scope      string `json:"scope,omitempty"`
	Token      string `json:"token"`
	ExpiresAt  int64  `json:"exp"`
}
