package session

import (
	"encoding/json"
	"maps"
)

// MergeData returns a copy of newest with the changes from before to after.
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

// A Record is a session in a cookie or in the store. Times are Unix seconds.
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
	// Tokens has access tokens. The first is that of the login.
	Tokens []Token           `json:"tokens,omitempty"`
	Vault  []VaultToken      `json:"vault,omitempty"`
	Data   map[string]string `json:"data,omitempty"`

	// Organization is the id of the organization of the login. Claims may not have
	// it.
	Organization string `json:"org,omitempty"`
	// Nonce is that of the first ID token. The ID token of a refresh may repeat it.
	Nonce string `json:"nonce,omitempty"`
	// Refreshes counts the changes of tokens, which tells the newer of two copies.
	Refreshes int `json:"rev,omitempty"`
	// Ceiling is the time at which the tenant wants the session to end, 0 if there
	// is none.
	Ceiling int64 `json:"ceil,omitempty"`

	inCookie bool // and not in the store
}

// A Token is an access token of a session.
type Token struct {
	Audience string `json:"aud,omitempty"`
	// Asked is the requested scope and Scope the granted one. A scope that the
	// tenant does not grant so causes one request and not many.
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

// CeilingLeeway is the number of seconds by which a session ends before its
// ceiling, because its last requests take time too.
const CeilingLeeway = 30

// A VaultToken is a third-party access token in a session. A token without a hint
// is for requests without a hint only, because its account can be another than any
// named one.
type VaultToken struct {
	Connection string `json:"con"`
	Hint       string `json:"hint,omitempty"`
	Scope      string `json:"scope,omitempty"`
	Token      string `json:"token"`
	ExpiresAt  int64  `json:"exp"`
}
