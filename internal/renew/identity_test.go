package renew

import (
	"context"
	"crypto/sha512"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/cached"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/session"
)

// hashOf returns the at_hash of an access token, for EdDSA.
func hashOf(token string) string {
	sum := sha512.Sum512([]byte(token))
	return b64(sum[:32])
}

func claim(name string, value any) func() claims { return func() claims { return claims{name: value} } }

// TestRefreshedIDToken has a row for each ID token of a refresh. Only proof of another user
// costs the session its refresh token.
func TestRefreshedIDToken(t *testing.T) {
	t.Parallel()
	var (
		good     = refusal.Row{}
		gone     = refusal.SessionTokenExpired
		keysDown = refusal.IDTokenKeys
		clock    = refusal.Clock
		odd      = refusal.TenantAnswer
		otherIss = claim("iss", "https://other.example/")
		inOrg    = loginWith(func(c *jwt.Claims) { c.OrgID = "org_a" })
		at       = func(name string, d time.Duration) func() claims { return func() claims { return claims{name: in(d)} } }
	)
	for _, row := range []struct {
		why           string
		session       func(*session.Record)
		header        claims
		claims        func() claims
		before, after string // documents before the answer, and with it; empty for the right keys
		want          refusal.Row
		log           string
	}{
		{"as at the login", nil, nil, func() claims { return claims{"nonce": "n", "auth_time": in(-60 * time.Second)} }, "", "", good, ""},
		{"no auth_time, no nonce", nil, nil, nil, "", "", good, ""},
		{"newer auth_time", nil, nil, at("auth_time", 0), "", "", good, ""},
		{"auth_time a little ahead", nil, nil, at("auth_time", leeway), "", "", good, ""},
		{"iat a little before", nil, nil, at("iat", -leeway), "", "", good, ""},
		{"nonce, and none was kept", loginWith(func(c *jwt.Claims) { c.Nonce = "" }), nil, claim("nonce", "other"), "", "", good, ""},
		{"organization", inOrg, nil, claim("org_id", "org_a"), "", "", good, ""},
		{"no organization any more", inOrg, nil, nil, "", "", good, ""},
		{"organization, and the login was to none", nil, nil, claim("org_id", "org_a"), "", "", good, ""},
		{"hash of the access token", nil, nil, claim("at_hash", hashOf("new")), "", "", good, ""},

		{"other sub", nil, nil, claim("sub", "mallory"), "", "", gone, "iss or sub is another one than at the login"},
		{"session of another iss", func(r *session.Record) { r.Issuer = "https://other.example/" }, nil, nil, "", "", gone, "iss or sub is another one than at the login"},
		{"other organization", inOrg, nil, claim("org_id", "org_b"), "", "", gone, "the login was to"},
		{"other iss", nil, nil, otherIss, "", "", gone, "issuer not trusted"},
		{"forged", nil, nil, nil, otherKeys, otherKeys, gone, "signature invalid"},
		{"other iss, forged", nil, nil, otherIss, otherKeys, otherKeys, gone, "signature invalid"},

		{"expired", nil, nil, at("exp", -leeway), "", "", clock, "token expired"},
		{"iat ahead", nil, nil, at("iat", 2*leeway), "", "", clock, "iat is 120 s ahead"},
		{"nbf ahead", nil, nil, at("nbf", 2*leeway), "", "", clock, "nbf is 120 s ahead"},
		{"auth_time ahead", nil, nil, at("auth_time", leeway+time.Second), "", "", clock, "auth_time is 61 s ahead"},

		{"no keys", nil, nil, nil, "down", "down", keysDown, "signing keys unavailable"},
		{"unknown kid", nil, claims{"kid": "k9"}, nil, "", "", keysDown, "k9"},
		{"no kid, several keys", nil, claims{"kid": nil}, nil, twoKeys, twoKeys, keysDown, "no kid"},
		{"key for something else", nil, nil, nil, encKeys, encKeys, keysDown, "is not for EdDSA"},
		{"other iss, unknown kid", nil, claims{"kid": "k9"}, otherIss, "", "", keysDown, "k9"},
		{"other iss, no keys", nil, nil, otherIss, "down", "down", keysDown, "signing keys unavailable"},
		{"kid has another key now", nil, nil, nil, otherKeys, itsKeys, keysDown, "has changed the key of kid"},
		{"kid is gone", nil, nil, nil, otherKeys, nextKeys, keysDown, "any more"},
		{"wrong signature, no newer keys", nil, nil, nil, otherKeys, "down", keysDown, "signing keys unavailable"},

		{"older auth_time", nil, nil, at("auth_time", -61*time.Second), "", "", odd, "auth_time is before the auth_time of the login"},
		{"iat before the login", nil, nil, at("iat", -leeway-time.Second), "", "", odd, "iat is before the iat of the login"},
		{"other nonce", nil, nil, claim("nonce", "other"), "", "", odd, "the nonce is another one"},
		{"other hash", nil, nil, claim("at_hash", hashOf("another")), "", "", odd, "hash of access token"},
		{"other aud", nil, nil, claim("aud", "other"), "", "", odd, "aud is"},
		{"no signature", nil, claims{"alg": "none"}, otherIss, "", "", odd, "algorithm not accepted"},
	} {
		inEachMode(t, func(r *session.Record) {
			aged(0)(r)
			if row.session != nil {
				row.session(r)
			}
		}, func(e *env) {
			changes := claims(nil)
			if row.claims != nil {
				changes = row.claims()
			}
			e.keysAre(row.before)
			e.tokens.config.IDTokens.Keys.Warm(e.Context()) // which fails in some rows
			e.keysAre(row.after)
			e.set(func() {
				e.answer = gives("new", claims{"id_token": idToken(key(1), row.header, changes), "refresh_token": "next"})
			})
			token, err := e.get(Wish{})
			name, refresh, kept := `{"name":"Ada"}`, "next", "old"
			switch row.want {
			case good:
				e.expectToken(row.why, token, err, "new")
				name, kept = `"name":"Ada L."`, "new"
			case gone:
				e.expectRefusal(row.why, err, row.want)
				e.expectLog(row.why, "ERROR", row.log)
				refresh = ""
			default:
				got := e.expectRefusal(row.why, err, row.want)
				e.expectLog(row.why, "WARN", row.log)
				if (got.RetryAfter == 5*time.Second) != (got.Status == 503) {
					e.Errorf("%s: retry after %v", row.why, got.RetryAfter)
				}
			}
			// A rejected answer leaves its refresh token, and nothing else.
			if r := e.kept(); r.RefreshToken != refresh || r.Refreshes != 1 || r.Tokens[0].Token != kept || !strings.Contains(r.Claims, name) {
				e.Errorf("%s: %+v, %s", row.why, r, r.Claims)
			}
		})
	}
}

// keysAre sets the document of the issuer.
func (e *env) keysAre(document string) {
	switch document {
	case "":
		document = itsKeys
	case "down":
		document = ""
	}
	e.set(func() { e.document = document })
}

// TestForgedNeedsNewKeys: one fetch comes before the verdict that a token is forged.
func TestForgedNeedsNewKeys(t *testing.T) {
	t.Parallel()
	inMode(t, inCookies, aged(0), func(e *env) {
		e.keysAre(otherKeys)
		e.tokens.config.IDTokens.Keys.Warm(e.Context())
		e.set(func() { e.fetches, e.answer = 0, gives("new", claims{"id_token": idToken(key(1), nil, nil)}) })
		_, err := e.get(Wish{})
		e.expectRefusal("forged", err, refusal.SessionTokenExpired)
		if e.fetches != 1 {
			e.Errorf("%d fetches", e.fetches)
		}
	})
}

// TestCanceledProof: a canceled request proves nothing.
func TestCanceledProof(t *testing.T) {
	t.Parallel()
	inMode(t, inCookies, nil, func(e *env) {
		ctx, cancel := context.WithCancel(e.Context())
		cancel()
		err := e.tokens.rejectIDToken(ctx, e.record, idToken(key(1), nil, nil), fault.Signature)
		if err != context.Canceled || e.record.RefreshToken != "refresh" {
			e.Errorf("%v, %+v", err, e.record)
		}
		if err := e.tokens.rejectIDToken(ctx, e.record, "", ctx.Err()); err != context.Canceled || e.record.RefreshToken != "refresh" {
			e.Errorf("%v, %+v", err, e.record)
		}
	})
}

// TestIdentityKept: a session gets the newest claims, unless the refresh asked for fewer.
// The issue time of its first ID token does not change.
func TestIdentityKept(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why     string
		keepRaw bool
		keep    func(string) bool
		wish    Wish
		claims  string
	}{
		{"the login", false, nil, Wish{}, `{"name":"Ada L.","plan":"gold"}`},
		{"some claims", false, func(name string) bool { return name == "plan" }, Wish{}, `{"plan":"gold"}`},
		{"raw", true, nil, Wish{}, `{"name":"Ada L.","plan":"gold"}`},
		{"fewer scopes", true, nil, Wish{Scopes: []string{"openid"}}, `{"name":"Ada"}`},
		{"another API", false, nil, Wish{Audience: otherAPI}, `{"name":"Ada L.","plan":"gold"}`},
	} {
		inEachMode(t, aged(0), func(e *env) {
			e.tokens.config.KeepClaim, e.tokens.config.KeepIDToken = row.keep, row.keepRaw
			earliest := &jwt.Claims{Issuer: issuer, Subject: "ada", IssuedAt: float64(in(-leeway))}
			time.Sleep(time.Minute)
			authenticated := in(-time.Second)
			raw := idToken(key(1), nil, claims{"plan": "gold", "auth_time": authenticated})
			e.set(func() { e.answer = gives("new", claims{"id_token": raw}) })
			token, err := e.get(row.wish)
			e.expectToken(row.why, token, err, "new")
			want := ""
			if row.keepRaw && len(row.wish.Scopes) == 0 {
				want = raw
			}
			r := e.kept()
			if _, raw := r.LogoutHints(); r.Claims != row.claims || raw != want || int64(r.Facts().Time) != authenticated {
				e.Errorf("%s: %+v, %s", row.why, r, r.Claims)
			}
			if bad, _ := r.CheckRefreshed(earliest, now(), leeway); bad != nil {
				e.Errorf("%s: %v", row.why, bad)
			}
			earliest.IssuedAt--
			if bad, _ := r.CheckRefreshed(earliest, now(), leeway); bad == nil {
				e.Errorf("%s: the time of the first ID token is not the earliest", row.why)
			}
		})
	}
	// Without auth_time, the last one counts.
	inMode(t, inStore, aged(0), func(e *env) {
		before := int64(e.record.Facts().Time)
		e.set(func() { e.answer = gives("new", claims{"id_token": idToken(key(1), nil, nil)}) })
		_, err := e.get(Wish{})
		if after := int64(e.kept().Facts().Time); err != nil || after != before || before != in(-60*time.Second) {
			e.Errorf("%v, %v", after, err)
		}
	})
}

// otherProvider needs a discovery document, which is unavailable.
func (e *env) otherProvider() {
	down := errors.New("no document")
	client := e.tokens.config.Client
	client.Tenant = &provider.Tenant{Issuer: issuer, Discovered: cached.New(func(context.Context) (discovery.Metadata, cached.Life, error) {
		if len(e.requests()) > 0 {
			return discovery.Metadata{}, cached.Life{}, down
		}
		return *provider.Auth0Layout(issuer), cached.Life{Due: time.Second, Stale: time.Second}, nil
	}, cached.Policy{Timeout: time.Second, MinBackoff: time.Second, MaxBackoff: time.Second})}
	e.set(func() { e.delay = 2 * time.Second }) // the document is too old when the answer comes
}

// TestNoEndpoints: without the issuer's document, nothing is known about the ID token. The
// session keeps the refresh token beside it.
func TestNoEndpoints(t *testing.T) {
	t.Parallel()
	inEachMode(t, aged(0), func(e *env) {
		e.otherProvider()
		e.set(func() {
			e.answer = gives("new", claims{"id_token": idToken(key(1), nil, nil), "refresh_token": "next"})
		})
		_, err := e.get(Wish{})
		e.expectRefusal("no document", err, refusal.TenantDown)
		if r := e.kept(); r.RefreshToken != "next" || r.Tokens[0].Token != "old" {
			e.Errorf("%+v", r)
		}
		if text := e.log.String(); strings.Contains(text, "ID token") {
			e.Error(text)
		}
		if err := e.tokens.Continue(e.Context(), e.record, provider.TokenResponse{IDToken: "x"}, "", ""); err == nil {
			e.Error("continued without the document")
		}
	})
}

// TestContinue: the session gets the result of a second factor, if it is for its user.
func TestContinue(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why     string
		idToken func() string
		refresh string
		want    *fault.Fault
	}{
		{"an ID token", func() string { return idToken(key(1), nil, nil) }, "next", nil},
		{"no ID token, no refresh token", func() string { return "" }, "", nil},
		{"other sub", func() string { return idToken(key(1), nil, claims{"sub": "mallory"}) }, "next", fault.Claim},
		{"forged", func() string { return idToken(key(2), nil, nil) }, "next", fault.Signature},
	} {
		inMode(t, inCookies, aged(0), func(e *env) {
			raw := row.idToken()
			got := provider.TokenResponse{AccessToken: "new", ExpiresIn: 60, RefreshToken: row.refresh, IDToken: raw}
			err := e.tokens.Continue(e.Context(), e.record, got, api, "openid a")
			if row.want != nil {
				if bad, ok := errors.AsType[*fault.Fault](err); !ok || bad.Reason != row.want.Reason || e.record.Tokens[0].Token != "old" {
					e.Errorf("%s: %v, %+v", row.why, err, e.record)
				}
				return
			}
			refresh, claims := "refresh", `{"name":"Ada"}`
			if raw != "" {
				refresh, claims = "next", `{"name":"Ada L."}`
			}
			want := session.Token{Audience: api, Asked: "openid a", Scope: "openid a", Token: "new", ExpiresAt: in(time.Minute)}
			if r := e.record; err != nil || r.Refreshes != 1 || r.RefreshToken != refresh || r.Claims != claims || len(r.Tokens) != 1 || r.Tokens[0] != want {
				e.Errorf("%s: %+v, %s, %v", row.why, r, r.Claims, err)
			}
		})
	}
}
