package fault

import (
	"errors"
	"testing"
)

func TestBecause(t *testing.T) {
	inside := errors.New("inside")
	f := Claim.Because("claim %q: %w", "sub", inside)
	if f.Reason != "invalid_claim" || f.Description != "token claims invalid" || Claim.Cause != nil {
		t.Errorf("%+v, and the row itself has the cause %v", f, Claim.Cause)
	}
	if got, want := f.Error(), `token claims invalid: claim "sub": inside`; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	if !errors.Is(f.Cause, inside) {
		t.Error("the cause does not lead to the error inside")
	}
	if got := Claim.Error(); got != "token claims invalid" {
		t.Errorf("Error() of the row = %q", got)
	}
	if errors.Unwrap(Claim.Because("no error inside").Cause) != nil {
		t.Error("there is an error inside")
	}
}

// TestCauseIsFormattedLate: most causes are never read.
func TestCauseIsFormattedLate(t *testing.T) {
	n := 0
	Claim.Because("%v", counted{&n})
	if n > 0 {
		t.Error("the cause was formatted before it was read")
	}
	if text := Claim.Because("%v", counted{&n}).Error(); n != 1 {
		t.Errorf("formatted %d times: %s", n, text)
	}
}

type counted struct{ n *int }

func (c counted) String() string { *c.n++; return "" }

// TestIs: a fault with a cause equals its own row, and no other.
func TestIs(t *testing.T) {
	t.Parallel()
	made := Expired.Because("exp was %d s ago", 5)
	for why, tt := range map[string]struct {
		target error
		want   bool
	}{
		"its row":          {Expired, true},
		"another row":      {Audience, false},
		"one with a cause": {Expired.Because("x"), false},
		"another type":     {errors.New("x"), false},
		"another sentence": {&Fault{Expired.Reason, "x", nil}, false},
		"another reason":   {&Fault{"x", Expired.Description, nil}, false},
	} {
		if made.Is(tt.target) != tt.want || errors.Is(made, tt.target) != tt.want {
			t.Errorf("%s: %v", why, !tt.want)
		}
	}
}
