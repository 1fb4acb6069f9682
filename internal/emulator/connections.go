package emulator

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// A Connection is a source of users.
//
// For a connection of strategy "oauth2" whose options have a fetchUserProfile
// script, the tenant is a real OAuth2 client of its provider: it sends the
// browser to authorizationURL, is called back at /login/callback, gets tokens
// from tokenURL, and keeps them. It cannot run the script. Instead, with the
// access token as bearer token it asks the first absolute URL that stands in
// quotes in the script, and takes the JSON object in the answer for the profile:
// user_id (or sub, or id), email, name, given_name, family_name, nickname,
// picture. [Config].FetchUserProfile replaces that.
type Connection struct {
	ID                string // derived from Name if empty
	Name, DisplayName string
	Strategy          string // "auth0", "google-oauth2", "samlp", ...

	// ShowAsButton is for enterprise connections, where nil means false.
	// Social connections have a button unless it is false.
	ShowAsButton *bool

	Inactive          bool // cannot be used to log in
	ConnectedAccounts bool
	IconURL           string
	DomainAliases     []string
	Scope             []string
	Metadata          map[string]string
	Options           map[string]any // further options
	IsDomain          bool           // available to third-party applications
}

var connectionName = regexp.MustCompile(`^[a-zA-Z0-9](-[a-zA-Z0-9]|[a-zA-Z0-9])*$`)

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

// A kind groups strategies by how their users log in.
type kind int

const (
	social kind = iota // also every unknown strategy
	database
	passwordless
	enterprise
)

func kindOf(strategy string) kind {
	switch strategy {
	case "auth0":
		return database
	case "email", "sms":
		return passwordless
	case "ad", "adfs", "auth0-adldap", "auth0-oidc", "custom", "google-apps", "ip", "mscrm", "office365",
		"oidc", "okta", "pingfederate", "samlp", "sharepoint", "waad":
		return enterprise
	}
	return social
}

// label returns what a login button calls the connection.
func (c *Connection) label() string {
	if c.DisplayName != "" {
		return c.DisplayName
	}
	switch c.Strategy {
	case "google-oauth2":
		return "Google"
	case "google-apps":
		return "Google Workspace"
	case "github":
		return "GitHub"
	case "linkedin":
		return "LinkedIn"
	case "windowslive":
		return "Microsoft"
	case "waad":
		return "Microsoft Entra ID"
	case "apple", "facebook", "dropbox", "amazon", "bitbucket", "box", "line", "salesforce", "shopify", "fitbit":
		return strings.ToUpper(c.Strategy[:1]) + c.Strategy[1:]
	case "twitter":
		return "X"
	case "email":
		return "Email"
	case "sms":
		return "Phone"
	}
	return c.Name
}

// onButton reports whether the login page shows a button for the connection.
func (c *Connection) onButton(org *Organization) bool {
	show, byDefault := c.ShowAsButton, kindOf(c.Strategy) != enterprise
	if org != nil {
		oc, _ := org.connection(c.Name)
		show, byDefault = oc.ShowAsButton, true
	}
	if c.Inactive || kindOf(c.Strategy) == database {
		return false
	}
	return show == nil && byDefault || show != nil && *show
}
