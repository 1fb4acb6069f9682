package session

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestRecordRoundTrip fills every written field, also fields added later: encoding/json
// writes the text, and our code reads it.
func TestRecordRoundTrip(t *testing.T) {
	var full wireRecord
	fill(t, reflect.ValueOf(&full).Elem(), new(int))
	full.Version = 1
	for i := range full.Tokens {
		full.Tokens[i].Type = "DPoP" // the key implies it
	}
	awkward := full
	awkward.Subject = "\x00\"\\/<>&\u2028\u00e9\U0001f511\n"
	awkward.Data = map[string]string{"": "", awkward.Subject: awkward.Subject, "a": "1", "b": "2"}
	awkward.CreatedAt, awkward.ExpiresAt = -1, 1<<63-1
	for name, want := range map[string]wireRecord{
		"every field": full,
		"awkward":     awkward,
		"few fields":  {Version: 1, Issuer: "i", Subject: "s"},
	} {
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		claims := `{"email":"ada@acme.example"}`
		plain := slices.Concat(binary.AppendUvarint(nil, uint64(len(text))), text, []byte(claims))
		got := decodeRecord(string(plain))
		if got == nil || got.Claims != claims || !reflect.DeepEqual(got.wire(), want) {
			t.Fatalf("%s: read %+v, written %+v", name, got, want)
		}
		if written := got.encode(); string(written) != string(plain) {
			t.Errorf("%s: written %q", name, written)
		}
	}
	// A record has the written fields, the claims, inCookie and undelivered, and no
	// version.
	if record, wire := reflect.TypeFor[Record]().NumField(), reflect.TypeFor[wireRecord]().NumField(); record != wire+2 {
		t.Errorf("a record has %d fields, %d are written", record, wire)
	}
}

// A wireRecord is the JSON text of a [Record], as encoding/json writes it.
type wireRecord struct {
	Version         int               `json:"v"`
	ID              string            `json:"id"`
	Issuer          string            `json:"iss"`
	Subject         string            `json:"sub"`
	CreatedAt       int64             `json:"iat"`
	TouchedAt       int64             `json:"uat"`
	ExpiresAt       int64             `json:"exp"`
	SID             string            `json:"sid,omitempty"`
	IDTokenIssuedAt int64             `json:"id_iat"`
	AuthTime        int64             `json:"auth_time,omitempty"`
	ACR             string            `json:"acr,omitempty"`
	AMR             []string          `json:"amr,omitempty"`
	IDToken         string            `json:"id_token,omitempty"`
	RefreshToken    string            `json:"refresh_token,omitempty"`
	Tokens          []wireToken       `json:"tokens,omitempty"`
	Vault           []wireVaultToken  `json:"vault,omitempty"`
	Data            map[string]string `json:"data,omitempty"`
	Organization    string            `json:"org,omitempty"`
	OrgName         string            `json:"org_name,omitempty"`
	Nonce           string            `json:"nonce,omitempty"`
	Refreshes       int               `json:"rev,omitempty"`
	Ceiling         int64             `json:"ceil,omitempty"`
	LoginDue        bool              `json:"login_due,omitempty"`
	Persistent      *bool             `json:"persist,omitempty"`
	ProofKey        string            `json:"dpop,omitempty"`
}

// A wireToken is the JSON text of an access token.
type wireToken struct {
	Audience  string `json:"aud,omitempty"`
	Asked     string `json:"asked,omitempty"`
	Scope     string `json:"scope,omitempty"`
	Type      string `json:"type"` // for instances of an earlier version
	Token     string `json:"token"`
	ExpiresAt int64  `json:"exp"`
}

// A wireVaultToken is the JSON text of a third-party token. It is always a bearer
// token.
type wireVaultToken struct {
	Connection string `json:"con"`
	Hint       string `json:"hint,omitempty"`
	Scope      string `json:"scope,omitempty"`
	Token      string `json:"token"`
	ExpiresAt  int64  `json:"exp"`
}

// wire returns the written fields of a record. The claims are written behind them.
func (r *Record) wire() wireRecord {
	w := wireRecord{
		Version: version, ID: r.ID, Issuer: r.Issuer, Subject: r.Subject, CreatedAt: r.createdAt, TouchedAt: r.touchedAt, ExpiresAt: r.expiresAt,
		SID: r.sid, IDTokenIssuedAt: r.issuedAt, AuthTime: r.authTime, ACR: r.acr, AMR: r.amr, IDToken: r.idToken, RefreshToken: r.RefreshToken,
		Data: r.Data, Organization: r.organization, OrgName: r.orgName, Nonce: r.nonce, Refreshes: r.Refreshes, Ceiling: r.ceiling,
		LoginDue: r.LoginDue, Persistent: r.Persistent, ProofKey: r.ProofKey,
	}
	kind := "Bearer"
	if r.ProofKey != "" {
		kind = "DPoP"
	}
	for _, t := range r.Tokens {
		w.Tokens = append(w.Tokens, wireToken{t.Audience, t.Asked, t.Scope, kind, t.Token, t.ExpiresAt})
	}
	for _, t := range r.Vault {
		w.Vault = append(w.Vault, wireVaultToken{t.Connection, t.Hint, t.Scope, t.Token, t.ExpiresAt})
	}
	return w
}

// fill gives every written field a different value.
func fill(t *testing.T, v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.String:
		v.SetString("value " + strconv.Itoa(*n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i), n)
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key, n)
		fill(t, value, n)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() && field.Tag.Get("json") != "-" {
				fill(t, v.Field(i), n)
			}
		}
	default:
		t.Fatalf("no value for a %v", v.Type())
	}
}

// TestRecordOfOtherVersion: unknown names are ignored. A value of another type is not a
// session.
func TestRecordOfOtherVersion(t *testing.T) {
	const known = `"v":1,"iss":"i","sub":"s","iat":1,"uat":1,"exp":2`
	for text, ok := range map[string]bool{
		`{` + known + `}`: true,
		`{` + known + `,"new":{"a":[1,"2",null]},"tokens":[{"new":1,"token":"t"}]}`: true,
		`{` + known + `,"sid":1}`:                   false,
		`{` + known + `,"rev":"1"}`:                 false,
		`{` + known + `,"rev":1.5}`:                 false,
		`{` + known + `,"rev":9223372036854775808}`: false,
		`{` + known + `,"amr":"mfa"}`:               false,
		`{` + known + `,"amr":[1]}`:                 false,
		`{` + known + `,"tokens":[1]}`:              false,
		`{` + known + `,"tokens":[{"exp":"1"}]}`:    false,
		`{` + known + `,"data":{"a":1}}`:            false,
		`{` + known + `,"data":[]}`:                 false,
		`{` + known:                                 false,
		`{"v":2,"iss":"i","sub":"s"}`:               false,
		`{"v":1,"iss":"i"}`:                         false,
		`{"v":1,"sub":"s"}`:                         false,
		``:                                          false,
	} {
		plain := append([]byte{byte(len(text))}, text...)
		if len(text) > 127 {
			t.Fatalf("%s is too long for this test", text)
		}
		if got := decodeRecord(string(plain)); (got != nil) != ok {
			t.Errorf("%s: read %v, want %v", text, got != nil, ok)
		}
	}
}

// TestCutRecord: no prefix of a record is one, nor does its length reach behind the end.
func TestCutRecord(t *testing.T) {
	r := newRecord("one")
	r.Claims = ""
	plain := r.encode()
	for n := range plain {
		if decodeRecord(string(plain[:n])) != nil {
			t.Errorf("%d of %d bytes are a record", n, len(plain))
		}
	}
	if got := decodeRecord(string(plain)); got == nil || len(got.Claims) > 0 {
		t.Errorf("%+v", got)
	}
	if got := decodeRecord(string(plain) + "{}"); got == nil || got.Claims != "{}" {
		t.Errorf("%+v", got)
	}
	for why, damaged := range map[string][]byte{
		"a length without an end": {0x80, 0x80, 0x80}, "a length of more than 64 bits": {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1},
		"the greatest length": {255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 'x'}, "nothing": nil, "no text": {0},
	} {
		if decodeRecord(string(damaged)) != nil {
			t.Errorf("%s: a record", why)
		}
	}
}

// golden is a session's text from an earlier version.
const golden = `{"v":1,"id":"one","iss":"https://tenant.example/","sub":"auth0|ada","iat":1000,"uat":2000,"exp":3000,` +
	`"sid":"tenant's","id_iat":999,"auth_time":998,"acr":"gold","amr":["pwd","mfa"],"id_token":"a.b.c","refresh_token":"refresh",` +
	`"tokens":[{"aud":"https://api.example/","asked":"openid a","scope":"openid","type":"Bearer","token":"access","exp":1500},{"type":"Bearer","token":"opaque","exp":0}],` +
	`"vault":[{"con":"photos","hint":"ada","scope":"p","token":"third","exp":1600},{"con":"mail","token":"fourth","exp":0}],` +
	`"data":{"a":"1","b":"\u003c2\u003e"},"org":"org_a","nonce":"n","rev":7,"ceil":9000}`

// goldenSmall is a session without optional fields.
const goldenSmall = `{"v":1,"id":"","iss":"i","sub":"s","iat":0,"uat":0,"exp":0,"id_iat":0}`

// TestGolden: this version reads the sessions of earlier versions, and writes them in the
// same way. An instance of an earlier version reads them too.
func TestGolden(t *testing.T) {
	claims := `{"name":"Ada"}`
	for text, want := range map[string]*Record{
		golden: {
			ID: "one", Issuer: "https://tenant.example/", Subject: "auth0|ada", createdAt: 1000, touchedAt: 2000, expiresAt: 3000,
			sid: "tenant's", issuedAt: 999, authTime: 998, acr: "gold", amr: []string{"pwd", "mfa"}, idToken: "a.b.c", RefreshToken: "refresh",
			Tokens: []Token{
				{Audience: "https://api.example/", Asked: "openid a", Scope: "openid", Token: "access", ExpiresAt: 1500},
				{Token: "opaque"},
			},
			Vault:  []Token{{Connection: "photos", Hint: "ada", Scope: "p", Token: "third", ExpiresAt: 1600}, {Connection: "mail", Token: "fourth"}},
			Claims: claims, Data: map[string]string{"a": "1", "b": "<2>"}, organization: "org_a", nonce: "n", Refreshes: 7, ceiling: 9000,
		},
		goldenSmall: {Issuer: "i", Subject: "s", Claims: claims},
	} {
		plain := slices.Concat(binary.AppendUvarint(nil, uint64(len(text))), []byte(text), []byte(claims))
		expectEqual(t, "read", decodeRecord(string(plain)), want)
		if written := want.encode(); string(written) != string(plain) {
			t.Errorf("written: %q", written)
		}
	}
}

// TestEncodingDoesNotGrow: the room for the text of a record is made once, whichever of its
// members is long and however many it has. Otherwise a long record would be copied again
// and again.
func TestEncodingDoesNotGrow(t *testing.T) {
	long := strings.Repeat("x", 8000)
	many := map[string]string{}
	for i := range 120 {
		many[strconv.Itoa(i)] = ""
	}
	for why, change := range map[string]func(*Record){
		"as it is":      func(*Record) {},
		"ID token":      func(r *Record) { r.idToken = long },
		"refresh token": func(r *Record) { r.RefreshToken = long },
		"ID":            func(r *Record) { r.ID = long },
		"subject":       func(r *Record) { r.Subject = long },
		"claims":        func(r *Record) { r.Claims = long },
		"access token":  func(r *Record) { r.Tokens = []Token{{Token: long}} },
		"audience":      func(r *Record) { r.Tokens = []Token{{Audience: long}} },
		"scope":         func(r *Record) { r.Tokens = []Token{{Scope: long}} },
		"asked scope":   func(r *Record) { r.Tokens = []Token{{Asked: long}} },
		"many tokens":   func(r *Record) { r.Tokens = make([]Token, 40) },
		"third party":   func(r *Record) { r.Vault = []Token{{Token: long}} },
		"its scope":     func(r *Record) { r.Vault = []Token{{Scope: long}} },
		"many of them":  func(r *Record) { r.Vault = make([]Token, 40) },
		"value":         func(r *Record) { r.Data = map[string]string{"a": long} },
		"name":          func(r *Record) { r.Data = map[string]string{long: "a"} },
		"many values":   func(r *Record) { r.Data = many },
	} {
		r := newRecord("one")
		change(r)
		names := 0.0
		if len(r.Data) > 0 {
			names = testing.AllocsPerRun(10, func() { _ = slices.Sorted(maps.Keys(r.Data)) })
		}
		if n := testing.AllocsPerRun(10, func() { r.encode() }) - names; n != 2 {
			t.Errorf("%s: %v allocations, want one for the text and one for the result", why, n)
		}
	}
}
