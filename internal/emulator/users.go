package emulator

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
)

// A User is an account in one connection.
type User struct {
	Connection string

	// ID is the part of the subject that follows the strategy (and, for some
	// strategies, the connection). It is derived from Email if empty.
	ID string

	Email         string
	EmailVerified bool
	Phone         string
	Password      string // for database connections

	Name, GivenName, FamilyName, Nickname, Picture string

	Blocked    bool
	DenyReason string // denies every login with this reason, as an Action does
	MFA        bool   // demands a second factor

	// MFAOnRefresh requires a second factor at every refresh, as an Action can.
	MFAOnRefresh bool

	// Factors are "otp", "sms", "email", "push" and "recovery-code". Nil means
	// otp and recovery-code. With an empty list the user has not enrolled. The
	// code of otp is always [OneTimeCode].
	Factors      []string
	RecoveryCode string // made up if empty

	// Protection makes attack protection answer password logins:
	// "password_leaked", "requires_verification" or "suspicious".
	Protection string

	Roles         []string            // names, see SetRolesClaim
	Permissions   map[string][]string // by audience
	Organizations []string            // ids; AddMember adds to them
	Claims        map[string]any      // custom claims of the ID token and of /userinfo
}

// A storedUser is a user with the state that the tenant keeps.
type storedUser struct {
	User
	updated     time.Time
	memberships map[string]Membership // by id of the organization
}

// fillProfile fills the profile as Auth0 normalizes it.
func (u *User) fillProfile() {
	if u.Nickname == "" {
		u.Nickname, _, _ = strings.Cut(cmp.Or(u.Email, u.Phone, u.ID), "@")
	}
	if u.Name == "" {
		u.Name = strings.TrimSpace(u.GivenName + " " + u.FamilyName)
	}
	if u.Name == "" {
		u.Name = cmp.Or(u.Email, u.Phone, u.Nickname)
	}
}

func (u *User) hasAddress(address string) bool {
	return address != "" && (strings.EqualFold(u.Email, address) || u.Phone == address)
}

// pictureOf returns the user's picture, which by default is one that the tenant
// draws, so that pages of demonstrations show pictures without the internet.
func (s *site) pictureOf(u *storedUser) string {
	return cmp.Or(u.Picture, s.base+"/avatars/"+url.PathEscape(initials(u.Name))+".svg")
}

func unknownUser(name string) error { return fmt.Errorf("tenant: there is no user %q", name) }

// minPassword is the length that the sign-up page requires.
const minPassword = 8

// initials returns at most two letters that stand for a name.
func initials(name string) string {
	var letters []rune
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		letters = append(letters, unicode.ToUpper([]rune(word)[0]))
	}
	switch len(letters) {
	case 0:
		return "?"
	case 1:
		return string(letters)
	default:
		return string([]rune{letters[0], letters[len(letters)-1]})
	}
}

// permissionsIn returns the permissions of the user for an API in a login to the
// organization, or in one without.
func (u *storedUser) permissionsIn(orgID, audience string) []string {
	return union(u.Permissions[audience], u.memberships[orgID].Permissions[audience])
}

func (u *storedUser) rolesIn(orgID string) []string {
	return union(u.Roles, u.memberships[orgID].Roles)
}

// union returns the items of both lists, each once. It is never nil.
func union(one, other []string) []string {
	list := []string{}
	for _, item := range slices.Concat(one, other) {
		if !slices.Contains(list, item) {
			list = append(list, item)
		}
	}
	return list
}

// A Membership adds to the properties of a user in logins to one organization.
type Membership struct {
	Roles       []string            // names, see SetRolesClaim
	Permissions map[string][]string // by audience

	// Claims are custom claims of the ID token and of /userinfo. They take
	// precedence over the Claims of the user.
	Claims map[string]any
}

// looksLikeEmail is a plausibility check: something, an at sign, a domain.
func looksLikeEmail(s string) bool {
	name, domain, ok := strings.Cut(s, "@")
	return ok && name != "" && strings.Contains(domain, ".") && !strings.ContainsAny(s, " \t\r\n\x00<>\"") &&
		!strings.Contains(domain, "@") && len(s) <= 254
}

func looksLikePhone(s string) bool {
	return strings.HasPrefix(s, "+") && len(s) >= 8 && len(s) <= 20 && strings.Trim(s[1:], "0123456789 -") == ""
}
