package jwt

import (
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/seed-15d5a55c/auth0/internal/fault"
)

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

const (
	header  = `{"alg":"RS256","typ":"JWT","kid":"k1"}`
	payload = `{"iss":"https://t.example/","sub":"auth0|1","aud":["a","b"],"exp":1767312000}`
)

func token(header string) string { return b64(header) + "." + b64(payload) + "." + b64("signature!") }

func TestParse(t *testing.T) {
	raw := token(header)
	m, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	want := Message{
		Algorithm: "RS256", KeyID: "k1", Type: "JWT",
		SigningInput: raw[:strings.LastIndexByte(raw, '.')],
		Payload:      payload,
		signature:    b64("signature!"),
	}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("Parse = %+v\nwant    %+v", m, want)
	}
	if got, err := m.AppendSignature([]byte("the ")); err != nil || string(got) != "the signature!" {
		t.Errorf("AppendSignature = %q, %v", got, err)
	}
}

func TestParseHeaders(t *testing.T) {
	tests := []struct {
		why, header string
		want        error
	}{
		{"nothing but alg", `{"alg":"ES256"}`, nil},
		{"white space", "{ \"alg\" : \"RS256\",\n \"kid\" : \"rs1\" }", nil},
		{"keys that are offered are ignored", `{"alg":"RS256","jwk":{"kty":"RSA"},"jku":"https://h/","x5u":"https://h/","x5c":["a"],"x5t":"b"}`, nil},
		{"1 KiB", `{"alg":"RS256","x":"` + strings.Repeat("x", 1<<10-len(`{"alg":"RS256","x":""}`)) + `"}`, nil},
		{"a byte more than 1 KiB", `{"alg":"RS256","x":"` + strings.Repeat("x", 1<<10+1-len(`{"alg":"RS256","x":""}`)) + `"}`, fault.Malformed},
		{"unknown member", `{"alg":"RS256","foo":[1,{"bar":null}]}`, nil},
		{"longest kid", `{"alg":"RS256","kid":"` + strings.Repeat("k", 256) + `"}`, nil},
		{"KID is not kid", `{"alg":"RS256","KID":1}`, nil},
		{"Kelvin sign is not k", "{\"alg\":\"RS256\",\"\u212aid\":1}", nil},

		{"no alg", `{"kid":"k1"}`, fault.HeaderAlg},
		{"empty object", `{}`, fault.HeaderAlg},
		{"ALG is not alg", `{"ALG":"RS256"}`, fault.HeaderAlg},
		{"empty alg", `{"alg":""}`, fault.HeaderAlg},
		{"alg null", `{"alg":null}`, fault.HeaderAlg},
		{"alg number", `{"alg":256}`, fault.HeaderAlg},
		{"alg array", `{"alg":["RS256"]}`, fault.HeaderAlg},
		{"kid number", `{"alg":"RS256","kid":1}`, fault.Malformed},
		{"kid null", `{"alg":"RS256","kid":null}`, fault.Malformed},
		{"long kid", `{"alg":"RS256","kid":"` + strings.Repeat("k", 257) + `"}`, fault.UnknownKey},
		{"typ number", `{"alg":"RS256","typ":1}`, fault.HeaderType},
		{"crit", `{"alg":"RS256","crit":["exp"]}`, fault.Extension},
		{"crit empty", `{"alg":"RS256","crit":[]}`, fault.Extension},
		{"crit string", `{"alg":"RS256","crit":"x"}`, fault.Extension},
		{"b64", `{"alg":"RS256","b64":false}`, fault.Extension},
		{"zip", `{"alg":"RS256","zip":"DEF"}`, fault.Extension},
		{"cty", `{"alg":"RS256","cty":"JWT"}`, fault.Extension},
		{"alg twice", `{"alg":"RS256","alg":"none"}`, fault.Malformed},
		{"alg twice, the same", `{"alg":"RS256","alg":"RS256"}`, fault.Malformed},
		{"kid twice", `{"alg":"RS256","kid":"a","kid":"b"}`, fault.Malformed},
		{"typ twice, once escaped", `{"alg":"RS256","typ":"JWT","t\u0079p":"JWT"}`, fault.Malformed},
		{"array", `["RS256"]`, fault.Malformed},
		{"null", `null`, fault.Malformed},
		{"no JSON", `alg`, fault.Malformed},
		{"trailing byte", `{"alg":"RS256"}x`, fault.Malformed},
		{"invalid UTF-8", "{\"alg\":\"RS256\",\"x\":\"\xff\"}", fault.Malformed},
		{"longer than 1 KiB", `{"alg":"RS256","x":"` + strings.Repeat("x", 1100) + `"}`, fault.Malformed},
	}
	for _, tt := range tests {
		if _, err := Parse(token(tt.header)); !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", tt.why, err, tt.want)
		}
	}
}

func TestParseForms(t *testing.T) {
	good := token(header)
	h, p, s := b64(header), b64(payload), b64("signature!")
	std := base64.RawStdEncoding.EncodeToString([]byte("\xfb\xff\xfe"))
	tests := []struct {
		why, token string
		want       error
	}{
		{"empty", "", fault.Malformed},
		{"one segment", h, fault.Malformed},
		{"unsigned", b64(`{"alg":"none"}`) + "." + p + ".", fault.Algorithm},
		{"unsigned, in another case", b64(`{"alg":"nOnE"}`) + "." + p + "." + s, fault.Algorithm},
		{"two segments", h + "." + p, fault.Malformed},
		{"four segments", good + ".AA", fault.Malformed},
		{"five segments", good + ".AA.AA", fault.Malformed},
		{"trailing dot", good + ".", fault.Malformed},
		{"leading dot", "." + good, fault.Malformed},
		{"only dots", "..", fault.Malformed},
		{"empty header", "." + p + "." + s, fault.Malformed},
		{"empty payload", h + ".." + s, fault.Malformed},
		{"empty signature", h + "." + p + ".", fault.Malformed},
		{"many dots", strings.Repeat(".", 10000), fault.Malformed},
		{"padded header", h + "==." + p + "." + s, fault.Malformed},
		{"padded payload", h + "." + p + "=." + s, fault.Malformed},
		{"padded signature", good + "==", fault.Malformed},
		{"standard alphabet", h + "." + p + "." + std, fault.Malformed},
		{"line feed", h + "." + p[:8] + "\n" + p[8:] + "." + s, fault.Malformed},
		{"carriage return and line feed", good[:len(good)-4] + "\r\n" + good[len(good)-4:], fault.Malformed},
		{"trailing line feed", good + "\n", fault.Malformed},
		{"space", good + " ", fault.Malformed},
		{"leading space", " " + good, fault.Malformed},
		{"percent escape", good[:30] + "%41" + good[30:], fault.Malformed},
		{"non-ASCII", good[:30] + "é" + good[30:], fault.Malformed},
		{"NUL", good + "\x00", fault.Malformed},
		{"impossible length", h + "." + p + ".AAAAA", fault.Malformed},
		{"spare bits in the signature", h + "." + p + "." + "AB", fault.Malformed},
		{"spare bits in the header", b64(header + " ")[:len(b64(header+" "))-1] + "B." + p + "." + s, fault.Malformed},
		{"JSON serialization", `{"payload":"` + p + `","protected":"` + h + `","signature":"` + s + `"}`, fault.Malformed},
		{"largest size, not a token", strings.Repeat("a", maxSize), fault.Malformed},
		{"too large", strings.Repeat("a", maxSize+1), fault.Size},
	}
	for _, tt := range tests {
		if m, err := Parse(tt.token); !errors.Is(err, tt.want) || !reflect.DeepEqual(m, Message{}) {
			t.Errorf("%s: %+v, error %v, want %v", tt.why, m, err, tt.want)
		} else if later := parseInParts(tt.token); later == nil || later.Error() != err.Error() {
			t.Errorf("%s: ParseInput and AppendSignature: %v, want %v", tt.why, later, err)
		}
	}
	full := `{"x":"` + strings.Repeat("x", 1) + `"}`
	for len(b64(header)+b64(full)+s)+2 < maxSize {
		full = full[:6] + strings.Repeat("x", len(full)-7) + `"}`
	}
	for len(h)+1+len(b64(full))+1+len(s) > maxSize {
		full = full[:len(full)-3] + `"}`
	}
	if _, err := Parse(h + "." + b64(full) + "." + s); err != nil {
		t.Errorf("token of the largest size: %v", err)
	}
}

// parseInParts is Parse, and decodes the signature.
func parseInParts(token string) error {
	m, err := ParseInput(token)
	if err != nil {
		return err
	}
	_, err = m.AppendSignature(nil)
	return err
}

func TestParseClaims(t *testing.T) {
	c, err := ParseClaims(`{
		"iss":"https://t.example/", "sub":"auth0|1", "aud":"a", "exp":1.7673e9, "nbf":1767312000.5, "iat":1767312000, "jti":"j",
		"cnf":{"jkt":"x"}, "azp":"c1", "client_id":"c2", "scope":"openid read:m", "scp":["ignored"], "permissions":["p","q"],
		"org_id":"org_1", "org_name":"acme", "nonce":"n", "at_hash":"h", "c_hash":"ch", "s_hash":"sh", "events":{"e":{}}, "sid":"s",
		"auth_time":1767312001, "acr":"mfa", "amr":["pwd"], "act":{"sub":"x"},
		"https://acme.example/roles":["admin"], "email_verified":"true", "custom":1, "custom":2
	}`, false, 0)
	if err != nil {
		t.Fatal(err)
	}
	present := c.present
	c.present = 0
	want := Claims{
		Issuer: "https://t.example/", Subject: "auth0|1", Audience: []string{"a"}, Expiry: 1767300000, NotBefore: 1767312000.5, IssuedAt: 1767312000, ID: "j",
		key: "x", AuthorizedParty: "c1", ClientID: "c2", Scope: "openid read:m", Permissions: []string{"p", "q"},
		OrgID: "org_1", OrgName: "acme", Nonce: "n", AccessTokenHash: "h", CodeHash: "ch", Events: `{"e":{}}`, SessionID: "s",
		AuthTime: 1767312001, ACR: "mfa", AMR: []string{"pwd"}, Actor: `{"sub":"x"}`,
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("ParseClaims = %+v\nwant          %+v", c, want)
	}
	if present != Actor<<1-1 {
		t.Errorf("present %b, want every name", present)
	}
	empty, err := ParseClaims(` {} `, true, 0)
	if err != nil || !reflect.DeepEqual(empty, Claims{}) {
		t.Errorf("no claims: %+v, %v", empty, err)
	}
	for claims, scope := range map[string]string{
		`{"scp":"a b"}`: "a b", `{"scp":["a","b"]}`: "a b", `{"scope":["a","b"]}`: "a b",
		`{"scope":"x","scp":"a"}`: "x", `{"scp":"a","scope":"x"}`: "x", `{"scope":"","scp":"a"}`: "",
	} {
		if c, err := ParseClaims(claims, true, 0); err != nil || c.Scope != scope {
			t.Errorf("%s: scope %q, %v; want %q", claims, c.Scope, err, scope)
		}
	}
}

func TestParseClaimsRefuses(t *testing.T) {
	deep := strings.Repeat("[", 65) + strings.Repeat("]", 65)
	tests := []struct {
		claims string
		want   error
	}{
		{`null`, fault.Malformed}, {`[]`, fault.Malformed}, {`""`, fault.Malformed}, {`{}x`, fault.Malformed}, {`{}{}`, fault.Malformed},
		{`{"exp":NaN}`, fault.Malformed}, {"{\"sub\":\"\xff\"}", fault.Malformed}, {`{"sub":"\ud800"}`, fault.Malformed}, {`{"x":` + deep + `}`, fault.Malformed},
		{`{"exp":"1767312000"}`, fault.Claim}, {`{"exp":null}`, fault.Claim}, {`{"exp":true}`, fault.Claim}, {`{"exp":[1]}`, fault.Claim},
		{`{"exp":0}`, fault.Claim}, {`{"exp":-1}`, fault.Claim}, {`{"exp":1e300}`, fault.Claim}, {`{"exp":1e400}`, fault.Claim},
		{`{"exp":9223372036854775807}`, fault.Claim}, {`{"exp":18446744073709551617}`, fault.Claim}, {`{"exp":1767312000000}`, fault.Claim},
		{`{"exp":253402300800}`, fault.Claim}, {`{"nbf":"0"}`, fault.Claim}, {`{"nbf":null}`, fault.Claim}, {`{"iat":"x"}`, fault.Claim}, {`{"auth_time":"x"}`, fault.Claim},
		{`{"iss":null}`, fault.Claim}, {`{"iss":1}`, fault.Claim}, {`{"iss":["https://t.example/"]}`, fault.Claim},
		{`{"sub":"a\u001fb"}`, fault.Claim}, {`{"sub":"a\u007fb"}`, fault.Claim}, {`{"sub":"a\u009fb"}`, fault.Claim},
		{`{"sub":1}`, fault.Claim}, {`{"sub":null}`, fault.Claim}, {`{"sub":""}`, fault.Claim}, {`{"sub":"a\u0000b"}`, fault.Claim}, {`{"sub":"a\u0085b"}`, fault.Claim},
		{`{"aud":5}`, fault.Claim}, {`{"aud":{}}`, fault.Claim}, {`{"aud":["a",1]}`, fault.Claim}, {`{"aud":null}`, fault.Claim},
		{`{"scope":1}`, fault.Claim}, {`{"scope":["a",1]}`, fault.Claim}, {`{"scp":{}}`, fault.Claim},
		{`{"permissions":"read:m"}`, fault.Claim}, {`{"permissions":[1]}`, fault.Claim}, {`{"permissions":null}`, fault.Claim},
		{`{"azp":1}`, fault.Claim}, {`{"client_id":[]}`, fault.Claim}, {`{"org_id":1}`, fault.Claim}, {`{"org_name":1}`, fault.Claim}, {`{"nonce":1}`, fault.Claim},
		{`{"sid":1}`, fault.Claim}, {`{"jti":1}`, fault.Claim}, {`{"at_hash":1}`, fault.Claim}, {`{"c_hash":1}`, fault.Claim}, {`{"s_hash":1}`, fault.Claim}, {`{"acr":1}`, fault.Claim}, {`{"amr":"mfa"}`, fault.Claim},
		{`{"cnf":{}}`, fault.Claim}, {`{"cnf":null}`, fault.Claim}, {`{"cnf":"x"}`, fault.Claim}, {`{"cnf":{"jkt":1}}`, fault.Claim}, {`{"cnf":{"x5t#S256":""}}`, fault.Claim},
		{`{"EXP":1}`, fault.Claim}, {`{"Iss":"x"}`, fault.Claim}, {"{\"\u017fub\":\"x\"}", fault.Claim}, {"{\"i\u017f\u017f\":\"x\"}", fault.Claim}, {`{"auD":"x"}`, fault.Claim},
		{`{"Nbf":1}`, fault.Claim}, {`{"IAT":1}`, fault.Claim}, {`{"JTI":"x"}`, fault.Claim}, {`{"Cnf":{}}`, fault.Claim},
		{`{"exp":1,"exp":2}`, fault.Duplicate}, {`{"exp":2,"\u0065xp":2}`, fault.Duplicate}, {`{"scope":"a","scope":"a"}`, fault.Duplicate},
		{`{"permissions":[],"permissions":[]}`, fault.Duplicate}, {`{"cnf":{"jkt":"x"},"cnf":{"jkt":"x"}}`, fault.Duplicate}, {`{"azp":"a","azp":"a"}`, fault.Duplicate},
	}
	for _, tt := range tests {
		if c, err := ParseClaims(tt.claims, false, 0); !errors.Is(err, tt.want) || !reflect.DeepEqual(c, Claims{}) {
			t.Errorf("ParseClaims(%.60s) = %+v, %v; want %v", tt.claims, c, err, tt.want)
		}
	}
	for _, fine := range []string{`{"Scope":1}`, `{"EXPIRES":1}`, `{"org_ID":1}`, `{"x":1,"x":2}`, `{"sub":"oauth2|Žák|你"}`, `{"sub":"a b~\u00a0"}`, `{"exp":253402300799}`} {
		if _, err := ParseClaims(fine, false, 0); err != nil {
			t.Errorf("ParseClaims(%s): %v", fine, err)
		}
	}
	if _, err := ParseClaims(`{"x":1,"y":1,"x":2}`, true, 0); !errors.Is(err, fault.Duplicate) {
		t.Errorf("unknown name twice, names unique: %v", err)
	}
}

// TestConfirmation has the forms of cnf, and the token's binding, if we know it.
func TestConfirmation(t *testing.T) {
	const sum = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
	for cnf, want := range map[string][2]string{
		`{"jkt":"k"}`: {"k", ""}, `{"jkt":"k","x":1}`: {"k", ""}, `{"x5t#S256":"` + sum + `"}`: {"", sum}, `{"a":[],"x5t#S256":"` + sum + `","jkt":"k"}`: {"k", sum},
		`{"kid":"k"}`: {}, `{"JKT":"k"}`: {}, `{"jwk":{"jkt":"k"}}`: {}, `{"\u006akt":"k"}`: {"k", ""},
		// The example of RFC 8705, Section 3.1, whose last character has spare bits.
		`{"x5t#S256":"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}`: {"", "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"},
	} {
		c, err := ParseClaims(`{"cnf":`+cnf+`}`, false, 0)
		key, certificate, bound := c.Confirmation()
		if err != nil || !bound || [2]string{key, certificate} != want {
			t.Errorf("%s: %q, %q, %v, %v", cnf, key, certificate, bound, err)
		}
	}
	for _, cnf := range []string{
		`"x"`, `[]`, `{}`, `null`, `5`, `true`, `{"jkt":5}`, `{"jkt":""}`, `{"jkt":null}`, `{"jkt":["k"]}`, `{"jkt":"k","jkt":"k"}`, `{"jkt":"","x5t#S256":"` + sum + `"}`,
		`{"x5t#S256":5}`, `{"x5t#S256":""}`, `{"x5t#S256":"` + sum + `="}`, `{"x5t#S256":"` + sum[1:] + `"}`, `{"x5t#S256":"` + sum + `A"}`,
		`{"x5t#S256":"` + strings.Replace(sum, "-", "+", 1) + `"}`, `{"x5t#S256":"` + strings.Repeat("0f", 32) + `"}`, `{"x5t#S256":"` + sum[2:] + "\u00e9" + `"}`,
		`{"x5t#S256":"` + sum + `","x5t#S256":"` + sum + `"}`, `{"jkt":"k","x5t#S256":""}`,
	} {
		if c, err := ParseClaims(`{"cnf":`+cnf+`}`, false, 0); !errors.Is(err, fault.Claim) {
			t.Errorf("%s: %+v, %v", cnf, c, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(token(header))
	f.Add(token(`{"alg":"none"}`))
	f.Add("a.b.c")
	f.Add(token(header) + ".")
	f.Fuzz(func(t *testing.T, raw string) {
		m, err := Parse(raw)
		if later := parseInParts(raw); (later == nil) != (err == nil) || err != nil && later.Error() != err.Error() {
			t.Errorf("ParseInput and AppendSignature: %v, want %v", later, err)
		}
		if err != nil {
			if !reflect.DeepEqual(m, Message{}) {
				t.Error("an error and a message")
			}
			return
		}
		// A token has one text: encoding again gives the same characters.
		decoded, _ := m.AppendSignature(nil)
		signature := base64.RawURLEncoding.EncodeToString(decoded)
		head, _, _ := strings.Cut(m.SigningInput, ".")
		if again := head + "." + b64(m.Payload) + "." + signature; again != raw {
			t.Errorf("%q encodes to %q", raw, again)
		}
	})
}

func FuzzParseClaims(f *testing.F) {
	f.Add(payload)
	f.Add(`{"exp":1e9,"scope":["a"],"x":{"y":[]}}`)
	f.Add(`{"EXP":1}`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseClaims(text, true, 0)
		if err != nil {
			if fmt.Sprint(c) != fmt.Sprint(Claims{}) {
				t.Error("an error and claims")
			}
			return
		}
		if c.Has(Subject) && c.Subject == "" || c.Has(Expiry) && !(c.Expiry > 0) {
			t.Errorf("accepted %s", text)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	raw := token(header)
	b.ReportAllocs()
	for b.Loop() {
		m, err := Parse(raw)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := ParseClaims(m.Payload, false, 0); err != nil {
			b.Fatal(err)
		}
	}
}

// TestFoldedNames has every spelling of a deciding name that a case-insensitive reader
// accepts.
func TestFoldedNames(t *testing.T) {
	for _, claim := range decidingClaims {
		spellings := []string{""}
		for _, letter := range claim {
			var longer []string
			for _, spelling := range spellings {
				for r := unicode.SimpleFold(letter); ; r = unicode.SimpleFold(r) {
					longer = append(longer, spelling+string(r))
					if r == letter {
						break
					}
				}
			}
			spellings = longer
		}
		if len(spellings) < 8 {
			t.Fatalf("%q", spellings)
		}
		for _, spelling := range spellings {
			if deciding(spelling) != claim {
				t.Errorf("%q is not taken for %s", spelling, claim)
			}
			if deciding(spelling+"s") != "" || deciding(spelling[1:]) != "" {
				t.Errorf("a longer or shorter name than %q is taken for %s", spelling, claim)
			}
		}
	}
}

// The work for a name does not grow with the names before it. An attacker can fill a token
// with names.
func TestNameSet(t *testing.T) {
	var s nameSet
	const names = 5000
	for i := range names {
		if !s.add(strconv.Itoa(i)) {
			t.Fatalf("name %d is taken for one of before", i)
		}
		if (s.many != nil) != (i >= maxCompared) { // honest tokens never need it
			t.Fatalf("after %d names, a map: %v", i+1, s.many != nil)
		}
	}
	for i := range names {
		if s.add(strconv.Itoa(i)) {
			t.Fatalf("name %d is new again", i)
		}
	}
	if len(s.few) > maxCompared || len(s.many) != names {
		t.Errorf("%d names are compared with each that comes, %d are looked up", len(s.few), len(s.many))
	}
}

// Every number of claims reveals a repeated name, at any two places.
func TestRepeatedAmongMany(t *testing.T) {
	for _, n := range []int{2, maxCompared - 1, maxCompared, maxCompared + 1, maxCompared + 2, 1700} {
		for _, twice := range [][2]int{{0, 1}, {0, n - 1}, {n - 2, n - 1}} {
			members := make([]string, n)
			for i := range members {
				members[i] = fmt.Sprintf(`"n%d":0`, i)
			}
			if _, err := ParseClaims("{"+strings.Join(members, ",")+"}", true, 0); err != nil {
				t.Fatalf("%d names: %v", n, err)
			}
			members[twice[1]] = members[twice[0]]
			if _, err := ParseClaims("{"+strings.Join(members, ",")+"}", true, 0); !errors.Is(err, fault.Duplicate) {
				t.Errorf("names %v of %d are equal: %v", twice, n, err)
			}
		}
	}
}
