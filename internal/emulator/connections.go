package emulator

import (
	"fmt"
	"regexp"
	"strings"
)

// A Connection is a source of users.
//
// For a connection of strategy "oauth2" whose options have a fetchUserProfile
// script, the tenant is a real OAuth2 client of its provider: it sends the
// browser to authorizationURL, is called back at /login/callback, gets tokens
// from tokenURL, and keeps them. It cannot run the script. Instead, with the
// access token as bearer token it requests the first absolute URL in quotes in
// the script, and reads the profile from the JSON object in the response:
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

// label returns the connection's name on a login button.
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

// takesAccounts reports whether accounts can be connected, even if the
// connection cannot be used to log in.
func (c *Connection) takesAccounts() bool {
	k := kindOf(c.Strategy)
	return c.ConnectedAccounts && (k == social || k == enterprise)
}

// isLive reports whether the tenant is an OAuth2 client of the connection's
// provider, instead of showing a page that simulates it: a custom connection
// with a script that gets the profile.
func (c *Connection) isLive() bool { return c.Strategy == "oauth2" && c.script() != "" }

func (c *Connection) script() string {
	scripts, _ := c.Options["scripts"].(map[string]any)
	text, _ := scripts["fetchUserProfile"].(string)
	return text
}

func (c *Connection) option(name string) string {
	text, _ := c.Options[name].(string)
	return text
}

// scopes returns the option scope, which may be a list or a text.
func (c *Connection) scopes() string {
	if len(c.Scope) > 0 {
		return strings.Join(c.Scope, " ")
	}
	list, ok := c.Options["scope"].([]any)
	if !ok {
		return c.option("scope")
	}
	var words []string
	for _, word := range list {
		words = append(words, fmt.Sprint(word))
	}
	return strings.Join(words, " ")
}
