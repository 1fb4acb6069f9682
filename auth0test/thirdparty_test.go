package auth0test_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

// TestThirdParties: a self-registered application and an added one get tokens that the
// library accepts.
func TestThirdParties(t *testing.T) {
	t.Parallel()
	const audience, callback = "https://mcp.acme.example/mcp", "http://127.0.0.1:8765/callback"
	tenant := auth0test.NewTenant(t)
	tenant.AllowThirdParties(audience, "read:notes")
	tenant.AddUser(auth0test.User{Connection: "Username-Password-Authentication", Email: "joan@acme.example", Permissions: map[string][]string{audience: {"read:notes", "write:notes"}}})
	tenant.LogIn("joan@acme.example")
	tenant.AddThirdParty("https://client.example/app.json", callback)
	client := tenant.Config().HTTPClient
	api, err := auth0.NewAPI(tenant.APIConfig(audience))
	if err != nil {
		t.Fatal(err)
	}

	metadata := object(t, must(client.Get(tenant.URL()+".well-known/oauth-authorization-server")))
	for _, member := range []string{"authorization_response_iss_parameter_supported", "client_id_metadata_document_supported"} {
		if metadata[member] != true {
			t.Errorf("%s: %v", member, metadata[member])
		}
	}
	registered := object(t, must(client.Post(metadata["registration_endpoint"].(string), "application/json",
		strings.NewReader(`{"client_name":"Editor","redirect_uris":["`+callback+`"],"token_endpoint_auth_method":"none"}`))))
	for _, id := range []string{registered["client_id"].(string), "https://client.example/app.json"} {
		verifier := rand.Text() + rand.Text()
		sum := sha256.Sum256([]byte(verifier))
		query := url.Values{"client_id": {id}, "redirect_uri": {callback}, "response_type": {"code"}, "resource": {audience}, "scope": {"read:notes write:notes"},
			"state": {"s"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}
		stop := *client
		stop.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		answer, err := must(stop.Get(metadata["authorization_endpoint"].(string) + "?" + query.Encode())).Location()
		if err != nil || answer.Query().Get("iss") != tenant.URL() {
			t.Fatalf("%v, %v", answer, err)
		}
		tokens := object(t, must(client.PostForm(metadata["token_endpoint"].(string), url.Values{"grant_type": {"authorization_code"}, "client_id": {id},
			"code": {answer.Query().Get("code")}, "redirect_uri": {callback}, "code_verifier": {verifier}, "resource": {audience}})))
		raw, _ := tokens["access_token"].(string)
		token, err := api.Verify(t.Context(), raw)
		if err != nil || !token.HasScope("read:notes") || token.HasScope("write:notes") {
			t.Errorf("%s: %+v, %v, %v", id, token, err, tokens)
		}
	}
	if got := failureOf(func(tb auth0test.TB) {
		auth0test.NewTenant(tb).AddThirdParty("x", "https://real.example.com/callback")
	}); !strings.Contains(got, "real users can reach") {
		t.Error(got)
	}
}

// TestThirdPartiesOfTheAPI: the new scopes are added to the API's scopes.
func TestThirdPartiesOfTheAPI(t *testing.T) {
	t.Parallel()
	tenant := auth0test.NewTenant(t)
	tenant.AllowThirdParties(auth0test.Audience, "read:protected", "read:more")
	tenant.AllowClientCredentials(auth0test.Audience, "read:protected", "write:messages")
	strategy, err := auth0.New(tenant.Config())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := strategy.Application().ClientCredentials(auth0.ClientCredentials{Audience: auth0test.Audience, Scopes: []string{"write:messages"}}).Token(); err != nil {
		t.Error(err)
	}
}

func must(resp *http.Response, err error) *http.Response {
	if err != nil {
		panic(err)
	}
	return resp
}

// object decodes the body of a response.
func object(t *testing.T, resp *http.Response) (doc map[string]any) {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(body, &doc)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return doc
}
