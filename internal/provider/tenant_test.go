package provider

import (
	"bytes"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/cached"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/tenantapi"
)

// TestNewTenant: a host name is a tenant of Auth0, a URL another provider.
func TestNewTenant(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		domain, issuer string
		isAuth0        bool
		report         string // part of it
	}{
		{"Tenant.Example", "https://tenant.example/", true, ""},
		{"https://id.example/realms/a", "https://id.example/realms/a", false, ""},
		{"http://localhost:8080", "http://localhost:8080", false, ""},
		{"http://id.example", "http://id.example", false, `Domain "http://id.example": http is allowed only for`},
		{"https://id.example?a=b", "https://id.example?a=b", false, `Domain "https://id.example?a=b" must have no query and no fragment`},
		{"https://id.example#a", "https://id.example#a", false, `Domain "https://id.example#a" must have no query and no fragment`},
		{"tenant.example/x", "https://tenant.example/x/", true, `Domain "tenant.example/x" `},
		{"", "https:///", true, `Domain "" `},
		{"https://acme.eu.auth0.com", "https://acme.eu.auth0.com/", true, ""},
		{"https://Acme.eu.auth0.com/", "https://acme.eu.auth0.com/", true, ""},
		{"https://acme.eu.auth0.com/x", "https://acme.eu.auth0.com/x", false, ""},
		{"https://acme.eu.auth0.com:8443", "https://acme.eu.auth0.com:8443", false, ""},
		{"http://acme.eu.auth0.com", "http://acme.eu.auth0.com", false, `Domain "http://acme.eu.auth0.com": http is allowed only for`},
		{"https://acme.eu.auth0.com?x", "https://acme.eu.auth0.com?x", false, `Domain "https://acme.eu.auth0.com?x" must have no query`},
		{"https://u@acme.eu.auth0.com", "https://u@acme.eu.auth0.com", false, `Domain "https://u@acme.eu.auth0.com": `},
		{"https://acme.eu.auth0.com.example", "https://acme.eu.auth0.com.example", false, ""},
		{"https://notauth0.com", "https://notauth0.com", false, ""},
		{"https://id.example", "https://id.example", false, ""},
		{"bücher.example", "https://bücher.example/", true, `Domain "bücher.example" must have the form that browsers send: xn--bcher-kva.example`},
		{"https://bücher.example", "https://bücher.example", false, `Domain "https://bücher.example": the host must have the form that browsers send: xn--bcher-kva.example`},
	} {
		var r reports
		got := NewTenant(r.add, tt.domain)
		if got.Issuer != tt.issuer || (got.Static != nil) != tt.isAuth0 {
			t.Errorf("%s: %+v", tt.domain, got)
		}
		if text := strings.Join(r, "; "); (text == "") != (tt.report == "") || !strings.HasPrefix(text, tt.report) || len(r) > 1 {
			t.Errorf("%s: %q, want %q", tt.domain, text, tt.report)
		}
	}
}

// TestAuth0Layout: the endpoints of every tenant of Auth0.
func TestAuth0Layout(t *testing.T) {
	t.Parallel()
	want := discovery.Metadata{
		Issuer: "https://tenant.example/", AuthorizationEndpoint: "https://tenant.example/authorize",
		TokenEndpoint: "https://tenant.example/oauth/token", JWKSURI: "https://tenant.example/.well-known/jwks.json",
		UserInfoEndpoint: "https://tenant.example/userinfo", RevocationEndpoint: "https://tenant.example/oauth/revoke",
		ProofAlgorithms: []string{"ES256"},
	}
	tenant := NewTenant((&reports{}).add, "tenant.example")
	got, err := tenant.Endpoints(t.Context()) // without a discovery document
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestDiscovery: the client fetches another provider's document at the first need, caches
// it, and fetches it again before it is too old.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const body = `{"issuer":"https://id.example/a","authorization_endpoint":"https://id.example/authorize",
			"token_endpoint":"https://tokens.example/t","jwks_uri":"https://id.example/jwks"}`
		s := &tenant{t: t, status: 200, header: http.Header{}, body: body}
		var log bytes.Buffer
		var r reports
		n := NewTenant(r.add, "https://id.example/a")
		n.DiscoverWith(r.add, fetch.NewClient(&http.Client{Transport: s}, fetch.Options{}), []string{"https://tokens.example"},
			slog.New(slog.NewTextHandler(&log, nil)))
		if len(r) > 0 || len(s.requests) > 0 {
			t.Fatalf("%q, %d requests", r, len(s.requests))
		}
		for range 2 {
			if got, err := n.Endpoints(t.Context()); err != nil || got.TokenEndpoint != "https://tokens.example/t" {
				t.Fatalf("%+v, %v", got, err)
			}
		}
		if got := s.last().URL.String(); got != "https://id.example/a/.well-known/openid-configuration" {
			t.Error(got)
		}
		for _, tt := range []struct {
			wait     time.Duration
			requests int
		}{{10*time.Minute - time.Second, 1}, {2 * time.Second, 2}} {
			time.Sleep(tt.wait)
			if _, err := n.Endpoints(t.Context()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if len(s.requests) != tt.requests {
				t.Errorf("after %v: %d requests", tt.wait, len(s.requests))
			}
		}
		// The stale document serves a day more.
		s.status = 503
		time.Sleep(24*time.Hour - time.Second)
		if _, err := n.Endpoints(t.Context()); err != nil {
			t.Errorf("after almost a day: %v", err)
		}
		synctest.Wait()
		if text := log.String(); !strings.Contains(text, "level=WARN") || !strings.Contains(text, "auth0: discovery failed") ||
			!strings.Contains(text, "using_old_document=true") {
			t.Errorf("log: %q", text)
		}
		log.Reset()
		time.Sleep(time.Hour)
		if _, err := n.Endpoints(t.Context()); err == nil {
			t.Error("after more than a day: no error")
		}
		synctest.Wait()
		if text := log.String(); !strings.Contains(text, "using_old_document=false") {
			t.Errorf("log: %q", text)
		}
		// A provider that has been down for a while gets one request in half a minute.
		ask := func() int {
			before := len(s.requests)
			for range 300 {
				n.Endpoints(t.Context())
				time.Sleep(time.Second)
			}
			return len(s.requests) - before
		}
		ask()
		if n := ask(); n < 8 || n > 11 {
			t.Errorf("%d requests in five minutes of an outage", n)
		}
	})
}

// TestDiscoveryOrigins: endpoints elsewhere are accepted on origins of the configuration,
// which must be origins.
func TestDiscoveryOrigins(t *testing.T) {
	t.Parallel()
	var r reports
	n := NewTenant(r.add, "https://id.example")
	n.DiscoverWith(r.add, &http.Client{}, []string{"https://a.example", "https://b.example/", "c.example"}, slog.New(slog.DiscardHandler))
	want := reports{
		`EndpointOrigins "https://b.example/" must be an origin such as https://keys.example.com`,
		`EndpointOrigins "c.example" must be an origin such as https://keys.example.com: not a URL with a host and without a user name`,
	}
	if !reflect.DeepEqual(r, want) || len(n.Origins) != 3 {
		t.Errorf("%q, %q", r, n.Origins)
	}
}

// TestFirst: the client fetches a missing document if First allows it.
func TestFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &tenant{t: t, status: 200, header: http.Header{}, body: `{}`}
		n := NewTenant((&reports{}).add, "https://id.example")
		n.First = func() bool { return false }
		n.DiscoverWith((&reports{}).add, &http.Client{Transport: s}, nil, slog.New(slog.DiscardHandler))
		if _, err := n.Endpoints(t.Context()); !errors.Is(err, cached.ErrNotAllowed) || len(s.requests) > 0 {
			t.Errorf("%v, %d requests", err, len(s.requests))
		}
	})
}

// TestOutgoing: the header fields of requests, with and without telemetry.
func TestOutgoing(t *testing.T) {
	t.Parallel()
	o := Outgoing("https://tenant.example/", true)
	if o.UserAgent != "auth0-go-rp/"+tenantapi.Version || o.Host != "tenant.example" || len(o.Header) != 1 {
		t.Errorf("%+v", o)
	}
	text, err := base64.StdEncoding.DecodeString(o.Header.Get("Auth0-Client"))
	want := `{"env":{"go":"` + strings.TrimPrefix(runtime.Version(), "go") + `"},"name":"auth0-go-rp","version":"` + tenantapi.Version + `"}`
	if err != nil || string(text) != want {
		t.Errorf("%s, want %s", text, want)
	}
	for _, o := range []fetch.Options{Outgoing("https://tenant.example/", false), Outgoing("https://a b/", true)} {
		if o.UserAgent != "auth0-go-rp/"+tenantapi.Version || o.Host != "" || o.Header != nil {
			t.Errorf("%+v", o)
		}
	}
}
