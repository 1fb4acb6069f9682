package login

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/cookie"
)

// Cookies are those of a Strategy. Only the session may be meant for other hosts
// or for a part of this one: the others serve a login, which begins and ends here,
// and a sibling host that could plant them could log people in as somebody else.
type Cookies struct {
	Session     cookie.Cookie
	transaction cookie.Cookie // its Name is the prefix
	LostLogins  cookie.Cookie
	Silent      cookie.Cookie

	// watch, if not nil, is told of each request whose cookies are read. It is
	// for tests that count.
	Watch func(*http.Request)
}

// NewCookies derives the cookies from that of the session. A form that another site
// posts brings only cookies with SameSite=None.
func NewCookies(bare cookie.Cookie, formPost bool) *Cookies {
	beside := func(name string) cookie.Cookie {
		return cookie.Cookie{Name: name, Path: "/", Secure: bare.Secure, SameSite: http.SameSiteLaxMode}
	}
	// Two applications on one host may have sessions of one name in two paths.
	place := ""
	if bare.Path != "/" || bare.Domain != "" {
		sum := sha256.Sum256([]byte(bare.Path + "\n" + bare.Domain))
		place = base64.RawURLEncoding.EncodeToString(sum[:])[:6] + "_"
	}
	transaction := beside(strings.TrimSuffix(bare.Name, "_session") + "_txn_" + place)
	if formPost {
		transaction.SameSite, transaction.Secure = http.SameSiteNoneMode, true
	}
	return &Cookies{
		Session:     bare.WithPrefix(),
		transaction: transaction.WithPrefix(),
		LostLogins:  beside(bare.Name + "_" + place + "tries").WithPrefix(),
		Silent:      beside(bare.Name + "_" + place + "silent").WithPrefix(),
	}
}

// transactionIDLength is that of the end of a transaction's name.
const transactionIDLength = 16

func (c *Cookies) isTransaction(name string) bool {
	return len(name) == len(c.transaction.Name)+transactionIDLength && strings.HasPrefix(name, c.transaction.Name)
}

func (c *Cookies) has(name string) bool {
	return c.Session.Is(name) || c.isTransaction(name) || c.LostLogins.Is(name) || c.Silent.Is(name)
}

func (c *Cookies) Read(r *http.Request) cookie.Jar {
	if c.Watch != nil {
		c.Watch(r)
	}
	return cookie.Read(r, c.has)
}
