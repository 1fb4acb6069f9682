package directory

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/clientauth"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/provider"
)

// A tenantOf answers token requests and the requests of the Management API.
type tenantOf struct {
	asked  []string
	status int // of the API
	denied bool
}

func (s *tenantOf) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	if r.URL.Path != "/oauth/token" {
		s.asked = append(s.asked, r.URL.String()+" with "+r.Header.Get("Authorization"))
		w.WriteHeader(s.status)
		fmt.Fprint(w, `{"id":"org_1"}`)
		return w.Result(), nil
	}
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	s.asked = append(s.asked, r.URL.String()+" by "+form.Get("client_id")+" with "+form.Get("client_secret")+" for "+form.Get("audience"))
	w.Header().Set("Content-Type", "application/json")
	if s.denied {
		w.WriteHeader(403)
		fmt.Fprint(w, `{"error":"access_denied","error_description":"Service not found: https://acme.example/api/v2/"}`)
	} else {
		fmt.Fprint(w, `{"access_token":"t","token_type":"Bearer","expires_in":60}`)
	}
	return w.Result(), nil
}

// getter returns the Getter of an application at a domain, and the reported mistakes.
func getter(s *tenantOf, domain string, m Management) (Getter, string) {
	var reported []string
	report := func(field, format string, args ...any) {
		reported = append(reported, field+" "+fmt.Sprintf(format, args...))
	}
	m.Log = slog.New(slog.DiscardHandler)
	client := fetch.NewClient(&http.Client{Transport: s}, fetch.Options{})
	tenant := provider.NewTenant(report, domain)
	tenant.DiscoverWith(report, client, nil, m.Log)
	get := m.Getter(report, &provider.Client{
		ID: "app", Auth: clientauth.WithSecret(clientauth.ClientSecretPost, "its secret"), Tenant: &tenant, HTTP: client, Now: time.Now,
	})
	return get, strings.Join(reported, "; ")
}

// TestManagement: requests go to the tenant's own domain, with the given credentials.
func TestManagement(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		domain string
		m      Management
		want   string
	}{
		{"acme.example", Management{}, "https://acme.example/oauth/token by app with its secret for https://acme.example/api/v2/, https://acme.example/api/v2/x?a=b with Bearer t"},
		{
			"login.example", Management{TenantDomain: "Acme.example", ClientID: "other", ClientSecret: "another secret"},
			"https://acme.example/oauth/token by other with another secret for https://acme.example/api/v2/, https://acme.example/api/v2/x?a=b with Bearer t",
		},
		{
			"https://id.example", Management{TenantDomain: "acme.example"},
			"https://acme.example/oauth/token by app with its secret for https://acme.example/api/v2/, https://acme.example/api/v2/x?a=b with Bearer t",
		},
	} {
		s := &tenantOf{status: 200}
		get, reported := getter(s, row.domain, row.m)
		var got struct{ ID string }
		err := get(t.Context(), "x", url.Values{"a": {"b"}}, &got)
		if asked := strings.Join(s.asked, ", "); err != nil || got.ID != "org_1" || asked != row.want || reported != "" {
			t.Errorf("%s: %v, %q, %q", row.domain, err, asked, reported)
		}
	}
	if get, reported := getter(nil, "https://id.example", Management{}); get != nil || reported != "" {
		t.Errorf("another provider has an API, or mistakes: %q", reported)
	}
}

// TestManagementToken: a rejected token is renewed, and the error of a token request names
// the setting.
func TestManagementToken(t *testing.T) {
	t.Parallel()
	s := &tenantOf{status: 401}
	get, _ := getter(s, "acme.example", Management{})
	if err := get(t.Context(), "x", nil, nil); err == nil || strings.Count(strings.Join(s.asked, "\n"), "/oauth/token") < 1 {
		t.Errorf("%v after %q", err, s.asked)
	}
	get, _ = getter(&tenantOf{denied: true}, "acme.example", Management{})
	if err := get(t.Context(), "x", nil, nil); err == nil || !strings.Contains(err.Error(), "set Config.TenantDomain (AUTH0_TENANT_DOMAIN)") {
		t.Errorf("%v", err)
	}
}

// TestManagementMistakes has a row for each mistake of the configuration.
func TestManagementMistakes(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		m    Management
		want string
	}{
		{Management{TenantDomain: "acme example"}, `TenantDomain (AUTH0_TENANT_DOMAIN) "acme example" is not a domain such as acme.eu.auth0.com`},
		{Management{ClientID: "other"}, "ManagementClientID and ManagementClientSecret must both be set, or neither"},
		{Management{ClientSecret: "another secret"}, "ManagementClientID and ManagementClientSecret must both be set, or neither"},
	} {
		if _, reported := getter(nil, "acme.example", row.m); reported != row.want {
			t.Errorf("%q, want %q", reported, row.want)
		}
	}
	for _, row := range []struct {
		c    Config
		want string
	}{
		{Config{Given: []Entry{{Name: "a"}, {}}}, `Connections has the name "", which is empty or repeated`},
		{Config{Given: []Entry{{Name: "a"}, {Name: "b"}, {Name: "a"}}}, `Connections has the name "a", which is empty or repeated`},
		{Config{FileBase: "https://cdn.example/?a"}, `ConfigurationBaseURL "https://cdn.example/?a" is not a URL such as https://cdn.eu.auth0.com`},
		{Config{FileBase: "cdn.example"}, `ConfigurationBaseURL "cdn.example" is not a URL such as https://cdn.eu.auth0.com`},
		{Config{FileBase: "https://cdn.example/a", Given: []Entry{{Name: "a"}}}, ""},
	} {
		reported := ""
		row.c.Client = http.DefaultClient
		New(func(field, format string, args ...any) { reported += field + " " + fmt.Sprintf(format, args...) }, row.c)
		if !strings.HasPrefix(reported, row.want) || (reported == "") != (row.want == "") {
			t.Errorf("%q, want %q", reported, row.want)
		}
	}
}
