package emulator

import (
	"cmp"
	"net/http"
	"time"
)

// A session is a browser's login at the tenant, which single sign-on reuses.
type session struct {
	id         string // cookie value
	sid        string // its public name, in ID tokens and logout requests
	user       string
	connection string
	authTime   time.Time
	created    time.Time
	seen       time.Time
	mfa        bool
}

const (
	sessionCookie   = "auth0"
	sessionIdle     = 3 * 24 * time.Hour
	sessionAbsolute = 7 * 24 * time.Hour
)

// browserSessions are the sessions of browsers at the tenant, and the automatic
// user in place of one.
type browserSessions struct {
	*site
	directory *directory
	faults    *faults

	open *bounded[session]
}

// sessionOf returns the browser's session. Cookies of other tenants on the same
// host may come along, because cookies do not know ports.
func (ss *browserSessions) sessionOf(r *http.Request) (session, bool) {
	now := ss.now()
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for _, c := range r.CookiesNamed(sessionCookie) {
		s, ok := ss.open.get(c.Value)
		if !ok {
			continue
		}
		if now.Sub(s.seen) > sessionIdle || now.Sub(s.created) > sessionAbsolute || ss.directory.data.users[s.user] == nil {
			ss.open.delete(s.id)
			continue
		}
		return s, true
	}
	return session{}, false
}

// keepSession makes the finished login the browser's session. The cookie value
// changes with every login, against fixation; the sid stays while the user and
// the browser are the same.
func (ss *browserSessions) keepSession(w http.ResponseWriter, r *http.Request, tx transaction) session {
	now := ss.now()
	old, had := ss.sessionOf(r)
	s := old
	switch {
	case had && old.user == tx.user && tx.resumed:
	case had && old.user == tx.user:
		s.id = randomID(43)
	default:
		s = session{id: randomID(43), sid: randomID(32), created: now}
	}
	s.user = tx.user
	s.connection = tx.connection
	s.authTime = tx.authTime
	s.seen = now
	s.mfa = s.mfa || tx.mfaDone

	ss.mu.Lock()
	if s.id != old.id {
		ss.open.delete(old.id)
	}
	ss.open.put(s.id, s)
	ss.mu.Unlock()
	ss.setSessionCookie(w, s.id, int(sessionIdle/time.Second))
	return s
}

func (ss *browserSessions) endSession(w http.ResponseWriter, s session) {
	ss.mu.Lock()
	ss.open.delete(s.id)
	ss.mu.Unlock()
	ss.setSessionCookie(w, "", -1)
}

// setSessionCookie sets the cookie as Auth0 does: SameSite=None, so that silent
// logins in frames work, which browsers accept over https only.
func (ss *browserSessions) setSessionCookie(w http.ResponseWriter, value string, maxAge int) {
	c := &http.Cookie{
		Name:     sessionCookie,
		Value:    value,
		Path:     cmp.Or(ss.path, "/"),
		MaxAge:   maxAge,
		HttpOnly: true,
		Secure:   ss.secure,
		SameSite: http.SameSiteLaxMode,
	}
	if ss.secure {
		c.SameSite = http.SameSiteNoneMode
	}
	http.SetCookie(w, c)
}

// LogIn turns on the automatic mode: from now on the named user answers every
// page at once, and /authorize redirects without pages. An account to connect is
// the one with the same email address, or else the first of the connection. The
// user is named by email address or subject. The empty name returns to pages.
func (ss *browserSessions) LogIn(user string) error {
	subject := ""
	if user != "" {
		var ok bool
		if subject, ok = ss.directory.Subject(user); !ok {
			return unknownUser(user)
		}
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.faults.automatic = subject
	return nil
}

// LogOut ends the automatic mode and every session at the tenant.
func (ss *browserSessions) LogOut() {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.faults.automatic = ""
	ss.open.deleteFunc(func(session) bool { return true })
}
