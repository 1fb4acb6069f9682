package memo

import (
	"reflect"
	"sync"
)

// Types caches the values decoded from one text, one for each type.
type Types struct {
	mu sync.Mutex
	// first is the value of the first type. Most programs use one, and need no map.
	first    any
	of       reflect.Type
	byOthers map[reflect.Type]any
}

// As returns the value of a type. It calls decode the first time, and again after an
// error. It calls decode without the lock, because a method of the type can decode the
// same text.
func (d *Types) As(t reflect.Type, decode func() (any, error)) (any, error) {
	if value, ok := d.get(t); ok {
		return value, nil
	}
	value, err := decode()
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.of == nil || d.of == t:
		d.of, d.first = t, value
		return value, nil
	case d.byOthers == nil:
		d.byOthers = map[reflect.Type]any{}
	}
	d.byOthers[t] = value
	return value, nil
}

func (d *Types) get(t reflect.Type) (any, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.of == t {
		return d.first, true
	}
	value, ok := d.byOthers[t]
	return value, ok
}
