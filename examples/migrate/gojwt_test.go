package migrate_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/examples/migrate/fromgojwt"
)

const ordersURL = "https://api.acme.example/orders"

// An apiRow is a request to the API, and the status of each version's response.
type apiRow struct {
	name          string
	request       func(*auth0test.Tenant) *http.Request
	v2, v3, after int
	why           string // for a row whose statuses differ
}

// apiRows returns the requests. The guide lists those with a reason.
func apiRows() []apiRow {
	key := auth0test.NewProofKey()
	token := func(options ...auth0test.TokenOption) func(*auth0test.Tenant) *http.Request {
		return func(tenant *auth0test.Tenant) *http.Request {
			return bearer(ordersURL, tenant.AccessToken(options...))
		}
	}
	return []apiRow{
		{"good token", token(auth0test.Claim("https://acme.example/tier", "gold")), 200, 200, 200, ""},
		{"good token, `bearer` in lower case", func(tenant *auth0test.Tenant) *http.Request {
			r := get(ordersURL)
			r.Header.Set("Authorization", "bearer "+tenant.AccessToken())
			return r
		}, 200, 200, 200, ""},
		{"expired 5 seconds ago", token(auth0test.ExpiresIn(-5 * time.Second)), 200, 200, 200, ""},
		{"good token with the scope", func(tenant *auth0test.Tenant) *http.Request {
			return bearer(ordersURL+"/export", tenant.AccessToken(auth0test.Scope("export:orders")))
		}, 200, 200, 200, ""},
		{"good token without the scope", func(tenant *auth0test.Tenant) *http.Request {
			return bearer(ordersURL+"/export", tenant.AccessToken(auth0test.Scope("read:orders")))
		}, 403, 403, 403, ""},
		{"excluded path without a token", func(*auth0test.Tenant) *http.Request { return get("https://api.acme.example/health") }, 200, 200, 200, ""},
		{"optional token, none sent", func(*auth0test.Tenant) *http.Request { return get("https://api.acme.example/catalog") }, 200, 200, 200, ""},
		{"optional token, good", func(tenant *auth0test.Tenant) *http.Request {
			return bearer("https://api.acme.example/catalog", tenant.AccessToken())
		}, 200, 200, 200, ""},
		{"optional token, expired", func(tenant *auth0test.Tenant) *http.Request {
			return bearer("https://api.acme.example/catalog", tenant.AccessToken(auth0test.ExpiresIn(-time.Hour)))
		}, 401, 401, 401, ""},
		{"CORS preflight", func(*auth0test.Tenant) *http.Request {
			r := httptest.NewRequest("OPTIONS", ordersURL, nil)
			r.Header.Set("Origin", "https://spa.acme.example")
			r.Header.Set("Access-Control-Request-Method", "GET")
			return r
		}, 204, 204, 204, ""},
		{"malformed token", func(*auth0test.Tenant) *http.Request { return bearer(ordersURL, "not.a.token") }, 401, 401, 401, ""},
		{"expired an hour ago", token(auth0test.ExpiresIn(-time.Hour)), 401, 401, 401, ""},
		{"not valid yet (`nbf`)", token(auth0test.Claim("nbf", time.Now().Add(time.Hour).Unix())), 401, 401, 401, ""},
		{"other audience", token(auth0test.Claim("aud", "https://other.acme.example/")), 401, 401, 401, ""},
		{"other issuer", token(auth0test.Claim("iss", "https://other.auth0.example/")), 401, 401, 401, ""},
		{"ID token", func(tenant *auth0test.Tenant) *http.Request { return bearer(ordersURL, tenant.IDToken()) }, 401, 401, 401, ""},
		{"unknown `kid`", token(auth0test.Header("kid", "unknown")), 401, 401, 401, ""},
		{"other signature", func(tenant *auth0test.Tenant) *http.Request {
			tenant.SignWithForeignKey(true)
			return bearer(ordersURL, tenant.AccessToken())
		}, 401, 401, 401, ""},
		{"`alg` none", func(tenant *auth0test.Tenant) *http.Request {
			return bearer(ordersURL, unsigned(tenant.AccessToken(), "none")+".")
		}, 401, 401, 401, ""},
		{"`alg` HS256", func(tenant *auth0test.Tenant) *http.Request {
			input := unsigned(tenant.AccessToken(), "HS256")
			mac := hmac.New(sha256.New, []byte("a secret that no tenant has given out"))
			mac.Write([]byte(input))
			return bearer(ordersURL, input+"."+base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
		}, 401, 401, 401, ""},

		{"no token", func(*auth0test.Tenant) *http.Request { return get(ordersURL) }, 400, 401, 401, "RFC 6750, Section 3.1: a challenge without an error code"},
		{"scheme `Basic`", basic(ordersURL), 500, 400, 401, "another scheme is not a token"},
		{"optional token, scheme `Basic`", basic("https://api.acme.example/catalog"), 500, 400, 200, "another scheme is not a token"},
		{"`Bearer` without a token", func(*auth0test.Tenant) *http.Request {
			r := get(ordersURL)
			r.Header.Set("Authorization", "Bearer")
			return r
		}, 500, 400, 400, "RFC 6750, Section 3.1: the request is malformed"},
		{"two `Authorization` headers", func(tenant *auth0test.Tenant) *http.Request {
			r := bearer(ordersURL, tenant.AccessToken())
			r.Header.Add("Authorization", "Bearer "+tenant.AccessToken())
			return r
		}, 200, 400, 400, "RFC 6750, Section 2: one token in a request"},
		{"JWKS endpoint down, no cached keys", func(tenant *auth0test.Tenant) *http.Request {
			tenant.FailJWKS(http.StatusServiceUnavailable)
			return bearer(ordersURL, tenant.AccessToken())
		}, 401, 401, 503, "the token can be good: clients keep it and try again"},
		{"DPoP-bound token with its proof", func(tenant *auth0test.Tenant) *http.Request {
			token := tenant.AccessToken(auth0test.BoundTo(key))
			r := get(ordersURL)
			r.Header.Set("Authorization", "DPoP "+token)
			r.Header.Set("DPoP", key.Proof("GET", ordersURL, token))
			return r
		}, 500, 200, 200, "v2 has no DPoP; v3 has it by default"},
	}
}

func get(url string) *http.Request { return httptest.NewRequest("GET", url, nil) }

func bearer(url, token string) *http.Request {
	r := get(url)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func basic(url string) func(*auth0test.Tenant) *http.Request {
	return func(*auth0test.Tenant) *http.Request {
		r := get(url)
		r.SetBasicAuth("ada", "secret")
		return r
	}
}

// unsigned returns header and claims of a token, with another algorithm in the header.
func unsigned(token, algorithm string) string {
	header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"` + algorithm + `","typ":"JWT"}`))
	return header + "." + strings.Split(token, ".")[1]
}

// TestGoJWTMiddleware: the three APIs answer the same requests, and the guide lists the
// differences.
func TestGoJWTMiddleware(t *testing.T) {
	t.Parallel()
	var differences []string
	rows := apiRows()
	for _, row := range rows {
		statuses, bodies := map[string]int{}, map[string]string{}
		for name, build := range map[string]func(*auth0test.Tenant) (http.Handler, error){
			"v2": func(tenant *auth0test.Tenant) (http.Handler, error) {
				return fromgojwt.V2(tenant.URL(), auth0test.Audience, tenant.APIConfig(auth0test.Audience).HTTPClient)
			},
			"v3": func(tenant *auth0test.Tenant) (http.Handler, error) {
				return fromgojwt.V3(tenant.URL(), auth0test.Audience, tenant.APIConfig(auth0test.Audience).HTTPClient)
			},
			"after": func(tenant *auth0test.Tenant) (http.Handler, error) {
				of := tenant.APIConfig(auth0test.Audience)
				cfg := fromgojwt.Config(of.Domain, of.Audience)
				cfg.HTTPClient, cfg.Logger = of.HTTPClient, quiet
				return fromgojwt.After(cfg)
			},
		} {
			tenant := auth0test.NewTenant(t)
			api, err := build(tenant)
			if err != nil {
				t.Fatal(err)
			}
			answer := httptest.NewRecorder()
			api.ServeHTTP(answer, row.request(tenant))
			statuses[name], bodies[name] = answer.Code, answer.Body.String()
		}
		if got, want := [3]int{statuses["v2"], statuses["v3"], statuses["after"]}, [3]int{row.v2, row.v3, row.after}; got != want {
			t.Errorf("%s: v2, v3, after %d, want %d", row.name, got, want)
		}
		same := row.v2 == row.after && row.v3 == row.after
		if same && row.after == http.StatusOK && (bodies["v2"] != bodies["after"] || bodies["v3"] != bodies["after"]) {
			t.Errorf("%s: the answers differ: %q", row.name, bodies)
		}
		if same != (row.why == "") {
			t.Errorf("%s: a reason belongs to a row with different answers, and only to one", row.name)
		}
		if !same {
			differences = append(differences, line(row.name, row.v2, row.v3, row.after, row.why))
		}
	}
	guideLists(t, "from-go-jwt-middleware.md", len(rows)-len(differences), differences)
}

// TestGoJWTMiddlewareAlgorithms: the guide names the algorithms that package auth0 does not
// accept.
func TestGoJWTMiddlewareAlgorithms(t *testing.T) {
	t.Parallel()
	var missing []string
	for _, algorithm := range []string{
		"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512", "ES256K",
	} {
		cfg := fromgojwt.Config("acme.auth0.example", auth0test.Audience)
		cfg.Algorithms = []string{algorithm}
		if strings.HasPrefix(algorithm, "HS") {
			var err error
			if cfg.Keys, err = auth0.SharedSecret("c59c4f1e7d0b4a3f9b8e6d2a1f7e5c3b"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := auth0.NewAPI(cfg); err != nil {
			missing = append(missing, algorithm)
		}
	}
	const sentence = "algorithms HS384, HS512 and ES256K are not supported"
	if got := strings.Join(missing, " "); got != "HS384 HS512 ES256K" || !strings.Contains(guide(t, "from-go-jwt-middleware.md"), sentence) {
		t.Errorf("not accepted: %s", got)
	}
}
