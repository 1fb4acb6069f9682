package doctor

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// audiences are the claim aud, a text or a list of texts (RFC 7519, Section 4.1.3).
type audiences []string

func (a *audiences) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*a = audiences{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(a))
}

// An accessToken has the claims of a JWT. The doctor does not verify its signature,
// because no access depends on it.
type accessToken struct {
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid"`

	Issuer      string    `json:"iss"`
	Audience    audiences `json:"aud"`
	Expires     float64   `json:"exp"`
	Scope       string    `json:"scope"`
	Permissions *[]string `json:"permissions"`
	Nonce       *string   `json:"nonce"`
}

// parseToken reads a compact JWS. It reports false for everything else.
func parseToken(raw string) (t accessToken, ok bool) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return t, false
	}
	for _, part := range parts[:2] {
		text, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil || json.Unmarshal(text, &t) != nil {
			return t, false
		}
	}
	return t, true
}

// whereAPI is the place of the settings of an API.
const whereAPI = "Applications > APIs > the API > Settings"

// checkToken compares an access token with the API, for settings that show only in a
// token.
func (k known) checkToken(context.Context) (known, Finding) {
	if k.Token == "" {
		return k, skip("Not requested: -token - reads an access token from standard input.")
	}
	t, isJWT := parseToken(k.Token)
	again := "Set AUTH0_AUDIENCE to the identifier of the API, log in again, and send the access token."
	issuer := k.metadata.Issuer
	if issuer == "" {
		issuer = k.issuer + "/"
	}
	audience := k.Settings.Audience
	switch {
	case strings.Count(k.Token, ".") == 4:
		return k, fail("The token is encrypted.", do("Turn off token encryption: "+whereAPI+"."))
	case !isJWT:
		return k, fail("The token is opaque: send audience at login.", do(again))
	case t.Nonce != nil || len(t.Audience) == 1 && t.Audience[0] == k.Settings.ClientID:
		return k, fail("The token is an ID token, which is not for an API.", do(again))
	case t.Issuer != issuer:
		return k, fail("The token is from "+t.Issuer+" and not from "+issuer, do("Log in at the domain of the API, or add the issuer to APIConfig.Issuers."))
	case audience != "" && !slices.Contains(t.Audience, audience):
		return k, fail("The token is for "+strings.Join(t.Audience, ", ")+" and not for "+audience, do(again))
	case t.Algorithm != "RS256":
		return k, fail("The token is signed with "+t.Algorithm+".", do("Set JSON Web Token (JWT) Signing Algorithm to RS256: "+whereAPI+"."))
	case len(k.keyIDs) > 0 && !slices.Contains(k.keyIDs, t.KeyID):
		return k, fail("The JWKS does not have the signing key of the token.", do("Log in again. The tenant has revoked the key, or the token is from another tenant."))
	}
	return k, k.checkClaims(t)
}

func (k known) checkClaims(t accessToken) Finding {
	if left := time.Unix(int64(t.Expires), 0).Sub(k.Now()); left <= 0 {
		return warn(fmt.Sprintf("The token expired %v ago.", left.Abs().Round(time.Second)), do("Log in again, and send the new access token."))
	}
	if t.Permissions == nil {
		api := k.Settings.Audience
		if api == "" && len(t.Audience) > 0 {
			api = t.Audience[0]
		}
		return warn("The token has no permissions.", Advice{Text: "Turn on RBAC and Add Permissions in the Access Token (" + whereAPI + "), or run:",
			Command: "auth0 apis update " + shell(api) + " --enforce-policies --token-dialect access_token_authz"})
	}
	if len(*t.Permissions) == 0 {
		return warn("The list of permissions in the token is empty.", do("Assign a role with permissions of the API to the user: User Management > Users > the user > Roles."))
	}
	has := fmt.Sprintf("An access token for the API with permissions: %s", strings.Join(*t.Permissions, " "))
	if slices.Contains(strings.Fields(t.Scope), "offline_access") {
		has += ". The API allows offline access."
	}
	return ok(has)
}
