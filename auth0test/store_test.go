package auth0test_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

func TestStoreOfMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { auth0test.TestStore(t, auth0.NewMemoryStore(10_000)) })
}

// plainStore has only the required methods of a store.
type plainStore struct{ auth0.Store }

func TestStoreWithoutMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { auth0test.TestStore(t, plainStore{auth0.NewMemoryStore(10_000)}) })
}

// contextsOnly is a store whose methods without a context fail the test.
type contextsOnly struct{ testkit.FullStore }

func (contextsOnly) Find(string) ([]byte, bool, error)      { panic("missing context") }
func (contextsOnly) Commit(string, []byte, time.Time) error { panic("missing context") }
func (contextsOnly) Delete(string) error                    { panic("missing context") }

func TestStoreOfContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { auth0test.TestStore(t, contextsOnly{testkit.NewFullStore(10_000)}) })
}

// A brokenStore is a good store with some methods replaced.
type brokenStore struct {
	testkit.FullStore
	find    func(ctx context.Context, key string) ([]byte, bool, error)
	commit  func(ctx context.Context, key string, value []byte, expiry time.Time) error
	remove  func(ctx context.Context, key string) error
	update  func(ctx context.Context, key string, value []byte, expiry time.Time) (bool, error)
	lease   func(ctx context.Context, key string, d time.Duration) (func(), bool, error)
	findAll func(ctx context.Context, keys ...string) ([][]byte, error)
	raise   func(ctx context.Context, key string, number int64, expiry time.Time) error
	add     func(ctx context.Context, key string, expiry time.Time) (bool, error)
	own     func(ctx context.Context, key, owner string, value []byte, expiry time.Time) error
}

func (b *brokenStore) FindCtx(ctx context.Context, key string) ([]byte, bool, error) {
	if b.find != nil {
		return b.find(ctx, key)
	}
	return b.FullStore.FindCtx(ctx, key)
}

func (b *brokenStore) CommitCtx(ctx context.Context, key string, value []byte, expiry time.Time) error {
	if b.commit != nil {
		return b.commit(ctx, key, value, expiry)
	}
	return b.FullStore.CommitCtx(ctx, key, value, expiry)
}

func (b *brokenStore) DeleteCtx(ctx context.Context, key string) error {
	if b.remove != nil {
		return b.remove(ctx, key)
	}
	return b.FullStore.DeleteCtx(ctx, key)
}

func (b *brokenStore) UpdateCtx(ctx context.Context, key string, value []byte, expiry time.Time) (bool, error) {
	if b.update != nil {
		return b.update(ctx, key, value, expiry)
	}
	return b.FullStore.UpdateCtx(ctx, key, value, expiry)
}

func (b *brokenStore) LeaseCtx(ctx context.Context, key string, d time.Duration) (func(), bool, error) {
	if b.lease != nil {
		return b.lease(ctx, key, d)
	}
	return b.FullStore.LeaseCtx(ctx, key, d)
}

func (b *brokenStore) FindAllCtx(ctx context.Context, keys ...string) ([][]byte, error) {
	if b.findAll != nil {
		return b.findAll(ctx, keys...)
	}
	values := make([][]byte, len(keys))
	for i, key := range keys {
		values[i], _, _ = b.FindCtx(ctx, key)
	}
	return values, nil
}

func (b *brokenStore) RaiseCtx(ctx context.Context, key string, number int64, expiry time.Time) error {
	if b.raise != nil {
		return b.raise(ctx, key, number, expiry)
	}
	return b.FullStore.RaiseCtx(ctx, key, number, expiry)
}

func (b *brokenStore) AddCtx(ctx context.Context, key string, expiry time.Time) (bool, error) {
	if b.add != nil {
		return b.add(ctx, key, expiry)
	}
	return b.FullStore.AddCtx(ctx, key, expiry)
}

func (b *brokenStore) CommitOwnedCtx(ctx context.Context, key, owner string, value []byte, expiry time.Time) error {
	if b.own != nil {
		return b.own(ctx, key, owner, value, expiry)
	}
	return b.CommitCtx(ctx, key, value, expiry)
}

// These stores have some of the methods with a context, or other methods.
type (
	findCtxOnly struct {
		auth0.Store
		*findCtx
	}
	findCtx      struct{ m testkit.FullStore }
	otherUpdate  struct{ auth0.Store }
	otherLease   struct{ auth0.Store }
	otherFindAll struct{ auth0.Store }
	otherRaise   struct{ auth0.Store }
	otherAdd     struct{ auth0.Store }
	otherOwned   struct{ auth0.Store }
)

func (f *findCtx) FindCtx(ctx context.Context, key string) ([]byte, bool, error) {
	return f.m.FindCtx(ctx, key)
}
func (otherUpdate) UpdateCtx(context.Context, string, []byte, time.Time) error { return nil }
func (otherLease) LeaseCtx(context.Context, string) (func(), error)            { return nil, nil }
func (otherFindAll) FindAllCtx(context.Context, []string) ([][]byte, error)    { return nil, nil }
func (otherRaise) RaiseCtx(context.Context, string, []byte, time.Time) error   { return nil }
func (otherAdd) AddCtx(context.Context, string) (bool, error)                  { return false, nil }
func (otherOwned) CommitOwnedCtx(context.Context, string, []byte) error        { return nil }

var errBroken = errors.New("broken")

// brokenStores have one mistake each, with the expected report.
var brokenStores = []struct {
	name  string
	make  func(m testkit.FullStore, b *brokenStore) auth0.Store // nil to return b
	wants string                                                // the beginning of a line
	why   string                                                // and a part of it
}{
	{"a part of the methods with a context", func(m testkit.FullStore, _ *brokenStore) auth0.Store {
		return findCtxOnly{plainStore{m}, &findCtx{m}}
	}, "methods: FindCtx is not used", "CommitCtx and DeleteCtx"},
	{"another UpdateCtx", func(m testkit.FullStore, _ *brokenStore) auth0.Store { return otherUpdate{m0(m)} }, "methods: UpdateCtx is not used", "undone"},
	{"another LeaseCtx", func(m testkit.FullStore, _ *brokenStore) auth0.Store { return otherLease{m0(m)} }, "methods: LeaseCtx is not used", "refresh"},
	{"another FindAllCtx", func(m testkit.FullStore, _ *brokenStore) auth0.Store { return otherFindAll{m0(m)} }, "methods: FindAllCtx is not used", "one by one"},
	{"another AddCtx", func(m testkit.FullStore, _ *brokenStore) auth0.Store { return otherAdd{m0(m)} }, "methods: AddCtx is not used", "DPoP proofs"},
	{"another RaiseCtx", func(m testkit.FullStore, _ *brokenStore) auth0.Store { return otherRaise{m0(m)} }, "methods: RaiseCtx is not used", "20 values"},
	{"another CommitOwnedCtx", func(m testkit.FullStore, _ *brokenStore) auth0.Store { return otherOwned{m0(m)} }, "methods: CommitOwnedCtx is not used", "limit"},

	{"raise lowers", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.raise = func(_ context.Context, key string, number int64, expiry time.Time) error {
			return m.Commit(key, strconv.AppendInt(nil, number, 10), expiry)
		}
		return nil
	}, "RaiseCtx:", "stays unchanged"},
	{"raise lowers numbers", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		raiseBy(b, m, func(_, number int64) int64 { return number }, later)
		return nil
	}, "RaiseCtx:", "only grows"},
	{"raise compares text", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		raiseBy(b, m, func(old, number int64) int64 {
			if fmt.Sprint(old) > fmt.Sprint(number) {
				return old
			}
			return number
		}, later)
		return nil
	}, "RaiseCtx:", "as text"},
	{"raise in two steps", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.raise = func(_ context.Context, key string, number int64, expiry time.Time) error {
			value, _, _ := m.Find(key)
			old, err := strconv.ParseInt(string(value), 10, 64)
			if value != nil && (err != nil || old >= number) {
				return nil
			}
			// A greater number is written earlier.
			time.Sleep(time.Second - time.Duration(number%1000)*time.Millisecond)
			return m.Commit(key, strconv.AppendInt(nil, number, 10), expiry)
		}
		return nil
	}, "RaiseCtx:", "in one step"},
	{"raise loses digits", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.raise = func(ctx context.Context, key string, number int64, expiry time.Time) error {
			return m.RaiseCtx(ctx, key, int64(float32(number)), expiry)
		}
		return nil
	}, "RaiseCtx:", "all digits"},
	{"raise fails", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.raise = func(context.Context, string, int64, time.Time) error { return errBroken }
		return nil
	}, "RaiseCtx:", "broken"},
	{"raise shortens", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		raiseBy(b, m, func(old, number int64) int64 { return max(old, number) }, func(_, expiry time.Time) time.Time { return expiry })
		return nil
	}, "expiry:", "the later of the two expiries"},
	{"raise does not lengthen", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		raiseBy(b, m, func(old, number int64) int64 { return max(old, number) }, func(old, expiry time.Time) time.Time {
			if !old.IsZero() {
				return old
			}
			return expiry
		})
		return nil
	}, "expiry:", "the later of the two expiries"},
	{"raise has no end", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.raise = func(ctx context.Context, key string, number int64, expiry time.Time) error {
			return m.RaiseCtx(ctx, key, number, expiry.Add(time.Hour))
		}
		return nil
	}, "expiry:", "no end"},
	{"raise says nothing of a cancelled context", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.raise = func(ctx context.Context, key string, number int64, expiry time.Time) error {
			if ctx.Err() != nil {
				return nil
			}
			return m.RaiseCtx(ctx, key, number, expiry)
		}
		return nil
	}, "contexts:", "RaiseCtx has returned no error"},

	{"values of owners are not found", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.own = func(context.Context, string, string, []byte, time.Time) error { return nil }
		return nil
	}, "CommitOwnedCtx:", "no user would stay logged in"},
	{"owned by the wrong key", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.own = func(_ context.Context, key, owner string, value []byte, expiry time.Time) error {
			return errors.Join(m.Commit(key, value, expiry), m.Commit(owner, value, expiry))
		}
		return nil
	}, "CommitOwnedCtx:", "an owner, not a key"},
	{"values of owners have no end", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.own = func(_ context.Context, key, owner string, value []byte, expiry time.Time) error {
			return m.Commit(key, value, expiry.Add(time.Hour))
		}
		return nil
	}, "expiry:", "no end"},
	{"commit fails for owners", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.own = func(context.Context, string, string, []byte, time.Time) error { return errBroken }
		return nil
	}, "CommitOwnedCtx:", "broken"},
	{"owned says nothing of a cancelled context", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.own = func(ctx context.Context, key, _ string, value []byte, expiry time.Time) error {
			if ctx.Err() != nil {
				return nil
			}
			return m.Commit(key, value, expiry)
		}
		return nil
	}, "contexts:", "CommitOwnedCtx has returned no error"},

	{"absent is an error", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.find = func(ctx context.Context, key string) ([]byte, bool, error) {
			value, found, _ := m.Find(key)
			if !found {
				return nil, false, errBroken
			}
			return value, true, nil
		}
		return nil
	}, "find what is absent:", "is an error: broken"},
	{"absent is found", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.find = func(ctx context.Context, key string) ([]byte, bool, error) {
			value, _, err := m.Find(key)
			return value, true, err
		}
		return nil
	}, "find what is absent:", "never committed"},
	{"committed is not found", func(_ testkit.FullStore, b *brokenStore) auth0.Store {
		b.find = func(context.Context, string) ([]byte, bool, error) { return nil, false, nil }
		return nil
	}, "commit and replace:", "no user would stay logged in"},
	{"commit fails", func(_ testkit.FullStore, b *brokenStore) auth0.Store {
		b.commit = func(context.Context, string, []byte, time.Time) error { return errBroken }
		return nil
	}, "commit and replace:", "broken"},
	{"commit does not replace", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.commit = func(_ context.Context, key string, value []byte, expiry time.Time) error {
			if _, found, _ := m.Find(key); found {
				return nil
			}
			return m.Commit(key, value, expiry)
		}
		return nil
	}, "commit and replace:", "must replace"},
	{"one place for all", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.find = func(_ context.Context, key string) ([]byte, bool, error) {
			if _, found, _ := m.Find(key); !found {
				return nil, false, nil
			}
			return m.Find("all")
		}
		b.commit = func(_ context.Context, key string, value []byte, expiry time.Time) error {
			return errors.Join(m.Commit(key, value, expiry), m.Commit("all", value, expiry))
		}
		return nil
	}, "commit and replace:", `"other"`},
	{"find panics", func(_ testkit.FullStore, b *brokenStore) auth0.Store {
		b.find = func(context.Context, string) ([]byte, bool, error) { panic("broken") }
		return nil
	}, "find what is absent: panics: broken", ""},
	{"find hangs", func(_ testkit.FullStore, b *brokenStore) auth0.Store {
		b.find = func(context.Context, string) ([]byte, bool, error) {
			time.Sleep(time.Hour)
			return nil, false, nil
		}
		return nil
	}, "find what is absent: does not return within 1m0s", ""},

	{"delete of what is absent fails", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.remove = func(_ context.Context, key string) error {
			if _, found, _ := m.Find(key); !found {
				return errBroken
			}
			return m.Delete(key)
		}
		return nil
	}, "delete:", "second click"},
	{"delete does nothing", func(_ testkit.FullStore, b *brokenStore) auth0.Store {
		b.remove = func(context.Context, string) error { return nil }
		return nil
	}, "delete:", "would not end the session"},
	{"delete deletes all", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		var mu sync.Mutex
		var keys []string
		b.commit = func(_ context.Context, key string, value []byte, expiry time.Time) error {
			mu.Lock()
			defer mu.Unlock()
			keys = append(keys, key)
			return m.Commit(key, value, expiry)
		}
		b.remove = func(context.Context, string) error {
			mu.Lock()
			defer mu.Unlock()
			for _, key := range keys {
				m.Delete(key)
			}
			return nil
		}
		return nil
	}, "delete:", "another user would be logged out"},
	{"deleted for good", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.commit = func(_ context.Context, key string, value []byte, expiry time.Time) error {
			if _, dead, _ := m.Find("dead" + key); dead {
				return nil
			}
			return m.Commit(key, value, expiry)
		}
		b.remove = func(_ context.Context, key string) error {
			return errors.Join(m.Commit("dead"+key, nil, time.Now().Add(time.Hour)), m.Delete(key))
		}
		return nil
	}, "delete:", "committed after it had been deleted"},

	{"values end at a NUL", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.commit = func(_ context.Context, key string, value []byte, expiry time.Time) error {
			value, _, _ = bytes.Cut(value, []byte{0})
			return m.Commit(key, value, expiry)
		}
		return nil
	}, "values:", "bytes, not text"},
	{"values are UTF-8", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.commit = func(_ context.Context, key string, value []byte, expiry time.Time) error {
			return m.Commit(key, bytes.ToValidUTF8(value, []byte("?")), expiry)
		}
		return nil
	}, "values:", "bytes, not text"},
	{"values are short", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.commit = func(_ context.Context, key string, value []byte, expiry time.Time) error {
			if len(value) >= 64<<10 {
				return errBroken
			}
			return m.Commit(key, value, expiry)
		}
		return nil
	}, "values:", "up to 64 KiB"},

	{"keys are short", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		cutKeys(b, m, func(key string) string { return key[:min(len(key), 79)] })
		return nil
	}, "keys:", "the last of 80"},
	{"keys without case", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		cutKeys(b, m, strings.ToLower)
		return nil
	}, "keys:", "its case"},
	{"keys as file names", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		cutKeys(b, m, strings.NewReplacer(":", "_").Replace)
		return nil
	}, "keys:", "differ in one character"},
	{"long keys are refused", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.commit = func(_ context.Context, key string, value []byte, expiry time.Time) error {
			if len(key) > 43 {
				return errBroken
			}
			return m.Commit(key, value, expiry)
		}
		return nil
	}, "keys:", "up to 80 characters"},

	{"commit keeps the slice", func(_ testkit.FullStore, b *brokenStore) auth0.Store { aliasing(b, true, false); return nil }, "buffers: ", "Commit has kept"},
	{"find returns the slice", func(_ testkit.FullStore, b *brokenStore) auth0.Store { aliasing(b, false, true); return nil }, "buffers: ", "Find has returned"},

	{"one key at a time", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		var mu sync.Mutex
		var last string
		b.commit = func(_ context.Context, key string, value []byte, expiry time.Time) error {
			mu.Lock()
			last = key
			mu.Unlock()
			time.Sleep(time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			return m.Commit(last, value, expiry)
		}
		return nil
	}, "concurrency:", ""},
	{"values in parts", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.commit = func(_ context.Context, key string, value []byte, expiry time.Time) error {
			m.Commit(key, value[:len(value)/2], expiry)
			time.Sleep(time.Millisecond)
			half, _, _ := m.Find(key)
			return m.Commit(key, append(half, value[len(value)/2:]...), expiry)
		}
		return nil
	}, "concurrency:", "damaged"},

	{"a cancelled find finds nothing", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.find = func(ctx context.Context, key string) ([]byte, bool, error) {
			if ctx.Err() != nil {
				return nil, false, nil
			}
			return m.Find(key)
		}
		return nil
	}, "contexts: with a canceled context FindCtx", "slow answer"},
	{"a cancelled find hangs", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.find = func(ctx context.Context, key string) ([]byte, bool, error) {
			if ctx.Err() != nil {
				time.Sleep(time.Hour)
			}
			return m.Find(key)
		}
		return nil
	}, "contexts: ", "would wait for a store that is down"},
	{"a cancelled commit is lost", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.commit = func(ctx context.Context, key string, value []byte, expiry time.Time) error {
			if ctx.Err() != nil {
				return nil
			}
			return m.Commit(key, value, expiry)
		}
		return nil
	}, "contexts: ", "the cookie of a session that is not there"},
	{"a cancelled delete is lost", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.remove = func(ctx context.Context, key string) error {
			if ctx.Err() != nil {
				return nil
			}
			return m.Delete(key)
		}
		return nil
	}, "contexts: ", "believe to be logged out"},
	{"a cancelled update finds nothing", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.update = func(ctx context.Context, key string, value []byte, expiry time.Time) (bool, error) {
			if ctx.Err() != nil {
				return false, nil
			}
			return m.UpdateCtx(ctx, key, value, expiry)
		}
		return nil
	}, "contexts: with a canceled context UpdateCtx", "slow answer"},
	{"a cancelled update is lost", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.update = func(ctx context.Context, key string, value []byte, expiry time.Time) (bool, error) {
			if ctx.Err() != nil {
				return true, nil
			}
			return m.UpdateCtx(ctx, key, value, expiry)
		}
		return nil
	}, "contexts: ", "UpdateCtx has returned true"},
	{"a cancelled lease hangs", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.lease = func(ctx context.Context, key string, d time.Duration) (func(), bool, error) {
			if ctx.Err() != nil {
				time.Sleep(time.Hour)
			}
			return m.LeaseCtx(ctx, key, d)
		}
		return nil
	}, "contexts: ", "would wait for a store that is down"},
	{"a cancelled search finds nothing", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		good := *b
		b.findAll = func(ctx context.Context, keys ...string) ([][]byte, error) {
			if ctx.Err() != nil {
				return make([][]byte, len(keys)), nil
			}
			return good.FindAllCtx(ctx, keys...)
		}
		return nil
	}, "contexts: with a canceled context FindAllCtx", "slow answer"},

	{"update creates", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.update = func(_ context.Context, key string, value []byte, expiry time.Time) (bool, error) {
			_, found, _ := m.Find(key)
			return found, m.Commit(key, value, expiry)
		}
		return nil
	}, "UpdateCtx:", "must not create"},
	{"update says it did", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.update = func(ctx context.Context, key string, value []byte, expiry time.Time) (bool, error) {
			_, err := m.UpdateCtx(ctx, key, value, expiry)
			return true, err
		}
		return nil
	}, "UpdateCtx:", "returns true for a key that has no value"},
	{"update says it did not", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.update = func(ctx context.Context, key string, value []byte, expiry time.Time) (bool, error) {
			_, err := m.UpdateCtx(ctx, key, value, expiry)
			return false, err
		}
		return nil
	}, "UpdateCtx:", "returns false for a key that has a value"},
	{"update of what is absent fails", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.update = func(ctx context.Context, key string, value []byte, expiry time.Time) (bool, error) {
			updated, err := m.UpdateCtx(ctx, key, value, expiry)
			if !updated {
				err = errBroken
			}
			return updated, err
		}
		return nil
	}, "UpdateCtx:", "return false and no error"},
	{"update does nothing", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.update = func(_ context.Context, key string, value []byte, expiry time.Time) (bool, error) {
			_, found, err := m.Find(key)
			return found, err
		}
		return nil
	}, "UpdateCtx:", "would be lost"},
	{"update in two steps", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.update = func(_ context.Context, key string, value []byte, expiry time.Time) (bool, error) {
			if _, found, err := m.Find(key); !found {
				return false, err
			}
			time.Sleep(time.Millisecond)
			return true, m.Commit(key, value, expiry)
		}
		return nil
	}, "UpdateCtx:", "in one step"},

	{"every key is new", func(_ testkit.FullStore, b *brokenStore) auth0.Store {
		b.add = func(context.Context, string, time.Time) (bool, error) { return true, nil }
		return nil
	}, "AddCtx:", "replay a DPoP proof"},
	{"no key is new", func(_ testkit.FullStore, b *brokenStore) auth0.Store {
		b.add = func(context.Context, string, time.Time) (bool, error) { return false, nil }
		return nil
	}, "AddCtx:", "honest clients"},
	{"a key that is there is an error", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.add = func(ctx context.Context, key string, expiry time.Time) (bool, error) {
			added, err := m.AddCtx(ctx, key, expiry)
			if !added {
				err = errBroken
			}
			return added, err
		}
		return nil
	}, "AddCtx:", "return false and no error"},
	{"add in two steps", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.add = func(_ context.Context, key string, expiry time.Time) (bool, error) {
			if _, found, err := m.Find(key); found {
				return false, err
			}
			time.Sleep(time.Millisecond)
			return true, m.Commit(key, nil, expiry)
		}
		return nil
	}, "AddCtx:", "in one step"},
	{"add replaces a value", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.add = func(ctx context.Context, key string, expiry time.Time) (bool, error) {
			added, err := m.AddCtx(ctx, key, expiry)
			if !added {
				m.Commit(key, nil, expiry)
			}
			return added, err
		}
		return nil
	}, "AddCtx:", "must not replace"},
	{"an added key has no end", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.add = func(ctx context.Context, key string, _ time.Time) (bool, error) {
			return m.AddCtx(ctx, key, time.Now().Add(time.Hour))
		}
		return nil
	}, "expiry:", "grow for ever"},
	{"the last expiry of an added key counts", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.add = func(ctx context.Context, key string, expiry time.Time) (bool, error) {
			added, err := m.AddCtx(ctx, key, expiry)
			if !added {
				m.Commit(key, nil, expiry)
			}
			return added, err
		}
		return nil
	}, "expiry:", "replay a DPoP proof"},
	{"a cancelled addition does nothing", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.add = func(ctx context.Context, key string, expiry time.Time) (bool, error) {
			if ctx.Err() != nil {
				return true, nil
			}
			return m.AddCtx(ctx, key, expiry)
		}
		return nil
	}, "contexts: ", "AddCtx has returned true"},

	{"a lease for everybody", func(_ testkit.FullStore, b *brokenStore) auth0.Store {
		b.lease = func(context.Context, string, time.Duration) (func(), bool, error) { return func() {}, true, nil }
		return nil
	}, "LeaseCtx: of 16 callers at once 16 get the lease", "theft"},
	{"a lease for nobody", func(_ testkit.FullStore, b *brokenStore) auth0.Store {
		b.lease = func(context.Context, string, time.Duration) (func(), bool, error) { return nil, false, nil }
		return nil
	}, "LeaseCtx: of 16 callers at once 0 get the lease", ""},
	{"a lease in two steps", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.lease = func(_ context.Context, key string, d time.Duration) (func(), bool, error) {
			if _, held, _ := m.Find("lease" + key); held {
				return nil, false, nil
			}
			time.Sleep(time.Millisecond)
			return func() { m.Delete("lease" + key) }, true, m.Commit("lease"+key, nil, time.Now().Add(d))
		}
		return nil
	}, "LeaseCtx: of 16 callers", "theft"},
	{"a held lease is an error", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.lease = func(ctx context.Context, key string, d time.Duration) (func(), bool, error) {
			release, ok, err := m.LeaseCtx(ctx, key, d)
			if !ok {
				err = errBroken
			}
			return release, ok, err
		}
		return nil
	}, "LeaseCtx:", "broken"},
	{"no release", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.lease = func(ctx context.Context, key string, d time.Duration) (func(), bool, error) {
			_, ok, err := m.LeaseCtx(ctx, key, d)
			return nil, ok, err
		}
		return nil
	}, "LeaseCtx:", "no function to release"},
	{"release does nothing", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.lease = func(ctx context.Context, key string, d time.Duration) (func(), bool, error) {
			_, ok, err := m.LeaseCtx(ctx, key, d)
			return func() {}, ok, err
		}
		return nil
	}, "LeaseCtx: does not give the lease", "it was released"},
	{"one lease for all keys", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.lease = func(ctx context.Context, _ string, d time.Duration) (func(), bool, error) {
			return m.LeaseCtx(ctx, "all", d)
		}
		return nil
	}, "LeaseCtx: does not give the lease", "another key"},
	{"a lease ends with its context", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.lease = func(ctx context.Context, key string, d time.Duration) (func(), bool, error) {
			release, ok, err := m.LeaseCtx(ctx, key, d)
			if ok && ctx.Done() != nil {
				context.AfterFunc(ctx, release)
			}
			return release, ok, err
		}
		return nil
	}, "LeaseCtx: a second caller gets the lease", "context of LeaseCtx"},
	{"release frees the next holder", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		unownedLeases(b, m, true)
		return nil
	}, "LeaseCtx: a second caller gets the lease", "released it twice"},
	{"release once frees the next holder", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		unownedLeases(b, m, false)
		return nil
	}, "expiry: a second caller gets the lease", "after its time was over"},
	{"leases do not expire", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.lease = func(ctx context.Context, key string, _ time.Duration) (func(), bool, error) {
			return m.LeaseCtx(ctx, key, time.Hour)
		}
		return nil
	}, "expiry: does not give the lease", "may have crashed"},

	{"found in another order", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		editAll(b, func(values [][]byte) [][]byte {
			first := slices.IndexFunc(values, func(value []byte) bool { return value != nil })
			for i := range values {
				if values[i] != nil {
					values[i], values[first] = values[first], values[i]
				}
			}
			return values
		})
		return nil
	}, "FindAllCtx:", "order of the keys"},
	{"the absent are left out", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		editAll(b, func(values [][]byte) [][]byte {
			return slices.DeleteFunc(values, func(value []byte) bool { return value == nil })
		})
		return nil
	}, "FindAllCtx: returns 3 values for 5 keys", "nil stands for"},
	{"the absent are empty", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		editAll(b, func(values [][]byte) [][]byte {
			for i := range values {
				values[i] = append([]byte{}, values[i]...)
			}
			return values
		})
		return nil
	}, "FindAllCtx:", "taken for ended"},
	{"to find the absent is an error", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		good := *b
		b.findAll = func(ctx context.Context, keys ...string) ([][]byte, error) {
			values, err := good.FindAllCtx(ctx, keys...)
			if slices.ContainsFunc(values, func(value []byte) bool { return value == nil }) {
				err = errBroken
			}
			return values, err
		}
		return nil
	}, "FindAllCtx:", "return nil and no error"},

	{"nothing expires", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.commit = func(_ context.Context, key string, value []byte, _ time.Time) error {
			return m.Commit(key, value, time.Now().Add(time.Hour))
		}
		return nil
	}, "expiry:", "would have no end"},
	{"expires at once", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.commit = func(_ context.Context, key string, value []byte, expiry time.Time) error {
			return m.Commit(key, value, expiry.Add(-2*time.Second))
		}
		return nil
	}, "expiry:", "logged out early"},
	{"the first expiry counts", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.commit = func(_ context.Context, key string, value []byte, expiry time.Time) error {
			return m.Commit(key, value, firstExpiry(m, key, expiry, func(first, _ time.Time) bool { return true }))
		}
		return nil
	}, "expiry:", "has expired"},
	{"an expiry is not prolonged", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.commit = func(_ context.Context, key string, value []byte, expiry time.Time) error {
			return m.Commit(key, value, firstExpiry(m, key, expiry, time.Time.Before))
		}
		return nil
	}, "expiry:", "logged out while working"},
	{"update keeps the expiry", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.update = func(ctx context.Context, key string, value []byte, expiry time.Time) (bool, error) {
			return m.UpdateCtx(ctx, key, value, time.Now().Add(time.Hour))
		}
		return nil
	}, "expiry:", "has expired"},
	{"update finds what has expired", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		b.update = func(ctx context.Context, key string, value []byte, expiry time.Time) (bool, error) {
			updated, err := m.UpdateCtx(ctx, key, value, expiry)
			_, was, _ := m.Find("ever" + key)
			return updated || was, err
		}
		b.commit = func(_ context.Context, key string, value []byte, expiry time.Time) error {
			return errors.Join(m.Commit(key, value, expiry), m.Commit("ever"+key, value, time.Now().Add(time.Hour)))
		}
		b.remove = func(_ context.Context, key string) error {
			return errors.Join(m.Delete(key), m.Delete("ever"+key))
		}
		return nil
	}, "expiry: UpdateCtx of a key that has expired", "continue in a session"},
	{"all finds what has expired", func(m testkit.FullStore, b *brokenStore) auth0.Store {
		ever := testkit.NewFullStore(10_000)
		b.commit = func(_ context.Context, key string, value []byte, expiry time.Time) error {
			return errors.Join(m.Commit(key, value, expiry), ever.Commit(key, value, time.Now().Add(time.Hour)))
		}
		b.findAll = func(ctx context.Context, keys ...string) ([][]byte, error) {
			return (&brokenStore{FullStore: ever}).FindAllCtx(ctx, keys...)
		}
		return nil
	}, "expiry: FindAllCtx returns", "has expired"},
}

// m0 returns a store with only the required methods.
func m0(m testkit.FullStore) auth0.Store { return plainStore{m} }

func cutKeys(b *brokenStore, m testkit.FullStore, cut func(string) string) {
	b.find = func(_ context.Context, key string) ([]byte, bool, error) { return m.Find(cut(key)) }
	b.commit = func(_ context.Context, key string, value []byte, expiry time.Time) error {
		return m.Commit(cut(key), value, expiry)
	}
	b.remove = func(_ context.Context, key string) error { return m.Delete(cut(key)) }
}

// aliasing keeps slices in a map, with or without copying them.
func aliasing(b *brokenStore, in, out bool) {
	var mu sync.Mutex
	values := map[string][]byte{}
	b.find = func(_ context.Context, key string) ([]byte, bool, error) {
		mu.Lock()
		defer mu.Unlock()
		value, found := values[key]
		if !out {
			value = bytes.Clone(value)
		}
		return value, found, nil
	}
	b.commit = func(_ context.Context, key string, value []byte, _ time.Time) error {
		mu.Lock()
		defer mu.Unlock()
		if !in {
			value = bytes.Clone(value)
		}
		values[key] = value
		return nil
	}
	b.remove = func(_ context.Context, key string) error {
		mu.Lock()
		defer mu.Unlock()
		delete(values, key)
		return nil
	}
}

// unownedLeases does not store the holder of a lease.
func unownedLeases(b *brokenStore, m testkit.FullStore, again bool) {
	var mu sync.Mutex
	b.lease = func(_ context.Context, key string, d time.Duration) (func(), bool, error) {
		mu.Lock()
		defer mu.Unlock()
		key = "lease" + key
		if _, held, _ := m.Find(key); held {
			return nil, false, nil
		}
		var once sync.Once
		release := func() {
			if again {
				m.Delete(key)
			}
			once.Do(func() { m.Delete(key) })
		}
		return release, true, m.Commit(key, nil, time.Now().Add(d))
	}
}

// raiseBy replaces RaiseCtx by another way to combine the stored and the raised values.
func raiseBy(b *brokenStore, m testkit.FullStore, number func(old, number int64) int64, expiry func(old, expiry time.Time) time.Time) {
	var mu sync.Mutex
	expiries := map[string]time.Time{}
	b.raise = func(_ context.Context, key string, n int64, at time.Time) error {
		mu.Lock()
		defer mu.Unlock()
		if value, found, _ := m.Find(key); found {
			old, err := strconv.ParseInt(string(value), 10, 64)
			if err != nil {
				return nil
			}
			n, at = number(old, n), expiry(expiries[key], at)
		}
		expiries[key] = at
		return m.Commit(key, strconv.AppendInt(nil, n, 10), at)
	}
}

func later(old, expiry time.Time) time.Time {
	if old.After(expiry) {
		return old
	}
	return expiry
}

func editAll(b *brokenStore, edit func([][]byte) [][]byte) {
	good := *b
	b.findAll = func(ctx context.Context, keys ...string) ([][]byte, error) {
		values, err := good.FindAllCtx(ctx, keys...)
		return edit(values), err
	}
}

// firstExpiry returns the first expiry of a key, if keep reports true.
func firstExpiry(m testkit.FullStore, key string, expiry time.Time, keep func(first, now time.Time) bool) time.Time {
	old, found, _ := m.Find("first" + key)
	if !found {
		text, _ := expiry.MarshalText()
		m.Commit("first"+key, text, time.Now().Add(time.Hour))
		return expiry
	}
	var first time.Time
	if first.UnmarshalText(old) == nil && keep(first, expiry) {
		return first
	}
	return expiry
}

// TestStoreIsBroken: TestStore finds each mistake, and its report names the cause.
func TestStoreIsBroken(t *testing.T) {
	for _, broken := range brokenStores {
		t.Run(broken.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := testkit.NewFullStore(10_000)
				b := &brokenStore{FullStore: m}
				store := broken.make(m, b)
				if store == nil {
					store = b
				}
				said := failureOf(func(tb auth0test.TB) { auth0test.TestStore(tb, store) })
				for line := range strings.Lines(said) {
					if strings.HasPrefix(line, broken.wants) && strings.Contains(line, broken.why) {
						said = ""
						break
					}
				}
				if said != "" {
					t.Errorf("nothing like %q ... %q in:\n%s", broken.wants, broken.why, said)
				}
				time.Sleep(24 * time.Hour) // for stores that hang
			})
		})
	}
}

// TestStoreSaysAll: TestStore reports all mistakes together, with the type of the store.
func TestStoreSaysAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &brokenStore{FullStore: testkit.NewFullStore(10_000)}
		b.remove = func(context.Context, string) error { return nil }
		b.lease = func(context.Context, string, time.Duration) (func(), bool, error) { return func() {}, true, nil }
		said := failureOf(func(tb auth0test.TB) { auth0test.TestStore(tb, b) })
		for _, want := range []string{"*auth0test_test.brokenStore", "\ndelete: ", "\nLeaseCtx: "} {
			if !strings.Contains(said, want) {
				t.Errorf("nothing of %q in:\n%s", want, said)
			}
		}
	})
}

// TestStoreLeavesNothing: TestStore deletes every value it commits.
func TestStoreLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		left := map[string]bool{}
		m := testkit.NewFullStore(10_000)
		b := &brokenStore{FullStore: m}
		b.commit = func(_ context.Context, key string, value []byte, expiry time.Time) error {
			mu.Lock()
			defer mu.Unlock()
			left[key] = true
			return m.Commit(key, value, expiry)
		}
		b.remove = func(_ context.Context, key string) error {
			mu.Lock()
			defer mu.Unlock()
			delete(left, key)
			return m.Delete(key)
		}
		if said := failureOf(func(tb auth0test.TB) { auth0test.TestStore(tb, b) }); said != "-" {
			t.Error(said)
		}
		if len(left) > 0 {
			t.Errorf("%d values are left", len(left))
		}
	})
}

// failureOf returns the failure message of a helper, "-" if it succeeds.
func failureOf(f func(auth0test.TB)) string {
	r := &recorderTB{said: "-"}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for _, cleanup := range r.cleanups {
				cleanup()
			}
		}()
		f(r)
	}()
	<-done
	return r.said
}

// A recorderTB records the failures of a test.
type recorderTB struct {
	said     string
	cleanups []func()
}

func (r *recorderTB) Helper()          {}
func (r *recorderTB) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorderTB) Fatalf(format string, args ...any) {
	r.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}
