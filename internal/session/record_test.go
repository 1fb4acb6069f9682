package session

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/condition"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// claimsOf reads the claims of an ID token of ada. More is JSON text of further ones.
func claimsOf(t *testing.T, more string) *jwt.Claims {
	t.Helper()
	c, err := jwt.ParseClaims(`{"iss":"https://tenant.example/"`+more+`}`, true, 0)
	if err != nil {
		t.Fatal(err)
	}
	return &c
}

const ada = `,"sub":"ada","iat":1000`

// TestNewRecord takes the claims of the ID token, and a new id.
func TestNewRecord(t *testing.T) {
	now := time.Unix(2000, 5)
	c := claimsOf(t, ada+`,"org_id":"org_a","sid":"tenant's","nonce":"n","auth_time":990,"acr":"gold","amr":["pwd","mfa"]`)
	r, err := NewRecord(c, 9000, now)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := NewRecord(c, 9000, now)
	if len(r.ID) < 22 || other.ID == r.ID {
		t.Errorf("the ids are %q and %q", r.ID, other.ID)
	}
	r.ID = ""
	expectEqual(t, "record", r, &Record{
		Issuer: issuer, Subject: "ada", organization: "org_a", sid: "tenant's", nonce: "n", issuedAt: 1000, authTime: 990,
		acr: "gold", amr: []string{"pwd", "mfa"}, createdAt: 2000, ceiling: 9000,
	})
}

// TestCeilingOfLogin: a session past its end does not begin. The time of the tenant counts,
// if it is plausible.
func TestCeilingOfLogin(t *testing.T) {
	for _, row := range []struct {
		issued  float64
		ceiling int64
		good    bool
	}{
		{1000, 0, true}, {1000, 1030, false}, {1000, 1031, true}, {1000.9, 1031, true}, {1000, 1, false}, {1000, -1, true},
		{0, 2030, false}, {0, 2031, true}, {-5, 2030, false}, {0.5, 31, true}, {1e10, 2030, false}, {1e10, 2031, true}, {1e10 - 1, 2031, false},
	} {
		r, err := NewRecord(&jwt.Claims{IssuedAt: row.issued}, row.ceiling, time.Unix(2000, 0))
		if (r != nil) != row.good || row.good && err != nil {
			t.Errorf("%+v: %+v, %v", row, r, err)
		}
		if !row.good {
			expectRefusal(t, fmt.Sprint(row), err, refusal.Ceiling)
			if want := fmt.Sprintf("session_expiry is %d", row.ceiling); !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
		}
	}
}

// TestIsOf: the same subject of another issuer or in another organization is another user.
func TestIsOf(t *testing.T) {
	r, _ := NewRecord(claimsOf(t, ada+`,"org_id":"org_a"`), 0, time.Now())
	for more, want := range map[string]bool{
		ada + `,"org_id":"org_a"`:       true,
		`,"sub":"ada","org_id":"org_a"`: true,
		ada + `,"org_id":"org_b"`:       false,
		ada:                             false,
		`,"sub":"bob","org_id":"org_a"`: false,
		`,"org_id":"org_a"`:             false,
	} {
		if got := r.isOf(claimsOf(t, more)); got != want {
			t.Errorf("%s: %v", more, got)
		}
	}
	c := claimsOf(t, ada+`,"org_id":"org_a"`)
	c.Issuer = "https://other.example/"
	if r.isOf(c) {
		t.Error("a session of another issuer")
	}
}

// TestSetIdentity: claims that a newer ID token omits stay.
func TestSetIdentity(t *testing.T) {
	r, _ := NewRecord(claimsOf(t, ada+`,"auth_time":990`), 0, time.Unix(2000, 0))
	for _, row := range []struct {
		more, kept, raw  string
		authTime         int64
		claims, wantsRaw string
	}{
		{ada, `{"a":1}`, "", 990, `{"a":1}`, ""},
		{ada + `,"auth_time":995.5`, `{"a":2}`, "a.b.c", 995, `{"a":2}`, "a.b.c"},
		{`,"sub":"ada","iat":5000`, `{"a":3}`, "", 995, `{"a":3}`, "a.b.c"},
	} {
		r.SetIdentity(claimsOf(t, row.more), row.kept, row.raw)
		if sid, raw := r.LogoutHints(); raw != row.wantsRaw || sid != "" || r.Claims != row.claims || r.Facts().Time != float64(row.authTime) || r.issuedAt != 1000 {
			t.Errorf("%+v: %+v", row, r)
		}
	}
}

// TestCheckRefreshed has a row for each ID token of a refresh.
func TestCheckRefreshed(t *testing.T) {
	const leeway = time.Minute
	now := time.Unix(2000, 500_000_000)
	login := `,"sub":"ada","iat":1000,"auth_time":990,"nonce":"n"`
	for _, row := range []struct {
		why, login, refreshed string
		want                  *fault.Fault
		foreign               bool
		text                  string
	}{
		{"the same", login, login, nil, false, ""},
		{"without nonce and auth_time", login, ada, nil, false, ""},
		{"newer", login, `,"sub":"ada","iat":1999,"auth_time":1999`, nil, false, ""},
		{"iat a little before", login, `,"sub":"ada","iat":940`, nil, false, ""},
		{"iat before", login, `,"sub":"ada","iat":939.9`, fault.Claim, false, "iat is before the iat of the login"},
		{"auth_time before", login, ada + `,"auth_time":989.9`, fault.Claim, false, "auth_time is before the auth_time of the login"},
		{"auth_time a little ahead", login, ada + `,"auth_time":2060.5`, nil, false, ""},
		{"auth_time ahead", login, ada + `,"auth_time":2061.5`, fault.IssuedAhead, false, "auth_time is 61 s ahead"},
		{"no auth_time at the login", ada, ada + `,"auth_time":1`, nil, false, ""},
		{"another nonce", login, ada + `,"nonce":"other"`, fault.Nonce, false, "the nonce is another one"},
		{"nonce, and none at the login", ada, ada + `,"nonce":"other"`, nil, false, ""},
		{"another person", login, `,"sub":"bob","iat":1000`, fault.Claim, true, "iss or sub is another one"},
		{"another person, and older", login, `,"sub":"bob","iat":1`, fault.Claim, true, "iss or sub is another one"},
		{"the organization", login + `,"org_id":"a"`, ada + `,"org_id":"a"`, nil, false, ""},
		{"another organization", login + `,"org_id":"a"`, ada + `,"org_id":"b"`, fault.Organization, true, `org_id is "b", the login was to "a"`},
		{"no organization any more", login + `,"org_id":"a"`, ada, nil, false, ""},
		{"an organization, and none at the login", login, ada + `,"org_id":"b"`, nil, false, ""},
	} {
		r, _ := NewRecord(claimsOf(t, row.login), 0, now)
		bad, foreign := r.CheckRefreshed(claimsOf(t, row.refreshed), now, leeway)
		if (bad == nil) != (row.want == nil) || foreign != row.foreign {
			t.Fatalf("%s: %v, foreign %v", row.why, bad, foreign)
		}
		if bad != nil && (bad.Reason != row.want.Reason || !strings.Contains(bad.Error(), row.text)) {
			t.Errorf("%s: %v, want %s", row.why, bad, row.text)
		}
	}
	r, _ := NewRecord(claimsOf(t, login), 0, now)
	r.Issuer = "https://other.example/"
	if bad, foreign := r.CheckRefreshed(claimsOf(t, login), now, leeway); bad == nil || !foreign {
		t.Errorf("of another issuer: %v, %v", bad, foreign)
	}
}

// TestFactsOfIDTokens: the newest ID token's claims about the authentication count, and
// omitted ones stay. Another login begins with none.
func TestFactsOfIDTokens(t *testing.T) {
	const first = ada + `,"auth_time":900,"acr":"gold","amr":["pwd","mfa"],"org_id":"org_a","org_name":"acme"`
	for _, row := range []struct{ why, refreshed, want string }{
		{"nothing", ada, `{900 gold ["pwd" "mfa"] org_a acme}`},
		{"a newer time", ada + `,"auth_time":950`, `{950 gold ["pwd" "mfa"] org_a acme}`},
		{"another class", ada + `,"acr":"silver"`, `{900 silver ["pwd" "mfa"] org_a acme}`},
		{"other methods", ada + `,"amr":["otp"]`, `{900 gold ["otp"] org_a acme}`},
		{"empty ones", ada + `,"acr":"","amr":[]`, `{900  [] org_a acme}`},
		{"an organization", ada + `,"org_id":"org_a","org_name":"renamed"`, `{900 gold ["pwd" "mfa"] org_a acme}`},
	} {
		r, err := NewRecord(claimsOf(t, first), 0, time.Unix(1000, 0))
		if err != nil {
			t.Fatal(err)
		}
		r.SetIdentity(claimsOf(t, row.refreshed), "", "")
		if facts := r.Facts(); fmt.Sprintf("{%.0f %s %q %s %s}", facts.Time, facts.ACR, facts.AMR, facts.OrgID, facts.OrgName) != row.want {
			t.Errorf("%s: %+v, want %s", row.why, facts, row.want)
		}
		plain := r.encode()
		if got := decodeRecord(string(plain)).Facts(); !reflect.DeepEqual(got, r.Facts()) && len(got.AMR)+len(r.amr) > 0 {
			t.Errorf("%s: %+v, then %+v", row.why, r.Facts(), got)
		}
		if again := r.withTokensOf(r).Facts(); !reflect.DeepEqual(again, r.Facts()) && len(r.amr) > 0 {
			t.Errorf("%s: a copy has %+v", row.why, again)
		}
	}
	next, err := NewRecord(claimsOf(t, ada), 0, time.Unix(1000, 0))
	if err != nil || !reflect.DeepEqual(next.Facts(), condition.Facts{}) {
		t.Errorf("%+v, %v", next, err)
	}
}

// TestLife: unknown facts are zero.
func TestLife(t *testing.T) {
	began, ends := (&Record{createdAt: 1, expiresAt: 2}).Life()
	if !began.Equal(time.Unix(1, 0)) || !ends.Equal(time.Unix(2, 0)) {
		t.Errorf("%v, %v", began, ends)
	}
	if at := (&Record{authTime: -1}).Facts().Time; at != 0 {
		t.Errorf("authenticated at %v", at)
	}
	if sid, raw := (&Record{sid: "s", idToken: "a.b.c"}).LogoutHints(); sid != "s" || raw != "a.b.c" {
		t.Errorf("%q, %q", sid, raw)
	}
}

// TestRenewedID: a session continues under another id, in its newest state. The old id is
// worthless.
func TestRenewedID(t *testing.T) {
	inBothModes(t, func(t *testing.T, m *Manager, s *fakeStore) {
		b := begin(t, m, newRecord("one"))
		record := load(t, m, b, "one").Record
		if _, err := m.Change(t.Context(), record, refresh("second")); err != nil {
			t.Fatal(err)
		}
		if newest, err := m.Newest(t.Context(), record); err != nil || newest.RefreshToken != "refresh second" {
			t.Errorf("newest: %+v, %v", newest, err)
		}
		fails := errors.New("does not apply")
		w := httptest.NewRecorder()
		if err := m.Renew(t.Context(), w, of(b.jar()), record, func(*Record) error { return fails }); err != fails || len(w.Header()) > 0 {
			t.Errorf("%v, %v", err, w.Header())
		}
		old := browser{"s": b["s"]}
		load(t, m, old, "one")
		err := m.Renew(t.Context(), w, of(b.jar()), record, func(r *Record) error {
			r.Data = map[string]string{"a": "1"}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		b.receive(w)
		r := loadJar(t, m, b.jar()).Record
		if r == nil || r.ID == "one" || len(r.ID) < 22 || r.RefreshToken != "refresh second" || r.Data["a"] != "1" || r.createdAt != record.createdAt {
			t.Errorf("%+v", r)
		}
		load(t, m, old, "")
		if s != nil {
			if err := m.Renew(t.Context(), w, of(old.jar()), record, func(*Record) error { t.Error("applied"); return nil }); !isEnded(err) {
				t.Errorf("a session that has ended: %v", err)
			}
		}
	})
}

// TestRenewedIDWithoutItsCookie: the old id is worthless also if the request has no session
// cookie, as with a form that the tenant has posted.
func TestRenewedIDWithoutItsCookie(t *testing.T) {
	inBothModes(t, func(t *testing.T, m *Manager, _ *fakeStore) {
		old := begin(t, m, newRecord("one"))
		record := load(t, m, old, "one").Record
		w := httptest.NewRecorder()
		if err := m.Renew(t.Context(), w, of(browser{}.jar()), record, func(*Record) error { return nil }); err != nil {
			t.Fatal(err)
		}
		load(t, m, old, "")
		renewed := browser{}
		renewed.receive(w)
		if r := loadJar(t, m, renewed.jar()).Record; r == nil || r.ID == "one" {
			t.Errorf("%+v", r)
		}
	})
}

// TestCommit: two requests each keep their changed entries.
func TestCommit(t *testing.T) {
	inBothModes(t, func(t *testing.T, m *Manager, s *fakeStore) {
		r := newRecord("one")
		r.Data = map[string]string{"kept": "0", "dropped": "0"}
		b := begin(t, m, r)
		before := load(t, m, b, "one").Record
		time.Sleep(time.Hour)
		want := map[string]string{"kept": "0", "mine": "1"}
		if s != nil {
			// Another request has saved meanwhile.
			w := httptest.NewRecorder()
			if err := m.Commit(t.Context(), w, of(b.jar()), before, before, map[string]string{"kept": "0", "dropped": "0", "theirs": "2"}); err != nil {
				t.Fatal(err)
			}
			want["theirs"] = "2"
		}
		w := httptest.NewRecorder()
		if err := m.Commit(t.Context(), w, of(b.jar()), before, before, map[string]string{"kept": "0", "mine": "1"}); err != nil {
			t.Fatal(err)
		}
		b.receive(w)
		after := load(t, m, b, "one").Record
		expectEqual(t, "data", after.Data, want)
		if after.touchedAt != before.touchedAt+3600 {
			t.Errorf("touched at %d", after.touchedAt)
		}
		expectEqual(t, "the data of the caller", before.Data, map[string]string{"kept": "0", "dropped": "0"})

		w = httptest.NewRecorder()
		large := map[string]string{"large": strings.Repeat("x", 20_000)}
		if err := m.Commit(t.Context(), w, of(b.jar()), after, after, large); s == nil {
			expectRefusal(t, "too large", err, refusal.TooLarge)
		} else if err != nil {
			t.Error(err)
		}
		if err := m.Destroy(t.Context(), httptest.NewRecorder(), of(b.jar())); err != nil {
			t.Fatal(err)
		}
		w = httptest.NewRecorder()
		if err := m.Commit(t.Context(), w, of(b.jar()), after, after, nil); !isEnded(err) || len(w.Header()) > 0 {
			t.Errorf("a session that has ended: %v, %v", err, w.Header())
		}
	})
}

// TestDataFor: a login takes over the data of the same user's session, and no other user's.
func TestDataFor(t *testing.T) {
	person, other := claimsOf(t, ada), claimsOf(t, `,"sub":"bob"`)
	inBothModes(t, func(t *testing.T, m *Manager, s *fakeStore) {
		record := func(id string) *Record {
			r := newRecord(id)
			r.Data = map[string]string{"id": id}
			return r
		}
		b := begin(t, m, record("one"))
		begin(t, m, record("two"))
		stored := ""
		if s != nil {
			stored = "two"
		}
		for _, row := range []struct {
			why  string
			of   *jwt.Claims
			b    browser
			id   string
			want string
		}{
			{"of the browser", person, b, "", "one"},
			{"of the browser, and another id", person, b, "two", "one"},
			{"of another person", other, b, "two", ""},
			{"by its id", person, browser{}, "two", stored},
			{"by its id, of another person", other, browser{}, "two", ""},
			{"by an id that is not stored", person, browser{}, "three", ""},
			{"none", person, browser{}, "", ""},
		} {
			if got := m.DataFor(t.Context(), row.of, row.b.jar(), row.id)["id"]; got != row.want {
				t.Errorf("%s: %q, want %q", row.why, got, row.want)
			}
		}
	})
	s := newFake()
	m, log := newManager(withStore(s))
	s.fail()
	if got := m.DataFor(t.Context(), person, browser{}.jar(), "two"); got != nil || !strings.Contains(log.String(), "level=WARN") ||
		!strings.Contains(log.String(), "could not be read") || !strings.Contains(log.String(), errDown.Error()) {
		t.Errorf("store down: %v, %s", got, log)
	}
}

// TestCurrentHasEnded: a request that was under way during a logout has no session.
func TestCurrentHasEnded(t *testing.T) {
	inBothModes(t, func(t *testing.T, m *Manager, s *fakeStore) {
		b := begin(t, m, newRecord("one"))
		record := load(t, m, b, "one").Record
		if err := m.Destroy(t.Context(), httptest.NewRecorder(), of(b.jar())); err != nil {
			t.Fatal(err)
		}
		got, err := m.Current(&Loaded{}, func() (*Record, error) { return record, nil })
		if !isEnded(err) || got != nil || !strings.Contains(err.Error(), "ended while this request was under way") {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// TestBeginEndsWhatTheBrowserHad: a new session ends the browser's old one, also if the
// caller knows no id.
func TestBeginEndsWhatTheBrowserHad(t *testing.T) {
	inBothModes(t, func(t *testing.T, m *Manager, s *fakeStore) {
		b := begin(t, m, newRecord("old"))
		old := browser{"s": b["s"]}
		w := httptest.NewRecorder()
		if err := m.Begin(t.Context(), w, of(b.jar()), newRecord("new")); err != nil {
			t.Fatal(err)
		}
		b.receive(w)
		load(t, m, b, "new")
		if l := load(t, m, old, ""); !l.over {
			t.Error("the session before was not ended")
		}
	})
}
