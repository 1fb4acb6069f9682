package recent

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
	begun := SumOf("beginning")
	if got, want := begun.With("rest"), Sum(sha256.Sum256(append(begun[:], "rest"...))); got != want {
		t.Errorf("With = %x, want %x", got, want)
	}
	if n := testing.AllocsPerRun(100, func() { SumOf("some text").With("more") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestCache(t *testing.T) {
	c := New[int](1)
	a, b, d := Sum{1}, Sum{2}, Sum{3}
	if _, ok := c.Get(a); ok {
		t.Error("an empty cache has something")
	}
	c.Put(a, 1)
	c.Put(b, 2)
	for sum, want := range map[Sum]int{a: 1, b: 2} {
		if got, ok := c.Get(sum); !ok || got != want {
			t.Errorf("Get(%x) = %d, %v; want %d", sum[0], got, ok, want)
		}
	}
	c.Put(d, 3)
	if _, ok := c.Get(a); ok {
		t.Error("the oldest of three is in a cache of two")
	}
	c.Put(d, 4) // the same again is not one more
	if got, _ := c.Get(d); got != 4 {
		t.Errorf("Get = %d, want the newer value", got)
	}
	if got, ok := c.Get(b); !ok || got != 2 {
		t.Errorf("the other one was lost: %d, %v", got, ok)
	}
	var none *Cache[int]
	none.Put(a, 1)
	if _, ok := none.Get(a); ok {
		t.Error("no cache has something")
	}
}

// TestBounded: a million texts take no more places than there are.
func TestBounded(t *testing.T) {
	c := New[int](1000)
	if len(c.pairs) != 500 {
		t.Fatalf("%d pairs", len(c.pairs))
	}
	for i := range 1_000_000 {
		c.Put(SumOf(strconv.Itoa(i)), i)
	}
	held := 0
	for i := range 1_000_000 {
		if got, ok := c.Get(SumOf(strconv.Itoa(i))); ok {
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
				c.Put(SumOf(text), text)
				if got, ok := c.Get(SumOf(text)); ok && got != text {
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
	c.Put(SumOf(text), 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := c.Get(SumOf(text)); !ok {
			b.Fatal("lost")
		}
	}
}
