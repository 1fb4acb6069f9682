package refusal

import (
	"errors"
	"testing"
	"time"
)

func TestRefusal(t *testing.T) {
	inside := errors.New("inside")
	for _, tt := range []struct {
		r     *Refusal
		text  string
		cause error
	}{
		{Scope.New(), "insufficient scope", nil},
		{Scope.Wrap(inside), "insufficient scope: inside", inside},
		{Scope.Because("for %d: %w", 1, inside), "insufficient scope: for 1: inside", inside},
	} {
		if tt.r.Error() != tt.text || tt.r.Status != 403 || tt.r.Code != "insufficient_scope" || tt.r.Reason != "insufficient_scope" {
			t.Errorf("%+v: %q, want %q", tt.r, tt.r, tt.text)
		}
		if !errors.Is(tt.r, tt.r) || tt.cause != nil && !errors.Is(tt.r, tt.cause) || tt.cause == nil && errors.Unwrap(tt.r) != nil {
			t.Errorf("%v does not lead to %v", tt.r, tt.cause)
		}
	}
	if r := Keys.Later(time.Minute, inside); r.Row != Keys || r.RetryAfter != time.Minute || r.Err != inside {
		t.Errorf("later: %+v", r)
	}
	// A row is not changed by what is said of one case.
	r := Scope.New()
	r.Status, r.Scope = 500, "x"
	if Scope.Status != 403 || Scope.New().Scope != "" {
		t.Error("the row was changed")
	}
}
