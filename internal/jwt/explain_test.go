package jwt

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/fault"
)

// TestMistakes: the cause names the sending program's mistake, and quotes no text that can
// be a secret.
func TestMistakes(t *testing.T) {
	t.Parallel()
	const secret = "S3CR3Tvalue1"
	h, p, s := b64(header), b64(payload), b64(secret)
	good := h + "." + p + "." + s
	jwe := func(header string) string { return b64(header) + "." + s + "." + s + "." + s + "." + s }
	for _, tt := range []struct{ text, cause string }{
		{"", "is empty"},
		{"undefined", `the text "undefined", which stands for a variable without a token`},
		{"null", `the text "null"`},
		{"None", `the text "None"`},
		{"[object Object]", `the text "[object Object]"`},
		{"[object Promise]", "must await the promise"},
		{"{{access_token}}", "a placeholder"},
		{"${TOKEN}", "a placeholder"},
		{"$TOKEN", "a placeholder"},
		{"%TOKEN%", "a placeholder"},
		{"<token>", "a placeholder"},
		{"[token]", "a placeholder"},
		{"{" + strings.Repeat("x", 97) + "}", "a placeholder"},
		{"{" + strings.Repeat("x", 98) + "}", "an opaque token or not a token"},
		{"Bearer " + good, "begins with the scheme Bearer"},
		{"bearer " + good, "begins with the scheme Bearer"},
		{" Bearer: " + good, "begins with the scheme Bearer"},
		{`"` + good + `"`, "quotation marks"},
		{"'" + good + "'", "quotation marks"},
		{good + "\n", "white space before or after it"},
		{" " + good, "white space before or after it"},
		{h + "." + p + " ." + s, "white space in it"},
		{good + "%3D", "a percent sign"},
		{h + "." + p[:9] + "...", "cut off: it ends in three dots"},
		{secret, "an opaque token or not a token"},
		{h + "." + p, "2 parts, want 3; the signature is missing"},
		{good + "." + s, "4 parts between dots"},
		{good + "." + s + "." + s, "5 parts between dots"},
		{jwe(`{"alg":"RSA-OAEP-256","enc":"A256GCM","zip":"DEF","cty":"JWT"}`), "encrypted (JWE): its header has enc"},
		{jwe(`{"alg":"dir"}`), "5 parts between dots"},
		{jwe(`{"enc":"` + strings.Repeat("x", 1024-10) + `"}`), "encrypted (JWE): its header has enc"},
		{jwe(`{"enc":"` + strings.Repeat("x", 1025-10) + `"}`), "5 parts between dots"},
		{jwe(`no object "enc"`), "5 parts between dots"},
		{"." + p + "." + s, "the header of the token is empty"},
		{h + ".." + s, "the payload of the token is empty"},
		{h + "." + p + ".", "the signature of the token is empty"},
		{h + "=." + p + "." + s, "the header of the token is not base64url without padding"},
		{h + "." + p + "=." + s, "the payload of the token is not base64url without padding"},
		{good + "=", "the signature of the token is not base64url without padding"},
		{strings.Repeat("A", 2000) + "." + p + "." + s, "the header of the token has more than 1024 bytes"},
		{strings.Repeat("A", maxSize+1), "more than 16384 bytes"},
		{b64(`{"alg":"none"}`) + "." + p + ".", `alg is "none": the token is not signed`},
		{b64("no object") + "." + p + "." + s, "the header is not a JSON object"},
		{b64(`{"alg":256}`) + "." + p + "." + s, "alg is a number, want a name such as RS256"},
		{b64(`{"alg":""}`) + "." + p + "." + s, "alg is an empty string, want"},
		{b64(`{}`) + "." + p + "." + s, "the header has no alg"},
		{b64(`{"alg":"RS256","kid":1}`) + "." + p + "." + s, "kid in the header is a number"},
		{b64(`{"alg":"RS256","kid":"`+strings.Repeat("k", 257)+`"}`) + "." + p + "." + s, "kid has 257 bytes, more than 256"},
		{b64(`{"alg":"RS256","typ":[]}`) + "." + p + "." + s, "typ in the header is an array"},
		{b64(`{"alg":"RS256","alg":"RS256"}`) + "." + p + "." + s, "the header has alg twice"},
		{b64(`{"alg":"RS256","crit":["exp"]}`) + "." + p + "." + s, "the header has crit, which is not supported"},
		{b64(`{"alg":"RS256","b64":false}`) + "." + p + "." + s, "the header has b64, which is not supported"},
		{b64(`{"alg":"RS256","zip":"DEF"}`) + "." + p + "." + s, "the header has zip, which is not supported"},
		{b64(`{"alg":"RS256","cty":"JWT"}`) + "." + p + "." + s, "the header has cty, which is not supported"},
	} {
		_, err := Parse(tt.text)
		f, ok := err.(*fault.Fault)
		if !ok || f.Cause == nil || !strings.Contains(f.Cause.Error(), tt.cause) {
			t.Errorf("%.60q: %v, want the cause %q", tt.text, err, tt.cause)
			continue
		}
		if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), s) {
			t.Errorf("%.60q: the cause quotes the text: %v", tt.text, err)
		}
		if opaque := strings.HasPrefix(tt.cause, "an opaque token"); opaque != errors.Is(f.Cause, ErrOpaque) {
			t.Errorf("%.60q: opaque %v", tt.text, errors.Is(f.Cause, ErrOpaque))
		}
	}
}

// TestWrongForms: the cause names the claim and its form.
func TestWrongForms(t *testing.T) {
	t.Parallel()
	for claims, cause := range map[string]string{
		`{"exp":"1767312000"}`:      "the claim exp is a string, want a number of seconds since 1970",
		`{"exp":1767312000123}`:     "the claim exp is 1767312000123, want seconds since 1970; milliseconds are not accepted",
		`{"iat":null}`:              "the claim iat is null, want a number of seconds",
		`{"nbf":true}`:              "the claim nbf is a boolean, want a number of seconds",
		`{"auth_time":{}}`:          "the claim auth_time is an object, want a number of seconds",
		`{"jti":42}`:                "the claim jti is a number, want a string",
		`{"sub":""}`:                "the claim sub is empty",
		`{"sub":1}`:                 "the claim sub is a number, want a string",
		`{"sub":"S3CR3T\u0000"}`:    "the claim sub has a control character",
		`{"aud":[1]}`:               "the claim aud is an array, want a string or an array of strings",
		`{"scope":1}`:               "the claim scope is a number, want a string or an array of strings",
		`{"permissions":"S3CR3T"}`:  "the claim permissions is a string, want an array of strings",
		`{"amr":"S3CR3T"}`:          "the claim amr is a string, want an array of strings",
		`{"cnf":"S3CR3T"}`:          "the claim cnf is a string, want an object that names a key",
		`{"EXP":1}`:                 `the claim "EXP" differs from "exp" only in case`,
		"{\"\u017fub\":1}":          `the claim "ſub" differs from "sub" only in case`,
		`{"exp":1,"exp":2}`:         "the claim exp is there twice",
		`{"x":"S3CR3T","x":2}`:      `the claim "x" is there twice`,
		`{"jti":1,"x":1,"x":1}`:     "the claim jti is a number", // the first one
		`{"x":1,"x":1,"jti":1}`:     `the claim "x" is there twice`,
		`{"EXP":1,"EXP":1,"exp":1}`: `the claim "EXP" differs`,
		`["S3CR3T"]`:                "the payload is not a JSON object",
	} {
		_, err := ParseClaims(claims, true, 0)
		if f, ok := err.(*fault.Fault); !ok || f.Cause == nil || !strings.Contains(f.Cause.Error(), cause) || strings.Contains(err.Error(), "S3CR3T") {
			t.Errorf("%s: %v, want the cause %q", claims, err, cause)
		}
	}
}

// TestOptionalClaims: a claim that decides nothing is absent if it has the wrong form.
func TestOptionalClaims(t *testing.T) {
	t.Parallel()
	const optional = ID | SessionID | ACR | AMR | AuthTime
	wrong := `{"jti":1,"sid":2,"acr":3,"amr":["a",4],"auth_time":1767312000123,"exp":5}`
	c, err := ParseClaims(wrong, true, optional)
	if err != nil || c.Has(optional) || !c.Has(Expiry) || c.ID+c.SessionID+c.ACR != "" || c.AMR != nil || c.AuthTime != 0 {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := ParseClaims(wrong, true, optional&^AMR); !errors.Is(err, fault.Claim) || !strings.Contains(err.Error(), "amr") {
		t.Errorf("amr decides: %v", err)
	}
	// Another reader can choose the other of two values.
	if _, err := ParseClaims(`{"jti":1,"jti":"a"}`, true, optional); !errors.Is(err, fault.Duplicate) {
		t.Errorf("twice: %v", err)
	}
	right := `{"jti":"a","sid":"b","acr":"c","amr":["d"],"auth_time":1767312000}`
	if c, err = ParseClaims(right, true, optional); err != nil || c.present != optional {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestExplanationHidesText: the cause holds the text, which can be a secret. No format
// shows it.
func TestExplanationHidesText(t *testing.T) {
	for _, text := range []string{"secret.secret", "secret.secret.!", "secret", "secret secret.x"} {
		_, err := Parse(text)
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			for _, value := range []any{err, errors.Unwrap(err), struct{ inside any }{err}, err.(*fault.Fault).Cause, struct{ inside error }{err.(*fault.Fault).Cause}} {
				if printed := fmt.Sprintf(format, value); strings.Contains(printed, "secret") {
					t.Errorf("%q: %s prints %s", text, format, printed)
				}
			}
		}
	}
}
