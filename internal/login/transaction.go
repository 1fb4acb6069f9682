// Package login keeps logins in progress, in sealed cookies of the browsers that began
// them, and reads the tenant's answers to authorization requests.
//
// The package does not know sessions, and makes no request to the tenant.
package login

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/seal"
)

// An Account is what must be known when the browser comes back.
type Account struct {
	AuthSession string `json:"as"`
	Connection  string `json:"con"`
	Issuer      string `json:"iss"` // of the person who began
	Subject     string `json:"sub"`
}

// expectation is what the ID token of this login must agree with.
func (t *Transaction) expectation() idtoken.Expect {
	return idtoken.Expect{Nonce: t.Nonce, ACR: t.RequiredACR, MaxAge: t.MaxAge, Began: t.IssuedAt}
}

// A Transaction is one login on its way. The browser keeps it, sealed, and it
// is good for one callback. (A copy of the cookie could be used again for ten
// minutes, but the code that goes with it cannot; an ID token without a code can,
// by who has both, and logs in the person who has logged in.)
type Transaction struct {
	Version      int                `json:"v"`
	ResponseType string             `json:"type"`
	State        string             `json:"state"`
	Nonce        string             `json:"nonce"`
	Verifier     string             `json:"verifier"`
	IssuedAt     int64              `json:"iat"`
	Base         string             `json:"base"`
	ClientID     string             `json:"client"`
	RedirectURI  string             `json:"redirect"`
	ReturnTo     string             `json:"to,omitempty"`
	MaxAge       *int               `json:"max_age,omitempty"`
	RequiredACR  []string           `json:"acr,omitempty"`
	Organization string             `json:"org,omitempty"`
	Audience     string             `json:"aud,omitempty"`
	Scope        string             `json:"scope"`
	Silent       bool               `json:"silent,omitempty"` // nobody asked for it
	AppState     json.RawMessage    `json:"app,omitempty"`
	Popup        *authrequest.Popup `json:"popup,omitempty"`
	Account      *Account           `json:"account,omitempty"` // it is no login, see connectAccount

	// Session is the id of the session that the browser had, and Parts how many
	// cookies it was in. The login ends that session, also if the browser does not
	// send its cookie with the form of a form_post.
	Session string `json:"session,omitempty"`
	Parts   int    `json:"parts,omitempty"`
}

const (
	version = 1
	// Life is how long a person may take to log in.
	Life = 10 * time.Minute
	// Browsers and servers limit what all cookies together may hold; logins
	// that were begun and left must not add up to a site that answers 431.
	maxSize             = 3500
	maxOpenTransactions = 4
	purpose             = "txn"
)

// ID names a transaction. It is a hash, because cookie names show up
// in places where the state must not.
func ID(state string) string {
	hash := sha256.Sum256([]byte(state))
	return base64.RawURLEncoding.EncodeToString(hash[:])[:cookie.IDLength]
}

// Transactions keeps the logins in progress of one application, in cookies of the
// browsers that began them.
type Transactions struct {
	Cookies  *cookie.Names
	Keyring  seal.Keyring
	Issuer   string
	ClientID string
	Now      func() time.Time
}

// Keep hands a transaction to the browser, beside at most three others.
func (ts *Transactions) Keep(w http.ResponseWriter, jar cookie.Jar, t *Transaction) error {
	c := ts.cookie(ID(t.State))
	sealed, err := ts.seal(t, maxSize-len(c.Name))
	if err != nil {
		return err
	}
	ts.makeRoom(w, jar, len(c.Name)+len(sealed))
	if err := c.Set(w, jar, sealed, Life); err != nil {
		return refusal.Internal.Wrap(err)
	}
	return nil
}

// Drop deletes the cookie of a transaction: it is good for one callback.
func (ts *Transactions) Drop(w http.ResponseWriter, jar cookie.Jar, t *Transaction) {
	ts.cookie(ID(t.State)).Delete(w, jar)
}

// Find looks for the transaction that belongs to a state among the cookies of a
// browser. That is what ties the answer to the browser that asked (RFC 6749, Section
// 10.12).
func (ts *Transactions) Find(jar cookie.Jar, state, responseType string) (t *Transaction, err error) {
	values := ts.cookie(ID(state)).Values(jar)
	if len(values) == 0 {
		return nil, refusal.NoTransaction.Because("this browser has no cookie for the state; it has %d for others", len(ts.ids(jar)))
	}
	for _, sealed := range values {
		if t, err = ts.Open(sealed, state, responseType); err == nil {
			return t, nil
		}
	}
	return nil, err
}

// Seal encrypts a transaction, for a program that keeps it itself.
func (ts *Transactions) Seal(t *Transaction) (string, error) { return ts.seal(t, maxSize) }

// seal encrypts a transaction into at most limit bytes. The return URL is given
// up first; what the application adds is not ours to drop.
func (ts *Transactions) seal(t *Transaction, limit int) (string, error) {
	for {
		plain, err := json.Marshal(t)
		if err != nil {
			return "", refusal.Internal.Wrap(err)
		}
		sealed := ts.Keyring.Seal(purpose, ID(t.State), plain)
		if len(sealed) <= limit {
			return sealed, nil
		}
		if t.ReturnTo == "" {
			return "", refusal.LoginOption.Because("the options of this login need %d bytes, the limit is %d; make the application's state or the audience smaller", len(sealed), limit)
		}
		t.ReturnTo = ""
	}
}

// hasCode, hasIDToken and hasAccessToken say what the answer must bring.
func (t *Transaction) hasCode() bool { return t.has("code") }

func (t *Transaction) hasIDToken() bool { return t.has("id_token") }

func (t *Transaction) hasAccessToken() bool { return t.has("token") }

func (t *Transaction) has(word string) bool {
	return slices.Contains(strings.Fields(t.ResponseType), word)
}

// Open returns the transaction that was begun with the given state, for one of
// the given response types: a login that asked for little must not end where more
// is checked, or less. Every other outcome is the same for the caller.
func (ts *Transactions) Open(sealed, state string, types ...string) (*Transaction, error) {
	plain, _, ok := ts.Keyring.Open(purpose, ID(state), sealed)
	if !ok {
		return nil, refusal.NoTransaction.Because("the transaction does not open")
	}
	t := &Transaction{}
	if err := json.Unmarshal(plain, t); err != nil || t.Version != version {
		return nil, refusal.NoTransaction.Because("the transaction is of another version")
	}
	age := time.Duration(ts.Now().Unix()-t.IssuedAt) * time.Second
	switch {
	case subtle.ConstantTimeCompare([]byte(t.State), []byte(state)) != 1:
		return nil, refusal.NoTransaction.Because("the state is that of another transaction")
	case age >= Life || age < -time.Minute:
		return nil, refusal.NoTransaction.Because("the transaction is %v old", age)
	case t.Base != ts.Issuer || t.ClientID != ts.ClientID:
		return nil, refusal.NoTransaction.Because("the transaction belongs to another tenant or application")
	case !slices.Contains(types, t.ResponseType):
		return nil, refusal.NoTransaction.Because("the transaction has the response type %q", t.ResponseType)
	}
	return t, nil
}

// sessionCookies lists the names of the cookies that the session before a login was
// in.
func (ts *Transactions) sessionCookies(t *Transaction) []string {
	switch {
	case t.Session == "":
		return nil
	case t.Parts == 1:
		return []string{ts.Cookies.Session.Name}
	}
	var names []string
	for i := range min(t.Parts, cookie.MaxDeleted) {
		names = append(names, ts.Cookies.Session.Name+"."+strconv.Itoa(i))
	}
	return names
}

func (ts *Transactions) cookie(id string) cookie.Cookie {
	c := ts.Cookies.Transaction
	c.Name += id
	return c
}

// ids lists the transactions of which a jar has cookies, in the order in
// which browsers send them, which is that of their beginning (RFC 6265, Section
// 5.4).
func (ts *Transactions) ids(jar cookie.Jar) []string {
	prefix := ts.Cookies.Transaction.Name
	ids := jar.Names(prefix, len(prefix)+cookie.IDLength)
	for i, name := range ids {
		ids[i] = strings.TrimPrefix(name, prefix)
	}
	return ids
}

// makeRoom deletes the oldest transactions of the request until size more bytes
// fit. Others stay: they are logins in other tabs. So do those that do not open:
// they are of another application, and expire. No more are opened than a browser
// can have that keeps to what it is told.
func (ts *Transactions) makeRoom(w http.ResponseWriter, jar cookie.Jar, size int) {
	const most = 2 * maxOpenTransactions
	type open struct {
		cookie   cookie.Cookie
		size     int
		issuedAt int64
	}
	ids := ts.ids(jar)
	if len(ids) == 0 {
		return
	}
	var opened []open
	total := size
	for _, id := range ids[:min(len(ids), most)] {
		c := ts.cookie(id)
		value := jar.First(c.Name)
		total += len(c.Name) + len(value)
		var t Transaction
		if plain, _, ok := ts.Keyring.Open(purpose, id, value); ok && json.Unmarshal(plain, &t) == nil {
			opened = append(opened, open{c, len(c.Name) + len(value), t.IssuedAt})
		}
	}
	slices.SortStableFunc(opened, func(a, b open) int { return cmp.Compare(a.issuedAt, b.issuedAt) })
	for len(opened) > 0 && (len(opened) >= maxOpenTransactions || total > maxSize) {
		opened[0].cookie.Delete(w, jar)
		total -= opened[0].size
		opened = opened[1:]
	}
}

// Forget deletes the transactions of the request, those that began
// first if there are many.
func (ts *Transactions) Forget(w http.ResponseWriter, jar cookie.Jar) {
	ids := ts.ids(jar)
	for _, id := range ids[:min(len(ids), cookie.MaxDeleted)] {
		if _, _, ok := ts.Keyring.Open(purpose, id, jar.First(ts.Cookies.Transaction.Name+id)); ok {
			ts.cookie(id).Delete(w, jar)
		}
	}
}
