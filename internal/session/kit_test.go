package session

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/seal"
)

const (
	idle     = 24 * time.Hour
	absolute = 72 * time.Hour
	issuer   = "https://tenant.example/"
)

var (
	ourCookie = cookie.Cookie{Name: "s", Path: "/"}
	ring      = keyring("an example of a secret, the first one")
	newRing   = keyring("an example of a secret, the second", "an example of a secret, the first one")
	otherRing = keyring("a secret that another application has")
	errDown   = errors.New("the store is down")
)

func keyring(secrets ...string) seal.Keyring {
	k, err := seal.New(secrets)
	if err != nil {
		panic(err)
	}
	return k
}

// A logBuffer holds log lines of several goroutines.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// newManager returns a Manager of sessions in cookies, changed by change. Its log goes to
// the second value.
func newManager(change func(*Config)) (*Manager, *logBuffer) {
	log := &logBuffer{}
	c := Config{
		Cookies: &cookie.Names{Session: ourCookie}, Keyring: ring, Client: "client", Idle: idle, Absolute: absolute, Now: time.Now,
		Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&c)
	}
	return New(c), log
}

func withStore(s Store) func(*Config) { return func(c *Config) { c.Store = s } }

// newRecord returns a session that begins now.
func newRecord(id string) *Record {
	now := time.Now().Unix()
	return &Record{
		ID: id, Issuer: issuer, Subject: "ada", createdAt: now, touchedAt: now,
		issuedAt: now, expiresAt: now + int64(idle/time.Second),
		Claims: `{"name":"Ada"}`, Tokens: []Token{{Token: "access"}}, RefreshToken: "refresh",
	}
}

// A browser holds cookies by name.
type browser map[string]string

func (b browser) request() *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	var names []string
	for name := range b {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		r.AddCookie(&http.Cookie{Name: name, Value: b[name]})
	}
	return r
}

func (b browser) jar() cookie.Jar { return jarOf(b.request()) }

func jarOf(r *http.Request) cookie.Jar { return cookie.Read(r, ourCookie.Is) }

// jarWith returns the jar of a request with several values of the cookie.
func jarWith(values ...string) cookie.Jar {
	r := httptest.NewRequest("GET", "/", nil)
	for _, value := range values {
		r.AddCookie(&http.Cookie{Name: "s", Value: value})
	}
	return jarOf(r)
}

// receive stores the cookies of a response.
func (b browser) receive(w http.ResponseWriter) {
	for _, line := range w.Header()["Set-Cookie"] {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			panic(err)
		}
		if c.MaxAge < 0 {
			delete(b, c.Name)
		} else {
			b[c.Name] = c.Value
		}
	}
}

// of returns the sessions of a request, which is not loaded, and of its response.
func of(jar cookie.Jar) *Loaded { return &Loaded{Jar: jar} }

// loadJar loads the session in a jar.
func loadJar(t *testing.T, m *Manager, jar cookie.Jar) *Loaded {
	l := of(jar)
	m.Load(t.Context(), l)
	return l
}

// begin starts a session and returns a browser with its cookie.
func begin(t *testing.T, m *Manager, record *Record) browser {
	t.Helper()
	b, w := browser{}, httptest.NewRecorder()
	if err := m.Begin(t.Context(), w, of(b.jar()), record); err != nil {
		t.Fatal(err)
	}
	b.receive(w)
	return b
}

// load expects a session with the given id, empty for none.
func load(t *testing.T, m *Manager, b browser, id string) *Loaded {
	t.Helper()
	l := loadJar(t, m, b.jar())
	switch {
	case l.Err != nil:
		t.Errorf("load: %v", l.Err)
	case (l.Record != nil) != (id != ""), l.Record != nil && l.Record.ID != id:
		t.Errorf("loaded %+v, want %q", l.Record, id)
	}
	return l
}

// waits has the time after which the caller can try again.
var waits = map[string]time.Duration{
	"we cannot read your session right now. Try again in a minute": 5 * time.Second,
	"too many users are logged in right now. Try again later":      time.Minute,
	refusal.StoreWrite.Description:                                 outageWait,
}

// expectRefusal compares a refusal, noError for none.
func expectRefusal(t *testing.T, why string, err error, want refusal.Row) {
	t.Helper()
	got, ok := err.(*refusal.Refusal)
	switch {
	case want == noError && err != nil:
		t.Errorf("%s: %v", why, err)
	case want != noError && (!ok || got.Row != want || got.RetryAfter != waits[want.Description]):
		t.Errorf("%s: %+v, want the refusal %s", why, err, want.Reason)
	}
}

var noError refusal.Row

func expectEqual(t *testing.T, why string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %+v, want %+v", why, got, want)
	}
}

// inBubble runs a test in fake time.
func inBubble(t *testing.T, f func(*testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// A fakeStore is a Memory behind a hook. A Manager calls it on goroutines, like every store
// other than a Memory.
type fakeStore struct {
	*Memory

	mu   sync.Mutex
	hook func(ctx context.Context, op, key string) error // nil: nothing
	ops  []string                                        // names of all calls
}

// on has f called by each operation, which fails with its error.
func (s *fakeStore) on(f func(ctx context.Context, op, key string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = f
}

func newFake() *fakeStore { return &fakeStore{Memory: NewMemory(1000)} }

// fail has the named operations fail, all of them without a name.
func (s *fakeStore) fail(names ...string) {
	s.on(func(_ context.Context, op, _ string) error {
		if len(names) == 0 || slices.Contains(names, op) {
			return errDown
		}
		return nil
	})
}

// called returns the operations since the last call.
func (s *fakeStore) called() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ops := strings.Join(s.ops, " ")
	s.ops = nil
	return ops
}

func (s *fakeStore) note(ctx context.Context, op, key string) error {
	s.mu.Lock()
	s.ops = append(s.ops, op)
	hook := s.hook
	s.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(ctx, op, key)
}

func (s *fakeStore) FindCtx(ctx context.Context, key string) ([]byte, bool, error) {
	if err := s.note(ctx, "FindCtx", key); err != nil {
		return nil, false, err
	}
	return s.Memory.FindCtx(ctx, key)
}

func (s *fakeStore) Find(key string) ([]byte, bool, error) {
	if err := s.note(context.Background(), "Find", key); err != nil {
		return nil, false, err
	}
	return s.Memory.Find(key)
}

func (s *fakeStore) Commit(key string, value []byte, expiry time.Time) error {
	if err := s.note(context.Background(), "Commit", key); err != nil {
		return err
	}
	return s.Memory.Commit(key, value, expiry)
}

func (s *fakeStore) CommitCtx(ctx context.Context, key string, value []byte, expiry time.Time) error {
	if err := s.note(ctx, "CommitCtx", key); err != nil {
		return err
	}
	return s.Memory.CommitCtx(ctx, key, value, expiry)
}

func (s *fakeStore) CommitOwnedCtx(ctx context.Context, key, owner string, value []byte, expiry time.Time) error {
	if err := s.note(ctx, "CommitOwnedCtx", key); err != nil {
		return err
	}
	return s.Memory.CommitOwnedCtx(ctx, key, owner, value, expiry)
}

func (s *fakeStore) Delete(key string) error {
	if err := s.note(context.Background(), "Delete", key); err != nil {
		return err
	}
	return s.Memory.Delete(key)
}

func (s *fakeStore) DeleteCtx(ctx context.Context, key string) error {
	if err := s.note(ctx, "DeleteCtx", key); err != nil {
		return err
	}
	return s.Memory.DeleteCtx(ctx, key)
}

func (s *fakeStore) UpdateCtx(ctx context.Context, key string, value []byte, expiry time.Time) (bool, error) {
	if err := s.note(ctx, "UpdateCtx", key); err != nil {
		return false, err
	}
	return s.Memory.UpdateCtx(ctx, key, value, expiry)
}

func (s *fakeStore) RaiseCtx(ctx context.Context, key string, number int64, expiry time.Time) error {
	if err := s.note(ctx, "RaiseCtx", key); err != nil {
		return err
	}
	return s.Memory.RaiseCtx(ctx, key, number, expiry)
}

func (s *fakeStore) LeaseCtx(ctx context.Context, key string, d time.Duration) (func(), bool, error) {
	if err := s.note(ctx, "LeaseCtx", key); err != nil {
		return nil, false, err
	}
	end, ok, err := s.Memory.LeaseCtx(ctx, key, d)
	return func() { s.note(ctx, "release", key); end() }, ok, err
}

func (s *fakeStore) FindAllCtx(ctx context.Context, keys ...string) ([][]byte, error) {
	if err := s.note(ctx, "FindAllCtx", keys[0]); err != nil {
		return nil, err
	}
	return s.Memory.FindAllCtx(ctx, keys...)
}

// plain hides all but the three methods of Store.
func plain(s Store) Store { return struct{ Store }{s} }
