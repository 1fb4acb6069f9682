package transaction

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/jsonscan"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/seal"
)

// A browser has cookies in the order of their arrival.
type browser struct{ cookies []*http.Cookie }

// take applies the Set-Cookie lines of a response, and returns them.
func (b *browser) take(w *httptest.ResponseRecorder) (set, deleted []*http.Cookie) {
	for _, c := range w.Result().Cookies() {
		at := slices.IndexFunc(b.cookies, func(o *http.Cookie) bool { return o.Name == c.Name })
		switch {
		case c.MaxAge < 0:
			deleted = append(deleted, c)
			if at >= 0 {
				b.cookies = slices.Delete(b.cookies, at, at+1)
			}
			continue
		case at >= 0:
			b.cookies[at] = c
		default:
			b.cookies = append(b.cookies, c)
		}
		set = append(set, c)
	}
	return set, deleted
}

// jar returns the application's view of the browser's cookies.
func (b *browser) jar(ts *Jar) cookie.Jar {
	r := httptest.NewRequest("GET", "/", nil)
	for _, c := range b.cookies {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	return ts.Cookies.Read(r)
}

// keep keeps a transaction in the browser.
func (b *browser) keep(t *testing.T, ts *Jar, tr *Transaction) (set, deleted []*http.Cookie) {
	t.Helper()
	w := httptest.NewRecorder()
	if err := ts.Keep(w, b.jar(ts), tr); err != nil {
		t.Fatal(err)
	}
	return b.take(w)
}

// names returns the names of cookies.
func names(cookies []*http.Cookie) []string {
	var names []string
	for _, c := range cookies {
		names = append(names, c.Name)
	}
	return names
}

// full is a transaction with a value in each field.
func full() *Transaction {
	age := 60
	return &Transaction{
		Version: 1, State: "the state", Nonce: "the nonce", Verifier: "the verifier", IssuedAt: began, Base: issuer, ClientID: clientID,
		Place: Place{RedirectURI: callback, ReturnTo: "/after", ResponseType: "code"},
		Kept: authrequest.Kept{
			MaxAge: &age, RequiredACR: []string{"urn:mfa"}, Silent: true, AppState: json.RawMessage(`{"a":1}`),
			Popup: &authrequest.Popup{Origin: "https://app.example", Tokens: []string{"id_token"}},
		},
		Organization: "org_a", Audience: "https://api.example/", Scope: "openid", Session: "the session", Parts: 2,
		Account: &Account{AuthSession: "as", Connection: "google", Issuer: issuer, Subject: "auth0|ada"},
	}
}

func text(t *Transaction) string { return string(must(json.Marshal(t))) }

// TestTransactionFormat pins the names, because instances with another version of the
// program open the transaction too.
func TestTransactionFormat(t *testing.T) {
	t.Parallel()
	var got map[string]any
	if err := json.Unmarshal([]byte(text(full())), &got); err != nil {
		t.Fatal(err)
	}
	want := `{"account":{"as":"as","con":"google","iss":"https://tenant.example/","sub":"auth0|ada"},"acr":["urn:mfa"],"app":{"a":1},` +
		`"aud":"https://api.example/","base":"https://tenant.example/","client":"the-client-id","iat":1800000000,"max_age":60,` +
		`"nonce":"the nonce","org":"org_a","parts":2,"popup":{"o":"https://app.example","t":["id_token"]},` +
		`"redirect":"https://app.example/auth/callback","scope":"openid","session":"the session","silent":true,"state":"the state",` +
		`"to":"/after","type":"code","v":1,"verifier":"the verifier"}`
	if sorted := string(must(json.Marshal(got))); sorted != want {
		t.Errorf("the format is\n%s, want\n%s", sorted, want)
	}
}

func TestKeptTransactionIsFound(t *testing.T) {
	t.Parallel()
	e := newEnv()
	ts, b := e.transactions, &browser{}
	set, deleted := b.keep(t, ts, full())
	if len(set) != 1 || len(deleted) != 0 {
		t.Fatalf("%d cookies set, %d deleted", len(set), len(deleted))
	}
	name := set[0].Name
	if len(name) != len("__Host-app_txn_")+16 || !strings.HasPrefix(name, "__Host-app_txn_") || strings.Contains(name, "state") {
		t.Errorf("the name is %q", name)
	}
	if set[0].MaxAge != 600+24*60*60 || strings.Contains(set[0].Value, "nonce") {
		t.Errorf("the cookie is %v", set[0])
	}
	got, err := ts.Find(b.jar(ts), "the state", "code")
	if err != nil || text(got) != text(full()) {
		t.Errorf("%s, %v", text(got), err)
	}
	again := full()
	again.Nonce = "newer" // the same state takes the same cookie
	if set, deleted := b.keep(t, ts, again); len(set) != 1 || set[0].Name != name || len(deleted) != 0 {
		t.Errorf("%v set, %v deleted", names(set), names(deleted))
	}
	w := httptest.NewRecorder()
	ts.Drop(w, b.jar(ts), full())
	if _, deleted := b.take(w); !slices.Equal(names(deleted), []string{name}) {
		t.Errorf("Drop has deleted %q", names(deleted))
	}
	_, err = ts.Find(b.jar(ts), "the state", "code")
	expect(t, "dropped", err, refusal.NoTransaction, "no cookie for the state; it has 0 for others")
}

// TestNoTransaction has a row for each cookie without a matching answer (RFC 6749, Section
// 10.12).
func TestNoTransaction(t *testing.T) {
	t.Parallel()
	foreign := must(seal.New([]string{"another example of a secret for the tests"}))
	edit := func(f func(*Transaction)) func(*Jar) string {
		return func(ts *Jar) string {
			tr := full()
			f(tr)
			return ts.Keyring.Seal("txn", idOf("the state"), []byte(text(tr)))
		}
	}
	at := func(seconds int64) func(*Jar) string {
		return edit(func(t *Transaction) { t.IssuedAt = began - seconds })
	}
	for _, row := range []struct {
		why   string
		seal  func(*Jar) string
		types []string
		cause string // empty if it opens
	}{
		{"good", edit(func(*Transaction) {}), []string{"code"}, ""},
		{"one of two types", edit(func(*Transaction) {}), []string{"token", "code"}, ""},
		{"other type", edit(func(*Transaction) {}), []string{"token", "code id_token"}, `has the response type "code"`},
		{"no type", edit(func(*Transaction) {}), nil, `has the response type "code"`},
		{"not sealed", func(*Jar) string { return "v3.AAAA" }, []string{"code"}, "does not open"},
		{"other key", func(*Jar) string { return foreign.Seal("txn", idOf("the state"), []byte(text(full()))) },
			[]string{"code"}, "does not open"},
		{"other purpose", func(ts *Jar) string {
			return ts.Keyring.Seal("tries", idOf("the state"), []byte(text(full())))
		},
			[]string{"code"}, "does not open"},
		{"other name", func(ts *Jar) string { return ts.Keyring.Seal("txn", idOf("other"), []byte(text(full()))) },
			[]string{"code"}, "does not open"},
		{"no JSON", func(ts *Jar) string {
			return ts.Keyring.Seal("txn", idOf("the state"), []byte(text(full())+"x"))
		},
			[]string{"code"}, "of another version"},
		{"max_age of another form", func(ts *Jar) string {
			other := strings.Replace(text(full()), `"max_age":60`, `"max_age":"60"`, 1)
			return ts.Keyring.Seal("txn", idOf("the state"), []byte(other))
		}, []string{"code"}, "of another version"},
		{"other version", edit(func(t *Transaction) { t.Version = 2 }), []string{"code"}, "of another version"},
		{"state of another", edit(func(t *Transaction) { t.State = "other" }), []string{"code"}, "belongs to another"},
		{"other tenant", edit(func(t *Transaction) { t.Base = "https://other.example/" }), []string{"code"}, "another tenant or application"},
		{"other application", edit(func(t *Transaction) { t.ClientID = "other" }), []string{"code"}, "another tenant or application"},
		{"almost ten minutes old", at(599), []string{"code"}, ""},
		{"ten minutes old", at(600), []string{"code"}, "10m0s old"},
		{"clock a little behind", at(-60), []string{"code"}, ""},
		{"clock far behind", at(-61), []string{"code"}, "starts in 1m1s"},
	} {
		e := newEnv()
		want := refusal.NoTransaction
		if row.cause == "" {
			want = refusal.Row{}
		}
		got, err := e.transactions.Open(row.seal(e.transactions), "the state", row.types...)
		expect(t, row.why, err, want, row.cause)
		// An expired transaction still has the user's destination.
		if (got != nil) != (err == nil || row.cause == "10m0s old") {
			t.Errorf("%s: %+v, %v", row.why, got, err)
		}
	}
}

func TestTransactionOfAnotherBrowser(t *testing.T) {
	t.Parallel()
	e := newEnv()
	ts, b := e.transactions, &browser{}
	b.keep(t, ts, full())
	other := full()
	other.State = "other"
	otherBrowser := &browser{}
	otherBrowser.keep(t, ts, other)
	_, err := ts.Find(otherBrowser.jar(ts), "the state", "code")
	expect(t, "other browser", err, refusal.NoTransaction, "no cookie for the state; it has 1 for others")
	_, err = ts.Find(b.jar(ts), "the state", "id_token")
	expect(t, "other type", err, refusal.NoTransaction, "has the response type")
}

// TestSeveralCookiesOfOneName: a sibling host cannot end a login with a cookie that does
// not open.
func TestSeveralCookiesOfOneName(t *testing.T) {
	t.Parallel()
	e := newEnv()
	ts, b := e.transactions, &browser{}
	set, _ := b.keep(t, ts, full())
	planted := &http.Cookie{Name: set[0].Name, Value: "v3.planted"}
	for _, cookies := range [][]*http.Cookie{{planted, set[0]}, {set[0], planted}} {
		got, err := ts.Find((&browser{cookies}).jar(ts), "the state", "code")
		if err != nil || got.Nonce != "the nonce" {
			t.Errorf("%+v, %v", got, err)
		}
	}
	_, err := ts.Find((&browser{[]*http.Cookie{planted, planted}}).jar(ts), "the state", "code")
	expect(t, "planted", err, refusal.NoTransaction, "does not open")
}

// TestLargeTransaction: a transaction drops its return URL to fit, and never the values of
// the application.
func TestLargeTransaction(t *testing.T) {
	t.Parallel()
	e := newEnv()
	ts := e.transactions
	length := func(tr *Transaction) int { return seal.Size(len(text(tr))) }
	tr := full()
	tr.ReturnTo = "/" + strings.Repeat("x", 2000)
	sealed, err := ts.Seal(tr)
	if err != nil || tr.ReturnTo == "" || len(sealed) != length(tr) {
		t.Errorf("%d bytes, %v", len(sealed), err)
	}
	tr.Scope = strings.Repeat("s", 1000)
	sealed, err = ts.Seal(tr)
	if err != nil || tr.ReturnTo != "" || len(sealed) != length(tr) || len(sealed) > 3500 {
		t.Errorf("%d bytes, %v, returns to %q", len(sealed), err, tr.ReturnTo)
	}
	if got, err := ts.Open(sealed, "the state", "code"); err != nil || got.Scope != tr.Scope {
		t.Errorf("%+v, %v", got, err)
	}
	tr.ReturnTo = "/page?" + strings.Repeat("q", 1900) + "#part"
	if _, err = ts.Seal(tr); err != nil || tr.ReturnTo != "/page" {
		t.Errorf("the query does not fit: %v, returns to %q", err, tr.ReturnTo)
	}
	tr.ReturnTo = "/page?" + strings.Repeat("a&<>", 100)
	if sealed, err = ts.Seal(tr); err != nil || len(sealed) > seal.Size(2000) || !strings.HasPrefix(tr.ReturnTo, "/page?a") {
		t.Errorf("a query with many &: %d bytes, %v, returns to %.20q", len(sealed), err, tr.ReturnTo)
	}
	if got, err := ts.Open(sealed, "the state", "code"); err != nil || got.ReturnTo != tr.ReturnTo {
		t.Errorf("%+v, %v", got, err)
	}
	tr.Scope = strings.Repeat("s", 3000)
	tr.ReturnTo = "/after"
	_, err = ts.Seal(tr)
	expect(t, "too large", err, refusal.LoginOption, "the limit is 3500")
	err = ts.Keep(httptest.NewRecorder(), cookie.Jar{}, tr)
	expect(t, "too large for a cookie", err, refusal.LoginOption, "the limit is 3469") // its name takes 31 bytes

	tr = full()
	tr.AppState = json.RawMessage("{")
	_, err = ts.Seal(tr)
	expect(t, "state of the application that is no JSON", err, refusal.Internal, "")
}

// TestLimitOfATransaction: a transaction of exactly the limit fits.
func TestLimitOfATransaction(t *testing.T) {
	t.Parallel()
	e := newEnv()
	tr := full()
	tr.ReturnTo = ""
	size := seal.Size(len(text(tr)))
	if sealed, err := e.transactions.seal(tr, size); err != nil || len(sealed) != size {
		t.Errorf("%d bytes, %v", len(sealed), err)
	}
	_, err := e.transactions.seal(tr, size-1)
	expect(t, "one byte more", err, refusal.LoginOption, "the limit is")
}

// TestMakeRoom: the oldest logins make room if there are too many or if they are too large
// together. Cookies that do not open stay, and count.
func TestMakeRoom(t *testing.T) {
	t.Parallel()
	const small, large = 0, 1100 // bytes of scope
	for _, row := range []struct {
		why     string
		open    []int // the start of each, in the order of the browser
		sizes   []int
		foreign int   // cookies that do not open, before the others
		deleted []int // by their place in open
	}{
		{"nothing there", nil, nil, 0, nil},
		{"three others", []int{1, 2, 3}, []int{small, small, small}, 0, nil},
		{"four others", []int{1, 2, 3, 4}, []int{small, small, small, small}, 0, []int{0}},
		{"six others", []int{1, 2, 3, 4, 5, 6}, []int{small, small, small, small, small, small}, 0, []int{0, 1, 2}},
		{"oldest is not first", []int{3, 1, 2, 4}, []int{small, small, small, small}, 0, []int{1}},
		{"same age", []int{1, 1, 1, 1}, []int{small, small, small, small}, 0, []int{0}},
		{"too large together", []int{1, 2, 3}, []int{large, large, large}, 0, []int{0, 1}},
		{"oldest is large", []int{1, 2, 3}, []int{2500, small, small}, 0, []int{0}},
		{"youngest is large", []int{1, 2, 3}, []int{small, small, 2150}, 0, []int{0, 1}},
		{"three foreign ones", []int{1, 2, 3}, []int{small, small, small}, 3, nil},
		{"almost too large", []int{1, 2}, []int{940, 940}, 0, nil},
		{"too large with a foreign one", []int{1, 2}, []int{940, 940}, 1, []int{0}},
		{"more than are looked at", []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, make([]int, 10), 0, []int{0, 1, 2, 3, 4}},
		{"behind those that are looked at, which are too large", []int{1, 2, 3, 4}, make([]int, 4), 8, nil},
		{"last one that is looked at", []int{2, 3, 4, 1}, make([]int, 4), 4, []int{3}},
	} {
		e := newEnv()
		ts, b := e.transactions, &browser{}
		for i := range row.foreign {
			b.cookies = append(b.cookies, &http.Cookie{Name: fmt.Sprintf("__Host-app_txn_foreign_%08d", i), Value: strings.Repeat("x", 450)})
		}
		var all []string
		for i, at := range row.open {
			tr := &Transaction{Version: 1, State: fmt.Sprint("state ", i), IssuedAt: began + int64(at), Scope: strings.Repeat("s", row.sizes[i])}
			id := idOf(tr.State)
			b.cookies = append(b.cookies, &http.Cookie{Name: "__Host-app_txn_" + id, Value: ts.Keyring.Seal("txn", id, []byte(text(tr)))})
			all = append(all, "__Host-app_txn_"+id)
		}
		tr := &Transaction{Version: 1, State: "new", IssuedAt: began + 100}
		set, deleted := b.keep(t, ts, tr)
		var want []string
		for _, i := range row.deleted {
			want = append(want, all[i])
		}
		if !slices.Equal(names(deleted), want) {
			t.Errorf("%s: deleted are %q, want %q of %q", row.why, names(deleted), want, all)
		}
		if len(set) != 1 || len(b.cookies) != row.foreign+len(row.open)-len(row.deleted)+1 {
			t.Errorf("%s: %d set, the browser has %d cookies", row.why, len(set), len(b.cookies))
		}
	}
}

// TestRoomIsExact: transactions with exactly the joint limit stay.
func TestRoomIsExact(t *testing.T) {
	t.Parallel()
	e := newEnv()
	const name = len("__Host-app_txn_") + 16
	size := func(held, kept *Transaction) int {
		return 2*name + seal.Size(len(text(held))) + seal.Size(len(text(kept)))
	}
	for _, total := range []int{3500, 3501} {
		held, kept := &Transaction{Version: 1, State: "held", IssuedAt: began}, &Transaction{Version: 1, State: "new", IssuedAt: began}
		// Sealed texts do not have every size, so both grow.
		for size(held, kept) != total {
			if held.Scope += "s"; size(held, kept) > total {
				held.Scope = ""
				kept.Scope += "s"
			}
		}
		b := &browser{}
		b.keep(t, e.transactions, held)
		if _, deleted := b.keep(t, e.transactions, kept); (len(deleted) > 0) != (total > 3500) {
			t.Errorf("%d bytes: deleted are %q", total, names(deleted))
		}
	}
}

func TestForget(t *testing.T) {
	t.Parallel()
	e := newEnv()
	ts, b := e.transactions, &browser{}
	foreign := &http.Cookie{Name: "__Host-app_txn_foreign_00000000", Value: "x"}
	session := &http.Cookie{Name: "__Host-app_session", Value: "x"}
	b.cookies = []*http.Cookie{session, foreign}
	var own []string
	for i := range 9 {
		tr := &Transaction{Version: 1, State: fmt.Sprint("state ", i), IssuedAt: began}
		id := idOf(tr.State)
		own = append(own, "__Host-app_txn_"+id)
		b.cookies = append(b.cookies, &http.Cookie{Name: own[i], Value: ts.Keyring.Seal("txn", id, []byte(text(tr)))})
	}
	for _, want := range [][]string{own[:7], own[7:]} { // Forget reads eight, and one is foreign
		w := httptest.NewRecorder()
		ts.Forget(w, b.jar(ts))
		if _, deleted := b.take(w); !slices.Equal(names(deleted), want) {
			t.Errorf("Forget has deleted %q, want %q", names(deleted), want)
		}
	}
	if got := names(b.cookies); !slices.Equal(got, []string{session.Name, foreign.Name}) {
		t.Errorf("%q are left", got)
	}
}

func TestSessionCookies(t *testing.T) {
	t.Parallel()
	e := newEnv()
	for _, row := range []struct {
		session string
		parts   int
		want    string
	}{
		{"", 0, ""}, {"", 1, ""},
		{"id", 1, "__Host-app_session"},
		{"id", 2, "__Host-app_session.0 __Host-app_session.1"},
		{"id", 0, ""},
		{"id", 9, "__Host-app_session.0 __Host-app_session.1 __Host-app_session.2 __Host-app_session.3 " +
			"__Host-app_session.4 __Host-app_session.5 __Host-app_session.6 __Host-app_session.7"},
	} {
		got := e.transactions.SessionCookies(&Transaction{Session: row.session, Parts: row.parts})
		if strings.Join(got, " ") != row.want {
			t.Errorf("%q in %d cookies: %q", row.session, row.parts, got)
		}
	}
}

// TestNew: each transaction has unpredictable values, and knows its login.
func TestNew(t *testing.T) {
	t.Parallel()
	at := Place{RedirectURI: callback, ReturnTo: "/after", ResponseType: "code id_token"}
	one, other := New(issuer, clientID, at, time.Unix(began, 0)), New(issuer, clientID, at, time.Unix(began, 0))
	if len(one.State) != 43 || len(one.Verifier) < 43 ||
		one.State == other.State || one.Verifier == other.Verifier || one.State == one.Verifier {
		t.Errorf("%+v and %+v", one, other)
	}
	if one.Version != 1 || one.IssuedAt != began || one.Base != issuer || one.ClientID != clientID || one.Place != at {
		t.Errorf("%+v", one)
	}
	age := 60
	one.Nonce, one.MaxAge, one.RequiredACR = "nonce", &age, []string{"acr"}
	if e := one.Expectation(); e.Nonce != "nonce" || e.MaxAge != &age || !slices.Equal(e.ACR, []string{"acr"}) || e.Began != began {
		t.Errorf("%+v", e)
	}
}

func TestResponseTypes(t *testing.T) {
	t.Parallel()
	for types, want := range map[string][3]bool{
		"code": {true, false, false}, "id_token": {false, true, false}, "code id_token": {true, true, false},
		"token": {false, false, true}, "id_token token": {false, true, true}, "": {},
	} {
		tr := &Transaction{Place: Place{ResponseType: types}}
		if got := [3]bool{tr.HasCode(), tr.HasIDToken(), tr.HasAccessToken()}; got != want {
			t.Errorf("%q: %v, want %v", types, got, want)
		}
	}
}

// TestFailed: an error keeps its chain, and gets the interrupted login.
func TestFailed(t *testing.T) {
	t.Parallel()
	tr := &Transaction{Place: Place{ReturnTo: "/after"}, Kept: authrequest.Kept{AppState: json.RawMessage(`1`)}}
	cause := errors.New("cause")
	err := tr.Failed(cause)
	f, ok := errors.AsType[*Failure](err)
	if !ok || f.ReturnTo != "/after" || string(f.AppState) != "1" || !errors.Is(err, cause) || err.Error() != "cause" {
		t.Errorf("%v", err)
	}
	if err := tr.Failed(nil); err != nil {
		t.Errorf("%v of nil", err)
	}
}

// TestDecode: the quick reader of a transaction gives the result of encoding/json, or
// leaves the transaction to it. It reads the fields of most logins.
func TestDecode(t *testing.T) {
	t.Parallel()
	plain := full()
	plain.Kept, plain.Account = authrequest.Kept{Person: "who"}, nil
	plain.ProofKey = "the key"
	for _, tt := range []struct {
		text  string
		quick bool
	}{
		{text(plain), true},
		{text(&Transaction{}), true},
		{` { "state" : "\u00e9\/" } `, true},
		{text(full()), false},
		{text(&Transaction{Again: &authrequest.Saved{Scopes: []string{"openid"}}}), false},
		{text(&Transaction{Ended: &Ended{TenantStatus: 400}}), false},
		{text(&Transaction{Kept: authrequest.Kept{Silent: true}}), false},
		{`{"state":null,"nonce":"n"}`, false},
		{`{"STATE":"s"}`, false},
		{`{"nonce":"n","v":1.5}`, false},
		{`{"nonce":"n","iat":"1"}`, false},
		{`{"nonce":"n","parts":null}`, false},
		{`{"state":1}`, false},
		{`{"state":"s"} x`, false},
		{`null`, false},
	} {
		if quick := jsonscan.Object(tt.text, (&Transaction{}).set) == nil; quick != tt.quick {
			t.Errorf("%s: read quickly: %v", tt.text, quick)
		}
		want := &Transaction{}
		wantErr := json.Unmarshal([]byte(tt.text), want)
		got, err := decode([]byte(tt.text))
		if (err == nil) != (wantErr == nil) || err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v, want %+v, %v", tt.text, got, err, want, wantErr)
		}
	}
}
