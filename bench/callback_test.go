package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// testKey is slow to generate.
var testKey = sync.OnceValues(func() (*signingKey, error) {
	private, err := generate("RS256")
	return &signingKey{id: "kid-current", alg: "RS256", private: private}, err
})

func newTestParty(t *testing.T) *relyingParty {
	t.Helper()
	key, err := testKey()
	if err != nil {
		t.Fatal(err)
	}
	tenant, err := newMemoryTenant(key)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newRelyingParty(tenant, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestCheckLogin breaks callbacks on purpose.
func TestCheckLogin(t *testing.T) {
	t.Parallel()
	p := newTestParty(t)
	if _, err := checkLogin(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	works := p.routes
	atCallback := func(callback http.HandlerFunc) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/auth/callback" {
				callback(w, r)
				return
			}
			works.ServeHTTP(w, r)
		})
	}
	for name, routes := range map[string]http.Handler{
		"refuses every login": atCallback(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) }),
		"logs nobody in":      atCallback(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusSeeOther) }),
		"takes every ID token": atCallback(func(w http.ResponseWriter, r *http.Request) {
			answer := httptest.NewRecorder()
			works.ServeHTTP(answer, r)
			for _, value := range answer.Header()["Set-Cookie"] {
				w.Header().Add("Set-Cookie", value)
			}
			w.WriteHeader(http.StatusSeeOther)
		}),
	} {
		if _, err := checkLogin(t.Context(), &relyingParty{routes, p.tenant, p.who}); err == nil {
			t.Errorf("passes although it %s", name)
		}
	}
}

// TestSupply: a prepared login is used once, and then the measurement has no input left.
func TestSupply(t *testing.T) {
	t.Parallel()
	seen := map[*arrival]bool{}
	f := &callbackField{}
	op := f.supply(t.Context(), newTestParty(t), func(a *arrival) error {
		if seen[a] {
			return errors.New("used twice")
		}
		seen[a] = true
		return nil
	})
	n, err := repeat(time.Now().Add(time.Hour), op)
	if err != nil || n != len(seen) || n < 100 {
		t.Errorf("%d operations, %d logins, %v", n, len(seen), err)
	}
	if _, err := repeat(time.Now().Add(time.Hour), op); err != errSpent {
		t.Errorf("%v, want an error if there was nothing to measure", err)
	}
}

// TestCryptography: the reference of the callback opens, verifies and seals.
func TestCryptography(t *testing.T) {
	t.Parallel()
	key, err := testKey()
	if err != nil {
		t.Fatal(err)
	}
	f, err := newCallbackField(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.party.arrive(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.alone.run(a); err != nil {
		t.Fatal(err)
	}
	sealed, err := f.alone.seal([]byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := f.alone.open(sealed); err != nil || string(opened) != "text" {
		t.Errorf("opens %q, %v", opened, err)
	}
	signature := a.idToken.signature
	a.idToken.signature = make([]byte, len(signature))
	if f.alone.run(a) == nil {
		t.Error("takes a forged ID token")
	}
	a.idToken.signature = signature
	state := a.state
	a.state = "another"
	if f.alone.run(a) == nil {
		t.Error("takes another state")
	}
	a.state = state
	for _, box := range f.alone.boxes {
		box[len(box)-1] ^= 1
	}
	if f.alone.run(a) == nil {
		t.Error("opens a changed cookie")
	}
}

// TestCheckPager breaks middlewares on purpose.
func TestCheckPager(t *testing.T) {
	t.Parallel()
	cookie := &http.Cookie{Name: "session", Value: "1"}
	bySession := func(r *http.Request) string {
		if _, err := r.Cookie("session"); err != nil {
			return ""
		}
		return "auth0|1"
	}
	through := func(next http.Handler) http.Handler { return next }
	closed := func(http.Handler) http.Handler { return http.NotFoundHandler() }
	for _, tt := range []struct {
		name string
		pager
		good bool
	}{
		{"is good", pager{wrap: through, who: bySession}, true},
		{"serves no page", pager{wrap: closed, who: bySession}, false},
		{"finds nobody", pager{wrap: through, who: func(*http.Request) string { return "" }}, false},
		{"finds somebody always", pager{wrap: through, who: func(*http.Request) string { return "auth0|1" }}, false},
	} {
		tt.pager.cookies = []*http.Cookie{cookie}
		if err := checkPager(t.Context(), &tt.pager); (err == nil) != tt.good {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestFullStore breaks the readers of stores on purpose.
func TestFullStore(t *testing.T) {
	t.Parallel()
	const n = 3
	for _, tt := range []struct {
		name string
		read func(r *http.Request) (string, error)
		good bool
	}{
		{"is good", func(r *http.Request) (string, error) {
			c, err := r.Cookie("user")
			if err != nil {
				return "", err
			}
			return c.Value, nil
		}, true},
		{"has one user", func(*http.Request) (string, error) { return "0", nil }, false},
		{"has no user", func(*http.Request) (string, error) { return "", errNobody }, false},
	} {
		s, err := newFullStore(t.Context(), n, &filler{
			add: func(_ context.Context, i int) ([]*http.Cookie, string, error) {
				user := string(rune('0' + i))
				return []*http.Cookie{{Name: "user", Value: user}}, user, nil
			},
			reader: func() (func(*http.Request) (string, error), error) { return tt.read, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.check(); (err == nil) != tt.good {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestHeap: a store is as large as its content.
func TestHeap(t *testing.T) {
	const n, size = 10_000, 4096
	var kept [n][]byte
	s, err := newFullStore(t.Context(), n, &filler{
		add: func(_ context.Context, i int) ([]*http.Cookie, string, error) {
			kept[i] = make([]byte, size)
			return nil, "", nil
		},
		reader: func() (func(*http.Request) (string, error), error) { return nil, nil },
	})
	if err != nil || s.Bytes < size*9/10 || s.Bytes > size*11/10 {
		t.Errorf("%.0f bytes, %v, want about %d", s.Bytes, err, size)
	}
	kept[0][0] = 1
}

func TestParseSpeed(t *testing.T) {
	t.Parallel()
	const rsa, ecdsa = "+F2:2:2048:1200.0:40000.0\n", "+F4:3:256:26000.0:10000.0\n"
	for _, tt := range []struct {
		name, out  string
		rsa, ecdsa float64
		good       bool
	}{
		{"both", "+DTP:2048:private:rsa:1\n+R1:419:2048:0.35\n" + rsa + ecdsa, 25_000, 100_000, true},
		{"no ECDSA", rsa, 25_000, 0, false},
		{"no RSA", ecdsa, 0, 100_000, false},
		{"other sizes", strings.Replace(rsa, "2048", "4096", 1) + strings.Replace(ecdsa, ":256:", ":384:", 1), 0, 0, false},
		{"no speed", "+F2:2:2048:1200.0:0.0\n" + ecdsa, 0, 100_000, false},
		{"nothing", "", 0, 0, false},
	} {
		facts, err := parseSpeed([]byte(tt.out))
		if facts.RSA != tt.rsa || facts.ECDSA != tt.ecdsa || (err == nil) != tt.good {
			t.Errorf("%s: %v, %v", tt.name, facts, err)
		}
	}
}

// TestWithoutOpenSSL: the page says that OpenSSL is missing, and has the other figures.
func TestWithoutOpenSSL(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	facts, err := runOpenSSL(t.Context(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var page strings.Builder
	(&results{Signatures: facts}).writeSignatures(&page)
	if !strings.Contains(page.String(), "openssl is missing") {
		t.Errorf("the page says %q", page.String())
	}
}

// TestPage: RESULTS.md is the page of results.json. If only a text has changed, run go
// run . -page.
func TestPage(t *testing.T) {
	t.Parallel()
	r, err := readResults()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(pageFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != string(r.page()) {
		t.Error("RESULTS.md is not the page of results.json; run go run . -page")
	}
	if len(r.Contests) == 0 || len(r.Memory) == 0 || r.Rounds != full.rounds {
		t.Error("results.json is not that of a whole run")
	}
}
