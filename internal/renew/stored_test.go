package renew

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0/internal/prover"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/session"
)

// TestFind chooses the narrowest suitable token of a session.
func TestFind(t *testing.T) {
	t.Parallel()
	at := time.Unix(1000, 0)
	of := func(audience, asked, name string) session.Token {
		return session.Token{Audience: audience, Asked: asked, Scope: "granted", Token: name, ExpiresAt: 1001}
	}
	tokens := []session.Token{
		of(api, "openid a b", "login"), of(api, "a", "a"), of(otherAPI, "x y z", "xyz"), of(otherAPI, "x y", "xy"), of(otherAPI, "y x", "yx"),
		{Audience: otherAPI, Asked: "x", Token: "over", ExpiresAt: 1000},
	}
	for _, row := range []struct {
		wish   Wish
		tokens []session.Token
		want   string
	}{
		{Wish{}, tokens, "login"},
		{Wish{Audience: api}, tokens, "login"},
		{Wish{Scopes: []string{"a"}}, tokens, "a"},
		{Wish{Scopes: []string{"b"}}, tokens, "login"},
		{Wish{Scopes: []string{"a", "b"}}, tokens, "login"},
		{Wish{Scopes: []string{"granted"}}, tokens, ""},
		{Wish{Scopes: []string{"a", "x"}}, tokens, ""},
		{Wish{Audience: otherAPI}, tokens, "xy"},
		{Wish{Audience: otherAPI, Scopes: []string{"y"}}, tokens, "xy"},
		{Wish{Audience: otherAPI, Scopes: []string{"z", "y"}}, tokens, "xyz"},
		{Wish{Audience: "https://third.example/"}, tokens, ""},
		{Wish{}, tokens[5:], ""},
		{Wish{Audience: api}, tokens[1:], "a"},
		{Wish{}, nil, ""},
	} {
		got, ok := accessTokens{&Tokens{config: Config{Client: &provider.Client{}}}, row.wish}.find(&session.Record{Tokens: row.tokens}, at)
		if got.Token != row.want || ok != (row.want != "") {
			t.Errorf("%+v: %q, %v, want %q", row.wish, got.Token, ok, row.want)
		}
	}
}

// TestFindVaultToken: a hint names another account than an empty hint.
func TestFindVaultToken(t *testing.T) {
	t.Parallel()
	r := &session.Record{Vault: []session.Token{
		{Connection: "photos", Hint: "ada", Token: "1", ExpiresAt: 1001}, {Connection: "photos", Token: "2", ExpiresAt: 1001},
		{Connection: "mail", Hint: "ada", Scope: "s", Token: "3", ExpiresAt: 1001}, {Connection: "files", Token: "over", ExpiresAt: 1000},
	}}
	for _, row := range []struct{ connection, hint, want string }{
		{"photos", "ada", "1"}, {"photos", "", "2"}, {"mail", "ada", "3"}, {"mail", "", ""}, {"photos", "bob", ""}, {"files", "", ""}, {"none", "", ""},
	} {
		got, ok := vaultTokens{wish: Wish{Connection: row.connection, LoginHint: row.hint}}.find(r, time.Unix(1000, 0))
		if got.Token != row.want || ok != (row.want != "") {
			t.Errorf("%+v: %+v, %v", row, got, ok)
		}
		if want := (session.Token{Connection: "mail", Hint: "ada", Scope: "s", Token: "3", ExpiresAt: 1001}); row.want == "3" && got != want {
			t.Errorf("%+v", got)
		}
	}
}

// TestKeepToken: a token replaces its predecessor, and there are eight at most.
func TestKeepToken(t *testing.T) {
	t.Parallel()
	text := func(list []session.Token) string {
		var b strings.Builder
		for _, t := range list {
			fmt.Fprintf(&b, "%s(%s)=%s ", t.Audience, t.Asked, t.Token)
		}
		return strings.TrimSpace(b.String())
	}
	start := []session.Token{{Audience: "1", Asked: "a", Scope: "a", Token: "1a"}, {Audience: "2", Asked: "a b", Scope: "a", Token: "2ab"}}
	for _, row := range []struct {
		audience, asked, scope, want string
	}{
		{"1", "a", "a", "1(a)=new 2(a b)=2ab"},
		{"1", "a", "", "1(a)=new 2(a b)=2ab"},
		{"1", "b", "b", "1(a)=1a 2(a b)=2ab 1(b)=new"},
		{"2", "a", "a b", "1(a)=1a 2(a b)=2ab 2(a)=new"},
		{"2", "a c", "a", "1(a)=1a 2(a b c)=new"},
		{"2", "c b a", "a", "1(a)=1a 2(a b c)=new"},
		{"3", "a", "a", "1(a)=1a 2(a b)=2ab 3(a)=new"},
	} {
		r := &session.Record{Tokens: slices.Clone(start)}
		keepToken(r, session.Token{Audience: row.audience, Asked: row.asked, Scope: row.scope, Token: "new"})
		if got := text(r.Tokens); got != row.want {
			t.Errorf("%+v: %s", row, got)
		}
	}
	for _, row := range []struct {
		expiries string // of the tokens, in order; the last is new
		want     string
	}{
		{"12345678", "12345678"},
		{"123456789", "13456789"}, // another than at the login
		{"987654321", "98765432"},
		{"924333333", "94333333"},
		{"955252555", "95552555"},
	} {
		r := &session.Record{}
		for i, c := range row.expiries {
			keepToken(r, session.Token{Audience: fmt.Sprint(i), ExpiresAt: int64(c - '0')})
		}
		got := ""
		for _, t := range r.Tokens {
			got += fmt.Sprint(t.ExpiresAt)
		}
		if got != row.want {
			t.Errorf("%s: %s, want %s", row.expiries, got, row.want)
		}
	}
}

// TestAddVaultToken: there are eight at most, including the new one.
func TestAddVaultToken(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ expiries, want string }{
		{"12345678", "12345678"},
		{"234567891", "34567891"},
		{"876543219", "87654329"},
		{"525555555", "55555555"},
		{"355355555", "55355555"},
	} {
		r := &session.Record{}
		for i, c := range row.expiries {
			addVaultToken(r, session.Token{Connection: fmt.Sprint(i), ExpiresAt: int64(c - '0')})
		}
		got := ""
		for _, v := range r.Vault {
			got += fmt.Sprint(v.ExpiresAt)
		}
		if got != row.want || r.Refreshes != len(row.expiries) {
			t.Errorf("%s: %s, want %s; %d changes", row.expiries, got, row.want, r.Refreshes)
		}
	}
}

// TestIsFor: a readable token names the API.
func TestIsFor(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]bool{
		accessTokenFor(api):                     true,
		accessTokenFor([]string{otherAPI, api}): true,
		accessTokenFor(otherAPI):                false,
		accessTokenFor([]string{otherAPI}):      false,
		accessTokenFor(nil):                     true, // its claims cannot be read
		"opaque":                                true,
	} {
		if got := isFor(token, api); got != want {
			t.Errorf("%s: %v", token, got)
		}
	}
}

// TestOfLogin: package oauth2 has read the answer to a login.
func TestOfLogin(t *testing.T) {
	t.Parallel()
	at := time.Unix(1000, 0)
	granted := (&oauth2.Token{AccessToken: "x", ExpiresIn: 60}).WithExtra(map[string]any{"scope": "a"})
	for _, row := range []struct {
		token *oauth2.Token
		want  session.Token
	}{
		{granted, session.Token{Audience: api, Asked: "a b", Scope: "a", Token: "x", ExpiresAt: 1060}},
		{&oauth2.Token{AccessToken: "y"}, session.Token{Audience: api, Asked: "a b", Scope: "a b", Token: "y", ExpiresAt: 1300}},
	} {
		if got := OfLogin(row.token, api, "a b", at); got != row.want {
			t.Errorf("%+v, want %+v", got, row.want)
		}
	}
}

// TestChangedKey: a refresh with another key makes all access tokens of the session
// useless. The engine does not use them before it either.
func TestChangedKey(t *testing.T) {
	t.Parallel()
	old, key := ownKey(t), ownKey(t)
	tokens := &Tokens{config: Config{Client: &provider.Client{Proofs: prover.NewKeys(false, key, time.Now)}, Now: time.Now}}
	r := &session.Record{ProofKey: old.Kept(), Tokens: []session.Token{{Audience: api, Token: "1", ExpiresAt: 2000}, {Audience: otherAPI, Token: "2", ExpiresAt: 2000}}}
	at := time.Unix(1000, 0)
	if token, ok := (accessTokens{tokens, Wish{}}).find(r, at); ok {
		t.Errorf("%q is used with the key of another", token.Token)
	}
	for range 2 {
		keepRefreshToken(r, provider.TokenResponse{Key: key})
		if r.ProofKey != key.Kept() || r.Tokens[0].ExpiresAt+r.Tokens[1].ExpiresAt != 0 {
			t.Errorf("%+v", r)
		}
	}
	keepToken(r, session.Token{Audience: api, Token: "new", ExpiresAt: 2000})
	keepRefreshToken(r, provider.TokenResponse{Key: key})
	for audience, want := range map[string]string{"": "new", otherAPI: ""} {
		if token, _ := (accessTokens{tokens, Wish{Audience: audience}}).find(r, at); token.Token != want {
			t.Errorf("%q: %q, want %q", audience, token.Token, want)
		}
	}
	if got := tokens.KeyOf(r, session.Token{}); got.Thumbprint() != key.Thumbprint() || !tokens.KeyOf(r, session.Token{Connection: "x"}).IsZero() {
		t.Error("the key of a token is another")
	}
	if r.RefreshToken = ""; tokens.Meets(&session.Record{ProofKey: old.Kept(), Tokens: []session.Token{{ExpiresAt: time.Now().Unix() + 600}}}, "", nil) {
		t.Error("a token whose key is gone is enough for a login")
	}
}

func ownKey(t *testing.T) prover.Key {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := prover.Of(private)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
