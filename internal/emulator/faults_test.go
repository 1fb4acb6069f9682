package emulator_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// endpoints are the paths of the endpoints that can fail.
var endpoints = map[emulator.Endpoint]string{
	emulator.Discovery:  "/.well-known/openid-configuration",
	emulator.JWKS:       "/.well-known/jwks.json",
	emulator.Authorize:  "/authorize",
	emulator.Pages:      "/u/login",
	emulator.Token:      "/oauth/token",
	emulator.UserInfo:   "/userinfo",
	emulator.Revoke:     "/oauth/revoke",
	emulator.Logout:     "/v2/logout",
	emulator.Management: "/api/v2/connections",
	emulator.ClientFile: "/client/web.js",
}

func TestFail(t *testing.T) {
	t.Parallel()
	tn, c := newTenant(t)
	for e, path := range endpoints {
		before := get(tn, base+path).status
		for _, status := range []int{400, 401, 403, 404, 429, 500, 503} {
			tn.Fail(e, status)
			res := get(tn, base+path)
			equal(t, string(e), res.status, status)
			contentType := res.header.Get("Content-Type")
			switch {
			case status >= 500:
				contains(t, contentType, "text/html")
				contains(t, res.body, http.StatusText(status))
			case e == emulator.Management || e == emulator.Token || e == emulator.Revoke:
				contains(t, contentType, "application/json")
				if res.json(t)["error"] == nil {
					t.Errorf("%s %d: %s", e, status, res.body)
				}
			case e == emulator.Authorize || e == emulator.Pages || e == emulator.Logout:
				contains(t, contentType, "text/html")
			default:
				contains(t, contentType, "text/plain")
			}
			if status == 429 {
				equal(t, "Retry-After", res.header.Get("Retry-After"), "1")
				equal(t, "X-RateLimit-Remaining", res.header.Get("X-RateLimit-Remaining"), "0")
				if res.header.Get("X-RateLimit-Reset") != "1767225601" || c.Now().Unix() != 1767225600 {
					t.Errorf("reset %s", res.header.Get("X-RateLimit-Reset"))
				}
			}
		}
		tn.Fail(e, 0)
		equal(t, string(e)+" restored", get(tn, base+path).status, before)
		equal(t, string(e)+" calls", tn.Calls(e), 9)
	}
	tn.Fail(emulator.Token, 429)
	sameJSON(t, get(tn, base+"/oauth/token").body, `{"error":"too_many_requests","error_description":"Rate limit exceeded."}`)
	tn.Fail(emulator.JWKS, 99) // net/http would panic at this status
	equal(t, "status", get(tn, base+"/.well-known/jwks.json").status, 500)
	tn.Fail(emulator.JWKS, 204)
	equal(t, "status", get(tn, base+"/.well-known/jwks.json").status, 204)
}

func TestReplace(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	tn.Replace(emulator.Token, func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		w.Write([]byte("instead of " + r.PostForm.Get("grant_type")))
	})
	equal(t, "body", postForm(tn, base+"/oauth/token", url.Values{"grant_type": {"x"}}).body, "instead of x")
	tn.Replace(emulator.Token, nil)
	equal(t, "status", postForm(tn, base+"/oauth/token", url.Values{"grant_type": {"x"}}).status, 501)
}

func TestDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tn, err := emulator.New(emulator.Config{Host: "acme.auth0.example"})
		must(t, err)
		tn.Delay(emulator.JWKS, time.Hour)
		start := time.Now()
		equal(t, "status", get(tn, base+"/.well-known/jwks.json").status, 200)
		equal(t, "wait", time.Since(start), time.Hour)
		tn.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", base+"/.well-known/jwks.json", nil).WithContext(canceled()))
		equal(t, "wait of a cancelled request", time.Since(start), time.Hour)
		tn.Delay(emulator.JWKS, 0)
		get(tn, base+"/.well-known/jwks.json")
		equal(t, "wait afterwards", time.Since(start), time.Hour)
	})
}

func TestRecordedRequests(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	if tn.LastRequest(emulator.Token) != nil || tn.LastTokenRequest() != nil {
		t.Error("requests before the first")
	}
	postForm(tn, base+"/oauth/token", url.Values{"grant_type": {"client_credentials"}, "audience": {api}},
		"Authorization", basic("web", "s3cret"), "User-Agent", "test/1", "Auth0-Client", "eyJ")
	r := tn.LastRequest(emulator.Token)
	equal(t, "method and path", r.Method+" "+r.URL.Path, "POST /oauth/token")
	equal(t, "User-Agent", r.UserAgent(), "test/1")
	equal(t, "Auth0-Client", r.Header.Get("Auth0-Client"), "eyJ")
	equal(t, "cookies", len(r.Cookies()), 0)
	form := tn.LastTokenRequest()
	equal(t, "client_id", form.Get("client_id"), "web")
	equal(t, "audience", form.Get("audience"), api)
	form.Set("audience", "changed")
	equal(t, "audience", tn.LastTokenRequest().Get("audience"), api)
}

func TestEdits(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	tn.EditIDToken(func(header, claims map[string]any) { claims["iss"] = "https://evil.example/"; header["typ"] = nil })
	tn.EditAccessToken(func(header, claims map[string]any) { header["alg"] = "none"; delete(claims, "exp") })
	tn.EditTokenResponse(func(status *int, body map[string]any) {
		if *status == 200 {
			*status = 201
			body["extra"] = true
		}
	})
	must(t, tn.LogIn("jane@acme.example"))
	res := redeem(tn, codeFor(t, tn, "audience", api))
	equal(t, "status", res.status, 201)
	body := res.json(t)
	equal(t, "extra", body["extra"], any(true))
	header, claims := decode(t, body["id_token"].(string))
	equal(t, "iss", claims["iss"], any("https://evil.example/"))
	if _, ok := header["typ"]; ok {
		t.Error("the header still has typ")
	}
	raw := body["access_token"].(string)
	header, claims = decode(t, raw)
	equal(t, "alg", header["alg"], any("none"))
	equal(t, "exp", claims["exp"], nil)
	equal(t, "empty signature", strings.HasSuffix(raw, "."), true)

	tn.EditIDToken(nil)
	tn.EditAccessToken(nil)
	tn.EditTokenResponse(nil)
	res = redeem(tn, codeFor(t, tn, "audience", api))
	equal(t, "status", res.status, 200)
	verify(t, tn, res.json(t)["id_token"].(string))
	verify(t, tn, res.json(t)["access_token"].(string))
}

func TestTokenRateLimit(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	tn.LimitRate(emulator.Token, 1, 3*time.Second)
	postForm(tn, base+"/oauth/token", nil)
	res := postForm(tn, base+"/oauth/token", nil)
	equal(t, "status", res.status, 429)
	equal(t, "Retry-After", res.header.Get("Retry-After"), "3")
	sameJSON(t, res.body, `{"error":"too_many_requests","error_description":"Rate limit exceeded."}`)
}

// TestConcurrentUse exercises the race detector.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	tn, c := newTenant(t)
	var wg sync.WaitGroup
	run := func(f func()) {
		wg.Go(func() {
			for range 5 {
				f()
			}
		})
	}
	must(t, tn.LogIn("jane@acme.example"))
	for range 4 {
		run(func() {
			code := callbackParams(t, get(tn, authorizeURL(request("scope", "openid offline_access")))).Get("code")
			redeem(tn, code)
		})
	}
	run(func() { keys(t, tn); tn.RotateKeys(); tn.RevokeOldKeys() })
	run(func() { tn.Fail(emulator.UserInfo, 503); tn.Delay(emulator.UserInfo, 1); get(tn, base+"/userinfo") })
	run(func() { must(t, tn.AddClient(webApp())); tn.Calls(emulator.Token); tn.LastRequest(emulator.Token) })
	run(func() { tn.EditIDToken(func(_, claims map[string]any) { claims["x"] = 1 }); tn.LastTokenRequest() })
	run(func() {
		must(t, tn.AddUser(emulator.User{Connection: database, ID: "65f0c1d2", Email: "jane@acme.example", Password: password}))
	})
	run(func() { get(tn, mgmt+"connections", "Authorization", manager(tn, allScopes)); c.add(time.Second) })
	run(func() { get(tn, base+"/client/web.js"); tn.LimitRate(emulator.Management, 100, time.Second) })
	wg.Wait()
}
