package accounts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/prover"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
)

const (
	issuer = "https://acme.auth0.example/"
	token  = "token-of-ada"
)

// A server answers the requests of a client in turn, without sockets. The last answer
// repeats. An answer is a status and a document. A text without a status stands for a
// failed connection.
type server struct {
	t        *testing.T
	requests []string // method and path below the API
	bodies   []map[string]any
	answers  []string
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	path, ok := strings.CutPrefix(r.URL.String(), "https://acme.auth0.example/me/v1/connected-accounts/")
	if !ok || r.Header.Get("Authorization") != "Bearer token-of-ada" {
		s.t.Errorf("request to %s with %q", r.URL, r.Header.Get("Authorization"))
	}
	s.requests = append(s.requests, r.Method+" "+path)
	var body map[string]any
	if r.Body != nil {
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.Header.Get("Content-Type") != "application/json" {
			s.t.Errorf("body of %s: %v, %s", r.URL, err, r.Header.Get("Content-Type"))
		}
	}
	s.bodies = append(s.bodies, body)
	answer := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	status, document, _ := strings.Cut(answer, " ")
	code := 0
	if _, err := fmt.Sscan(status, &code); err != nil {
		return nil, errors.New(answer)
	}
	return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader([]byte(document)))}, nil
}

// newClient returns a client, and the server of its requests.
func newClient(t *testing.T, answers ...string) (*Client, *server) {
	s := &server{t: t, answers: answers}
	return &Client{HTTP: &http.Client{Transport: s}, Issuer: issuer, Token: secret.Of(prover.Credential{Token: token})}, s
}

// checkRefused fails the test unless an error is a refusal with a reason and a text.
func checkRefused(t *testing.T, why string, err error, reason, text string) {
	t.Helper()
	e, ok := err.(*refusal.Refusal)
	if !ok || e.Reason != reason || !strings.Contains(e.Error(), text) {
		t.Errorf("%s: %v, want %s, %s", why, err, reason, text)
	}
}

// checkRow fails the test unless an error is a refusal with a status and a reason.
func checkRow(t *testing.T, why string, err error, status int, code, reason string) *refusal.Refusal {
	t.Helper()
	e, ok := err.(*refusal.Refusal)
	if !ok || e.Status != status || e.Code != code || e.Reason != reason || e.Err == nil {
		t.Fatalf("%s: %#v", why, err)
	}
	return e
}

// TestToken: the audience and the scopes are those in Auth0's documentation.
func TestToken(t *testing.T) {
	t.Parallel()
	if got := Audience("https://acme.auth0.example/"); got != "https://acme.auth0.example/me/" {
		t.Errorf("audience %s", got)
	}
	if got := strings.Join(Scopes(), " "); got != "create:me:connected_accounts read:me:connected_accounts delete:me:connected_accounts" {
		t.Errorf("scopes %s", got)
	}
}

var request = Request{
	Connection: "google", RedirectURI: "https://app.example/connect", State: "the-state",
	Verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", // RFC 7636, Appendix B
}

const begun = `201 {"auth_session":"s-1","connect_uri":"https://acme.auth0.example/connect?a=b&ticket=x","connect_params":{"ticket":"t 1"}}`

// TestBegin sends the request of the API's specification, and reads the answer.
func TestBegin(t *testing.T) {
	t.Parallel()
	for _, scopes := range [][]string{nil, {}, {"openid", "calendar"}} {
		c, s := newClient(t, begun)
		r := request
		r.Scopes = scopes
		got, err := c.Begin(t.Context(), r)
		if want := (Begun{"https://acme.auth0.example/connect?a=b&ticket=t+1", "s-1"}); err != nil || got != want {
			t.Errorf("%+v, %v", got, err)
		}
		if !slices.Equal(s.requests, []string{"POST connect"}) {
			t.Errorf("requests %q", s.requests)
		}
		want := map[string]any{
			"connection": "google", "redirect_uri": "https://app.example/connect", "state": "the-state",
			"code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256",
		}
		if len(scopes) > 0 {
			want["scopes"] = []any{"openid", "calendar"}
		}
		if got := s.bodies[0]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("body %v, want %v", got, want)
		}
	}
}

// TestBeginMisled: the client rejects an answer without a page of a tenant, and one that no
// callback can complete.
func TestBeginMisled(t *testing.T) {
	t.Parallel()
	for why, answer := range map[string]string{
		"no session":       `201 {"connect_uri":"https://acme.auth0.example/","connect_params":{"ticket":"t"}}`,
		"no ticket":        `201 {"auth_session":"s","connect_uri":"https://acme.auth0.example/","connect_params":{}}`,
		"no params":        `201 {"auth_session":"s","connect_uri":"https://acme.auth0.example/"}`,
		"no URL":           `201 {"auth_session":"s","connect_params":{"ticket":"t"}}`,
		"path":             `201 {"auth_session":"s","connect_uri":"/connect","connect_params":{"ticket":"t"}}`,
		"http":             `201 {"auth_session":"s","connect_uri":"http://acme.auth0.example/","connect_params":{"ticket":"t"}}`,
		"script":           `201 {"auth_session":"s","connect_uri":"javascript:alert(1)","connect_params":{"ticket":"t"}}`,
		"user name in URL": `201 {"auth_session":"s","connect_uri":"https://acme@evil.example/","connect_params":{"ticket":"t"}}`,
		"no escape in URL": `201 {"auth_session":"s","connect_uri":"https://acme.auth0.example/%zz","connect_params":{"ticket":"t"}}`,
	} {
		c, _ := newClient(t, answer)
		got, err := c.Begin(t.Context(), request)
		checkRow(t, why, err, 502, "server_error", "tenant_answer")
		if got != (Begun{}) {
			t.Errorf("%s: %+v", why, got)
		}
	}
	for why, tt := range map[string]struct{ answer, reason, text string }{
		"refused":   {`400 {"type":"https://auth0.com/#A0E-400-0003","detail":"bad"}`, "tenant_answer", `"A0E-400-0003": "bad"`},
		"no JSON":   {"201 <html>", "tenant_answer", "the answer is not the expected JSON"},
		"no answer": {"connection reset", "tenant_unavailable", "connection reset"},
	} {
		c, _ := newClient(t, tt.answer)
		got, err := c.Begin(t.Context(), request)
		checkRefused(t, why, err, tt.reason, tt.text)
		if got != (Begun{}) {
			t.Errorf("%s: %+v", why, got)
		}
	}
}

// TestComplete has a row for each meaning of an answer.
func TestComplete(t *testing.T) {
	t.Parallel()
	done := Completion{AuthSession: "s-1", Code: "c-1", RedirectURI: "https://app.example/connect", Verifier: "v-1"}
	body := fmt.Sprint(map[string]any{
		"auth_session": "s-1", "connect_code": "c-1", "redirect_uri": "https://app.example/connect", "code_verifier": "v-1",
	})
	const gone = `{"type":"https://auth0.com/api-errors#A0E-404-0001","detail":"gone"}`
	for _, tt := range []struct {
		why, answer string
		code        string // of a rejected code; else
		reason      string // of another refusal
	}{
		{"connected", `201 {"id":"cac_1"}`, "", ""},
		{"connected, without a body", "204 ", "", ""},
		{"connected already", "409 " + gone, "", ""},
		{"code refused", "400 " + gone, "A0E-404-0001", ""},
		{"code gone", "404 " + gone, "A0E-404-0001", ""},
		{"code refused, nobody says why", "400 <html>", "invalid_grant", ""},
		{"token refused", "401 " + gone, "", "tenant_answer"},
		{"not allowed", "403 " + gone, "", "tenant_answer"},
		{"user refused", `403 {"error":"unauthorized"}`, "", "token_expired"},
		{"down", "503 ", "", "tenant_unavailable"},
		{"no answer", "connection reset", "", "tenant_unavailable"},
	} {
		c, s := newClient(t, tt.answer)
		err := c.Complete(t.Context(), done)
		switch {
		case tt.reason != "":
			checkRefused(t, tt.why, err, tt.reason, "")
		case tt.code != "":
			if e := checkRow(t, tt.why, err, 400, tt.code, "invalid_grant"); fmt.Sprint(e.TenantStatus) != tt.answer[:3] {
				t.Errorf("%s: status %d of the tenant", tt.why, e.TenantStatus)
			}
		case err != nil:
			t.Errorf("%s: %v", tt.why, err)
		}
		if !slices.Equal(s.requests, []string{"POST complete"}) || fmt.Sprint(s.bodies[0]) != body {
			t.Errorf("%s: %q, %v", tt.why, s.requests, s.bodies)
		}
	}
}

func ids(list []Account) string {
	var ids []string
	for _, a := range list {
		ids = append(ids, a.ID)
	}
	return strings.Join(ids, " ")
}

// TestList reads every page, or returns an error.
func TestList(t *testing.T) {
	t.Parallel()
	const full = `{"id":"cac_1","connection":"google","access_type":"offline","scopes":["openid","calendar"],
		"created_at":"2026-01-02T03:04:05.678Z","expires_at":"2027-01-02T03:04:05Z"}`
	c, s := newClient(t, `200 {"accounts":[`+full+`],"next":"n 1"}`,
		`200 {"accounts":[{"id":"cac_2","connection":"box"},{"id":"cac_3","connection":"google"}],"next":"n2"}`, `200 {"accounts":[]}`)
	list, err := c.List(t.Context(), "")
	if err != nil || ids(list) != "cac_1 cac_2 cac_3" {
		t.Fatalf("%q, %v", ids(list), err)
	}
	want := []string{"GET accounts?take=20", "GET accounts?from=n+1&take=20", "GET accounts?from=n2&take=20"}
	if !slices.Equal(s.requests, want) {
		t.Errorf("requests %q", s.requests)
	}
	a := list[0]
	created, expires := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC), time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	if a.Connection != "google" || a.AccessType != "offline" || !slices.Equal(a.Scopes, []string{"openid", "calendar"}) ||
		!a.CreatedAt.Equal(created) || !a.ExpiresAt.Equal(expires) || !list[1].ExpiresAt.IsZero() {
		t.Errorf("%+v", list)
	}
	c, s = newClient(t,
		`200 {"accounts":[{"id":"cac_1","connection":"google"},{"id":"cac_2","connection":"box"}],"next":"n1"}`,
		`200 {"accounts":[{"id":"cac_3","connection":"google"}]}`)
	list, err = c.List(t.Context(), "google")
	if err != nil || ids(list) != "cac_1 cac_3" {
		t.Errorf("of one connection, at a tenant that does not filter: %q, %v", ids(list), err)
	}
	want = []string{"GET accounts?connection=google&take=20", "GET accounts?connection=google&from=n1&take=20"}
	if !slices.Equal(s.requests, want) {
		t.Errorf("of one connection: requests %q", s.requests)
	}
	c, _ = newClient(t, `200 {"accounts":[]}`)
	if list, err := c.List(t.Context(), ""); err != nil || list != nil {
		t.Errorf("none: %v, %v", list, err)
	}
}

// TestListFails: a list with a missing page returns nothing.
func TestListFails(t *testing.T) {
	t.Parallel()
	page := func(next string) string { return `200 {"accounts":[{"id":"cac_1"}],"next":"` + next + `"}` }
	var endless []string
	for i := range 100 {
		endless = append(endless, page(fmt.Sprint("p", i)))
	}
	for _, tt := range []struct {
		why      string
		answers  []string
		requests int
		reason   string
		text     string
	}{
		{"the first page fails", []string{"503 "}, 1, "tenant_unavailable", "the tenant answered 503"},
		{"the second page fails", []string{page("n"), `400 {"type":"#A0E-400-0003"}`}, 2, "tenant_answer", "A0E-400-0003"},
		{"no JSON", []string{page("n"), "200 <html>"}, 2, "tenant_answer", "the answer is not the expected JSON"},
		{"no answer", []string{page("n"), "connection reset"}, 2, "tenant_unavailable", "connection reset"},
		{"leads to itself", []string{page("n")}, 2, "tenant_answer", "refers to an earlier page"},
		{"pages in a circle", []string{page("a"), page("b"), page("a")}, 3, "tenant_answer", "refers to an earlier page"},
		{"no end", endless, 100, "tenant_answer", "there are more than 100 pages of accounts"},
	} {
		c, s := newClient(t, tt.answers...)
		list, err := c.List(t.Context(), "")
		if list != nil || len(s.requests) != tt.requests {
			t.Errorf("%s: %v after %d requests", tt.why, list, len(s.requests))
		}
		checkRefused(t, tt.why, err, tt.reason, tt.text)
	}
	// The last page that is read may be the last one.
	endless[99] = `200 {"accounts":[{"id":"cac_1"}]}`
	c, _ := newClient(t, endless...)
	if list, err := c.List(t.Context(), ""); err != nil || len(list) != 100 {
		t.Errorf("hundred pages: %d accounts, %v", len(list), err)
	}
}

// TestDisconnect tries each account, and names those that remain.
func TestDisconnect(t *testing.T) {
	t.Parallel()
	list := []Account{{ID: "cac_1"}, {ID: "cac/2?"}, {ID: "cac_3"}}
	every := []string{"DELETE accounts/cac_1", "DELETE accounts/cac%2F2%3F", "DELETE accounts/cac_3"}
	for _, tt := range []struct {
		why     string
		answers []string
		want    string // in the error
		status  int    // of the tenant, in the first failure
	}{
		{"all", []string{"204 "}, "", 0},
		{"gone already", []string{"204 ", "404 ", "204 "}, "", 0},
		{"one remains", []string{"204 ", "500 ", "204 "}, `these accounts remain connected: ["cac/2?"]: the tenant answered 500`, 500},
		{"two remain", []string{"503 ", "204 ", "403 "}, `these accounts remain connected: ["cac_1" "cac_3"]: the tenant answered 503`, 503},
		{"one remains, one is gone", []string{"404 ", "204 ", "429 "}, `remain connected: ["cac_3"]: the tenant answered 429`, 429},
		{"not allowed", []string{"403 ", "503 ", "204 "}, `these accounts remain connected: ["cac_1" "cac/2?"]: the tenant answered 403`, 403},
		{"no answer", []string{"204 ", "reset", "204 "}, `these accounts remain connected: ["cac/2?"]`, 0},
	} {
		c, s := newClient(t, tt.answers...)
		err := c.Disconnect(t.Context(), list)
		if !slices.Equal(s.requests, every) {
			t.Errorf("%s: %q", tt.why, s.requests)
		}
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.why, err)
			}
			continue
		}
		reason := "tenant_unavailable"
		if tt.status == 403 {
			reason = "tenant_answer"
		}
		checkRefused(t, tt.why, err, reason, tt.want)
		if e, _ := tenanterror.Of(err); e.Status != tt.status {
			t.Errorf("%s: status %d of the tenant", tt.why, e.Status)
		}
	}
	c, s := newClient(t, "204 ")
	if err := c.Disconnect(t.Context(), nil); err != nil || s.requests != nil {
		t.Errorf("none: %v, %q", err, s.requests)
	}
}

// TestRemaining: a refusal does not contain itself.
func TestRemaining(t *testing.T) {
	t.Parallel()
	failed := refusal.TenantAnswer.Because("first")
	err := remaining([]string{"cac_1"}, failed)
	checkRefused(t, "a refusal", err, "tenant_answer", `these accounts remain connected: ["cac_1"]: `)
	if err == failed || failed.Err.Error() != "first" || !errors.Is(err, failed) {
		t.Errorf("%v; the failure is now %v", err, failed)
	}
}

// TestTokenDoesNotPrint: a formatted client does not show the token.
func TestTokenDoesNotPrint(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t, "204 ")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if text := fmt.Sprintf(verb+verb, c, *c); strings.Contains(text, token) || strings.Contains(text, fmt.Sprintf("%x", token)) {
			t.Errorf("%s: %s", verb, text)
		}
	}
}
