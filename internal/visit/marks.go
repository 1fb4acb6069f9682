package visit

import (
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/seal"
)

// Marks are small sealed values in a browser.
type Marks struct {
	Cookies *cookie.Names
	Keyring seal.Keyring
	Now     func() time.Time
	Log     *slog.Logger
	// Silent reports whether the application has silent logins. Without them, no mark
	// of a silent login is set.
	Silent *atomic.Bool
}

const (
	purposeLostLogins = "tries"
	purposeSilent     = "silent"

	// maxLostLogins is the number of logins that can be lost within lostLoginWindow. A
	// login is lost if it was completed and the browser did not send its session back. A
	// user who opens many pages, or logs in and out, loses none.
	maxLostLogins   = 3
	lostLoginWindow = time.Minute
	// silentPause is the time after a silent login without another one.
	silentPause = 5 * time.Minute
)

// lostLogins returns the number of lost logins of a browser, and the time of the first
// one.
func (m Marks) lostLogins(jar cookie.Jar) (count int, since int64) {
	now := m.Now().Unix()
	plain, ok := m.open(purposeLostLogins, m.Cookies.LostLogins, jar)
	if !ok {
		return 0, now
	}
	if _, err := fmt.Sscanf(plain, "%d-%d", &count, &since); err != nil || since > now || now-since >= int64(lostLoginWindow/time.Second) {
		return 0, now
	}
	return count, since
}

// LosesLogins reports whether a browser loses the session of every login. If so, it
// also removes the mark, so that counting begins anew.
func (m Marks) LosesLogins(w http.ResponseWriter, jar cookie.Jar) bool {
	count, _ := m.lostLogins(jar)
	if count < maxLostLogins {
		return false
	}
	m.FoundSession(w, jar) // a visitor who follows the advice can log in at once
	return true
}

// ExpectSession counts a login as lost until its session comes back.
func (m Marks) ExpectSession(w http.ResponseWriter, jar cookie.Jar) error {
	count, since := m.lostLogins(jar)
	c := m.Cookies.LostLogins
	value := m.Keyring.Seal(purposeLostLogins, c.Name, fmt.Appendf(nil, "%d-%d", count+1, since))
	if err := c.Set(w, jar, value, lostLoginWindow); err != nil {
		return refusal.Internal.Wrap(err)
	}
	return nil
}

// FoundSession removes the mark of lost logins, because the browser sent a session.
func (m Marks) FoundSession(w http.ResponseWriter, jar cookie.Jar) {
	if _, ok := m.open(purposeLostLogins, m.Cookies.LostLogins, jar); ok {
		m.Cookies.LostLogins.Delete(w, jar)
	}
}

// NoteSilent sets the mark of a silent login, so that the next pages do not try another.
func (m Marks) NoteSilent(w http.ResponseWriter, jar cookie.Jar) {
	if !m.Silent.Load() {
		return
	}
	c := m.Cookies.Silent
	value := m.Keyring.Seal(purposeSilent, c.Name, strconv.AppendInt(nil, m.Now().Unix(), 10))
	if err := c.Set(w, jar, value, silentPause); err != nil {
		m.Log.Error("auth0: the cookie of silent logins cannot be set", "err", err)
	}
}

// TriedSilent reports whether a silent login was tried in the last five minutes.
func (m Marks) TriedSilent(jar cookie.Jar) bool {
	plain, ok := m.open(purposeSilent, m.Cookies.Silent, jar)
	if !ok {
		return false
	}
	at, err := strconv.ParseInt(plain, 10, 64)
	age := time.Duration(m.Now().Unix()-at) * time.Second
	return err == nil && age < silentPause
}

// ForgetSilent removes the mark of a silent login, so that one can be tried as soon as
// the session of a login is over.
func (m Marks) ForgetSilent(w http.ResponseWriter, jar cookie.Jar) {
	if m.TriedSilent(jar) {
		m.Cookies.Silent.Delete(w, jar)
	}
}

func (m Marks) open(purpose string, c cookie.Cookie, jar cookie.Jar) (string, bool) {
	plain, _, ok := m.Keyring.OpenText(purpose, c.Name, jar.First(c.Name))
	return plain, ok
}
