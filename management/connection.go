package management

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// An OAuth2Connection is a connection to a provider that supports OAuth 2.0. Register
// https://DOMAIN/login/callback as redirect URI at that provider. The subject of its
// users begins with "oauth2|", the name and another "|".
type OAuth2Connection struct {
	// ID is the tenant's id of the connection, such as con_1aBcDeFgHiJkLmNo.
	ID string
	// Name is letters, digits and single hyphens between them, at most 128. It
	// cannot be changed.
	Name string
	// DisplayName is the name that users see. Default: Name.
	DisplayName string
	Options     OAuth2Options
	// TokenVault stores the provider's tokens in the Token Vault, for
	// auth0.ForConnection, and no longer in the user's identities.
	TokenVault bool

	options map[string]json.RawMessage // as the tenant has them, nil if it does not tell
}

// OAuth2Options are the settings of a login with the provider of an
// [OAuth2Connection]. Formatting, logging or marshaling them, or the connection,
// shows no secret. There is one exception: package fmt calls no method of a value
// in an unexported field of another struct, and shows its secrets.
type OAuth2Options struct {
	_ [0]func() // keeps out literals without field names, and ==

	AuthorizationURL string
	TokenURL         string
	// ClientID and ClientSecret are the tenant's credentials at the provider.
	ClientID     string
	ClientSecret string
	// Scopes are requested at each login.
	Scopes []string
	// PKCE adds a code challenge (RFC 7636).
	PKCE bool
	// FetchUserProfile is the source of a JavaScript function that the tenant runs:
	// function (accessToken, context, callback). The function must call callback
	// with a profile that has user_id.
	FetchUserProfile string
	// IconURL is the image on the tenant's login button.
	IconURL string
	// CustomHeaders are added to the tenant's requests to the provider.
	CustomHeaders map[string]string
	// AuthParams are further parameters of the authorization request. AuthParamsMap
	// maps such parameters to parameters of the login, which supply the values.
	AuthParams    map[string]string
	AuthParamsMap map[string]string
}

// Format hides the secrets from every verb of package fmt.
func (o OAuth2Options) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "management.OAuth2Options{AuthorizationURL:%q TokenURL:%q ClientID:%q Scopes:%q}", o.AuthorizationURL, o.TokenURL, o.ClientID, o.Scopes)
}

// LogValue hides the secrets from package slog.
func (o OAuth2Options) LogValue() slog.Value {
	return slog.GroupValue(slog.String("AuthorizationURL", o.AuthorizationURL), slog.String("TokenURL", o.TokenURL), slog.String("ClientID", o.ClientID))
}

// MarshalJSON hides the secrets from package json.
func (o OAuth2Options) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{"AuthorizationURL": o.AuthorizationURL, "TokenURL": o.TokenURL, "ClientID": o.ClientID, "Scopes": o.Scopes})
}

// Format hides the secrets from every verb of package fmt.
func (c OAuth2Connection) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "management.OAuth2Connection{ID:%q Name:%q DisplayName:%q Options:%v}", c.ID, c.Name, c.DisplayName, c.Options)
}

const strategyOAuth2 = "oauth2"

// document is a connection in the format of the API.
type document struct {
	ID                string                     `json:"id"`
	Name              string                     `json:"name"`
	DisplayName       string                     `json:"display_name"`
	Strategy          string                     `json:"strategy"`
	Options           map[string]json.RawMessage `json:"options"`
	ConnectedAccounts struct {
		Active bool `json:"active"`
	} `json:"connected_accounts"`
}

func (d document) connection() OAuth2Connection {
	return OAuth2Connection{
		ID: d.ID, Name: d.Name, DisplayName: d.DisplayName, TokenVault: d.ConnectedAccounts.Active,
		Options: decodeOptions(d.Options), options: d.Options,
	}
}

func (c OAuth2Connection) displayName() string { return cmp.Or(c.DisplayName, c.Name) }

// CreateOAuth2Connection creates a connection and returns it. It ignores c.ID. No
// application can use the connection before [API.EnableConnection]. It reports all
// mistakes in c before it sends anything. The error then matches [ErrInvalid]. It
// requires the scope create:connections.
func (a *API) CreateOAuth2Connection(ctx context.Context, c OAuth2Connection) (OAuth2Connection, error) {
	if err := c.check(); err != nil {
		return OAuth2Connection{}, err
	}
	options := c.Options.encode(nil)
	// Without it the tenant does not separate scopes by spaces (RFC 6749,
	// Section 3.3).
	options["useOauthSpecScope"] = json.RawMessage("true")
	body := map[string]any{"name": c.Name, "strategy": strategyOAuth2, "options": options}
	if c.DisplayName != "" {
		body["display_name"] = c.DisplayName
	}
	if c.TokenVault {
		body["connected_accounts"] = map[string]bool{"active": true}
	}
	var created document
	if err := a.call(ctx, http.MethodPost, "connections", nil, body, &created); err != nil {
		return OAuth2Connection{}, err
	}
	made := created.connection()
	if made.options == nil { // as without read:connections_options
		made.Options, made.options = c.Options.clone(), options
	}
	return made, nil
}

// OAuth2Connection returns the connection with the given id. It needs the scope
// read:connections, and read:connections_options for the options.
func (a *API) OAuth2Connection(ctx context.Context, id string) (OAuth2Connection, error) {
	path, err := pathTo("connections", id)
	if err != nil {
		return OAuth2Connection{}, err
	}
	var got document
	if err := a.call(ctx, http.MethodGet, path, nil, nil, &got); err != nil {
		return OAuth2Connection{}, err
	}
	if got.Strategy != strategyOAuth2 {
		return OAuth2Connection{}, invalid("the strategy of connection %.40q is %.40q, not oauth2", id, got.Strategy)
	}
	return got.connection(), nil
}

// OAuth2Connections returns all custom OAuth2 connections of the tenant, at most
// 5,000. It needs the scopes of [API.OAuth2Connection].
func (a *API) OAuth2Connections(ctx context.Context) ([]OAuth2Connection, error) {
	const maxPages = 50
	var list []OAuth2Connection
	query := url.Values{"strategy": {strategyOAuth2}, "take": {"100"}}
	for range maxPages {
		var page struct {
			Connections []document `json:"connections"`
			Next        string     `json:"next"`
		}
		if err := a.call(ctx, http.MethodGet, "connections", query, nil, &page); err != nil {
			return nil, err
		}
		for _, d := range page.Connections {
			list = append(list, d.connection())
		}
		if page.Next == "" {
			return list, nil
		}
		if page.Next == query.Get("from") {
			return nil, &Error{Err: errors.New("a page of connections leads to itself")}
		}
		query.Set("from", page.Next)
	}
	return nil, &Error{Err: fmt.Errorf("there are more than %d pages of connections", maxPages)}
}

// UpdateOAuth2Connection changes a connection and returns it. It reads the
// connection, calls edit, which changes the fields, and sends the differences.
// Options unknown to this package stay unchanged. It sends nothing if edit changes
// nothing.
//
// It needs the scopes of [API.OAuth2Connection] and update:connections, and
// update:connections_options if options change. The API cannot notice concurrent
// changes of the same connection: the later update wins.
func (a *API) UpdateOAuth2Connection(ctx context.Context, id string, edit func(*OAuth2Connection)) (OAuth2Connection, error) {
	before, err := a.OAuth2Connection(ctx, id)
	if err != nil {
		return OAuth2Connection{}, err
	}
	after := before
	after.Options = before.Options.clone()
	edit(&after)
	body, err := changes(before, &after)
	if err != nil {
		return OAuth2Connection{}, err
	}
	if body == nil {
		return before, nil
	}
	path, err := pathTo("connections", id)
	if err != nil {
		return OAuth2Connection{}, err
	}
	var updated document
	if err := a.call(ctx, http.MethodPatch, path, nil, body, &updated); err != nil {
		return OAuth2Connection{}, err
	}
	now := updated.connection()
	if now.options == nil {
		now.Options, now.options = after.Options, after.options
	}
	return now, nil
}

// changes returns the body of an update, or nil if nothing differs. It sets the
// options that the tenant will have in after.
func changes(before OAuth2Connection, after *OAuth2Connection) (map[string]any, error) {
	if after.Name != before.Name {
		return nil, invalid("the name of a connection cannot be changed")
	}
	// The tenant replaces a missing display name with the name.
	body := map[string]any{"display_name": after.displayName()}
	changed := after.displayName() != before.displayName()
	if after.TokenVault != before.TokenVault {
		changed = true
		body["connected_accounts"] = map[string]bool{"active": after.TokenVault}
	}
	if !after.Options.equal(before.Options) {
		if before.options == nil {
			// The tenant replaces all options, so an update must contain them all.
			return nil, &Error{Scope: "read:connections_options", Err: errors.New("the options cannot be changed without reading them")}
		}
		if err := after.check(); err != nil {
			return nil, err
		}
		changed = true
		after.options = after.Options.encode(before.options)
		body["options"] = after.options
	}
	if !changed {
		return nil, nil
	}
	return body, nil
}

// DeleteConnection deletes a connection and all its users. The tenant deletes them
// soon after it has accepted the request. It requires the scope delete:connections.
func (a *API) DeleteConnection(ctx context.Context, id string) error {
	path, err := pathTo("connections", id)
	if err != nil {
		return err
	}
	return a.call(ctx, http.MethodDelete, path, nil, nil, nil)
}

// mistakes collects the errors in a connection.
type mistakes []error

func (m *mistakes) add(field, format string, args ...any) {
	*m = append(*m, fmt.Errorf("management: OAuth2Connection."+field+" "+format, args...))
}

func (m *mistakes) require(field, value string) {
	if value == "" {
		m.add(field, "is missing")
	}
}

// reservedParams are parameters of the authorization request that the tenant sets.
var reservedParams = []string{
	"client_id", "redirect_uri", "response_type", "response_mode", "state", "nonce", "code_challenge", "code_challenge_method",
	"request", "request_uri", "dpop_jkt", "client_secret", "client_assertion", "client_assertion_type",
}

// check finds together all mistakes that the tenant would report one by one, or that
// would fail the first login. It quotes no secret.
func (c OAuth2Connection) check() error {
	var m mistakes
	if !syntax.NewConnectionName(c.Name) {
		m.add("Name", "%.200q must be letters and digits, with single hyphens between them, 128 at most", c.Name)
	}
	if len(c.DisplayName) > 128 || !syntax.CleanText(c.DisplayName) {
		m.add("DisplayName", "is longer than 128 bytes or has control characters")
	}
	c.Options.check(&m)
	if len(m) == 0 {
		return nil
	}
	return &Error{kind: ErrInvalid, Err: errors.Join(m...)}
}

func (o OAuth2Options) check(m *mistakes) {
	m.require("Options.ClientID", o.ClientID)
	m.require("Options.ClientSecret", o.ClientSecret)
	m.require("Options.FetchUserProfile", strings.TrimSpace(o.FetchUserProfile))
	for _, u := range []struct{ field, value string }{
		{"Options.AuthorizationURL", o.AuthorizationURL}, {"Options.TokenURL", o.TokenURL}, {"Options.IconURL", o.IconURL},
	} {
		if _, err := discovery.Origin(u.value); err != nil && (u.value != "" || u.field != "Options.IconURL") {
			m.add(u.field, "%s: %v", quoted(u.value), err)
		} else if strings.Contains(u.value, "#") {
			m.add(u.field, "%s must have no fragment", quoted(u.value)) // RFC 6749, Sections 3.1 and 3.2
		}
	}
	for _, scope := range o.Scopes {
		if !syntax.IsScope(scope) {
			m.add("Options.Scopes", "has %q, which is not a scope", scope)
		}
	}
	for name, value := range o.CustomHeaders {
		if !syntax.IsToken(name) || !syntax.CleanText(value) {
			m.add("Options.CustomHeaders", "has %q, which is not a name of a header field, or its value has control characters", name)
		}
	}
	for field, params := range map[string]map[string]string{"Options.AuthParams": o.AuthParams, "Options.AuthParamsMap": o.AuthParamsMap} {
		for name := range params {
			if name == "" || slices.Contains(reservedParams, name) {
				m.add(field, "has %q, which the tenant sets itself", name)
			}
		}
	}
}
