// Package transaction keeps login transactions: logins in progress, each in a sealed cookie
// of the browser that started it, valid for one callback (RFC 6749, Section 10.12).
//
// The package does not know how the tenant's response is verified, or what a session holds.
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

// A Place is the redirect URI of a login and the page to which the browser returns.
type Place struct {
	RedirectURI string `json:"redirect"`
	ReturnTo    string `json:"to,omitempty"` // after the login; it must be safe
	// ResponseType is empty for the configured one. A transaction always names it.
	ResponseType string `json:"type"`
	// Note is the end of the state. The response returns it, even to a browser that keeps
	// no cookies.
	Note string `json:"-"`
}

// An Account is an account at another service that the user is connecting. It holds the
// values that the callback needs.
type Account struct {
	AuthSession string `json:"as"`
	Connection  string `json:"con"`
	Issuer      string `json:"iss"` // of the user who started
	Subject     string `json:"sub"`
}

// Expectation returns the values that the ID token of this login must have.
func (t *Transaction) Expectation() idtoken.Expect {
	return idtoken.Expect{Nonce: t.Nonce, ACR: t.RequiredACR, MaxAge: t.MaxAge, Began: t.IssuedAt}
}

// A Transaction is a login in progress. The browser keeps it, sealed, and deletes it at the
// callback. An attacker with a copy of the cookie and of the response can replay both until
// the transaction expires. With a code the replay fails, because a code works once. A
// response with an ID token and no code logs in the same user again.
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
	Account      *Account `json:"account,omitempty"` // not nil if this connects an account and is not a login
	// ProofKey is the key to which the tokens of the login will be bound, in the format of
	// package prover. It is empty for bearer tokens.
	ProofKey string `json:"dpop,omitempty"`

	// Session is the id of the browser's session at the start, and Parts the number of its
	// cookies. The login ends that session, even if the browser does not send its cookie
	// with a form_post.
	Session string `json:"session,omitempty"`
	Parts   int    `json:"parts,omitempty"`

	// Again holds the options of the login, for another attempt.
	Again *authrequest.Saved `json:"again,omitempty"`
	// Ended is not nil if the login was rejected. No other response is accepted then. The
	// browser keeps the refusal, so that reloading the page shows it again.
	Ended *Ended `json:"ended,omitempty"`
}

// Ended records how a login was rejected.
type Ended struct {
	refusal.Row
	Also         refusal.Row  `json:"also,omitzero"`
	TenantStatus int          `json:"answer,omitempty"`
	Tenant       refusal.Said `json:"said,omitzero"`
}

// NewEnded records the rejection of a login with an error, and the row of its answer.
func NewEnded(row refusal.Row, err error) Ended {
	e := Ended{Row: row}
	if r, ok := errors.AsType[*refusal.Refusal](err); ok {
		e.Also, e.TenantStatus, e.Tenant = refusal.Row{Reason: r.Also.Reason}, r.TenantStatus, r.Tenant
	}
	return e
}

// Refusal returns the refusal, for a user who reloads the page.
func (e *Ended) Refusal() *refusal.Refusal {
	r := e.Row.Because("this login was rejected before")
	r.Also, r.TenantStatus, r.Tenant = e.Also, e.TenantStatus, e.Tenant
	return r
}

// New starts a transaction.
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
	// remains is how long a browser keeps an expired login. The login's response is
	// rejected, but the user can start again for the same page, for example in a tab left
	// open at the tenant's login page overnight.
	remains = 24 * time.Hour
	// maxSize bounds the bytes of all transactions of a browser, names included, and
	// maxOpenTransactions their number. Servers answer 431 to requests with too many
	// cookies, and abandoned logins must not lead to that.
	maxSize             = 3500
	maxOpenTransactions = 4
	// maxRefusal is the most bytes that a refusal adds to a transaction.
	maxRefusal = 400
	purpose    = "txn"
)

// idOf returns the id of the transaction with a state. It is a hash, because cookie names
// appear in logs, where the state must not.
func idOf(state string) string {
	hash := sha256.Sum256(append(make([]byte, 0, 128), state...))
	var text [43]byte
	base64.RawURLEncoding.Encode(text[:], hash[:])
	return string(text[:cookie.IDLength])
}

// A Jar keeps the login transactions of one application in cookies of the browsers that
// started them.
type Jar struct {
	Cookies  *cookie.Names
	Keyring  seal.Keyring
	Issuer   string
	ClientID string
	Life     time.Duration // the time limit of a login
	Now      func() time.Time
}

// CheckLife returns the time limit of a login, or the default for zero.
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

// Restore keeps a transaction that the same response has deleted.
func (j *Jar) Restore(w http.ResponseWriter, jar cookie.Jar, t *Transaction) {
	c := j.cookie(idOf(t.State))
	if value := jar.First(c.Name); value != "" {
		c.Set(w, jar, value, j.Life+remains) // it was set before, so its size is valid
	}
}

// Refuse replaces a transaction by the refusal of its login, for as long as the transaction
// would have lived. It leaves out long texts.
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

// Drop deletes the cookie of a transaction, which is valid for one callback.
func (j *Jar) Drop(w http.ResponseWriter, jar cookie.Jar, t *Transaction) {
	j.cookie(idOf(t.State)).Delete(w, jar)
}

// Find returns the transaction of a state from the cookies of a browser. It rejects a
// response in a browser that did not start the login. Otherwise an attacker could log the
// user in to the attacker's account (RFC 6749, Section 10.12). An expired transaction is
// returned with the error.
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

// Seal encrypts a transaction for a caller that stores it.
func (j *Jar) Seal(t *Transaction) (string, error) { return j.seal(t, maxSize) }

// seal encrypts a transaction into at most limit bytes. If it does not fit, seal drops the
// options for another attempt, then the query of the return URL, and then the return URL,
// which has a default. It fails if the rest is still too large.
func (j *Jar) seal(t *Transaction, limit int) (string, error) {
	for {
		var plain bytes.Buffer
		e := json.NewEncoder(&plain)
		e.SetEscapeHTML(false) // a query contains many &, each of which would become six bytes
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

// HasCode, HasIDToken and HasAccessToken report what the response must contain.
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

// Open returns the transaction that was started with a state. Its response type must be one
// of those given, because the handlers of other types make other checks. All failures are
// the same refusal, with different causes for the log. An expired transaction is returned
// with the error, so that the user can start again.
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
		return nil, refusal.NoTransaction.Because("the transaction starts in %v", -age)
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

// ids returns the ids of the transactions in a jar. Browsers send older cookies first (RFC
// 6265, Section 5.4).
func (j *Jar) ids(jar cookie.Jar) []string {
	prefix := j.Cookies.Transaction.Name
	ids := jar.Names(prefix, len(prefix)+cookie.IDLength)
	for i, name := range ids {
		ids[i] = strings.TrimPrefix(name, prefix)
	}
	return ids
}

// makeRoom deletes the oldest transactions of the request until size more bytes fit. It
// keeps newer ones, which are logins in other tabs, and those that cannot be opened, which
// belong to another application and expire. It opens at most twice as many as a browser can
// have, because a forged request can carry more.
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

// Forget deletes the transactions of the request. If one response cannot delete all of
// them, it deletes those that are sent first.
func (j *Jar) Forget(w http.ResponseWriter, jar cookie.Jar) {
	ids := j.ids(jar)
	for _, id := range ids[:min(len(ids), cookie.MaxDeleted)] {
		if _, _, ok := j.Keyring.Open(purpose, id, jar.First(j.Cookies.Transaction.Name+id)); ok {
			j.cookie(id).Delete(w, jar)
		}
	}
}

// A Failure is an error with the login that it interrupted.
type Failure struct {
	Err      error
	ReturnTo string
	AppState json.RawMessage
	Links    []refusal.Link // ways to go on
}

func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns the error.
func (f *Failure) Unwrap() error { return f.Err }

// Failed adds to an error the login that it interrupted. It returns nil for nil. The
// transaction can be nil.
func (t *Transaction) Failed(err error) error {
	if err == nil || t == nil {
		return err
	}
	return &Failure{Err: err, ReturnTo: t.ReturnTo, AppState: t.AppState}
}
