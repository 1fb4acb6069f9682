package emulator

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
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
	DenyReason string // refuses every login with this reason, as an Action does
	MFA        bool   // demands a second factor

	// MFAOnRefresh demands a second factor at every refresh, as an Action can.
	MFAOnRefresh bool

	// Factors are "otp", "sms", "email", "push" and "recovery-code". Nil means
	// otp and recovery-code; with an empty list the user has none to show. The
	// code of otp is [OneTimeCode], for everybody.
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

// A storedUser is a user with what the tenant keeps beside the configuration.
type storedUser struct {
	User
	updated     time.Time
	memberships map[string]Membership // by id of the organization
}

// AddUser adds a user, or replaces the one with its subject. The connection
// must exist.
func (dir *directory) AddUser(u User) error {
	claims, err := cloneJSON(u.Claims)
	if err != nil {
		return fmt.Errorf("tenant: user %q: Claims: %w", u.Email, err)
	}
	u.Claims = claims
	u.Organizations = slices.Clone(u.Organizations)
	u.Factors = slices.Clone(u.Factors)
	u.Roles = slices.Clone(u.Roles)
	u.Permissions = clonePermissions(u.Permissions)
	dir.mu.Lock()
	defer dir.mu.Unlock()
	_, err = dir.data.addUser(u, dir.now())
	return err
}

func clonePermissions(byAudience map[string][]string) map[string][]string {
	clone := maps.Clone(byAudience)
	for audience, permissions := range clone {
		clone[audience] = slices.Clone(permissions)
	}
	return clone
}

func (d *data) addUser(u User, now time.Time) (subject string, err error) {
	conn := d.connection(u.Connection)
	if conn == nil {
		return "", fmt.Errorf("tenant: user %q: there is no connection %q", u.Email, u.Connection)
	}
	if u.ID == "" && u.Email == "" && u.Phone == "" || hasControl(u.ID) || hasControl(u.Email) {
		return "", errors.New("tenant: a user needs an ID or an Email")
	}
	existing, exists := d.userByAddress(conn.Name, cmp.Or(u.Email, u.Phone))
	switch {
	case u.ID == "" && exists:
		u.ID = existing.ID
	case u.ID == "":
		sum := sha256.Sum256([]byte(conn.Name + "\x00" + cmp.Or(u.Email, u.Phone)))
		u.ID = hex.EncodeToString(sum[:12])
	case exists && existing.ID != u.ID && kindOf(conn.Strategy) == database:
		return "", fmt.Errorf("tenant: the connection %q has a user %q already", conn.Name, u.Email)
	}
	u.fillProfile()
	if u.Factors == nil {
		u.Factors = []string{"otp", "recovery-code"}
	}
	if u.RecoveryCode == "" {
		u.RecoveryCode = strings.ToUpper(derivedID(24, "recovery", conn.Name, u.ID))
	}
	subject = subjectOf(conn, u.ID)
	stored := &storedUser{User: u, updated: now}
	if old := d.users[subject]; old != nil {
		stored.memberships = old.memberships
	} else {
		d.subjects = append(d.subjects, subject)
	}
	d.users[subject] = stored
	return subject, nil
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

// RemoveUser deletes a user, with the accounts at third parties. Refresh tokens
// of the user stop working.
func (dir *directory) RemoveUser(subject string) {
	dir.mu.Lock()
	defer dir.mu.Unlock()
	dir.accounts.deleteFunc(func(a thirdParty) bool { return a.subject == subject })
	dir.data.removeUser(subject)
}

func (d *data) removeUser(subject string) {
	delete(d.users, subject)
	d.subjects = slices.DeleteFunc(d.subjects, func(s string) bool { return s == subject })
	d.signups = slices.DeleteFunc(d.signups, func(s string) bool { return s == subject })
}

// Subject returns the subject of a user, for example
// "google-oauth2|1018...", given an email address, a phone number or the
// subject itself. The user that was added first wins.
func (dir *directory) Subject(address string) (string, bool) {
	dir.mu.Lock()
	defer dir.mu.Unlock()
	return dir.data.subject(address, "")
}

// subject finds a user by address or subject, within a connection if one is given.
func (d *data) subject(address, connection string) (string, bool) {
	for _, s := range d.subjects {
		u := d.users[s]
		if (s == address || u.hasAddress(address)) && (connection == "" || u.Connection == connection) {
			return s, true
		}
	}
	return "", false
}

func (u *User) hasAddress(address string) bool {
	return address != "" && (strings.EqualFold(u.Email, address) || u.Phone == address)
}

func (d *data) userByAddress(connection, address string) (*storedUser, bool) {
	if subject, ok := d.subject(address, connection); ok && d.users[subject].hasAddress(address) {
		return d.users[subject], true
	}
	return nil, false
}

// usersOf returns the subjects of a connection's users.
func (d *data) usersOf(connection string) []string {
	var subjects []string
	for _, s := range d.subjects {
		if d.users[s].Connection == connection {
			subjects = append(subjects, s)
		}
	}
	return subjects
}

// subjectOf returns the sub of a user. The strategies whose ids are only unique
// within one connection have its name in the middle.
func subjectOf(c *Connection, id string) string {
	switch c.Strategy {
	case "samlp", "oauth1", "oauth2", "oidc", "okta", "adfs", "ad", "auth0-adldap", "auth0-oidc", "pingfederate", "custom":
		return c.Strategy + "|" + c.Name + "|" + id
	}
	return c.Strategy + "|" + id
}
