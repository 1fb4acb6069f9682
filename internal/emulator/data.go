package emulator

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"
)

// data is the configuration of a tenant by its owner. Stored values are never
// changed, only replaced, so that they can be used after the lock is released.
type data struct {
	clients     map[string]*Client     // by id
	clientIDs   []string               // in order of addition
	apis        map[string]*API        // by audience
	connections []*Connection          // in order of addition
	users       map[string]*storedUser // by subject
	subjects    []string               // in order of addition
	signups     []string               // subjects that were created on a page
	orgs        []*Organization
	demo        bool
	rolesClaim  string // where tokens carry the names of roles; empty for nowhere
}

func newData() data {
	return data{clients: map[string]*Client{}, apis: map[string]*API{}, users: map[string]*storedUser{}}
}

// derivedID returns n characters that depend only on the parts, so that ids are
// the same in every run.
func derivedID(n int, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	text := new(big.Int).SetBytes(sum[:]).Text(62)
	return text[len(text)-n:]
}

// hasControl reports whether s has a control character, which no identifier needs.
func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func (d *data) connection(name string) *Connection {
	for _, c := range d.connections {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// enabledFor returns the connections that the client's users may use, within an
// organization if there is one.
func (d *data) enabledFor(c *Client, org *Organization) []*Connection {
	var enabled []*Connection
	for _, conn := range d.connections {
		ok := slices.Contains(c.Connections, conn.Name) || c.ThirdParty && conn.IsDomain
		if org != nil {
			_, ok = org.connection(conn.Name)
		}
		if ok {
			enabled = append(enabled, conn)
		}
	}
	return enabled
}

// organization finds an organization by id or name.
func (d *data) organization(idOrName string) *Organization {
	for _, o := range d.orgs {
		if idOrName != "" && (o.ID == idOrName || o.Name == idOrName) {
			return o
		}
	}
	return nil
}

// join makes a user a member and uses up the invitation.
func (d *data) join(subject, orgID, invitation string) {
	if u := d.users[subject]; u != nil && !slices.Contains(u.Organizations, orgID) {
		member := *u
		member.Organizations = append(slices.Clone(u.Organizations), orgID)
		d.users[subject] = &member
	}
	for i, o := range d.orgs {
		if _, ok := o.invitation(invitation); ok && o.ID == orgID {
			org := *o
			org.Invitations = slices.DeleteFunc(slices.Clone(o.Invitations), func(in Invitation) bool { return in.Ticket == invitation })
			d.orgs[i] = &org
		}
	}
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

func (d *data) removeClient(id string) {
	delete(d.clients, id)
	d.clientIDs = slices.DeleteFunc(d.clientIDs, func(other string) bool { return other == id })
}

func (d *data) removeUser(subject string) {
	delete(d.users, subject)
	d.subjects = slices.DeleteFunc(d.subjects, func(s string) bool { return s == subject })
	d.signups = slices.DeleteFunc(d.signups, func(s string) bool { return s == subject })
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

// automaticSubject returns the automatic user's account in the wanted connection.
// Accounts with the same email address belong to the same user.
func (d *data) automaticSubject(subject, connection string) string {
	u := d.users[subject]
	if u == nil || connection == "" || u.Connection == connection {
		return subject
	}
	other, _ := d.subject(u.Email, connection)
	return other
}

// enable turns a connection on or off for an application.
func (d *data) enable(clientID, connection string, on bool) {
	client := d.clients[clientID].clone()
	client.Connections = slices.DeleteFunc(client.Connections, func(name string) bool { return name == connection })
	if on {
		client.Connections = append(client.Connections, connection)
	}
	d.clients[clientID] = &client
}

func clonePermissions(byAudience map[string][]string) map[string][]string {
	clone := maps.Clone(byAudience)
	for audience, permissions := range clone {
		clone[audience] = slices.Clone(permissions)
	}
	return clone
}
