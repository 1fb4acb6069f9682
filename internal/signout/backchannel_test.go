package signout

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// badToken is the rejection of a logout token with a fault.
func badToken(f *fault.Fault) refusal.Row {
	row := refusal.LogoutToken
	row.Reason = f.Reason
	return row
}

// TestBackchannelRefusals has a row for each request that ends no session (OpenID
// Connect Back-Channel Logout 1.0, Sections 2.5, 2.6 and 2.8).
func TestBackchannelRefusals(t *testing.T) {
	t.Parallel()
	tokens := func(list ...string) func() url.Values {
		return func() url.Values { return url.Values{"logout_token": list} }
	}
	// The token is made when the test has its clock.
	token := func(c func() change) func() url.Values {
		return func() url.Values { return url.Values{"logout_token": {logoutToken(own, c())}} }
	}
	claims := func(c change) func() url.Values { return token(func() change { return c }) }
	for _, row := range []struct {
		why    string
		method string // POST if empty
		header []string
		form   func() url.Values
		edit   func(*Config)
		want   refusal.Row
		cause  string
	}{
		{why: "GET", method: "GET", want: refusal.Method},
		{why: "HEAD", method: "HEAD", want: refusal.Method},
		{why: "PUT", method: "PUT", want: refusal.Method},
		{why: "body that is no form", header: []string{"Content-Type", "application/json"}, want: refusal.LogoutToken, cause: "not a form"},
		{why: "body too large", form: tokens(strings.Repeat("x", 64<<10)), want: badToken(fault.Size)},
		{why: "no token", form: tokens(), want: refusal.LogoutToken, cause: "logout_token is there 0 times"},
		{why: "two tokens", form: tokens("x.y.z", "x.y.z"), want: refusal.LogoutToken, cause: "logout_token is there 2 times"},
		{why: "tenant down", edit: func(c *Config) { c.Client.Tenant.Static = nil },
			want: refusal.LogoutToken, cause: "we cannot reach the login service"},
		{why: "empty token", form: tokens(""), want: badToken(fault.Malformed)},
		{why: "no token at all", form: tokens("x.y.z"), want: badToken(fault.Malformed)},
		{why: "other key", form: func() url.Values {
			return url.Values{"logout_token": {logoutToken(foreign, nil)}}
		}, want: badToken(fault.Signature)},
		{why: "other issuer", form: claims(change{"iss": "https://evil.example/"}), want: badToken(fault.Issuer)},
		{why: "other application", form: claims(change{"aud": "other"}), want: badToken(fault.Audience)},
		{why: "too old", form: token(func() change {
			return change{"iat": now().Unix() - 361, "exp": now().Unix() + 60}
		}), want: badToken(fault.TooOld)},
		{why: "expired", form: token(func() change { return change{"exp": now().Unix() - leeway} }), want: badToken(fault.Expired)},
		{why: "ID token", form: claims(change{"events": nil}), want: badToken(fault.Type)},
		{why: "nobody named", form: claims(change{"sub": nil, "sid": nil}), want: badToken(fault.Claim), cause: "neither sid nor sub"},
	} {
		t.Run(row.why, func(t *testing.T) {
			t.Parallel()
			inModes(t, marking, func(e *env) {
				_, cookies := e.logIn(ada)
				if e.down = true; row.edit != nil {
					row.edit(&e.Config)
				}
				form := url.Values{"logout_token": {logoutToken(own, nil)}}
				if row.form != nil {
					form = row.form()
				}
				method := row.method
				if method == "" {
					method = "POST"
				}
				got := e.do(e.Backchannel, e.request(method, "/auth/backchannel-logout", form, row.header...))
				expect(t, row.why, got.err, row.want, row.cause)
				if rowOf(got.err).Status != 400 && row.want != refusal.Method {
					t.Errorf("status %d", rowOf(got.err).Status)
				}
				allow := map[bool]string{true: "POST"}[row.want == refusal.Method]
				if got.Header().Get("Cache-Control") != "no-store" || got.Header().Get("Allow") != allow || got.changes != "" {
					t.Errorf("header %q", got.Header())
				}
				if !e.isLoggedIn(cookies) || strings.Contains(e.log.String(), "sessions were ended") {
					t.Errorf("the session has ended; the log is %s", e.log)
				}
			})
		})
	}
}

// TestBackchannelEnds has a row for each good logout token, and its ended sessions.
func TestBackchannelEnds(t *testing.T) {
	t.Parallel()
	people := []person{
		{subject: "auth0|ada", sid: "s1"},
		{subject: "auth0|ada", sid: "s2"},
		{subject: "auth0|ada"},
		{subject: "auth0|bob", sid: "s3"},
		{subject: "auth0|ada", sid: "s1", issued: 1},
		{subject: "auth0|ada", sid: "s1", issued: 2},
	}
	at := func(d float64) float64 { return float64(now().Unix()) + d }
	for _, row := range []struct {
		why    string
		claims func() change
		want   string // x for each session that ends
		log    string
	}{
		{"one session", func() change { return nil }, "x.....", "sub=auth0|ada one_session=true"},
		{"one session, nobody named", func() change { return change{"sub": nil} }, "x.....", `sub="" one_session=true`},
		{"other session", func() change { return change{"sid": "s2"} }, ".x....", "one_session=true"},
		{"all of a person", func() change { return change{"sid": nil} }, "xxx...", "sub=auth0|ada one_session=false"},
		{"all of another person", func() change { return change{"sid": nil, "sub": "auth0|bob"} }, "...x..", "sub=auth0|bob one_session=false"},
		{"a session that nobody has", func() change { return change{"sid": "s9"} }, "......", "one_session=true"},
		// A login within the second of the logout can come before it.
		{"part of a second later", func() change { return change{"sid": nil, "iat": at(0.5)} }, "xxx.x.", ""},
		{"a second later", func() change { return change{"sid": nil, "iat": at(1)} }, "xxx.x.", ""},
		{"before all", func() change { return change{"sid": nil, "iat": at(-1)} }, "......", ""},
	} {
		t.Run(row.why, func(t *testing.T) {
			t.Parallel()
			inModes(t, marking, func(e *env) {
				var browsers [][]*http.Cookie
				for _, p := range people {
					_, cookies := e.logIn(p)
					browsers = append(browsers, cookies)
				}
				token := logoutToken(own, row.claims())
				got := e.post(token)
				if got.err != nil || got.Code != 200 || got.Body.Len() != 0 || got.Header().Get("Cache-Control") != "no-store" || got.changes != "" {
					t.Fatalf("%d, %v, header %q", got.Code, got.err, got.Header())
				}
				for i, cookies := range browsers {
					if e.isLoggedIn(cookies) == (row.want[i] == 'x') {
						t.Errorf("%s: session %d goes on: %v", row.why, i, row.want[i] == 'x')
					}
				}
				const line = "level=INFO msg=\"auth0: sessions were ended by the tenant\" "
				if logged := e.log.String(); !strings.Contains(logged, line) || !strings.Contains(logged, row.log) {
					t.Errorf("the log is %s", e.log)
				}
				// The answer may not have reached the tenant. The same token is accepted
				// again.
				clear(e.store.writes)
				if again := e.post(token); again.err != nil || again.Code != 200 || len(e.store.writes) != 0 {
					t.Errorf("again: %d, %v, %d writes", again.Code, again.err, len(e.store.writes))
				}
			})
		})
	}
}

// TestBackchannelMemory: the jti of a token stays recorded while the token is acceptable.
func TestBackchannelMemory(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why    string
		claims func() change
		want   time.Duration // after now
	}{
		{"until its end", func() change { return nil }, 120*time.Second + leeway*time.Second},
		{"five minutes at most", func() change { return change{"exp": now().Unix() + 3600*24*365} }, 300*time.Second + leeway*time.Second},
		{"five minutes after it was issued", func() change { return change{"iat": now().Unix() - 100, "exp": now().Unix() + 3600} },
			200*time.Second + leeway*time.Second},
	} {
		inModes(t, marking, func(e *env) {
			if got := e.post(logoutToken(own, row.claims())); got.err != nil {
				t.Fatal(got.err)
			}
			found := 0
			for key, expiry := range e.store.writes {
				if strings.HasPrefix(key, "auth0:logout:") {
					found++
					if want := time.Unix(now().Unix(), 0).Add(row.want); !expiry.Equal(want) {
						t.Errorf("%s: it is kept until %v, want %v", row.why, expiry, want)
					}
				}
			}
			if found != 1 {
				t.Errorf("%s: %d tokens are kept", row.why, found)
			}
		})
	}
}

// TestStoreDownAtTheBackchannel: the tenant learns that no session has ended, and can send
// the token again.
func TestStoreDownAtTheBackchannel(t *testing.T) {
	t.Parallel()
	inModes(t, marking, func(e *env) {
		_, cookies := e.logIn(ada)
		token := logoutToken(own, nil)
		e.store.fail(errors.New("down"))
		got := e.post(token)
		expect(t, "store", got.err, refusal.LogoutFailed, "down")
		if got.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("header %q", got.Header())
		}
		e.store.fail(nil)
		if !e.isLoggedIn(cookies) {
			t.Error("the session has ended")
		}
		if got := e.post(token); got.err != nil || e.isLoggedIn(cookies) {
			t.Errorf("again: %v", got.err)
		}
	})
}
