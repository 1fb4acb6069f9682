package jsonscan

import (
	"encoding"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// Unmarshal has the same result as encoding/json. It takes a fraction of the time for a
// value that is zero and plain: a struct whose fields are strings, booleans, numbers and
// slices of strings. It leaves every other type to encoding/json, and every text that is
// not plain or does not fit.
//
// Strings in the result can be parts of text.
func Unmarshal(text string, v any) error {
	if p := reflect.ValueOf(v); p.Kind() == reflect.Pointer && !p.IsNil() {
		value := p.Elem()
		if fields := plainFields(value.Type()); fields != nil && value.IsZero() {
			if fields.decode(text, value) {
				return nil
			}
			value.SetZero()
		}
	}
	return json.Unmarshal([]byte(text), v)
}

// A plainStruct has the fields of a plain struct.
type plainStruct struct {
	fields []plainField
	// lengths has a bit for the length of each name.
	lengths uint64
}

type plainField struct {
	name  string
	index int
	kind  reflect.Kind
}

// known has a *plainStruct for each type that was decoded, nil for one that is not plain. A
// program has few types.
var known sync.Map

func plainFields(t reflect.Type) *plainStruct {
	if fields, ok := known.Load(t); ok {
		return fields.(*plainStruct)
	}
	fields := newPlain(t)
	known.Store(t, fields)
	return fields
}

// newPlain returns nil for a type that is not plain.
func newPlain(t reflect.Type) *plainStruct {
	const most = 63 // of names, and of characters in each, for one bit per number
	if t.Kind() != reflect.Struct || t.NumField() > most || decodesItself(t) {
		return nil
	}
	p := &plainStruct{}
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		switch {
		case f.Anonymous:
			return nil // its fields can be fields of t
		case !f.IsExported() || tag == "-":
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if name == "" {
			name = f.Name
		}
		if !isPlainType(f.Type) || !isPlainName(name) || len(name) > most || p.find(name) != none || options != "" && options != "omitempty" && options != "omitzero" {
			return nil
		}
		p.fields = append(p.fields, plainField{name, i, f.Type.Kind()})
		p.lengths |= 1 << len(name)
	}
	return p
}

var (
	unmarshaler     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	stringSlice     = reflect.TypeFor[[]string]()
	number          = reflect.TypeFor[json.Number]()
)

// decodesItself reports whether a type has a method that decodes it.
func decodesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t) // which has the methods of t
	return p.Implements(unmarshaler) || p.Implements(textUnmarshaler)
}

func isPlainType(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Slice:
		return t == stringSlice
	case reflect.String, reflect.Bool, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return t != number && !decodesItself(t)
	}
	return false
}

// isPlainName reports whether encoding/json uses a name unchanged at every place.
func isPlainName(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("_-./:#", c) >= 0:
		default:
			return false
		}
	}
	return name != "-"
}

// The results of find for a name that no field has, and for a name that differs from a
// field's only in case.
const none, folded = -1, -2

func (p *plainStruct) find(name string) int {
	for i := range p.fields {
		if p.fields[i].name == name {
			return i
		}
	}
	if len(name) < 64 && p.lengths&(1<<len(name)) == 0 && isASCII(name) {
		return none
	}
	for i := range p.fields {
		if strings.EqualFold(p.fields[i].name, name) {
			return folded
		}
	}
	return none
}

func isASCII(s string) bool {
	for ; len(s) >= 8; s = s[8:] {
		if word(s)&highs != 0 {
			return false
		}
	}
	var all byte
	for i := range len(s) {
		all |= s[i]
	}
	return all < 0x80
}

var errNotPlain = errors.New("jsonscan: only encoding/json can decode this")

// decode reports whether it decoded a text. If not, value has no meaning.
func (p *plainStruct) decode(text string, value reflect.Value) bool {
	seen := uint64(0)
	return Object(text, func(name, raw string) error {
		i := p.find(name)
		if i == none {
			return nil
		}
		if i == folded || seen&(1<<i) != 0 || !set(value.Field(p.fields[i].index), p.fields[i].kind, raw) {
			return errNotPlain
		}
		seen |= 1 << i
		return nil
	}) == nil
}

// set sets a field that is zero, and reports whether the value fits. A null leaves the
// field unchanged.
func set(field reflect.Value, kind reflect.Kind, raw string) (ok bool) {
	if raw == "null" {
		return true
	}
	switch kind {
	case reflect.String:
		var s string
		if s, ok = String(raw); ok {
			field.SetString(s)
		}
	case reflect.Slice:
		*field.Addr().Interface().(*[]string), ok = Strings(raw) // a null in it does not fit
	case reflect.Bool:
		field.SetBool(raw == "true")
		ok = raw == "true" || raw == "false"
	case reflect.Float32, reflect.Float64:
		f, err := strconv.ParseFloat(raw, field.Type().Bits())
		field.SetFloat(f)
		ok = err == nil && isNumber(raw)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(raw, 10, field.Type().Bits())
		field.SetInt(n)
		ok = err == nil
	default:
		n, err := strconv.ParseUint(raw, 10, field.Type().Bits())
		field.SetUint(n)
		ok = err == nil
	}
	return ok
}

// isNumber distinguishes a JSON number from other texts that ParseFloat accepts.
func isNumber(raw string) bool { return raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9' }
