package environment

import (
	"errors"
	"reflect"
	"testing"
)

func read(values map[string]string) Settings {
	return Read(func(name string) string { return values[name] })
}

// TestRead has a row for each name, and for each older name beside a newer one.
func TestRead(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		values map[string]string
		want   Settings
	}{
		{nil, Settings{}},
		{
			map[string]string{
				"AUTH0_DOMAIN": "a.example", "AUTH0_CLIENT_ID": "b", "AUTH0_CLIENT_SECRET": "c", "AUTH0_SECRET": "d, e,,",
				"APP_BASE_URL": "https://f.example", "AUTH0_AUDIENCE": "g", "AUTH0_TENANT_DOMAIN": "h.example",
				"AUTH0_ISSUER_BASE_URL": "https://older.example/", "AUTH0_BASE_URL": "https://older.example", "AUTH0_CALLBACK_URL": "https://older.example/callback",
			},
			Settings{Domain: "a.example", ClientID: "b", ClientSecret: "c", Secrets: []string{"d", "e"}, BaseURL: "https://f.example", Audience: "g", TenantDomain: "h.example"},
		},
		{
			map[string]string{"AUTH0_ISSUER_BASE_URL": "https://a.example/", "AUTH0_BASE_URL": "https://f.example", "AUTH0_CALLBACK_URL": "https://g.example/callback"},
			Settings{Domain: "a.example", DomainName: "AUTH0_ISSUER_BASE_URL", BaseURL: "https://f.example", BaseName: "AUTH0_BASE_URL"},
		},
		{
			map[string]string{"AUTH0_CALLBACK_URL": "https://g.example:1/callback"},
			Settings{BaseURL: "https://g.example:1", CallbackPath: "/callback", BaseName: "AUTH0_CALLBACK_URL"},
		},
		{map[string]string{"AUTH0_CALLBACK_URL": "https://g.example"}, Settings{BaseURL: "https://g.example", BaseName: "AUTH0_CALLBACK_URL"}},
		{map[string]string{"AUTH0_CALLBACK_URL": "/callback"}, Settings{}},
		{map[string]string{"AUTH0_CALLBACK_URL": "%zz"}, Settings{}},
		{map[string]string{"AUTH0_ISSUER_BASE_URL": "http://a.example"}, Settings{Domain: "http://a.example", DomainName: "AUTH0_ISSUER_BASE_URL"}},
		{
			map[string]string{"AUTH0_CLIENT_ASSERTION_SIGNING_KEY": "key", "AUTH0_CLIENT_ASSERTION_SIGNING_ALG": "PS256"},
			Settings{SigningKey: "key", SigningAlgorithm: "PS256"},
		},
	} {
		want := row.want
		if want.DomainName == "" {
			want.DomainName = "AUTH0_DOMAIN"
		}
		if want.BaseName == "" {
			want.BaseName = "APP_BASE_URL"
		}
		if want.SigningAlgorithm == "" {
			want.SigningAlgorithm = "RS256"
		}
		if got := read(row.values); !reflect.DeepEqual(got, want) {
			t.Errorf("%v: got %+v, want %+v", row.values, got, want)
		}
	}
}

// TestMissing: the client secret is named beside another variable only.
func TestMissing(t *testing.T) {
	t.Parallel()
	const (
		domain = "auth0: environment variable AUTH0_DOMAIN is not set"
		id     = "auth0: environment variable AUTH0_CLIENT_ID is not set"
		secret = "auth0: environment variable AUTH0_SECRET is not set; make a value with: openssl rand -hex 32 (other SDKs call it AUTH0_SESSION_SECRET or SESSION_SECRET)"
		base   = "auth0: environment variable APP_BASE_URL is not set"
		client = "auth0: environment variable AUTH0_CLIENT_SECRET is not set; most applications need it"
	)
	complete := Settings{Domain: "a.example", ClientID: "b", Secrets: []string{"d"}, BaseURL: "https://f.example"}
	for _, row := range []struct {
		edit func(*Settings)
		want string
	}{
		{func(*Settings) {}, ""},
		{func(s *Settings) { *s = Settings{} }, domain + "\n" + id + "\n" + secret + "\n" + base + "\n" + client},
		{func(s *Settings) { s.ClientID, s.ClientSecret = "", "c" }, id},
		{func(s *Settings) { s.BaseURL, s.SigningKey = "", "key" }, base},
	} {
		s := complete
		row.edit(&s)
		got := ""
		if err := errors.Join(s.Missing()...); err != nil {
			got = err.Error()
		}
		if got != row.want {
			t.Errorf("%+v: %q, want %q", s, got, row.want)
		}
	}
}
