package emulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// connectionWrites are the operations of the Management API that change
// connections.
func (m *managementAPI) connectionWrites() []managementRoute {
	update := [][]string{{"update:connections"}}
	return []managementRoute{
		{"connections", [][]string{{"create:connections"}}, nil, m.createConnection, managementWrite{http.MethodPost, http.StatusCreated}},
		{"connections/*", update, nil, m.updateConnection, managementWrite{http.MethodPatch, http.StatusOK}},
		{"connections/*", [][]string{{"delete:connections"}}, nil, m.deleteConnection, managementWrite{http.MethodDelete, http.StatusAccepted}},
		{"connections/*/clients", update, nil, m.updateConnectionClients, managementWrite{http.MethodPatch, http.StatusNoContent}},
	}
}

func invalidBody(format string, args ...any) *apiError {
	return &apiError{Status: http.StatusBadRequest, Message: "Payload validation error: " + fmt.Sprintf(format, args...), Code: "invalid_body"}
}

// decode reads the body, and rejects members that the operation does not accept.
func (call managementCall) decode(out any) *apiError {
	dec := json.NewDecoder(bytes.NewReader(call.body))
	dec.UseNumber()
	dec.DisallowUnknownFields()
	err := dec.Decode(out)
	switch {
	case err == nil:
		return nil
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		name := strings.Trim(strings.TrimPrefix(err.Error(), "json: unknown field "), `"`)
		return invalidBody("'Additional properties not allowed: %s'.", name)
	}
	return &apiError{Status: http.StatusBadRequest, Message: "Invalid request payload JSON format", Code: "invalid_body"}
}

// connectionSettings are the properties of a connection that a request can set. A
// nil pointer is a property that the request does not have.
type connectionSettings struct {
	DisplayName       *string           `json:"display_name"`
	Options           *map[string]any   `json:"options"`
	IsDomain          *bool             `json:"is_domain_connection"`
	ShowAsButton      *bool             `json:"show_as_button"`
	Metadata          map[string]string `json:"metadata"`
	Realms            []string          `json:"realms"`
	Authentication    *activity         `json:"authentication"`
	ConnectedAccounts *activity         `json:"connected_accounts"`
}

type activity struct {
	Active bool `json:"active"`
}

func (s connectionSettings) apply(c *Connection) {
	if s.Options != nil {
		// An option that is not sent is deleted.
		c.Options, c.IconURL, c.Scope, c.DomainAliases = maps.Clone(*s.Options), "", nil, nil
	}
	if s.IsDomain != nil {
		c.IsDomain = *s.IsDomain
	}
	if s.ShowAsButton != nil {
		c.ShowAsButton = s.ShowAsButton
	}
	if s.Metadata != nil {
		c.Metadata = s.Metadata
	}
	if s.Authentication != nil {
		c.Inactive = !s.Authentication.Active
	}
	if s.ConnectedAccounts != nil {
		c.ConnectedAccounts = s.ConnectedAccounts.Active
	}
	c.DisplayName = ""
	if s.DisplayName != nil {
		c.DisplayName = *s.DisplayName
	}
}

func (m *managementAPI) createConnection(call managementCall) (any, *apiError) {
	var body struct {
		Name     string `json:"name"`
		Strategy string `json:"strategy"`
		connectionSettings
	}
	if err := call.decode(&body); err != nil {
		return nil, err
	}
	switch {
	case body.Name == "":
		return nil, invalidBody("'Missing required property: name'.")
	case body.Strategy == "":
		return nil, invalidBody("'Missing required property: strategy'.")
	case !connectionName.MatchString(body.Name):
		return nil, invalidBody("'Object didn't pass validation for format connection-name: %s' on property name (The name of the connection).", body.Name)
	case len(body.Name) > 128:
		return nil, invalidBody("'String is too long (%d chars), maximum 128' on property name (The name of the connection).", len(body.Name))
	}
	m.mu.Lock()
	taken := m.directory.data.connection(body.Name) != nil || len(m.directory.data.connections) >= maxStored
	m.mu.Unlock()
	if taken {
		return nil, &apiError{Status: http.StatusConflict, Message: "A connection with the same name already exists"}
	}
	c := Connection{Name: body.Name, Strategy: body.Strategy}
	body.apply(&c)
	if c.Strategy == "oauth2" && c.Options != nil {
		c.Options["strategy_version"] = 2
	}
	if err := m.directory.AddConnection(c); err != nil {
		return nil, invalidBody("'%s'.", strings.TrimPrefix(err.Error(), "tenant: "))
	}
	m.mu.Lock()
	stored := m.directory.data.connection(c.Name)
	m.mu.Unlock()
	item := call.item(stored)
	item["enabled_clients"] = []string{} // gone from all other answers
	return item, nil
}

// updateConnection replaces the options as a whole, and resets a display name
// that is not sent to the name.
func (m *managementAPI) updateConnection(call managementCall) (any, *apiError) {
	c, err := m.directory.connectionByID(call.path[1])
	if err != nil {
		return nil, err
	}
	var body connectionSettings
	if err := call.decode(&body); err != nil {
		return nil, err
	}
	if body.Options != nil && !slices.Contains(call.scopes, "update:connections_options") {
		return nil, insufficientScope("update:connections_options")
	}
	changed := *c
	body.apply(&changed)
	if err := m.directory.AddConnection(changed); err != nil {
		return nil, invalidBody("'%s'.", strings.TrimPrefix(err.Error(), "tenant: "))
	}
	c, err = m.directory.connectionByID(call.path[1])
	if err != nil {
		return nil, err
	}
	return call.item(c), nil
}

// deleteConnection deletes the connection and its users.
func (m *managementAPI) deleteConnection(call managementCall) (any, *apiError) {
	c, err := m.directory.connectionByID(call.path[1])
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.directory.data.connections = slices.DeleteFunc(slices.Clone(m.directory.data.connections), func(other *Connection) bool { return other.ID == c.ID })
	for _, subject := range m.directory.data.usersOf(c.Name) {
		m.directory.data.removeUser(subject)
	}
	m.directory.accounts.deleteFunc(func(a thirdParty) bool { return a.connection == c.Name })
	for _, id := range m.directory.data.clientIDs {
		m.directory.data.enable(id, c.Name, false)
	}
	return map[string]any{"deleted_at": m.now().UTC().Format("2006-01-02T15:04:05.000Z")}, nil
}

func (m *managementAPI) updateConnectionClients(call managementCall) (any, *apiError) {
	c, err := m.directory.connectionByID(call.path[1])
	if err != nil {
		return nil, err
	}
	var body []struct {
		ClientID string `json:"client_id"`
		Status   *bool  `json:"status"`
	}
	if err := call.decode(&body); err != nil {
		return nil, err
	}
	if len(body) == 0 || len(body) > 50 {
		return nil, invalidBody("'Array must have 1 to 50 items, has %d'.", len(body))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, item := range body {
		if item.ClientID == "" || item.Status == nil {
			return nil, invalidBody("'Missing required property: client_id or status'.")
		}
		if m.directory.data.clients[item.ClientID] == nil {
			return nil, &apiError{Status: http.StatusNotFound, Message: "The client does not exist", Code: "inexistent_client"}
		}
	}
	for _, item := range body {
		m.directory.data.enable(item.ClientID, c.Name, *item.Status)
	}
	return nil, nil
}

// getUser returns a user. The tokens of identity providers require their own
// scope, and those in the Token Vault are not returned.
func (m *managementAPI) getUser(call managementCall) (any, *apiError) {
	subject := call.path[1]
	u, ok := m.directory.user(subject)
	if !ok {
		return nil, &apiError{Status: http.StatusNotFound, Message: "The user does not exist.", Code: "inexistent_user"}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.directory.data.connection(u.Connection)
	if c == nil {
		return nil, &apiError{Status: http.StatusNotFound, Message: "The user does not exist.", Code: "inexistent_user"}
	}
	identity := map[string]any{
		"provider": c.Strategy, "connection": c.Name, "isSocial": kindOf(c.Strategy) == social,
		"user_id": strings.TrimPrefix(subject, c.Strategy+"|"),
	}
	if a, ok := m.directory.accounts.get(accountKey(subject, c.Name, subject)); ok && !c.ConnectedAccounts && slices.Contains(call.scopes, "read:user_idp_tokens") {
		identity["access_token"] = a.token
		if a.refresh != "" {
			identity["refresh_token"] = a.refresh
		}
		if !a.expires.IsZero() {
			identity["expires_in"] = int(a.life.Seconds())
		}
	}
	item := map[string]any{
		"user_id": subject, "email": u.Email, "email_verified": u.EmailVerified, "name": u.Name, "nickname": u.Nickname,
		"picture": m.pictureOf(u), "updated_at": u.updated.UTC().Format("2006-01-02T15:04:05.000Z"), "identities": []any{identity},
	}
	return call.project(item), nil
}
