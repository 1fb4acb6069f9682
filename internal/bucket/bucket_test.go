package bucket

import (
	"strings"
	"testing"
	"time"
)

// TestBucket: the number of events that a bucket allows, and the time of the next one.
func TestBucket(t *testing.T) {
	t.Parallel()
	start := time.Now()
	for _, row := range []struct {
		burst int
		takes []time.Duration // after the start; negative: give one back
		want  string
		wait  time.Duration // after the last one
	}{
		{0, []time.Duration{0}, "no", 0},
		{2, []time.Duration{0, 0, 4 * time.Second}, "yes yes no", 6 * time.Second},
		{2, []time.Duration{0, 0, 0}, "yes yes no", 10 * time.Second},
		{1, []time.Duration{0, 0}, "yes no", 10 * time.Second},
		{2, []time.Duration{0, 0, 9999 * time.Millisecond, 10 * time.Second, 10 * time.Second}, "yes yes no yes no", 10 * time.Second},
		{2, []time.Duration{0, 0, 15 * time.Second, 19 * time.Second, 20 * time.Second}, "yes yes yes no yes", 0},
		{2, []time.Duration{0, 0, time.Hour, time.Hour, time.Hour}, "yes yes yes yes no", 10 * time.Second},
		{2, []time.Duration{0, 0, -1, 0, 0}, "yes yes back yes no", 10 * time.Second},
		{2, []time.Duration{-1, -1, 0, 0, 0}, "back back yes yes no", 10 * time.Second},
	} {
		b := New(row.burst, 10*time.Second)
		var got []string
		var last time.Duration
		for _, at := range row.takes {
			switch {
			case at < 0:
				b.GiveBack()
				got = append(got, "back")
			default:
				wait, ok := b.Take(start.Add(at))
				if got = append(got, map[bool]string{true: "yes", false: "no"}[ok]); ok && wait != 0 {
					t.Errorf("a wait of %v", wait)
				}
				last = wait
			}
		}
		if last.Round(time.Microsecond) != row.wait {
			t.Errorf("%d at %v: wait %v, want %v", row.burst, row.takes, last, row.wait)
		}
		if got := strings.Join(got, " "); got != row.want {
			t.Errorf("%d at %v: %s, want %s", row.burst, row.takes, got, row.want)
		}
	}
}
