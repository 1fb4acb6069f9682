package seal

import (
	"fmt"
	"testing"
)

// TestBind: only a keyring with the same texts, in the same order and with the same
// borders, opens a value.
func TestBind(t *testing.T) {
	k := ring(t, secretA)
	bound := map[string]Keyring{
		"": k, "none": k.Bind(), "empty": k.Bind(""), "two empty": k.Bind("", ""), "a": k.Bind("a"), "a b": k.Bind("a", "b"),
		"b a": k.Bind("b", "a"), "ab": k.Bind("ab"), "a, then b": k.Bind("a").Bind("b"), "b, then a": k.Bind("b").Bind("a"),
	}
	for sealer, one := range bound {
		value := one.Seal("p", "n", []byte("data"))
		for opener, other := range bound {
			if _, _, ok := other.Open("p", "n", value); ok != (sealer == opener) {
				t.Errorf("sealed by %q, opened by %q: %v", sealer, opener, ok)
			}
		}
		again := ring(t, secretA)
		if sealer == "a b" {
			again = again.Bind("a", "b")
			if _, _, ok := again.Open("p", "n", value); !ok {
				t.Error("another instance does not open it")
			}
		}
	}
}

// TestWatch counts the sealed and the opened values.
func TestWatch(t *testing.T) {
	n := 0
	k := ring(t, secretA).Watch(func() { n++ })
	k.Open("p", "n", k.Seal("p", "n", nil))
	if n != 2 {
		t.Errorf("%d, want 2", n)
	}
	if text := fmt.Sprint(k); text != "seal.Keyring" {
		t.Errorf("prints %s", text)
	}
}
