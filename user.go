package auth0

import (
	"encoding/json"
	"fmt"

	"github.com/seed-15d5a55c/auth0/internal/jsonscan"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"golang.org/x/oauth2"
)

// A User is a user who is logged in. Issuer and Subject together identify the user. A
// name or an email address does not.
type User struct {
	Issuer        string
	Subject       string // at Auth0: "auth0|65f0c1d2e3a4b5c6d7e8f901"
	Name          string
	Nickname      string
	GivenName     string
	FamilyName    string
	Email         string
	EmailVerified bool // true only if the tenant says so with a JSON true
	Picture       string
	OrgID         string // the organization logged in to, if any
	OrgName       string

	claims string    // JSON text of the claims of the ID token in the session
	_      [0]func() // no promise that users can be compared with ==
}

// newUser reads a user from verified claims. It ignores a claim of an unexpected
// type: providers differ, and none of these claims identifies the user.
func newUser(issuer, subject string, claims string) User {
	u := User{Issuer: issuer, Subject: subject, claims: claims}
	text := func(value string) string { s, _ := jsonscan.String(value); return s }
	jsonscan.Object(claims, func(name, value string) error {
		switch name {
		case "name":
			u.Name = text(value)
		case "nickname":
			u.Nickname = text(value)
		case "given_name":
			u.GivenName = text(value)
		case "family_name":
			u.FamilyName = text(value)
		case "email":
			u.Email = text(value)
		case "email_verified":
			u.EmailVerified = value == "true"
		case "picture":
			u.Picture = text(value)
		case "org_id":
			u.OrgID = text(value)
		case "org_name":
			u.OrgName = text(value)
		}
		return nil
	})
	return u
}

// text returns the claims. A field that the application has changed replaces its
// claim.
func (u User) text() json.RawMessage {
	members := map[string]json.RawMessage{}
	if json.Unmarshal([]byte(u.claims), &members) != nil || members == nil {
		members = map[string]json.RawMessage{}
	}
	was := newUser(u.Issuer, u.Subject, u.claims)
	for _, field := range []struct {
		claim       string
		is, claimed any
	}{
		{"name", u.Name, was.Name},
		{"nickname", u.Nickname, was.Nickname},
		{"given_name", u.GivenName, was.GivenName},
		{"family_name", u.FamilyName, was.FamilyName},
		{"email", u.Email, was.Email},
		{"email_verified", u.EmailVerified, was.EmailVerified},
		{"picture", u.Picture, was.Picture},
		{"org_id", u.OrgID, was.OrgID},
		{"org_name", u.OrgName, was.OrgName},
	} {
		if field.is != field.claimed {
			members[field.claim], _ = json.Marshal(field.is)
		}
	}
	text, _ := json.Marshal(members)
	return text
}

// with returns the claims and further ones, which do not replace them.
func (u User) with(further map[string]any) (json.RawMessage, error) {
	members := map[string]json.RawMessage{}
	for name, value := range further {
		encoded, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("the claim %.64q cannot be encoded: %w", name, err)
		}
		members[name] = encoded
	}
	if err := json.Unmarshal(u.text(), &members); err != nil {
		return nil, err
	}
	return json.Marshal(members)
}

// Claim returns a claim in the session, as package encoding/json decodes it, and
// whether there is one. Names are case-sensitive, and can be URLs. To decode several
// claims into a struct see [Claims].
func (u User) Claim(name string) (value any, ok bool) {
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(u.claims), &members) != nil {
		return nil, false
	}
	raw, ok := members[name]
	if !ok || json.Unmarshal(raw, &value) != nil {
		return nil, false
	}
	return value, true
}

// A Login is a completed and verified login.
type Login struct {
	User User
	// ReturnTo is the return URL of the login. AfterLogin can change it.
	ReturnTo string
	// AppState is the value of WithAppState, nil without it.
	AppState json.RawMessage
	// Data is at first the Data of the replaced session of the same user, if there is
	// one. AfterLogin can change it, see [Session].
	Data map[string]string

	by       *login.Flow                 // of the application that made the login
	accepted secret.Box[*login.Accepted] // empty for a Login of a test
}

// Token returns the access token and, if there is one, the refresh token. With the
// response type id_token there is neither, and Token returns nil.
func (l *Login) Token() *oauth2.Token {
	if l.accepted.IsEmpty() {
		return nil // the Login is of a test of AfterLogin, for example
	}
	return l.accepted.Reveal().Token
}

// Format hides the tokens from every verb of package fmt.
func (l *Login) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "auth0.Login(%q)", l.User.Subject)
}

// RecoveryCode returns the recovery code that replaces the one used for this login,
// or an empty text. It is not available later.
func (l *Login) RecoveryCode() string {
	if l.accepted.IsEmpty() {
		return ""
	}
	return l.accepted.Reveal().Recovery.Reveal()
}
