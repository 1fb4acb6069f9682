package auth0

import (
	"encoding/json"
	"fmt"

	"github.com/seed-15d5a55c/auth0/internal/jsonscan"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"golang.org/x/oauth2"
)

// A User is a person who is logged in. Issuer and Subject together identify
// them; a name or an e-mail address does not.
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

	claims json.RawMessage // what the session keeps of the ID token
}

// newUser reads a user from claims that were verified. Of a claim with an
// unexpected type nothing is taken: providers differ, and none of these decides
// who somebody is.
func newUser(issuer, subject string, claims json.RawMessage) User {
	u := User{Issuer: issuer, Subject: subject, claims: claims}
	text := func(value string) string { s, _ := jsonscan.String(value); return s }
	jsonscan.Object(string(claims), func(name, value string) error {
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

// text returns the claims. Where a field differs from its claim, because the
// application has set it, the field counts.
func (u User) text() json.RawMessage {
	members := map[string]json.RawMessage{}
	if json.Unmarshal(u.claims, &members) != nil || members == nil {
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

// with returns the claims, and further ones that do not replace them.
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

// Claim returns a claim that the session keeps, as package encoding/json
// decodes it, and whether it is there. Names are exact, and may be URLs. To
// decode several into a struct see [Claims].
func (u User) Claim(name string) (value any, ok bool) {
	var members map[string]json.RawMessage
	if json.Unmarshal(u.claims, &members) != nil {
		return nil, false
	}
	raw, ok := members[name]
	if !ok || json.Unmarshal(raw, &value) != nil {
		return nil, false
	}
	return value, true
}

// A Login is a login that was completed and verified.
type Login struct {
	User User
	// ReturnTo is where the browser goes next. AfterLogin may change it.
	ReturnTo string
	// AppState is what WithAppState was given, nil without it.
	AppState json.RawMessage
	// Data begins as the data of the session of the same user that is replaced,
	// if there is one. AfterLogin may change it; see [Session].
	Data map[string]string

	by       *login.Flow                 // whose application has made this
	accepted secret.Box[*login.Accepted] // empty if somebody else has made this
}

// Token returns the access token and, if there is one, the refresh token. With
// the response type id_token there is neither, and Token returns nil.
func (l *Login) Token() *oauth2.Token {
	if l.accepted.IsEmpty() {
		return nil // somebody else has made it, for a test of AfterLogin say
	}
	return l.accepted.Reveal().Token
}

// Format hides the tokens from every verb of package fmt.
func (l *Login) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "auth0.Login(%q)", l.User.Subject)
}

// RecoveryCode returns the recovery code that replaces the one that was used for
// this login, else nothing. It is not there again.
func (l *Login) RecoveryCode() string {
	if l.accepted.IsEmpty() {
		return ""
	}
	return l.accepted.Reveal().Recovery.Reveal()
}
