package cookie

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
)

// Names has the cookies of one application. Only the session cookie can have a domain,
// or a path other than the root. The others are for this host alone. If a sibling host
// could set them, it could log users in to another account.
type Names struct {
	Session     Cookie
	Transaction Cookie // its name is a prefix; an id of IDLength bytes follows
	LostLogins  Cookie
	Silent      Cookie
	// Ended is set with the end of a session, and never read. Its name is a prefix.
	Ended Cookie

	// Watch, if not nil, is called with each request whose cookies are read. It is
	// for tests that count them.
	Watch func(*http.Request)
}

// SessionName returns the default name of a session cookie, which differs for each path
// of the base URL. Otherwise, two programs below two paths of one host would replace
// each other's sessions. The path of the cookie is the root, because only that allows the
// prefix __Host-.
func SessionName(path string) string {
	if path = strings.Trim(path, "/"); path == "" {
		return "auth0_session"
	}
	sum := sha256.Sum256([]byte(path))
	return "auth0_" + base64.RawURLEncoding.EncodeToString(sum[:])[:6] + "_session"
}

// NewNames derives the cookies from the one of the session. With formPost, the tenant
// answers a login with a form. Browsers send only cookies with SameSite=None with a
// form of another site.
func NewNames(session Cookie, formPost bool) *Names {
	beside := func(name string) Cookie {
		return Cookie{Name: name, Path: "/", Secure: session.Secure, SameSite: http.SameSiteLaxMode}
	}
	// Two applications on one host can use the same session name in two paths.
	place := ""
	if session.Path != "/" || session.Domain != "" {
		sum := sha256.Sum256([]byte(session.Path + "\n" + session.Domain))
		place = base64.RawURLEncoding.EncodeToString(sum[:])[:6] + "_"
	}
	transaction := beside(strings.TrimSuffix(session.Name, "_session") + "_txn_" + place)
	if formPost {
		transaction.SameSite, transaction.Secure = http.SameSiteNoneMode, true
	}
	return &Names{
		Session:     session.WithPrefix(),
		Transaction: transaction.WithPrefix(),
		LostLogins:  beside(session.Name + "_" + place + "tries").WithPrefix(),
		Silent:      beside(session.Name + "_" + place + "silent").WithPrefix(),
		Ended:       beside(session.Name + "_" + place + "ended").WithPrefix(),
	}
}

// IDLength is the length of the id at the end of the name of a transaction's cookie.
const IDLength = 16

func (n *Names) isTransaction(name string) bool {
	return len(name) == len(n.Transaction.Name)+IDLength && strings.HasPrefix(name, n.Transaction.Name)
}

func (n *Names) has(name string) bool {
	return n.Session.Is(name) || n.isTransaction(name) || n.LostLogins.Is(name) || n.Silent.Is(name)
}

// Read returns the cookies of a request that belong to the application.
func (n *Names) Read(r *http.Request) Jar {
	if n.Watch != nil {
		n.Watch(r)
	}
	return Read(r, n.has)
}
