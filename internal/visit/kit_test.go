package visit

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/seal"
	"github.com/seed-15d5a55c/auth0/internal/session"
)

const (
	origin   = "https://app.example"
	idle     = 10 * time.Hour
	absolute = 100 * time.Hour
)

// now is the engine's clock. It is far from the machine's clock, so that a test fails if it
// reads the wrong one.
func now() time.Time { return time.Now().Add(2000 * time.Hour) }

// A store can be down. A call whose caller has left can be under way while the test changes
// the store.
type store struct {
	session.Store
	mu                 sync.Mutex
	findErr, commitErr error
}

func (s *store) fail(find, commit error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.findErr, s.commitErr = find, commit
}

func (s *store) failures() (find, commit error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.findErr, s.commitErr
}

func (s *store) Find(key string) ([]byte, bool, error) {
	if err, _ := s.failures(); err != nil {
		return nil, false, err
	}
	return s.Store.Find(key)
}

func (s *store) Commit(key string, value []byte, expiry time.Time) error {
	if _, err := s.failures(); err != nil {
		return err
	}
	return s.Store.Commit(key, value, expiry)
}

// An env is one application and one browser.
type env struct {
	*testing.T
	visits  *Visits
	store   *store // nil if sessions are in cookies
	log     *bytes.Buffer
	silent  atomic.Bool
	cookies []*http.Cookie // of the browser
	read    int            // requests whose cookies were read
	counts  bool           // whether a request counts as use
	origin  error          // of the site of a request
}

// inEachMode runs a test in fake time, with sessions in cookies and in a store.
func inEachMode(t *testing.T, f func(*env)) {
	t.Helper()
	t.Run("cookies", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { f(newEnv(t, nil)) }) })
	t.Run("store", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { f(newEnv(t, &store{Store: session.NewMemory(100)})) })
	})
}

func newEnv(t *testing.T, st *store) *env {
	e := &env{T: t, store: st, log: &bytes.Buffer{}, counts: true}
	e.visits = e.application("app_session", "client")
	return e
}

// application returns the visits of an application with sessions in a cookie.
func (e *env) application(name, client string) *Visits {
	ring, err := seal.New([]string{"an example of a secret for the tests of visit"})
	if err != nil {
		e.Fatal(err)
	}
	ring = ring.Bind(client)
	log := slog.New(slog.NewTextHandler(e.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	names := cookie.NewNames(cookie.Cookie{Name: name, Path: "/", Secure: true}, false)
	names.Watch = func(*http.Request) { e.read++ }
	c := session.Config{
		Cookies: &cookie.Names{Session: names.Session}, Keyring: ring, Client: client, Idle: idle, Absolute: absolute,
		CountsAsUse: func(*http.Request) bool { return e.counts }, Now: now, Log: log,
	}
	if e.store != nil {
		c.Store = e.store
	}
	return &Visits{
		Cookies: names, Sessions: session.New(c), Log: log,
		Origin: func(*http.Request) (string, error) {
			if e.origin != nil {
				return "", e.origin
			}
			return origin, nil
		},
		Marks: Marks{Cookies: names, Keyring: ring, Now: now, Log: log, Silent: &e.silent},
	}
}

// login begins a session in the browser.
func (e *env) login(id string) {
	e.Helper()
	w := httptest.NewRecorder()
	e.begin(w, id)
	e.take(w)
}

// begin begins a session in a response of its own.
func (e *env) begin(w http.ResponseWriter, id string) {
	e.Helper()
	e.beginIn(w, &session.Loaded{}, id)
}

// loaded returns the sessions of a request that is loaded, and of its response.
func (e *env) loaded(r *http.Request) *session.Loaded {
	e.Helper()
	l, err := e.visits.Loaded(r)
	if err != nil {
		e.Fatal(err)
	}
	return l
}

// beginIn begins a session in the response to a request.
func (e *env) beginIn(w http.ResponseWriter, l *session.Loaded, id string) {
	e.Helper()
	record, err := session.NewRecord(&jwt.Claims{Issuer: "https://tenant.example/", Subject: "ada"}, 0, now())
	if err != nil {
		e.Fatal(err)
	}
	record.ID = id
	record.SetIdentity(&jwt.Claims{}, "{}", "")
	if err := e.visits.Sessions.Begin(e.Context(), w, l, record); err != nil {
		e.Fatal(err)
	}
}

// take applies the Set-Cookie lines of a response. It returns their names, with a minus
// for those that delete.
func (e *env) take(w *httptest.ResponseRecorder) string {
	var changes []string
	for _, c := range w.Result().Cookies() {
		e.cookies = slices.DeleteFunc(e.cookies, func(o *http.Cookie) bool { return o.Name == c.Name })
		if c.MaxAge < 0 {
			changes = append(changes, "-"+c.Name)
			continue
		}
		changes = append(changes, c.Name)
		e.cookies = append(e.cookies, c)
	}
	return strings.Join(changes, " ")
}

// request returns a request of the browser. Header is names and values in turn.
func (e *env) request(header ...string) *http.Request {
	r := httptest.NewRequest("GET", origin+"/x", nil).WithContext(e.Context())
	for _, c := range e.cookies {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// page and image are headers of browsers. An image does not use a session.
var (
	page  = []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	image = []string{"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}
)

// load stands for the middleware.
func (e *env) load(header ...string) (r *http.Request, w *httptest.ResponseRecorder, wrote bool) {
	w = httptest.NewRecorder()
	r, wrote = e.visits.Load(w, e.request(header...))
	return r, w, wrote
}

func (e *env) jar() cookie.Jar { return e.visits.Cookies.Read(e.request()) }

// expect compares the row of a refusal, the zero row for none.
func expect(t *testing.T, why string, err error, want refusal.Row, cause string) {
	t.Helper()
	if want == (refusal.Row{}) {
		if err != nil {
			t.Errorf("%s: %v", why, err)
		}
		return
	}
	got, ok := errors.AsType[*refusal.Refusal](err)
	if !ok || got.Row != want || !strings.Contains(got.Error(), cause) {
		t.Errorf("%s: %v, want %v because of %q", why, err, want, cause)
	}
}
