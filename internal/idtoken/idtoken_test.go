package idtoken

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// A row is a token with one change to a good one.
type row struct {
	why    string
	header change
	claims change
	want   *fault.Fault // nil if the token is accepted
	cause  string       // a part of the cause
}

// signedTokens are ID tokens with a good signature. The numbers are the items of OpenID
// Connect Core 1.0, Section 3.1.3.7.
var signedTokens = []row{
	{why: "unchanged"},

	{"no typ", change{"typ": nil}, nil, nil, ""},
	{"typ in another case", change{"typ": "jwT"}, nil, nil, ""},
	{"typ of an access token", change{"typ": "at+jwt"}, nil, fault.Type, `typ is "at+jwt"`},
	{"typ of a logout token", change{"typ": "logout+jwt"}, nil, fault.Type, `typ is "logout+jwt"`},
	{"crit", change{"crit": []string{"exp"}}, nil, fault.Extension, ""},

	{"2: other iss", nil, change{"iss": "https://evil.example/"}, fault.Issuer, `iss is "https://evil.example/"`},
	{"2: no iss", nil, change{"iss": nil}, fault.Issuer, ""},
	{"2: iss without the slash", nil, change{"iss": "https://tenant.example"}, fault.Issuer, ""},
	{"2: iss in another case", nil, change{"iss": "https://TENANT.example/"}, fault.Issuer, ""},

	{"3: other aud", nil, change{"aud": "another client"}, fault.Audience, `aud is ["another client"]`},
	{"3: no aud", nil, change{"aud": nil}, fault.Audience, ""},
	{"3: empty aud", nil, change{"aud": []string{}}, fault.Audience, ""},
	{"3: aud begins with the client id", nil, change{"aud": clientID + "2"}, fault.Audience, ""},
	{"3: one aud in a list", nil, change{"aud": []string{clientID}}, nil, ""},
	{"4: several audiences without azp", nil, change{"aud": []string{clientID, "other"}}, fault.Claim, "several audiences and no azp"},
	{"4: several audiences with azp", nil, change{"aud": []string{"other", clientID}, "azp": clientID}, nil, ""},
	{"4: the client id twice without azp", nil, change{"aud": []string{clientID, clientID}}, fault.Claim, "several audiences and no azp"},
	{"5: other azp", nil, change{"azp": "other"}, fault.Claim, `azp is "other"`},
	{"5: empty azp", nil, change{"azp": ""}, fault.Claim, `azp is ""`},
	{"5: several audiences, other azp", nil, change{"aud": []string{clientID, "other"}, "azp": "other"}, fault.Claim, `azp is "other"`},
	{"5: own azp", nil, change{"azp": clientID}, nil, ""},

	{"7: another algorithm of the issuer", change{"alg": "ES256"}, nil, fault.Algorithm, `alg is "ES256", Config.Algorithms has ["EdDSA"]`},

	{"9: no exp", nil, change{"exp": nil}, fault.Claim, "no exp"},
	{"9: expired within the leeway", nil, change{"exp": now - leeway + 0.5}, nil, ""},
	{"9: expired", nil, change{"exp": now - leeway}, fault.Expired, "exp was 60 s ago; if the token should still be valid, check the clock of this machine"},
	{"10: iat ahead within the leeway", nil, change{"iat": now + leeway}, nil, ""},
	{"10: iat ahead", nil, change{"iat": now + leeway + 0.5}, fault.IssuedAhead, "iat is 60 s ahead"},
	{"nbf ahead within the leeway", nil, change{"nbf": now + leeway}, nil, ""},
	{"nbf ahead", nil, change{"nbf": now + leeway + 0.5}, fault.NotYet, "nbf is 60 s ahead"},
	{"nbf in the past", nil, change{"nbf": now - 3600}, nil, ""},
	{"an old iat", nil, change{"iat": now - 86400}, nil, ""},

	{"Section 2: no iat", nil, change{"iat": nil}, fault.Claim, "no iat"},
	{"Section 2: no sub", nil, change{"sub": nil}, fault.Claim, "sub is missing"},
	{"Section 2: sub of 255 bytes", nil, change{"sub": strings.Repeat("a", 255)}, nil, ""},
	{"Section 2: sub of 256 bytes", nil, change{"sub": strings.Repeat("a", 256)}, fault.Claim, "longer than 255 bytes"},

	{"aud has the UserInfo endpoint", nil, change{"aud": []string{clientID, userInfo}, "azp": clientID}, fault.Type, "UserInfo"},
	{"a claim has the wrong form", nil, change{"auth_time": "x"}, fault.Claim, "the claim auth_time is a string, want a number of seconds since 1970"},
	{"a claim that decides nothing has the wrong form", nil, change{"jti": 1, "amr": "pwd", "acr": 1}, nil, ""},

	{"go-oidc rejects it", nil, change{"_claim_names": map[string]string{"a": "no source"}}, fault.Malformed, "go-oidc"},
}

func TestCheck(t *testing.T) {
	t.Parallel()
	v := newVerifier()
	for _, tt := range signedTokens {
		raw := token(idClaims, tt.header, tt.claims)
		id, err := v.Check(t.Context(), metadata, raw, keys.FromAnybody)
		expect(t, tt.why, err, tt.want, tt.cause)
		if (err == nil) != (id.Raw == raw) || err != nil && (id.Payload != "" || id.Claims.Has(jwt.Issuer)) {
			t.Errorf("%s: error %v, identity %+v", tt.why, err, id)
		}
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	payload := `{"iss":"https://tenant.example/","aud":"the-client-id","sub":"auth0|ada","exp":1800003600,"iat":1800000000}`
	raw := tokenOf(nil, payload)
	id, err := newVerifier().Check(t.Context(), metadata, raw, keys.FromAnybody)
	c := id.Claims
	if err != nil || id.Raw != raw || id.Payload != payload || c.Subject != "auth0|ada" || c.Expiry != 1800003600 || id.algorithm != "EdDSA" {
		t.Errorf("%+v, %v", id, err)
	}
}

// TestTwoReaders: go-oidc reads the nonce from a name in another case too.
func TestTwoReaders(t *testing.T) {
	t.Parallel()
	for members, want := range map[string]*fault.Fault{
		`"nonce":"x"`:             nil,
		`"Nonce":"y","nonce":"x"`: nil,
		`"nonce":"x","Nonce":"y"`: fault.Claim,
	} {
		payload := `{"iss":"https://tenant.example/","aud":"the-client-id","sub":"auth0|ada","exp":1800003600,"iat":1800000000,` + members + `}`
		id, err := newVerifier().Check(t.Context(), metadata, tokenOf(nil, payload), keys.FromAnybody)
		expect(t, members, err, want, "two readers of the token disagree")
		if err == nil && id.Claims.Nonce != "x" {
			t.Errorf("%s: nonce %q", members, id.Claims.Nonce)
		}
	}
}

// TestText changes the text of a signed token.
func TestText(t *testing.T) {
	t.Parallel()
	v := newVerifier()
	for _, kind := range []struct {
		name   string
		claims map[string]any
		verify func(raw string) error
	}{
		{"ID token", idClaims, func(raw string) error {
			_, err := v.Check(t.Context(), metadata, raw, keys.FromAnybody)
			return err
		}},
		{"logout token", logoutClaims, func(raw string) error {
			_, err := v.VerifyLogout(t.Context(), issuer, raw)
			return err
		}},
	} {
		good := strings.Split(token(kind.claims, nil, nil), ".")
		other := strings.Split(token(kind.claims, nil, change{"sub": "auth0|eve"}), ".")
		header, payload, signature := good[0], good[1], good[2]
		for _, tt := range []struct {
			why, raw string
			want     *fault.Fault
		}{
			{"unchanged", header + "." + payload + "." + signature, nil},
			{"nothing", "", fault.Malformed},
			{"no signature", header + "." + payload + ".", fault.Malformed},
			{"payload of another token", header + "." + other[1] + "." + signature, fault.Signature},
			{"signature of another token", header + "." + payload + "." + other[2], fault.Signature},
			{"signed with a foreign key", header + "." + payload + "." + b64(foreignSignature(header+"."+payload)), fault.Signature},
			{"alg none", b64([]byte(`{"alg":"none"}`)) + "." + payload + ".", fault.Algorithm},
			{"a name twice", tokenOf(nil, `{"plan":1,"plan":2}`), fault.Duplicate},
			{"no object", tokenOf(nil, `[]`), fault.Malformed},
		} {
			expect(t, kind.name+": "+tt.why, kind.verify(tt.raw), tt.want, "")
		}
	}
}

func ptr(n int) *int { return &n }

// TestVerify has items 11 to 13. Each change of the claims meets each of two
// verifiers: one for logins, which send a nonce, and one for grants, which send none.
func TestVerify(t *testing.T) {
	t.Parallel()
	login, grant := Expect{Nonce: nonce}, Expect{}
	acr := func(e Expect, values ...string) Expect { e.ACR = values; return e }
	age := func(e Expect, seconds int, began int64) Expect { e.MaxAge, e.Began = ptr(seconds), began; return e }
	granted := change{"nonce": nil}
	withAuthTime := func(at any) change { return change{"auth_time": at} }
	for _, tt := range []struct {
		why    string
		expect Expect
		claims change
		want   *fault.Fault
		cause  string
	}{
		{"unchanged", login, nil, nil, ""},
		{"11: no nonce", login, change{"nonce": nil}, fault.Nonce, ""},
		{"11: empty nonce", login, change{"nonce": ""}, fault.Nonce, ""},
		{"11: other nonce", login, change{"nonce": strings.ToUpper(nonce)}, fault.Nonce, ""},
		{"11: beginning of the nonce", login, change{"nonce": nonce[:len(nonce)-1]}, fault.Nonce, ""},
		{"11: no nonce, and none is known", Expect{}, change{"nonce": nil}, fault.Nonce, ""},
		{"11: empty nonce, and none is known", Expect{}, change{"nonce": ""}, fault.Nonce, ""},

		{"12: acr is the only one", acr(login, "mfa"), change{"acr": "mfa"}, nil, ""},
		{"12: acr is one of two", acr(login, "gold", "mfa"), change{"acr": "mfa"}, nil, ""},
		{"12: acr is not asked for", login, change{"acr": "mfa"}, nil, ""},
		{"12: other acr", acr(login, "gold", "mfa"), change{"acr": "pwd"}, fault.ACR, `acr is "pwd" and amr is [], want one of ["gold" "mfa"]; at Auth0 an Action must turn acr_values into a second factor`},
		{"12: no acr", acr(login, "mfa"), nil, fault.ACR, ""},

		{"13: no auth_time", age(login, 300, now-5), nil, fault.AuthTime, "auth_time is missing"},
		{"13: no auth_time, max_age 0", age(login, 0, now-5), nil, fault.AuthTime, "auth_time is missing"},
		{"13: max_age is not asked for", login, withAuthTime(now - 86400), nil, ""},
		{"13: as old as allowed", age(login, 300, now-5), withAuthTime(now - 300 - leeway), nil, ""},
		{"13: too old", age(login, 300, now-5), withAuthTime(now - 300 - leeway - 0.5), fault.AuthTime, "auth_time is 360 s ago, max_age is 300"},
		{"13: older than 1 s", age(login, 1, now-5), withAuthTime(now - 1 - leeway - 0.5), fault.AuthTime, "max_age is 1"},
		{"13: max_age 0, in this login", age(login, 0, now-500), withAuthTime(now - 400), nil, ""},
		{"13: max_age 0, before it within the leeway", age(login, 0, now-500), withAuthTime(now - 500 - leeway), nil, ""},
		{"13: max_age 0, before it", age(login, 0, now-500), withAuthTime(now - 500 - leeway - 0.5), fault.AuthTime, "before the start of the login"},

		{"2: other iss", login, change{"iss": "https://evil.example/"}, fault.Issuer, ""},

		// Grants.
		{"granted", grant, granted, nil, ""},
		{"granted, with a nonce", grant, nil, fault.Nonce, ""},
		{"granted, with an empty nonce", grant, change{"nonce": ""}, fault.Nonce, ""},
		{"granted, other acr", acr(grant, "mfa"), change{"nonce": nil, "acr": "pwd"}, fault.ACR, ""},
		{"granted, acr", acr(grant, "mfa"), change{"nonce": nil, "acr": "mfa"}, nil, ""},
		{"granted, too old", age(grant, 300, now-5), change{"nonce": nil, "auth_time": now - 400}, fault.AuthTime, ""},
		{"granted, young", age(grant, 300, now-5), change{"nonce": nil, "auth_time": now - 200}, nil, ""},
		{"granted, other iss", grant, change{"nonce": nil, "iss": "https://evil.example/"}, fault.Issuer, ""},
	} {
		v, raw := newVerifier(), token(idClaims, nil, tt.claims)
		var id Identity
		var err error
		if strings.HasPrefix(tt.why, "granted") {
			id, err = v.VerifyGranted(t.Context(), metadata, raw, tt.expect)
		} else {
			id, err = v.Verify(t.Context(), metadata, raw, keys.FromAnybody, tt.expect)
		}
		expect(t, tt.why, err, tt.want, tt.cause)
		if (err == nil) != (id.Raw == raw) || err != nil && id.Payload != "" {
			t.Errorf("%s: error %v, identity %+v", tt.why, err, id)
		}
	}
}

// TestKeys has item 6. An issuer without available keys is an outage. This holds also for a
// token with a kid that a fetch has not found.
func TestKeys(t *testing.T) {
	t.Parallel()
	good, unknown := token(idClaims, nil, change{"nonce": nil}), token(idClaims, change{"kid": "nobody"}, change{"nonce": nil})
	logout, unknownLogout := token(logoutClaims, nil, nil), token(logoutClaims, change{"kid": "nobody"}, nil)
	for _, tt := range []struct {
		why    string
		verify func(ctx context.Context, v *Verifier, raw string) error
		good   string
		other  string // with an unknown kid
		second *fault.Fault
	}{
		{"from anybody", func(ctx context.Context, v *Verifier, raw string) error {
			_, err := v.Check(ctx, metadata, raw, keys.FromAnybody)
			return err
		}, good, unknown, fault.Keys},
		{"from the tenant", func(ctx context.Context, v *Verifier, raw string) error {
			_, err := v.Check(ctx, metadata, raw, keys.FromTenant)
			return err
		}, good, unknown, fault.UnknownKey},
		{"granted", func(ctx context.Context, v *Verifier, raw string) error {
			_, err := v.VerifyGranted(ctx, metadata, raw, Expect{})
			return err
		}, good, unknown, fault.UnknownKey},
		{"logout", func(ctx context.Context, v *Verifier, raw string) error {
			_, err := v.VerifyLogout(ctx, issuer, raw)
			return err
		}, logout, unknownLogout, fault.Keys},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &keyServer{}
			v := s.verifier()
			expect(t, tt.why+": good", tt.verify(t.Context(), v, tt.good), nil, "")
			expect(t, tt.why+": unknown", tt.verify(t.Context(), v, tt.other), fault.UnknownKey, "nobody")
			expect(t, tt.why+": unknown again", tt.verify(t.Context(), v, tt.other), tt.second, "nobody")

			down := &keyServer{err: errors.New("no route to the issuer")}
			expect(t, tt.why+": outage", tt.verify(t.Context(), down.verifier(), tt.good), fault.Keys, "no route to the issuer")
		})
	}
}

// TestClaimsBeforeKeys: a token with rejected claims causes no fetch of the JWKS.
func TestClaimsBeforeKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &keyServer{}
		v := s.verifier()
		for _, tt := range signedTokens {
			if tt.want != nil && tt.want != fault.Malformed { // go-oidc comes last
				v.Check(t.Context(), metadata, token(idClaims, tt.header, tt.claims), keys.FromAnybody)
			}
		}
		for _, tt := range logoutTokens {
			if tt.want != nil {
				v.VerifyLogout(t.Context(), issuer, token(logoutClaims, tt.header, tt.claims))
			}
		}
		if s.requests != 0 {
			t.Errorf("%d requests", s.requests)
		}
	})
}

func TestCheckTimes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why, payload string
		want         *fault.Fault
		cause        string
	}{
		{"no exp", `{}`, fault.Claim, "no exp"},
		{"exp alone", `{"exp":1000.6}`, nil, ""},
		{"exp is now", `{"exp":1000.5}`, fault.Expired, "exp was 0 s ago; if the token should still be valid, check the clock of this machine"},
		{"exp is before now", `{"exp":900.5}`, fault.Expired, "exp was 100 s ago; if the token should still be valid, check the clock of this machine"},
		{"nbf is now", `{"exp":2000,"nbf":1000.5}`, nil, ""},
		{"nbf is after now", `{"exp":2000,"nbf":1100.5}`, fault.NotYet, "nbf is 100 s ahead"},
		{"iat is now", `{"exp":2000,"iat":1000.5}`, nil, ""},
		{"iat is after now", `{"exp":2000,"iat":1100.5}`, fault.IssuedAhead, "iat is 100 s ahead"},
	} {
		err := CheckTimes(claimsOf(t, tt.payload), time.UnixMilli(1_000_500), 0)
		expect(t, tt.why, err, tt.want, tt.cause)
	}
}

func TestUnix(t *testing.T) {
	t.Parallel()
	for seconds, at := range map[float64]time.Time{
		0:             {},
		1:             time.Unix(1, 0),
		1800000000.25: time.UnixMilli(1_800_000_000_250),
		253402300799:  time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	} {
		if got := FromUnix(seconds); !got.Equal(at) {
			t.Errorf("FromUnix(%v) = %v", seconds, got)
		}
		if got := Unix(at); seconds != 0 && got != seconds {
			t.Errorf("Unix(%v) = %v", at, got)
		}
	}
}

// leftHalf returns the left half of a hash in the form of at_hash and c_hash.
func leftHalf(sum []byte) string { return b64(sum[:len(sum)/2]) }

func TestHashes(t *testing.T) {
	t.Parallel()
	// The access token and its hash are those of OpenID Connect Core 1.0, Appendix A.3.
	const accessToken, withSHA256 = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "77QmUPtjPfzWtF2AnpK9RQ"
	const code = "a code"
	sum256, sum384, sum512 := sha256.Sum256([]byte(code)), sha512.Sum384([]byte(accessToken)), sha512.Sum512([]byte(accessToken))
	for _, tt := range []struct {
		why, alg string
		claims   change
		name     jwt.Name
		value    string
		check    *fault.Fault // of CheckHash
		require  *fault.Fault // of RequireHash
	}{
		{"no at_hash", "ES256", nil, jwt.AccessTokenHash, accessToken, nil, fault.Hash},
		{"at_hash", "ES256", change{"at_hash": withSHA256}, jwt.AccessTokenHash, accessToken, nil, nil},
		{"at_hash of ES384", "ES384", change{"at_hash": leftHalf(sum384[:])}, jwt.AccessTokenHash, accessToken, nil, nil},
		{"at_hash of EdDSA", "EdDSA", change{"at_hash": leftHalf(sum512[:])}, jwt.AccessTokenHash, accessToken, nil, nil},
		{"at_hash of another algorithm", "ES384", change{"at_hash": withSHA256}, jwt.AccessTokenHash, accessToken, fault.Hash, fault.Hash},
		{"at_hash of another token", "ES256", change{"at_hash": withSHA256}, jwt.AccessTokenHash, "another token", fault.Hash, fault.Hash},
		{"beginning of at_hash", "ES256", change{"at_hash": withSHA256[:20]}, jwt.AccessTokenHash, accessToken, fault.Hash, fault.Hash},
		{"empty at_hash", "ES256", change{"at_hash": ""}, jwt.AccessTokenHash, accessToken, fault.Hash, fault.Hash},
		{"c_hash in place of at_hash", "ES256", change{"c_hash": withSHA256}, jwt.AccessTokenHash, accessToken, nil, fault.Hash},
		{"no c_hash", "ES256", nil, jwt.CodeHash, code, nil, fault.Hash},
		{"c_hash", "ES256", change{"c_hash": leftHalf(sum256[:])}, jwt.CodeHash, code, nil, nil},
		{"c_hash of another code", "ES256", change{"c_hash": leftHalf(sum256[:])}, jwt.CodeHash, "another code", fault.Hash, fault.Hash},
		{"at_hash in place of c_hash", "ES256", change{"at_hash": leftHalf(sum256[:])}, jwt.CodeHash, code, nil, fault.Hash},
		{"both", "ES256", change{"c_hash": leftHalf(sum256[:]), "at_hash": withSHA256}, jwt.CodeHash, code, nil, nil},
		{"both, the other", "ES256", change{"c_hash": leftHalf(sum256[:]), "at_hash": withSHA256}, jwt.AccessTokenHash, accessToken, nil, nil},
	} {
		v := newVerifier()
		v.Algorithms = []string{tt.alg}
		id, err := v.Check(t.Context(), metadata, token(idClaims, change{"alg": tt.alg}, tt.claims), keys.FromAnybody)
		expect(t, tt.why, err, nil, "")
		expect(t, tt.why, CheckHash(id, tt.name, tt.value), tt.check, "")
		expect(t, tt.why+", required", RequireHash(id, tt.name, tt.value), tt.require, "")
	}
}

func TestKept(t *testing.T) {
	t.Parallel()
	const protocol = `"iss":"i","sub":"s","aud":"a","exp":1,"nbf":1,"iat":1,"jti":"j","azp":"a","nonce":"n","at_hash":"h","c_hash":"h",` +
		`"s_hash":"h","sid":"s","auth_time":1,"acr":"a","amr":["m"],"cnf":{"jkt":"k"},"events":{}`
	all := func(string) bool { return true }
	for _, tt := range []struct {
		payload string
		keep    func(string) bool
		want    string
	}{
		{`{}`, nil, `{}`},
		{`{}`, all, `{}`},
		{`{` + protocol + `}`, nil, `{}`},
		{`{` + protocol + `}`, all, `{` + protocol + `}`},
		{`{"name":"Ada",` + protocol + `,"roles":["a", "b"]}`, nil, `{"name":"Ada","roles":["a", "b"]}`},
		{`{ "org_id" : "org_1", "x" : null }`, nil, `{"org_id":"org_1","x":null}`},
		{`{"name":"Ada","plan":"gold","sub":"s"}`, func(name string) bool { return name != "name" }, `{"plan":"gold","sub":"s"}`},
		{`{"a\"b":1,"https:\/\/acme.example\/plan":"gold"}`, nil, `{"a\"b":1,"https://acme.example/plan":"gold"}`},
	} {
		if got := (Identity{Payload: tt.payload}).Kept(tt.keep); string(got) != tt.want {
			t.Errorf("%s: kept %s, want %s", tt.payload, got, tt.want)
		}
	}
	// An application's function can be slow, or can count its calls.
	var asked []string
	(Identity{Payload: `{"a":1,"b":2}`}).Kept(func(name string) bool { asked = append(asked, name); return true })
	if strings.Join(asked, " ") != "a b" {
		t.Errorf("asked for %q", asked)
	}
}

func TestSessionExpiry(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]int64{
		`{}`:                                0,
		`{"session_expiry":1800000000}`:     1800000000,
		`{"session_expiry":1}`:              1,
		`{"session_expiry":0}`:              0,
		`{"session_expiry":-1}`:             0,
		`{"session_expiry":9999999999}`:     9999999999,
		`{"session_expiry":10000000000}`:    0, // in milliseconds
		`{"session_expiry":1800000000000}`:  0,
		`{"session_expiry":1800000000.5}`:   0,
		`{"session_expiry":"1800000000"}`:   0,
		`{"session_expiry":null}`:           0,
		`{"Session_Expiry":1800000000}`:     0,
		`{"x":{"session_expiry":18000000}}`: 0,
	} {
		if got := (Identity{Payload: payload}).SessionExpiry(); got != want {
			t.Errorf("%s: %d, want %d", payload, got, want)
		}
	}
}

func TestRawClaim(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		payload, raw string
		ok           bool
	}{
		{`{}`, "", false},
		{`{"A":1,"aa":2}`, "", false},
		{`{"a":null}`, "null", true},
		{`{"b":1,"a":{"a": [2]},"c":3}`, `{"a": [2]}`, true},
		{`{"a":1,"a":2}`, "2", true},
		{`{"\u0061":"x"}`, `"x"`, true},
	} {
		if raw, ok := RawClaim(tt.payload, "a"); raw != tt.raw || ok != tt.ok {
			t.Errorf("%s: %q, %v", tt.payload, raw, ok)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	cause := errors.New("no fault")
	if err := Refused(cause); err != cause {
		t.Errorf("an error that is no fault: %v", err)
	}
	if err := Refused(nil); err != nil {
		t.Errorf("no error: %v", err)
	}
	for _, tt := range []struct {
		why          string
		err          error
		status       int
		code, reason string
		retryAfter   time.Duration
	}{
		{"fault", fault.Nonce, 400, "invalid_token", "nonce_mismatch", 0},
		{"fault with a cause", fault.Issuer.Because("iss is wrong"), 400, "invalid_token", "invalid_issuer", 0},
		{"fault inside", fmt.Errorf("refresh: %w", fault.Expired), 400, "invalid_token", "token_expired", 0},
		{"keys", fault.Keys.Because("%w", cause), 503, "temporarily_unavailable", "keys_unavailable", 5 * time.Second},
	} {
		r, ok := errors.AsType[*refusal.Refusal](Refused(tt.err))
		f, _ := errors.AsType[*fault.Fault](tt.err)
		if !ok || r.Status != tt.status || r.Code != tt.code || r.Reason != tt.reason || r.RetryAfter != tt.retryAfter || r.Err != error(f) {
			t.Errorf("%s: %+v", tt.why, r)
		}
	}
	if refusal.IDToken.Reason != "" {
		t.Errorf("the row itself has the reason %q", refusal.IDToken.Reason)
	}
}
