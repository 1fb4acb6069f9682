package discovery

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/fetch"
)

// provider serves metadata for itself, changed by edit.
func provider(t *testing.T, path string, edit func(base string, doc map[string]any)) string {
	t.Helper()
	var base string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path+"/.well-known/openid-configuration" {
			http.NotFound(w, r)
			return
		}
		doc := map[string]any{
			"issuer":                 base + path,
			"authorization_endpoint": base + "/authorize",
			"token_endpoint":         base + "/token",
			"jwks_uri":               base + "/jwks",
			"authorization_response_iss_parameter_supported": true,
		}
		edit(base, doc)
		json.NewEncoder(w).Encode(doc)
	}))
	t.Cleanup(s.Close)
	base = s.URL
	return base + path
}

func TestFetch(t *testing.T) {
	client := fetch.NewClient(nil, fetch.Options{})
	keep := func(string, map[string]any) {}
	set := func(name string, value any) func(string, map[string]any) {
		return func(_ string, doc map[string]any) {
			if value == nil {
				delete(doc, name)
			} else {
				doc[name] = value
			}
		}
	}
	tests := []struct {
		why, path, slash string
		edit             func(string, map[string]any)
		origins          []string
		ok               bool
	}{
		{"plain", "", "", keep, nil, true},
		{"slash in the configuration only", "", "/", keep, nil, true},
		{"slash in the document only", "", "", func(base string, doc map[string]any) { doc["issuer"] = base + "/" }, nil, true},
		{"issuer with a path", "/realms/a", "", keep, nil, true},
		{"two slashes", "", "", func(base string, doc map[string]any) { doc["issuer"] = base + "//" }, nil, false},
		{"other issuer", "", "", set("issuer", "https://evil.example"), nil, false},
		{"issuer of another realm", "/realms/a", "", func(base string, doc map[string]any) { doc["issuer"] = base + "/realms/b" }, nil, false},
		{"no issuer", "", "", set("issuer", nil), nil, false},
		{"issuer is no text", "", "", set("issuer", 1), nil, false},
		{"no authorization_endpoint", "", "", set("authorization_endpoint", nil), nil, false},
		{"no token_endpoint", "", "", set("token_endpoint", nil), nil, false},
		{"no jwks_uri", "", "", set("jwks_uri", nil), nil, false},
		{"keys elsewhere", "", "", set("jwks_uri", "https://keys.example/jwks"), nil, false},
		{"keys elsewhere, listed", "", "", set("jwks_uri", "https://keys.example/jwks"), []string{"https://keys.example"}, true},
		{"keys in a file", "", "", set("jwks_uri", "file:///etc/passwd"), nil, false},
		{"keys at the metadata service", "", "", set("jwks_uri", "http://169.254.169.254/"), nil, false},
		{"token endpoint on another port", "", "", set("token_endpoint", "http://127.0.0.1:1/token"), nil, false},
		{"token endpoint with a user name", "", "", func(base string, doc map[string]any) {
			doc["token_endpoint"] = strings.Replace(base, "//", "//u@", 1) + "/token"
		}, nil, false},
		{"relative end_session_endpoint", "", "", set("end_session_endpoint", "/logout"), nil, false},
		{"userinfo elsewhere", "", "", set("userinfo_endpoint", "https://evil.example/"), nil, false},
		{"revocation elsewhere", "", "", set("revocation_endpoint", "https://evil.example/"), nil, false},
		{"pushed requests elsewhere", "", "", set("pushed_authorization_request_endpoint", "https://evil.example/"), nil, false},
	}
	for _, tt := range tests {
		issuer := provider(t, tt.path, tt.edit) + tt.slash
		m, err := Fetch(t.Context(), client, issuer, tt.origins)
		if (err == nil) != tt.ok {
			t.Errorf("%s: error %v, want ok %v", tt.why, err, tt.ok)
		}
		if err != nil && fmt.Sprint(m) != fmt.Sprint(Metadata{}) {
			t.Errorf("%s: an error and metadata %+v", tt.why, m)
		}
		if err == nil && (m.Issuer == "" || m.TokenEndpoint == "" || !m.IssuerInResponse) {
			t.Errorf("%s: metadata %+v", tt.why, m)
		}
	}
}

func TestFetchBadAnswers(t *testing.T) {
	for _, body := range []string{"", "<html>", "[]", `"x"`, "{", "{}"} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, body) }))
		if _, err := Fetch(t.Context(), fetch.NewClient(nil, fetch.Options{}), s.URL, nil); err == nil {
			t.Errorf("answer %q: no error", body)
		}
		s.Close()
	}
}

func TestOrigin(t *testing.T) {
	tests := []struct{ raw, want string }{
		{"https://a.example", "https://a.example"},
		{"https://A.Example:443/x?y#z", "https://a.example"},
		{"https://a.example:8443/", "https://a.example:8443"},
		{"https://[2001:DB8::1]/", "https://[2001:db8::1]"},
		{"https://[2001:db8::1]:444/", "https://[2001:db8::1]:444"},
		{"http://localhost:3000/", "http://localhost:3000"},
		{"http://app.localhost:80/", "http://app.localhost"},
		{"http://127.0.0.1:4000/x", "http://127.0.0.1:4000"},
		{"http://[::1]:4000/x", "http://[::1]:4000"},
		{"http://a.example/", ""}, {"http://127.0.0.1.example/", ""}, {"http://localhost.example/", ""}, {"http://10.0.0.1/", ""},
		{"ftp://a.example/", ""}, {"//a.example/", ""}, {"/x", ""}, {"a.example", ""}, {"https:a.example", ""}, {"https://u:p@a.example/", ""},
		{"https:///x", ""}, {"", ""}, {"https://%zz/", ""}, {"javascript:alert(1)", ""},
	}
	for _, tt := range tests {
		got, err := Origin(tt.raw)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("Origin(%q) = %q, %v; want %q", tt.raw, got, err, tt.want)
		}
	}
}

func TestMTLSAlias(t *testing.T) {
	for alias, want := range map[string]bool{
		"https://acme.auth0.example/oauth/token":             true,
		"https://acme.auth0.example:8443/oauth/token":        true,
		"https://MTLS.acme.auth0.example/oauth/token":        true,
		"https://a.b.acme.auth0.example/oauth/token":         true,
		"https://mtls.login.example/oauth/token":             true, // listed
		"https://mtls.login.example:8443/oauth/token":        false,
		"https://other.example/oauth/token":                  false,
		"https://evilacme.auth0.example/oauth/token":         false,
		"https://auth0.example/oauth/token":                  false,
		"http://acme.auth0.example/oauth/token":              false,
		"http://localhost/oauth/token":                       false,
		"https://u:p@acme.auth0.example/oauth/token":         false,
		"https://other.example/?https://acme.auth0.example/": false,
		"/oauth/token": false,
	} {
		m := Metadata{Issuer: "https://acme.auth0.example/", MTLSAliases: map[string]string{"token_endpoint": alias}}
		got, err := m.MTLSAlias("token_endpoint", []string{"https://mtls.login.example"})
		if (err == nil) != want || want && got != alias || !want && got != "" {
			t.Errorf("%s: %q, %v", alias, got, err)
		}
		if got, err := m.MTLSAlias("revocation_endpoint", nil); got != "" || err != nil {
			t.Errorf("no alias: %q, %v", got, err)
		}
	}
}

func TestEndpoint(t *testing.T) {
	m := Metadata{TokenEndpoint: "t", RevocationEndpoint: "r", PAREndpoint: "p", UserInfoEndpoint: "u"}
	for name, want := range map[string]string{"token_endpoint": "t", "revocation_endpoint": "r", "pushed_authorization_request_endpoint": "p", "userinfo_endpoint": "", "": ""} {
		if got := m.Endpoint(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestInternationalHosts: a host with non-ASCII characters never equals the host of a
// browser's request. The error has the form to use.
func TestInternationalHosts(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"bücher.example":             "xn--bcher-kva.example",
		"BÜCHER.Example":             "xn--bcher-kva.example",
		"bu\u0308cher.example":       "xn--bcher-kva.example", // decomposed
		"faß.example":                "xn--fa-hia.example",
		"a.例え.テスト":                   "a.xn--r8jz45g.xn--zckzah",
		"аcme.example":               "xn--cme-5cd.example", // the first letter is Cyrillic
		"app.example\u3002example":   "app.example.example",
		strings.Repeat("ü", 300):     "",
		"\u200b\u2028ü .example\n\r": "",
	} {
		err := CheckASCII(host)
		if err == nil || !strings.HasSuffix(err.Error(), "browsers send"+map[bool]string{true: ": " + want}[want != ""]) {
			t.Errorf("%q: %v, want %q", host, err, want)
		}
		if strings.ContainsAny(host, " \n") {
			continue
		}
		if _, err := Origin("https://" + host + "/a"); err == nil || !strings.Contains(err.Error(), "browsers send") || want != "" && !strings.Contains(err.Error(), ": "+want) {
			t.Errorf("Origin of %q: %v, want %q", host, err, want)
		}
	}
	for _, host := range []string{"", "app.example", "APP.example", "xn--bcher-kva.example", "127.0.0.1"} {
		if err := CheckASCII(host); err != nil {
			t.Errorf("%q: %v", host, err)
		}
	}
}

func TestBecause(t *testing.T) {
	t.Parallel()
	if got := Because(nil) + Because(errors.New("x")); got != ": x" {
		t.Errorf("%q", got)
	}
}
