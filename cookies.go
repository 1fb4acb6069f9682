package auth0

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/cookie"
)

// cookies are those of a Strategy. Only the session may be meant for other hosts
// or for a part of this one: the others serve a login, which begins and ends here,
// and a sibling host that could plant them could log people in as somebody else.
type cookies struct {
	session     cookie.Cookie
	transaction cookie.Cookie // its Name is the prefix
	lostLogins  cookie.Cookie
	silent      cookie.Cookie

	// watch, if not nil, is told of each request whose cookies are read. It is
	// for tests that count.
	watch func(*http.Request)
}

func newCookies(c Config, secure bool) *cookies {
	bare := cookie.Cookie{Name: c.CookieName, Path: c.CookiePath, Domain: c.CookieDomain, Secure: secure, SameSite: c.CookieSameSite, SessionOnly: c.CookieSessionOnly}
	beside := func(name string) cookie.Cookie {
		return cookie.Cookie{Name: name, Path: "/", Secure: secure, SameSite: http.SameSiteLaxMode}
	}
	// Two applications on one host may have sessions of one name in two paths.
	place := ""
	if c.CookiePath != "/" || c.CookieDomain != "" {
		sum := sha256.Sum256([]byte(c.CookiePath + "\n" + c.CookieDomain))
		place = base64.RawURLEncoding.EncodeToString(sum[:])[:6] + "_"
	}
	transaction := beside(strings.TrimSuffix(c.CookieName, "_session") + "_txn_" + place)
	if c.ResponseMode == "form_post" {
		// A form that another site posts to us brings only such cookies.
		transaction.SameSite, transaction.Secure = http.SameSiteNoneMode, true
	}
	return &cookies{
		session:     bare.WithPrefix(),
		transaction: transaction.WithPrefix(),
		lostLogins:  beside(c.CookieName + "_" + place + "tries").WithPrefix(),
		silent:      beside(c.CookieName + "_" + place + "silent").WithPrefix(),
	}
}

// transactionIDLength is that of the end of a transaction's name.
const transactionIDLength = 16

func (c *cookies) isTransaction(name string) bool {
	return len(name) == len(c.transaction.Name)+transactionIDLength && strings.HasPrefix(name, c.transaction.Name)
}

func (c *cookies) has(name string) bool {
	return c.session.Is(name) || c.isTransaction(name) || c.lostLogins.Is(name) || c.silent.Is(name)
}

func (c *cookies) read(r *http.Request) cookie.Jar {
	if c.watch != nil {
		c.watch(r)
	}
	return cookie.Read(r, c.has)
}

type jarKey struct{}

// A heldJar is in the context of a request whose cookies were read.
type heldJar struct {
	of  *cookies
	jar cookie.Jar
}

// withJar returns the request with its cookies read, for handlers that look at
// them more than once.
func (s *Strategy) withJar(r *http.Request) *http.Request {
	if len(r.Header["Cookie"]) == 0 {
		return r
	}
	if _, ok := s.heldJar(r.Context()); ok {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), jarKey{}, heldJar{s.cookies, s.cookies.read(r)}))
}

func (s *Strategy) heldJar(ctx context.Context) (cookie.Jar, bool) {
	if loaded := loadedBy(ctx, s); loaded != nil && loaded != tokenOnly {
		return loaded.Jar, true
	}
	held, ok := ctx.Value(jarKey{}).(heldJar)
	return held.jar, ok && held.of == s.cookies
}

// jar returns the cookies of a request.
func (s *Strategy) jar(r *http.Request) cookie.Jar {
	if len(r.Header["Cookie"]) == 0 {
		return cookie.Jar{}
	}
	if jar, ok := s.heldJar(r.Context()); ok {
		return jar
	}
	return s.cookies.read(r)
}
