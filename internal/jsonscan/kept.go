package jsonscan

import (
	"reflect"
	"slices"
	"sync/atomic"
)

// A Kept caches the plain value of one text from the second decoding on, and returns
// copies. No two results share a slice. A nil Kept keeps nothing. A Kept is
// safe for concurrent use.
type Kept struct{ value atomic.Pointer[keptValue] }

// A keptValue is immutable.
type keptValue struct {
	of    *plainStruct
	model reflect.Value
}

// once is in a Kept that has decoded its text once. Most texts are decoded only once.
var once = &keptValue{}

// Unmarshal is [Unmarshal] for the text of the Kept, which must be the same each time.
func (k *Kept) Unmarshal(text string, v any) error {
	p := reflect.ValueOf(v)
	if k == nil || p.Kind() != reflect.Pointer || p.IsNil() {
		return Unmarshal(text, v)
	}
	value := p.Elem()
	fields := plainFields(value.Type())
	if fields == nil || !value.IsZero() {
		return Unmarshal(text, v)
	}
	held := k.value.Load()
	if held != nil && held.of == fields {
		fields.copy(value, held.model)
		return nil
	}
	if !fields.decode(text, value) {
		value.SetZero()
		return Unmarshal(text, v)
	}
	switch held {
	case nil:
		k.value.CompareAndSwap(nil, once)
	case once:
		kept := reflect.New(value.Type()).Elem()
		fields.copy(kept, value)
		k.value.CompareAndSwap(once, &keptValue{fields, kept})
	}
	return nil
}

// copy makes to a copy of from. A string is immutable, so slices are all that two values
// could share.
func (p *plainStruct) copy(to, from reflect.Value) {
	to.Set(from)
	for i := range p.fields {
		if p.fields[i].kind == reflect.Slice {
			list := to.Field(p.fields[i].index).Addr().Interface().(*[]string)
			*list = slices.Clone(*list)
		}
	}
}
