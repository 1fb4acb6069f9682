package emulator

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A managementCall is one authorized request to the Management API.
type managementCall struct {
	path   []string // segments after /api/v2/
	query  url.Values
	scopes []string // of the token
	body   []byte
}

// A managementRoute is one operation. A star in the pattern matches any segment.
type managementRoute struct {
	pattern string
	scopes  [][]string // of each group, the token needs one
	params  []string   // query parameters that it takes
	handle  func(managementCall) (any, *apiError)
	write   managementWrite // zero for reading
}

// A managementWrite holds the method and the status of a writing operation.
type managementWrite struct {
	method string
	status int // of success; 204 has no body
}

// A managementAPI answers the Management API.
type managementAPI struct {
	*site
	directory *directory
	keys      *keys

	operations []managementRoute
}

func (m *managementAPI) managementTable() []managementRoute {
	checkpoint := []string{"from", "take"}
	offset := []string{"page", "per_page", "include_totals"}
	fields := []string{"fields", "include_fields"}
	connections := [][]string{{"read:connections"}}
	return slices.Concat(m.connectionWrites(), []managementRoute{
		{"connections", connections, slices.Concat(checkpoint, offset, fields, []string{"name", "strategy"}), m.listConnections, managementWrite{}},
		{"connections/*", connections, fields, m.getConnection, managementWrite{}},
		{"connections/*/clients", connections, checkpoint, m.listConnectionClients, managementWrite{}},
		{"clients/*", [][]string{{"read:clients", "read:client_summary"}}, fields, m.getClient, managementWrite{}},
		{"clients/*/connections", [][]string{{"read:connections"}, {"read:clients", "read:client_summary"}},
			slices.Concat(checkpoint, fields, []string{"strategy"}), m.listClientConnections, managementWrite{}},
		{"users/*", [][]string{{"read:users"}}, fields, m.getUser, managementWrite{}},
		{"organizations/name/*", [][]string{{"read:organizations", "read:organizations_summary"}}, nil, m.getOrganizationByName, managementWrite{}},
		{"organizations/*", [][]string{{"read:organizations", "read:organizations_summary"}}, nil, m.getOrganization, managementWrite{}},
		{"organizations/*/enabled_connections", [][]string{{"read:organization_connections"}}, offset, m.listOrganizationConnections, managementWrite{}},
	})
}

// management answers the Management API: authenticate, authorize, check the
// query, answer.
func (m *managementAPI) management(w http.ResponseWriter, r *http.Request) {
	body, status, err := m.managementAnswer(r)
	switch {
	case err != nil:
		writeJSON(w, err.Status, *err)
	case status == http.StatusNoContent:
		w.WriteHeader(status)
	default:
		writeJSON(w, status, body)
	}
}

func (m *managementAPI) managementAnswer(r *http.Request) (any, int, *apiError) {
	scopes, err := m.authenticateCaller(r)
	if err != nil {
		return nil, 0, err
	}
	segments, ok := pathSegments(strings.TrimPrefix(r.URL.EscapedPath(), (&url.URL{Path: m.path}).EscapedPath()+"/api/v2/"))
	for _, route := range m.operations {
		if !ok || !allowsMethod(cmp.Or(route.write.method, "GET"), r.Method) || !matchesPath(route.pattern, segments) {
			continue
		}
		for _, group := range route.scopes {
			if !slices.ContainsFunc(group, func(s string) bool { return slices.Contains(scopes, s) }) {
				return nil, 0, insufficientScope(group...)
			}
		}
		text, _ := io.ReadAll(r.Body) // from memory, see bufferBody
		call := managementCall{path: segments, query: r.URL.Query(), scopes: scopes, body: text}
		if err := call.checkQuery(route.params); err != nil {
			return nil, 0, err
		}
		answer, err := route.handle(call)
		return answer, cmp.Or(route.write.status, http.StatusOK), err
	}
	return nil, 0, &apiError{Status: http.StatusNotFound, Message: "Not Found"}
}

func insufficientScope(anyOf ...string) *apiError {
	return &apiError{Status: http.StatusForbidden, Code: "insufficient_scope",
		Message: "Insufficient scope, expected any of: " + strings.Join(anyOf, ",")}
}

// authenticateCaller checks the bearer token and returns its scopes.
func (m *managementAPI) authenticateCaller(r *http.Request) ([]string, *apiError) {
	unauthorized := func(message string) *apiError {
		return &apiError{Status: http.StatusUnauthorized, Message: message}
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil, unauthorized("Missing authentication")
	}
	claims, err := m.keys.verify(token)
	switch {
	case err == errSignature:
		return nil, unauthorized("Invalid signature received for JSON Web Token validation")
	case err != nil, expired(claims, m.now()), bindingOf(claims) != (binding{}):
		return nil, unauthorized("Invalid token")
	}
	audience := audiences(claims)
	if !slices.Contains(audience, m.managementAudience()) || claims["iss"] != m.Issuer() {
		return nil, unauthorized("Bad audience: " + strings.Join(audience, ","))
	}
	return grantOf(claims).scope, nil
}

func invalidQuery(message string) *apiError {
	return &apiError{Status: http.StatusBadRequest, Message: message, Code: "invalid_query_string"}
}

// checkQuery rejects a query parameter unknown to the operation.
func (call managementCall) checkQuery(params []string) *apiError {
	for name := range call.query {
		if !slices.Contains(params, name) {
			return invalidQuery("Query validation error: 'Additional properties not allowed: " + name + "'.")
		}
	}
	for _, name := range []string{"include_totals", "include_fields"} {
		if v := call.query.Get(name); v != "" && v != "true" && v != "false" {
			return invalidQuery("Query validation error: 'Expected type boolean but found type string' on property " + name + ".")
		}
	}
	return nil
}

// number reads a query parameter within its bounds.
func (call managementCall) number(name string, def, low, high int) (int, *apiError) {
	text := call.query.Get(name)
	if text == "" {
		return def, nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return 0, invalidQuery("Query validation error: 'Expected type integer but found type string' on property " + name + ".")
	case n < low:
		return 0, invalidQuery(fmt.Sprintf("Query validation error: 'Value %d is less than minimum %d' on property %s.", n, low, name))
	case n > high:
		return 0, invalidQuery(fmt.Sprintf("Query validation error: 'Value %d is greater than maximum %d' on property %s.", n, high, name))
	}
	return n, nil
}

const (
	defaultPage = 50
	maxPage     = 100
	maxOffset   = 1000
)

// An offsetPage is a page by number.
type offsetPage struct{ start, size int }

func (call managementCall) offset() (offsetPage, *apiError) {
	page, err := call.number("page", 0, 0, 1<<20)
	if err != nil {
		return offsetPage{}, err
	}
	size, err := call.number("per_page", defaultPage, 1, maxPage)
	if err != nil {
		return offsetPage{}, err
	}
	if (page+1)*size > maxOffset {
		return offsetPage{}, invalidQuery("Offset pagination beyond 1000 results is not supported")
	}
	return offsetPage{page * size, size}, nil
}

// cut returns the part of the list that is on the page.
func cut[T any](p offsetPage, list []T) []T {
	start := min(p.start, len(list))
	return list[start:min(start+p.size, len(list))]
}

// checkpointPage returns the part of the list that follows the item named by
// from, and the name for the next call, empty on the last page.
func checkpointPage[T any](call managementCall, list []T, name func(T) string) (page []T, next string, err *apiError) {
	take, err := call.number("take", defaultPage, 1, maxPage)
	if err != nil {
		return nil, "", err
	}
	if from := call.query.Get("from"); from != "" {
		i := slices.IndexFunc(list, func(item T) bool { return name(item) == from })
		if i < 0 {
			return nil, "", invalidQuery("Query validation error: 'Unknown checkpoint' on property from.")
		}
		list = list[i+1:]
	}
	if len(list) <= take {
		return list, "", nil
	}
	return list[:take], name(list[take-1]), nil
}

// project applies fields and include_fields. is_domain_connection always stays.
func (call managementCall) project(item map[string]any) map[string]any {
	text := call.query.Get("fields")
	if text == "" {
		return item
	}
	names := strings.Split(text, ",")
	include := call.query.Get("include_fields") != "false"
	result := map[string]any{}
	for name, value := range item {
		if slices.Contains(names, name) == include || name == "is_domain_connection" {
			result[name] = value
		}
	}
	return result
}

// listConnections answers in one of three shapes, by the kind of paging.
func (m *managementAPI) listConnections(call managementCall) (any, *apiError) {
	m.mu.Lock()
	all := slices.Clone(m.directory.data.connections)
	m.mu.Unlock()
	all = call.filter(all)
	if call.query.Has("take") || call.query.Has("from") {
		return m.connectionCheckpoint(call, all)
	}
	page, err := call.offset()
	if err != nil {
		return nil, err
	}
	items := call.items(cut(page, all))
	if call.query.Get("include_totals") != "true" {
		return items, nil
	}
	return map[string]any{"total": len(all), "start": page.start, "limit": page.size, "connections": items}, nil
}

func (m *managementAPI) connectionCheckpoint(call managementCall, all []*Connection) (any, *apiError) {
	page, next, err := checkpointPage(call, all, func(c *Connection) string { return c.ID })
	if err != nil {
		return nil, err
	}
	body := map[string]any{"connections": call.items(page)}
	if next != "" {
		body["next"] = next
	}
	return body, nil
}

// filter applies name and strategy, the latter repeatable.
func (call managementCall) filter(list []*Connection) []*Connection {
	strategies, name := call.query["strategy"], call.query.Get("name")
	return slices.DeleteFunc(list, func(c *Connection) bool {
		return len(strategies) > 0 && !slices.Contains(strategies, c.Strategy) || name != "" && c.Name != name
	})
}

func (call managementCall) items(list []*Connection) []map[string]any {
	items := make([]map[string]any, 0, len(list))
	for _, c := range list {
		items = append(items, call.project(call.item(c)))
	}
	return items
}

// item describes a connection. Without the scope for options they are left out
// silently.
func (call managementCall) item(c *Connection) map[string]any {
	item := map[string]any{
		"id":                   c.ID,
		"name":                 c.Name,
		"strategy":             c.Strategy,
		"is_domain_connection": c.IsDomain,
		"realms":               []string{c.Name},
	}
	if c.DisplayName != "" {
		item["display_name"] = c.DisplayName
	}
	if c.ShowAsButton != nil && kindOf(c.Strategy) == enterprise {
		item["show_as_button"] = *c.ShowAsButton
	}
	if kindOf(c.Strategy) != passwordless {
		item["authentication"] = map[string]any{"active": !c.Inactive}
		item["connected_accounts"] = map[string]any{"active": c.ConnectedAccounts}
	}
	if len(c.Metadata) > 0 {
		item["metadata"] = c.Metadata
	}
	if slices.Contains(call.scopes, "read:connections_options") {
		item["options"] = c.options()
	}
	return item
}

func (c *Connection) options() map[string]any {
	options := maps.Clone(c.Options)
	if options == nil {
		options = map[string]any{}
	}
	if c.IconURL != "" {
		options["icon_url"] = c.IconURL
	}
	if len(c.Scope) > 0 {
		options["scope"] = c.Scope
	}
	if len(c.DomainAliases) > 0 {
		options["domain_aliases"] = c.DomainAliases
		if _, ok := options["tenant_domain"]; !ok {
			options["tenant_domain"] = c.DomainAliases[0]
		}
	}
	return options
}

func (m *managementAPI) getConnection(call managementCall) (any, *apiError) {
	c, err := m.directory.connectionByID(call.path[1])
	if err != nil {
		return nil, err
	}
	return call.project(call.item(c)), nil
}

func (m *managementAPI) listConnectionClients(call managementCall) (any, *apiError) {
	c, err := m.directory.connectionByID(call.path[1])
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	var ids []string
	for _, id := range m.directory.data.clientIDs {
		if slices.Contains(m.directory.data.clients[id].Connections, c.Name) {
			ids = append(ids, id)
		}
	}
	m.mu.Unlock()
	page, next, err := checkpointPage(call, ids, func(id string) string { return id })
	if err != nil {
		return nil, err
	}
	clients := make([]map[string]any, 0, len(page))
	for _, id := range page {
		clients = append(clients, map[string]any{"client_id": id})
	}
	body := map[string]any{"clients": clients}
	if next != "" {
		body["next"] = next
	}
	return body, nil
}

func (m *managementAPI) clientByID(id string) (*Client, *apiError) {
	if c, ok := m.directory.client(id); ok {
		return c, nil
	}
	return nil, &apiError{Status: http.StatusNotFound, Message: "The client does not exist", Code: "inexistent_client"}
}

func (m *managementAPI) getClient(call managementCall) (any, *apiError) {
	c, err := m.clientByID(call.path[1])
	if err != nil {
		return nil, err
	}
	tenant, _, _ := strings.Cut(m.host, ".")
	item := map[string]any{
		"tenant":                     tenant,
		"global":                     false,
		"client_id":                  c.ID,
		"name":                       c.Name,
		"app_type":                   "regular_web",
		"callbacks":                  listOf(c.CallbackURLs),
		"allowed_logout_urls":        listOf(c.LogoutURLs),
		"web_origins":                listOf(c.WebOrigins),
		"grant_types":                listOf(c.GrantTypes),
		"is_first_party":             !c.ThirdParty,
		"oidc_conformant":            true,
		"sso_disabled":               false,
		"cross_origin_auth":          false,
		"organization_usage":         cmp.Or(c.OrganizationUsage, "deny"),
		"token_endpoint_auth_method": cmp.Or(c.AuthMethod, "client_secret_post"),
		"jwt_configuration": map[string]any{
			"alg": cmp.Or(c.IDTokenAlg, "RS256"), "lifetime_in_seconds": int(idTokenLifetime.Seconds()), "secret_encoded": false},
		"refresh_token": map[string]any{
			"rotation_type": "non-rotating", "expiration_type": "expiring", "leeway": int(c.RefreshTokenLeeway.Seconds()),
			"token_lifetime": int(refreshAbsolute.Seconds()), "idle_token_lifetime": int(refreshIdle.Seconds())},
	}
	if c.OrganizationRequireBehavior != "" {
		item["organization_require_behavior"] = c.OrganizationRequireBehavior
	}
	if c.Public {
		item["app_type"] = "spa"
		item["token_endpoint_auth_method"] = "none"
	}
	if c.RotatingRefreshTokens {
		item["refresh_token"].(map[string]any)["rotation_type"] = "rotating"
	}
	if c.InitiateLoginURI != "" {
		item["initiate_login_uri"] = c.InitiateLoginURI
	}
	if slices.Contains(call.scopes, "read:client_keys") && c.Secret != "" {
		item["client_secret"] = c.Secret
	}
	return call.project(item), nil
}

// listClientConnections pages by checkpoint only.
func (m *managementAPI) listClientConnections(call managementCall) (any, *apiError) {
	c, err := m.clientByID(call.path[1])
	if err != nil {
		return nil, err
	}
	return m.connectionCheckpoint(call, call.filter(m.directory.enabledConnections(&authorization{client: c})))
}

func (m *managementAPI) organizationWhere(match func(*Organization) bool) (*Organization, *apiError) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := slices.IndexFunc(m.directory.data.orgs, match); i >= 0 {
		return m.directory.data.orgs[i], nil
	}
	return nil, &apiError{Status: http.StatusNotFound, Message: "No organization found by that id or name"}
}

func (m *managementAPI) getOrganization(call managementCall) (any, *apiError) {
	o, err := m.organizationWhere(func(o *Organization) bool { return o.ID == call.path[1] })
	if err != nil {
		return nil, err
	}
	return o.item(), nil
}

func (m *managementAPI) getOrganizationByName(call managementCall) (any, *apiError) {
	o, err := m.organizationWhere(func(o *Organization) bool { return o.Name == call.path[2] })
	if err != nil {
		return nil, err
	}
	return o.item(), nil
}

func (o *Organization) item() map[string]any {
	return map[string]any{"id": o.ID, "name": o.Name, "display_name": o.DisplayName}
}

func (m *managementAPI) listOrganizationConnections(call managementCall) (any, *apiError) {
	o, err := m.organizationWhere(func(o *Organization) bool { return o.ID == call.path[1] })
	if err != nil {
		return nil, err
	}
	page, err := call.offset()
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	items := make([]map[string]any, 0, len(o.Connections))
	for _, oc := range o.Connections {
		if c := m.directory.data.connection(oc.Name); c != nil {
			items = append(items, oc.item(c))
		}
	}
	m.mu.Unlock()
	part := cut(page, items)
	if call.query.Get("include_totals") != "true" {
		return part, nil
	}
	return map[string]any{"enabled_connections": part, "start": page.start, "limit": page.size, "total": len(items)}, nil
}

func (oc OrganizationConnection) item(c *Connection) map[string]any {
	item := map[string]any{
		"connection_id":              c.ID,
		"assign_membership_on_login": oc.AssignMembershipOnLogin,
		"connection":                 map[string]any{"name": c.Name, "strategy": c.Strategy},
	}
	switch kindOf(c.Strategy) {
	case enterprise:
		item["show_as_button"] = oc.ShowAsButton == nil || *oc.ShowAsButton
	case database:
		item["is_signup_enabled"] = false
	}
	return item
}
