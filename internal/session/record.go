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
	ID      string // new at every login
	Issuer  string
	Subject string

	CreatedAt int64
	TouchedAt int64
	ExpiresAt int64

	SID             string // the tenant's session
	IDTokenIssuedAt int64
	AuthTime        int64
	ACR             string
	AMR             []string
	Claims          json.RawMessage
	IDToken         string
	RefreshToken    string
	// Tokens has access tokens. The first is that of the login. Vault has tokens of
	// third parties.
	Tokens, Vault []Token
	Data          map[string]string

	// Organization is the id of the organization of the login. Claims may not have
	// it.
	Organization string
	// Nonce is that of the first ID token. The ID token of a refresh may repeat it.
	Nonce string
	// Refreshes counts the changes of tokens, which tells the newer of two copies.
	Refreshes int
	// Ceiling is the time at which the tenant wants the session to end, 0 if there
	// is none.
	Ceiling int64

	inCookie bool // and not in the store
}

// A Token is an access token of a session, for an API or for a third party.
type Token struct {
	Audience string // of an API
	// Connection is that of a third party, and Hint names the account there. A token
	// without a hint is for requests without a hint only, because its account can be
	// another than any named one.
	Connection, Hint string
	// Asked is the requested scope and Scope the granted one. A scope that the
	// tenant does not grant so causes one request and not many.
	Asked, Scope string
	Type         string
	Token        string
	ExpiresAt    int64 // Unix seconds
}

const purposeSession = "session"

// CeilingLeeway is the number of seconds by which a session ends before its
// ceiling, because its last requests take time too.
const CeilingLeeway = 30
