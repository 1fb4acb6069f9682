package main

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// grant logs the user of the control login in and returns the answer of the token
// endpoint.
func (r *running) grant() (status int, tokens map[string]any) {
	r.t.Helper()
	form := url.Values{"grant_type": {"password"}, "username": {"ada@acme.example"}, "password": {"correct horse"}, "scope": {"openid email"},
		"audience": {r.env["AUTH0_AUDIENCE"]}, "client_id": {r.env["AUTH0_CLIENT_ID"]}, "client_secret": {r.env["AUTH0_CLIENT_SECRET"]}}
	status, body := call(r.t, http.DefaultClient, "POST", r.env["AUTH0_DOMAIN"]+"/oauth/token", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	if status == http.StatusOK {
		if err := json.Unmarshal([]byte(body), &tokens); err != nil {
			r.t.Fatalf("%v: %s", err, body)
		}
	}
	return status, tokens
}

// part decodes the header (0) or the claims (1) of a token.
func part(t *testing.T, token any, n int) map[string]any {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(fmt.Sprint(token)+"..", ".")[n])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(raw, &claims); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return claims
}

// done fails the test unless the control succeeds.
func (r *running) done(name, body string) string {
	r.t.Helper()
	status, answer := r.control("POST", name, body)
	if status != http.StatusOK {
		r.t.Fatalf("%s: status %d: %s", name, status, answer)
	}
	return answer
}

// authorize begins a login and returns the query of the redirect back to the application.
func (r *running) authorize(b browser) url.Values {
	r.t.Helper()
	b.client.CheckRedirect = func(next *http.Request, _ []*http.Request) error {
		if next.URL.Host == "localhost:3000" {
			return http.ErrUseLastResponse
		}
		return nil
	}
	q := url.Values{"response_type": {"code"}, "client_id": {r.env["AUTH0_CLIENT_ID"]}, "scope": {"openid"}, "redirect_uri": {"http://localhost:3000/callback"}}
	resp, err := b.client.Get(r.env["AUTH0_DOMAIN"] + "/authorize?" + q.Encode())
	if err != nil {
		r.t.Fatal(err)
	}
	resp.Body.Close()
	back, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		r.t.Fatal(err)
	}
	return back.Query()
}

func TestControls(t *testing.T) {
	t.Parallel()
	t.Run("list", func(t *testing.T) {
		t.Parallel()
		r := begin(t)
		r.grant()
		_, body := r.control("GET", "", "")
		var state struct {
			Issuer   string
			Controls map[string]string
			Requests map[string]int
		}
		if err := json.Unmarshal([]byte(body), &state); err != nil {
			t.Fatal(err)
		}
		if state.Issuer != r.env["AUTH0_DOMAIN"]+"/" || state.Requests["token"] != 1 || state.Requests["jwks"] != 0 {
			t.Errorf("the state is %s", body)
		}
		for line, what := range state.Controls {
			method, name, _ := strings.Cut(line, " ")
			name, _, _ = strings.Cut(strings.TrimPrefix(name, "."), "?")
			example, _, _ := strings.Cut(what, "}")
			if method == "GET" {
				example = ""
			} else {
				example += "}"
			}
			if status, body := r.control(method, name, example); status == http.StatusNotFound && name != "mail" || status == http.StatusOK == (name == "backchannel-logout" || name == "mail") {
				t.Errorf("the example of %q: status %d: %s", line, status, body)
			}
		}
	})
	t.Run("login, deny", func(t *testing.T) {
		t.Parallel()
		r := begin(t)
		if got := r.authorize(newBrowser(t)); len(got) != 0 {
			t.Fatalf("no page, but %v", got)
		}
		r.done("login", `{"email": "ada@acme.example"}`)
		if got := r.authorize(newBrowser(t)); got.Get("code") == "" {
			t.Errorf("no code in %v", got)
		}
		r.done("deny", `{"error": "access_denied", "description": "no & no"}`)
		if got := r.authorize(newBrowser(t)); got.Get("error") != "access_denied" || got.Get("error_description") != "no & no" {
			t.Errorf("not denied: %v", got)
		}
		if got := r.authorize(newBrowser(t)); got.Get("code") == "" {
			t.Errorf("denied twice: %v", got)
		}
		r.done("deny", `{"error": "access_denied"}`)
		r.done("deny", `{"error": ""}`)
		if got := r.authorize(newBrowser(t)); got.Get("code") == "" {
			t.Errorf("the denial is not taken back: %v", got)
		}
		r.done("login", `{"email": ""}`)
		if got := r.authorize(newBrowser(t)); len(got) != 0 {
			t.Errorf("no page, but %v", got)
		}
	})
	t.Run("fail, delay, reset", func(t *testing.T) {
		t.Parallel()
		r := begin(t)
		r.done("fail", `{"endpoint": "token", "status": 503}`)
		if status, _ := r.grant(); status != 503 {
			t.Errorf("status %d", status)
		}
		r.done("fail", `{"endpoint": "token", "status": 0}`)
		if status, _ := r.grant(); status != 200 {
			t.Errorf("status %d", status)
		}
		r.done("delay", `{"endpoint": "token", "milliseconds": 60000}`)
		impatient := &http.Client{Timeout: 50 * time.Millisecond}
		if resp, err := impatient.Post(r.env["AUTH0_DOMAIN"]+"/oauth/token", "application/json", strings.NewReader("{}")); err == nil {
			resp.Body.Close()
			t.Error("the answer was not delayed")
		}
		r.done("fail", `{"endpoint": "jwks", "status": 429}`)
		r.done("login", `{"email": "ada@acme.example"}`)
		r.done("deny", `{"error": "access_denied"}`)
		r.done("token-lifetime", `{"seconds": 60}`)
		r.done("reset", `{}`)
		status, tokens := r.grant()
		if status != 200 || tokens["expires_in"] != 86400.0 {
			t.Errorf("status %d, expires_in %v", status, tokens["expires_in"])
		}
		if status, _ := call(t, http.DefaultClient, "GET", r.env["AUTH0_DOMAIN"]+"/.well-known/jwks.json", ""); status != 200 {
			t.Errorf("jwks: status %d", status)
		}
		if got := r.authorize(newBrowser(t)); len(got) != 0 {
			t.Errorf("no page, but %v", got)
		}
	})
	t.Run("rotate-keys", func(t *testing.T) {
		t.Parallel()
		r := begin(t)
		jwks := func() string {
			_, body := call(t, http.DefaultClient, "GET", r.env["AUTH0_DOMAIN"]+"/.well-known/jwks.json", "")
			return body
		}
		kid := func() string {
			_, tokens := r.grant()
			return part(t, tokens["id_token"], 0)["kid"].(string)
		}
		first := kid()
		answer := r.done("rotate-keys", `{}`)
		second := kid()
		if second == first || answer != `{"kid":"`+second+"\"}\n" || !strings.Contains(jwks(), first) {
			t.Errorf("from %s to %s, answer %s", first, second, answer)
		}
		r.done("rotate-keys", `{"revoke": true}`)
		if doc := jwks(); strings.Contains(doc, first) || strings.Contains(doc, second) || !strings.Contains(doc, kid()) {
			t.Error("old keys are still published")
		}
	})
	t.Run("token-lifetime", func(t *testing.T) {
		t.Parallel()
		r := begin(t)
		lifetimes := func() (id, access, expires float64) {
			_, tokens := r.grant()
			now := float64(time.Now().Unix())
			return part(t, tokens["id_token"], 1)["exp"].(float64) - now, part(t, tokens["access_token"], 1)["exp"].(float64) - now, tokens["expires_in"].(float64)
		}
		near := func(got, want float64) bool { return got <= want+60 && got >= want-60 }
		if id, access, expires := lifetimes(); !near(id, 36000) || !near(access, 86400) || expires != 86400 {
			t.Errorf("before: %v, %v, %v", id, access, expires)
		}
		r.done("token-lifetime", `{"seconds": 600}`)
		if id, access, expires := lifetimes(); !near(id, 600) || !near(access, 600) || expires != 600 {
			t.Errorf("set: %v, %v, %v", id, access, expires)
		}
		r.done("token-lifetime", `{"seconds": 0}`)
		if id, access, expires := lifetimes(); !near(id, 36000) || !near(access, 86400) || expires != 86400 {
			t.Errorf("after: %v, %v, %v", id, access, expires)
		}
	})
	t.Run("mail", func(t *testing.T) {
		t.Parallel()
		r := begin(t)
		if status, body := r.control("GET", "mail?address=eve%40acme.example", ""); status != 404 {
			t.Errorf("before: status %d: %s", status, body)
		}
		body := fmt.Sprintf(`{"client_id": %q, "client_secret": %q, "connection": "email", "email": "eve@acme.example", "send": "code"}`, r.env["AUTH0_CLIENT_ID"], r.env["AUTH0_CLIENT_SECRET"])
		if status, answer := call(t, http.DefaultClient, "POST", r.env["AUTH0_DOMAIN"]+"/passwordless/start", body); status != 200 {
			t.Fatalf("status %d: %s", status, answer)
		}
		status, answer := r.control("GET", "mail?address=eve%40acme.example", "")
		var mail struct{ Code, Link string }
		if err := json.Unmarshal([]byte(answer), &mail); err != nil || status != 200 || len(mail.Code) != 6 || mail.Link != "" {
			t.Errorf("status %d: %s", status, answer)
		}
	})
	t.Run("backchannel-logout", func(t *testing.T) {
		t.Parallel()
		var elsewhere atomic.Int32
		tokens := make(chan string, 1)
		mux := http.NewServeMux()
		mux.HandleFunc("POST /auth/backchannel-logout", func(w http.ResponseWriter, r *http.Request) {
			tokens <- r.FormValue("logout_token")
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		})
		mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) })
		app := httptest.NewServer(mux)
		t.Cleanup(app.Close)
		r := begin(t, "-app", app.URL, "-callback", "http://localhost:3000/callback")
		if status, body := r.control("POST", "backchannel-logout", `{"email": "ada@acme.example"}`); status != 400 || !strings.Contains(body, "has no session") {
			t.Errorf("before: status %d: %s", status, body)
		}
		r.done("login", `{"email": "ada@acme.example"}`)
		r.authorize(newBrowser(t))
		if status, body := r.control("POST", "backchannel-logout", `{"email": "ada@acme.example"}`); status != 400 || !strings.Contains(body, "answers 307") {
			t.Errorf("status %d: %s", status, body)
		}
		if claims := part(t, <-tokens, 1); claims["aud"] != r.env["AUTH0_CLIENT_ID"] || claims["events"] == nil || elsewhere.Load() != 0 {
			t.Errorf("the logout token has %v", claims)
		}
	})
}

// TestControlRefusals: controls reject requests of web pages, requests without the secret
// path, and bad bodies. None changes the tenant.
func TestControlRefusals(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"-listen", "127.0.0.1:0", "-url", "http://tenant:4000"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	controls := strings.Replace(s.control, "http://tenant:4000", s.ownURL(), 1)
	const good = `{"email": "ada@acme.example"}`
	for _, test := range []struct {
		name   string
		body   string
		header []string
		status int
		text   string // of the error
	}{
		{"a page of another origin", good, []string{"Origin", "https://evil.example"}, 403, "without Origin"},
		{"a page of the application", good, []string{"Origin", "http://localhost:3000"}, 403, "without Origin"},
		{"a page without an origin", good, []string{"Origin", "null"}, 403, "without Origin"},
		{"a page of the tenant", good, []string{"Origin", "http://tenant:4000"}, 403, "without Origin"},
		{"a page of another site", good, []string{"Sec-Fetch-Site", "cross-site"}, 403, "without Sec-Fetch-Site"},
		{"a page of the same site", good, []string{"Sec-Fetch-Site", "same-site"}, 403, "without Sec-Fetch-Site"},
		{"a page of the same origin", good, []string{"Sec-Fetch-Site", "same-origin"}, 403, "without Sec-Fetch-Site"},
		{"a form", "email=ada", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "application/json"},
		{"a form with JSON", good, []string{"Content-Type", "text/plain"}, 415, "application/json"},
		{"JSON without a type", good, []string{"Content-Type", ""}, 415, "application/json"},
		{"a type that begins like JSON", good, []string{"Content-Type", "application/jsonx"}, 415, "application/json"},
		{"a host that leads here", good, []string{"Host", "evil.example:4000"}, 421, "Host"},
		{"no JSON", "{", nil, 400, "unexpected EOF"},
		{"nothing", "", nil, 400, "there is no JSON"},
		{"an unknown member", `{"mail": "ada@acme.example"}`, nil, 400, "unknown field"},
		{"two values", good + good, nil, 400, "more than one"},
		{"another type", `{"email": 1}`, nil, 400, "cannot unmarshal"},
		{"a large body", `{"email": "` + strings.Repeat("a", maxControlBody) + `"}`, nil, 413, "too large"},
		{"an unknown user", `{"email": "nobody@acme.example"}`, nil, 400, "there is no user"},
	} {
		status, body := call(t, http.DefaultClient, "POST", controls+"login", test.body, test.header...)
		if status != test.status || !strings.Contains(body, test.text) {
			t.Errorf("%s: status %d: %s", test.name, status, body)
		}
	}
	r := &running{t: t, env: map[string]string{"AUTH0_DOMAIN": s.ownURL(), "AUTH0_CLIENT_ID": s.identity.client}}
	if got := r.authorize(newBrowser(t)); len(got) != 0 {
		t.Errorf("a refused control has changed the tenant: %v", got)
	}

	for _, test := range []struct {
		name   string
		method string
		url    string
		header []string
		status int
	}{
		{"a page", "GET", controls, []string{"Origin", "https://evil.example"}, 403},
		{"an image of a page", "GET", controls, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a link of a page", "GET", controls, []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"a host that leads here", "GET", controls, []string{"Host", "evil.example"}, 421},
		{"the address bar", "GET", controls, []string{"Sec-Fetch-Site", "none"}, 200},
		{"a preflight", "OPTIONS", controls + "login", []string{"Origin", "https://evil.example"}, 403},
		{"another path", "GET", s.ownURL() + "/_control/", nil, 404},
		{"another path of the same length", "GET", s.ownURL() + "/_control/" + strings.Repeat("A", 26) + "/", nil, 404},
		{"a control without its path", "POST", s.ownURL() + "/_control/login", nil, 404},
		{"another method", "GET", controls + "login", nil, 404},
		{"no control", "POST", controls + "stop", nil, 404},
		{"the host of -url", "GET", controls, []string{"Host", "TENANT:4000"}, 200},
	} {
		status, body := call(t, http.DefaultClient, test.method, test.url, "{}", test.header...)
		if status != test.status || !strings.HasPrefix(body, "{") || strings.Contains(body, s.control) {
			t.Errorf("%s: status %d: %s", test.name, status, body)
		}
	}
	for name, test := range map[string]struct{ control, body string }{
		"a status that is no error":     {"fail", `{"endpoint": "token", "status": 200}`},
		"a status beyond":               {"fail", `{"endpoint": "token", "status": 600}`},
		"no endpoint of failures":       {"fail", `{"endpoint": "tokens", "status": 500}`},
		"no endpoint of delays":         {"delay", `{"endpoint": "", "milliseconds": 1}`},
		"a negative delay":              {"delay", `{"endpoint": "token", "milliseconds": -1}`},
		"a long delay":                  {"delay", `{"endpoint": "token", "milliseconds": 60001}`},
		"a negative lifetime":           {"token-lifetime", `{"seconds": -1}`},
		"a lifetime that is no integer": {"token-lifetime", `{"seconds": 0.5}`},
		"a long lifetime":               {"token-lifetime", `{"seconds": 2592001}`},
		"a reset of something":          {"reset", `{"endpoint": "token"}`},
	} {
		if status, body := call(t, http.DefaultClient, "POST", controls+test.control, test.body); status != 400 || !strings.HasPrefix(body, `{"error":"`) {
			t.Errorf("%s: status %d: %s", name, status, body)
		}
	}
	resp, err := http.Get(controls)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Cross-Origin-Resource-Policy": "same-origin", "Content-Type": "application/json", "Access-Control-Allow-Origin": ""} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// TestHosts: the tenant answers only for its own names, for this machine and for addresses.
// A page whose name leads to this machine reads nothing, whatever it asks for.
func TestHosts(t *testing.T) {
	t.Parallel()
	certificate := filepath.Join(t.TempDir(), "tenant.pem")
	o, err := parse([]string{"-listen", "localhost:0", "-url", "https://Tenant.acme.example:4000/", "-host", "host.docker.internal", "-host", "CI", "-tls", certificate})
	if err != nil {
		t.Fatal(err)
	}
	s, err := start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	for host, want := range map[string]int{
		"tenant.acme.example:4000": 200, "TENANT.acme.example": 200, "host.docker.internal:4000": 200, "ci": 200, "localhost": 200, "localhost:1": 200,
		"app.localhost:4000": 200, "127.0.0.1:4000": 200, "127.0.0.2": 200, "[::1]:4000": 200, "[::1]": 200, "172.17.0.2:4000": 200, "[fd00::2]:4000": 200,
		"evil.example": 421, "evil.example:4000": 421, "tenant.acme.example.evil.example": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421,
		"notlocalhost": 421, "x.ci": 421, "acme.example": 421, "127.0.0.1.": 421, "": 421,
	} {
		for _, path := range []string{"/.well-known/openid-configuration", "/nowhere", "/authorize", "/api/v2/users", strings.TrimPrefix(s.control, "https://tenant.acme.example:4000")} {
			for _, method := range []string{"GET", "POST", "OPTIONS"} {
				w, r := httptest.NewRecorder(), httptest.NewRequest(method, path, nil)
				r.Host = host
				s.http.Handler.ServeHTTP(w, r)
				if (w.Code == 421) != (want == 421) {
					t.Errorf("%s %s at %q: status %d, want %d", method, path, host, w.Code, want)
				}
				if w.Code == 421 && (w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Access-Control-Allow-Origin") != "" ||
					!strings.Contains(w.Body.String(), "-host NAME") || !strings.Contains(w.Body.String(), "-url") || !json.Valid(w.Body.Bytes())) {
					t.Errorf("%s %s at %q: %v %s", method, path, host, w.Header(), w.Body)
				}
			}
		}
	}
	// The certificate is for the same names.
	leaf, err := x509.ParseCertificate(s.http.TLSConfig.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tenant.acme.example", "host.docker.internal", "ci", "localhost"} {
		if err := leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
}

// TestGuide: the guide has every control, only existing options, and at most 80 lines.
func TestGuide(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/tenant.md")
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(text), "\n"); lines > 80 {
		t.Errorf("%d lines", lines)
	}
	for line := range usage {
		_, name, _ := strings.Cut(line, " ")
		if name, _, _ = strings.Cut(name, "?"); name != "." && !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("nothing about the control %s", name)
		}
	}
	for _, found := range regexp.MustCompile("`(-[a-z]+)[ `]").FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(help, "\n  "+found[1]+" ") {
			t.Errorf("there is no option %s", found[1])
		}
	}
}
