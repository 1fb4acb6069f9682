package session

import (
	"maps"
	"slices"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/condition"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
)

// A Record is a session in a cookie or in the store. Create it with [NewRecord].
type Record struct {
	ID      string // new at every login
	Issuer  string
	Subject string
	// Claims has the claims of the newest ID token, as JSON text.
	Claims       string
	RefreshToken string // empty if there is none, or if it is no longer valid
	// Tokens has access tokens. The first comes from the login. Vault has tokens of
	// third parties.
	Tokens, Vault []Token
	// Refreshes counts the changes of tokens, which tells the newer of two copies.
	Refreshes int
	// LoginDue notes that the user has to log in again. The login route must then not
	// take this session for a login.
	LoginDue bool
	// ProofKey is the key to which Tokens are bound, as package prover keeps it. It is empty
	// for bearer tokens.
	ProofKey string
	Data     map[string]string // of the application
	// Persistent says whether the cookie outlives the browser, nil for the setting of the
	// application.
	Persistent *bool

	// Of the login. Times are Unix seconds.
	organization string // its id, which Claims may not have
	orgName      string // likewise
	sid          string // the tenant's session
	nonce        string // of the first ID token; the ID token of a refresh may repeat it
	issuedAt     int64  // of the first ID token
	authTime     int64  // of the newest ID token that has one
	acr          string
	amr          []string
	idToken      string

	createdAt int64
	touchedAt int64
	expiresAt int64
	ceiling   int64 // the session's end set by the tenant, 0 for none

	inCookie    bool // the session is in a cookie, not in the store
	undelivered bool // the tokens are not in the cookie of the browser
}

// A Token is an access token of a session, for an API or for a third party.
type Token struct {
	Audience string // of an API
	// Connection is set for a third party, and Hint names the account there. A token
	// without a hint is for requests without a hint only, because its account can be
	// another than any named one.
	Connection, Hint string
	// Asked is the requested scope and Scope the granted one. With both, a scope that
	// the tenant does not grant causes one request and not many.
	Asked, Scope string
	Token        string
	ExpiresAt    int64 // Unix seconds
}

// ceilingLeeway is the number of seconds by which a session ends before its ceiling,
// because its last requests take time too.
const ceilingLeeway = 30

// NewRecord returns the session of a login with an ID token. The ceiling is the time,
// in Unix seconds, at which the tenant wants the session to end, or 0. NewRecord
// fails with [refusal.Ceiling] if that time has come.
func NewRecord(c *jwt.Claims, ceiling int64, now time.Time) (*Record, error) {
	if ceiling > 0 && ceiling <= loginTime(c.IssuedAt, now)+ceilingLeeway {
		return nil, refusal.Ceiling.Because("session_expiry is %d", ceiling)
	}
	return &Record{
		ID: secret.Random(), Issuer: c.Issuer, Subject: c.Subject, organization: c.OrgID, orgName: c.OrgName, sid: c.SessionID, nonce: c.Nonce,
		issuedAt: int64(c.IssuedAt), authTime: int64(c.AuthTime), acr: c.ACR, amr: c.AMR, createdAt: now.Unix(), ceiling: ceiling,
	}, nil
}

// began returns the time at which the user logged in, by the clock of the application.
// A program can begin a session long after the login. The clock of the tenant may be
// behind by a minute.
func (r *Record) began() int64 {
	if r.issuedAt > 0 {
		return min(r.createdAt, r.issuedAt+60)
	}
	return r.createdAt
}

// loginTime returns the time at which the tenant issued an ID token, by its own clock
// if that is plausible.
func loginTime(issuedAt float64, now time.Time) int64 {
	if issuedAt > 0 && issuedAt < 1e10 {
		return int64(issuedAt)
	}
	return now.Unix()
}

// SetIdentity replaces the claims of a session by the kept claims of an ID token of its
// user, and its ID token unless raw is empty. An authentication claim that the ID token
// omits stays: the ID tokens of a refresh have neither acr nor amr at Auth0. SetIdentity does not change the time at which the first ID token was
// issued: a logout at the tenant ends the sessions with older ID tokens.
func (r *Record) SetIdentity(c *jwt.Claims, kept, raw string) {
	if c.Has(jwt.AuthTime) {
		r.authTime = int64(c.AuthTime)
	}
	if c.Has(jwt.ACR) {
		r.acr = c.ACR
	}
	if c.Has(jwt.AMR) {
		r.amr = c.AMR
	}
	r.Claims = kept
	if raw != "" {
		r.idToken = raw
	}
}

// isOf reports whether the session is of the user of an ID token, in the same
// organization. A user can be an administrator of one organization and a guest in
// another.
func (r *Record) isOf(c *jwt.Claims) bool {
	return r.Issuer == c.Issuer && r.Subject == c.Subject && r.organization == c.OrgID
}

// CheckRefreshed compares the ID tokens of a refresh and of the login (OpenID
// Connect Core 1.0, Section 12.2). Unlike there, auth_time may be newer: the user has
// authenticated again in another application. It returns nil if they agree. Foreign
// reports whether the fault proves that the token is not for the user of the session.
func (r *Record) CheckRefreshed(c *jwt.Claims, now time.Time, leeway time.Duration) (bad *fault.Fault, foreign bool) {
	ahead := c.AuthTime - float64(now.UnixMilli())/1000
	switch {
	case c.Issuer != r.Issuer || c.Subject != r.Subject:
		return fault.Claim.Because("iss or sub is another one than at the login"), true
	case r.organization != "" && c.OrgID != "" && c.OrgID != r.organization:
		return fault.Organization.Because("org_id is %.100q, the login was to %q", c.OrgID, r.organization), true
	case c.IssuedAt < float64(r.issuedAt)-leeway.Seconds():
		return fault.Claim.Because("iat is before the iat of the login"), false
	case c.Has(jwt.AuthTime) && int64(c.AuthTime) < r.authTime:
		return fault.Claim.Because("auth_time is before the auth_time of the login"), false
	case c.Has(jwt.AuthTime) && ahead > leeway.Seconds():
		return fault.IssuedAhead.Because("auth_time is %.0f s ahead; check the clock of this machine", ahead), false
	case c.Has(jwt.Nonce) && r.nonce != "" && c.Nonce != r.nonce:
		return fault.Nonce.Because("the nonce is another one than at the login"), false
	}
	return nil, false
}

// Life returns the time at which the session began, and the time at which it ends unless
// it is used before.
func (r *Record) Life() (began, ends time.Time) {
	return time.Unix(r.createdAt, 0), time.Unix(r.expiresAt, 0)
}

// Facts returns the tenant's claims about the authentication of the user. The caller must
// not change its slices.
func (r *Record) Facts() condition.Facts {
	return condition.Facts{Time: float64(max(0, r.authTime)), ACR: r.acr, AMR: r.amr, OrgID: r.organization, OrgName: r.orgName}
}

// LogoutHints returns the id of the tenant's session, and the ID token if the session
// has it. They name the session that the tenant has to end.
func (r *Record) LogoutHints() (sid, idToken string) { return r.sid, r.idToken }

// isNewer reports whether r is a later state of the session than other.
func (r *Record) isNewer(other *Record) bool {
	if r.Refreshes != other.Refreshes {
		return r.Refreshes > other.Refreshes
	}
	return r.touchedAt > other.touchedAt
}

// clone returns a copy that shares no slice or map with r.
func (r *Record) clone() *Record {
	copied := *r
	copied.amr = slices.Clone(r.amr)
	copied.Tokens = slices.Clone(r.Tokens)
	copied.Vault = slices.Clone(r.Vault)
	copied.Data = maps.Clone(r.Data)
	return &copied
}

// withTokensOf returns a copy of the record with the tokens and claims of a newer
// state.
func (r *Record) withTokensOf(newer *Record) *Record {
	copied := r.clone()
	copied.RefreshToken, copied.Tokens, copied.Refreshes, copied.LoginDue = newer.RefreshToken, newer.Tokens, newer.Refreshes, newer.LoginDue
	copied.Vault, copied.ProofKey = newer.Vault, newer.ProofKey
	copied.idToken, copied.Claims, copied.authTime = newer.idToken, newer.Claims, max(copied.authTime, newer.authTime)
	copied.acr, copied.amr = newer.acr, slices.Clone(newer.amr)
	return copied
}

// mergeData makes the changes from before to after in newest, which can be nil, and
// returns the result.
func mergeData(before, after, newest map[string]string) map[string]string {
	if newest == nil {
		newest = map[string]string{}
	}
	for name, value := range after {
		if old, ok := before[name]; !ok || old != value {
			newest[name] = value
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			delete(newest, name)
		}
	}
	return newest
}
