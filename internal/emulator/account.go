package emulator

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// An accountRoute is one operation. A star in the pattern matches any segment.
type accountRoute struct {
	method, pattern string
	scope           string
	params          []string // query parameters that it takes
	status          int      // of success; 204 has no body
	handle          func(accountCall) (any, *problem)
}

// A myAccountAPI answers the My Account API, at which users connect their
// third-party accounts. Every call is about the user of the access token.
type myAccountAPI struct {
	*site
	connector *connector
	directory *directory
	keys      *keys

	possession *possession
}

func (me *myAccountAPI) accountTable() []accountRoute {
	paging := []string{"from", "take"}
	return []accountRoute{
		{"POST", "connect", "create:me:connected_accounts", nil, http.StatusCreated, me.connector.beginConnect},
		{"POST", "complete", "create:me:connected_accounts", nil, http.StatusCreated, me.connector.completeConnect},
		{"GET", "accounts", "read:me:connected_accounts", append(paging, "connection"), http.StatusOK, me.listAccounts},
		{"GET", "connections", "read:me:connected_accounts", paging, http.StatusOK, me.listConnectable},
		{"DELETE", "accounts/*", "delete:me:connected_accounts", nil, http.StatusNoContent, me.deleteAccount},
	}
}

var (
	invalidAccountToken = newProblem("401-0002", http.StatusUnauthorized, "Invalid token")
	noSuchAccount       = newProblem("404-0001", http.StatusNotFound, "Connected account not found")
	noSuchRoute         = newProblem("404-0001", http.StatusNotFound, "Not Found")
)

// myAccount answers the My Account API: authenticate, authorize, check the
// query, answer.
func (me *myAccountAPI) myAccount(w http.ResponseWriter, r *http.Request) {
	body, status, p := me.myAccountAnswer(w, r)
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case p != nil:
		writeJSON(w, p.Status, p)
	case status == http.StatusNoContent:
		w.WriteHeader(status)
	default:
		writeJSON(w, status, body)
	}
}

func (me *myAccountAPI) myAccountAnswer(w http.ResponseWriter, r *http.Request) (any, int, *problem) {
	call, scopes, ok := me.authenticateUser(w, r)
	if !ok {
		return nil, 0, invalidAccountToken
	}
	path := strings.TrimPrefix(r.URL.EscapedPath(), (&url.URL{Path: me.path}).EscapedPath()+"/me/v1/connected-accounts/")
	segments, ok := pathSegments(path)
	for _, route := range me.accountTable() {
		if !ok || !allowsMethod(route.method, r.Method) || !matchesPath(route.pattern, segments) {
			continue
		}
		if !slices.Contains(scopes, route.scope) {
			return nil, 0, newProblem("403-0002", http.StatusForbidden, "Insufficient scope, expected: "+route.scope)
		}
		call.path, call.query = segments, r.URL.Query()
		for name := range call.query {
			if !slices.Contains(route.params, name) {
				return nil, 0, invalidField("query", name, "Additional properties not allowed")
			}
		}
		call.body, _ = io.ReadAll(r.Body) // from memory, see bufferBody
		answer, p := route.handle(call)
		return answer, route.status, p
	}
	return nil, 0, noSuchRoute
}

// authenticateUser checks the token: it must be the access token of a user for this
// API, with a proof if it is bound to a key.
func (me *myAccountAPI) authenticateUser(w http.ResponseWriter, r *http.Request) (call accountCall, scopes []string, ok bool) {
	scheme := schemeOf(r)
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	claims, err := me.keys.verify(token)
	if err != nil || scheme != "bearer" && scheme != "dpop" || expired(claims, me.now()) ||
		claims["iss"] != me.Issuer() || !slices.Contains(audiences(claims), me.accountAudience()) {
		return call, nil, false
	}
	id, _ := claims["azp"].(string)
	g := grantOf(claims)
	if fault := me.possession.admits(w, r, MyAccount, token, g.bound); fault != nil {
		challenge(w, "My Account API", g.bound, *fault)
		return call, nil, false
	}
	_, known := me.directory.user(g.user)
	call.client, ok = me.directory.client(id)
	call.subject = g.user
	return call, g.scope, ok && known
}

// listAccounts lists the connected accounts, without the account of the login.
func (me *myAccountAPI) listAccounts(call accountCall) (any, *problem) {
	page, next, p := accountPage(call, me.directory.connected(call.subject, call.query.Get("connection")), func(a thirdParty) string { return a.id })
	if p != nil {
		return nil, p
	}
	items := make([]map[string]any, 0, len(page))
	for _, a := range page {
		items = append(items, a.item())
	}
	body := map[string]any{"accounts": items}
	if next != "" {
		body["next"] = next
	}
	return body, nil
}

// deleteAccount deletes an account with its tokens. The account of another user is
// not found.
func (me *myAccountAPI) deleteAccount(call accountCall) (any, *problem) {
	for _, a := range me.directory.connected(call.subject, "") {
		if a.id == call.path[1] {
			me.mu.Lock()
			me.directory.accounts.delete(accountKey(a.subject, a.connection, a.id))
			me.mu.Unlock()
			return nil, nil
		}
	}
	return nil, noSuchAccount
}

// listConnectable lists the connections at which accounts can be connected.
func (me *myAccountAPI) listConnectable(call accountCall) (any, *problem) {
	me.mu.Lock()
	list := slices.DeleteFunc(me.directory.data.enabledFor(call.client, nil), func(c *Connection) bool { return !c.takesAccounts() })
	me.mu.Unlock()
	page, next, p := accountPage(call, list, func(c *Connection) string { return c.Name })
	if p != nil {
		return nil, p
	}
	items := make([]map[string]any, 0, len(page))
	for _, c := range page {
		items = append(items, map[string]any{"name": c.Name, "strategy": c.Strategy, "scopes": listOf(strings.Fields(c.scopes()))})
	}
	body := map[string]any{"connections": items}
	if next != "" {
		body["next"] = next
	}
	return body, nil
}
