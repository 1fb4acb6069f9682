package signin

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/prover"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/session"
	"golang.org/x/oauth2"
)

// imports has an application begin the session of another session system.
func (e *env) imports(i Imported) result {
	return e.do(func(w http.ResponseWriter, r *http.Request) error { return e.Import(w, r, i) }, e.request("GET", "/", nil))
}

// old is a session of another session system, of an hour ago.
func old() Imported {
	return Imported{
		Claims: jwt.Claims{Issuer: issuer, Subject: "auth0|ada", OrgID: "org_1", SessionID: "s1"},
		Kept:   json.RawMessage(`{"email":"ada@acme.example"}`), Audience: api, Scope: "openid email",
		Data: map[string]string{"cart": "7"}, LoggedInAt: now().Add(-time.Hour),
	}
}

// TestImport: the session has the data of the other system. It began when the user logged
// in there.
func TestImport(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		if got := e.imports(old()); got.err != nil || got.changes != "session" || got.location() != "" {
			t.Fatalf("%v, cookies %q, to %q", got.err, got.changes, got.location())
		}
		got, err := e.session()
		if err != nil {
			t.Fatal(err)
		}
		sid, idToken := got.LogoutHints()
		if got.ID == "" || got.Issuer != issuer || got.Subject != "auth0|ada" || got.Claims != `{"email":"ada@acme.example"}` ||
			!maps.Equal(got.Data, map[string]string{"cart": "7"}) || sid != "s1" || idToken != "" || got.RefreshToken != "" || len(got.Tokens) != 0 {
			t.Errorf("%+v, hints %q, %q", got, sid, idToken)
		}
		began, ends := got.Life()
		if want := time.Unix(now().Unix(), 0); !began.Equal(want.Add(-time.Hour)) || !ends.Equal(want.Add(10*time.Hour)) {
			t.Errorf("it is from %v to %v", began, ends)
		}
		if facts := got.Facts(); facts.Time != 0 || facts.ACR != "" || facts.AMR != nil {
			t.Errorf("nothing is known about the authentication, but the session has %+v", facts)
		}
	})
}

// TestImportedFacts: the claims of the old ID token describe the authentication.
func TestImportedFacts(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		i := old()
		i.Kept = json.RawMessage(`{"auth_time":1000000000,"acr":"urn:a","amr":["pwd","mfa"]}`)
		e.imports(i)
		got, err := e.session()
		if err != nil {
			t.Fatal(err)
		}
		if facts := got.Facts(); facts.Time != 1_000_000_000 || facts.ACR != "urn:a" || !slices.Equal(facts.AMR, []string{"pwd", "mfa"}) {
			t.Errorf("%+v", facts)
		}
	})
}

// TestImportedTokens has a row for each set of tokens of another system. An access token of
// unknown life is due for a refresh.
func TestImportedTokens(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why             string
		access, refresh string
		expires         time.Duration // after now
		noExpiry        bool
		want            time.Duration // life of the access token
	}{
		{why: "refresh token", refresh: "refresh"},
		{why: "both", access: "access", refresh: "refresh", expires: 10 * time.Minute, want: 10 * time.Minute},
		{why: "access token", access: "access", expires: 10 * time.Minute, want: 10 * time.Minute},
		{why: "two seconds left", access: "access", expires: 2 * time.Second, want: 2 * time.Second},
		{why: "expired", access: "access", expires: -time.Hour, want: time.Second},
		{why: "no expiry", access: "access", noExpiry: true, want: time.Second},
	} {
		inEachMode(t, func(e *env) {
			i := old()
			i.Token = &oauth2.Token{AccessToken: row.access, RefreshToken: row.refresh}
			if !row.noExpiry {
				i.Token.Expiry = now().Add(row.expires)
			}
			before := *i.Token
			if got := e.imports(i); got.err != nil {
				t.Fatal(got.err)
			}
			got, err := e.session()
			var want []session.Token
			if row.access != "" {
				want = []session.Token{{
					Audience: api, Asked: "openid email", Scope: "openid email", Token: "access", ExpiresAt: now().Add(row.want).Unix(),
				}}
			}
			if row.access == "" {
				want = []session.Token{{Audience: api, Asked: "openid email"}} // expired
			}
			if err != nil || got.RefreshToken != row.refresh || !slices.Equal(got.Tokens, want) {
				t.Errorf("%s: %+v, %v", row.why, got, err)
			}
			if *i.Token != before {
				t.Errorf("%s: the token of the caller is now %+v", row.why, i.Token)
			}
		})
	}
}

// TestImportOfBoundTokens: the successor of a bound token is bound too, if the application
// has keys. The session does not use the access token itself.
func TestImportOfBoundTokens(t *testing.T) {
	t.Parallel()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	given, err := prover.Of(private)
	if err != nil {
		t.Fatal(err)
	}
	none, fixed, each := prover.NewKeys(false, prover.Key{}, now), prover.NewKeys(false, given, now), prover.NewKeys(true, prover.Key{}, now)
	own := each.ForLogin()
	for _, row := range []struct {
		why, kind, refresh string
		keys               *prover.Keys
		of                 prover.Key // that the token has
		want               string     // the key of the session, or its beginning
	}{
		{"key of the application", "DPoP", "refresh", fixed, prover.Key{}, given.Kept()},
		{"another spelling", "dpop", "refresh", fixed, prover.Key{}, given.Kept()},
		{"key of the token", "DPoP", "refresh", each, own, own.Kept()},
		{"key for each session", "DPoP", "refresh", each, prover.Key{}, "k"},
		{"no key", "DPoP", "refresh", none, prover.Key{}, ""},
		{"no refresh token", "DPoP", "", fixed, prover.Key{}, ""},
		{"bearer token", "Bearer", "refresh", fixed, prover.Key{}, ""},
	} {
		inEachMode(t, func(e *env) {
			e.c.Flow.Client.Proofs = row.keys
			i := old()
			i.Token = prover.Attach(&oauth2.Token{AccessToken: "access", TokenType: row.kind, RefreshToken: row.refresh, Expiry: now().Add(time.Hour)}, row.of, nil)
			if got := e.imports(i); got.err != nil {
				t.Fatal(got.err)
			}
			got, err := e.session()
			if err != nil || (row.want == "") != (got.ProofKey == "") || !strings.HasPrefix(got.ProofKey, row.want) ||
				row.kind != "Bearer" && len(got.Tokens) > 0 && got.Tokens[0].Token != "" {
				t.Errorf("%s: %+v, %v", row.why, got, err)
			}
		})
	}
}

// TestImportRefusals has a row for each session that does not continue here. The browser
// gets no cookie of it.
func TestImportRefusals(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why   string
		at    time.Duration // of the login there, after now
		note  int           // bytes of data
		want  refusal.Row
		cause string
	}{
		{"clocks that differ", 5 * time.Minute, 0, refusal.Row{}, ""},
		{"the future", 5*time.Minute + time.Second, 0, refusal.Internal, "starts in the future"},
		{"nearly too old", -100*time.Hour + time.Second, 0, refusal.Row{}, ""},
		{"too old", -100 * time.Hour, 0, refusal.LoginRequired, "the time of the session is up"},
		{"too large", 0, 20_000, refusal.TooLarge, "too large"},
	} {
		inEachMode(t, func(e *env) {
			if row.want == refusal.TooLarge && e.store != nil {
				return // which has room for it
			}
			i := old()
			i.LoggedInAt = now().Add(row.at)
			i.Data["note"] = strings.Repeat("x", row.note)
			got := e.imports(i)
			expect(t, row.why, got.err, row.want, row.cause)
			changes := map[bool]string{true: "session"}[row.want == refusal.Row{}]
			if _, err := e.session(); got.changes != changes || (err == nil) != (changes != "") {
				t.Errorf("%s: cookies %q, session %v", row.why, got.changes, err)
			}
		})
	}
}

// TestImportEndsTheSessionBefore, for every copy of its cookie.
func TestImportEndsTheSessionBefore(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		before := e.logIn()
		cookies := slices.Clone(e.cookies)
		if got := e.imports(old()); got.err != nil {
			t.Fatal(got.err)
		}
		if got, err := e.session(); err != nil || got.ID == before.ID || got.Data["cart"] != "7" {
			t.Errorf("%+v, %v", got, err)
		}
		e.cookies = cookies
		_, err := e.session()
		expect(t, "copy of the cookie", err, refusal.LoginRequired, "")
	})
}

// TestLogoutOfAnImportedSession: the tenant ends the sessions from before the logout. This
// one began with the login at the other system.
func TestLogoutOfAnImportedSession(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		if e.store == nil {
			return // which has no marks
		}
		i := old()
		if got := e.imports(i); got.err != nil {
			t.Fatal(got.err)
		}
		for after, ends := range []bool{false, true} {
			until := i.LoggedInAt.Unix() - 1 + int64(after)
			if err := e.Visits.Sessions.DestroyAt(e.Context(), issuer, "", "s1", "a logout", until, now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			if _, err := e.session(); (err != nil) != ends {
				t.Errorf("a logout %d s after the login: %v", after-1, err)
			}
		}
	})
}
