package emulator

import "container/list"

// A bounded map keeps at most max entries and drops the one that was written
// longest ago. It is not safe for concurrent use.
type bounded[V any] struct {
	max   int
	items map[string]*list.Element
	order *list.List // of entry[V], oldest first
}

type entry[V any] struct {
	key   string
	value V
}

func newBounded[V any](max int) *bounded[V] {
	return &bounded[V]{max: max, items: map[string]*list.Element{}, order: list.New()}
}

func (b *bounded[V]) get(key string) (V, bool) {
	if e, ok := b.items[key]; ok {
		return e.Value.(entry[V]).value, true
	}
	var none V
	return none, false
}

// put writes an entry and makes it the youngest.
func (b *bounded[V]) put(key string, value V) {
	b.delete(key)
	b.items[key] = b.order.PushBack(entry[V]{key, value})
	for b.order.Len() > b.max {
		b.delete(b.order.Front().Value.(entry[V]).key)
	}
}

// take returns an entry and removes it, so that of two takers one succeeds.
func (b *bounded[V]) take(key string) (V, bool) {
	v, ok := b.get(key)
	b.delete(key)
	return v, ok
}

func (b *bounded[V]) delete(key string) {
	if e, ok := b.items[key]; ok {
		b.order.Remove(e)
		delete(b.items, key)
	}
}

// deleteFunc removes the entries for which del is true.
func (b *bounded[V]) deleteFunc(del func(V) bool) {
	for e := b.order.Front(); e != nil; {
		next := e.Next()
		if entry := e.Value.(entry[V]); del(entry.value) {
			b.delete(entry.key)
		}
		e = next
	}
}
