package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func members(t *testing.T, text string) ([]string, error) {
	t.Helper()
	var got []string
	err := Object(text, func(name, value string) error {
		got = append(got, name+"="+value)
		return nil
	})
	return got, err
}

func TestObjectMembers(t *testing.T) {
	tests := []struct {
		text string
		want []string
	}{
		{`{}`, nil},
		{" \t\r\n{ } \n", nil},
		{`{"a":1}`, []string{"a=1"}},
		{`{ "a" : 1 , "b" : [ 1 , 2 ] }`, []string{"a=1", "b=[ 1 , 2 ]"}},
		{`{"a":1,"a":2}`, []string{"a=1", "a=2"}},
		{`{"A":1,"a":2}`, []string{"A=1", "a=2"}},
		{`{"\u0065xp":1}`, []string{"exp=1"}},
		{"{\"\u017fub\":1}", []string{"\u017fub=1"}},
		{`{"":0}`, []string{"=0"}},
		{`{"a":{"b":{"c":[true,false,null,-0.5e+3]}}}`, []string{`a={"b":{"c":[true,false,null,-0.5e+3]}}`}},
		{`{"a":"\ud83d\ude00\"\\\/\b\f\n\r\t"}`, []string{`a="\ud83d\ude00\"\\\/\b\f\n\r\t"`}},
		{`{"a":0,"b":-1,"c":10.01,"d":1E5}`, []string{"a=0", "b=-1", "c=10.01", "d=1E5"}},
		{`{"a":9,"b":9.9,"c":1e-9}`, []string{"a=9", "b=9.9", "c=1e-9"}},
	}
	for _, tt := range tests {
		got, err := members(t, tt.text)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("Object(%q) = %q, %v; want %q", tt.text, got, err, tt.want)
		}
	}
}

func TestObjectRefuses(t *testing.T) {
	tests := []struct{ why, text string }{
		{"empty", ``},
		{"white space only", " "},
		{"null", `null`},
		{"array", `[]`},
		{"string", `"a"`},
		{"number", `7`},
		{"trailing byte", `{}x`},
		{"two objects", `{}{}`},
		{"byte order mark", "\ufeff{}"},
		{"unterminated", `{"a":1`},
		{"unterminated name", `{"a`},
		{"no value", `{"a":}`},
		{"nothing behind the colon", `{"a":`},
		{"nothing behind an array's comma", `{"a":[1,`},
		{"unicode escape at the end", `{"a":"\u00`},
		{"low surrogate at the end", `{"a":"\ud83d\ude`},
		{"no colon", `{"a" 1}`},
		{"no name", `{1:2}`},
		{"single quotes", `{'a':1}`},
		{"trailing comma", `{"a":1,}`},
		{"leading comma", `{,"a":1}`},
		{"double comma", `{"a":1,,"b":2}`},
		{"missing comma", `{"a":1 "b":2}`},
		{"comment", `{/**/"a":1}`},
		{"array trailing comma", `{"a":[1,]}`},
		{"array missing comma", `{"a":[1 2]}`},
		{"array open", `{"a":[1}`},
		{"inner object trailing comma", `{"a":{"b":1,}}`},
		{"inner object missing comma", `{"a":{"b":1 "c":2}}`},
		{"inner object bad name", `{"a":{b:1}}`},
		{"NaN", `{"a":NaN}`},
		{"Infinity", `{"a":Infinity}`},
		{"plus sign", `{"a":+1}`},
		{"leading zero", `{"a":01}`},
		{"hexadecimal", `{"a":0x10}`},
		{"bare point", `{"a":.5}`},
		{"point without digits", `{"a":1.}`},
		{"exponent without digits", `{"a":1e}`},
		{"minus alone", `{"a":-}`},
		{"word", `{"a":tru}`},
		{"capital", `{"a":True}`},
		{"raw control character", "{\"a\":\"\x01\"}"},
		{"raw line feed", "{\"a\":\"\n\"}"},
		{"invalid UTF-8", "{\"a\":\"\xff\"}"},
		{"overlong UTF-8", "{\"a\":\"\xc0\xaf\"}"},
		{"encoded surrogate", "{\"a\":\"\xed\xa0\x80\"}"},
		{"UTF-16", "{\x00}\x00"},
		{"unknown escape", `{"a":"\x"}`},
		{"escape at the end", `{"a":"\`},
		{"short unicode escape", `{"a":"\u00"}`},
		{"bad unicode escape", `{"a":"\u00zz"}`},
		{"lone high surrogate", `{"a":"\ud800"}`},
		{"lone high surrogate and text", `{"a":"\ud800abcdef"}`},
		{"lone low surrogate", `{"a":"\udc00"}`},
		{"two high surrogates", `{"a":"\ud800\ud800"}`},
		{"lone surrogate in a name", `{"\ud800":1}`},
		{"65 levels", strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65)},
		{"64 arrays in the object", `{"a":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + "}"},
		{"20,000 levels", `{"a":` + strings.Repeat("[", 20000)},
	}
	for _, tt := range tests {
		if _, err := members(t, tt.text); !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: Object(%.40q) = %v, want ErrSyntax", tt.why, tt.text, err)
		}
	}
}

func TestObjectDepthLimit(t *testing.T) {
	text := `{"a":` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + "}"
	if _, err := members(t, text); err != nil {
		t.Errorf("63 arrays inside the object: %v, want no error", err)
	}
}

func TestObjectStopsAtCallersError(t *testing.T) {
	stop := errors.New("stop")
	seen := 0
	err := Object(`{"a":1,"b":2}`, func(string, string) error { seen++; return stop })
	if err != stop || seen != 1 {
		t.Errorf("error %v after %d members, want the caller's after 1", err, seen)
	}
}

func TestString(t *testing.T) {
	tests := []struct {
		value, want string
		ok          bool
	}{
		{`"abc"`, "abc", true},
		{`""`, "", true},
		{`"\ud83d\ude00 \u00e9 \" \\ \/ \b\f\n\r\t x"`, "\U0001F600 é \" \\ / \b\f\n\r\t x", true},
		{`1`, "", false}, {`null`, "", false}, {`["a"]`, "", false}, {``, "", false},
	}
	for _, tt := range tests {
		if got, ok := String(tt.value); got != tt.want || ok != tt.ok {
			t.Errorf("String(%s) = %q, %v; want %q, %v", tt.value, got, ok, tt.want, tt.ok)
		}
	}
}

// TestPlain compares with a loop over bytes: each value at each place of three words, with
// a neighbor of each kind.
func TestPlain(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		for _, other := range []byte{'a', '"', '\\', 0x1f, 0x20, 0x7f, 0x80, 0xff, 0x00, 0xa2, 0xdc, 0x21, 0x23, 0x5b, 0x5d} {
			for at := range 20 {
				text := []byte(strings.Repeat("a", 21))
				text[at], text[at+1] = byte(c), other
				want := bytes.IndexFunc(text[:at+1], func(r rune) bool { return r < 0x20 || r == '"' || r == '\\' })
				if want < 0 && (other < 0x20 || other == '"' || other == '\\') {
					want = at + 1
				}
				if want < 0 {
					want = len(text)
				}
				if got := plain(string(text)); got != want {
					t.Fatalf("plain(%q) = %d, want %d", text, got, want)
				}
			}
		}
	}
}

func TestNumber(t *testing.T) {
	tests := []struct {
		value string
		want  float64
		ok    bool
	}{
		{"0", 0, true}, {"-1.5", -1.5, true}, {"1.7e9", 1.7e9, true},
		{"9", 9, true}, {"9e1", 90, true}, {"-9", -9, true},
		{"999999999999999", 999999999999999, true}, {"9007199254740993", 9007199254740992, true}, {"99999999999999999999", 1e20, true},
		{"1e400", 0, false}, {"-1e400", 0, false},
		{`"1"`, 0, false}, {"true", 0, false}, {"null", 0, false}, {"", 0, false}, {"[1]", 0, false},
	}
	for _, tt := range tests {
		if got, ok := Number(tt.value); got != tt.want || ok != tt.ok {
			t.Errorf("Number(%s) = %v, %v; want %v, %v", tt.value, got, ok, tt.want, tt.ok)
		}
	}
}

func TestStrings(t *testing.T) {
	tests := []struct {
		value string
		want  []string
		ok    bool
	}{
		{`[]`, []string{}, true}, {`[ ]`, []string{}, true},
		{`["a"]`, []string{"a"}, true}, {`[ "a" , "b,]" ]`, []string{"a", "b,]"}, true},
		{`["a",1]`, nil, false}, {`["a",["b"]]`, nil, false}, {`"a"`, nil, false}, {`null`, nil, false}, {``, nil, false},
	}
	for _, tt := range tests {
		if got, ok := Strings(tt.value); !reflect.DeepEqual(got, tt.want) || ok != tt.ok {
			t.Errorf("Strings(%s) = %q, %v; want %q, %v", tt.value, got, ok, tt.want, tt.ok)
		}
	}
}

func TestArray(t *testing.T) {
	tests := []struct {
		value string
		want  []string
		ok    bool
	}{
		{`[]`, nil, true}, {`[ ]`, nil, true},
		{`[ 1 , "a,]" ,{"b":[2]}, [ ] ]`, []string{`1`, `"a,]"`, `{"b":[2]}`, `[ ]`}, true},
		{`[1,]`, []string{`1`}, false}, {`[1 2]`, []string{`1`}, false}, {`[1`, []string{`1`}, false},
		{`{}`, nil, false}, {`"a"`, nil, false}, {`null`, nil, false}, {``, nil, false},
	}
	for _, tt := range tests {
		var got []string
		err := Array(tt.value, func(value string) error {
			got = append(got, value)
			return nil
		})
		if !reflect.DeepEqual(got, tt.want) || (err == nil) != tt.ok {
			t.Errorf("Array(%s) = %q, %v; want %q, %v", tt.value, got, err, tt.want, tt.ok)
		}
	}
	stop := errors.New("stop")
	if err := Array(`[1,2]`, func(string) error { return stop }); err != stop {
		t.Errorf("error %v, want the error of the callback", err)
	}
}

func TestObjectDoesNotAllocate(t *testing.T) {
	text := `{"iss":"https://t.example/","sub":"auth0|1","aud":["a","b"],"exp":1767312000,"x":{"y":[1,2,{"z":null}]}}`
	var sub string
	allocs := testing.AllocsPerRun(100, func() {
		if err := Object(text, func(name, value string) error {
			if name == "sub" {
				sub, _ = String(value)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 || sub != "auth0|1" {
		t.Errorf("%v allocations, sub %q", allocs, sub)
	}
}

// FuzzObject compares with encoding/json: it accepts every text that we accept, and both
// read the same strings and numbers.
func FuzzObject(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1}`, `{"a":"\ud83d\ude00"}`, `{"a":["x","y"],"b":{"c":null}}`, `{"a":1e5,"a":2}`, `{"a":"\ud800"}`, "{\"a\":\"\xff\"}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		type member struct{ name, value string }
		var got []member
		if Object(text, func(n, v string) error { got = append(got, member{n, v}); return nil }) != nil {
			return
		}
		want := map[string]json.RawMessage{}
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatalf("accepted what encoding/json refuses: %v", err)
		}
		last := map[string]string{}
		for _, m := range got {
			last[m.name] = m.value
		}
		if len(last) != len(want) {
			t.Fatalf("%d names, encoding/json has %d", len(last), len(want))
		}
		for name, value := range last {
			if string(want[name]) != value {
				t.Fatalf("%q = %q, encoding/json has %q", name, value, want[name])
			}
			if s, ok := String(value); ok {
				var ref string
				if err := json.Unmarshal([]byte(value), &ref); err != nil || ref != s {
					t.Fatalf("String(%s) = %q, encoding/json has %q (%v)", value, s, ref, err)
				}
			}
			if n, ok := Number(value); ok {
				var ref float64
				if err := json.Unmarshal([]byte(value), &ref); err != nil || ref != n {
					t.Fatalf("Number(%s) = %v, encoding/json has %v (%v)", value, n, ref, err)
				}
			}
			if list, ok := Strings(value); ok {
				var ref []string
				if err := json.Unmarshal([]byte(value), &ref); err != nil || fmt.Sprint(ref) != fmt.Sprint(list) {
					t.Fatalf("Strings(%s) = %q, encoding/json has %q (%v)", value, list, ref, err)
				}
			}
		}
	})
}

// TestAppendString compares with encoding/json: each byte at each place of three words, and
// longer texts. This package reads the text as written.
func TestAppendString(t *testing.T) {
	t.Parallel()
	texts := []string{"", "plain", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "a\"b\\c\n\x00\x1f\x7f", "<>&\u2028\u2029\u00e9\U0001f511", "\xff\xc3", strings.Repeat("x", 100) + "\""}
	for c := range 256 {
		for at := range 20 {
			text := []byte(strings.Repeat("a", 20))
			text[at] = byte(c)
			texts = append(texts, string(text))
		}
	}
	for _, text := range texts {
		got := AppendString([]byte("before"), text)[len("before"):]
		want, err := json.Marshal(text)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%q is written as %s, want %s, %v", text, got, want, err)
		}
		if read, ok := String(string(got)); !ok || read != strings.ToValidUTF8(text, "\ufffd") && utf8.ValidString(text) {
			t.Errorf("%s is read as %q, %v", got, read, ok)
		}
	}
}

// TestAppendStringOfOneCharacter: every byte alone, and as often as fills a word and more,
// becomes what encoding/json makes of it.
func TestAppendStringOfOneCharacter(t *testing.T) {
	for c := range 256 {
		for _, n := range []int{1, 7, 8, 9, 16, 17} {
			text := strings.Repeat(string([]byte{byte(c)}), n)
			want, err := json.Marshal(text)
			if err != nil {
				t.Fatal(err)
			}
			if got := AppendString([]byte("before "), text); string(got) != "before "+string(want) {
				t.Errorf("%q: %s, want %s", text, got, want)
			}
		}
	}
}
