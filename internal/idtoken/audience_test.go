package idtoken

import (
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
)

// TestCheckAccessAudience has one row per refusal, with a part of its cause.
func TestCheckAccessAudience(t *testing.T) {
	t.Parallel()
	audiences := []string{"https://api.example/", "second"}
	for _, tt := range []struct {
		claims  string
		clients []string
		cause   string // empty if the token is accepted
	}{
		{`{"aud":"https://api.example/"}`, nil, ""},
		{`{"aud":["https://other.example/","second"]}`, nil, ""},
		{`{"aud":"https://api.example/","client_id":"c"}`, []string{"other"}, ""},
		{`{"client_id":"c"}`, []string{"b", "c"}, ""},
		{`{"azp":"c"}`, []string{"c"}, ""},

		{`{"aud":"https://api.example"}`, nil, "they differ in the slash at the end"},
		{`{"aud":"second/"}`, nil, "they differ in the slash at the end"},
		{`{"aud":"https://API.example/"}`, nil, "must request an access token for that audience"},
		{`{"aud":"https://other.example/"}`, nil, "must request an access token for that audience"},
		{`{"aud":"https://other.example/","client_id":"c"}`, []string{"c"}, "must request an access token for that audience"},
		{`{"aud":[],"client_id":"c"}`, []string{"c"}, "must request an access token for that audience"},
		{`{"aud":"c","nonce":"n"}`, nil, "nonce"},
		{`{"client_id":"c"}`, nil, "see Issuer.AcceptMissingAudienceFrom"},
		{`{"client_id":"other"}`, []string{"c"}, `the client id is "other"`},
		{`{"client_id":"other","azp":"c"}`, []string{"c"}, `the client id is "other"`},
		{`{}`, []string{"c"}, `the client id is ""`},
	} {
		err := CheckAccessAudience(jwt.Message{}, claimsOf(t, tt.claims), audiences, tt.clients)
		if tt.cause == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.claims, err)
			}
			continue
		}
		expect(t, tt.claims, err, fault.Audience, tt.cause)
	}
}
