package emulator_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// manager returns an Authorization header for the Management API.
func manager(tn *emulator.Tenant, scope string, edits ...emulator.TokenEdit) string {
	edits = append([]emulator.TokenEdit{func(_, claims map[string]any) { claims["scope"] = scope }}, edits...)
	return "Bearer " + tn.AccessToken("web@clients", mgmt, edits...)
}

func newManagedTenant(t *testing.T) (*emulator.Tenant, *clock) {
	t.Helper()
	yes := true
	tn, c := newTenant(t)
	must(t, tn.AddConnection(emulator.Connection{ID: "con_Db0000000000Acme", Name: "second-db", Strategy: "auth0"}))
	must(t, tn.AddConnection(emulator.Connection{ID: "con_Custom000000Acme", Name: "partner-idp", DisplayName: "Partner Ltd", Strategy: "oauth2",
		IconURL: "https://cdn.partner.example/logo.png", Scope: []string{"email"}, Metadata: map[string]string{"tier": "gold"},
		Options: map[string]any{"client_secret": "hidden"}, ConnectedAccounts: true}))
	must(t, tn.AddConnection(emulator.Connection{ID: "con_Waad00000000Acme", Name: "fabrikam-entra", Strategy: "waad", ShowAsButton: &yes,
		DomainAliases: []string{"fabrikam.example"}, IsDomain: true}))
	must(t, tn.AddConnection(emulator.Connection{ID: "con_Email0000000Acme", Name: "email", Strategy: "email"}))
	must(t, tn.AddClient(emulator.Client{ID: "many", Secret: "x", Connections: []string{"second-db", "partner-idp", "fabrikam-entra", "email"}}))
	must(t, tn.AddClient(emulator.Client{ID: "none", Secret: "x"}))
	no := false
	must(t, tn.AddOrganization(emulator.Organization{ID: "org_1", Name: "acme-eu", DisplayName: "Acme Europe", Connections: []emulator.OrganizationConnection{
		{Name: "fabrikam-entra", AssignMembershipOnLogin: true}, {Name: "second-db"}, {Name: "customer-saml", ShowAsButton: &no}}}))
	return tn, c
}

const allScopes = "read:connections read:connections_options read:clients read:organizations read:organization_connections"

func TestManagementErrors(t *testing.T) {
	t.Parallel()
	tn, c := newManagedTenant(t)
	const insufficient = `{"statusCode":403,"error":"Forbidden","message":"Insufficient scope, expected any of: %s","errorCode":"insufficient_scope"}`
	all := manager(tn, allScopes)
	for _, test := range []struct {
		name, path, header string
		status             int
		body               string
	}{
		{"no token", "connections", "", 401, `{"statusCode":401,"error":"Unauthorized","message":"Missing authentication"}`},
		{"basic", "connections", basic("a", "b"), 401, `{"statusCode":401,"error":"Unauthorized","message":"Missing authentication"}`},
		{"no JWT", "connections", "Bearer x", 401, `{"statusCode":401,"error":"Unauthorized","message":"Invalid token"}`},
		{"expired", "connections", manager(tn, allScopes, func(_, claims map[string]any) { claims["exp"] = c.Now().Unix() }), 401, `{"statusCode":401,"error":"Unauthorized","message":"Invalid token"}`},
		{"no exp", "connections", manager(tn, allScopes, func(_, claims map[string]any) { delete(claims, "exp") }), 401, `{"statusCode":401,"error":"Unauthorized","message":"Invalid token"}`},
		{"signature", "connections", all[:len(all)-8] + "AAAAAAAA", 401, `{"statusCode":401,"error":"Unauthorized","message":"Invalid signature received for JSON Web Token validation"}`},
		{"algorithm", "connections", manager(tn, allScopes, func(header, _ map[string]any) { header["alg"] = "none" }), 401, `{"statusCode":401,"error":"Unauthorized","message":"Invalid signature received for JSON Web Token validation"}`},
		{"audience", "connections", "Bearer " + tn.AccessToken("web@clients", "https://login.acme.example/api/v2/"), 401, `{"statusCode":401,"error":"Unauthorized","message":"Bad audience: https://login.acme.example/api/v2/"}`},
		{"issuer", "connections", manager(tn, allScopes, func(_, claims map[string]any) { claims["iss"] = "https://login.acme.example/" }), 401, `{"statusCode":401,"error":"Unauthorized","message":"Bad audience: https://acme.auth0.example/api/v2/"}`},
		{"no scope", "connections", manager(tn, ""), 403, fmt.Sprintf(insufficient, "read:connections")},
		{"other scope", "connections/con_Db0000000000Acme", manager(tn, "read:clients"), 403, fmt.Sprintf(insufficient, "read:connections")},
		{"one of two scopes", "clients/many/connections", manager(tn, "read:connections"), 403, fmt.Sprintf(insufficient, "read:clients,read:client_summary")},
		{"organization scope", "organizations/org_1/enabled_connections", manager(tn, "read:organizations"), 403, fmt.Sprintf(insufficient, "read:organization_connections")},
		{"connection", "connections/con_nope", all, 404, `{"statusCode":404,"error":"Not Found","message":"The connection does not exist","errorCode":"inexistent_connection"}`},
		{"clients of a connection", "connections/con_nope/clients", all, 404, `{"statusCode":404,"error":"Not Found","message":"The connection does not exist","errorCode":"inexistent_connection"}`},
		{"client", "clients/nope", all, 404, `{"statusCode":404,"error":"Not Found","message":"The client does not exist","errorCode":"inexistent_client"}`},
		{"connections of a client", "clients/nope/connections", all, 404, `{"statusCode":404,"error":"Not Found","message":"The client does not exist","errorCode":"inexistent_client"}`},
		{"organization", "organizations/org_2", all, 404, `{"statusCode":404,"error":"Not Found","message":"No organization found by that id or name"}`},
		{"organization by name", "organizations/name/nope", all, 404, `{"statusCode":404,"error":"Not Found","message":"No organization found by that id or name"}`},
		{"route", "users", all, 404, `{"statusCode":404,"error":"Not Found","message":"Not Found"}`},
		{"beyond 1000", "connections?page=20&per_page=50", all, 400, `{"statusCode":400,"error":"Bad Request","message":"Offset pagination beyond 1000 results is not supported","errorCode":"invalid_query_string"}`},
		{"take", "connections?take=101", all, 400, `{"statusCode":400,"error":"Bad Request","message":"Query validation error: 'Value 101 is greater than maximum 100' on property take.","errorCode":"invalid_query_string"}`},
		{"no number", "connections?per_page=x", all, 400, `{"statusCode":400,"error":"Bad Request","message":"Query validation error: 'Expected type integer but found type string' on property per_page.","errorCode":"invalid_query_string"}`},
		{"zero", "connections?per_page=0", all, 400, `{"statusCode":400,"error":"Bad Request","message":"Query validation error: 'Value 0 is less than minimum 1' on property per_page.","errorCode":"invalid_query_string"}`},
		{"no boolean", "connections?include_totals=1", all, 400, `{"statusCode":400,"error":"Bad Request","message":"Query validation error: 'Expected type boolean but found type string' on property include_totals.","errorCode":"invalid_query_string"}`},
		{"checkpoint", "connections?from=con_nope", all, 400, `{"statusCode":400,"error":"Bad Request","message":"Query validation error: 'Unknown checkpoint' on property from.","errorCode":"invalid_query_string"}`},
		{"offset where only checkpoints are", "clients/many/connections?page=0", all, 400, `{"statusCode":400,"error":"Bad Request","message":"Query validation error: 'Additional properties not allowed: page'.","errorCode":"invalid_query_string"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			res := get(tn, mgmt+test.path, "Authorization", test.header)
			equal(t, "status", res.status, test.status)
			sameJSON(t, res.body, test.body)
			for _, name := range []string{"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"} {
				if res.header.Get(name) == "" {
					t.Errorf("no %s", name)
				}
			}
		})
	}
	r := httptest.NewRequest("POST", mgmt+"connections", strings.NewReader("{}"))
	r.Header.Set("Authorization", all)
	equal(t, "POST", serve(tn, r).status, 403)
	r = httptest.NewRequest("PUT", mgmt+"connections", strings.NewReader("{}"))
	r.Header.Set("Authorization", all)
	equal(t, "PUT", serve(tn, r).status, 404)
}

func names(items []any) string {
	var list []string
	for _, item := range items {
		list = append(list, item.(map[string]any)["name"].(string))
	}
	return strings.Join(list, " ")
}

func TestListClientConnections(t *testing.T) {
	t.Parallel()
	tn, _ := newManagedTenant(t)
	auth := manager(tn, "read:connections read:client_summary")
	list := func(path string) map[string]any {
		t.Helper()
		res := get(tn, mgmt+path, "Authorization", auth)
		if res.status != 200 {
			t.Fatalf("status %d: %s", res.status, res.body)
		}
		return res.json(t)
	}
	page := list("clients/many/connections?take=2")
	equal(t, "names", names(page["connections"].([]any)), "second-db partner-idp")
	equal(t, "next", page["next"], any("con_Custom000000Acme"))
	page = list("clients/many/connections?take=2&from=" + page["next"].(string))
	equal(t, "names", names(page["connections"].([]any)), "fabrikam-entra email")
	if _, ok := page["next"]; ok {
		t.Error("the last page has a next")
	}
	equal(t, "names", names(list("clients/many/connections?strategy=email&strategy=waad")["connections"].([]any)), "fabrikam-entra email")
	sameJSON(t, get(tn, mgmt+"clients/none/connections", "Authorization", auth).body, `{"connections":[]}`)
	sameJSON(t, get(tn, mgmt+"clients/many/connections?take=3&strategy=oauth2", "Authorization", auth).body, `{"connections":[
		{"id":"con_Custom000000Acme","strategy":"oauth2","name":"partner-idp","display_name":"Partner Ltd","is_domain_connection":false,
		"authentication":{"active":true},"connected_accounts":{"active":true},"realms":["partner-idp"],"metadata":{"tier":"gold"}}]}`)
}

func TestListConnections(t *testing.T) {
	t.Parallel()
	tn, _ := newManagedTenant(t)
	plain := manager(tn, "read:connections")
	withOptions := manager(tn, "read:connections read:connections_options")

	var array []any
	must(t, json.Unmarshal([]byte(get(tn, mgmt+"connections", "Authorization", plain).body), &array))
	equal(t, "names", names(array), database+" google-oauth2 customer-saml second-db partner-idp fabrikam-entra email")
	for _, item := range array {
		if _, ok := item.(map[string]any)["options"]; ok {
			t.Error("options without their scope")
		}
	}
	must(t, json.Unmarshal([]byte(get(tn, mgmt+"connections?page=1&per_page=3", "Authorization", plain).body), &array))
	equal(t, "names", names(array), "second-db partner-idp fabrikam-entra")
	sameJSON(t, get(tn, mgmt+"connections?page=9", "Authorization", plain).body, `[]`)

	totals := get(tn, mgmt+"connections?include_totals=true&page=2&per_page=3", "Authorization", plain).json(t)
	equal(t, "total", totals["total"], any(7.0))
	equal(t, "start", totals["start"], any(6.0))
	equal(t, "limit", totals["limit"], any(3.0))
	equal(t, "names", names(totals["connections"].([]any)), "email")

	page := get(tn, mgmt+"connections?take=5", "Authorization", plain).json(t)
	equal(t, "next", page["next"], any("con_Custom000000Acme"))
	page = get(tn, mgmt+"connections?from=con_Custom000000Acme", "Authorization", plain).json(t)
	equal(t, "names", names(page["connections"].([]any)), "fabrikam-entra email")
	equal(t, "next", page["next"], nil)

	sameJSON(t, get(tn, mgmt+"connections?include_totals=true&strategy=waad&fields=id", "Authorization", plain).body,
		`{"total":1,"start":0,"limit":50,"connections":[{"id":"con_Waad00000000Acme","is_domain_connection":true}]}`)
	sameJSON(t, get(tn, mgmt+"connections?name=email&fields=id,strategy&include_fields=false", "Authorization", plain).body,
		`[{"name":"email","is_domain_connection":false,"realms":["email"]}]`)
	sameJSON(t, get(tn, mgmt+"connections?name=fabrikam-entra", "Authorization", withOptions).body,
		`[{"id":"con_Waad00000000Acme","strategy":"waad","name":"fabrikam-entra","is_domain_connection":true,"show_as_button":true,
		"authentication":{"active":true},"connected_accounts":{"active":false},"realms":["fabrikam-entra"],
		"options":{"domain_aliases":["fabrikam.example"],"tenant_domain":"fabrikam.example"}}]`)
	one := get(tn, mgmt+"connections/con_Custom000000Acme", "Authorization", withOptions).json(t)
	options, _ := json.Marshal(one["options"])
	sameJSON(t, string(options), `{"client_secret":"hidden","icon_url":"https://cdn.partner.example/logo.png","scope":["email"]}`)

	sameJSON(t, get(tn, mgmt+"connections/con_Waad00000000Acme/clients", "Authorization", plain).body, `{"clients":[{"client_id":"many"}]}`)
	sameJSON(t, get(tn, mgmt+"connections/"+array[0].(map[string]any)["id"].(string)+"/clients?take=1", "Authorization", plain).body, `{"clients":[{"client_id":"many"}]}`)
}

func TestGetClient(t *testing.T) {
	t.Parallel()
	tn, _ := newManagedTenant(t)
	got := get(tn, mgmt+"clients/web", "Authorization", manager(tn, "read:clients")).json(t)
	for name, want := range map[string]any{"client_id": "web", "name": "Web app", "is_first_party": true, "organization_usage": "deny",
		"token_endpoint_auth_method": "client_secret_post", "app_type": "regular_web", "client_secret": nil} {
		equal(t, name, got[name], want)
	}
	got = get(tn, mgmt+"clients/web?fields=client_secret,name", "Authorization", manager(tn, "read:clients read:client_keys")).json(t)
	equal(t, "client_secret", got["client_secret"], any("s3cret"))
	equal(t, "number of members", len(got), 2)

	must(t, tn.AddClient(emulator.Client{ID: "spa", Public: true, CallbackURLs: []string{callback}, WebOrigins: []string{app}}))
	got = get(tn, mgmt+"clients/spa", "Authorization", manager(tn, "read:clients read:client_keys")).json(t)
	for name, want := range map[string]any{"token_endpoint_auth_method": "none", "app_type": "spa", "client_secret": nil} {
		equal(t, name, got[name], want)
	}
	must(t, tn.EditClient("spa", func(c *emulator.Client) { c.OrganizationRequireBehavior = "pre_login_prompt" }))
	got = get(tn, mgmt+"clients/spa", "Authorization", manager(tn, "read:clients")).json(t)
	equal(t, "organization_require_behavior", got["organization_require_behavior"], any("pre_login_prompt"))
	equal(t, "client credentials", has(got["grant_types"], "client_credentials"), false)
	equal(t, "web origin", has(got["web_origins"], app), true)
}

func TestOrganizationCalls(t *testing.T) {
	t.Parallel()
	tn, _ := newManagedTenant(t)
	auth := manager(tn, allScopes)
	want := `{"id":"org_1","name":"acme-eu","display_name":"Acme Europe"}`
	sameJSON(t, get(tn, mgmt+"organizations/org_1", "Authorization", auth).body, want)
	sameJSON(t, get(tn, mgmt+"organizations/name/acme-eu", "Authorization", auth).body, want)
	items := `{"connection_id":"con_Waad00000000Acme","assign_membership_on_login":true,"show_as_button":true,"connection":{"name":"fabrikam-entra","strategy":"waad"}},
		{"connection_id":"con_Db0000000000Acme","assign_membership_on_login":false,"is_signup_enabled":false,"connection":{"name":"second-db","strategy":"auth0"}}`
	sameJSON(t, get(tn, mgmt+"organizations/org_1/enabled_connections?per_page=2", "Authorization", auth).body, "["+items+"]")
	sameJSON(t, get(tn, mgmt+"organizations/org_1/enabled_connections?include_totals=true&per_page=2", "Authorization", auth).body,
		`{"enabled_connections":[`+items+`],"start":0,"limit":2,"total":3}`)
}

func TestManagementRateLimit(t *testing.T) {
	t.Parallel()
	tn, c := newManagedTenant(t)
	auth := manager(tn, allScopes)
	tn.LimitRate(emulator.Management, 2, 1200*time.Millisecond)
	for want := range 2 {
		res := get(tn, mgmt+"connections", "Authorization", auth)
		equal(t, "status", res.status, 200)
		equal(t, "limit", res.header.Get("x-ratelimit-limit"), "2")
		equal(t, "remaining", res.header.Get("x-ratelimit-remaining"), fmt.Sprint(1-want))
	}
	res := get(tn, mgmt+"connections", "Authorization", auth)
	equal(t, "status", res.status, 429)
	sameJSON(t, res.body, `{"statusCode":429,"error":"Too Many Requests","message":"Global limit has been reached","errorCode":"too_many_requests"}`)
	equal(t, "remaining", res.header.Get("x-ratelimit-remaining"), "0")
	equal(t, "reset", res.header.Get("x-ratelimit-reset"), fmt.Sprint(c.Now().Unix()+2)) // rounded up
	equal(t, "Retry-After", res.header.Get("Retry-After"), "")
	c.add(2 * time.Second)
	equal(t, "status after the reset", get(tn, mgmt+"connections", "Authorization", auth).status, 200)
}

func TestManagementWithARealToken(t *testing.T) {
	t.Parallel()
	tn, err := emulator.New(emulator.Config{Host: "acme.auth0.example"})
	must(t, err)
	must(t, tn.AddDemo(emulator.Demo{ClientID: "web", ClientSecret: "s3cret", BaseURL: app, Audience: api}))
	token := clientCredentials(tn, "audience", mgmt).json(t)["access_token"].(string)
	res := get(tn, mgmt+"clients/web/connections", "Authorization", "Bearer "+token)
	equal(t, "status", res.status, 200)
	equal(t, "names", names(res.json(t)["connections"].([]any)),
		database+" google-oauth2 github partner-idp fabrikam-entra customer-saml legacy-accounts")
	contains(t, res.body, `"authentication":{"active":false}`)
	org := get(tn, mgmt+"organizations/name/acme-eu", "Authorization", "Bearer "+token).json(t)
	res = get(tn, mgmt+"organizations/"+url.PathEscape(org["id"].(string))+"/enabled_connections", "Authorization", "Bearer "+token)
	equal(t, "connections of the organization", strings.Count(res.body, `"connection_id"`), 2)
}
