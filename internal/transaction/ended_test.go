package transaction

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// refuse has a response replace a transaction by its refusal.
func refuse(ts *Jar, b *browser, tr *Transaction, ended Ended) (set []*http.Cookie) {
	w := httptest.NewRecorder()
	ts.Refuse(w, b.jar(ts), tr, ended)
	set, _ = b.take(w)
	return set
}

// TestRefusedTransaction: the browser keeps the refusal, the user's options and the way to
// try again. Nothing in it can complete a login.
func TestRefusedTransaction(t *testing.T) {
	t.Parallel()
	e := newEnv()
	ts, b := e.transactions, &browser{}
	tr := full()
	tr.Again = &authrequest.Saved{Params: map[string]string{"connection": "google"}}
	b.keep(t, ts, tr)
	refused := refusal.Denied.New()
	refused.Also, refused.TenantStatus, refused.Tenant = refusal.Blocked, 403, refusal.Said{Code: "access_denied", Description: "not on the list"}
	ended := NewEnded(refusal.Denied, refused)
	set := refuse(ts, b, tr, ended)
	if len(set) != 1 || set[0].MaxAge != 600 {
		t.Fatalf("cookies %v", set)
	}
	got, err := ts.Find(b.jar(ts), "the state", "code")
	if err != nil || got.Ended == nil || *got.Ended != ended {
		t.Fatalf("%+v, %v", got, err)
	}
	if got.ReturnTo != "/after" || got.Again == nil || got.Again.Params["connection"] != "google" || string(got.AppState) != `{"a":1}` || got.Popup == nil {
		t.Errorf("it has lost something: %s", text(got))
	}
	if got.Verifier != "" || got.Nonce != "" || got.Session != "" || got.Account != nil {
		t.Errorf("it has more than it needs: %s", text(got))
	}
	if r := got.Ended.Refusal(); r.Row != refusal.Denied || r.Tenant != refused.Tenant || r.TenantStatus != 403 || r.Also.Reason != "user_blocked" || !strings.Contains(r.Error(), "rejected before") {
		t.Errorf("%+v", r)
	}
	e.now += 600
	if _, err := ts.Find(b.jar(ts), "the state", "code"); err == nil {
		t.Error("it does not expire")
	}
}

// TestLargeRefusal: a refusal of any size makes the cookie only a little larger.
func TestLargeRefusal(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 100, 10_000} {
		e := newEnv()
		ts, b := e.transactions, &browser{}
		tr := full()
		tr.ReturnTo = "/" + strings.Repeat("x", 1800)
		before, _ := b.keep(t, ts, tr)
		row := refusal.Row{Status: 403, Reason: "no_seat", Description: strings.Repeat("ä", size)}
		set := refuse(ts, b, tr, Ended{Row: row, Tenant: refusal.NewSaid(strings.Repeat("c", size), strings.Repeat("ä", size))})
		if len(set) != 1 || len(set[0].Value) > len(before[0].Value)+400 || len(set[0].Value) > 3500 {
			t.Fatalf("%d: cookies %v", size, set)
		}
		got, err := ts.Find(b.jar(ts), "the state", "code")
		if set[0].MaxAge > 0 && (err != nil || got.Ended == nil || got.Ended.Reason != "no_seat" || got.ReturnTo != tr.ReturnTo) {
			t.Errorf("%d: %+v, %v", size, got, err)
		}
	}
}

// TestRestoredTransaction: a response can drop a transaction and then still keep it.
func TestRestoredTransaction(t *testing.T) {
	t.Parallel()
	e := newEnv()
	ts, b := e.transactions, &browser{}
	before, _ := b.keep(t, ts, full())
	w := httptest.NewRecorder()
	ts.Drop(w, b.jar(ts), full())
	ts.Restore(w, b.jar(ts), full())
	set := w.Result().Cookies()
	if len(set) != 1 || set[0].Value != before[0].Value || set[0].MaxAge != before[0].MaxAge {
		t.Errorf("cookies %v", set)
	}
	w = httptest.NewRecorder()
	ts.Restore(w, (&browser{}).jar(ts), full())
	if set := w.Result().Cookies(); len(set) != 0 {
		t.Errorf("a browser without it gets %v", set)
	}
}

// TestRefusedLoginsMakeRoom: a rejected login never pushes out one that can still succeed,
// even an old one.
func TestRefusedLoginsMakeRoom(t *testing.T) {
	t.Parallel()
	e := newEnv()
	ts, b := e.transactions, &browser{}
	at := func(i int) *Transaction {
		tr := full()
		tr.State, tr.IssuedAt, tr.ReturnTo = "state "+strconv.Itoa(i), e.now+int64(i), "/"
		tr.AppState, tr.Popup, tr.Account = nil, nil, nil
		return tr
	}
	for i := range 3 {
		b.keep(t, ts, at(i))
	}
	newest := at(3)
	b.keep(t, ts, newest)
	refuse(ts, b, newest, Ended{Row: refusal.Denied})
	_, deleted := b.keep(t, ts, at(4))
	if len(deleted) != 1 || deleted[0].Name != ts.cookie(idOf(newest.State)).Name {
		t.Errorf("deleted %q", names(deleted))
	}
}

// TestOptionsMakeRoomForTheReturnURL: a transaction drops the options for another try
// before its return URL.
func TestOptionsMakeRoomForTheReturnURL(t *testing.T) {
	t.Parallel()
	ts := newEnv().transactions
	tr := full()
	tr.ReturnTo = "/" + strings.Repeat("x", 1500)
	tr.Again = &authrequest.Saved{Params: map[string]string{"login_hint": strings.Repeat("x", 1500)}}
	if _, err := ts.Seal(tr); err != nil || tr.Again != nil || tr.ReturnTo == "" {
		t.Errorf("%v, %+v, returns to %q", err, tr.Again, tr.ReturnTo)
	}
}

// TestNoteInTheState: the state ends with the note, and is as random as any other.
func TestNoteInTheState(t *testing.T) {
	t.Parallel()
	one := New(issuer, clientID, Place{Note: ".note"}, time.Unix(began, 0))
	other := New(issuer, clientID, Place{Note: ".note"}, time.Unix(began, 0))
	if !strings.HasSuffix(one.State, ".note") || len(one.State) != 43+5 || one.State == other.State || strings.Contains(text(one), `:".note"`) {
		t.Errorf("%q, %q, %s", one.State, other.State, text(one))
	}
}
