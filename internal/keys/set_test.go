package keys

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/bucket"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
)

// TestFirstFetch: a Set fetches at the first call, single-flight for all callers.
func TestFirstFetch(t *testing.T) {
	inBubble(t, func(t *testing.T, is *issuer, set *Set) {
		is.delay = time.Second
		is.expectFetches(t, 0)
		if set.IsFixed() || set.IsShared() || set.Status() != (Status{}) {
			t.Errorf("fixed %v, shared %v, %+v", set.IsFixed(), set.IsShared(), set.Status())
		}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				_, err := set.Verify(t.Context(), ed("a"), FromAnybody)
				expect(t, "first token", err, nil)
			})
		}
		all.Wait()
		is.expectFetches(t, 1)
		if r := is.requests[0]; r.Method != "GET" || r.URL.String() != "https://tenant.example/jwks.json" || len(r.Header["Cache-Control"]) > 0 {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
		if got := is.reasons(); got != "fetched" || is.events[0].Keys != 2 || is.events[0].Duration != time.Second || is.events[0].Err != nil {
			t.Errorf("events %s: %+v", got, is.events)
		}
		if log := is.logged(); log != "" {
			t.Errorf("log: %s", log)
		}
		status := set.Status()
		if status.Keys != 2 || status.Err != nil || time.Since(status.FetchedAt) != time.Second || status.RefreshAt.Sub(status.FetchedAt) < dueLeast || status.ExpiresAt.Sub(status.FetchedAt) != stale {
			t.Errorf("%+v", status)
		}
	})
}

// TestWarm fetches only if there are no keys.
func TestWarm(t *testing.T) {
	inBubble(t, func(t *testing.T, is *issuer, set *Set) {
		is.status = 503
		expect(t, "outage", set.Warm(t.Context()), fault.Keys)
		if status := set.Status(); status.Err == nil || status.Keys != 0 {
			t.Errorf("%+v", status)
		}
		is.status = 200
		time.Sleep(2 * time.Second)
		expect(t, "after it", set.Warm(t.Context()), nil)
		expect(t, "again", set.Warm(t.Context()), nil)
		is.expectFetches(t, 2)
		if got := is.reasons(); got != "failed fetched" || is.events[0].Err == nil || is.events[0].Keys != 0 {
			t.Errorf("events %s: %+v", got, is.events)
		}
	})
	expect(t, "given keys", must(Shared(secret)).Warm(t.Context()), nil)
}

// TestBackground refreshes stale keys in the background. Callers use the old ones
// meanwhile.
func TestBackground(t *testing.T) {
	rotated := edJWKS("b", "c")
	inBubble(t, func(t *testing.T, is *issuer, set *Set) {
		expect(t, "warm", set.Warm(t.Context()), nil)
		time.Sleep(time.Until(set.Status().RefreshAt) - time.Nanosecond)
		verify(t, set, "a", nil)
		is.expectFetches(t, 1)
		time.Sleep(time.Nanosecond)
		is.document, is.delay = rotated, time.Second
		begin := time.Now()
		verify(t, set, "a", nil)
		if time.Since(begin) > 0 {
			t.Error("a caller waited")
		}
		is.expectFetches(t, 2)
		if got := is.requests[1].Header.Get("Cache-Control"); got != "no-cache" {
			t.Errorf("Cache-Control: %q", got)
		}
		time.Sleep(time.Second)
		if got := is.reasons(); got != "fetched rotated" || is.events[1].Keys != 2 {
			t.Errorf("events %s", got)
		}
		verify(t, set, "c", nil)
		is.expectFetches(t, 2)
		expect(t, "the same keys", set.Refresh(t.Context()), nil)
		if got := is.reasons(); got != "fetched rotated fetched" {
			t.Errorf("events %s", got)
		}
	})
}

// verify expects a fault for a token with the given kid, nil for none.
func verify(t *testing.T, set *Set, id string, want *fault.Fault) {
	t.Helper()
	_, err := set.Verify(t.Context(), ed(id), FromAnybody)
	expect(t, "kid "+id, err, want)
}

// TestMalformedSignature: a Set rejects a malformed signature before it looks for keys, so
// it sends no fetch.
func TestMalformedSignature(t *testing.T) {
	inBubble(t, func(t *testing.T, is *issuer, set *Set) {
		for _, signature := range []string{"AB", "A", "!AAA", "AAAA="} {
			m := must(jwt.ParseInput(input("unknown", "EdDSA") + "." + signature))
			_, err := set.Verify(t.Context(), m, FromAnybody)
			expect(t, "Verify of "+signature, err, fault.Malformed)
			expect(t, "Confirm of "+signature, set.Confirm(t.Context(), m), fault.Malformed)
		}
		is.expectFetches(t, 0)
	})
}

// TestOutage: keys stay in use for 24 hours without the issuer.
func TestOutage(t *testing.T) {
	inBubble(t, func(t *testing.T, is *issuer, set *Set) {
		expect(t, "warm", set.Warm(t.Context()), nil)
		is.err = errors.New("no route")
		time.Sleep(stale - time.Second)
		verify(t, set, "a", nil)
		synctest.Wait()
		if got := is.reasons(); got != "fetched failed" || is.events[1].Keys != 2 {
			t.Errorf("events %s: %+v", got, is.events)
		}
		if status := set.Status(); status.Keys != 2 || status.Err == nil {
			t.Errorf("%+v", status)
		}
		if !strings.Contains(is.logged(), "using_old_keys=true") {
			t.Errorf("log: %s", is.logged())
		}
		time.Sleep(time.Second)
		verify(t, set, "a", fault.Keys)
		if status := set.Status(); status.Keys != 0 {
			t.Errorf("%+v", status)
		}
	})
}

// TestNotYet: a Source can hold back the first fetch.
func TestNotYet(t *testing.T) {
	document := edJWKS("a")
	synctest.Test(t, func(t *testing.T) {
		is, allowed := &issuer{document: document}, false
		source, notYet := is.source(), errors.New("too many issuers")
		source.First, source.NotYet = func() bool { return allowed }, notYet
		set := New(source)
		_, err := set.Verify(t.Context(), ed("a"), FromAnybody)
		expect(t, "not yet", err, fault.Keys)
		if f, ok := errors.AsType[*fault.Fault](err); !ok || !errors.Is(f.Cause, notYet) {
			t.Errorf("not because of NotYet: %v", err)
		}
		is.expectFetches(t, 0)
		if got := is.reasons(); got != "throttled" || is.events[0].Keys != 0 {
			t.Errorf("events %s", got)
		}
		allowed = true
		verify(t, set, "a", nil)
	})
}

// TestFetchFailures has one row for each reason to reject a document. The cached keys stay
// in use.
func TestFetchFailures(t *testing.T) {
	good := edJWKS("a", "b")
	for why, row := range map[string]struct {
		change func(*issuer)
		err    string
	}{
		"network":      {func(is *issuer) { is.err = errors.New("no route") }, "no route"},
		"status":       {func(is *issuer) { is.status = 500 }, "status 500"},
		"no JSON":      {func(is *issuer) { is.document = "keys" }, ""},
		"no keys":      {func(is *issuer) { is.document = jwks() }, "0 of 0 keys can be used"},
		"unusable key": {func(is *issuer) { is.document = jwks(`{"kty":"LWE","kid":"x"}`) }, `https://tenant.example/jwks.json: 0 of 1 keys can be used` + "\n" + `key "x"`},
		"hanging":      {func(is *issuer) { is.delay = time.Minute }, "deadline"},
	} {
		synctest.Test(t, func(t *testing.T) {
			is := &issuer{document: good}
			set := New(is.source())
			row.change(is)
			err := set.Refresh(t.Context())
			expect(t, why, err, fault.Keys)
			if !strings.Contains(err.Error(), row.err) || !strings.Contains(err.Error(), "and 0 of before stay in use") {
				t.Errorf("%s: %v", why, err)
			}
			is.document, is.status, is.err, is.delay = good, 200, nil, 0
			expect(t, why+", later", set.Refresh(t.Context()), nil)
			row.change(is)
			begin := time.Now()
			if err := set.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "and 2 of before stay in use") {
				t.Errorf("%s: %v", why, err)
			}
			if took := time.Since(begin); took != min(is.delay, timeout) {
				t.Errorf("%s: took %v", why, took)
			}
			verify(t, set, "a", nil)
		})
	}
}

// TestSourceURL: the URL can be unknown or unusable.
func TestSourceURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is, noMetadata := &issuer{}, errors.New("no metadata")
		source := is.source()
		source.URL = func(context.Context) (string, error) { return "", noMetadata }
		if err := New(source).Warm(t.Context()); !strings.Contains(fmt.Sprint(err), "no metadata") {
			t.Errorf("no URL: %v", err)
		}
		source.URL = func(context.Context) (string, error) { return "https://a b\x7f/", nil }
		if err := New(source).Warm(t.Context()); !strings.Contains(fmt.Sprint(err), "unusable jwks_uri") || strings.Contains(err.Error(), "a b") {
			t.Errorf("unusable URL: %v", err)
		}
		is.expectFetches(t, 0)
	})
}

// TestUnusableKeys: the Set uses the other keys, and the log has the reason.
func TestUnusableKeys(t *testing.T) {
	document := jwks(`{"kty":"LWE","kid":"strange"}`, jwkText("a", edwards().Public(), nil))
	synctest.Test(t, func(t *testing.T) {
		is := &issuer{document: document}
		set := New(is.source())
		verify(t, set, "a", nil)
		verify(t, set, "strange", fault.KeyUnusable)
		is.expectFetches(t, 1)
		if log := is.logged(); !strings.Contains(log, "level=DEBUG") || !strings.Contains(log, "strange") {
			t.Errorf("log: %s", log)
		}
	})
}

// TestTooManyKeys: the Set uses the first hundred.
func TestTooManyKeys(t *testing.T) {
	for _, n := range []int{maxKeys, maxKeys + 1} {
		var ids []string
		for i := range n {
			ids = append(ids, fmt.Sprint("k", i))
		}
		document := edJWKS(ids...)
		synctest.Test(t, func(t *testing.T) {
			is := &issuer{document: document}
			set := New(is.source())
			expect(t, "warm", set.Warm(t.Context()), nil)
			if got := set.Status().Keys; got != maxKeys {
				t.Errorf("%d keys of %d", got, n)
			}
			if warned := strings.Contains(is.logged(), "too many keys"); warned != (n > maxKeys) {
				t.Errorf("%d keys: warned %v", n, warned)
			}
		})
	}
}

// TestRotationKeepsKeys: a key that stays in the document stays the same pointer.
func TestRotationKeepsKeys(t *testing.T) {
	rotated := edJWKS("b", "c")
	inBubble(t, func(t *testing.T, is *issuer, set *Set) {
		a := must(set.Verify(t.Context(), ed("a"), FromAnybody))
		b := must(set.Verify(t.Context(), ed("b"), FromAnybody))
		is.document = rotated
		expect(t, "refresh", set.Refresh(t.Context()), nil)
		if again := must(set.Verify(t.Context(), ed("b"), FromAnybody)); again != b {
			t.Error("the key that stayed is another pointer")
		}
		for why, row := range map[string]struct {
			id, alg string
			key     *Key
			want    bool
		}{
			"stayed":            {"b", "EdDSA", b, true},
			"another key":       {"b", "EdDSA", a, false},
			"another algorithm": {"b", "RS256", b, false},
			"withdrawn":         {"a", "EdDSA", a, false},
		} {
			if has, err := set.StillHas(t.Context(), row.id, row.alg, row.key); has != row.want || err != nil {
				t.Errorf("%s: %v, %v", why, has, err)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		has, err := New((&issuer{err: errors.New("down")}).source()).StillHas(t.Context(), "a", "EdDSA", nil)
		if has {
			t.Error("a Set without keys has one")
		}
		expect(t, "no keys", err, fault.Keys)
	})
}

// TestRefresh fetches also while keys are fresh. A fetch that began before does not count.
func TestRefresh(t *testing.T) {
	inBubble(t, func(t *testing.T, is *issuer, set *Set) {
		is.delay = time.Second
		go set.Warm(t.Context())
		synctest.Wait()
		time.Sleep(time.Second / 2)
		expect(t, "refresh", set.Refresh(t.Context()), nil)
		is.expectFetches(t, 2)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second/2, cancel)
		if err := set.Refresh(ctx); err != context.Canceled {
			t.Errorf("canceled: %v", err)
		}
		time.Sleep(time.Second)
	})
	expect(t, "given keys", must(Shared(secret)).Refresh(t.Context()), nil)
}

// TestUnknownKeyID: an unknown kid causes a fetch, and after a rotation finds its key. A
// forged kid causes a fetch once in 30 seconds.
func TestUnknownKeyID(t *testing.T) {
	rotated := edJWKS("b", "c")
	inBubble(t, func(t *testing.T, is *issuer, set *Set) {
		verify(t, set, "a", nil)
		is.document = rotated
		verify(t, set, "c", nil)
		is.expectFetches(t, 2)
		if got := is.reasons(); got != "fetched rotated" {
			t.Errorf("events %s", got)
		}
		time.Sleep(time.Hour) // the bucket is full again
		verify(t, set, "b", nil)
		synctest.Wait()
		is.expectFetches(t, 3) // in the background

		verify(t, set, "forged", fault.UnknownKey)
		is.expectFetches(t, 4)
		time.Sleep(missedLife - 1)
		verify(t, set, "forged", fault.UnknownKey)
		is.expectFetches(t, 4)
		time.Sleep(time.Nanosecond)
		verify(t, set, "forged", fault.UnknownKey)
		is.expectFetches(t, 5)
	})
}

// TestThrottle: forged kids cause two fetches at once and one more in each 30 seconds. The
// limit is for neither known kids nor the tenant.
func TestThrottle(t *testing.T) {
	inBubble(t, func(t *testing.T, is *issuer, set *Set) {
		verify(t, set, "a", nil)
		for i := range 10 {
			verify(t, set, fmt.Sprint("forged", i), fault.UnknownKey)
		}
		is.expectFetches(t, 1+unknownBurst)
		if got := strings.Count(is.reasons(), "throttled"); got != 8 || is.events[len(is.events)-1].Keys != 2 {
			t.Errorf("%d throttled: %+v", got, is.events)
		}
		verify(t, set, "a", nil)
		is.expectFetches(t, 1+unknownBurst)
		time.Sleep(unknownInterval - time.Millisecond)
		verify(t, set, "one more", fault.UnknownKey)
		is.expectFetches(t, 1+unknownBurst)
		time.Sleep(time.Millisecond)
		verify(t, set, "two more", fault.UnknownKey)
		is.expectFetches(t, 2+unknownBurst)

		for i := range 5 {
			_, err := set.Verify(t.Context(), ed(fmt.Sprint("tenant", i)), FromTenant)
			want := fault.UnknownKey
			if i >= unknownBurst {
				want = fault.Keys
			}
			expect(t, "token of the tenant", err, want)
		}
		is.expectFetches(t, 2+2*unknownBurst)
	})
}

// TestRefund: failed fetches use up nothing, so the Set finds a rotation right after an
// outage.
func TestRefund(t *testing.T) {
	rotated := edJWKS("c")
	inBubble(t, func(t *testing.T, is *issuer, set *Set) {
		verify(t, set, "a", nil)
		is.err = errors.New("down")
		for range 4 {
			_, err := set.Verify(t.Context(), ed("c"), FromAnybody)
			expect(t, "outage", err, fault.UnknownKey)
			if out := AsOutage(err); out == err {
				t.Error("not unsettled")
			}
			time.Sleep(4 * time.Second) // more than the backoff
		}
		is.err, is.document = nil, rotated
		time.Sleep(5 * time.Second)
		verify(t, set, "c", nil)
		verify(t, set, "forged", fault.UnknownKey)
		n := len(is.requests)
		verify(t, set, "forged again", fault.UnknownKey)
		is.expectFetches(t, n) // both fetches count
	})
}

// TestUnknownKeyIDOfOldKeys: an unknown kid is an outage while the keys are stale.
func TestUnknownKeyIDOfOldKeys(t *testing.T) {
	inBubble(t, func(t *testing.T, is *issuer, set *Set) {
		verify(t, set, "a", nil)
		is.delay = time.Hour
		begin := time.Now()
		verify(t, set, "c", fault.UnknownKey)
		if took := time.Since(begin); took != keyWait {
			t.Errorf("a caller waited for %v", took)
		}
		time.Sleep(time.Until(set.Status().RefreshAt))
		verify(t, set, "c", fault.Keys)
	})
	inBubble(t, func(t *testing.T, is *issuer, set *Set) {
		verify(t, set, "a", nil)
		is.delay = time.Hour
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := set.Verify(ctx, ed("c"), FromAnybody); err != context.Canceled {
			t.Errorf("canceled: %v", err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := set.Verify(ctx, ed("c"), FromAnybody)
		expect(t, "out of time", err, fault.Keys)
	})
}

// TestJoinedFetch: callers with unknown kids share one fetch. A caller first looks at keys
// that came while it waited.
func TestJoinedFetch(t *testing.T) {
	rotated := edJWKS("c", "d")
	inBubble(t, func(t *testing.T, is *issuer, set *Set) {
		verify(t, set, "a", nil)
		is.document, is.delay = rotated, time.Second
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				id := []string{"c", "d"}[i%2]
				_, err := set.Verify(t.Context(), ed(id), FromAnybody)
				expect(t, id, err, nil)
			})
		}
		all.Wait()
		is.expectFetches(t, 2)

		old := &snapshot{}
		newer, err := set.fetchUnknown(t.Context(), old, "c")
		if current, _ := set.fetched.Peek(); err != nil || newer != current {
			t.Errorf("newer keys: %v", err)
		}
		is.expectFetches(t, 2)
	})
}

// TestTokensOfTheTenant: a fetch that was under way when a token came counts only if it
// found the kid.
func TestTokensOfTheTenant(t *testing.T) {
	rotated := edJWKS("c")
	for _, row := range []struct {
		why     string
		id      string
		fetches int // after the first
		want    *fault.Fault
	}{
		{"the fetch under way has the kid", "c", 1, nil},
		{"the fetch under way does not have the kid", "d", 2, fault.UnknownKey},
	} {
		inBubble(t, func(t *testing.T, is *issuer, set *Set) {
			verify(t, set, "a", nil)
			is.document, is.delay = rotated, time.Second
			go set.Refresh(t.Context())
			synctest.Wait()
			time.Sleep(time.Second / 2)
			_, err := set.Verify(t.Context(), ed(row.id), FromTenant)
			expect(t, row.why, err, row.want)
			if AsOutage(err) != err {
				t.Errorf("%s: not settled", row.why)
			}
			is.expectFetches(t, 1+row.fetches)
		})
	}
	inBubble(t, func(t *testing.T, is *issuer, set *Set) {
		_, err := set.Verify(t.Context(), ed("a"), FromTenant)
		expect(t, "known kid", err, nil)
		is.err = errors.New("down")
		_, err = set.Verify(t.Context(), ed("c"), FromTenant)
		expect(t, "outage", err, fault.Keys)
		is.delay, is.err = time.Hour, nil
		time.Sleep(2 * time.Second)
		begin := time.Now()
		_, err = set.Verify(t.Context(), ed("c"), FromTenant)
		expect(t, "hanging", err, fault.Keys)
		if took := time.Since(begin); took != keyWait {
			t.Errorf("waited for %v", took)
		}
	})
}

// TestTwoJoinedFetches: a caller that joins a second fetch does not wait for a third.
func TestTwoJoinedFetches(t *testing.T) {
	inBubble(t, func(t *testing.T, is *issuer, set *Set) {
		verify(t, set, "a", nil)
		is.delay = time.Second
		go set.Verify(t.Context(), ed("x"), FromAnybody) // the first fetch
		synctest.Wait()
		time.AfterFunc(3*time.Second/4, func() {
			for range 50 { // one of them begins the second
				go set.Refresh(t.Context())
			}
		})
		time.Sleep(time.Second / 2)
		begin := time.Now()
		_, err := set.fetchForTenant(t.Context(), "")
		if took := time.Since(begin); took != 3*time.Second/2 || err != nil {
			t.Errorf("waited for %v: %v", took, err)
		}
	})
}

// TestConfirm has one row for each outcome of the second look.
func TestConfirm(t *testing.T) {
	other := newEdwards()
	replaced := jwks(jwkText("a", other.Public(), nil))
	anothers := signed("a", "EdDSA", other)
	for _, row := range []struct {
		why    string
		change func(*issuer)
		want   *fault.Fault
	}{
		{"the key was replaced", func(is *issuer) { is.document = replaced }, nil},
		{"the key is the same", func(*issuer) {}, fault.Signature},
		{"the kid was withdrawn", func(is *issuer) { is.document = edJWKS("b") }, fault.UnknownKey},
		{"the key is of another kind", func(is *issuer) { is.document = jwks(jwkText("a", &p256().PublicKey, nil)) }, fault.KeyUnusable},
		{"outage", func(is *issuer) { is.status = 503 }, fault.Keys},
	} {
		inBubble(t, func(t *testing.T, is *issuer, set *Set) {
			_, err := set.Verify(t.Context(), anothers, FromTenant)
			expect(t, row.why, err, fault.Signature)
			row.change(is)
			expect(t, row.why, set.Confirm(t.Context(), anothers), row.want)
			is.expectFetches(t, 2)
		})
	}
	given := must(Static([]byte(edJWKS("a"))))
	expect(t, "given keys", given.Confirm(t.Context(), anothers), fault.Signature)
	expect(t, "given keys, good", given.Confirm(t.Context(), ed("a")), nil)
	expect(t, "given keys, unknown kid", given.Confirm(t.Context(), ed("x")), fault.UnknownKey)
	nameless := must(Static([]byte(publicPEM(edwards().Public()))))
	expect(t, "keys without a kid", nameless.Confirm(t.Context(), anothers), fault.Keys)
}

// TestConfirmOfKeyWithoutID: a missing kid cannot prove that the fetch under way has the
// key, so the next fetch decides.
func TestConfirmOfKeyWithoutID(t *testing.T) {
	document := jwks(jwkText("", edwards().Public(), nil))
	synctest.Test(t, func(t *testing.T) {
		is := &issuer{document: document}
		set := New(is.source())
		verify(t, set, "", nil)
		is.delay = time.Second
		go set.Refresh(t.Context())
		synctest.Wait()
		time.Sleep(time.Second / 2)
		expect(t, "forged", set.Confirm(t.Context(), signed("", "EdDSA", newEdwards())), fault.Signature)
		is.expectFetches(t, 3)
	})
}

// TestConfirmIsThrottled: Confirm checks two wrong signatures in a row.
func TestConfirmIsThrottled(t *testing.T) {
	forged := signed("a", "EdDSA", newEdwards())
	inBubble(t, func(t *testing.T, is *issuer, set *Set) {
		verify(t, set, "a", nil)
		for range unknownBurst {
			expect(t, "forged", set.Confirm(t.Context(), forged), fault.Signature)
		}
		expect(t, "once more", set.Confirm(t.Context(), forged), fault.Keys)
		is.expectFetches(t, 1+unknownBurst)
		if got := is.reasons(); !strings.HasSuffix(got, " throttled") {
			t.Errorf("events %s", got)
		}
	})
}

// TestMissedIDs: the record of unknown kids ends with the keys, and takes bounded memory.
func TestMissedIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var u unknownKeys
		s := &snapshot{believed: time.Now().Add(missedLife)}
		if u.remembers(s, "x") {
			t.Error("remembered before it was missed")
		}
		for i := range maxMissed + 10 {
			u.remember(s, fmt.Sprint(i))
		}
		if len(u.missed) != maxMissed || !u.remembers(s, "0") || !u.remembers(s, fmt.Sprint(maxMissed-1)) || u.remembers(s, fmt.Sprint(maxMissed)) {
			t.Errorf("%d ids", len(u.missed))
		}
		time.Sleep(missedLife)
		if u.remembers(s, "0") || len(u.missed) != maxMissed-1 {
			t.Errorf("an id was not forgotten; %d left", len(u.missed))
		}
		s.believed = time.Now().Add(time.Second)
		u.remember(s, "late")
		if !u.remembers(s, "late") {
			t.Error("a new id was not remembered")
		}
		next := &snapshot{believed: time.Now().Add(time.Second)}
		if u.remembers(next, "late") {
			t.Error("remembered with other keys")
		}
		u.remember(next, "x")
		if len(u.missed) != 1 || u.remembers(s, "late") {
			t.Error("ids of older keys are kept")
		}
	})
}

// TestSettle refunds a failed fetch, once.
func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := unknownKeys{ofAnybody: bucket.New(1, time.Hour), ofTenant: bucket.New(1, time.Hour)}
		u.done(false) // the fetch had no cost
		if !u.take(u.ofAnybody) || u.take(u.ofAnybody) {
			t.Fatal("the bucket has not one fetch")
		}
		u.done(false)
		u.done(false)
		if !u.take(u.ofAnybody) || u.take(u.ofAnybody) {
			t.Error("a failed fetch was not given back, or twice")
		}
		u.done(true)
		u.done(false)
		if u.take(u.ofAnybody) {
			t.Error("a successful fetch was given back")
		}
		if !u.take(u.ofTenant) {
			t.Error("the buckets are one")
		}
	})
}

// TestBelievedFor: the time for which a response proves that there is no other key.
func TestBelievedFor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		control, age string
		want         time.Duration
	}{
		{"", "", 30 * time.Second},
		{"", "10", 30 * time.Second},
		{"max-age=15", "", 15 * time.Second},
		{"public, max-age=15, stale-while-revalidate=15", "4", 11 * time.Second},
		{"max-age=15", " 14 ", time.Second},
		{"max-age=15", "15", 0},
		{"max-age=15", "99999", 0},
		{"max-age=15", "-9", 15 * time.Second},
		{"max-age=15", "x", 15 * time.Second},
		{"max-age=29", "", 29 * time.Second},
		{"max-age=31", "", 30 * time.Second},
		{"max-age=3600", "3590", 10 * time.Second},
		{"max-age=3600, s-maxage=15", "", 15 * time.Second},
		{"s-maxage=15", "5", 10 * time.Second},
		{"max-age=0", "", 0},
		{"max-age=-5", "", 0},
		{"max-age=x", "", 30 * time.Second},
	} {
		if got := believedFor(http.Header{"Cache-Control": {tt.control}, "Age": {tt.age}}); got != tt.want {
			t.Errorf("%q, age %q: %v, want %v", tt.control, tt.age, got, tt.want)
		}
	}
}

// TestStaleCache: an HTTP cache keeps the keys and ignores the request's no-cache. A Set
// finds a new key once the cache may no longer answer with the old ones. Until then, the
// new kid causes one fetch.
func TestStaleCache(t *testing.T) {
	for _, tt := range []struct {
		age  string
		want time.Duration
	}{{"0", 15 * time.Second}, {"11", 4 * time.Second}} {
		inBubble(t, func(t *testing.T, is *issuer, set *Set) {
			verify(t, set, "a", nil)
			time.Sleep(time.Minute)
			is.header = http.Header{"Cache-Control": {"max-age=15"}, "Age": {tt.age}}
			begin := time.Now()
			for time.Since(begin) < tt.want {
				verify(t, set, "c", fault.UnknownKey)
				is.expectFetches(t, 2)
				time.Sleep(time.Second)
			}
			if got := is.requests[1].Header.Get("Cache-Control"); got != "no-cache" {
				t.Errorf("Cache-Control: %q", got)
			}
			is.document = edJWKS("a", "b", "c")
			verify(t, set, "c", nil)
			is.expectFetches(t, 3)
		})
	}
}

// TestStaleCacheFlood: answers without permission to cache do not loosen the limit for
// unknown kids.
func TestStaleCacheFlood(t *testing.T) {
	inBubble(t, func(t *testing.T, is *issuer, set *Set) {
		is.header = http.Header{"Cache-Control": {"max-age=0"}}
		for i := range 290 {
			verify(t, set, fmt.Sprint("forged", i%3), fault.UnknownKey)
			time.Sleep(time.Second)
		}
		is.expectFetches(t, 1+unknownBurst+9) // one in 30 seconds, and no refresh yet
	})
}

// TestSlowIssuer: the client's timeout counts, for the fetch and for callers that wait for
// an unknown kid. A caller without one waits three seconds.
func TestSlowIssuer(t *testing.T) {
	document := edJWKS("a", "b")
	for _, tt := range []struct {
		timeout, delay time.Duration
		first, unknown *fault.Fault
		waited         time.Duration
	}{
		{0, 2 * time.Second, nil, nil, 2 * time.Second},
		{0, 4 * time.Second, nil, fault.UnknownKey, 3 * time.Second},
		{0, 6 * time.Second, fault.Keys, fault.Keys, 0},
		{30 * time.Second, 6 * time.Second, nil, nil, 6 * time.Second},
		{30 * time.Second, 29 * time.Second, nil, nil, 29 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			is := &issuer{document: document, delay: tt.delay}
			source := is.source()
			source.Client = fetch.NewClient(&http.Client{Transport: is, Timeout: tt.timeout}, fetch.Options{})
			set := New(source)
			verify(t, set, "a", tt.first)
			is.document = edJWKS("a", "b", "c")
			begin := time.Now()
			verify(t, set, "c", tt.unknown)
			if took := time.Since(begin); took != tt.waited {
				t.Errorf("timeout %v, delay %v: waited %v", tt.timeout, tt.delay, took)
			}
			time.Sleep(time.Minute) // for a fetch without waiting callers
		})
	}
}

func TestAsOutage(t *testing.T) {
	plain := errors.New("plain")
	for _, err := range []error{nil, plain, fault.Signature, fault.UnknownKey} {
		if got := AsOutage(err); got != err {
			t.Errorf("%v became %v", err, got)
		}
	}
	u := unsettled{fault.UnknownKey.Because("because")}
	expect(t, "unsettled", u, fault.UnknownKey)
	expect(t, "as an outage", AsOutage(fmt.Errorf("around: %w", u)), fault.Keys)
	if u.Error() != "signing key unknown: because" {
		t.Error(u.Error())
	}
}

func TestUnavailable(t *testing.T) {
	down := errors.New("down")
	expect(t, "outage", Unavailable(t.Context(), down), fault.Keys)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Unavailable(ctx, down); err != context.Canceled {
		t.Errorf("canceled: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 0)
	defer cancel()
	expect(t, "out of time", Unavailable(ctx, down), fault.Keys)
}

// TestDueAfter: four fifths of the issuer's time, within bounds, and up to a fifth of that
// later.
func TestDueAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"":                               due * 72 / 100,
		"max-age=15":                     dueLeast,
		"max-age=0":                      dueLeast,
		"max-age=-1":                     dueLeast,
		"max-age=600":                    600 * time.Second * 72 / 100,
		"public, MAX-AGE=1000, s=1":      720 * time.Second,
		"max-age=3600":                   dueMost * 72 / 100,
		"max-age=86400":                  dueMost * 72 / 100,
		"max-age=4000000000":             due * 72 / 100, // no number of 32 bits
		"max-age=x":                      due * 72 / 100,
		"s-maxage=1000":                  due * 72 / 100,
		"max-age=1000,max-age=2000":      1440 * time.Second,
		"no-store":                       due * 72 / 100,
		"max-age=417":                    417 * time.Second * 72 / 100,
		"stale-if-error=1, max-age=1500": 1080 * time.Second,
	} {
		want = max(want, dueLeast)
		least, most := time.Duration(1<<62), time.Duration(0)
		for range 2000 {
			got := dueAfter(http.Header{"Cache-Control": {header}})
			least, most = min(least, got), max(most, got)
		}
		if least < want || least > want+want/100 || most > want+want/5 || most < want+want*19/100 {
			t.Errorf("%q: between %v and %v, want %v and a fifth more", header, least, most, want)
		}
	}
}
