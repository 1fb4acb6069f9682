package emulator

import (
	"crypto/sha256"
	"crypto/subtle"
	"math/big"
	"net/http"
	"slices"
	"strings"
)

// data is what the owner of a tenant configures. Stored values are never
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

// A directory is what the owner of a tenant configures: applications, APIs,
// connections, users with their accounts at third parties, and organizations.
type directory struct {
	*site

	data     data
	accounts *bounded[thirdParty] // by subject, connection and id
}

// user returns the user with the subject.
func (dir *directory) user(subject string) (*storedUser, bool) {
	dir.mu.Lock()
	defer dir.mu.Unlock()
	u, ok := dir.data.users[subject]
	return u, ok
}

func (dir *directory) client(id string) (*Client, bool) {
	dir.mu.Lock()
	defer dir.mu.Unlock()
	c, ok := dir.data.clients[id]
	return c, ok
}

// named returns the subject of a user named by address or subject, or the name
// itself if there is no such user.
func (dir *directory) named(user string) string {
	if subject, ok := dir.Subject(user); ok {
		return subject
	}
	return user
}

func (dir *directory) firstClient() string {
	dir.mu.Lock()
	defer dir.mu.Unlock()
	if len(dir.data.clientIDs) == 0 {
		return "no-client"
	}
	return dir.data.clientIDs[0]
}

// api returns the API with the audience. The Management API and the My Account
// API always exist.
func (dir *directory) api(audience string) (*API, bool) {
	if audience == dir.managementAudience() {
		return &API{Audience: audience, Name: "Auth0 Management API", Scopes: managementScopes}, true
	}
	if audience == dir.accountAudience() {
		return &API{Audience: audience, Name: "Auth0 My Account API", Scopes: accountScopes, AllowOfflineAccess: true}, true
	}
	dir.mu.Lock()
	defer dir.mu.Unlock()
	api, ok := dir.data.apis[audience]
	return api, ok
}

// enabledConnections returns the connections of the application, or those of
// the organization.
func (dir *directory) enabledConnections(req *authorization) []*Connection {
	dir.mu.Lock()
	defer dir.mu.Unlock()
	return dir.data.enabledFor(req.client, req.org)
}

// usableConnection returns an enabled, active connection that the request may use.
func (dir *directory) usableConnection(req *authorization, name string) *Connection {
	if req.connection != "" && req.connection != name {
		return nil
	}
	for _, c := range dir.enabledConnections(req) {
		if c.Name == name && !c.Inactive {
			return c
		}
	}
	return nil
}

// databases returns the connections whose users log in with a password on the
// login page.
func (dir *directory) databases(req *authorization) []*Connection {
	var list []*Connection
	for _, c := range dir.enabledConnections(req) {
		if kindOf(c.Strategy) == database && dir.usableConnection(req, c.Name) != nil {
			list = append(list, c)
		}
	}
	return list
}

// signupConnection returns the database connection that takes new users.
func (dir *directory) signupConnection(req *authorization) *Connection {
	for _, c := range dir.databases(req) {
		if c.Options["disable_signup"] != true {
			return c
		}
	}
	return nil
}

// domainConnection returns the enterprise connection that owns the domain of an
// email address (home realm discovery).
func (dir *directory) domainConnection(req *authorization, address string) *Connection {
	_, domain, ok := strings.Cut(address, "@")
	if !ok || req.connection != "" {
		return nil
	}
	for _, c := range dir.enabledConnections(req) {
		owns := slices.ContainsFunc(c.DomainAliases, func(alias string) bool { return strings.EqualFold(alias, domain) })
		if owns && !c.Inactive && kindOf(c.Strategy) == enterprise {
			return c
		}
	}
	return nil
}

// checkPassword returns the account that the identifier and the password open.
func (dir *directory) checkPassword(req *authorization, identifier, password string) (subject, connection string, ok bool) {
	for _, c := range dir.databases(req) {
		dir.mu.Lock()
		subject, found := dir.data.subject(identifier, c.Name)
		user := dir.data.users[subject]
		dir.mu.Unlock()
		if found && user.hasAddress(identifier) && user.Password != "" &&
			subtle.ConstantTimeCompare([]byte(user.Password), []byte(password)) == 1 {
			return subject, c.Name, true
		}
	}
	return "", "", false
}

// register creates a user from a page. Such users are bounded, because anybody
// can make them.
func (dir *directory) register(u User) (subject string, err error) {
	dir.mu.Lock()
	defer dir.mu.Unlock()
	subject, err = dir.data.addUser(u, dir.now())
	if err != nil {
		return "", err
	}
	dir.data.signups = append(dir.data.signups, subject)
	if len(dir.data.signups) > maxStored {
		dir.data.removeUser(dir.data.signups[0])
	}
	return subject, nil
}

// organizationsOf returns those that the user is a member of, in the order of
// joining.
func (dir *directory) organizationsOf(u *storedUser) []*Organization {
	dir.mu.Lock()
	defer dir.mu.Unlock()
	var list []*Organization
	for _, id := range u.Organizations {
		if o := dir.data.organization(id); o != nil && len(list) < maxChoices {
			list = append(list, o)
		}
	}
	return list
}

func (dir *directory) connectionByID(id string) (*Connection, *apiError) {
	dir.mu.Lock()
	defer dir.mu.Unlock()
	for _, c := range dir.data.connections {
		if c.ID == id {
			return c, nil
		}
	}
	return nil, &apiError{Status: http.StatusNotFound, Message: "The connection does not exist", Code: "inexistent_connection"}
}

// connectable returns a connection at which users of an application may connect
// accounts, as the application is now.
func (dir *directory) connectable(clientID, name string) *Connection {
	dir.mu.Lock()
	defer dir.mu.Unlock()
	for _, conn := range dir.data.enabledFor(dir.data.clients[clientID], nil) {
		if conn.Name == name && conn.takesAccounts() {
			return conn
		}
	}
	return nil
}

// connected returns the connected accounts of a user, those that were connected
// first first. The empty connection means all.
func (dir *directory) connected(subject, connection string) []thirdParty {
	dir.mu.Lock()
	defer dir.mu.Unlock()
	var found []thirdParty
	for e := dir.accounts.order.Front(); e != nil; e = e.Next() {
		a := e.Value.(entry[thirdParty]).value
		if a.isConnected() && a.subject == subject && (connection == "" || a.connection == connection) {
			found = append(found, a)
		}
	}
	slices.SortStableFunc(found, func(a, b thirdParty) int { return a.created.Compare(b.created) })
	return found
}

func (dir *directory) keepAccount(a thirdParty) {
	dir.mu.Lock()
	defer dir.mu.Unlock()
	dir.accounts.put(accountKey(a.subject, a.connection, a.id), a)
}

// accountsOf returns the accounts that a user has connected at a connection, the
// youngest first. What a login brings from the provider is not in the vault.
func (dir *directory) accountsOf(subject, connection string) []thirdParty {
	dir.mu.Lock()
	defer dir.mu.Unlock()
	var found []thirdParty
	for e := dir.accounts.order.Back(); e != nil; e = e.Prev() {
		if a := e.Value.(entry[thirdParty]).value; a.subject == subject && a.connection == connection && a.isConnected() {
			found = append(found, a)
		}
	}
	return found
}
