package api_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// TestDPoPConfig has a row for each mistake.
func TestDPoPConfig(t *testing.T) {
	t.Parallel()
	api := []string{"https://api.example"}
	prefix := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	var many []string
	for i := range 33 {
		many = append(many, fmt.Sprintf("https://h%d.example", i))
	}
	for _, tt := range []struct {
		why  string
		d    auth0.DPoP
		want string // a part of the error; empty for none
	}{
		{"zero", auth0.DPoP{}, ""},
		{"off with everything else", auth0.DPoP{BaseURLs: api, NonceSecrets: []string{newSecret}}, ""},
		{"allowed", auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: api}, ""},
		{"limits", auth0.DPoP{Mode: auth0.BindingRequired, BaseURLs: many[:32], TrustedProxies: prefix, MaxAge: 10 * time.Minute, Leeway: auth0.None, ReplayMemory: 1000,
			Algorithms: []string{"RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"}, NonceSecrets: []string{newSecret, oldSecret}}, ""},
		{"shortest", auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: []string{"http://localhost:8080/v1"}, MaxAge: time.Second, Leeway: 5 * time.Minute, Replays: &memory{}}, ""},

		{"mode", auth0.DPoP{Mode: 3}, "APIConfig.DPoP.Mode 3 is none of"},
		{"no base URL", auth0.DPoP{Mode: auth0.BindingAllowed}, "APIConfig.DPoP.BaseURLs is missing"},
		{"33 base URLs", auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: many}, "APIConfig.DPoP.BaseURLs has 33 URLs"},
		{"http", auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: []string{"http://api.example"}}, `APIConfig.DPoP.BaseURLs "http://api.example"`},
		{"query", auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: []string{"https://api.example?x"}}, "APIConfig.DPoP.BaseURLs"},
		{"fragment", auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: []string{"https://api.example#x"}}, "APIConfig.DPoP.BaseURLs"},
		{"user", auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: []string{"https://u@api.example"}}, "APIConfig.DPoP.BaseURLs"},
		{"no URL", auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: []string{"api.example"}}, "APIConfig.DPoP.BaseURLs"},
		{"empty URL", auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: []string{""}}, "APIConfig.DPoP.BaseURLs"},
		{"one host twice", auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: []string{"https://api.example/a", "https://API.example:443/b"}}, "same host"},
		{"mistake while it is off", auth0.DPoP{BaseURLs: []string{"http://api.example"}}, "APIConfig.DPoP.BaseURLs"},

		{"proxies with one base URL", auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: api, TrustedProxies: prefix}, "APIConfig.DPoP.TrustedProxies has no effect"},
		{"zero prefix", auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: many[:2], TrustedProxies: make([]netip.Prefix, 1)}, "APIConfig.DPoP.TrustedProxies [0] is not a prefix"},

		{"HS256", auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: api, Algorithms: []string{"ES256", "HS256"}}, `APIConfig.DPoP.Algorithms "HS256"`},
		{"none", auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: api, Algorithms: []string{"none"}}, `APIConfig.DPoP.Algorithms "none"`},
		{"ES256K", auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: api, Algorithms: []string{"ES256K"}}, `APIConfig.DPoP.Algorithms "ES256K"`},
		{"RS384", auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: api, Algorithms: []string{"RS384"}}, `APIConfig.DPoP.Algorithms "RS384"`},

		{"MaxAge too long", auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: api, MaxAge: 601 * time.Second}, "APIConfig.DPoP.MaxAge 10m1s"},
		{"MaxAge too short", auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: api, MaxAge: 999 * time.Millisecond}, "APIConfig.DPoP.MaxAge 999ms"},
		{"MaxAge negative", auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: api, MaxAge: auth0.None}, "APIConfig.DPoP.MaxAge -1ns"},
		{"Leeway too long", auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: api, Leeway: 6 * time.Minute}, "APIConfig.DPoP.Leeway 6m0s"},
		{"Leeway negative", auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: api, Leeway: -time.Second}, "APIConfig.DPoP.Leeway -1s"},

		{"small memory", auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: api, ReplayMemory: 999}, "APIConfig.DPoP.ReplayMemory 999"},
		{"large memory", auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: api, ReplayMemory: 10_000_001}, "APIConfig.DPoP.ReplayMemory 10000001"},
		{"negative memory", auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: api, ReplayMemory: auth0.None}, "APIConfig.DPoP.ReplayMemory -1"},
		{"memory and store", auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: api, ReplayMemory: 1000, Replays: &memory{}}, "APIConfig.DPoP.ReplayMemory and Replays exclude each other"},

		{"short secret", auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: api, NonceSecrets: []string{newSecret, oldSecret[:31]}}, "APIConfig.DPoP.NonceSecrets secret 2 of 2 has 31 bytes"},
		{"secret of a sample", auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: api, NonceSecrets: []string{"a long, randomly-generated string stored in env"}}, "APIConfig.DPoP.NonceSecrets"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			t.Parallel()
			_, err := auth0.NewAPI(auth0.APIConfig{Domain: testkit.APIHost, Audience: testkit.APIAudience, DPoP: tt.d})
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			for _, secret := range tt.d.NonceSecrets {
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("the error quotes a secret: %v", err)
				}
			}
		})
	}
	_, err := auth0.NewAPI(auth0.APIConfig{
		Domain: testkit.APIHost, Audience: testkit.APIAudience, TokenExtractors: []auth0.TokenExtractor{auth0.FromCookie("t")}, Certificates: auth0.Certificates{Mode: -1},
		DPoP: auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: []string{"x", "y"}, Algorithms: []string{"none"}, MaxAge: time.Hour, Leeway: time.Hour, ReplayMemory: 1, NonceSecrets: []string{"short"}},
	})
	for _, field := range []string{
		"DPoP.BaseURLs \"x\"", "DPoP.BaseURLs \"y\"", "DPoP.Algorithms", "DPoP.MaxAge", "DPoP.Leeway", "DPoP.ReplayMemory", "DPoP.NonceSecrets", "Certificates.Mode", "TokenExtractors needs FromHeader",
	} {
		if err == nil || !strings.Contains(err.Error(), "auth0: APIConfig."+field) {
			t.Errorf("%s is not among all mistakes:\n%v", field, err)
		}
	}
}

// TestDPoPConfigIsCopied: changes after NewAPI do not reach the API.
func TestDPoPConfigIsCopied(t *testing.T) {
	t.Parallel()
	urls, algorithms := []string{"https://api.example"}, []string{"ES256", "ES384", "EdDSA", "PS256", "RS256"}
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) {
		c.DPoP = auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: urls, Algorithms: algorithms}
	})
	urls[0], algorithms[0] = "https://evil.example", "RS256"
	f.ExpectWhole(t, f.API.RequireAuth(f), client.request(client.proof()), testkit.AnswerOK)
	f.ExpectWhole(t, f.API.RequireAuth(f), testkit.RequestWith(), noToken)
}

// TestDPoPMetadata: clients learn from the metadata which proofs the API accepts, and whether it
// needs them.
func TestDPoPMetadata(t *testing.T) {
	t.Parallel()
	for mode, want := range map[auth0.Binding][2]string{
		auth0.BindingOff: {"null", "null"}, auth0.BindingAllowed: {`["ES256","ES384","EdDSA","PS256","RS256"]`, "null"},
		auth0.BindingRequired: {`["ES256","ES384","EdDSA","PS256","RS256"]`, "true"},
	} {
		doc := metadata(t, newEnv(t, mode))
		got := [2]string{testkit.AsJSON(doc["dpop_signing_alg_values_supported"]), testkit.AsJSON(doc["dpop_bound_access_tokens_required"])}
		if got != want {
			t.Errorf("mode %d: %v, want %v", mode, got, want)
		}
		if _, ok := doc["dpop_bound_access_tokens_required"]; ok != (mode == auth0.BindingRequired) {
			t.Errorf("mode %d: dpop_bound_access_tokens_required is there: %v", mode, ok)
		}
		if methods := testkit.AsJSON(doc["bearer_methods_supported"]); methods != `["header"]` {
			t.Errorf("mode %d: methods %s", mode, methods)
		}
	}
	f := newEnv(t, auth0.BindingAllowed, func(d *auth0.DPoP) { d.Algorithms = []string{"EdDSA"} })
	if got := testkit.AsJSON(metadata(t, f)["dpop_signing_alg_values_supported"]); got != `["EdDSA"]` {
		t.Errorf("algorithms %s", got)
	}
}

// TestNonceSecretsDoNotPrint: neither a configuration nor an API shows the secrets.
func TestNonceSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	f := newEnv(t, auth0.BindingAllowed, nonceSecrets(newSecret, oldSecret))
	d := f.Config.DPoP
	var log testkit.Log
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "dpop", d)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "dpop", d)
	texts := []string{log.String(), string(testkit.Must(json.Marshal(d)))}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		texts = append(texts, fmt.Sprintf(format, d), fmt.Sprintf(format, &d), fmt.Sprintf(format, f.Config), fmt.Sprintf(format, f.API))
	}
	if slices.ContainsFunc(texts, func(text string) bool {
		return strings.Contains(text, newSecret[:12]) || strings.Contains(text, oldSecret[:12]) || strings.Contains(text, fmt.Sprintf("%x", newSecret[:12]))
	}) {
		t.Errorf("a secret is shown: %q", texts)
	}
	if !strings.Contains(texts[2], "https://api.example") {
		t.Errorf("%q shows no configuration", texts[2])
	}
}
