package session

import (
	"encoding/binary"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"testing"
)

// TestRecordRoundTrip fills every field that is written, also those that somebody
// adds later: encoding/json writes it, and code of ours reads it.
func TestRecordRoundTrip(t *testing.T) {
	var full wireRecord
	fill(t, reflect.ValueOf(&full).Elem(), new(int))
	full.Version = 1
	for i := range full.Tokens {
		full.Tokens[i].Type = "DPoP" // which the key says too
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
		got := decodeRecord(plain)
		if got == nil || string(got.Claims) != claims || !reflect.DeepEqual(got.wire(), want) {
			t.Fatalf("%s: read %+v, written %+v", name, got, want)
		}
		if written, err := got.encode(); err != nil || string(written) != string(plain) {
			t.Errorf("%s: written %q, %v", name, written, err)
		}
	}
	// A record has the claims, inCookie and undelivered beside what is written, and no
	// version.
	if record, wire := reflect.TypeFor[Record]().NumField(), reflect.TypeFor[wireRecord]().NumField(); record != wire+2 {
		t.Errorf("a record has %d fields, %d are written", record, wire)
	}
}

// fill gives every field that is written a value of its own.
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

// TestRecordOfOtherVersion: what is not known is left out, and what has another
// type is no session.
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
		if got := decodeRecord(plain); (got != nil) != ok {
			t.Errorf("%s: read %v, want %v", text, got != nil, ok)
		}
	}
}

// TestCutRecord: no beginning of a record is one, nor does its length reach behind
// the end.
func TestCutRecord(t *testing.T) {
	r := newRecord("one")
	r.Claims = nil
	plain, err := r.encode()
	if err != nil {
		t.Fatal(err)
	}
	for n := range plain {
		if decodeRecord(plain[:n]) != nil {
			t.Errorf("%d of %d bytes are a record", n, len(plain))
		}
	}
	if got := decodeRecord(plain); got == nil || len(got.Claims) > 0 {
		t.Errorf("%+v", got)
	}
	if got := decodeRecord(append(plain, "{}"...)); got == nil || string(got.Claims) != "{}" {
		t.Errorf("%+v", got)
	}
	for why, damaged := range map[string][]byte{
		"a length without an end": {0x80, 0x80, 0x80}, "a length of more than 64 bits": {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1},
		"the greatest length": {255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 'x'}, "nothing": nil, "no text": {0},
	} {
		if decodeRecord(damaged) != nil {
			t.Errorf("%s: a record", why)
		}
	}
}

// golden is the text of a session that an earlier version has written.
const golden = `{"v":1,"id":"one","iss":"https://tenant.example/","sub":"auth0|ada","iat":1000,"uat":2000,"exp":3000,` +
	`"sid":"tenant's","id_iat":999,"auth_time":998,"acr":"gold","amr":["pwd","mfa"],"id_token":"a.b.c","refresh_token":"refresh",` +
	`"tokens":[{"aud":"https://api.example/","asked":"openid a","scope":"openid","type":"Bearer","token":"access","exp":1500},{"type":"Bearer","token":"opaque","exp":0}],` +
	`"vault":[{"con":"photos","hint":"ada","scope":"p","token":"third","exp":1600},{"con":"mail","token":"fourth","exp":0}],` +
	`"data":{"a":"1","b":"\u003c2\u003e"},"org":"org_a","nonce":"n","rev":7,"ceil":9000}`

// goldenSmall is one with nothing that can be left out.
const goldenSmall = `{"v":1,"id":"","iss":"i","sub":"s","iat":0,"uat":0,"exp":0,"id_iat":0}`

// TestGolden: sessions that earlier versions have written can be read, and are
// written the same way. An instance of an earlier version reads them too.
func TestGolden(t *testing.T) {
	claims := json.RawMessage(`{"name":"Ada"}`)
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
		plain := slices.Concat(binary.AppendUvarint(nil, uint64(len(text))), []byte(text), claims)
		expectEqual(t, "read", decodeRecord(plain), want)
		written, err := want.encode()
		if err != nil || string(written) != string(plain) {
			t.Errorf("written: %q, %v", written, err)
		}
	}
}
