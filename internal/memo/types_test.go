package memo

import (
	"errors"
	"reflect"
	"sync"
	"testing"
)

// TestTypes: the memo decodes a text once into each type, and again after an error.
func TestTypes(t *testing.T) {
	t.Parallel()
	var d Types
	calls := 0
	as := func(v any, err error) (any, error) {
		return d.As(reflect.TypeOf(v), func() (any, error) { calls++; return v, err })
	}
	failed := errors.New("it does not fit")
	for _, row := range []struct {
		why   string
		value any
		err   error
		want  any
		calls int // so far
	}{
		{"first", "a", nil, "a", 1},
		{"again", "b", nil, "a", 1},
		{"other type", 1, nil, 1, 2},
		{"error", 1.5, failed, nil, 3},
		{"after the error", 2.5, nil, 2.5, 4},
		{"then", 3.5, failed, 2.5, 4},
		{"first type", "c", failed, "a", 4},
	} {
		want := row.err
		if row.want != nil {
			want = nil
		}
		if got, err := as(row.value, row.err); got != row.want || err != want || calls != row.calls {
			t.Errorf("%s: %v, %v after %d calls", row.why, got, err, calls)
		}
	}
}

// TestTypesWithinADecoder: a method of a type can decode the same text into another.
func TestTypesWithinADecoder(t *testing.T) {
	t.Parallel()
	var d Types
	got, err := d.As(reflect.TypeFor[int](), func() (any, error) {
		return d.As(reflect.TypeFor[string](), func() (any, error) { return "inner", nil })
	})
	if got != "inner" || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}

// TestTypesAtOnce is for the race detector.
func TestTypesAtOnce(t *testing.T) {
	t.Parallel()
	var d Types
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				if v, err := d.As(reflect.TypeFor[int](), func() (any, error) { return 7, nil }); v != 7 || err != nil {
					t.Errorf("%v, %v", v, err)
				}
			}
		})
	}
	all.Wait()
}
