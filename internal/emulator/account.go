package emulator

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The My Account API, with which an application lets the people who use it
// connect accounts that they have at third parties. Its access tokens are for
// an audience of its own, and are theirs: it knows no users but the one whose
// token it gets.

// accountScopes are the scopes that the implemented part of the API knows.
var accountScopes = []string{"create:me:connected_accounts", "read:me:connected_accounts", "delete:me:connected_accounts"}

// An accountCall is one authorized request to the My Account API.
type accountCall struct {
	path    []string // segments after /me/v1/connected-accounts/
	query   url.Values
	body    []byte
	client  *Client // that the token was issued to
	subject string
}

// An accountRoute is one operation. A star in the pattern matches any segment.
type accountRoute struct {
	method, pattern string
	scope           string
	params          []string // query parameters that it takes
	status          int      // of success; 204 has no body
	handle          func(accountCall) (any, *problem)
}

// A myAccountAPI answers the My Account API.
type myAccountAPI struct {
	*site
	connector *connector
	directory *directory
	keys      *keys
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

// A problem is the error body of the My Account API, which is near to RFC 9457.
// What identifies one is the end of its type. Only the ones for a bad token and
// for a conflict are documented; a client must not depend on the others.
type problem struct {
	Type       string       `json:"type"`
	Title      string       `json:"title"`
	Status     int          `json:"status"`
	Detail     string       `json:"detail"`
	Validation []validation `json:"validation_errors,omitempty"`
}

// A validation says what is wrong with one part of a request.
type validation struct {
	Detail  string `json:"detail"`
	Field   string `json:"field,omitempty"`
	Pointer string `json:"pointer,omitempty"`
	Source  string `json:"source"` // "body" or "query"
}

func newProblem(code string, status int, detail string) *problem {
	return &problem{Type: "https://auth0.com/api-errors#A0E-" + code, Title: http.StatusText(status), Status: status, Detail: detail}
}

var (
	invalidAccountToken = newProblem("401-0002", http.StatusUnauthorized, "Invalid token")
	noSuchAccount       = newProblem("404-0001", http.StatusNotFound, "Connected account not found")
	noSuchRoute         = newProblem("404-0001", http.StatusNotFound, "Not Found")
)

func invalidField(source, field, detail string) *problem {
	p := newProblem("400-0003", http.StatusBadRequest, "Invalid request")
	v := validation{Detail: detail, Field: field, Source: source}
	if source == "body" {
		v.Pointer = "/" + field
	}
	p.Validation = []validation{v}
	return p
}

// myAccount answers the My Account API: authenticate, authorize, check the
// query, answer.
func (me *myAccountAPI) myAccount(w http.ResponseWriter, r *http.Request) {
	body, status, p := me.myAccountAnswer(r)
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

func (me *myAccountAPI) myAccountAnswer(r *http.Request) (any, int, *problem) {
	call, scopes, ok := me.authenticatePerson(r)
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

// authenticatePerson checks the bearer token, which must be a person's and for
// this API.
func (me *myAccountAPI) authenticatePerson(r *http.Request) (call accountCall, scopes []string, ok bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	claims, err := me.keys.verify(token)
	if err != nil || !strings.EqualFold(scheme, "Bearer") || expired(claims, me.now()) ||
		claims["iss"] != me.Issuer() || !slices.Contains(audiences(claims), me.accountAudience()) {
		return call, nil, false
	}
	id, _ := claims["azp"].(string)
	g := grantOf(claims)
	_, known := me.directory.user(g.user)
	call.client, ok = me.directory.client(id)
	call.subject = g.user
	return call, g.scope, ok && known
}

// decode reads the body, in which nothing may be that the operation does not
// take.
func (call accountCall) decode(out any) *problem {
	dec := json.NewDecoder(bytes.NewReader(call.body))
	dec.DisallowUnknownFields()
	err := dec.Decode(out)
	if err == nil {
		return nil
	}
	if name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
		return invalidField("body", strings.Trim(name, `"`), "Additional properties not allowed")
	}
	return newProblem("400-0001", http.StatusBadRequest, "Invalid request payload")
}

const (
	defaultAccounts = 10
	maxAccountsPage = 20
)

// accountPage returns the part of a list that follows the item named by from,
// and the name for the next call, which the last page does not have.
func accountPage[T any](call accountCall, list []T, name func(T) string) (page []T, next string, p *problem) {
	take := defaultAccounts
	if text := call.query.Get("take"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxAccountsPage {
			return nil, "", invalidField("query", "take", "must be an integer from 1 to 20")
		}
		take = n
	}
	if from := call.query.Get("from"); from != "" {
		i := slices.IndexFunc(list, func(item T) bool { return name(item) == from })
		if i < 0 {
			return nil, "", invalidField("query", "from", "unknown checkpoint")
		}
		list = list[i+1:]
	}
	if len(list) <= take {
		return list, "", nil
	}
	return list[:take], name(list[take-1]), nil
}

// listAccounts lists what was connected; the account of the login is none of it.
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

func (a thirdParty) item() map[string]any {
	return map[string]any{"id": a.id, "connection": a.connection, "access_type": "offline", "scopes": listOf(strings.Fields(a.scope)),
		"created_at": a.created.UTC().Format("2006-01-02T15:04:05.000Z")}
}

// isConnected tells an account that was connected from that of a login.
func (a thirdParty) isConnected() bool { return strings.HasPrefix(a.id, "cac_") }

// deleteAccount takes the tokens away with the account. Of other people's
// accounts it knows nothing.
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

// takesAccounts reports whether accounts can be connected. That a connection
// cannot be used to log in does not matter.
func (c *Connection) takesAccounts() bool {
	k := kindOf(c.Strategy)
	return c.ConnectedAccounts && (k == social || k == enterprise)
}
