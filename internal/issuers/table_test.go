package issuers

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// made returns an issuer of an answer of the application.
func made(r *table, answer string) *Issuer {
	return &Issuer{source: Source{Domain: answer}, trial: r.newTrial()}
}

func TestAdmitAndSettle(t *testing.T) {
	t.Parallel()
	r := newTable()
	if r.held("a") != nil {
		t.Error("an empty table holds an issuer")
	}
	// The table does not keep an issuer of the configuration.
	configured := &Issuer{source: Source{Domain: "configured"}}
	if r.admit("c", configured) != configured || r.held("c") != nil {
		t.Error("the table keeps an issuer of the configuration")
	}
	if r.settle("c", configured); r.held("c") != nil {
		t.Error("the table settles an issuer of the configuration")
	}
	first, second, other := made(r, "1"), made(r, "1"), made(r, "2")
	for _, tt := range []struct {
		why        string
		admit      *Issuer
		want, held *Issuer
	}{
		{"the first", first, first, first},
		{"the same again", first, first, first},
		{"made at the same time", second, first, first},
		{"of another answer", other, other, other},
	} {
		if got := r.admit("a", tt.admit); got != tt.want || r.held("a") != tt.held {
			t.Errorf("%s: %p and %p, want %p and %p", tt.why, got, r.held("a"), tt.want, tt.held)
		}
	}
	r.settle("a", other)
	if !other.trial.isProven() || r.held("a") != other {
		t.Error("an issuer whose token was good is not kept")
	}
	// A dropped issuer does not come back in place of its successor.
	late := made(r, "2")
	if r.settle("a", late); r.held("a") != other {
		t.Error("an issuer took the place of one that was made of the same answer")
	}
	changed := made(r, "3")
	if r.settle("a", changed); r.held("a") != changed {
		t.Error("the issuer of the newer answer is not kept")
	}
}

// Issuers without a good token take the place of each other alone.
func TestFreshIssuersAreFew(t *testing.T) {
	t.Parallel()
	r := newTable()
	good := made(r, "good")
	r.admit("good", good)
	r.settle("good", good)
	for i := range 3 * maxFresh {
		r.admit(strconv.Itoa(i), made(r, "x"))
	}
	if len(r.all) != maxFresh+1 || r.held("good") != good || r.fresh.len() != maxFresh {
		t.Errorf("%d issuers, %d of them fresh, good one %v", len(r.all), r.fresh.len(), r.held("good"))
	}
	if r.held("0") != nil || r.held(strconv.Itoa(3*maxFresh-1)) == nil {
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
	r := newTable()
	settle := func(name string) *Issuer {
		f := made(r, name)
		r.admit(name, f)
		r.settle(name, f)
		return f
	}
	used := settle("used")
	settle("idle")
	for i := range maxSettled {
		used.trial.use()
		used.trial.use()
		settle(strconv.Itoa(i))
	}
	if r.held("used") != used || r.held("idle") != nil || len(r.all) != maxSettled {
		t.Errorf("used %v, idle %v, %d issuers", r.held("used"), r.held("idle"), len(r.all))
	}
	// The table also drops an issuer after two rounds without use.
	for i := range 2 * maxSettled {
		settle(fmt.Sprint("next ", i))
	}
	if r.held("used") != nil || len(r.all) != maxSettled {
		t.Errorf("%v, %d issuers", r.held("used"), len(r.all))
	}
	if n := r.fresh.len(); n > maxFresh {
		t.Errorf("%d in the queue of fresh issuers", n)
	}
}

func TestLookUpsAreLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newTable()
		take := func(most int) (n int) {
			for range most {
				if r.newTrial().mayLookUp() {
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
		good := made(r, "good")
		for range 10 {
			if !good.trial.mayLookUp() {
				t.Fatal("limited too early")
			}
		}
		r.admit("good", good)
		r.settle("good", good)
		r.settle("good", good)
		if n := take(100); n != 16 {
			t.Errorf("%d after a good token, want 16", n)
		}
		for range 100 {
			if !good.trial.mayLookUp() {
				t.Fatal("an issuer whose token was good is limited")
			}
		}
	})
}

func TestTableAtOnce(t *testing.T) {
	t.Parallel()
	r := newTable()
	got := make([]*Issuer, 50)
	var all sync.WaitGroup
	for i := range got {
		all.Go(func() {
			got[i] = r.admit("a", made(r, "1"))
			got[i].trial.use()
			r.settle("a", got[i])
			r.held("a")
		})
	}
	all.Wait()
	for _, f := range got {
		if f != got[0] {
			t.Fatal("issuers that were made at the same time are not one")
		}
	}
}
