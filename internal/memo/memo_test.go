package memo

import (
	"crypto/sha256"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func TestSumOf(t *testing.T) {
	for _, n := range []int{0, 1, 511, 512, 513, 1024, 5000} {
		text := strings.Repeat("x", n)
		if SumOf(text) != Sum(sha256.Sum256([]byte(text))) {
			t.Errorf("the sum of %d bytes is wrong", n)
		}
	}
	if n := testing.AllocsPerRun(100, func() { SumOf("some text") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestCache(t *testing.T) {
	c := New[int](1) // one pair, shared by all texts
	a, b, d := Sum{1}, Sum{2}, Sum{3}
	if _, ok := c.Get(1, a); ok || c.Has(1) {
		t.Error("an empty cache has something")
	}
	c.Put(1, a, 1)
	c.Put(2, b, 2)
	for sum, want := range map[Sum]int{a: 1, b: 2} {
		p := Slot(sum[0])
		if got, ok := c.Get(p, sum); !ok || got != want || !c.Has(p) {
			t.Errorf("Get(%x) = %d, %v; want %d", sum[0], got, ok, want)
		}
	}
	for _, tt := range []struct {
		why string
		p   Slot
		is  func(int, Sum) bool
		ok  bool
	}{
		{"the value and its sum", 2, func(value int, sum Sum) bool { return value == 2 && sum == b }, true},
		{"rejected", 2, func(int, Sum) bool { return false }, false},
		{"no text of that place", 3, func(int, Sum) bool { return true }, false},
	} {
		if got, ok := c.Find(tt.p, tt.is); ok != tt.ok || ok && got != 2 {
			t.Errorf("Find, %s: %d, %v", tt.why, got, ok)
		}
	}
	// Another text at the same place is another text.
	if got, ok := c.Get(1, d); ok {
		t.Errorf("Get of another text = %d", got)
	}
	c.Put(3, d, 3)
	if _, ok := c.Get(1, a); ok || c.Has(1) {
		t.Error("the oldest of three is in a cache of two")
	}
	c.Put(3, d, 4) // the same text adds none
	if got, _ := c.Get(3, d); got != 4 {
		t.Errorf("Get = %d, want the newer value", got)
	}
	if got, ok := c.Get(2, b); !ok || got != 2 {
		t.Errorf("the other one was lost: %d, %v", got, ok)
	}
}

func TestPlaceOf(t *testing.T) {
	c, other := New[int](8), New[int](8)
	signature := strings.Repeat("s", 86)
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"", "", true}, {"x", "x", true}, {"x", "y", false},
		{"a." + signature, "b." + signature, true}, // then the sum decides
		{"a." + signature, "a." + signature[1:] + "t", false},
	} {
		if got := c.SlotOf(tt.a) == c.SlotOf(tt.b); got != tt.same {
			t.Errorf("%q and %q at the same place: %v", tt.a, tt.b, got)
		}
	}
	if c.SlotOf(signature) == other.SlotOf(signature) {
		t.Error("every cache has a text at the same place: it can be worked out")
	}
}

// TestBounded: a hundred thousand texts take the available places and no more.
func TestBounded(t *testing.T) {
	c := New[int](1000)
	if len(c.pairs) != 500 {
		t.Fatalf("%d pairs", len(c.pairs))
	}
	for i := range 100_000 {
		text := strconv.Itoa(i)
		c.Put(c.SlotOf(text), SumOf(text), i)
	}
	held := 0
	for i := range 100_000 {
		text := strconv.Itoa(i)
		if got, ok := c.Get(c.SlotOf(text), SumOf(text)); ok {
			held++
			if got != i {
				t.Fatalf("%d has the value of %d", i, got)
			}
		}
	}
	if held != 1000 {
		t.Errorf("%d are held, want every place used", held)
	}
}

func TestConcurrent(t *testing.T) {
	c := New[string](8)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 2000 {
				text := strconv.Itoa((i*7 + g) % 40)
				c.Put(c.SlotOf(text), SumOf(text), text)
				if got, ok := c.Get(c.SlotOf(text), SumOf(text)); ok && got != text {
					t.Errorf("%q has the value %q", text, got)
				}
			}
		})
	}
	all.Wait()
}

func BenchmarkGet(b *testing.B) {
	text := strings.Repeat("x", 900)
	c := New[int](1024)
	c.Put(c.SlotOf(text), SumOf(text), 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := c.Get(c.SlotOf(text), SumOf(text)); !ok {
			b.Fatal("lost")
		}
	}
}
