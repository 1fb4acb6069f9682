package idtoken

import (
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/fault"
)

// logoutTokens are logout tokens with a good signature (OpenID Connect Back-Channel Logout
// 1.0, Sections 2.4 and 2.6).
var logoutTokens = []row{
	{why: "unchanged"},

	{"no typ", change{"typ": nil}, nil, nil, ""},
	{"typ in another case", change{"typ": "jwt"}, nil, nil, ""},
	{"typ of the specification", change{"typ": "logout+jwt"}, nil, nil, ""},
	{"typ in full and in another case", change{"typ": "application/Logout+JWT"}, nil, nil, ""},
	{"typ of an access token", change{"typ": "at+jwt"}, nil, fault.Type, `typ is "at+jwt"`},
	{"typ with another prefix", change{"typ": "text/logout+jwt"}, nil, fault.Type, ""},
	{"typ and form of the claims are wrong", change{"typ": "at+jwt"}, change{"acr": 1}, fault.Type, `typ is "at+jwt"`},

	{"another algorithm of the issuer", change{"alg": "ES256"}, nil, fault.Algorithm, `alg is "ES256", Config.Algorithms has ["EdDSA"]`},
	{"crit", change{"crit": []string{"exp"}}, nil, fault.Extension, ""},
	{"a claim has the wrong form", nil, change{"jti": 1}, fault.Claim, "the claim jti is a number, want a string"},
	{"a claim that decides nothing has the wrong form", nil, change{"amr": "pwd", "acr": 1}, nil, ""},

	{"other iss", nil, change{"iss": "https://evil.example/"}, fault.Issuer, `iss is "https://evil.example/"`},
	{"no iss", nil, change{"iss": nil}, fault.Issuer, ""},
	{"other aud", nil, change{"aud": "another client"}, fault.Audience, `aud is ["another client"]`},
	{"no aud", nil, change{"aud": nil}, fault.Audience, ""},
	{"several audiences", nil, change{"aud": []string{"another client", clientID}}, nil, ""},

	{"no exp", nil, change{"exp": nil}, fault.Claim, "no exp"},
	{"expired within the leeway", nil, change{"exp": now - leeway + 0.5}, nil, ""},
	{"expired", nil, change{"exp": now - leeway}, fault.Expired, ""},
	{"nbf ahead", nil, change{"nbf": now + leeway + 0.5}, fault.NotYet, ""},
	{"no iat", nil, change{"iat": nil}, fault.Claim, "no iat"},
	{"iat ahead within the leeway", nil, change{"iat": now + leeway}, nil, ""},
	{"iat ahead", nil, change{"iat": now + leeway + 0.5}, fault.IssuedAhead, ""},
	{"five minutes old, with the leeway", nil, change{"iat": now - 300 - leeway}, nil, ""},
	{"older", nil, change{"iat": now - 300 - leeway - 0.5}, fault.TooOld, "iat was 360 s ago"},

	{"no sub", nil, change{"sub": nil}, nil, ""},
	{"no sid", nil, change{"sid": nil}, nil, ""},
	{"neither sub nor sid", nil, change{"sub": nil, "sid": nil}, fault.Claim, "neither sid nor sub"},
	{"empty sid", nil, change{"sid": ""}, fault.Claim, "sid is empty or too long"},
	{"sid of 255 bytes", nil, change{"sid": strings.Repeat("s", 255)}, nil, ""},
	{"sid of 256 bytes", nil, change{"sid": strings.Repeat("s", 256)}, fault.Claim, "sid is empty or too long"},
	{"sub of 255 bytes", nil, change{"sub": strings.Repeat("s", 255)}, nil, ""},
	{"sub of 256 bytes", nil, change{"sub": strings.Repeat("s", 256)}, fault.Claim, "sub is too long"},
	{"no jti", nil, change{"jti": nil}, fault.Claim, "no jti"},
	{"empty jti", nil, change{"jti": ""}, fault.Claim, "no jti"},

	{"no events", nil, change{"events": nil}, fault.Type, "does not have the logout event"},
	{"other event", nil, change{"events": map[string]any{"https://acme.example/": map[string]any{}}}, fault.Type, "the logout event"},
	{"nonce", nil, change{"nonce": "n"}, fault.Type, "there is nonce"},
	{"empty nonce", nil, change{"nonce": ""}, fault.Type, "there is nonce"},
}

func TestVerifyLogout(t *testing.T) {
	t.Parallel()
	v := newVerifier()
	for _, tt := range logoutTokens {
		c, err := v.VerifyLogout(t.Context(), issuer, token(logoutClaims, tt.header, tt.claims))
		expect(t, tt.why, err, tt.want, tt.cause)
		if (err == nil) != (c != nil && c.Issuer == "https://tenant.example/") {
			t.Errorf("%s: error %v, claims %+v", tt.why, err, c)
		}
	}
}
