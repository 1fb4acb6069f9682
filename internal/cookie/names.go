package cookie

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
)

// Names are the cookies of one application. Only the session may be meant for other
// hosts or for a part of this one: the others serve a login, which begins and ends
// here, and a sibling host that could plant them could log people in as somebody
// else.
type Names struct {
	Session     Cookie
	Transaction Cookie // Name is a prefix, see Of
	LostLogins  Cookie
	Silent      Cookie

	// Watch, if not nil, is told of each request whose cookies are read. It is
	// for tests that count.
	Watch func(*http.Request)
}

// NewNames derives the cookies from the one of the session. A form that another site
// posts brings only cookies with SameSite=None.
func NewNames(session Cookie, formPost bool) *Names {
	beside := func(name string) Cookie {
		return Cookie{Name: name, Path: "/", Secure: session.Secure, SameSite: http.SameSiteLaxMode}
	}
	// Two applications on one host may have sessions of one name in two paths.
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
	}
}

// IDLength is the length of the id that ends the name of a transaction's cookie.
const IDLength = 16

func (n *Names) isTransaction(name string) bool {
	return len(name) == len(n.Transaction.Name)+IDLength && strings.HasPrefix(name, n.Transaction.Name)
}

func (n *Names) has(name string) bool {
	return n.Session.Is(name) || n.isTransaction(name) || n.LostLogins.Is(name) || n.Silent.Is(name)
}

// Read returns those cookies of a request that are the application's.
func (n *Names) Read(r *http.Request) Jar {
	if n.Watch != nil {
		n.Watch(r)
	}
	return Read(r, n.has)
}
