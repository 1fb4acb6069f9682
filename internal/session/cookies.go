package session

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"sync"
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
	// headers guards the headers of responses. Several goroutines of one request
	// can refresh tokens at once, and http.Header is not safe for concurrent use.
	headers sync.Mutex
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

// A sentSession is the session in the cookies of a response.
type sentSession struct {
	id     string  // empty if the response sets none
	record *Record // the session, if it is in the cookie
}

// sent returns the session that a response sets so far.
func (c *cookies) sent(w http.ResponseWriter) sentSession {
	c.headers.Lock()
	defer c.headers.Unlock()
	return c.sentNow(w)
}

func (c *cookies) sentNow(w http.ResponseWriter) sentSession {
	for _, value := range c.cookie.Values(c.cookie.Sent(w.Header())) {
		if c.idsOnly {
			id, _, _ := c.openID(value)
			return sentSession{id: id}
		}
		if record, _ := c.open(value); record != nil {
			return sentSession{id: record.ID, record: record}
		}
	}
	return sentSession{}
}

// set sets the cookie of a session. It fails with [refusal.TooLarge] if
// the session does not fit into cookies.
func (c *cookies) set(w http.ResponseWriter, jar cookie.Jar, record *Record) error {
	c.headers.Lock()
	defer c.headers.Unlock()
	return c.setNow(w, jar, record)
}

// setTokens sets the cookie of a session whose tokens have changed. It does nothing
// if the response already has newer tokens, or another session.
func (c *cookies) setTokens(w http.ResponseWriter, jar cookie.Jar, changed *Record) error {
	c.headers.Lock()
	defer c.headers.Unlock()
	switch sent := c.sentNow(w); {
	case sent.id == "":
		return c.setNow(w, jar, changed)
	case sent.id == changed.ID && sent.record.Refreshes < changed.Refreshes:
		return c.setNow(w, jar, sent.record.withTokensOf(changed))
	}
	return nil
}

func (c *cookies) setNow(w http.ResponseWriter, jar cookie.Jar, record *Record) error {
	written := c.cookie
	if record.Persistent != nil {
		written.SessionOnly = !*record.Persistent
	}
	if err := written.Set(w, jar, c.value(record), c.left(record)); err != nil {
		return refusal.TooLarge.Wrap(err)
	}
	return nil
}

// delete deletes the cookies of a jar, and sets another one for a second.
//
// Chromium keeps a page with Cache-Control: no-store for the back button, until a cookie
// with HttpOnly changes. It does not count the cookies that the redirects to this page
// have set, even if they change later. These are all cookies of a login that leads
// to the page. Without the other cookie, the back button would show the page after a
// logout. The other cookie has a new name each time, because these redirects can also
// begin with the end of a session.
func (c *cookies) delete(w http.ResponseWriter, jar cookie.Jar) {
	c.headers.Lock()
	defer c.headers.Unlock()
	c.cookie.Delete(w, jar)
	if c.ended.Name == "" || len(c.cookie.Values(jar)) == 0 {
		return
	}
	ended := c.ended
	ended.Name += "_" + rand.Text()[:8]
	if err := ended.Set(w, jar, "1", time.Second); err != nil {
		c.log.Error("auth0: the cookie of an ended session cannot be set", "err", err)
	}
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
