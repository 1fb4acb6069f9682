package auth0

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// Management is the part of the tenant's Management API that is about custom
// OAuth2 connections: providers that Auth0 has no connection for, but that
// speak OAuth 2.0. [Strategy.Management] returns it.
//
// Each method makes one to a few requests. The API allows few, two a second in
// small tenants, and all programs of a tenant share them: a request that was too
// many is made again, twice at most, if the tenant says that it takes no more than
// three seconds and ctx leaves the time. Nothing else is repeated.
//
// Errors are of type [*Error]: Code is the error code of the API, such as
// inexistent_connection; TenantStatus is its status, such as 404, or 409 for a
// name that is taken; Scope is what the application was not allowed, and
// RetryAfter how long to wait before the next call, if the tenant says so.
type Management struct {
	api *managementAPI // nil if there is no tenant to ask
}

// Management returns the tenant's Management API. It is used with
// [Config].ManagementClientID, or else with the application's own credentials.
// Give that application, for the Management API, the scopes that the methods
// name.
func (s *Strategy) Management() *Management {
	if s.connections == nil {
		return &Management{}
	}
	return &Management{api: s.connections.management}
}

// An OAuth2Connection is a connection to a provider that speaks OAuth 2.0. At
// that provider, register https://DOMAIN/login/callback as redirect URI. The
// subject of its users begins with "oauth2|", the name and another "|".
type OAuth2Connection struct {
	// ID is what the tenant calls it, such as con_1aBcDeFgHiJkLmNo.
	ID string
	// Name is letters, digits and single hyphens between them, at most 128. It
	// cannot be changed.
	Name string
	// DisplayName is what people know it by. Default: Name.
	DisplayName string
	Options     OAuth2Options
	// TokenVault keeps the provider's tokens in the Token Vault, which
	// [ForConnection] takes them from, and no more in the user's identities.
	TokenVault bool

	options map[string]json.RawMessage // as the tenant has them, nil if it does not tell
}

// OAuth2Options say how to log in with the provider of an [OAuth2Connection].
// Formatting or logging them, or the connection, shows no secret, unless they are in
// an unexported field of another struct, see [Config].
type OAuth2Options struct {
	_ [0]func() // keeps out literals without field names, and ==

	AuthorizationURL string
	TokenURL         string
	// ClientID and ClientSecret are the tenant's own at the provider.
	ClientID     string
	ClientSecret string
	// Scopes are asked for at every login.
	Scopes []string
	// PKCE adds a code challenge (RFC 7636).
	PKCE bool
	// FetchUserProfile is the source of a JavaScript function that the tenant
	// runs: function (accessToken, context, callback). It must give callback
	// a profile with user_id.
	FetchUserProfile string
	// IconURL is shown on the tenant's login button.
	IconURL string
	// CustomHeaders go with the tenant's requests to the provider.
	CustomHeaders map[string]string
	// AuthParams are further parameters of the authorization request, and
	// AuthParamsMap those that are taken from a parameter of the login.
	AuthParams    map[string]string
	AuthParamsMap map[string]string
}

// Format hides the secrets from every verb of package fmt.
func (o OAuth2Options) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "auth0.OAuth2Options{AuthorizationURL:%q TokenURL:%q ClientID:%q Scopes:%q}", o.AuthorizationURL, o.TokenURL, o.ClientID, o.Scopes)
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
	fmt.Fprintf(f, "auth0.OAuth2Connection{ID:%q Name:%q DisplayName:%q Options:%v}", c.ID, c.Name, c.DisplayName, c.Options)
}

// CreateOAuth2Connection creates a connection, which no application can use
// before [Management.EnableConnection]. Mistakes are found before anything is
// sent. It needs the scope create:connections.
func (m *Management) CreateOAuth2Connection(ctx context.Context, c OAuth2Connection) (OAuth2Connection, error) {
	if err := c.check(); err != nil {
		return OAuth2Connection{}, asError("management", refuseInvalidConnection.wrap(err))
	}
	options := c.Options.encode(nil)
	// Otherwise the scopes are not sent as RFC 6749, Section 3.3 says.
	options["useOauthSpecScope"] = json.RawMessage("true")
	body := map[string]any{"name": c.Name, "strategy": strategyOAuth2, "options": options}
	if c.DisplayName != "" {
		body["display_name"] = c.DisplayName
	}
	if c.TokenVault {
		body["connected_accounts"] = map[string]bool{"active": true}
	}
	var created managedConnection
	if err := m.call(ctx, http.MethodPost, "connections", nil, body, &created); err != nil {
		return OAuth2Connection{}, asError("management", err)
	}
	made := created.connection()
	if made.options == nil {
		made.Options, made.options = c.Options.clone(), options // the tenant does not tell without read:connections_options
	}
	return made, nil
}

// OAuth2Connection returns the connection with the given id. It needs the scope
// read:connections, and read:connections_options for the options.
func (m *Management) OAuth2Connection(ctx context.Context, id string) (OAuth2Connection, error) {
	c, err := m.get(ctx, id)
	if err != nil {
		return OAuth2Connection{}, asError("management", err)
	}
	return c, nil
}

// OAuth2Connections returns all custom OAuth2 connections of the tenant. It
// needs the scopes of [Management.OAuth2Connection].
func (m *Management) OAuth2Connections(ctx context.Context) ([]OAuth2Connection, error) {
	const maxPages = 50
	var list []OAuth2Connection
	query := url.Values{"strategy": {strategyOAuth2}, "take": {"100"}}
	for range maxPages {
		var page struct {
			Connections []managedConnection `json:"connections"`
			Next        string              `json:"next"`
		}
		if err := m.call(ctx, http.MethodGet, "connections", query, nil, &page); err != nil {
			return nil, asError("management", err)
		}
		for _, c := range page.Connections {
			list = append(list, c.connection())
		}
		if page.Next == "" {
			return list, nil
		}
		if page.Next == query.Get("from") {
			return nil, asError("management", refuseTenantAnswer.because("a page of connections leads to itself"))
		}
		query.Set("from", page.Next)
	}
	return nil, asError("management", refuseTenantAnswer.because("there are more than %d pages of connections", maxPages))
}

// UpdateOAuth2Connection changes a connection: edit gets it as it is and changes
// what it wants, the secret for example. Options that this package does not know
// stay as they are. It needs the scopes of [Management.OAuth2Connection] and
// update:connections, and update:connections_options if options are changed.
//
// The API has no way to notice that somebody else changes the same connection
// at the same time; the later update wins.
func (m *Management) UpdateOAuth2Connection(ctx context.Context, id string, edit func(*OAuth2Connection)) (OAuth2Connection, error) {
	c, err := m.update(ctx, id, edit)
	if err != nil {
		return OAuth2Connection{}, asError("management", err)
	}
	return c, nil
}

func (m *Management) update(ctx context.Context, id string, edit func(*OAuth2Connection)) (OAuth2Connection, error) {
	before, err := m.get(ctx, id)
	if err != nil {
		return OAuth2Connection{}, err
	}
	after := before
	after.Options = before.Options.clone()
	edit(&after)
	if after.Name != before.Name {
		return OAuth2Connection{}, refuseInvalidConnection.because("the name of a connection cannot be changed")
	}
	// The tenant makes the name of a display name that it does not get.
	body := map[string]any{"display_name": after.displayName()}
	changed := after.displayName() != before.displayName()
	if after.TokenVault != before.TokenVault {
		changed = true
		body["connected_accounts"] = map[string]bool{"active": after.TokenVault}
	}
	if !after.Options.equal(before.Options) {
		if before.options == nil {
			// The tenant replaces options as a whole, so all have to be known.
			e := refuseManaged.because("the options cannot be changed without seeing them")
			e.Scope = "read:connections_options"
			return OAuth2Connection{}, e
		}
		if err := after.check(); err != nil {
			return OAuth2Connection{}, refuseInvalidConnection.wrap(err)
		}
		changed = true
		after.options = after.Options.encode(before.options)
		body["options"] = after.options
	}
	if !changed {
		return before, nil
	}
	var updated managedConnection
	if err := m.call(ctx, http.MethodPatch, "connections/"+url.PathEscape(id), nil, body, &updated); err != nil {
		return OAuth2Connection{}, err
	}
	now := updated.connection()
	if now.options == nil {
		now.Options, now.options = after.Options, after.options
	}
	return now, nil
}

// DeleteConnection deletes a connection and all its users. The tenant does it
// soon after it has agreed. It needs the scope delete:connections.
func (m *Management) DeleteConnection(ctx context.Context, id string) error {
	if err := m.call(ctx, http.MethodDelete, "connections/"+url.PathEscape(id), nil, nil, nil); err != nil {
		return asError("management", err)
	}
	return nil
}

// EnableConnection lets applications, given by their client ids, log in with a
// connection. Without any it is this one. It needs the scope update:connections.
// [Strategy.GetConnections] knows it within five minutes.
func (m *Management) EnableConnection(ctx context.Context, id string, clientIDs ...string) error {
	return m.setClients(ctx, id, clientIDs, true)
}

// DisableConnection undoes [Management.EnableConnection].
func (m *Management) DisableConnection(ctx context.Context, id string, clientIDs ...string) error {
	return m.setClients(ctx, id, clientIDs, false)
}

func (m *Management) setClients(ctx context.Context, id string, clientIDs []string, on bool) error {
	const most = 50 // that the API takes at once
	if len(clientIDs) == 0 && m.api != nil {
		clientIDs = []string{m.api.clientID}
	}
	type status struct {
		ClientID string `json:"client_id"`
		Status   bool   `json:"status"`
	}
	for part := range slices.Chunk(clientIDs, most) {
		var body []status
		for _, id := range part {
			body = append(body, status{id, on})
		}
		if err := m.call(ctx, http.MethodPatch, "connections/"+url.PathEscape(id)+"/clients", nil, body, nil); err != nil {
			return asError("management", err)
		}
	}
	return nil
}

// IdentityProviderToken returns the tokens of the provider of a connection as the
// user's last login with it has left them, for tenants without Token Vault. The
// user is named by [User].Subject. Nobody refreshes such a token, and when it
// expires is not known. The error is [ErrNotConnected] if the user has no
// account of that connection.
//
// It needs the scopes read:users and read:user_idp_tokens. Without the second,
// and for a connection whose tokens are in the Token Vault, the tenant leaves
// the token out without a word; the error then has that scope in [Error].Scope.
func (m *Management) IdentityProviderToken(ctx context.Context, subject, connection string) (*oauth2.Token, error) {
	var user struct {
		Identities []struct {
			Connection   string `json:"connection"`
			AccessToken  string `json:"access_token"`
			RefreshToken string `json:"refresh_token"`
		} `json:"identities"`
	}
	query := url.Values{"fields": {"identities"}, "include_fields": {"true"}}
	if err := m.call(ctx, http.MethodGet, "users/"+url.PathEscape(subject), query, nil, &user); err != nil {
		return nil, asError("management", err)
	}
	// By name, not by position: the first is only the account that was there
	// when others were linked to it.
	for _, identity := range user.Identities {
		if identity.Connection != connection {
			continue
		}
		if identity.AccessToken == "" {
			e := refuseManaged.because("the identity has no token; the scope is missing, or the token is in the Token Vault, from where ForConnection gets it")
			e.Scope = "read:user_idp_tokens"
			return nil, asError("management", e)
		}
		return &oauth2.Token{AccessToken: identity.AccessToken, RefreshToken: identity.RefreshToken, TokenType: "Bearer"}, nil
	}
	return nil, asError("management", refuseNotConnected.because("the user has no identity of connection %q", connection))
}

const strategyOAuth2 = "oauth2"

// A managedConnection is a connection as the API sends it.
type managedConnection struct {
	ID                string                     `json:"id"`
	Name              string                     `json:"name"`
	DisplayName       string                     `json:"display_name"`
	Strategy          string                     `json:"strategy"`
	Options           map[string]json.RawMessage `json:"options"`
	ConnectedAccounts struct {
		Active bool `json:"active"`
	} `json:"connected_accounts"`
}

func (c managedConnection) connection() OAuth2Connection {
	return OAuth2Connection{
		ID: c.ID, Name: c.Name, DisplayName: c.DisplayName, TokenVault: c.ConnectedAccounts.Active,
		Options: decodeOptions(c.Options), options: c.Options,
	}
}

func (c OAuth2Connection) displayName() string {
	if c.DisplayName != "" {
		return c.DisplayName
	}
	return c.Name
}

func (m *Management) get(ctx context.Context, id string) (OAuth2Connection, error) {
	var got managedConnection
	if err := m.call(ctx, http.MethodGet, "connections/"+url.PathEscape(id), nil, nil, &got); err != nil {
		return OAuth2Connection{}, err
	}
	if got.Strategy != strategyOAuth2 {
		return OAuth2Connection{}, refuseInvalidConnection.because("the strategy of connection %.40q is %.40q, not oauth2", id, got.Strategy)
	}
	return got.connection(), nil
}

// The names of the options in the API. Scopes may be a list or a text there.
const (
	optionScope   = "scope"
	optionScripts = "scripts"
	scriptProfile = "fetchUserProfile"
)

// texts, flags and tables pair the options with their fields.
func (o *OAuth2Options) texts() map[string]*string {
	return map[string]*string{
		"authorizationURL": &o.AuthorizationURL, "tokenURL": &o.TokenURL,
		"client_id": &o.ClientID, "client_secret": &o.ClientSecret, "icon_url": &o.IconURL,
	}
}

func (o *OAuth2Options) tables() map[string]*map[string]string {
	return map[string]*map[string]string{"customHeaders": &o.CustomHeaders, "authParams": &o.AuthParams, "authParamsMap": &o.AuthParamsMap}
}

// decodeOptions takes what has the expected type. The rest is kept as it is.
func decodeOptions(raw map[string]json.RawMessage) (o OAuth2Options) {
	for name, field := range o.texts() {
		json.Unmarshal(raw[name], field)
	}
	for name, field := range o.tables() {
		var table map[string]string
		if json.Unmarshal(raw[name], &table) == nil {
			*field = table
		}
	}
	json.Unmarshal(raw["pkce_enabled"], &o.PKCE)
	var words string
	if json.Unmarshal(raw[optionScope], &words) == nil {
		o.Scopes = strings.FieldsFunc(words, func(r rune) bool { return r == ' ' || r == ',' })
	} else {
		json.Unmarshal(raw[optionScope], &o.Scopes)
	}
	var scripts map[string]json.RawMessage
	json.Unmarshal(raw[optionScripts], &scripts)
	json.Unmarshal(scripts[scriptProfile], &o.FetchUserProfile)
	return o
}

// encode returns the options for the API: those of before, with the changes. What
// has not changed keeps its form.
func (o OAuth2Options) encode(before map[string]json.RawMessage) map[string]json.RawMessage {
	was := decodeOptions(before)
	raw := maps.Clone(before)
	if raw == nil {
		raw = map[string]json.RawMessage{}
	}
	set := func(name string, value any, changed, empty bool) {
		switch {
		case !changed:
		case empty:
			delete(raw, name)
		default:
			raw[name], _ = json.Marshal(value) // texts, lists and tables of them
		}
	}
	wasTexts, wasTables := was.texts(), was.tables()
	for name, field := range o.texts() {
		set(name, *field, *field != *wasTexts[name], *field == "")
	}
	for name, field := range o.tables() {
		set(name, *field, !maps.Equal(*field, *wasTables[name]), len(*field) == 0)
	}
	set("pkce_enabled", o.PKCE, o.PKCE != was.PKCE, false)
	set(optionScope, o.Scopes, !slices.Equal(o.Scopes, was.Scopes), len(o.Scopes) == 0)
	if o.FetchUserProfile != was.FetchUserProfile {
		var scripts map[string]json.RawMessage
		json.Unmarshal(raw[optionScripts], &scripts)
		if scripts == nil {
			scripts = map[string]json.RawMessage{}
		}
		scripts[scriptProfile], _ = json.Marshal(o.FetchUserProfile)
		raw[optionScripts], _ = json.Marshal(scripts)
	}
	return raw
}

func (o OAuth2Options) clone() OAuth2Options {
	o.Scopes = slices.Clone(o.Scopes)
	for _, table := range o.tables() {
		*table = maps.Clone(*table)
	}
	return o
}

func (o OAuth2Options) equal(other OAuth2Options) bool {
	texts, tables := other.texts(), other.tables()
	for name, field := range o.texts() {
		if *field != *texts[name] {
			return false
		}
	}
	for name, field := range o.tables() {
		if !maps.Equal(*field, *tables[name]) {
			return false
		}
	}
	return o.PKCE == other.PKCE && o.FetchUserProfile == other.FetchUserProfile && slices.Equal(o.Scopes, other.Scopes)
}

// newConnectionName is what the Management API takes for a new connection.
var newConnectionName = regexp.MustCompile(`^[a-zA-Z0-9](-[a-zA-Z0-9]|[a-zA-Z0-9])*$`)

// check finds all mistakes that the tenant would find one by one, or at the
// first login. It quotes no secret.
func (c OAuth2Connection) check() error {
	p := problems{of: "OAuth2Connection"}
	if !newConnectionName.MatchString(c.Name) || len(c.Name) > 128 {
		p.add("Name", "%q must be letters and digits, with single hyphens between them, 128 at most", c.Name)
	}
	if len(c.DisplayName) > 128 || !syntax.CleanText(c.DisplayName) {
		p.add("DisplayName", "is longer than 128 bytes or has control characters")
	}
	o := c.Options
	p.require("Options.ClientID", o.ClientID)
	p.require("Options.ClientSecret", o.ClientSecret)
	p.require("Options.FetchUserProfile", strings.TrimSpace(o.FetchUserProfile))
	for _, u := range []struct{ field, value string }{
		{"Options.AuthorizationURL", o.AuthorizationURL}, {"Options.TokenURL", o.TokenURL}, {"Options.IconURL", o.IconURL},
	} {
		if _, err := discovery.Origin(u.value); err != nil && (u.value != "" || u.field != "Options.IconURL") {
			p.add(u.field, "%q: %v", u.value, err)
		} else if strings.Contains(u.value, "#") {
			p.add(u.field, "%q must have no fragment", u.value) // RFC 6749, Sections 3.1 and 3.2
		}
	}
	for _, scope := range o.Scopes {
		if !syntax.IsScope(scope) {
			p.add("Options.Scopes", "has %q, which is not a scope", scope)
		}
	}
	for name, value := range o.CustomHeaders {
		if !isToken(name) || !syntax.CleanText(value) {
			p.add("Options.CustomHeaders", "has %q, or its value, which is not fit for a header", name)
		}
	}
	for field, params := range map[string]map[string]string{"Options.AuthParams": o.AuthParams, "Options.AuthParamsMap": o.AuthParamsMap} {
		for name := range params {
			if name == "" || slices.Contains(ownParams, name) {
				p.add(field, "has %q, which the tenant sets itself", name)
			}
		}
	}
	return p.joined()
}

// isToken follows token of RFC 9110, Section 5.6.2.
func isToken(s string) bool {
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~") == ""
}

// call makes one request to the API. Only a request that was refused before
// anything was done is sent again: because there were too many, or because of its
// token. The application may have been allowed more since that was issued, which
// can be a day ago.
func (m *Management) call(ctx context.Context, method, path string, query url.Values, body, out any) error {
	if m.api == nil {
		return refuseManaged.wrap(errNoTenant)
	}
	resp, err := m.api.sendInTurn(ctx, method, path, query, body)
	const young = time.Minute
	if err == nil && resp.Status == http.StatusForbidden && time.Since(m.api.token.State().FetchedAt) > young &&
		parseTenantError(resp.Status, resp.Header, resp.Body).code == codeInsufficientScope {
		if _, renewErr := m.api.token.Refresh(ctx); renewErr == nil {
			resp, err = m.api.sendInTurn(ctx, method, path, query, body)
		}
	}
	if err == nil {
		err = readAnswer(resp, out)
	}
	if err != nil {
		return managementError(err)
	}
	return nil
}

// sendInTurn sends a request again that was one too many, when the tenant says
// that its turn is soon.
func (m *managementAPI) sendInTurn(ctx context.Context, method, path string, query url.Values, body any) (*fetch.Response, error) {
	const again, soon = 2, 3 * time.Second
	for n := 0; ; n++ {
		resp, err := m.send(ctx, method, path, query, body)
		if n == again || err != nil || resp.Status != http.StatusTooManyRequests {
			return resp, err
		}
		wait := fetch.RetryAfter(resp.Header, time.Now())
		if deadline, ok := ctx.Deadline(); wait == 0 || wait > soon || ok && time.Until(deadline) <= wait {
			return resp, nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return resp, nil
		}
	}
}

// send adds a token to a request, and a new one if the first is refused.
func (m *managementAPI) send(ctx context.Context, method, path string, query url.Values, body any) (*fetch.Response, error) {
	token, err := m.token.Get(ctx)
	if err != nil {
		return nil, fmt.Errorf("no token for the Management API: %w", err)
	}
	resp, err := m.attempt(ctx, method, path, query, body, token)
	if err == nil && resp.Status == http.StatusUnauthorized {
		if token, err = m.token.Refresh(ctx); err != nil {
			return nil, fmt.Errorf("no token for the Management API: %w", err)
		}
		resp, err = m.attempt(ctx, method, path, query, body, token)
	}
	return resp, err
}

func (m *managementAPI) attempt(ctx context.Context, method, path string, query url.Values, body any, token ownToken) (*fetch.Response, error) {
	if method == http.MethodGet {
		// A page may wait for it. Of a change that was cut short nobody knows
		// whether it was made.
		const perCall = 3 * time.Second
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, perCall)
		defer cancel()
	}
	return bearerRequest(ctx, m.client, token.value, method, m.base+"api/v2/"+path, query, body)
}

// managementError says what an error of the API, or of the request for its
// token, means for the caller.
func managementError(err error) error {
	answered, ok := answered(err)
	if !ok || answered.temporary() {
		return requestError(err)
	}
	e := answered.as(refuseManaged)
	if answered.code == http.StatusText(answered.status) {
		e.Code = refuseManaged.code // there was no errorCode
	}
	e.Scope = missingScope(answered)
	return e
}

const codeInsufficientScope = "insufficient_scope"

// missingScope reads the scopes out of a sentence: there is no other place.
func missingScope(e tenantError) string {
	_, list, ok := strings.Cut(e.description, "expected any of: ")
	if e.code != codeInsufficientScope || !ok {
		return ""
	}
	var scopes []string
	for _, scope := range strings.Split(list, ",") {
		if scope = strings.TrimSpace(scope); !syntax.IsScope(scope) || len(scope) > 64 {
			return ""
		}
		scopes = append(scopes, scope)
	}
	return strings.Join(scopes, " ")
}
