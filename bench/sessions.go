package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/gorilla/securecookie"
	gorilla "github.com/gorilla/sessions"

	"github.com/seed-15d5a55c/auth0"
)

// A keeper is a library that keeps sessions, in the configuration that its
// documentation shows.
type keeper struct {
	name    string
	module  string // path, none for this library
	setup   string // its configuration, as text
	secrecy string // the parties that can read a session
	ends    string // the end of a session

	// build logs in. If a library has no login, build keeps the content of our login.
	build func(context.Context, *content) (*keeping, error)
}

// keeping is a keeper with one session.
type keeping struct {
	cookies []*http.Cookie
	read    func(*http.Request) (view, error)
	// accessToken is read only to check that it is present.
	accessToken func(*http.Request) (string, error)
	// writer returns a function that writes the session of a request with a change.
	writer func(*http.Request) (func(http.ResponseWriter, string) error, error)
}

// A view has the values of a session that a page shows.
type view struct{ subject, email, theme string }

var errNobody = errors.New("nobody is logged in")

const (
	oursInCookie = "this library, cookie"
	oursInMemory = "this library, memory store"
	securely     = "gorilla/securecookie"
)

var keepers = []keeper{
	{
		name:    securely,
		module:  "github.com/gorilla/securecookie",
		setup:   "`New` with a hash key of 64 and a block key of 32 bytes, `JSONEncoder`, `Encode` and `Decode` of a struct. What the others are compared with.",
		secrecy: "AES-256-CTR, then HMAC-SHA256, one key for all",
		ends:    "by the time it was written",
		build:   keepWithSecureCookie,
	},
	{
		name:    "gorilla/sessions",
		module:  "github.com/gorilla/sessions",
		setup:   "`NewCookieStore` with the same keys, `Get` and `Save`, strings and numbers in `Values`; securecookie with encoding/gob is inside.",
		secrecy: "as gorilla/securecookie",
		ends:    "by the time it was written",
		build:   keepWithGorilla,
	},
	{
		name:    "scs, memstore",
		module:  "github.com/alexedwards/scs/v2",
		setup:   "`New`, which keeps sessions in memory, `Load` with the token of the cookie, `GetString`; `Put`, `Commit` and `WriteSessionCookie`.",
		secrecy: "the store has it in clear, and the token that opens it",
		ends:    "by the time it began; an idle timeout is an option",
		build:   keepWithSCS,
	},
	{
		name:    oursInCookie,
		setup:   "`New` with one secret, `Session` and `SaveSession`.",
		secrecy: "AES-256-GCM, a key for each message",
		ends:    "by the times it began and was last used, and what the tenant says",
		build: func(ctx context.Context, c *content) (*keeping, error) {
			return keepOurselves(ctx, c, nil)
		},
	},
	{
		name:    oursInMemory,
		setup:   "The same with `NewMemoryStore`; each read also asks whether the session, the person, or the tenant's session was logged out.",
		secrecy: "the same, in the store too; its keys open nothing",
		ends:    "the same, and at once by a logout anywhere",
		build: func(ctx context.Context, c *content) (*keeping, error) {
			return keepOurselves(ctx, c, auth0.NewMemoryStore(1000))
		},
	},
}

// sessionField is every keeper with the session of one login.
type sessionField struct {
	kept     []*kept
	content  *content
	size     int // bytes of the session in this library, before it is encrypted
	versions map[string]string
}

// kept is one keeper in the field.
type kept struct {
	keeper
	*keeping
	size int // bytes of the cookies, names included
}

// newSessionField logs in, has every keeper keep the session, and checks that it returns
// the session and accepts no other.
func newSessionField(ctx context.Context) (*sessionField, error) {
	c, size, err := logIn(ctx)
	if err != nil {
		return nil, err
	}
	f := &sessionField{content: c, size: size}
	for _, keeper := range keepers {
		k, err := keeper.build(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", keeper.name, err)
		}
		one := &kept{keeper: keeper, keeping: k, size: len(cookieHeader(k.cookies))}
		if err := checkKept(ctx, one, c); err != nil {
			return nil, fmt.Errorf("%s: %w", keeper.name, err)
		}
		f.kept = append(f.kept, one)
	}
	f.versions, err = moduleVersions(ctx)
	return f, err
}

func (f *sessionField) facts() sessionFacts {
	facts := sessionFacts{f.size, f.versions, map[string]int{}}
	for _, k := range f.kept {
		facts.Cookies[k.name] = k.size
	}
	return facts
}

// moduleVersions gets the versions of the keepers from the go command.
func moduleVersions(ctx context.Context) (map[string]string, error) {
	args := []string{"list", "-m", "-f", "{{.Path}} {{.Version}}"}
	for _, k := range keepers {
		if k.module != "" {
			args = append(args, k.module)
		}
	}
	out, err := exec.CommandContext(ctx, "go", args...).Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	versions := map[string]string{"": "this checkout"}
	for line := range strings.Lines(string(out)) {
		module, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		versions[module] = version
	}
	return versions, nil
}

// The cookies that every keeper must reject.
const (
	changedCookie = "one character changed"
	garbageCookie = "garbage"
	nameOfSession = "session" // if the program chooses the name
)

var damages = map[string]func(string) string{
	changedCookie: func(value string) string {
		at := len(value) / 2
		other := byte('A')
		if value[at] == other {
			other = 'B'
		}
		return value[:at] + string(other) + value[at+1:]
	},
	garbageCookie: func(string) string { return "garbage" },
	"cut off":     func(value string) string { return value[:len(value)-8] },
}

// damaged returns cookies of which the last is changed.
func damaged(cookies []*http.Cookie, how string) []*http.Cookie {
	changed := append([]*http.Cookie(nil), cookies...)
	last := *changed[len(changed)-1]
	last.Value = damages[how](last.Value)
	changed[len(changed)-1] = &last
	return changed
}

func cookieHeader(cookies []*http.Cookie) string {
	var pairs []string
	for _, c := range cookies {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

// request returns a request with these cookies, as a server receives it.
func request(ctx context.Context, cookies []*http.Cookie) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://app.acme.example/", nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Cookie", cookieHeader(cookies))
	return r, nil
}

// again returns the request as if it came once more: some keepers cache the session in
// it.
func again(r *http.Request) *http.Request { return r.WithContext(r.Context()) }

// checkKept makes the figures comparable: every keeper returns the session, with its
// changes, and only for an unchanged cookie.
func checkKept(ctx context.Context, k *kept, c *content) error {
	r, err := request(ctx, k.cookies)
	if err != nil {
		return err
	}
	if err := checkView(k, r, view{c.Subject, c.Profile.Email, c.Theme}); err != nil {
		return err
	}
	token, err := k.accessToken(again(r))
	if err != nil {
		return fmt.Errorf("the access token of the session: %w", err)
	}
	// This library has its own login, and does its own comparison.
	if token == "" || k.module != "" && token != c.AccessToken {
		return errors.New("the access token of the session is another one")
	}
	for how := range damages {
		bad, err := request(ctx, damaged(k.cookies, how))
		if err != nil {
			return err
		}
		if _, err := k.read(bad); err == nil {
			return fmt.Errorf("takes a cookie that is damaged: %s", how)
		}
	}
	return checkWrite(ctx, k, r, c)
}

func checkView(k *kept, r *http.Request, want view) error {
	got, err := k.read(again(r))
	if err != nil {
		return fmt.Errorf("refuses its own cookie: %w", err)
	}
	if got != want {
		return fmt.Errorf("the session is %v, want %v", got, want)
	}
	return nil
}

// checkWrite changes the session and puts it back as it was.
func checkWrite(ctx context.Context, k *kept, r *http.Request, c *content) error {
	for _, theme := range []string{"another", c.Theme} {
		write, err := k.writer(again(r))
		if err != nil {
			return err
		}
		w := newHeaderWriter()
		if err := write(w, theme); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		cookies := (&http.Response{Header: w.header}).Cookies()
		if len(cookies) == 0 {
			return errors.New("writes no cookie")
		}
		written, err := request(ctx, cookies)
		if err != nil {
			return err
		}
		if err := checkView(k, written, view{c.Subject, c.Profile.Email, theme}); err != nil {
			return fmt.Errorf("after a write: %w", err)
		}
	}
	return nil
}

// A headerWriter is a ResponseWriter without a body.
type headerWriter struct{ header http.Header }

func newHeaderWriter() *headerWriter { return &headerWriter{http.Header{}} }

func (w *headerWriter) Header() http.Header         { return w.header }
func (w *headerWriter) Write(b []byte) (int, error) { return io.Discard.Write(b) }
func (w *headerWriter) WriteHeader(int)             {}

const (
	tableRead   = "Reading a session of about 2 KiB"
	tableWrite  = "Writing it"
	tableDamage = "Refusing a damaged cookie"
)

// sessionContests begin with a request that has cookies, so that finding them is
// in the figures.
func sessionContests(f *sessionField) []contest {
	contestOf := func(table, column string, prepare func(*kept) (operation, error)) contest {
		return contest{
			table: table, column: column, goroutines: 1,
			names: f.names(), reference: securely, ratio: "x securecookie",
			runners: func() []runner { return f.runners(prepare) },
		}
	}
	return []contest{
		contestOf(tableRead, "read", (*kept).reading),
		contestOf(tableWrite, "write", (*kept).writing),
		contestOf(tableDamage, changedCookie, func(k *kept) (operation, error) { return k.refusing(changedCookie) }),
		contestOf(tableDamage, garbageCookie, func(k *kept) (operation, error) { return k.refusing(garbageCookie) }),
	}
}

func (f *sessionField) names() []string {
	var names []string
	for _, k := range f.kept {
		names = append(names, k.name)
	}
	return names
}

func (f *sessionField) runners(prepare func(*kept) (operation, error)) []runner {
	var all []runner
	for _, k := range f.kept {
		op, err := prepare(k)
		if err != nil {
			op = func() error { return err }
		}
		all = append(all, runner{k.name, op})
	}
	return all
}

func (k *kept) reading() (operation, error) {
	r, err := request(context.Background(), k.cookies)
	return func() error {
		_, err := k.read(again(r))
		return err
	}, err
}

func (k *kept) refusing(how string) (operation, error) {
	r, err := request(context.Background(), damaged(k.cookies, how))
	return func() error {
		if _, err := k.read(again(r)); err == nil {
			return errors.New("takes a cookie that is damaged")
		}
		return nil
	}, err
}

// writing changes a session that was read before, each time to something else.
func (k *kept) writing() (operation, error) {
	r, err := request(context.Background(), k.cookies)
	if err != nil {
		return nil, err
	}
	write, err := k.writer(r)
	n := 0
	return func() error {
		n++
		return write(newHeaderWriter(), "theme"+strconv.Itoa(n%2))
	}, err
}

// cookieKeys returns keys for gorilla/securecookie, of the lengths that it recommends.
func cookieKeys() (hash, block []byte) {
	return securecookie.GenerateRandomKey(64), securecookie.GenerateRandomKey(32)
}

func keepWithSecureCookie(_ context.Context, c *content) (*keeping, error) {
	codec := securecookie.New(cookieKeys()).SetSerializer(securecookie.JSONEncoder{})
	value, err := codec.Encode(nameOfSession, c)
	if err != nil {
		return nil, err
	}
	open := func(r *http.Request) (*content, error) {
		cookie, err := r.Cookie(nameOfSession)
		if err != nil {
			return nil, err
		}
		var found content
		err = codec.Decode(nameOfSession, cookie.Value, &found)
		return &found, err
	}
	return &keeping{
		cookies: []*http.Cookie{{Name: nameOfSession, Value: value}},
		read: func(r *http.Request) (view, error) {
			found, err := open(r)
			if err != nil {
				return view{}, err
			}
			return view{found.Subject, found.Profile.Email, found.Theme}, nil
		},
		accessToken: func(r *http.Request) (string, error) {
			found, err := open(r)
			if err != nil {
				return "", err
			}
			return found.AccessToken, nil
		},
		writer: func(r *http.Request) (func(http.ResponseWriter, string) error, error) {
			found, err := open(r)
			return func(w http.ResponseWriter, theme string) error {
				found.Theme = theme
				value, err := codec.Encode(nameOfSession, found)
				if err == nil {
					http.SetCookie(w, &http.Cookie{Name: nameOfSession, Value: value, Path: "/", Secure: true, HttpOnly: true})
				}
				return err
			}, err
		},
	}, nil
}

func keepWithGorilla(ctx context.Context, c *content) (*keeping, error) {
	store := gorilla.NewCookieStore(cookieKeys())
	empty, err := request(ctx, nil)
	if err != nil {
		return nil, err
	}
	session, err := store.Get(empty, nameOfSession)
	if err != nil {
		return nil, err
	}
	for name, value := range c.values() {
		session.Values[name] = value
	}
	w := newHeaderWriter()
	if err := session.Save(empty, w); err != nil {
		return nil, err
	}
	text := func(s *gorilla.Session, name string) string { value, _ := s.Values[name].(string); return value }
	open := func(r *http.Request) (*gorilla.Session, error) {
		s, err := store.Get(r, nameOfSession)
		if err == nil && s.IsNew {
			err = errNobody
		}
		return s, err
	}
	return &keeping{
		cookies: (&http.Response{Header: w.header}).Cookies(),
		read: func(r *http.Request) (view, error) {
			s, err := open(r)
			if err != nil {
				return view{}, err
			}
			return view{text(s, "sub"), text(s, "email"), text(s, "theme")}, nil
		},
		accessToken: func(r *http.Request) (string, error) {
			s, err := open(r)
			return text(s, "access_token"), err
		},
		writer: func(r *http.Request) (func(http.ResponseWriter, string) error, error) {
			s, err := open(r)
			return func(w http.ResponseWriter, theme string) error {
				s.Values["theme"] = theme
				return s.Save(r, w)
			}, err
		},
	}, nil
}

func keepWithSCS(ctx context.Context, c *content) (*keeping, error) {
	manager := scs.New()
	manager.Lifetime = 24 * time.Hour
	manager.Cookie.Secure = true
	begun, err := manager.Load(ctx, "")
	if err != nil {
		return nil, err
	}
	for name, value := range c.values() {
		manager.Put(begun, name, value)
	}
	token, _, err := manager.Commit(begun)
	if err != nil {
		return nil, err
	}
	open := func(r *http.Request) (context.Context, error) {
		cookie, err := r.Cookie(manager.Cookie.Name)
		if err != nil {
			return nil, err
		}
		return manager.Load(r.Context(), cookie.Value)
	}
	return &keeping{
		cookies: []*http.Cookie{{Name: manager.Cookie.Name, Value: token}},
		read: func(r *http.Request) (view, error) {
			ctx, err := open(r)
			if err != nil {
				return view{}, err
			}
			// An unknown token begins a new session.
			v := view{manager.GetString(ctx, "sub"), manager.GetString(ctx, "email"), manager.GetString(ctx, "theme")}
			if v.subject == "" {
				return v, errNobody
			}
			return v, nil
		},
		accessToken: func(r *http.Request) (string, error) {
			ctx, err := open(r)
			if err != nil {
				return "", err
			}
			return manager.GetString(ctx, "access_token"), nil
		},
		writer: func(r *http.Request) (func(http.ResponseWriter, string) error, error) {
			ctx, err := open(r)
			return func(w http.ResponseWriter, theme string) error {
				manager.Put(ctx, "theme", theme)
				token, expiry, err := manager.Commit(ctx)
				if err == nil {
					manager.WriteSessionCookie(ctx, w, token, expiry)
				}
				return err
			}, err
		},
	}, nil
}
