package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// Secrets that sign nonces only in these tests.
const (
	oldSecret = "kF3vQ9-old-nonce-secret-0Zt7Rb2YxLq8"
	newSecret = "pW5nJ1-new-nonce-secret-6Hc4Uv9MdSe3"
)

func nonceSecrets(list ...string) func(*auth0.DPoP) {
	return func(d *auth0.DPoP) { d.NonceSecrets = list }
}

// A nonceEnv has a clock.
type nonceEnv struct {
	*testkit.APIEnv
	clock *testkit.Clock
}

func newNonceEnv(t *testing.T, realm string, secrets ...string) nonceEnv {
	t.Helper()
	e := nonceEnv{clock: testkit.NewClock()}
	e.clock.At = testkit.Noon
	e.APIEnv = testkit.NewAPIEnv(t, dpop(auth0.BindingAllowed, nonceSecrets(secrets...)), func(c *auth0.APIConfig) { c.Now, c.Realm = e.clock.Now, realm })
	return e
}

// send sends a new proof with a nonce, empty for none, and returns the status and the nonce of
// the answer. The claim iat is the time of the API.
func (e nonceEnv) send(nonce string) (int, string) {
	edits := []edit{claim("iat", testkit.AsJSON(e.clock.Now().Unix()))}
	if nonce != "" {
		edits = append(edits, claim("nonce", testkit.Quoted(nonce)))
	}
	w := httptest.NewRecorder()
	e.API.RequireAuth(e).ServeHTTP(w, client.request(client.proof(edits...)))
	return w.Code, w.Result().Header.Get("DPoP-Nonce")
}

// nonce returns a nonce that the API makes now.
func (e nonceEnv) nonce(t *testing.T) string {
	t.Helper()
	code, nonce := e.send("")
	if code != 401 || nonce == "" {
		t.Fatalf("without a nonce: %d, nonce %q", code, nonce)
	}
	return nonce
}

// TestNonceAnswer compares the whole answer to a proof without a nonce. The log gets no
// warning: this is the first request of every client.
func TestNonceAnswer(t *testing.T) {
	t.Parallel()
	f := testkit.NewCacheEnv(t, dpop(auth0.BindingAllowed, nonceSecrets(newSecret)))
	required := newEnv(t, auth0.BindingRequired, nonceSecrets(newSecret))
	f.Events.Take()
	f.ExpectWhole(t, f.API.RequireAuth(f), client.request(client.proof()), needsNonce)
	if told, _ := f.Events.Take(); len(told) != 1 || told[0].Reason != "use_dpop_nonce" || told[0].Status != 401 {
		t.Errorf("events %+v", told)
	}
	if line := f.Log.Take(); strings.Contains(line, "WARN") || !strings.Contains(line, "nonce") {
		t.Errorf("log %q", line)
	}
	required.ExpectWhole(t, required.API.RequireAuth(required), client.request(client.proof()), alone(needsNonce))
	// Another fault is answered without a nonce.
	w := httptest.NewRecorder()
	f.API.RequireAuth(f).ServeHTTP(w, client.request(client.proof(claim("htm", `"POST"`))))
	if got := w.Result().Header; w.Code != 401 || got.Get("DPoP-Nonce") != "" || !strings.Contains(got.Values("WWW-Authenticate")[1], "invalid_dpop_proof") {
		t.Errorf("%d, %v", w.Code, got)
	}
	// A program that calls VerifyRequest answers alike.
	_, err := f.API.VerifyRequest(client.request(client.proof()))
	w = httptest.NewRecorder()
	f.API.WriteError(w, client.request(), err)
	if got := w.Result().Header; w.Code != 401 || got.Get("DPoP-Nonce") == "" || !strings.Contains(got.Values("WWW-Authenticate")[1], "use_dpop_nonce") {
		t.Errorf("%d, %v", w.Code, got)
	}
	// An ErrorHandler answers alike too.
	own := testkit.NewAPIEnv(t, dpop(auth0.BindingAllowed, nonceSecrets(newSecret)), func(c *auth0.APIConfig) {
		c.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, e *auth0.Error) { w.WriteHeader(e.Status) }
	})
	w = httptest.NewRecorder()
	own.API.RequireAuth(own).ServeHTTP(w, client.request(client.proof()))
	if w.Code != 401 || w.Result().Header.Get("DPoP-Nonce") == "" {
		t.Errorf("%d, %v", w.Code, w.Result().Header)
	}
}

// TestAgeOfNonces: a nonce is accepted for five minutes, and a busy client gets a newer one in
// time.
func TestAgeOfNonces(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why     string
		seconds int // from the nonce to the proof
		status  int
		newer   bool
	}{
		{"new", 0, 200, false},
		{"of this minute", 59, 200, false},
		{"61 s", 61, 200, true},
		{"4 min", 240, 200, true},
		{"6 min", 360, 401, true},
		{"half an hour", 1800, 401, true},
		{"of an instance a minute ahead", -60, 200, false},
		{"of an instance two minutes ahead", -120, 401, true},
	} {
		t.Run(tt.why, func(t *testing.T) {
			t.Parallel()
			e := newNonceEnv(t, "api", newSecret)
			e.clock.Add(600) // on a minute, after noon
			nonce := e.nonce(t)
			e.clock.Add(tt.seconds)
			code, newer := e.send(nonce)
			if code != tt.status || (newer != "") != tt.newer || newer == nonce {
				t.Errorf("%d, nonce %q for %q; want %d, another one: %v", code, newer, nonce, tt.status, tt.newer)
			}
			if newer != "" {
				if code, again := e.send(newer); code != 200 || again != "" {
					t.Errorf("with the newer nonce: %d, %q", code, again)
				}
			}
		})
	}
}

// TestForeignNonces: instances with one secret accept each other's nonces, and no others.
func TestForeignNonces(t *testing.T) {
	t.Parallel()
	both, oldOnly, newOnly := newNonceEnv(t, "api", newSecret, oldSecret), newNonceEnv(t, "api", oldSecret), newNonceEnv(t, "api", newSecret)
	other := newNonceEnv(t, "other", newSecret)
	for _, tt := range []struct {
		why   string
		to    nonceEnv
		nonce string
		want  int
	}{
		{"made with the old secret", both, oldOnly.nonce(t), 200},
		{"made with the new secret", both, newOnly.nonce(t), 200},
		{"the first secret makes nonces", newOnly, both.nonce(t), 200},
		{"the others do not", oldOnly, both.nonce(t), 401},
		{"a secret that was removed", newOnly, oldOnly.nonce(t), 401},
		{"of another realm", newOnly, other.nonce(t), 401},
		{"made up", newOnly, "AQAAAAAAAAAAAAAAAAAAAAAAAAAA", 401},
		{"cut off", newOnly, newOnly.nonce(t)[:27], 401},
		{"longer", newOnly, newOnly.nonce(t) + "A", 401},
		{"padded", newOnly, newOnly.nonce(t) + "=", 401},
		{"large", newOnly, strings.Repeat("A", 4000), 401},
	} {
		if code, _ := tt.to.send(tt.nonce); code != tt.want {
			t.Errorf("%s: %d, want %d", tt.why, code, tt.want)
		}
	}
	// A nonce that is not a string counts as absent.
	for _, value := range []string{"5", "null", `["x"]`, `""`} {
		w := httptest.NewRecorder()
		newOnly.API.RequireAuth(newOnly).ServeHTTP(w, client.request(client.proof(claim("nonce", value))))
		if w.Code != 401 || w.Result().Header.Get("DPoP-Nonce") == "" {
			t.Errorf("%s: %d, %v", value, w.Code, w.Result().Header)
		}
	}
}

// TestWithoutNonces: an API without secrets neither requires nonces nor sends any.
func TestWithoutNonces(t *testing.T) {
	t.Parallel()
	e := newNonceEnv(t, "api")
	for _, nonce := range []string{"", "x", newNonceEnv(t, "api", newSecret).nonce(t)} {
		if code, newer := e.send(nonce); code != 200 || newer != "" {
			t.Errorf("nonce %q: %d, %q", nonce, code, newer)
		}
	}
	w := httptest.NewRecorder()
	e.API.RequireAuth(e).ServeHTTP(w, client.request())
	if got := w.Result().Header; w.Code != 401 || len(got.Values("DPoP-Nonce")) != 0 {
		t.Errorf("%d, %v", w.Code, got)
	}
	// Another API has rejected the request.
	asks := newNonceEnv(t, "api", newSecret)
	_, err := asks.API.VerifyRequest(client.request(client.proof()))
	w = httptest.NewRecorder()
	e.API.WriteError(w, client.request(), err)
	if got := w.Result().Header; w.Code != 401 || len(got.Values("DPoP-Nonce")) != 0 {
		t.Errorf("WriteError: %d, %v", w.Code, got)
	}
}
