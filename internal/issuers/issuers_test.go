package issuers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/access"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// documents is a client of providers whose discovery documents name themselves, with a
// slash at the end. It counts the requests.
type documents struct{ requests atomic.Int64 }

func (d *documents) RoundTrip(r *http.Request) (*http.Response, error) {
	d.requests.Add(1)
	if r.URL.Host == "down.example" {
		return nil, errors.New("unreachable")
	}
	base := "https://" + r.URL.Host + "/"
	text, _ := json.Marshal(map[string]string{
		"issuer": base, "jwks_uri": base + "keys", "authorization_endpoint": base + "authorize", "token_endpoint": base + "token",
	})
	header := http.Header{"Content-Type": {"application/json"}}
	return &http.Response{StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(strings.NewReader(string(text))), Request: r}, nil
}

func secretKeys(t *testing.T) Keys {
	t.Helper()
	set, err := keys.Shared(strings.Repeat("s", 32))
	if err != nil {
		t.Fatal(err)
	}
	return Keys{Set: set, Public: set}
}

func newTrusted(d *documents, resolve func(context.Context, string) (Source, bool, error)) *Trusted {
	log := slog.New(slog.DiscardHandler)
	client := &http.Client{Transport: d}
	return New(Settings{
		Defaults: access.Issuer{Audiences: []string{"api"}, Algorithms: []string{"PS256"}}, Resolve: resolve, Client: client, Log: log,
		NewKeys: func(n *provider.Tenant, jwksURI string) Keys {
			set := keys.New(keys.Source{
				URL:    func(context.Context) (string, error) { return jwksURI, nil },
				Client: client, First: n.First, NotYet: ErrTooMany, Log: log, Observe: func(context.Context, keys.Event) {},
			})
			return Keys{Set: set, Tenant: n, Public: set}
		},
	})
}

// add adds a source and returns what is reported.
func (is *Trusted) add(s Source) (list []string) {
	is.Add(func(field, format string, args ...any) { list = append(list, field+" "+fmt.Sprintf(format, args...)) }, s)
	return list
}

// TestSourceMistakes: each mistake is reported under its name.
func TestSourceMistakes(t *testing.T) {
	t.Parallel()
	secret := secretKeys(t)
	others := newTrusted(&documents{}, nil)
	others.add(Source{Domain: "other.example"})
	for _, tt := range []struct {
		why    string
		source Source
		want   []string // the beginnings of the reports
	}{
		{"a tenant", Source{Domain: "t.example"}, nil},
		{"a provider", Source{Domain: "https://p.example/x"}, nil},
		{"with keys", Source{Domain: "t.example", Keys: secret}, nil},
		{"with its own keys", Source{Domain: "https://other.example", Keys: others.Held("https://other.example/").Keys}, nil},
		{"with a URL", Source{Domain: "t.example", JWKSURI: "https://keys.example/jwks"}, nil},
		{"domain", Source{Domain: "a b"}, []string{`Domain "a b"`}},
		{"the same again", Source{Domain: "known.example"}, []string{`Domain "known.example" is repeated`}},
		{"the same with a slash", Source{Domain: "https://provider.example/"}, []string{`Domain "https://provider.example/" is repeated`}},
		{"a URL of keys", Source{Domain: "t.example", JWKSURI: "http://x.example"}, []string{`JWKSURI "http://x.example"`}},
		{"keys and their URL", Source{Domain: "t.example", Keys: secret, JWKSURI: "https://k.example/"}, []string{"JWKSURI and Keys exclude"}},
		{"keys without a set", Source{Domain: "t.example", Keys: Keys{Public: t}}, []string{"Keys cannot be used: this is a zero KeySet"}},
		{"keys without a set, of a provider", Source{Domain: "https://p.example", Keys: Keys{Public: t}}, []string{"Keys cannot be used: this is a zero KeySet"}},
		{"keys of another", Source{Domain: "t.example", Keys: others.Held("https://other.example/").Keys}, []string{"Keys belong to another issuer"}},
		{"algorithm", Source{Domain: "t.example", Issuer: access.Issuer{Algorithms: []string{"HS256"}}}, []string{`Algorithms "HS256"`}},
		{"algorithm of a secret", Source{Domain: "t.example", Keys: secret, Issuer: access.Issuer{Algorithms: []string{"RS256"}}}, []string{`Algorithms "RS256"`}},
		{"client", Source{Domain: "t.example", Issuer: access.Issuer{Clients: []string{"a", ""}}}, []string{"AcceptMissingAudienceFrom has an empty"}},
		{"audience", Source{Domain: "t.example", Issuer: access.Issuer{Audiences: []string{""}}}, []string{"Audiences are missing"}},
	} {
		is := newTrusted(&documents{}, nil)
		is.add(Source{Domain: "known.example"})
		is.add(Source{Domain: "https://provider.example"})
		got := is.add(tt.source)
		if len(got) != len(tt.want) {
			t.Errorf("%s: %q, want %q", tt.why, got, tt.want)
			continue
		}
		for i, begin := range tt.want {
			if !strings.HasPrefix(got[i], begin) {
				t.Errorf("%s: %q, want %q", tt.why, got[i], begin)
			}
		}
	}
}

// TestAudienceNeeded: without a default, an issuer needs audiences, or clients whose tokens
// may lack one. The domain of the API itself is reported elsewhere.
func TestAudienceNeeded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		source Source
		want   int
	}{
		{Source{Domain: "t.example"}, 1},
		{Source{Domain: "t.example", Issuer: access.Issuer{Audiences: []string{"a"}}}, 0},
		{Source{Domain: "t.example", Issuer: access.Issuer{Clients: []string{"c"}}}, 0},
		{Source{Domain: "own.example"}, 0},
	} {
		is := newTrusted(&documents{}, nil)
		is.Defaults.Audiences, is.Domain = nil, "own.example"
		if got := is.add(tt.source); len(got) != tt.want {
			t.Errorf("%+v: %q", tt.source, got)
		}
	}
}

// TestNeeds: an issuer has its own requirements, or those of the API. A secret has its own
// algorithm. Later changes of the caller's slices have no effect.
func TestNeeds(t *testing.T) {
	t.Parallel()
	is := newTrusted(&documents{}, nil)
	own := access.Issuer{Audiences: []string{"a"}, Algorithms: []string{"ES256"}, Clients: []string{"c"}}
	is.add(Source{Domain: "plain.example"})
	is.add(Source{Domain: "own.example", Issuer: own})
	is.add(Source{Domain: "secret.example", Keys: secretKeys(t)})
	own.Audiences[0], own.Algorithms[0], own.Clients[0] = "x", "x", "x"
	for name, want := range map[string]access.Issuer{
		"https://plain.example/":  {Audiences: []string{"api"}, Algorithms: []string{"PS256"}},
		"https://own.example/":    {Audiences: []string{"a"}, Algorithms: []string{"ES256"}, Clients: []string{"c"}},
		"https://secret.example/": {Audiences: []string{"api"}, Algorithms: []string{"HS256"}},
	} {
		got := is.Held(name).Needs
		if !slices.Equal(got.Audiences, want.Audiences) || !slices.Equal(got.Algorithms, want.Algorithms) || !slices.Equal(got.Clients, want.Clients) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	if !slices.Equal(is.Algorithms, []string{"PS256", "ES256", "HS256"}) || len(is.Configured()) != 3 {
		t.Errorf("%q of %d issuers", is.Algorithms, len(is.Configured()))
	}
}

func TestNilTrusted(t *testing.T) {
	t.Parallel()
	var is *Trusted
	if is.Configured() != nil || is.Settled() != nil || is.Held("x") != nil {
		t.Error("a nil Trusted has issuers")
	}
}

// because expects a fault with a cause.
func because(t *testing.T, why string, err error, want *fault.Fault, cause string) {
	t.Helper()
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok || !errors.Is(err, want) || f.Cause == nil || !strings.Contains(f.Cause.Error(), cause) {
		t.Errorf("%s: %v, want %v because of %q", why, err, want, cause)
	}
}

// TestAccepts: iss is compared exactly. A provider's document decides about its slash.
func TestAccepts(t *testing.T) {
	t.Parallel()
	d := &documents{}
	is := newTrusted(d, nil)
	is.add(Source{Domain: "t.example"})
	is.add(Source{Domain: "https://fixed.example", Keys: secretKeys(t)})
	is.add(Source{Domain: "https://url.example", JWKSURI: "https://keys.example/"})
	for _, iss := range []string{"https://t.example/", "https://fixed.example", "https://url.example"} {
		i, err := is.Find(t.Context(), iss)
		if err != nil || i.Accepts(t.Context(), iss) != nil {
			t.Errorf("%s: %v", iss, err)
		}
	}
	for _, iss := range []string{"https://t.example", "https://fixed.example/", "https://url.example/", ""} {
		_, err := is.Find(t.Context(), iss)
		because(t, iss, err, fault.Issuer, "want https://t.example/, https://fixed.example, https://url.example")
	}
	if n := d.requests.Load(); n != 0 {
		t.Errorf("%d requests", n)
	}
	is.add(Source{Domain: "https://p.example"})
	is.add(Source{Domain: "https://down.example"})
	find := func(iss string) *Issuer {
		i, err := is.Find(t.Context(), iss)
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	if err := find("https://p.example/").Accepts(t.Context(), "https://p.example/"); err != nil {
		t.Error(err)
	}
	because(t, "without the slash", find("https://p.example").Accepts(t.Context(), "https://p.example"), fault.Issuer, `want "https://p.example/"`)
	because(t, "unreachable", find("https://down.example").Accepts(t.Context(), "https://down.example"), fault.Keys, "unreachable")
}

// TestResolve: the answers of the application, and the issuers that they make.
func TestResolve(t *testing.T) {
	t.Parallel()
	failed := errors.New("failed")
	audiences := []string{"a"}
	is := newTrusted(&documents{}, func(_ context.Context, name string) (Source, bool, error) {
		switch name {
		case "https://good.example/":
			return Source{Domain: "good.example", Issuer: access.Issuer{Audiences: audiences}}, true, nil
		case "https://other.example/":
			return Source{Domain: "good.example"}, true, nil
		case "https://bad.example/":
			return Source{Domain: "bad.example", JWKSURI: "x"}, true, nil
		case "https://failed.example/":
			return Source{}, false, failed
		}
		return Source{}, false, nil
	})
	is.add(Source{Domain: "given.example"})
	if is.Algorithms != nil {
		t.Errorf("%q, before the issuers are known", is.Algorithms)
	}
	_, err := is.Find(t.Context(), "https://evil.example/")
	because(t, "untrusted", err, fault.Issuer, "which ResolveIssuer does not trust")
	_, err = is.Find(t.Context(), "https://other.example/")
	because(t, "another", err, fault.Issuer, `ResolveIssuer has returned Domain "good.example"`)
	if _, err = is.Find(t.Context(), "https://failed.example/"); err != failed {
		t.Error(err)
	}
	_, err = is.Find(t.Context(), "https://bad.example/")
	if r, ok := errors.AsType[*refusal.Refusal](err); !ok || r.Row != refusal.Misconfigured || !strings.Contains(r.Err.Error(), "auth0: Issuer.JWKSURI") {
		t.Error(err)
	}
	first, err := is.Find(t.Context(), "https://good.example/")
	if err != nil || is.Held("https://good.example/") != nil {
		t.Fatalf("%v, or an issuer is kept before its token is checked", err)
	}
	is.Admit("https://good.example/", first)
	if again, err := is.Find(t.Context(), "https://good.example/"); again != first || err != nil {
		t.Error("the same answer makes another issuer", err)
	}
	if audiences[0] = "b"; first.Needs.Audiences[0] != "a" {
		t.Error("the issuer has the slice of the application")
	}
	if changed, err := is.Find(t.Context(), "https://good.example/"); changed == first || err != nil {
		t.Error("a new answer makes no other issuer", err)
	}
	if len(is.Settled()) != 0 {
		t.Error("an issuer without a valid token is settled")
	}
	is.Settle("https://good.example/", first)
	if list := is.Settled(); len(list) != 1 || list[0] != first {
		t.Error(list)
	}
}

// TestVouch: issuers that the program names are not limited, and tokens of strangers are.
func TestVouch(t *testing.T) {
	t.Parallel()
	d := &documents{}
	is := newTrusted(d, func(_ context.Context, name string) (Source, bool, error) {
		return Source{Domain: strings.TrimSuffix(name, "/")}, name != "https://evil.example/", nil
	})
	for n := range 30 {
		iss := fmt.Sprintf("https://vouched%02d.example/", 29-n)
		if _, err := is.Vouch(t.Context(), iss); err != nil {
			t.Fatalf("%s: %v", iss, err)
		}
	}
	if list := is.Settled(); len(list) != 30 || list[0].Tenant.Issuer != "https://vouched00.example" {
		t.Errorf("%d issuers, or not by name", len(list))
	}
	limited := false
	for n := range 30 {
		iss := fmt.Sprintf("https://stranger%02d.example/", n)
		i, err := is.Find(t.Context(), iss)
		if err != nil {
			t.Fatal(err)
		}
		if err := i.Accepts(t.Context(), iss); err != nil {
			because(t, iss, err, fault.Keys, ErrTooMany.Error())
			limited = true
		}
	}
	if !limited || d.requests.Load() > 30+17 {
		t.Errorf("%d requests", d.requests.Load())
	}
	_, err := is.Vouch(t.Context(), "https://evil.example/")
	because(t, "untrusted", err, fault.Issuer, "does not trust")
}
