package session

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/seal"
)

// The purposes of sealed cookie values.
const (
	purposeID      = "sid" // the id of a session in the store
	purposeSession = "session"
)

// cookies reads and writes the cookies of sessions.
type cookies struct {
	cookie  cookie.Cookie
	ended   cookie.Cookie
	keyring seal.Keyring
	idsOnly bool // sessions are in a store, and a cookie has the id
	left    func(*Record) time.Duration
	log     *slog.Logger
	warned  atomic.Bool // of large cookies
}

// openID returns the id in a cookie.
func (c *cookies) openID(value string) (id string, current, ok bool) {
	return c.keyring.OpenText(purposeID, c.cookie.Name, value)
}

// open returns the session in a cookie, or nil if the cookie does not open.
func (c *cookies) open(value string) (record *Record, current bool) {
	plain, current, ok := c.keyring.OpenText(purposeSession, c.cookie.Name, value)
	if !ok {
		return nil, false
	}
	if record = decodeRecord(plain); record != nil {
		record.inCookie = true
	}
	return record, current
}

// ids returns the id of the session in each cookie of a jar, empty for a cookie that
// does not open.
func (c *cookies) ids(jar cookie.Jar) []string {
	var ids []string
	for _, value := range c.cookie.Values(jar) {
		ids = append(ids, c.idOf(value))
	}
	return ids
}

func (c *cookies) idOf(value string) string {
	if id, _, ok := c.openID(value); ok {
		return id
	}
	if record, _ := c.open(value); record != nil {
		return record.ID
	}
	return ""
}

// set sets the cookie of a session. It returns the id of the session that the response
// had before, empty for none. It fails with [refusal.TooLarge] if the session does not
// fit into cookies.
func (c *cookies) set(w http.ResponseWriter, l *Loaded, record *Record) (before string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return c.setNow(w, l, record)
}

// setTokens sets the cookie of a session whose tokens have changed. It does nothing
// if the response already has newer tokens, or another session.
func (c *cookies) setTokens(w http.ResponseWriter, l *Loaded, changed *Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sent != nil {
		if l.sent.ID != changed.ID || l.sent.Refreshes >= changed.Refreshes {
			return nil
		}
		changed = l.sent.withTokensOf(changed)
	}
	_, err := c.setNow(w, l, changed)
	return err
}

// setNow is set for a caller that has the lock.
func (c *cookies) setNow(w http.ResponseWriter, l *Loaded, record *Record) (before string, err error) {
	written := c.cookie
	if record.Persistent != nil {
		written.SessionOnly = !*record.Persistent
	}
	if err := written.Set(w, l.Jar, c.value(record), c.left(record)); err != nil {
		return "", refusal.TooLarge.Wrap(err)
	}
	return l.send(record), nil
}

// delete deletes the cookies of a request, and sets another one for a second. It returns
// the id of the session that the response had before, empty for none.
//
// Chromium keeps a page with Cache-Control: no-store for the back button, until a cookie
// with HttpOnly changes. It does not count the cookies that the redirects to this page
// have set, even if they change later. These are all cookies of a login that leads
// to the page. Without the other cookie, the back button would show the page after a
// logout. The other cookie has a new name each time, because these redirects can also
// begin with the end of a session.
func (c *cookies) delete(w http.ResponseWriter, l *Loaded) (before string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before = l.send(nil)
	c.cookie.Delete(w, l.Jar)
	if c.ended.Name == "" || len(c.cookie.Values(l.Jar)) == 0 {
		return before
	}
	ended := c.ended
	ended.Name += "_" + rand.Text()[:8]
	if err := ended.Set(w, l.Jar, "1", time.Second); err != nil {
		c.log.Error("auth0: the cookie of an ended session cannot be set", "err", err)
	}
	return before
}

// value returns the sealed id or record. It drops the ID token, the third-party tokens
// and all access tokens but the first from a large record. The access tokens and
// third-party tokens can be requested again.
func (c *cookies) value(record *Record) string {
	const comfortable = 6 << 10
	if c.idsOnly {
		return c.keyring.Seal(purposeID, c.cookie.Name, []byte(record.ID))
	}
	value := c.seal(record)
	if len(value) > comfortable && (record.idToken != "" || len(record.Tokens) > 1 || len(record.Vault) > 0) {
		smaller := *record
		smaller.idToken, smaller.Vault = "", nil
		smaller.Tokens = record.Tokens[:min(len(record.Tokens), 1)]
		value = c.seal(&smaller)
	}
	if len(value) > comfortable && c.warned.CompareAndSwap(false, true) {
		c.log.Warn("auth0: session cookies are larger than 6 KiB, which some servers and proxies reject; keep fewer claims with Config.KeepClaim, or less data, or set Config.Store", "bytes", len(value))
	}
	return value
}

func (c *cookies) seal(record *Record) string {
	return c.keyring.Seal(purposeSession, c.cookie.Name, record.encode())
}
