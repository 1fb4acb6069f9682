package idtoken

import (
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
)

const logoutEvent = `"events":{"http://schemas.openid.net/event/backchannel-logout":{}}`

// A kindCase is a mark of a token. For each verifier it has a part of the rejection's
// cause, empty for an accepted token. The ID token has no nonce, and the logout token has
// the logout event.
type kindCase struct {
	mark            string
	access, id, out string
}

// TestKinds sends each mark of a token to the verifiers of access tokens, ID tokens and
// logout tokens.
func TestKinds(t *testing.T) {
	t.Parallel()
	const (
		idNotAccess     = "says that this is no access token but an ID token"
		accessNotID     = "says that this is no ID token but an access token"
		accessNotOut    = "says that this is no logout token but an access token"
		idNotOut        = "says that this is no logout token but an ID token"
		outNotAccess    = "says that this is no access token but a logout token"
		outNotID        = "says that this is no ID token but a logout token"
		refreshNotOut   = "says that this is no logout token but a refresh token"
		refreshNotID    = "says that this is no ID token but a refresh token"
		refreshNotOther = "says that this is no access token but a refresh token"
	)
	for _, tt := range []kindCase{
		{`"x":1`, "", "", ""},

		// The kind that a token names.
		{`"typ":"Bearer"`, "", "claim typ " + accessNotID, accessNotOut},
		{`"typ":"DPoP"`, "", accessNotID, accessNotOut},
		{`"typ":"ID"`, "claim typ " + idNotAccess, "", idNotOut},
		{`"typ":"Logout"`, outNotAccess, outNotID, ""},
		{`"typ":"Refresh"`, refreshNotOther, refreshNotID, refreshNotOut},
		{`"typ":"Offline"`, refreshNotOther, refreshNotID, refreshNotOut},
		{`"token_use":"access"`, "", "claim token_use " + accessNotID, accessNotOut},
		{`"token_use":"id"`, "claim token_use " + idNotAccess, "", idNotOut},
		{`"token_use":"refresh"`, refreshNotOther, refreshNotID, refreshNotOut},
		{`"typ":"ID","token_use":"access"`, "claim typ " + idNotAccess, "", idNotOut},
		{`"typ":"a word of the application"`, "", "", ""},
		{`"typ":["ID"]`, "", "", ""},
		{`"token_use":"ID"`, "", "", ""},

		// Claims of one kind.
		{`"at_hash":"h"`, "there is at_hash, which only ID tokens have", "", "there is at_hash, which only ID tokens have"},
		{`"c_hash":"h"`, "there is c_hash, which", "", "there is c_hash, which"},
		{`"s_hash":"h"`, "there is s_hash, which", "", "there is s_hash, which"},
		{`"nonce":"n"`, "there is nonce, as in an ID token, and nothing says", "", "there is nonce, as in an ID token"},
		{`"nonce":"n","typ":"Bearer"`, "", accessNotID, accessNotOut},
		{`"nonce":"n","token_use":"access"`, "", accessNotID, accessNotOut},
		{`"nonce":"n","typ":"ID"`, idNotAccess, "", idNotOut},
		{`"at_hash":"h","typ":"Bearer"`, "there is at_hash", accessNotID, accessNotOut},
		{`"aud":"https://tenant.example/userinfo"`, "", "aud has the UserInfo endpoint", ""},
		{`"aud":["x","https://tenant.example/userinfo"],"nonce":"n"`, "there is nonce", "aud has the UserInfo endpoint", "there is nonce"},
		{`"aud":"https://tenant.example/userinfo/"`, "", "", ""},

		// Each of these can be a claim of the application. Two of them are too many.
		{`"scope":"read:x"`, "", "", ""},
		{`"scp":["read:x"]`, "", "", ""},
		{`"client_id":"c"`, "", "", ""},
		{`"permissions":[]`, "", "", ""},
		{`"gty":"password"`, "", "", ""},
		{`"scope":"x","scp":"y"`, "", "", ""}, // one mark
		{`"scope":"x","client_id":"c"`, "", "there are scope and client_id, as in an access token", "there are scope and client_id, as in"},
		{`"scp":"x","permissions":[]`, "", "there are scope and permissions, as", "there are scope and permissions, as"},
		{`"permissions":[],"gty":"password"`, "", "there are permissions and gty, as", "there are permissions and gty, as"},
		{`"client_id":"c","gty":"password"`, "", "there are client_id and gty, as", "there are client_id and gty, as"},
		{`"scope":"x","client_id":"c","permissions":[]`, "", "scope and client_id and permissions", "scope and client_id and permissions"},
		{`"scope":"x","client_id":"c","nonce":"n"`, "there is nonce", "", "there is nonce"},
		{`"scope":"x","client_id":"c","c_hash":"h"`, "there is c_hash", "", "there is c_hash"},
	} {
		payload := `{` + tt.mark + `}`
		expectKind(t, "access token "+payload, CheckAccessKind(jwt.Message{Type: "JWT"}, claimsOf(t, payload)), tt.access)
		expectKind(t, "ID token "+payload, checkIDTokenKind(claimsOf(t, payload), userInfo), tt.id)
		payload = `{` + tt.mark + `,` + logoutEvent + `}`
		expectKind(t, "logout token "+payload, checkLogoutKind(claimsOf(t, payload)), tt.out)
	}
}

// expectKind compares the cause of a fault of the kind, empty for no error.
func expectKind(t *testing.T, why string, err error, cause string) {
	t.Helper()
	if cause == "" {
		expect(t, why, err, nil, "")
		return
	}
	expect(t, why, err, fault.Type, cause)
}

// TestEvents has the claim events in each form, for access tokens that name their
// kind and for those that do not.
func TestEvents(t *testing.T) {
	t.Parallel()
	const (
		inAccess = "there is events, as in a logout token"
		inID     = "there is events, as in a logout token"
		noLogout = "events does not have the logout event"
	)
	for _, tt := range []struct {
		events                      string
		access, explicit, id, token string
	}{
		{`{"http://schemas.openid.net/event/backchannel-logout":{}}`, inAccess, inAccess, inID, ""},
		{`{"http://schemas.openid.net/event/backchannel-logout":{"x":1},"other":1}`, inAccess, inAccess, inID, ""},
		{`{"http://schemas.openid.net/event/backchannel-logout":"x"}`, inAccess, "", inID, noLogout},
		{`{"http://schemas.openid.net/event/backchannel-logout":null}`, inAccess, "", inID, noLogout},
		{`{"http://schemas.openid.net/event/backchannel-logout/":{}}`, inAccess, "", inID, noLogout},
		{`{"other":{}}`, inAccess, "", inID, noLogout},
		{`{}`, inAccess, "", inID, noLogout},
		{`["http://schemas.openid.net/event/backchannel-logout"]`, "", "", "", noLogout},
		{`"a text"`, "", "", "", noLogout},
		{`null`, "", "", "", noLogout},
	} {
		c := claimsOf(t, `{"events":`+tt.events+`}`)
		expectKind(t, "access token "+tt.events, CheckAccessKind(jwt.Message{}, c), tt.access)
		expectKind(t, "access token by typ "+tt.events, CheckAccessKind(jwt.Message{Type: "at+jwt"}, c), tt.explicit)
		named := claimsOf(t, `{"typ":"Bearer","events":`+tt.events+`}`)
		expectKind(t, "access token by claim "+tt.events, CheckAccessKind(jwt.Message{}, named), tt.explicit)
		expectKind(t, "ID token "+tt.events, checkIDTokenKind(c, userInfo), tt.id)
		expectKind(t, "logout token "+tt.events, checkLogoutKind(c), tt.token)
	}
	if isLogoutEvent(`{"http://schemas.openid.net/event/backchannel-logout":{}} x`) {
		t.Error("a text after the object is accepted")
	}
	// The last value of a repeated event counts, as in package json.
	const event = `"http://schemas.openid.net/event/backchannel-logout":`
	expectKind(t, "last event is none", checkLogoutKind(claimsOf(t, `{"events":{`+event+`{},`+event+`1}}`)), noLogout)
}

// TestKindNames has the whole cause for a token that names another kind.
func TestKindNames(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]string{
		`{"typ":"Bearer"}`:        "the claim typ says that this is no ID token but an access token",
		`{"typ":"Logout"}`:        "the claim typ says that this is no ID token but a logout token",
		`{"typ":"Refresh"}`:       "the claim typ says that this is no ID token but a refresh token",
		`{"token_use":"access"}`:  "the claim token_use says that this is no ID token but an access token",
		`{"token_use":"refresh"}`: "the claim token_use says that this is no ID token but a refresh token",
	} {
		if err := checkIDTokenKind(claimsOf(t, payload), ""); err == nil || err.Error() != "token type not accepted: "+want {
			t.Errorf("%s: %v", payload, err)
		}
	}
}

// TestNonceOfExplicitAccessToken: old versions of Keycloak put the nonce into access
// tokens.
func TestNonceOfExplicitAccessToken(t *testing.T) {
	t.Parallel()
	for typ, cause := range map[string]string{"at+jwt": "", "application/AT+JWT": "", "": "there is nonce", "JWT": "there is nonce"} {
		expectKind(t, "typ "+typ, CheckAccessKind(jwt.Message{Type: typ}, claimsOf(t, `{"nonce":"n"}`)), cause)
	}
}

// TestUnknownUserInfo: an issuer without a UserInfo endpoint has it in no audience.
func TestUnknownUserInfo(t *testing.T) {
	t.Parallel()
	expectKind(t, "empty audience", checkIDTokenKind(claimsOf(t, `{"aud":["x",""]}`), ""), "")
}

func TestAccessTokenType(t *testing.T) {
	t.Parallel()
	for typ, want := range map[string]bool{
		"at+jwt": true, "AT+JWT": true, "application/at+jwt": true, "Application/At+Jwt": true,
		"": false, "JWT": false, "jwt": false, "application/jwt": false, "at": false, "at+jwt ": false, "logout+jwt": false, "text/at+jwt": false,
	} {
		if got := IsAccessTokenType(typ); got != want {
			t.Errorf("%q: %v", typ, got)
		}
	}
}
