package api_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// apiBadRequest is the answer to credentials that cannot be told apart or read.
func apiBadRequest(description string) testkit.Answer {
	return testkit.Answer{Status: 400,
		Challenge: `Bearer realm="api", error="invalid_request", error_description="` + description + `"`,
		Body:      `{"error":"invalid_request","error_description":"` + description + `"}`}
}

var (
	apiTwoTokens     = apiBadRequest("more than one credential")
	apiBadForm       = apiBadRequest("malformed form body")
	apiBadCredential = apiBadRequest("malformed credential")
)

// A spy is the handler behind a guard. It notes the request that came through.
type spy struct {
	next         http.Handler
	request      *http.Request
	body         string
	bodyErr      error
	cacheControl string
	token        *auth0.Token
}

func (s *spy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.request, s.cacheControl = r, w.Header().Get("Cache-Control")
	s.token, _ = auth0.TokenFrom(r.Context())
	body, err := io.ReadAll(r.Body)
	s.body, s.bodyErr = string(body), err
	w.Header().Del("Cache-Control") // the expected answers have none
	s.next.ServeHTTP(w, r)
}

func TestTokenSources(t *testing.T) {
	t.Parallel()
	good := testkit.GoodToken()
	expired := testkit.Signed(testkit.GoodHeader, testkit.WithClaim("exp", testkit.NoonPlus(-60)))
	header, query, form, socket := auth0.FromHeader(), auth0.FromQuery(), auth0.FromForm(), auth0.FromWebSocket()
	cookie := auth0.FromCookie("tok")
	get := func(query string) *http.Request { return httptest.NewRequest("GET", "/members"+query, nil) }
	bearer := func(r *http.Request) *http.Request { return testkit.WithHeader(r, "Authorization", "Bearer "+good) }
	cookies := func(value string) *http.Request { return testkit.WithHeader(get(""), "Cookie", value) }
	protocols := func(value string) *http.Request { return testkit.WithHeader(get(""), "Sec-WebSocket-Protocol", value) }
	post := func(body string) *http.Request { return testkit.FormRequest("POST", testkit.FormType, body) }
	type list = []auth0.TokenExtractor

	for _, tt := range []struct {
		why     string
		sources list
		request func() *http.Request
		want    testkit.Answer
	}{
		{"query", list{header, query}, func() *http.Request { return get("?access_token=" + good) }, testkit.AnswerOK},
		{"query, name escaped", list{header, query}, func() *http.Request { return get("?access%5ftoken=" + good) }, testkit.AnswerOK},
		{"query, expired", list{header, query}, func() *http.Request { return get("?access_token=" + expired) }, testkit.AnswerExpired},
		{"query, malformed", list{header, query}, func() *http.Request { return get("?access_token=abc") }, testkit.AnswerMalformed},
		{"query, line feed in the token", list{query}, func() *http.Request { return get("?access_token=" + good + "%0a") }, testkit.AnswerMalformed},
		{"query, empty", list{header, query}, func() *http.Request { return get("?access_token=") }, testkit.AnswerNoToken},
		{"query, no value", list{header, query}, func() *http.Request { return get("?access_token") }, testkit.AnswerNoToken},
		{"query, other name", list{header, query}, func() *http.Request { return get("?Access_token=" + good + "&my_access_token=" + good) }, testkit.AnswerNoToken},
		{"query twice", list{header, query}, func() *http.Request { return get("?access_token=" + good + "&access_token=" + good) }, apiTwoTokens},
		{"query twice, one escaped", list{header, query}, func() *http.Request { return get("?access_token=" + good + "&access%5Ftoken=x") }, apiTwoTokens},
		{"query twice, one empty", list{header, query}, func() *http.Request { return get("?access_token=" + good + "&access_token=") }, apiTwoTokens},
		{"query and header", list{header, query}, func() *http.Request { return bearer(get("?access_token=" + good)) }, apiTwoTokens},
		{"query and header, other order", list{query, header}, func() *http.Request { return bearer(get("?access_token=x")) }, apiTwoTokens},
		{"query escaped and header", list{header, query}, func() *http.Request { return bearer(get("?access%5Ftoken=x")) }, apiTwoTokens},
		{"query empty and header", list{header, query}, func() *http.Request { return bearer(get("?access_token=")) }, testkit.AnswerOK},
		{"query and a header that cannot be read", list{query, header}, func() *http.Request {
			return testkit.WithHeader(get("?access_token="+good), "Authorization", "Bearer ")
		}, testkit.AnswerBadHeader},
		{"query and a header with two words", list{query, header}, func() *http.Request {
			return testkit.WithHeader(get("?access_token="+good), "Authorization", "Bearer a b")
		}, apiTwoTokens},
		{"query and another scheme", list{header, query}, func() *http.Request {
			return testkit.WithHeader(get("?access_token="+good), "Authorization", "Basic dTpw")
		}, testkit.AnswerOK},
		{"query alone, header not asked", list{query}, func() *http.Request { return bearer(get("")) }, testkit.AnswerNoToken},

		{"form", list{header, form}, func() *http.Request { return post("a=1&access_token=" + good + "&b=2") }, testkit.AnswerOK},
		{"form, PUT", list{header, form}, func() *http.Request { return testkit.FormRequest("PUT", testkit.FormType, "access_token="+good) }, testkit.AnswerOK},
		{"form, PATCH", list{header, form}, func() *http.Request { return testkit.FormRequest("PATCH", testkit.FormType, "access_token="+good) }, testkit.AnswerOK},
		{"form with a character set", list{header, form}, func() *http.Request {
			return testkit.FormRequest("POST", testkit.FormType+"; charset=UTF-8", "access_token="+good)
		}, testkit.AnswerOK},
		{"form, type in other case", list{header, form}, func() *http.Request {
			return testkit.FormRequest("POST", "Application/X-WWW-Form-URLEncoded", "access_token="+good)
		}, testkit.AnswerOK},
		{"form, GET", list{header, form}, func() *http.Request { return testkit.FormRequest("GET", testkit.FormType, "access_token="+good) }, testkit.AnswerNoToken},
		{"form, DELETE", list{header, form}, func() *http.Request { return testkit.FormRequest("DELETE", testkit.FormType, "access_token="+good) }, testkit.AnswerNoToken},
		{"form in parts", list{header, form}, func() *http.Request {
			return testkit.FormRequest("POST", `multipart/form-data; boundary="x"`, "--x\r\nContent-Disposition: form-data; name=\"access_token\"\r\n\r\n"+good+"\r\n--x--\r\n")
		}, testkit.AnswerNoToken},
		{"JSON", list{header, form}, func() *http.Request {
			return testkit.FormRequest("POST", "application/json", `{"access_token":"`+good+`"}`)
		}, testkit.AnswerNoToken},
		{"form without a type", list{header, form}, func() *http.Request {
			r := post("access_token=" + good)
			r.Header.Del("Content-Type")
			return r
		}, testkit.AnswerNoToken},
		{"form, empty", list{header, form}, func() *http.Request { return post("access_token=") }, testkit.AnswerNoToken},
		{"form, line break in the token", list{form}, func() *http.Request { return post("access_token=" + good[:9] + "%0D%0A" + good[9:]) }, testkit.AnswerMalformed},
		{"form, plus is a space", list{form}, func() *http.Request { return post("access_token=+" + good) }, testkit.AnswerMalformed},
		{"form, JSON of a token", list{form}, func() *http.Request { return post("access_token=" + url.QueryEscape(`{"payload":"x"}`)) }, testkit.AnswerMalformed},
		{"form, bytes that are not ASCII", list{header, form}, func() *http.Request { return post("a=\xc3\xa9&access_token=" + good) }, apiBadForm},
		{"form, bytes that are no text", list{header, form}, func() *http.Request { return post("a=\xff&access_token=" + good) }, apiBadForm},
		{"form that cannot be read", list{header, form}, func() *http.Request { return post("access_token=%zz") }, apiBadForm},
		{"form twice", list{header, form}, func() *http.Request { return post("access_token=" + good + "&access_token=" + good) }, apiTwoTokens},
		{"form and header", list{header, form}, func() *http.Request { return bearer(post("access_token=" + good)) }, apiTwoTokens},
		{"form and query", list{header, form, query}, func() *http.Request {
			r := post("access_token=" + good)
			r.URL.RawQuery = "access_token=" + good
			return r
		}, apiTwoTokens},
		{"form, and a query that is not asked", list{header, form}, func() *http.Request {
			r := post("access_token=" + good)
			r.URL.RawQuery = "access_token=" + good
			return r
		}, testkit.AnswerOK},
		{"form of 64 KiB", list{header, form}, func() *http.Request {
			body := "access_token=" + good + "&pad="
			return post(body + strings.Repeat("x", 65536-len(body)))
		}, testkit.AnswerOK},
		{"larger form", list{header, form}, func() *http.Request {
			body := "access_token=" + good + "&pad="
			return post(body + strings.Repeat("x", 65537-len(body)))
		}, testkit.AnswerNoToken},
		{"larger form and header", list{header, form}, func() *http.Request {
			return bearer(post("access_token=x&pad=" + strings.Repeat("x", 65536)))
		}, testkit.AnswerOK},

		{"cookie", list{header, cookie}, func() *http.Request { return cookies("a=b; tok=" + good) }, testkit.AnswerOK},
		{"cookie, expired", list{header, cookie}, func() *http.Request { return cookies("tok=" + expired) }, testkit.AnswerExpired},
		{"cookie, empty", list{header, cookie}, func() *http.Request { return cookies("tok=") }, testkit.AnswerNoToken},
		{"cookie, other name", list{header, cookie}, func() *http.Request { return cookies("Tok=" + good + "; atok=" + good) }, testkit.AnswerNoToken},
		{"cookie and header", list{header, cookie}, func() *http.Request {
			return testkit.WithHeader(testkit.RequestWith("Bearer "+good), "Cookie", "tok="+good)
		}, apiTwoTokens},
		{"cookie empty and header", list{header, cookie}, func() *http.Request { return testkit.WithHeader(testkit.RequestWith("Bearer "+good), "Cookie", "tok=") }, testkit.AnswerOK},
		{"two cookies", list{header, cookie}, func() *http.Request { return cookies("tok=" + good + "; tok=" + good) }, apiTwoTokens},
		{"two cookies in two lines", list{header, cookie}, func() *http.Request { return testkit.WithHeader(cookies("tok="+good), "Cookie", "tok=x") }, apiTwoTokens},
		{"two cookies, one empty", list{header, cookie}, func() *http.Request { return cookies("tok=; tok=" + good) }, apiTwoTokens},
		{"cookie, space before the token", list{cookie}, func() *http.Request { return cookies("tok= " + good) }, testkit.AnswerMalformed},
		{"cookie, scheme before the token", list{cookie}, func() *http.Request { return cookies("tok=Bearer " + good) }, testkit.AnswerMalformed},
		{"cookie, JSON of a token", list{cookie}, func() *http.Request { return cookies("tok={}") }, testkit.AnswerMalformed},

		{"WebSocket", list{header, socket}, func() *http.Request { return protocols("bearer, " + good) }, testkit.AnswerOK},
		{"WebSocket, among others", list{header, socket}, func() *http.Request { return protocols("chat,bearer," + good + ",v2") }, testkit.AnswerOK},
		{"WebSocket, two lines", list{header, socket}, func() *http.Request { return testkit.WithHeader(protocols("bearer"), "Sec-WebSocket-Protocol", good) }, testkit.AnswerOK},
		{"WebSocket, malformed", list{header, socket}, func() *http.Request { return protocols("bearer, abc") }, testkit.AnswerMalformed},
		{"WebSocket, no token", list{header, socket}, func() *http.Request { return protocols("bearer") }, apiBadCredential},
		{"WebSocket, twice", list{header, socket}, func() *http.Request { return protocols("bearer, " + good + ", bearer, " + good) }, apiTwoTokens},
		{"WebSocket, other protocols", list{header, socket}, func() *http.Request { return protocols("chat, " + good) }, testkit.AnswerNoToken},
		{"WebSocket, none", list{header, socket}, func() *http.Request { return get("") }, testkit.AnswerNoToken},
		{"WebSocket and header", list{header, socket}, func() *http.Request { return bearer(protocols("bearer, " + good)) }, apiTwoTokens},

		{"own place", list{header, ownPlace(good, nil)}, func() *http.Request { return get("") }, testkit.AnswerOK},
		{"own place, empty", list{header, ownPlace("", nil)}, func() *http.Request { return get("") }, testkit.AnswerNoToken},
		{"own place, error", list{header, ownPlace("", errors.New("SECRET"))}, func() *http.Request { return get("") }, apiBadCredential},
		{"own place, error beside a token", list{ownPlace(good, errors.New("SECRET"))}, func() *http.Request { return get("") }, apiBadCredential},
		{"own place, error beside another source", list{header, ownPlace("", errors.New("SECRET"))}, func() *http.Request { return bearer(get("")) }, apiBadCredential},
		{"own place says that there is none", list{header, ownPlace("", auth0.ErrNoToken)}, func() *http.Request { return get("") }, testkit.AnswerNoToken},
		{"own place says that there is none, but the header", list{header, ownPlace("", auth0.ErrNoToken)}, func() *http.Request { return bearer(get("")) }, testkit.AnswerOK},
		{"own place and header", list{header, ownPlace(good, nil)}, func() *http.Request { return bearer(get("")) }, apiTwoTokens},

		{"four sources, one used", list{header, cookie, query, form}, func() *http.Request { return post("access_token=" + good) }, testkit.AnswerOK},
		{"four sources, none used", list{header, cookie, query, form}, func() *http.Request { return post("a=b") }, testkit.AnswerNoToken},
	} {
		t.Run(tt.why, func(t *testing.T) {
			f := testkit.NewAPIEnv(t, testkit.Sources(tt.sources...))
			f.ExpectWhole(t, f.API.RequireAuth(&spy{next: f}), tt.request(), tt.want)
			if log := f.Log.Take(); tt.want.Status == 400 && strings.Contains(log, good) {
				t.Errorf("the log has the token: %s", log)
			}
			// Where a token is optional, only its absence is no fault.
			behind := &spy{next: f}
			want := tt.want
			if want == testkit.AnswerNoToken {
				want = testkit.AnswerOK
			}
			f.ExpectWhole(t, f.API.OptionalAuth(behind), tt.request(), want)
			if passed := behind.token != nil; passed != (tt.want == testkit.AnswerOK) {
				t.Errorf("the handler behind OptionalAuth has a token: %v", passed)
			}
		})
	}
}

func ownPlace(token string, err error) auth0.TokenExtractor {
	return auth0.FromFunc(func(*http.Request) (string, error) { return token, err })
}

// The error of the application's own function is for the log.
func TestErrorOfOwnSource(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t, testkit.Sources(ownPlace("", errors.New("the reader is broken"))))
	w := httptest.NewRecorder()
	f.API.RequireAuth(f).ServeHTTP(w, testkit.RequestWith())
	if log := f.Log.Take(); !strings.Contains(log, "the reader is broken") {
		t.Errorf("the error is not in the log: %s", log)
	}
	if strings.Contains(w.Body.String(), "reader") {
		t.Errorf("the error is in the answer: %s", w.Body)
	}
}

// URLs end up in logs, and in the Referer of requests that a page causes.
func TestTokenIsTakenOutOfTheURL(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t, testkit.Sources(auth0.FromHeader(), auth0.FromQuery()))
	good := testkit.GoodToken()
	for _, tt := range []struct{ query, want string }{
		{"access_token=" + good, ""},
		{"a=1&access_token=" + good, "a=1"},
		{"access_token=" + good + "&b=%20+;&c", "b=%20+;&c"},
		{"a=%zz&access%5Ftoken=" + good + "&%61=2", "a=%zz&%61=2"},
		{"a=access_token&access_token=" + good, "a=access_token"},
	} {
		t.Run(tt.query[:min(12, len(tt.query))], func(t *testing.T) {
			behind := &spy{next: f}
			r := httptest.NewRequest("GET", "/members?"+tt.query, nil)
			r.Form = url.Values{"access_token": {good}, "a": {"1"}} // as an outer handler has parsed it
			f.ExpectWhole(t, f.API.RequireAuth(behind), r, testkit.AnswerOK)
			if behind.request == nil {
				t.Fatal("not reached")
			}
			wantURI := "/members"
			if tt.want != "" {
				wantURI += "?" + tt.want
			}
			if got := behind.request; got.URL.RawQuery != tt.want || got.RequestURI != wantURI || strings.Contains(got.URL.String(), good) {
				t.Errorf("the handler sees %q and %q, want %q", got.URL.RawQuery, got.RequestURI, tt.want)
			}
			if form := behind.request.Form; form.Has("access_token") || form.Get("a") != "1" {
				t.Errorf("the handler sees the form %v", form)
			}
			if behind.cacheControl != "private, no-store" {
				t.Errorf("Cache-Control %q, want private, no-store", behind.cacheControl)
			}
			// The handlers around the guard have not agreed to that.
			if r.URL.RawQuery != tt.query || r.Form.Get("access_token") != good {
				t.Error("the request was changed for outer handlers")
			}
		})
	}
	// Answers to other requests are not made private.
	behind := &spy{next: f}
	f.ExpectWhole(t, f.API.RequireAuth(behind), testkit.BearerRequest(good), testkit.AnswerOK)
	if behind.cacheControl != "" {
		t.Errorf("Cache-Control %q for a token in the header, want none", behind.cacheControl)
	}
	// A guard that rejects the request is as strict as ever.
	f.ExpectWhole(t, f.API.RequireScope("admin")(f), httptest.NewRequest("GET", "/?access_token="+good, nil), testkit.AnswerLacks("admin"))
}

// A countingBody notes how much of it was read, and whether it was closed.
type countingBody struct {
	io.Reader
	read   int
	closed bool
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.read += n
	return n, err
}

func (b *countingBody) Close() error {
	b.closed = true
	return nil
}

// The body belongs to the handler, also if the guard has looked for a token in it.
func TestBodyIsPassedOn(t *testing.T) {
	t.Parallel()
	good := testkit.GoodToken()
	broken := errors.New("connection lost")
	for _, tt := range []struct {
		why, body string
		err       error // after the body
		bearer    bool  // the token is in the header
	}{
		{"with a token", "a=1&access_token=" + good + "&b=2", nil, false},
		{"without a token", "a=1", nil, true},
		{"empty", "", nil, true},
		{"64 KiB", strings.Repeat("x", 65536), nil, true},
		{"one byte more", strings.Repeat("x", 65537), nil, true},
		{"1 MiB", strings.Repeat("abcd", 1<<18), nil, true},
		{"broken off", "a=1&access_token=" + good, broken, true},
	} {
		t.Run(tt.why, func(t *testing.T) {
			f := testkit.NewAPIEnv(t, testkit.Sources(auth0.FromHeader(), auth0.FromForm()))
			behind := &spy{next: f}
			from := io.Reader(strings.NewReader(tt.body))
			if tt.err != nil {
				from = io.MultiReader(from, testkit.ErrorReader{Err: tt.err})
			}
			body := &countingBody{Reader: from}
			r := testkit.FormRequest("POST", testkit.FormType, "")
			r.Body = body
			if tt.bearer {
				r.Header.Set("Authorization", "Bearer "+good)
			}
			f.ExpectWhole(t, f.API.RequireAuth(behind), r, testkit.AnswerOK)
			if behind.body != tt.body || behind.bodyErr != tt.err {
				t.Errorf("the handler has read %d bytes and %v, want %d bytes and %v", len(behind.body), behind.bodyErr, len(tt.body), tt.err)
			}
			if err := behind.request.Body.Close(); err != nil || !body.closed {
				t.Errorf("closing the body: %v, reached it: %v", err, body.closed)
			}
		})
	}
	// The guard reads no more than that before it answers.
	f := testkit.NewAPIEnv(t, testkit.Sources(auth0.FromForm()))
	body := &countingBody{Reader: strings.NewReader(strings.Repeat("x", 1<<20))}
	r := testkit.FormRequest("POST", testkit.FormType, "")
	r.Body = body
	f.ExpectWhole(t, f.API.RequireAuth(f), r, testkit.AnswerNoToken)
	if body.read > 65537 {
		t.Errorf("%d bytes were read in search of a token, want at most 65537", body.read)
	}
	// A form that a browser sends can still be parsed.
	behind := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("name") != "ada" || r.PostFormValue("x") != "é" {
			t.Errorf("the form is %v", r.Form)
		}
	})
	f.API.RequireAuth(behind).ServeHTTP(httptest.NewRecorder(), testkit.FormRequest("POST", testkit.FormType, "name=ada&access_token="+good+"&x=%C3%A9"))
}

func TestOptionalAuth(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	down := testkit.NewAPIEnv(t)
	down.Tenant.Fail("jwks", 503)
	for _, tt := range []struct {
		why    string
		f      *testkit.APIEnv
		r      *http.Request
		want   testkit.Answer
		hasOne bool
	}{
		{"no token", f, testkit.RequestWith(), testkit.AnswerOK, false},
		{"other scheme", f, testkit.RequestWith("Basic dTpw"), testkit.AnswerOK, false},
		{"good token", f, testkit.BearerRequest(testkit.GoodToken()), testkit.AnswerOK, true},
		{"expired token", f, testkit.BearerRequest(testkit.Signed(testkit.GoodHeader, testkit.WithClaim("exp", testkit.NoonPlus(-60)))), testkit.AnswerExpired, false},
		{"forged token", f, testkit.BearerRequest(testkit.Compact(testkit.GoodHeader.String(), testkit.GoodClaims(testkit.Noon).String(), testkit.RS256(testkit.RSAForeign()))), testkit.AnswerBadSignature, false},
		{"malformed header", f, testkit.RequestWith("Bearer"), testkit.AnswerBadHeader, false},
		{"two headers", f, testkit.RequestWith("Bearer a", "Bearer b"), testkit.AnswerBadHeader, false},
		{"no keys", down, testkit.BearerRequest(testkit.GoodToken()), testkit.AnswerNoKeys, false},
	} {
		t.Run(tt.why, func(t *testing.T) {
			behind := &spy{next: tt.f}
			tt.f.ExpectWhole(t, tt.f.API.OptionalAuth(behind), tt.r, tt.want)
			if got := behind.token != nil; got != tt.hasOne {
				t.Errorf("the handler has a token: %v, want %v", got, tt.hasOne)
			}
		})
	}
	// A guard inside requires a token where the outer one did not.
	h := f.API.OptionalAuth(f.API.RequireScope("read:m")(f))
	f.ExpectWhole(t, h, testkit.RequestWith(), testkit.AnswerNoToken.Needs("read:m"))
	f.ExpectWhole(t, h, testkit.BearerRequest(testkit.GoodToken()), testkit.AnswerOK)
	h = f.API.RequireAuth(f.API.OptionalAuth(f))
	f.ExpectWhole(t, h, testkit.RequestWith(), testkit.AnswerNoToken)
}

func TestUnusableSources(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why  string
		list []auth0.TokenExtractor
		want string // part of the error, empty for none
	}{
		{"default", nil, ""},
		{"empty list", []auth0.TokenExtractor{}, "APIConfig.TokenExtractors is empty"},
		{"zero source", []auth0.TokenExtractor{{}}, "APIConfig.TokenExtractors [0]"},
		{"name that no cookie has", []auth0.TokenExtractor{auth0.FromHeader(), auth0.FromCookie("a b")}, "APIConfig.TokenExtractors [1] FromCookie"},
		{"no name", []auth0.TokenExtractor{auth0.FromCookie("")}, "APIConfig.TokenExtractors [0] FromCookie"},
		{"no function", []auth0.TokenExtractor{auth0.FromFunc(nil)}, "APIConfig.TokenExtractors [0] FromFunc"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			api, err := auth0.NewAPI(auth0.APIConfig{Domain: testkit.APIHost, Audience: testkit.APIAudience, TokenExtractors: tt.list})
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if api != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, %v; want %q", api, err, tt.want)
			}
		})
	}
	list := []auth0.TokenExtractor{auth0.FromHeader()}
	f := testkit.NewAPIEnv(t, testkit.Sources(list...))
	list[0] = auth0.FromQuery()
	f.ExpectToken(t, testkit.GoodToken(), testkit.AnswerOK)
}

// The token of a WebSocket handshake is in no answer.
func TestWebSocketTokenIsNotEchoed(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t, testkit.Sources(auth0.FromWebSocket()))
	for _, token := range []string{testkit.GoodToken(), "abc"} {
		w := httptest.NewRecorder()
		f.API.RequireAuth(f).ServeHTTP(w, testkit.WithHeader(testkit.RequestWith(), "Sec-WebSocket-Protocol", "bearer, "+token))
		var answer bytes.Buffer
		w.Result().Write(&answer)
		if strings.Contains(answer.String(), token) || w.Header().Get("Sec-WebSocket-Protocol") != "" {
			t.Errorf("the answer is %s", answer.String())
		}
	}
}
