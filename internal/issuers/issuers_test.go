package issuers

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A fake issuer has the answer that it was made of.
type fake struct {
	answer string
	trial  *Trial
}

func (f *fake) Trial() *Trial      { return f.trial }
func (f *fake) Equal(o *fake) bool { return f.answer == o.answer }

func TestAdmitAndSettle(t *testing.T) {
	t.Parallel()
	r := NewTable[*fake]()
	made := func(answer string) *fake { return &fake{answer, r.NewTrial()} }
	if r.Held("a") != nil {
		t.Error("an empty table holds an issuer")
	}
	// The table does not keep an issuer of the configuration.
	configured := &fake{answer: "configured"}
	if r.Admit("c", configured) != configured || r.Held("c") != nil {
		t.Error("the table keeps an issuer of the configuration")
	}
	if r.Settle("c", configured); r.Held("c") != nil {
		t.Error("the table settles an issuer of the configuration")
	}
	first, second, other := made("1"), made("1"), made("2")
	for _, tt := range []struct {
		why        string
		admit      *fake
		want, held *fake
	}{
		{"the first", first, first, first},
		{"the same again", first, first, first},
		{"made at the same time", second, first, first},
		{"of another answer", other, other, other},
	} {
		if got := r.Admit("a", tt.admit); got != tt.want || r.Held("a") != tt.held {
			t.Errorf("%s: %p and %p, want %p and %p", tt.why, got, r.Held("a"), tt.want, tt.held)
		}
	}
	r.Settle("a", other)
	if !other.trial.isProven() || r.Held("a") != other {
		t.Error("an issuer whose token was good is not kept")
	}
	// A dropped issuer does not come back in place of its successor.
	late := made("2")
	if r.Settle("a", late); r.Held("a") != other {
		t.Error("an issuer took the place of one that was made of the same answer")
	}
	changed := made("3")
	if r.Settle("a", changed); r.Held("a") != changed {
		t.Error("the issuer of the newer answer is not kept")
	}
}

// Issuers without a good token take the place of each other alone.
func TestFreshIssuersAreFew(t *testing.T) {
	t.Parallel()
	r := NewTable[*fake]()
	good := &fake{"good", r.NewTrial()}
	r.Admit("good", good)
	r.Settle("good", good)
	for i := range 3 * maxFresh {
		r.Admit(strconv.Itoa(i), &fake{"x", r.NewTrial()})
	}
	if len(r.all) != maxFresh+1 || r.Held("good") != good || r.fresh.len() != maxFresh {
		t.Errorf("%d issuers, %d of them fresh, good one %v", len(r.all), r.fresh.len(), r.Held("good"))
	}
	if r.Held("0") != nil || r.Held(strconv.Itoa(3*maxFresh-1)) == nil {
		t.Error("the oldest was not dropped, or the newest was")
	}
	// The queue does not grow with the number of past issuers.
	if n := cap(r.fresh.items); n > 8*maxFresh {
		t.Errorf("the queue has room for %d", n)
	}
}

// The table drops a settled issuer without any use since the last look.
func TestUsedIssuersStay(t *testing.T) {
	t.Parallel()
	r := NewTable[*fake]()
	settle := func(name string) *fake {
		f := &fake{name, r.NewTrial()}
		r.Admit(name, f)
		r.Settle(name, f)
		return f
	}
	used := settle("used")
	settle("idle")
	for i := range maxSettled {
		used.trial.Use()
		used.trial.Use()
		settle(strconv.Itoa(i))
	}
	if r.Held("used") != used || r.Held("idle") != nil || len(r.all) != maxSettled {
		t.Errorf("used %v, idle %v, %d issuers", r.Held("used"), r.Held("idle"), len(r.all))
	}
	// The table also drops an issuer after two rounds without use.
	for i := range 2 * maxSettled {
		settle(fmt.Sprint("next ", i))
	}
	if r.Held("used") != nil || len(r.all) != maxSettled {
		t.Errorf("%v, %d issuers", r.Held("used"), len(r.all))
	}
	if n := r.fresh.len(); n > maxFresh {
		t.Errorf("%d in the queue of fresh issuers", n)
	}
}

func TestLookUpsAreLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := NewTable[*fake]()
		take := func(most int) (n int) {
			for range most {
				if r.NewTrial().MayLookUp() {
					n++
				}
			}
			return n
		}
		if n := take(100); n != 16 {
			t.Errorf("%d at once, want 16", n)
		}
		time.Sleep(time.Second)
		if n := take(100); n != 5 {
			t.Errorf("%d after a second, want 5", n)
		}
		time.Sleep(time.Hour)
		// A good token refunds its issuer's lookups and ends the limit.
		good := &fake{"good", r.NewTrial()}
		for range 10 {
			if !good.trial.MayLookUp() {
				t.Fatal("limited too early")
			}
		}
		r.Admit("good", good)
		r.Settle("good", good)
		r.Settle("good", good)
		if n := take(100); n != 16 {
			t.Errorf("%d after a good token, want 16", n)
		}
		for range 100 {
			if !good.trial.MayLookUp() {
				t.Fatal("an issuer whose token was good is limited")
			}
		}
	})
}

func TestTableAtOnce(t *testing.T) {
	t.Parallel()
	r := NewTable[*fake]()
	got := make([]*fake, 50)
	var all sync.WaitGroup
	for i := range got {
		all.Go(func() {
			got[i] = r.Admit("a", &fake{"1", r.NewTrial()})
			got[i].trial.Use()
			r.Settle("a", got[i])
			r.Held("a")
		})
	}
	all.Wait()
	for _, f := range got {
		if f != got[0] {
			t.Fatal("issuers that were made at the same time are not one")
		}
	}
}
