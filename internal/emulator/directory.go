package emulator

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// A directory holds the applications, APIs, connections and organizations of the
// tenant, and its users with their accounts at third parties.
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

// named returns the subject of the user with an address or subject. It returns the
// argument for an unknown user.
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
		return &API{Audience: audience, Name: "Auth0 My Account API", Scopes: accountScopes, AllowOfflineAccess: true,
			ProofOfPossession: ProofOfPossession{Mechanism: "dpop"}}, true
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

// signupConnection returns the database connection for new users.
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

// checkPassword returns the account with the identifier and the password.
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

// register creates a user from a page. The number of these users is bounded,
// because every visitor can create one.
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
// youngest first. The vault does not have the tokens of a login at the provider.
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

// RemoveUser deletes a user, with the accounts at third parties. Refresh tokens
// of the user stop working.
func (dir *directory) RemoveUser(subject string) {
	dir.mu.Lock()
	defer dir.mu.Unlock()
	dir.accounts.deleteFunc(func(a thirdParty) bool { return a.subject == subject })
	dir.data.removeUser(subject)
}

// Subject returns the subject of a user, for example
// "google-oauth2|1018...", given an email address, a phone number or the
// subject itself. The user that was added first wins.
func (dir *directory) Subject(address string) (string, bool) {
	dir.mu.Lock()
	defer dir.mu.Unlock()
	return dir.data.subject(address, "")
}

// AddClient adds an application, or replaces the one with its ID.
func (dir *directory) AddClient(c Client) error {
	if err := c.check(); err != nil {
		return fmt.Errorf("tenant: client %q: %w", c.ID, err)
	}
	c = c.clone()
	if c.Name == "" {
		c.Name = c.ID
	}
	if len(c.GrantTypes) == 0 {
		c.GrantTypes = []string{"authorization_code", "implicit", "refresh_token"}
		if !c.Public {
			c.GrantTypes = append(c.GrantTypes, "client_credentials")
		}
	}
	dir.mu.Lock()
	defer dir.mu.Unlock()
	if dir.data.clients[c.ID] == nil {
		dir.data.clientIDs = append(dir.data.clientIDs, c.ID)
	}
	dir.data.clients[c.ID] = &c
	return nil
}

// EditClient changes an application. The edit gets a copy, which then replaces
// the application as [Tenant.AddClient] does.
func (dir *directory) EditClient(id string, edit func(*Client)) error {
	dir.mu.Lock()
	old := dir.data.clients[id]
	dir.mu.Unlock()
	if old == nil {
		return fmt.Errorf("tenant: there is no client %q", id)
	}
	c := old.clone() // stored clients are in use elsewhere
	edit(&c)
	return dir.AddClient(c)
}

// AddAPI adds an API, or replaces the one with its Audience.
func (dir *directory) AddAPI(a API) error {
	switch {
	case a.Audience == "" || hasControl(a.Audience):
		return errors.New("tenant: API.Audience is required")
	case a.Audience == dir.userinfoAudience() || a.Audience == dir.managementAudience() || a.Audience == dir.accountAudience():
		return fmt.Errorf("tenant: API %q is a system API", a.Audience)
	case !slices.Contains([]string{"", "access_token", "rfc9068_profile"}, a.Dialect):
		return fmt.Errorf("tenant: API %q: unknown Dialect %q", a.Audience, a.Dialect)
	case a.Lifetime < 0:
		return fmt.Errorf("tenant: API %q: negative Lifetime", a.Audience)
	}
	if err := a.ProofOfPossession.check(); err != nil {
		return fmt.Errorf("tenant: API %q: %w", a.Audience, err)
	}
	a.Scopes = slices.Clone(a.Scopes)
	a.ThirdPartyScopes = slices.Clone(a.ThirdPartyScopes)
	dir.mu.Lock()
	defer dir.mu.Unlock()
	dir.data.apis[a.Audience] = &a
	return nil
}

// EditAPI changes an API. The edit gets a copy, which then replaces the API as
// [Tenant.AddAPI] does.
func (dir *directory) EditAPI(audience string, edit func(*API)) error {
	dir.mu.Lock()
	old := dir.data.apis[audience]
	dir.mu.Unlock()
	if old == nil {
		return fmt.Errorf("tenant: there is no API %q", audience)
	}
	a := *old
	a.Scopes = slices.Clone(old.Scopes)
	edit(&a)
	return dir.AddAPI(a)
}

// AddConnection adds a connection, or replaces the one with its Name.
func (dir *directory) AddConnection(c Connection) error {
	if !connectionName.MatchString(c.Name) || len(c.Name) > 128 {
		return fmt.Errorf("tenant: connection name %q is not allowed", c.Name)
	}
	if c.Strategy == "" || hasControl(c.Strategy) || strings.Contains(c.Strategy, "|") {
		return fmt.Errorf("tenant: connection %q needs a Strategy", c.Name)
	}
	options, err := cloneJSON(c.Options)
	if err != nil {
		return fmt.Errorf("tenant: connection %q: Options: %w", c.Name, err)
	}
	c.Options = options
	c.Metadata = maps.Clone(c.Metadata)
	c.DomainAliases = slices.Clone(c.DomainAliases)
	c.Scope = slices.Clone(c.Scope)
	if c.ID == "" {
		c.ID = "con_" + derivedID(16, "connection", c.Name)
	}
	dir.mu.Lock()
	defer dir.mu.Unlock()
	for i, old := range dir.data.connections {
		if old.Name == c.Name {
			dir.data.connections[i] = &c
			return nil
		}
		if old.ID == c.ID {
			return fmt.Errorf("tenant: connections %q and %q have the same ID", old.Name, c.Name)
		}
	}
	dir.data.connections = append(dir.data.connections, &c)
	return nil
}

// PromoteConnection makes a connection one of the domain level, by which the users of
// every third-party application can log in.
func (dir *directory) PromoteConnection(name string) error {
	dir.mu.Lock()
	defer dir.mu.Unlock()
	for i, c := range dir.data.connections {
		if c.Name == name {
			promoted := *c
			promoted.IsDomain = true
			dir.data.connections[i] = &promoted
			return nil
		}
	}
	return fmt.Errorf("tenant: there is no connection %q", name)
}

// AddOrganization adds an organization, or replaces the one with its ID.
func (dir *directory) AddOrganization(o Organization) error {
	if !organizationName.MatchString(o.Name) {
		return fmt.Errorf("tenant: organization name %q is not allowed", o.Name)
	}
	if o.ID == "" {
		o.ID = "org_" + derivedID(16, "organization", o.Name)
	}
	if !strings.HasPrefix(o.ID, "org_") || hasControl(o.ID) {
		return fmt.Errorf("tenant: organization id %q does not begin with org_", o.ID)
	}
	if o.DisplayName == "" {
		o.DisplayName = o.Name
	}
	o.Connections = slices.Clone(o.Connections)
	o.Invitations = slices.Clone(o.Invitations)
	dir.mu.Lock()
	defer dir.mu.Unlock()
	for _, c := range o.Connections {
		if dir.data.connection(c.Name) == nil {
			return fmt.Errorf("tenant: organization %q: there is no connection %q", o.Name, c.Name)
		}
	}
	for i, old := range dir.data.orgs {
		if old.ID == o.ID {
			dir.data.orgs[i] = &o
			return nil
		}
		if old.Name == o.Name {
			return fmt.Errorf("tenant: organizations %q and %q have the same name", old.ID, o.ID)
		}
	}
	dir.data.orgs = append(dir.data.orgs, &o)
	return nil
}

// AddMember makes a user a member of an organization, or replaces the membership.
// The user is named by email address or subject, the organization by id or name.
func (dir *directory) AddMember(user, organization string, m Membership) error {
	claims, err := cloneJSON(m.Claims)
	if err != nil {
		return fmt.Errorf("tenant: membership of %q: Claims: %w", user, err)
	}
	m = Membership{Roles: slices.Clone(m.Roles), Permissions: clonePermissions(m.Permissions), Claims: claims}
	dir.mu.Lock()
	defer dir.mu.Unlock()
	subject, ok := dir.data.subject(user, "")
	if !ok {
		return unknownUser(user)
	}
	org := dir.data.organization(organization)
	if org == nil {
		return fmt.Errorf("tenant: there is no organization %q", organization)
	}
	dir.data.join(subject, org.ID, "")
	member := *dir.data.users[subject]
	member.memberships = maps.Clone(member.memberships)
	if member.memberships == nil {
		member.memberships = map[string]Membership{}
	}
	member.memberships[org.ID] = m
	dir.data.users[subject] = &member
	return nil
}

// SetRolesClaim sets the claim in which ID tokens, /userinfo and JWT access tokens
// carry the names of the user's roles, including those of the organization of the
// login. Auth0 has no claim for them: an Action adds it. The empty name, the default,
// means none.
func (dir *directory) SetRolesClaim(name string) {
	dir.mu.Lock()
	defer dir.mu.Unlock()
	dir.data.rolesClaim = name
}

// ConnectAccount gives a user, named by email address or subject, an account at
// a third party, as if they had connected it.
func (dir *directory) ConnectAccount(user string, a ConnectedAccount) error {
	subject, ok := dir.Subject(user)
	if !ok {
		return unknownUser(user)
	}
	account := thirdParty{subject: subject, connection: a.Connection, email: a.Email, token: a.AccessToken, refresh: a.RefreshToken,
		scope: a.Scope, life: a.ExpiresIn, created: dir.now(), id: "cac_" + derivedID(22, subject, a.Connection, a.Email)}
	if a.ExpiresIn != 0 {
		account.expires = dir.now().Add(a.ExpiresIn)
	}
	dir.keepAccount(account)
	return nil
}

// maxChoices bounds the organizations from which a user can choose.
const maxChoices = 20
