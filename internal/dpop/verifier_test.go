package dpop

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// settings are those of an API at https://api.example.
func settings() Settings {
	return Settings{
		BaseURLs: []string{"https://api.example"}, MaxAge: 300 * time.Second, Leeway: 30 * time.Second, Realm: "api",
		Now: func() time.Time { return at }, Evicted: func(context.Context, int) {},
	}
}

// reports makes a Verifier and collects what it reports.
func reports(s Settings) (*Verifier, []string) {
	var list []string
	v := NewVerifier(func(field, format string, args ...any) { list = append(list, field+" "+fmt.Sprintf(format, args...)) }, s)
	return v, list
}

func verifierOf(t *testing.T, s Settings) *Verifier {
	t.Helper()
	v, mistakes := reports(s)
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	return v
}

// TestSettings: each bad setting is reported under its name.
func TestSettings(t *testing.T) {
	t.Parallel()
	many := make([]string, 33)
	for i := range many {
		many[i] = fmt.Sprintf("https://api%d.example", i)
	}
	store := storeFunc(func(context.Context, string, time.Time) (bool, error) { return true, nil })
	for _, tt := range []struct {
		why    string
		change func(*Settings)
		want   []string // the beginnings of the reports
	}{
		{"defaults", func(s *Settings) { s.MaxAge = 0 }, nil},
		{"limits", func(s *Settings) {
			s.MaxAge, s.ReplayMemory, s.BaseURLs, s.Algorithms = 10*time.Minute, 1_000, many[:32], []string{"ES512"}
		}, nil},
		{"the longest memory", func(s *Settings) { s.MaxAge, s.ReplayMemory = time.Second, 10_000_000 }, nil},
		{"off without a URL", func(s *Settings) { s.Off, s.BaseURLs = true, nil }, nil},
		{"no URL", func(s *Settings) { s.BaseURLs = nil }, []string{"BaseURLs is missing"}},
		{"many URLs", func(s *Settings) { s.BaseURLs = many }, []string{"BaseURLs has 33 URLs"}},
		{"two bad URLs", func(s *Settings) { s.BaseURLs = []string{"x", "https://y.example/?z"} }, []string{`BaseURLs "x"`, `BaseURLs "https://y`}},
		{"a proxy without a choice", func(s *Settings) { s.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }, []string{"TrustedProxies has no effect"}},
		{"no proxy", func(s *Settings) { s.BaseURLs, s.TrustedProxies = many[:2], []netip.Prefix{{}} }, []string{"TrustedProxies"}},
		{"short age", func(s *Settings) { s.MaxAge = time.Second - 1 }, []string{"MaxAge 999.999999ms"}},
		{"long age", func(s *Settings) { s.MaxAge = 10*time.Minute + 1 }, []string{"MaxAge 10m0.000000001s"}},
		{"algorithm", func(s *Settings) { s.Algorithms = []string{"HS256"} }, []string{`Algorithms "HS256"`}},
		{"small memory", func(s *Settings) { s.ReplayMemory = 999 }, []string{"ReplayMemory 999"}},
		{"large memory", func(s *Settings) { s.ReplayMemory = 10_000_001 }, []string{"ReplayMemory 10000001"}},
		{"memory and store", func(s *Settings) { s.Replays, s.ReplayMemory = store, 1_000 }, []string{"ReplayMemory and Replays exclude"}},
		{"short secrets", func(s *Settings) { s.NonceSecrets = []string{newSecret[:31], oldSecret[:30]} }, []string{"NonceSecrets secret 1 of 2", "NonceSecrets secret 2 of 2"}},
		{"secret of a sample", func(s *Settings) { s.NonceSecrets = []string{"a long, randomly-generated string stored in env"} }, []string{"NonceSecrets has a secret"}},
		{"off with mistakes", func(s *Settings) { s.Off, s.MaxAge, s.ReplayMemory = true, time.Hour, 1 }, []string{"MaxAge", "ReplayMemory"}},
	} {
		s := settings()
		tt.change(&s)
		v, got := reports(s)
		if (v == nil) != s.Off {
			t.Errorf("%s: %v", tt.why, v)
		}
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

// request returns a request for https://api.example/x with proofs.
func request(proofs ...string) *http.Request {
	r := httptest.NewRequest("GET", "https://api.example/x", nil)
	for _, text := range proofs {
		r.Header.Add("DPoP", text)
	}
	return r
}

// use does the whole work of an API on the proof of a request.
func (v *Verifier) use(ctx context.Context, r *http.Request) (nonce string, err error) {
	p, err := v.Read(r)
	if err != nil {
		return "", err
	}
	return v.Use(ctx, r, token, p, at)
}

func TestReadOneProof(t *testing.T) {
	t.Parallel()
	v := verifierOf(t, settings())
	text := proof(nil, nil)
	for why, r := range map[string]*http.Request{
		"none": request(), "two": request(text, text), "empty": request(""), "no proof": request("x"),
	} {
		_, err := v.Read(r)
		refused(t, why, err, fault.Proof, "header")
	}
	if p, err := v.Read(request(text)); err != nil || p == nil {
		t.Error(err)
	}
}

// TestUseOnce: a proof passes once, and only for the URL of the request.
func TestUseOnce(t *testing.T) {
	t.Parallel()
	v := verifierOf(t, settings())
	text := proof(nil, nil)
	if nonce, err := v.use(t.Context(), request(text)); err != nil || nonce != "" {
		t.Fatalf("%q, %v", nonce, err)
	}
	_, err := v.use(t.Context(), request(text))
	refused(t, "again", err, fault.Proof, "replay")
	_, err = v.use(t.Context(), request(proof(nil, members{"htu": "https://api.example/y"})))
	refused(t, "another URL", err, fault.Proof, "htu")
	_, err = v.use(t.Context(), request(proof(nil, members{"htm": "POST"})))
	refused(t, "another method", err, fault.Proof, "htm")
	bad := request(proof(nil, nil))
	bad.RequestURI = "/%zz"
	_, err = v.use(t.Context(), bad)
	refused(t, "a path that no client sends", err, fault.Proof, "htu")
	made := request(proof(nil, nil))
	made.RequestURI = "" // as in a request that a program has made itself
	if _, err := v.use(t.Context(), made); err != nil {
		t.Error(err)
	}
	if v.NewestNonce() != "" {
		t.Error("a nonce without secrets")
	}
}

// TestHostOfProxy: the header of a trusted proxy chooses among the base URLs, and that of a
// client does not.
func TestHostOfProxy(t *testing.T) {
	t.Parallel()
	s := settings()
	s.BaseURLs = []string{"https://api.example", "https://other.example"}
	s.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	v := verifierOf(t, s)
	for address, accepted := range map[string]bool{"10.0.0.1:1": true, "192.0.2.1:1": false} {
		r := request(proof(nil, nil))
		r.Host, r.RemoteAddr = "other.example", address
		r.Header.Set("X-Forwarded-Host", "api.example")
		if _, err := v.use(t.Context(), r); (err == nil) != accepted {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestNonceOfVerifier: a proof without a nonce is refused, and the newest nonce is accepted.
func TestNonceOfVerifier(t *testing.T) {
	t.Parallel()
	s := settings()
	s.NonceSecrets = []string{rand.Text() + rand.Text(), rand.Text() + rand.Text()}
	v := verifierOf(t, s)
	_, err := v.use(t.Context(), request(proof(nil, nil)))
	refused(t, "no nonce", err, fault.ProofNonce, "nonce")
	if newer, err := v.use(t.Context(), request(proof(nil, members{"nonce": v.NewestNonce()}))); err != nil || newer != "" {
		t.Errorf("%q, %v", newer, err)
	}
	older := must(NewNonces("api", s.NonceSecrets)).Current(at.Add(-2 * time.Minute))
	if newer, err := v.use(t.Context(), request(proof(nil, members{"nonce": older}))); err != nil || newer != v.NewestNonce() {
		t.Errorf("an older nonce: %q, %v; want %q", newer, err, v.NewestNonce())
	}
}

// TestStoreOfVerifier: the store of the application decides, and its failure is an outage.
func TestStoreOfVerifier(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	s := settings()
	var answer error
	s.Replays = storeFunc(func(context.Context, string, time.Time) (bool, error) { return false, answer })
	v := verifierOf(t, s)
	_, err := v.use(t.Context(), request(proof(nil, nil)))
	refused(t, "known to the store", err, fault.Proof, "replay")
	answer = broken
	_, err = v.use(t.Context(), request(proof(nil, nil)))
	if r, ok := errors.AsType[*refusal.Refusal](err); !ok || r.Row != refusal.Replays || r.RetryAfter != 5*time.Second || !errors.Is(err, broken) {
		t.Errorf("%v, want an outage", err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.use(canceled, request(proof(nil, nil))); err != context.Canceled {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}

// TestMemoryOfVerifier: a full memory tells the application its size.
func TestMemoryOfVerifier(t *testing.T) {
	t.Parallel()
	s := settings()
	s.ReplayMemory = 1_000
	limits := map[int]bool{}
	s.Evicted = func(_ context.Context, limit int) { limits[limit] = true }
	v := verifierOf(t, s)
	for i := range 2_000 {
		if added, err := v.used.AddCtx(t.Context(), fmt.Sprint(i), at.Add(time.Minute)); !added || err != nil {
			t.Fatal(added, err)
		}
	}
	if len(limits) != 1 || !limits[1_000] {
		t.Error(limits)
	}
}
