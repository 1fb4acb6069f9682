package auth0_test

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
)

// apiBadRequest is the answer to credentials that cannot be told apart or read.
func apiBadRequest(description string) apiAnswer {
	return apiAnswer{400,
		`Bearer realm="api", error="invalid_request", error_description="` + description + `"`,
		`{"error":"invalid_request","error_description":"` + description + `"}`}
}

var (
	apiTwoTokens     = apiBadRequest("more than one credential")
	apiBadForm       = apiBadRequest("malformed form body")
	apiBadCredential = apiBadRequest("malformed credential")
)

// A spy is the handler behind a guard. It notes what came through.
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
	w.Header().Del("Cache-Control") // what is expected of answers else has none
	s.next.ServeHTTP(w, r)
}

func sources(list ...auth0.TokenExtractor) func(*auth0.APIConfig) {
	return func(c *auth0.APIConfig) { c.TokenExtractors = list }
}

const formType = "application/x-www-form-urlencoded"

func formRequest(method, contentType, body string) *http.Request {
	r := httptest.NewRequest(method, "/members", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	return r
}

// withHeader returns the request with one more line.
func withHeader(r *http.Request, name, value string) *http.Request {
	r.Header.Add(name, value)
	return r
}

func TestTokenSources(t *testing.T) {
	good := goodToken()
	expired := signed(goodHeader, withClaim("exp", noonPlus(-60)))
	header, query, form, socket := auth0.FromHeader(), auth0.FromQuery(), auth0.FromForm(), auth0.FromWebSocket()
	cookie := auth0.FromCookie("tok")
	get := func(query string) *http.Request { return httptest.NewRequest("GET", "/members"+query, nil) }
	bearer := func(r *http.Request) *http.Request { return withHeader(r, "Authorization", "Bearer "+good) }
	cookies := func(value string) *http.Request { return withHeader(get(""), "Cookie", value) }
	protocols := func(value string) *http.Request { return withHeader(get(""), "Sec-WebSocket-Protocol", value) }
	post := func(body string) *http.Request { return formRequest("POST", formType, body) }
	type list = []auth0.TokenExtractor

	for _, tt := range []struct {
		why     string
		sources list
		request func() *http.Request
		want    apiAnswer
	}{
		{"query", list{header, query}, func() *http.Request { return get("?access_token=" + good) }, apiOK},
		{"query, name escaped", list{header, query}, func() *http.Request { return get("?access%5ftoken=" + good) }, apiOK},
		{"query, expired", list{header, query}, func() *http.Request { return get("?access_token=" + expired) }, apiExpired},
		{"query, malformed", list{header, query}, func() *http.Request { return get("?access_token=abc") }, apiMalformed},
		{"query, line feed in the token", list{query}, func() *http.Request { return get("?access_token=" + good + "%0a") }, apiMalformed},
		{"query, empty", list{header, query}, func() *http.Request { return get("?access_token=") }, apiNoToken},
		{"query, no value", list{header, query}, func() *http.Request { return get("?access_token") }, apiNoToken},
		{"query, other name", list{header, query}, func() *http.Request { return get("?Access_token=" + good + "&my_access_token=" + good) }, apiNoToken},
		{"query twice", list{header, query}, func() *http.Request { return get("?access_token=" + good + "&access_token=" + good) }, apiTwoTokens},
		{"query twice, one escaped", list{header, query}, func() *http.Request { return get("?access_token=" + good + "&access%5Ftoken=x") }, apiTwoTokens},
		{"query twice, one empty", list{header, query}, func() *http.Request { return get("?access_token=" + good + "&access_token=") }, apiTwoTokens},
		{"query and header", list{header, query}, func() *http.Request { return bearer(get("?access_token=" + good)) }, apiTwoTokens},
		{"query and header, other order", list{query, header}, func() *http.Request { return bearer(get("?access_token=x")) }, apiTwoTokens},
		{"query escaped and header", list{header, query}, func() *http.Request { return bearer(get("?access%5Ftoken=x")) }, apiTwoTokens},
		{"query empty and header", list{header, query}, func() *http.Request { return bearer(get("?access_token=")) }, apiOK},
		{"query and a header that cannot be read", list{query, header}, func() *http.Request { return withHeader(get("?access_token="+good), "Authorization", "Bearer ") }, apiBadHeader},
		{"query and a header with two words", list{query, header}, func() *http.Request { return withHeader(get("?access_token="+good), "Authorization", "Bearer a b") }, apiTwoTokens},
		{"query and another scheme", list{header, query}, func() *http.Request { return withHeader(get("?access_token="+good), "Authorization", "Basic dTpw") }, apiOK},
		{"query alone, header not asked", list{query}, func() *http.Request { return bearer(get("")) }, apiNoToken},

		{"form", list{header, form}, func() *http.Request { return post("a=1&access_token=" + good + "&b=2") }, apiOK},
		{"form, PUT", list{header, form}, func() *http.Request { return formRequest("PUT", formType, "access_token="+good) }, apiOK},
		{"form, PATCH", list{header, form}, func() *http.Request { return formRequest("PATCH", formType, "access_token="+good) }, apiOK},
		{"form with a character set", list{header, form}, func() *http.Request { return formRequest("POST", formType+"; charset=UTF-8", "access_token="+good) }, apiOK},
		{"form, type in other case", list{header, form}, func() *http.Request {
			return formRequest("POST", "Application/X-WWW-Form-URLEncoded", "access_token="+good)
		}, apiOK},
		{"form, GET", list{header, form}, func() *http.Request { return formRequest("GET", formType, "access_token="+good) }, apiNoToken},
		{"form, DELETE", list{header, form}, func() *http.Request { return formRequest("DELETE", formType, "access_token="+good) }, apiNoToken},
		{"form in parts", list{header, form}, func() *http.Request {
			return formRequest("POST", `multipart/form-data; boundary="x"`, "--x\r\nContent-Disposition: form-data; name=\"access_token\"\r\n\r\n"+good+"\r\n--x--\r\n")
		}, apiNoToken},
		{"JSON", list{header, form}, func() *http.Request {
			return formRequest("POST", "application/json", `{"access_token":"`+good+`"}`)
		}, apiNoToken},
		{"form without a type", list{header, form}, func() *http.Request {
			r := post("access_token=" + good)
			r.Header.Del("Content-Type")
			return r
		}, apiNoToken},
		{"form, empty", list{header, form}, func() *http.Request { return post("access_token=") }, apiNoToken},
		{"form, line break in the token", list{form}, func() *http.Request { return post("access_token=" + good[:9] + "%0D%0A" + good[9:]) }, apiMalformed},
		{"form, plus is a space", list{form}, func() *http.Request { return post("access_token=+" + good) }, apiMalformed},
		{"form, JSON of a token", list{form}, func() *http.Request { return post("access_token=" + url.QueryEscape(`{"payload":"x"}`)) }, apiMalformed},
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
		}, apiOK},
		{"form of 64 KiB", list{header, form}, func() *http.Request {
			body := "access_token=" + good + "&pad="
			return post(body + strings.Repeat("x", 65536-len(body)))
		}, apiOK},
		{"larger form", list{header, form}, func() *http.Request {
			body := "access_token=" + good + "&pad="
			return post(body + strings.Repeat("x", 65537-len(body)))
		}, apiNoToken},
		{"larger form and header", list{header, form}, func() *http.Request {
			return bearer(post("access_token=x&pad=" + strings.Repeat("x", 65536)))
		}, apiOK},

		{"cookie", list{header, cookie}, func() *http.Request { return cookies("a=b; tok=" + good) }, apiOK},
		{"cookie, expired", list{header, cookie}, func() *http.Request { return cookies("tok=" + expired) }, apiExpired},
		{"cookie, empty", list{header, cookie}, func() *http.Request { return cookies("tok=") }, apiNoToken},
		{"cookie, other name", list{header, cookie}, func() *http.Request { return cookies("Tok=" + good + "; atok=" + good) }, apiNoToken},
		{"cookie and header", list{header, cookie}, func() *http.Request { return withHeader(requestWith("Bearer "+good), "Cookie", "tok="+good) }, apiTwoTokens},
		{"cookie empty and header", list{header, cookie}, func() *http.Request { return withHeader(requestWith("Bearer "+good), "Cookie", "tok=") }, apiOK},
		{"two cookies", list{header, cookie}, func() *http.Request { return cookies("tok=" + good + "; tok=" + good) }, apiTwoTokens},
		{"two cookies in two lines", list{header, cookie}, func() *http.Request { return withHeader(cookies("tok="+good), "Cookie", "tok=x") }, apiTwoTokens},
		{"two cookies, one empty", list{header, cookie}, func() *http.Request { return cookies("tok=; tok=" + good) }, apiTwoTokens},
		{"cookie, space before the token", list{cookie}, func() *http.Request { return cookies("tok= " + good) }, apiMalformed},
		{"cookie, scheme before the token", list{cookie}, func() *http.Request { return cookies("tok=Bearer " + good) }, apiMalformed},
		{"cookie, JSON of a token", list{cookie}, func() *http.Request { return cookies("tok={}") }, apiMalformed},

		{"WebSocket", list{header, socket}, func() *http.Request { return protocols("bearer, " + good) }, apiOK},
		{"WebSocket, among others", list{header, socket}, func() *http.Request { return protocols("chat,bearer," + good + ",v2") }, apiOK},
		{"WebSocket, two lines", list{header, socket}, func() *http.Request { return withHeader(protocols("bearer"), "Sec-WebSocket-Protocol", good) }, apiOK},
		{"WebSocket, malformed", list{header, socket}, func() *http.Request { return protocols("bearer, abc") }, apiMalformed},
		{"WebSocket, no token", list{header, socket}, func() *http.Request { return protocols("bearer") }, apiBadCredential},
		{"WebSocket, twice", list{header, socket}, func() *http.Request { return protocols("bearer, " + good + ", bearer, " + good) }, apiTwoTokens},
		{"WebSocket, other protocols", list{header, socket}, func() *http.Request { return protocols("chat, " + good) }, apiNoToken},
		{"WebSocket, none", list{header, socket}, func() *http.Request { return get("") }, apiNoToken},
		{"WebSocket and header", list{header, socket}, func() *http.Request { return bearer(protocols("bearer, " + good)) }, apiTwoTokens},

		{"own place", list{header, ownPlace(good, nil)}, func() *http.Request { return get("") }, apiOK},
		{"own place, empty", list{header, ownPlace("", nil)}, func() *http.Request { return get("") }, apiNoToken},
		{"own place, error", list{header, ownPlace("", errors.New("SECRET"))}, func() *http.Request { return get("") }, apiBadCredential},
		{"own place, error beside a token", list{ownPlace(good, errors.New("SECRET"))}, func() *http.Request { return get("") }, apiBadCredential},
		{"own place, error beside another source", list{header, ownPlace("", errors.New("SECRET"))}, func() *http.Request { return bearer(get("")) }, apiBadCredential},
		{"own place says that there is none", list{header, ownPlace("", auth0.ErrNoToken)}, func() *http.Request { return get("") }, apiNoToken},
		{"own place says that there is none, but the header", list{header, ownPlace("", auth0.ErrNoToken)}, func() *http.Request { return bearer(get("")) }, apiOK},
		{"own place and header", list{header, ownPlace(good, nil)}, func() *http.Request { return bearer(get("")) }, apiTwoTokens},

		{"four sources, one used", list{header, cookie, query, form}, func() *http.Request { return post("access_token=" + good) }, apiOK},
		{"four sources, none used", list{header, cookie, query, form}, func() *http.Request { return post("a=b") }, apiNoToken},
	} {
		t.Run(tt.why, func(t *testing.T) {
			f := newAPIFixture(t, sources(tt.sources...))
			f.expect(t, f.api.RequireAuth(&spy{next: f}), tt.request(), tt.want)
			if log := f.log.take(); tt.want.status == 400 && strings.Contains(log, good) {
				t.Errorf("the log has the token: %s", log)
			}
			// Where a token is not needed, only its absence is no fault.
			behind := &spy{next: f}
			want := tt.want
			if want == apiNoToken {
				want = apiOK
			}
			f.expect(t, f.api.OptionalAuth(behind), tt.request(), want)
			if passed := behind.token != nil; passed != (tt.want == apiOK) {
				t.Errorf("the handler behind OptionalAuth has a token: %v", passed)
			}
		})
	}
}

func ownPlace(token string, err error) auth0.TokenExtractor {
	return auth0.FromFunc(func(*http.Request) (string, error) { return token, err })
}

// What an own function reports is for the log.
func TestErrorOfOwnSource(t *testing.T) {
	f := newAPIFixture(t, sources(ownPlace("", errors.New("the reader is broken"))))
	w := httptest.NewRecorder()
	f.api.RequireAuth(f).ServeHTTP(w, requestWith())
	if log := f.log.take(); !strings.Contains(log, "the reader is broken") {
		t.Errorf("the error is not in the log: %s", log)
	}
	if strings.Contains(w.Body.String(), "reader") {
		t.Errorf("the error is in the answer: %s", w.Body)
	}
}

// URLs end up in logs and in the Referer of what a page links to.
func TestTokenIsTakenOutOfTheURL(t *testing.T) {
	f := newAPIFixture(t, sources(auth0.FromHeader(), auth0.FromQuery()))
	good := goodToken()
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
			f.expect(t, f.api.RequireAuth(behind), r, apiOK)
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
			// Whoever is around the guard has not agreed to that.
			if r.URL.RawQuery != tt.query || r.Form.Get("access_token") != good {
				t.Error("the request was changed for outer handlers")
			}
		})
	}
	// Answers to other requests are not made private.
	behind := &spy{next: f}
	f.expect(t, f.api.RequireAuth(behind), bearerRequest(good), apiOK)
	if behind.cacheControl != "" {
		t.Errorf("Cache-Control %q for a token in the header, want none", behind.cacheControl)
	}
	// A guard that refuses is as strict as ever.
	f.expect(t, f.api.RequireScope("admin")(f), httptest.NewRequest("GET", "/?access_token="+good, nil), apiLacks("admin"))
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

// The body belongs to the handler, whatever was looked for in it.
func TestBodyIsPassedOn(t *testing.T) {
	good := goodToken()
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
			f := newAPIFixture(t, sources(auth0.FromHeader(), auth0.FromForm()))
			behind := &spy{next: f}
			from := io.Reader(strings.NewReader(tt.body))
			if tt.err != nil {
				from = io.MultiReader(from, errorReader{tt.err})
			}
			body := &countingBody{Reader: from}
			r := formRequest("POST", formType, "")
			r.Body = body
			if tt.bearer {
				r.Header.Set("Authorization", "Bearer "+good)
			}
			f.expect(t, f.api.RequireAuth(behind), r, apiOK)
			if behind.body != tt.body || behind.bodyErr != tt.err {
				t.Errorf("the handler has read %d bytes and %v, want %d bytes and %v", len(behind.body), behind.bodyErr, len(tt.body), tt.err)
			}
			if err := behind.request.Body.Close(); err != nil || !body.closed {
				t.Errorf("closing the body: %v, reached it: %v", err, body.closed)
			}
		})
	}
	// Not more than that is read before there is an answer.
	f := newAPIFixture(t, sources(auth0.FromForm()))
	body := &countingBody{Reader: strings.NewReader(strings.Repeat("x", 1<<20))}
	r := formRequest("POST", formType, "")
	r.Body = body
	f.expect(t, f.api.RequireAuth(f), r, apiNoToken)
	if body.read > 65537 {
		t.Errorf("%d bytes were read in search of a token, want at most 65537", body.read)
	}
	// A form that a browser sends can still be parsed.
	behind := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("name") != "ada" || r.PostFormValue("x") != "é" {
			t.Errorf("the form is %v", r.Form)
		}
	})
	f.api.RequireAuth(behind).ServeHTTP(httptest.NewRecorder(), formRequest("POST", formType, "name=ada&access_token="+good+"&x=%C3%A9"))
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

func TestOptionalAuth(t *testing.T) {
	f := newAPIFixture(t)
	down := newAPIFixture(t)
	down.tenant.Fail("jwks", 503)
	for _, tt := range []struct {
		why    string
		f      *apiFixture
		r      *http.Request
		want   apiAnswer
		hasOne bool
	}{
		{"no token", f, requestWith(), apiOK, false},
		{"other scheme", f, requestWith("Basic dTpw"), apiOK, false},
		{"good token", f, bearerRequest(goodToken()), apiOK, true},
		{"expired token", f, bearerRequest(signed(goodHeader, withClaim("exp", noonPlus(-60)))), apiExpired, false},
		{"forged token", f, bearerRequest(compact(goodHeader.String(), goodClaims(noon).String(), rs256(rsaForeign()))), apiBadSignature, false},
		{"malformed header", f, requestWith("Bearer"), apiBadHeader, false},
		{"two headers", f, requestWith("Bearer a", "Bearer b"), apiBadHeader, false},
		{"no keys", down, bearerRequest(goodToken()), apiNoKeys, false},
	} {
		t.Run(tt.why, func(t *testing.T) {
			behind := &spy{next: tt.f}
			tt.f.expect(t, tt.f.api.OptionalAuth(behind), tt.r, tt.want)
			if got := behind.token != nil; got != tt.hasOne {
				t.Errorf("the handler has a token: %v, want %v", got, tt.hasOne)
			}
		})
	}
	// A guard within asks for what the outer one did not.
	h := f.api.OptionalAuth(f.api.RequireScope("read:m")(f))
	f.expect(t, h, requestWith(), apiNoToken)
	f.expect(t, h, bearerRequest(goodToken()), apiOK)
	h = f.api.RequireAuth(f.api.OptionalAuth(f))
	f.expect(t, h, requestWith(), apiNoToken)
}

func TestUnusableSources(t *testing.T) {
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
			api, err := auth0.NewAPI(auth0.APIConfig{Domain: apiHost, Audience: apiAudience, TokenExtractors: tt.list})
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
	f := newAPIFixture(t, sources(list...))
	list[0] = auth0.FromQuery()
	f.expectToken(t, goodToken(), apiOK)
}

// The token of a WebSocket handshake is in no answer.
func TestWebSocketTokenIsNotEchoed(t *testing.T) {
	f := newAPIFixture(t, sources(auth0.FromWebSocket()))
	for _, token := range []string{goodToken(), "abc"} {
		w := httptest.NewRecorder()
		f.api.RequireAuth(f).ServeHTTP(w, withHeader(requestWith(), "Sec-WebSocket-Protocol", "bearer, "+token))
		var answer bytes.Buffer
		w.Result().Write(&answer)
		if strings.Contains(answer.String(), token) || w.Header().Get("Sec-WebSocket-Protocol") != "" {
			t.Errorf("the answer is %s", answer.String())
		}
	}
}
