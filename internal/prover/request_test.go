package prover

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// formRequests returns requests to a token endpoint, each with its number.
func formRequests(n *int) func() (*http.Request, error) {
	return func() (*http.Request, error) {
		*n++
		return http.NewRequest("POST", "https://tenant.example/oauth/token?x=1#y", strings.NewReader(strings.Repeat("a", *n)))
	}
}

// TestTokenRequests: the answers of a token endpoint that lead to another request, and the
// content of each request.
func TestTokenRequests(t *testing.T) {
	t.Parallel()
	says := func(status int, body string, nonce ...string) answer {
		h := http.Header{}
		if nonce != nil {
			h["Dpop-Nonce"] = nonce
		}
		return answer{status: status, header: h, body: body}
	}
	const wanted = `{"error":"use_dpop_nonce"}`
	resent := says(400, `{"error":"invalid_dpop_proof"}`)
	resent.resent = true
	for _, row := range []struct {
		name    string
		answers []answer
		want    int      // status
		nonces  []string // of the requests
	}{
		{"accepted", []answer{good}, 200, []string{""}},
		{"nonce", []answer{tokenWantsNonce("n1"), good}, 200, []string{"", "n1"}},
		{"nonce with 401", []answer{says(401, wanted, "n1"), good}, 200, []string{"", "n1"}},
		{"nonce twice", []answer{tokenWantsNonce("n1"), tokenWantsNonce("n2")}, 400, []string{"", "n1"}},
		{"nonce that was not sent", []answer{says(400, wanted)}, 400, []string{""}},
		{"two nonces", []answer{says(400, wanted, "a", "b")}, 400, []string{""}},
		{"another error with a nonce", []answer{says(400, `{"error":"invalid_grant"}`, "n1")}, 400, []string{""}},
		{"another status", []answer{says(403, wanted, "n1")}, 403, []string{""}},
		{"no JSON", []answer{says(400, "use_dpop_nonce", "n1")}, 400, []string{""}},
		{"bad proof", []answer{says(400, `{"error":"invalid_dpop_proof"}`)}, 400, []string{""}},
		{"bad proof of a request that was sent twice", []answer{resent, good}, 200, []string{"", ""}},
		{"bad proof again", []answer{resent, resent}, 400, []string{"", ""}},
	} {
		s, n := newServer(t, row.answers...), 0
		key := newKey()
		resp, err := key.Do(&http.Client{Transport: s}, formRequests(&n))
		if err != nil || resp.Status != row.want || len(s.proofs) != len(row.nonces) || n != len(row.nonces) {
			t.Errorf("%s: %+v, %v, %d proofs in %d requests", row.name, resp, err, len(s.proofs), n)
			continue
		}
		ids := map[string]bool{}
		for i, p := range s.proofs {
			if p.Nonce != row.nonces[i] || p.Htm != "POST" || p.Htu != "https://tenant.example/oauth/token" || p.Ath != "" || p.Iat != at.Unix() ||
				p.thumbprint != key.Thumbprint() || ids[p.Jti] || s.bodies[i] != strings.Repeat("a", i+1) {
				t.Errorf("%s: proof %+v of the body %q", row.name, p, s.bodies[i])
			}
			ids[p.Jti] = true
		}
	}
}

// TestNonceOfTokenEndpoint: the next request has the newest nonce, also after a good
// answer, and for another key of the application.
func TestNonceOfTokenEndpoint(t *testing.T) {
	t.Parallel()
	ok := good
	ok.header = http.Header{"Dpop-Nonce": {"n2"}}
	s, n := newServer(t, tokenWantsNonce("n1"), ok, good), 0
	keys := NewKeys(true, Key{}, clock)
	for range 2 {
		if _, err := keys.ForLogin().Do(&http.Client{Transport: s}, formRequests(&n)); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.proofs) != 3 || s.proofs[2].Nonce != "n2" {
		t.Errorf("%+v", s.proofs)
	}
}

// TestTokenRequestsFail: the client sends nothing without a request, or without a
// signature.
func TestTokenRequestsFail(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	hsm := must(Of(&failing{Signer: newECKey(), err: broken}))
	for _, row := range []struct {
		name string
		key  Key
		next func(n int) error
		sent int
		want string
	}{
		{"no request", newKey(), func(int) error { return broken }, 0, "broken"},
		{"no request for a bearer token", Key{}, func(int) error { return broken }, 0, "broken"},
		{"no second request", newKey(), func(n int) error {
			if n == 2 {
				return broken
			}
			return nil
		}, 1, "broken"},
		{"no signature", hsm, func(int) error { return nil }, 0, "Config.ProofKey: "},
	} {
		s, n := newServer(t, tokenWantsNonce("n1")), 0
		next := formRequests(new(int))
		_, err := row.key.Do(&http.Client{Transport: s}, func() (*http.Request, error) {
			n++
			if err := row.next(n); err != nil {
				return nil, err
			}
			return next()
		})
		if err == nil || !errors.Is(err, broken) || !strings.Contains(err.Error(), row.want) || len(s.requests) != row.sent {
			t.Errorf("%s: %v, %d requests", row.name, err, len(s.requests))
		}
	}
	_, err := hsm.Do(&http.Client{Transport: newServer(t, good)}, formRequests(new(int)))
	refused(t, "no signature", err, refusal.Internal, "broken")
	s := newServer(t, answer{err: broken})
	if _, err := newKey().Do(&http.Client{Transport: s}, formRequests(new(int))); !errors.Is(err, broken) || len(s.requests) != 1 {
		t.Errorf("no connection: %v, %d requests", err, len(s.requests))
	}
	s = newServer(t, good)
	if resp, err := (Key{}).Do(&http.Client{Transport: s}, formRequests(new(int))); err != nil || resp.Status != 200 || s.requests[0].Header["Dpop"] != nil {
		t.Errorf("a bearer token: %v", err)
	}
}

// bound returns a transport for a token with a key.
func bound(key Key, base http.RoundTripper) Transport {
	return Transport{Base: base, Credential: func() (Credential, error) { return Credential{"the-token", key}, nil }}
}

// TestTransport: the answers of an API that lead to another request, and the content of
// each request.
func TestTransport(t *testing.T) {
	t.Parallel()
	says := func(status int, challenge string, nonce string) answer {
		a := answer{status: status, header: http.Header{"Www-Authenticate": {challenge}}}
		if nonce != "" {
			a.header.Set("DPoP-Nonce", nonce)
		}
		return a
	}
	resent := says(401, `DPoP error="invalid_dpop_proof"`, "")
	resent.resent = true
	resentOther := says(401, `DPoP error="invalid_token"`, "")
	resentOther.resent = true
	for _, row := range []struct {
		name    string
		method  string
		body    io.Reader
		answers []answer
		want    int
		nonces  []string
	}{
		{"accepted", "GET", nil, []answer{good}, 200, []string{""}},
		{"nonce", "GET", nil, []answer{wantsNonce("n1"), good}, 200, []string{"", "n1"}},
		{"nonce for a body", "POST", strings.NewReader("the body"), []answer{wantsNonce("n1"), good}, 200, []string{"", "n1"}},
		{"nonce for no body", "POST", http.NoBody, []answer{wantsNonce("n1"), good}, 200, []string{"", "n1"}},
		{"nonce for a body that is gone", "POST", io.MultiReader(strings.NewReader("the body")), []answer{wantsNonce("n1"), good}, 401, []string{""}},
		{"nonce twice", "GET", nil, []answer{wantsNonce("n1"), wantsNonce("n2"), good}, 401, []string{"", "n1"}},
		{"nonce that was not sent", "GET", nil, []answer{says(401, `DPoP error="use_dpop_nonce"`, ""), good}, 401, []string{""}},
		{"nonce with 400", "GET", nil, []answer{says(400, `DPoP error="use_dpop_nonce"`, "n1"), good}, 400, []string{""}},
		{"nonce of another scheme", "GET", nil, []answer{says(401, `Bearer error="use_dpop_nonce"`, "n1"), good}, 401, []string{""}},
		{"bad proof", "GET", nil, []answer{says(401, `DPoP error="invalid_dpop_proof"`, "n1"), good}, 401, []string{""}},
		{"bad token", "GET", nil, []answer{resentOther, good}, 401, []string{""}},
		{"bad proof of a request that was sent twice", "GET", nil, []answer{resent, good}, 200, []string{"", ""}},
		{"bad proof again", "PUT", strings.NewReader("the body"), []answer{resent, resent, good}, 401, []string{"", ""}},
	} {
		s, key := newServer(t, row.answers...), newKey()
		r := must(http.NewRequest(row.method, "https://api.example/a%2Fb?c=d", row.body))
		r.Header.Set("X-Test", "1")
		resp, err := bound(key, s).RoundTrip(r)
		if err != nil || resp.StatusCode != row.want || len(s.proofs) != len(row.nonces) {
			t.Errorf("%s: %+v, %v, %d proofs", row.name, resp, err, len(s.proofs))
			continue
		}
		if s.closed != len(row.nonces)-1 {
			t.Errorf("%s: %d bodies of responses are closed", row.name, s.closed)
		}
		ids := map[string]bool{}
		for i, p := range s.proofs {
			if p.Nonce != row.nonces[i] || p.Htm != row.method || p.Htu != "https://api.example/a%2Fb" || p.Ath != athOf("the-token") ||
				p.thumbprint != key.Thumbprint() || ids[p.Jti] {
				t.Errorf("%s: proof %+v", row.name, p)
			}
			ids[p.Jti] = true
			if h := s.requests[i].Header; h.Get("Authorization") != "DPoP the-token" || h.Get("X-Test") != "1" {
				t.Errorf("%s: %v", row.name, h)
			}
			if row.body != nil && row.body != http.NoBody && s.bodies[i] != "the body" {
				t.Errorf("%s: the body is %q", row.name, s.bodies[i])
			}
		}
		if len(r.Header) != 1 {
			t.Errorf("%s: the request of the caller has %v", row.name, r.Header)
		}
	}
}

// TestTargets: the URL in a proof is the server's own URL.
func TestTargets(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ target, host, want string }{
		{"https://api.example", "", "https://api.example/"}, {"https://API.example:443/A?b#c", "", "https://api.example/A"},
		{"https://user:pass@api.example/", "", "https://api.example/"}, {"https://10.0.0.1:8443/x", "api.example", "https://api.example/x"},
		{"https://api.example/a%2fb/%C3%A9", "", "https://api.example/a%2fb/%C3%A9"}, {"http://127.0.0.1:80/", "", "http://127.0.0.1/"},
	} {
		s := newServer(t, good)
		r := &http.Request{URL: must(url.Parse(row.target)), Host: row.host, Header: http.Header{}}
		if _, err := bound(newKey(), s).RoundTrip(r); err != nil || s.proofs[0].Htu != row.want || s.proofs[0].Htm != "GET" {
			t.Errorf("%s: %v, %+v, want %s", row.target, err, s.proofs, row.want)
		}
	}
	for _, r := range []*http.Request{{Header: http.Header{}}, {URL: must(url.Parse("https://api.example"))}} {
		for _, key := range []Key{newKey(), {}} {
			_, err := bound(key, newServer(t, good)).RoundTrip(r)
			refused(t, "no request", err, refusal.Internal, "no URL or no header")
		}
	}
}

// TestRoles: the nonce of a token endpoint is not for the APIs of the same origin, nor the
// reverse.
func TestRoles(t *testing.T) {
	t.Parallel()
	key := newKey()
	ok := func(nonce string) answer { return answer{status: 200, header: http.Header{"Dpop-Nonce": {nonce}}} }
	tokens, api := newServer(t, ok("of the token endpoint")), newServer(t, ok("of-the-API"))
	tokens.answers[0].header["Dpop-Nonce"] = []string{"of-the-token-endpoint"}
	for range 2 {
		must(key.Do(&http.Client{Transport: tokens}, formRequests(new(int))))
		must(bound(key, api).RoundTrip(must(http.NewRequest("GET", "https://tenant.example/userinfo", nil))))
	}
	if tokens.proofs[1].Nonce != "of-the-token-endpoint" || api.proofs[0].Nonce != "" || api.proofs[1].Nonce != "of-the-API" {
		t.Errorf("%+v, %+v", tokens.proofs, api.proofs)
	}
}

// TestRefusedRequests: the transport sends nothing, and closes the body.
func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	redirected := func(from string, named bool) func(*http.Request) {
		return func(r *http.Request) {
			r.Response = &http.Response{}
			if named {
				r.Response.Request = &http.Request{URL: must(url.Parse(from))}
			}
		}
	}
	header := func(name string) func(*http.Request) {
		return func(r *http.Request) { r.Header[name] = []string{"x"} }
	}
	same := func(*http.Request) {}
	for _, row := range []struct {
		name, target string
		edit         func(*http.Request)
		want         refusal.Row
		bearer       refusal.Row // for a bearer token, zero if the transport sends it
	}{
		{"good", "https://api.example/", same, refusal.Row{}, refusal.Row{}},
		{"http on this machine", "http://127.0.0.1:4000/", same, refusal.Row{}, refusal.Row{}},
		{"http on a name of this machine", "http://api.LOCALHOST/", same, refusal.Row{}, refusal.Row{}},
		{"http", "http://api.example/", same, refusal.Internal, refusal.Row{}},
		{"http of a lookalike", "http://localhost.example/", same, refusal.Internal, refusal.Row{}},
		{"Authorization", "https://api.example/", header("Authorization"), refusal.Internal, refusal.Row{}},
		{"DPoP", "https://api.example/", header("Dpop"), refusal.Internal, refusal.Row{}},
		{"DPoP in another spelling", "https://api.example/", header("DPoP"), refusal.Internal, refusal.Row{}},
		{"Authorization in small letters", "https://api.example/", header("authorization"), refusal.Internal, refusal.Row{}},
		{"DPoP in small letters", "https://api.example/", header("dpop"), refusal.Internal, refusal.Row{}},
		{"redirect on the origin", "https://api.example/y", redirected("https://API.example:443/x", true), refusal.Row{}, refusal.Row{}},
		{"redirect to another host", "https://api.example/", redirected("https://other.example/", true), refusal.Redirected, refusal.Redirected},
		{"redirect to another port", "https://api.example:8443/", redirected("https://api.example/", true), refusal.Redirected, refusal.Redirected},
		{"redirect to http", "http://127.0.0.1/", redirected("https://127.0.0.1/", true), refusal.Redirected, refusal.Redirected},
		{"redirect from nowhere", "https://api.example/", redirected("", false), refusal.Redirected, refusal.Redirected},
	} {
		for kind, key := range map[string]Key{"bound": newKey(), "bearer": {}} {
			s := newServer(t, good)
			body := &closing{Reader: strings.NewReader("x")}
			r := must(http.NewRequest("POST", row.target, body))
			row.edit(r)
			_, err := bound(key, s).RoundTrip(r)
			want := row.want
			if kind == "bearer" {
				want = row.bearer
			}
			if want == (refusal.Row{}) {
				if err != nil || len(s.requests) != 1 {
					t.Errorf("%s, %s: %v", row.name, kind, err)
				}
				continue
			}
			refused(t, row.name+", "+kind, err, want, "")
			if len(s.requests) != 0 || !body.closed {
				t.Errorf("%s, %s: %d requests, body closed %v", row.name, kind, len(s.requests), body.closed)
			}
		}
	}
}

// TestTransportFails: errors of the source and of the network reach the caller unchanged.
// The transport does not send a request without a signature.
func TestTransportFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	s := newServer(t, good)
	body := &closing{Reader: strings.NewReader("x")}
	_, err := Transport{Base: s, Credential: func() (Credential, error) { return Credential{}, broken }}.RoundTrip(must(http.NewRequest("POST", "https://api.example/", body)))
	if err != broken || len(s.requests) != 0 || !body.closed {
		t.Errorf("%v, %d requests, body closed %v", err, len(s.requests), body.closed)
	}
	body = &closing{Reader: strings.NewReader("x")}
	_, err = bound(must(Of(&failing{Signer: newECKey(), err: broken})), s).RoundTrip(must(http.NewRequest("POST", "https://api.example/", body)))
	refused(t, "no signature", err, refusal.Internal, "broken")
	if len(s.requests) != 0 || !body.closed {
		t.Errorf("%d requests, body closed %v", len(s.requests), body.closed)
	}
	for _, key := range []Key{newKey(), {}} {
		s := newServer(t, answer{err: broken})
		if _, err := bound(key, s).RoundTrip(must(http.NewRequest("GET", "https://api.example/", nil))); err != broken || len(s.requests) != 1 {
			t.Errorf("%v, %d requests", err, len(s.requests))
		}
	}
	r := must(http.NewRequest("POST", "https://api.example/", strings.NewReader("x")))
	r.GetBody = func() (io.ReadCloser, error) { return nil, broken }
	s = newServer(t, wantsNonce("n1"), good)
	if resp, err := bound(newKey(), s).RoundTrip(r); err != nil || resp.StatusCode != 401 || s.closed != 0 {
		t.Errorf("no second body: %v, %v", resp, err)
	}
	var sent *http.Request
	signals := func(r *http.Request) (*http.Response, error) {
		sent = r
		return nil, broken
	}
	if _, err := bound(Key{}, roundTripper(signals)).RoundTrip(must(http.NewRequest("GET", "https://api.example/", nil))); err != broken || sent.Header.Get("Authorization") != "Bearer the-token" || sent.Header["Dpop"] != nil {
		t.Errorf("bearer: %v, %v", err, sent.Header)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestRedirects: package net/http follows a redirect on the origin with another proof, and
// none to another origin. A transport need not name the requests of its responses.
func TestRedirects(t *testing.T) {
	t.Parallel()
	to := func(location string, unnamed bool) answer {
		return answer{status: 307, header: http.Header{"Location": {location}}, unnamed: unnamed}
	}
	for _, row := range []struct {
		location string
		followed bool
	}{
		{"/there?x", true}, {"https://api.example:443/there", true}, {"https://other.example/", false}, {"https://api.example:444/", false},
		{"http://api.example/", false}, {"//other.example/", false}, {"https://api.example.other.example/", false},
	} {
		for _, unnamed := range []bool{false, true} {
			s := newServer(t, to(row.location, unnamed), good)
			resp, err := (&http.Client{Transport: bound(newKey(), s)}).Get("https://api.example/here")
			if row.followed {
				if err != nil || resp.StatusCode != 200 || len(s.proofs) != 2 || s.proofs[1].Htu != "https://api.example/there" || s.proofs[0].Jti == s.proofs[1].Jti {
					t.Errorf("%s: %v, %+v", row.location, err, s.proofs)
				}
				continue
			}
			failed, ok := err.(*url.Error)
			if !ok || len(s.requests) != 1 {
				t.Fatalf("%s: %v, %d requests", row.location, err, len(s.requests))
			}
			refused(t, row.location, failed.Err, refusal.Redirected, "")
		}
	}
}

// TestRequestOfResponse: the response names the request of the caller, which has no token.
// A redirect is therefore compared with the caller's request, also if a transport itself
// was led to another origin.
func TestRequestOfResponse(t *testing.T) {
	t.Parallel()
	for kind, key := range map[string]Key{"bound": newKey(), "bearer": {}} {
		r := must(http.NewRequest("GET", "https://api.example/here", nil))
		resp, err := bound(key, newServer(t, good)).RoundTrip(r)
		if err != nil || resp.Request != r || len(r.Header) != 0 {
			t.Errorf("%s: %v, %v", kind, err, resp.Request.Header)
		}
		calls := 0
		client := &http.Client{Transport: bound(key, roundTripper(func(r *http.Request) (*http.Response, error) {
			calls++
			led := must(http.NewRequest("GET", "https://other.example/", nil))
			return &http.Response{StatusCode: 302, Header: http.Header{"Location": {"https://other.example/there"}}, Body: http.NoBody, Request: led}, nil
		}))}
		_, err = client.Get("https://api.example/here")
		failed, ok := err.(*url.Error)
		if !ok || calls != 1 {
			t.Fatalf("%s: %v, %d requests", kind, err, calls)
		}
		refused(t, kind, failed.Err, refusal.Redirected, "")
	}
}

// TestBareTransports: an application's transport may leave out the body, or everything.
func TestBareTransports(t *testing.T) {
	t.Parallel()
	for kind, key := range map[string]Key{"bound": newKey(), "bearer": {}} {
		for _, resp := range []*http.Response{nil, {StatusCode: 401, Header: wantsNonce("n1").header}, {StatusCode: 200}} {
			got, err := bound(key, roundTripper(func(*http.Request) (*http.Response, error) { return resp, nil })).
				RoundTrip(must(http.NewRequest("GET", "https://api.example/", nil)))
			if (err != nil) != (resp == nil) || err == nil && (got.StatusCode != resp.StatusCode || got.Body == nil) {
				t.Errorf("%s, %+v: %+v, %v", kind, resp, got, err)
			}
		}
	}
}

// TestCredential: a request to an API of the tenant.
func TestCredential(t *testing.T) {
	t.Parallel()
	s := newServer(t, wantsNonce("n1"), good)
	client := &http.Client{Transport: s}
	resp, err := Credential{"the-token", newKey()}.Do(client, must(http.NewRequest("GET", "https://tenant.example/userinfo", nil)))
	if err != nil || resp.Status != 200 || len(s.proofs) != 2 || s.requests[1].Header.Get("Authorization") != "DPoP the-token" || client.Transport != s {
		t.Errorf("%v, %v, %+v", resp, err, s.proofs)
	}
	s = newServer(t, good)
	resp, err = Credential{Token: "the-token"}.Do(&http.Client{Transport: s}, must(http.NewRequest("GET", "https://tenant.example/userinfo", nil)))
	if err != nil || resp.Status != 200 || len(s.proofs) != 0 || s.requests[0].Header.Get("Authorization") != "Bearer the-token" {
		t.Errorf("%v, %v, %+v", resp, err, s.proofs)
	}
}

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

// TestSentTwice: an API reads a request and closes the connection after an earlier use.
// Package net/http sends a GET again, with the used proof. It does not send a POST again.
func TestSentTwice(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		method string
		failed bool
		proofs int // of the second call
	}{{"GET", false, 3}, {"POST", true, 1}} {
		var mu sync.Mutex
		var proofs []proof
		api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			p := read(t, r.Header.Get("DPoP"))
			seen := slices.ContainsFunc(proofs, func(old proof) bool { return old.Jti == p.Jti })
			proofs = append(proofs, p)
			switch {
			case len(proofs) == 2:
				panic(http.ErrAbortHandler)
			case seen:
				w.Header().Set("WWW-Authenticate", `DPoP error="invalid_dpop_proof"`)
				w.WriteHeader(401)
			}
		}))
		client := &http.Client{Transport: bound(newKey(), &http.Transport{})}
		call := func() (*http.Response, error) {
			r := must(http.NewRequest(row.method, api.URL, strings.NewReader("x")))
			resp, err := client.Do(r)
			if err == nil {
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			return resp, err
		}
		if _, err := call(); err != nil {
			t.Fatal(err)
		}
		resp, err := call()
		client.CloseIdleConnections()
		api.Close() // which waits for its handlers
		if (err != nil) != row.failed || err == nil && resp.StatusCode != 200 || len(proofs) != 1+row.proofs {
			t.Errorf("%s: %v, %v, %d proofs", row.method, resp, err, len(proofs)-1)
		}
	}
}
