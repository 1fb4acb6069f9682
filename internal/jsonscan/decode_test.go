package jsonscan

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

type inner struct{ A string }

type ownText string

func (o *ownText) UnmarshalText(text []byte) error { *o = ownText("own:" + string(text)); return nil }

type ownJSON struct{ A string }

func (o *ownJSON) UnmarshalJSON(text []byte) error { o.A = "own:" + string(text); return nil }

type named string

type everyKind struct {
	S    string
	N    named  `json:"name,omitempty"`
	B    bool   `json:"b"`
	I    int    `json:"i"`
	I8   int8   `json:"i8"`
	I64  int64  `json:"i64,omitzero"`
	U    uint   `json:"u"`
	U16  uint16 `json:"u16"`
	F32  float32
	F64  float64  `json:"f64"`
	L    []string `json:"list"`
	URL  string   `json:"https://acme.example/plan"`
	Skip string   `json:"-"`
	own  string
}

// Types for which Unmarshal calls encoding/json. Their names say why.
type (
	embedding  struct{ inner }
	twoOfAName struct{ Scope, SCOPE string }
	quoted     struct {
		I int `json:",string"`
	}
	otherOption struct {
		I int `json:"i,inline"`
	}
	otherLetter struct {
		A string `json:"ſub"`
	}
	deeper   struct{ A inner }
	pointing struct{ A *string }
	anything struct{ A any }
	mapped   struct{ A map[string]string }
	timed    struct{ A time.Time }
	numbered struct{ A json.Number }
	withText struct{ A ownText }
	numbers  struct{ A []int }
	binary   struct{ A []byte }
)

// tagged returns a struct with a tag that linters reject.
func tagged(tag string) any {
	return reflect.New(reflect.StructOf([]reflect.StructField{{Name: "A", Type: reflect.TypeFor[string](), Tag: reflect.StructTag(tag)}})).Interface()
}

func targets() map[string]func() any {
	return map[string]func() any{
		"every kind": func() any { return new(everyKind) },
		"scope": func() any {
			return new(struct {
				Scope, Sub string
				Known      bool
			})
		},
		"embedded": func() any { return new(embedding) }, "two of a name": func() any { return new(twoOfAName) }, "quoted": func() any { return new(quoted) },
		"other option": func() any { return new(otherOption) }, "dash": func() any { return tagged(`json:"-,"`) }, "bad name": func() any { return tagged("json:\"a\\\"b\"") },
		"other letter": func() any { return new(otherLetter) }, "deeper": func() any { return new(deeper) }, "pointer": func() any { return new(pointing) },
		"any": func() any { return new(anything) }, "map field": func() any { return new(mapped) }, "time": func() any { return new(timed) },
		"number": func() any { return new(numbered) }, "own text": func() any { return new(withText) }, "own JSON": func() any { return new(ownJSON) },
		"numbers": func() any { return new(numbers) }, "bytes": func() any { return new(binary) },
		"map": func() any { return new(map[string]any) }, "interface": func() any { return new(any) }, "string": func() any { return new(string) },
		"pointer to a pointer": func() any { p := new(everyKind); return &p },
		"not zero":             func() any { return &everyKind{S: "before", L: []string{"a", "b"}, own: "mine"} },
		"nil":                  func() any { return nil }, "nil pointer": func() any { return (*everyKind)(nil) }, "no pointer": func() any { return everyKind{} },
	}
}

// texts are ambiguous: two readers could read different values.
var texts = []string{
	`{}`, ` { } `, `null`, `[]`, `"x"`, ``, `{`, `{"S":"a"}x`, `{"S":"a",}`,
	`{"S":"a","name":"b","b":true,"i":-5,"i8":127,"i64":9223372036854775807,"u":7,"u16":65535,"F32":1.5,"f64":1e300,"list":["x","y"],"https://acme.example/plan":"gold"}`,
	`{"s":"folded"}`, `{"S":"a","s":"b"}`, `{"s":"b","S":"a"}`, `{"NAME":"x"}`, `{"ſ":"long s"}`, `{"LIﬆ":["x"]}`, `{"list":["x"],"liſt":["y"]}`, `{"\u0053":"escaped"}`,
	`{"S":"a","S":"b"}`, `{"list":["x","y"],"list":[null]}`, `{"list":["x"],"list":null}`,
	`{"S":null,"name":null,"b":null,"i":null,"u":null,"F32":null,"f64":null,"list":null}`, `{"list":[]}`, `{"list":[null]}`, `{"list":["a",null]}`, `{"list":["a",1]}`, `{"list":"a"}`, `{"list":{}}`,
	`{"S":1}`, `{"S":true}`, `{"S":["a"]}`, `{"b":"true"}`, `{"b":1}`, `{"b":false}`, `{"i":"1"}`, `{"i":1.0}`, `{"i":1e2}`, `{"i":-0}`, `{"i":9223372036854775808}`, `{"i8":128}`, `{"i8":-129}`,
	`{"u":-1}`, `{"u16":65536}`, `{"u":18446744073709551615}`, `{"F32":1e39}`, `{"F32":16777217}`, `{"F32":-0.0}`, `{"f64":1e309}`, `{"f64":"NaN"}`, `{"f64":0.1}`, `{"f64":true}`, `{"f64":Inf}`, `{"f64":0x1p4}`,
	`{"S":"\ud800"}`, `{"S":"\ud83d\ude00 \u00e9 \n \" \/ \\"}`, "{\"S\":\"\xff\"}", "{\"S\":\"a\x00\"}", `{"S":"<&>"}`, `{"-":"x","Skip":"y","own":"z"}`,
	`{"A":"x","a":"y"}`, `{"A":{"A":"x"}}`, `{"A":null}`, `{"A":[1,2]}`, `{"A":5}`, `{"A":"2026-01-02T03:04:05Z"}`, `{"I":"5"}`, `{"i":5}`, `{"ſub":"x","sub":"y"}`, `{"Sub":"x","scope":"y","Known":true}`, `{"ſub":"x"}`, `{"ſUB":1,"scope":"y"}`, `{"\u212anown":true}`,
	strings.Repeat(`{"S":`, 70) + `1` + strings.Repeat(`}`, 70),
	`{"x":` + strings.Repeat(`[`, 70) + strings.Repeat(`]`, 70) + `,"S":"deep"}`,
}

func same(t *testing.T, text string) {
	t.Helper()
	for why, target := range targets() {
		ours, theirs := target(), target()
		err, want := Unmarshal(text, ours), json.Unmarshal([]byte(text), theirs)
		switch {
		case (err == nil) != (want == nil) || err != nil && err.Error() != want.Error():
			t.Errorf("%s, %q: the error is %v, encoding/json has %v", why, text, err, want)
		case !reflect.DeepEqual(ours, theirs):
			t.Errorf("%s, %q: %+v, encoding/json has %+v", why, text, ours, theirs)
		}
		var kept Kept
		for range 3 { // it decodes twice, and then copies
			copied := target()
			if err := kept.Unmarshal(text, copied); (err == nil) != (want == nil) || !reflect.DeepEqual(copied, theirs) {
				t.Errorf("%s, %q: kept %+v, %v; encoding/json has %+v, %v", why, text, copied, err, theirs, want)
			}
		}
	}
}

// TestUnmarshal compares with encoding/json: result, nil slices, and text of the error.
func TestUnmarshal(t *testing.T) {
	t.Parallel()
	for _, text := range texts {
		same(t, text)
	}
}

// TestPlainTypes has the types that Unmarshal decodes itself, so that TestUnmarshal
// compares two decoders.
func TestPlainTypes(t *testing.T) {
	t.Parallel()
	isPlain := map[string]bool{"every kind": true, "scope": true, "not zero": true}
	for why, target := range targets() {
		v := reflect.ValueOf(target())
		if v.Kind() != reflect.Pointer {
			continue
		}
		if got := plainFields(v.Type().Elem()) != nil; got != isPlain[why] && why != "nil pointer" {
			t.Errorf("%s: plain %v", why, got)
		}
	}
	fields := plainFields(reflect.TypeFor[everyKind]())
	for text, want := range map[string]bool{texts[9]: true, `{"S":null,"x":[{}],"list":[]}`: true, `{"s":"folded"}`: false, `{"S":"a","S":"b"}`: false, `{"i":1.0}`: false, `{"list":[null]}`: false,
		`{"f64":0}`: true, `{"f64":9}`: true, `{"f64":-1}`: true, `{"f64":Inf}`: false} {
		if got := fields.decode(text, reflect.ValueOf(new(everyKind)).Elem()); got != want {
			t.Errorf("%s: decoded %v", text, got)
		}
	}
	var many reflect.Type
	{
		var list []reflect.StructField
		for i := range 64 {
			list = append(list, reflect.StructField{Name: "F" + strings.Repeat("x", i), Type: reflect.TypeFor[string]()})
		}
		many = reflect.StructOf(list)
	}
	if plainFields(many) != nil {
		t.Error("64 fields do not fit into the bits")
	}
	fitting := make([]reflect.StructField, 63)
	for i := range fitting {
		fitting[i] = many.Field(i)
	}
	if plainFields(reflect.StructOf(fitting)) == nil { // the last name has 63 characters
		t.Error("63 fields are not plain")
	}
}

// TestUnmarshalAllocations: the value, its slices, and nothing for its strings.
func TestUnmarshalAllocations(t *testing.T) {
	var v everyKind
	if n := testing.AllocsPerRun(100, func() {
		v = everyKind{}
		if Unmarshal(texts[9], &v) != nil || v.URL != "gold" {
			t.Fatal("not decoded")
		}
	}); n > 1 {
		t.Errorf("%v allocations, want 1 for the slice", n)
	}
}

// FuzzUnmarshal looks for a text that Unmarshal and encoding/json read differently.
func FuzzUnmarshal(f *testing.F) {
	for _, text := range texts {
		f.Add(text)
	}
	f.Fuzz(same)
}
