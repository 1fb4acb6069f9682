package transaction

import (
	"testing"
	"time"
)

func TestCheckLife(t *testing.T) {
	t.Parallel()
	for life, want := range map[time.Duration]time.Duration{
		0: time.Hour, time.Minute: time.Minute, 24 * time.Hour: 24 * time.Hour,
		-1: 0, time.Minute - 1: 0, 24*time.Hour + 1: 0,
	} {
		if got, err := CheckLife(life); got != want || (err != nil) != (want == 0) {
			t.Errorf("%v: %v, %v, want %v", life, got, err, want)
		}
	}
}
