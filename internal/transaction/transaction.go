// Package transaction keeps logins that are under way, each in a sealed cookie of the
// browser that has begun it, for one answer of the tenant (RFC 6749, Section 10.12).
//
// The package does not know how the tenant's answer is verified, or what a session has.
package transaction

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/jsonscan"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/returnto"
	"github.com/seed-15d5a55c/auth0/internal/seal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"golang.org/x/oauth2"
)

// A Place is where the answer to a login goes, and where the browser goes then.
type Place struct {
	RedirectURI string `json:"redirect"`
	ReturnTo    string `json:"to,omitempty"` // after the login; it must be safe
	// ResponseType is empty for the configured one. A transaction names it always.
	ResponseType string `json:"type"`
	// Note is the end of the state. It comes back with the answer, also in a browser
	// that keeps no cookies.
	Note string `json:"-"`
}

// An Account is an account at another service that a person connects. It has what
// the callback needs.
type Account struct {
	AuthSession string `json:"as"`
	Connection  string `json:"con"`
	Issuer      string `json:"iss"` // of the person who began
	Subject     string `json:"sub"`
}

// Expectation returns the values that the ID token of this login must have.
func (t *Transaction) Expectation() idtoken.Expect {
	return idtoken.Expect{Nonce: t.Nonce, ACR: t.RequiredACR, MaxAge: t.MaxAge, Began: t.IssuedAt}
}

// A Transaction is a login that is under way. The browser keeps it, sealed, and
// deletes it at the callback. A person with a copy of the cookie and of the answer can
// use both again until it expires. A code makes that useless, because it is good for
// one request. An answer with an ID token and no code logs in the same user again.
type Transaction struct {
	Version  int    `json:"v"`
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
	IssuedAt int64  `json:"iat"`
	Base     string `json:"base"` // issuer of the tenant
	ClientID string `json:"client"`
	Place
	authrequest.Kept
	Organization string   `json:"org,omitempty"`
	Audience     string   `json:"aud,omitempty"`
	Scope        string   `json:"scope"`
	Account      *Account `json:"account,omitempty"` // not nil if no login, but an account to connect
	// ProofKey is the key to which the tokens of the login will be bound, as package prover
	// keeps it. It is empty for bearer tokens.
	ProofKey string `json:"dpop,omitempty"`

	// Session is the id of the session that the browser had, and Parts the number of
	// its cookies. The login ends that session, also if the browser does not send its
	// cookie with a form_post.
	Session string `json:"session,omitempty"`
	Parts   int    `json:"parts,omitempty"`

	// Again has the options of the login, for another try.
	Again *authrequest.Saved `json:"again,omitempty"`
	// Ended is not nil if the login was refused. No other answer is accepted then. The
	// browser keeps the refusal, so that a person who loads the page again sees it again.
	Ended *Ended `json:"ended,omitempty"`
}

// Ended is how a login was refused.
type Ended struct {
	refusal.Row
	Also         refusal.Row  `json:"also,omitzero"`
	TenantStatus int          `json:"answer,omitempty"`
	Tenant       refusal.Said `json:"said,omitzero"`
}

// NewEnded returns how a login was refused with an error, and the row of its answer.
func NewEnded(row refusal.Row, err error) Ended {
	e := Ended{Row: row}
	if r, ok := errors.AsType[*refusal.Refusal](err); ok {
		e.Also, e.TenantStatus, e.Tenant = refusal.Row{Reason: r.Also.Reason}, r.TenantStatus, r.Tenant
	}
	return e
}

// Refusal returns the refusal, for a person who loads the page again.
func (e *Ended) Refusal() *refusal.Refusal {
	r := e.Row.Because("this login was refused before")
	r.Also, r.TenantStatus, r.Tenant = e.Also, e.TenantStatus, e.Tenant
	return r
}

// New begins a transaction.
func New(issuer, clientID string, at Place, now time.Time) *Transaction {
	return &Transaction{
		Version:  version,
		State:    secret.Random() + at.Note,
		Verifier: oauth2.GenerateVerifier(),
		IssuedAt: now.Unix(),
		Base:     issuer,
		ClientID: clientID,
		Place:    at,
	}
}

const (
	version = 1
	// remains is the time for which a browser keeps a login that has expired. Its
	// answer is refused, and the person can still begin again for the same page: a tab
	// was left open at the tenant's login page, for example over night.
	remains = 24 * time.Hour
	// maxSize bounds the bytes of all transactions of a browser, names included, and
	// maxOpenTransactions their number. Servers answer 431 to requests with too many
	// cookies, and abandoned logins must not lead to that.
	maxSize             = 3500
	maxOpenTransactions = 4
	// maxRefusal is by how many bytes a refusal may make a transaction larger.
	maxRefusal = 400
	purpose    = "txn"
)

// idOf returns the id of the transaction with a state. It is a hash, because names of
// cookies are logged and shown where the state must not be.
func idOf(state string) string {
	hash := sha256.Sum256(append(make([]byte, 0, 128), state...))
	var text [43]byte
	base64.RawURLEncoding.Encode(text[:], hash[:])
	return string(text[:cookie.IDLength])
}

// A Jar keeps the logins of one application that are under way, in cookies of
// the browsers that have begun them.
type Jar struct {
	Cookies  *cookie.Names
	Keyring  seal.Keyring
	Issuer   string
	ClientID string
	Life     time.Duration // the time that a person has to log in
	Now      func() time.Time
}

// CheckLife returns the time that a person has to log in, and the default for zero.
func CheckLife(life time.Duration) (time.Duration, error) {
	const limit = 24 * time.Hour
	switch {
	case life == 0:
		return time.Hour, nil
	case life < time.Minute || life > limit:
		return 0, fmt.Errorf("%v must be between a minute and %v, or 0 for the default", life, limit)
	}
	return life, nil
}

// Keep sets the cookie of a transaction. It deletes the oldest others if there are
// more than three, or if they are too large together.
func (j *Jar) Keep(w http.ResponseWriter, jar cookie.Jar, t *Transaction) error {
	c := j.cookie(idOf(t.State))
	sealed, err := j.seal(t, maxSize-len(c.Name))
	if err != nil {
		return err
	}
	j.makeRoom(w, jar, len(c.Name)+len(sealed))
	if err := c.Set(w, jar, sealed, j.Life+remains); err != nil {
		return refusal.Internal.Wrap(err)
	}
	return nil
}

// Restore keeps a transaction that the same response has dropped.
func (j *Jar) Restore(w http.ResponseWriter, jar cookie.Jar, t *Transaction) {
	c := j.cookie(idOf(t.State))
	if value := jar.First(c.Name); value != "" {
		c.Set(w, jar, value, j.Life+remains) // it was set before, so it has a good size
	}
}

// Refuse keeps the refusal of a login in the place of its transaction, for as long as
// the transaction would have lived. Long texts are left out.
func (j *Jar) Refuse(w http.ResponseWriter, jar cookie.Jar, t *Transaction, ended Ended) {
	c := j.cookie(idOf(t.State))
	limit := min(maxSize, len(jar.First(c.Name))+maxRefusal)
	over := &Transaction{
		Version: t.Version, State: t.State, IssuedAt: t.IssuedAt, Base: t.Base, ClientID: t.ClientID,
		Place: t.Place, Kept: authrequest.Kept{AppState: t.AppState, Popup: t.Popup}, Again: t.Again, Ended: &ended,
	}
	for _, text := range []*string{&ended.Tenant.Description, &ended.Description} {
		if plain, _ := json.Marshal(over); seal.Size(len(plain)) > limit {
			*text = ""
		}
	}
	sealed, err := j.seal(over, limit)
	if err != nil || c.Set(w, jar, sealed, j.Life) != nil {
		j.Drop(w, jar, t)
	}
}

// Drop deletes the cookie of a transaction, which is good for one callback.
func (j *Jar) Drop(w http.ResponseWriter, jar cookie.Jar, t *Transaction) {
	j.cookie(idOf(t.State)).Delete(w, jar)
}

// Find returns the transaction of a state from the cookies of a browser. It refuses
// an answer in a browser that has not begun the login: otherwise an attacker could
// log in a user as somebody else (RFC 6749, Section 10.12). A transaction that has
// expired is returned beside the error.
func (j *Jar) Find(jar cookie.Jar, state, responseType string) (t *Transaction, err error) {
	values := j.cookie(idOf(state)).Values(jar)
	if len(values) == 0 {
		return nil, refusal.NoTransaction.Because("this browser has no cookie for the state; it has %d for others", len(j.ids(jar)))
	}
	for _, sealed := range values {
		if t, err = j.Open(sealed, state, responseType); t != nil {
			return t, err
		}
	}
	return nil, err
}

// Seal encrypts a transaction for a caller that keeps it itself.
func (j *Jar) Seal(t *Transaction) (string, error) { return j.seal(t, maxSize) }

// seal encrypts a transaction into at most limit bytes. If it does not fit, seal drops
// the options for another try, then the query of the return URL, and then the return URL,
// which has a default. It fails if the rest does not fit either.
func (j *Jar) seal(t *Transaction, limit int) (string, error) {
	for {
		var plain bytes.Buffer
		e := json.NewEncoder(&plain)
		e.SetEscapeHTML(false) // a query has many &, which would need six bytes each
		if err := e.Encode(t); err != nil {
			return "", refusal.Internal.Wrap(err)
		}
		sealed := j.Keyring.Seal(purpose, idOf(t.State), bytes.TrimSuffix(plain.Bytes(), []byte("\n")))
		if len(sealed) <= limit {
			return sealed, nil
		}
		if t.Again != nil {
			t.Again = nil
			continue
		}
		if t.ReturnTo == "" {
			return "", refusal.LoginOption.Because(
				"the options of this login need %d bytes, the limit is %d; make the application's state or the audience smaller", len(sealed), limit)
		}
		if page := returnto.Page(t.ReturnTo); page != t.ReturnTo {
			t.ReturnTo = page
		} else {
			t.ReturnTo = ""
		}
	}
}

// HasCode, HasIDToken and HasAccessToken report what the answer must contain.
func (t *Transaction) HasCode() bool { return t.has("code") }

func (t *Transaction) HasIDToken() bool { return t.has("id_token") }

func (t *Transaction) HasAccessToken() bool { return t.has("token") }

func (t *Transaction) has(word string) bool {
	for field := range strings.FieldsSeq(t.ResponseType) {
		if field == word {
			return true
		}
	}
	return false
}

// Open returns the transaction that was begun with a state. Its response type must be
// one of the given ones, because the handlers of other types make other checks. All
// failures are the same refusal, with different causes for the log. A transaction that
// has expired is returned beside the error, so that the person can begin again.
func (j *Jar) Open(sealed, state string, types ...string) (*Transaction, error) {
	plain, _, ok := j.Keyring.Open(purpose, idOf(state), sealed)
	if !ok {
		return nil, refusal.NoTransaction.Because("the transaction does not open")
	}
	t, err := decode(plain)
	if err != nil || t.Version != version {
		return nil, refusal.NoTransaction.Because("the transaction is of another version")
	}
	age := time.Duration(j.Now().Unix()-t.IssuedAt) * time.Second
	switch {
	case subtle.ConstantTimeCompare([]byte(t.State), []byte(state)) != 1:
		return nil, refusal.NoTransaction.Because("the state belongs to another transaction")
	case t.Base != j.Issuer || t.ClientID != j.ClientID:
		return nil, refusal.NoTransaction.Because("the transaction belongs to another tenant or application")
	case !slices.Contains(types, t.ResponseType):
		return nil, refusal.NoTransaction.Because("the transaction has the response type %q", t.ResponseType)
	case age < -time.Minute:
		return nil, refusal.NoTransaction.Because("the transaction begins in %v", -age)
	case age >= j.Life:
		return t, refusal.NoTransaction.Because("the transaction is %v old; Config.LoginTimeout is %v", age, j.Life)
	}
	return t, nil
}

// decode reads a transaction as encoding/json does. It leaves to encoding/json those with
// fields that few logins have.
func decode(plain []byte) (*Transaction, error) {
	t := &Transaction{}
	if jsonscan.Object(string(plain), t.set) == nil {
		return t, nil
	}
	t = &Transaction{}
	return t, json.Unmarshal(plain, t)
}

// errNotPlain ends the quick reading of a transaction.
var errNotPlain = errors.New("only encoding/json can decode this")

// set sets a field of a plain type.
func (t *Transaction) set(name, raw string) (err error) {
	switch name {
	case "v":
		t.Version, err = strconv.Atoi(raw)
	case "iat":
		t.IssuedAt, err = strconv.ParseInt(raw, 10, 64)
	case "parts":
		t.Parts, err = strconv.Atoi(raw)
	default:
		field := t.text(name)
		value, ok := jsonscan.String(raw)
		if field == nil || !ok {
			return errNotPlain
		}
		*field = value
	}
	return err
}

// text returns the field of a text, and nil if there is none with the name.
func (t *Transaction) text(name string) *string {
	switch name {
	case "state":
		return &t.State
	case "nonce":
		return &t.Nonce
	case "verifier":
		return &t.Verifier
	case "base":
		return &t.Base
	case "client":
		return &t.ClientID
	case "redirect":
		return &t.RedirectURI
	case "to":
		return &t.ReturnTo
	case "type":
		return &t.ResponseType
	case "who":
		return &t.Person
	case "org":
		return &t.Organization
	case "aud":
		return &t.Audience
	case "scope":
		return &t.Scope
	case "dpop":
		return &t.ProofKey
	case "session":
		return &t.Session
	}
	return nil
}

// SessionCookies returns the names of the cookies of the session that a login
// replaces.
func (j *Jar) SessionCookies(t *Transaction) []string {
	switch {
	case t.Session == "":
		return nil
	case t.Parts == 1:
		return []string{j.Cookies.Session.Name}
	}
	var names []string
	for i := range min(t.Parts, cookie.MaxDeleted) {
		names = append(names, j.Cookies.Session.Name+"."+strconv.Itoa(i))
	}
	return names
}

func (j *Jar) cookie(id string) cookie.Cookie {
	c := j.Cookies.Transaction
	c.Name += id
	return c
}

// ids returns the ids of the transactions in a jar. Browsers send older cookies first
// (RFC 6265, Section 5.4).
func (j *Jar) ids(jar cookie.Jar) []string {
	prefix := j.Cookies.Transaction.Name
	ids := jar.Names(prefix, len(prefix)+cookie.IDLength)
	for i, name := range ids {
		ids[i] = strings.TrimPrefix(name, prefix)
	}
	return ids
}

// makeRoom deletes the oldest transactions of the request until size more bytes fit.
// It keeps the newer ones, which are logins in other tabs. It keeps those that do not
// open, which belong to another application and expire. It opens twice as many as a
// browser has, because a forged request can have more.
func (j *Jar) makeRoom(w http.ResponseWriter, jar cookie.Jar, size int) {
	const most = 2 * maxOpenTransactions
	type open struct {
		cookie   cookie.Cookie
		size     int
		issuedAt int64
	}
	ids := j.ids(jar)
	var opened []open
	total := size
	for _, id := range ids[:min(len(ids), most)] {
		c := j.cookie(id)
		value := jar.First(c.Name)
		total += len(c.Name) + len(value)
		var t Transaction
		if plain, _, ok := j.Keyring.Open(purpose, id, value); ok && json.Unmarshal(plain, &t) == nil {
			if t.Ended != nil {
				t.IssuedAt = 0 // it makes room for logins that can still succeed
			}
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

// Forget deletes the transactions of the request. If there are too many for one
// response, it deletes those that are sent first.
func (j *Jar) Forget(w http.ResponseWriter, jar cookie.Jar) {
	ids := j.ids(jar)
	for _, id := range ids[:min(len(ids), cookie.MaxDeleted)] {
		if _, _, ok := j.Keyring.Open(purpose, id, jar.First(j.Cookies.Transaction.Name+id)); ok {
			j.cookie(id).Delete(w, jar)
		}
	}
}

// A Failure is an error with what it has interrupted.
type Failure struct {
	Err      error
	ReturnTo string
	AppState json.RawMessage
	Links    []refusal.Link // ways to go on
}

func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns the error.
func (f *Failure) Unwrap() error { return f.Err }

// Failed adds to an error what it has interrupted. It returns nil for nil. The
// transaction can be nil.
func (t *Transaction) Failed(err error) error {
	if err == nil || t == nil {
		return err
	}
	return &Failure{Err: err, ReturnTo: t.ReturnTo, AppState: t.AppState}
}
