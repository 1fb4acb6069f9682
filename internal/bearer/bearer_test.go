package bearer

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// get is a request with headers: names and values in turn.
func get(target string, header ...string) *http.Request {
	r := httptest.NewRequest("GET", target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func post(body, contentType string) *http.Request {
	r := httptest.NewRequest("POST", "/x", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	return r
}

// rowOf is the row of a refusal.
func rowOf(err error) (row refusal.Row) {
	if r, ok := errors.AsType[*refusal.Refusal](err); ok {
		row = r.Row
	}
	return row
}

func TestToken(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		values []string
		token  string
		row    refusal.Row
	}{
		{nil, "", refusal.NoToken},
		{[]string{""}, "", refusal.NoToken},
		{[]string{"Bearer abc.def"}, "abc.def", refusal.Row{}},
		{[]string{"bEARER   abc"}, "abc", refusal.Row{}},
		{[]string{"Bearer a b"}, "a b", refusal.Row{}},
		{[]string{"Bearer"}, "", refusal.Header},
		{[]string{"bearer"}, "", refusal.Header},
		{[]string{"Bearer "}, "", refusal.Header},
		{[]string{"Bearer   "}, "", refusal.Header},
		{[]string{"abc.def.ghi"}, "", refusal.Header},
		{[]string{"Bearer\tabc"}, "", refusal.Header},
		{[]string{"Bearertoken"}, "", refusal.NoToken},
		{[]string{"Bearer.token"}, "", refusal.NoToken},
		{[]string{"Bearer: abc"}, "", refusal.Header},
		{[]string{"bearer: abc"}, "", refusal.Header},
		{[]string{"Negotiate"}, "", refusal.NoToken},
		{[]string{"Basic YTpi"}, "", refusal.NoToken},
		{[]string{"BearerX abc"}, "", refusal.NoToken},
		{[]string{"Bearer a", "Bearer a"}, "", refusal.Header},
		{[]string{"", "Bearer a"}, "", refusal.Header},
	} {
		r := get("/")
		r.Header["Authorization"] = tt.values
		if tt.values == nil {
			r.Header.Del("Authorization")
		}
		for _, dpop := range []bool{false, true} {
			c, err := Token(r, dpop)
			if c.Token != tt.token || c.InHeader != (tt.token != "") || c.DPoP || rowOf(err) != tt.row || (err == nil) != (tt.row == refusal.Row{}) {
				t.Errorf("%q: %+v, %v", tt.values, c, err)
			}
			if err != nil && strings.Contains(err.Error(), "abc") {
				t.Errorf("%q: the error quotes the token: %v", tt.values, err)
			}
		}
	}
}

// TestDPoPScheme has the forms of a header with the scheme DPoP. An API that does not
// accept the scheme finds no token in the header, or a malformed header.
func TestDPoPScheme(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		values []string
		token  string
		row    refusal.Row // the API accepts the scheme
		off    refusal.Row // the API does not
	}{
		{[]string{"DPoP abc.def"}, "abc.def", refusal.Row{}, refusal.NoToken},
		{[]string{"dpOP   abc"}, "abc", refusal.Row{}, refusal.NoToken},
		{[]string{"DPoP"}, "", refusal.Header, refusal.NoToken},
		{[]string{"dpop"}, "", refusal.Header, refusal.NoToken},
		{[]string{"DPoP "}, "", refusal.Header, refusal.NoToken},
		{[]string{"DPoP a b"}, "a b", refusal.Row{}, refusal.NoToken},
		{[]string{"DPoP: abc"}, "", refusal.Header, refusal.NoToken},
		{[]string{"DPoPX abc"}, "", refusal.NoToken, refusal.NoToken},
		{[]string{"DPoPabc"}, "", refusal.NoToken, refusal.NoToken},
		{[]string{"DPoP\tabc.def"}, "", refusal.Header, refusal.Header},
		{[]string{"DPoP a", "DPoP a"}, "", refusal.Header, refusal.Header},
		{[]string{"DPoP a", "Bearer a"}, "", refusal.Header, refusal.Header},
	} {
		r := get("/")
		r.Header["Authorization"] = tt.values
		c, err := Token(r, true)
		if c.Token != tt.token || c.InHeader != (tt.token != "") || c.DPoP != (tt.token != "") || rowOf(err) != tt.row || (err == nil) != (tt.row == refusal.Row{}) {
			t.Errorf("%q: %+v, %v", tt.values, c, err)
		}
		if c, err := Token(r, false); c != (Credential{}) || rowOf(err) != tt.off {
			t.Errorf("%q, not accepted: %+v, %v", tt.values, c, err)
		}
		if found, _ := (Places{Header(true), Query()}).Find(r); found.DPoP != (tt.token != "") {
			t.Errorf("%q: %+v", tt.values, found)
		}
	}
	for _, tt := range []struct {
		values []string
		want   bool
	}{
		{nil, false}, {[]string{""}, false}, {[]string{"DPoP"}, true}, {[]string{"dpop x"}, true}, {[]string{"Bearer DPoP"}, false}, {[]string{"DPoPx y"}, false},
		{[]string{"DPoP x", "DPoP x"}, false},
	} {
		r := get("/")
		r.Header["Authorization"] = tt.values
		if IsDPoP(r) != tt.want {
			t.Errorf("%q: %v", tt.values, !tt.want)
		}
	}
}

func TestIsMalformed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		c    Credential
		want bool
	}{
		{Credential{Token: "abc.def", InHeader: true}, false},
		{Credential{Token: "a b", InHeader: true}, true},
		{Credential{Token: "a b"}, false},
	} {
		if got := tt.c.IsMalformed(); got != tt.want {
			t.Errorf("%+v: %v", tt.c, got)
		}
	}
}

const formType = "application/x-www-form-urlencoded"

func TestPlaces(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("a", 64<<10)
	for _, tt := range []struct {
		why   string
		place Place
		r     *http.Request
		token string
		row   refusal.Row
	}{
		{"header", Header(false), get("/", "Authorization", "Bearer t"), "t", refusal.Row{}},
		{"no header", Header(false), get("/"), "", refusal.NoToken},
		{"cookie", Cookie("c"), get("/", "Cookie", "c=t; d=x"), "t", refusal.Row{}},
		{"no cookie", Cookie("c"), get("/", "Cookie", "d=x"), "", refusal.Row{}},
		{"two cookies", Cookie("c"), get("/", "Cookie", "c=t; c=t"), "", refusal.Several},
		{"query", Query(), get("/x?a=1&access_token=t"), "t", refusal.Row{}},
		{"query, escaped name", Query(), get("/x?access%5Ftoken=t"), "t", refusal.Row{}},
		{"query, another name", Query(), get("/x?Access_Token=t&b=%20"), "", refusal.Row{}},
		{"query, empty", Query(), get("/x?access_token="), "", refusal.Row{}},
		{"query twice", Query(), get("/x?access_token=t&access_token="), "", refusal.Several},
		{"form", Form(), post("a=1&access_token=t", formType), "t", refusal.Row{}},
		{"form with a charset", Form(), post("access_token=t", formType+"; charset=utf-8"), "t", refusal.Row{}},
		{"form without", Form(), post("a=1", formType), "", refusal.Row{}},
		{"form twice", Form(), post("access_token=t&access_token=t", formType), "", refusal.Several},
		{"form, not ASCII", Form(), post("access_token=t&a=\u00e9", formType), "", refusal.Form},
		{"form, malformed", Form(), post("access_token=%zz", formType), "", refusal.Form},
		{"form, too large", Form(), post("access_token=t&a="+large, formType), "", refusal.Row{}},
		{"JSON", Form(), post("access_token=t", "application/json"), "", refusal.Row{}},
		{"GET", Form(), get("/", "Content-Type", formType), "", refusal.Row{}},
		{"WebSocket", WebSocket(), get("/", "Sec-WebSocket-Protocol", "chat, bearer", "Sec-WebSocket-Protocol", "t"), "t", refusal.Row{}},
		{"WebSocket without", WebSocket(), get("/", "Sec-WebSocket-Protocol", "chat"), "", refusal.Row{}},
		{"WebSocket, nothing after", WebSocket(), get("/", "Sec-WebSocket-Protocol", "bearer"), "", refusal.Credential},
		{"WebSocket twice", WebSocket(), get("/", "Sec-WebSocket-Protocol", "bearer, t, bearer, t"), "", refusal.Several},
	} {
		c, err := tt.place.Take(tt.r)
		if c.Token != tt.token || rowOf(err) != tt.row {
			t.Errorf("%s: %q, %v; want %q, %v", tt.why, c.Token, err, tt.token, tt.row)
		}
		if c.InHeader != (c.Token != "" && tt.place.Method == "header") || c.Ambient != (c.Token != "" && tt.place.Header == "Cookie") {
			t.Errorf("%s: in header %v, ambient %v", tt.why, c.InHeader, c.Ambient)
		}
	}
}

// The handler gets a URL without the token. The other parameters stay.
func TestQueryIsTakenOut(t *testing.T) {
	t.Parallel()
	r := get("/x?a=%20&access_token=t&b=1;2&access%5ftoken&=")
	r.URL.RawQuery = "a=%20&access_token=t&b=%2b&c"
	r.ParseForm()
	c, err := Query().Take(r)
	if err != nil || c.Request.URL.RawQuery != "a=%20&b=%2b&c" || c.Request.RequestURI != "/x?a=%20&b=%2b&c" || c.Request.Form.Has("access_token") || !c.Request.Form.Has("a") {
		t.Errorf("%q, %q, %v, %v", c.Request.URL.RawQuery, c.Request.RequestURI, c.Request.Form, err)
	}
	if !strings.Contains(r.URL.RawQuery, "access_token=t") || !r.Form.Has("access_token") {
		t.Error("the request of the caller has changed")
	}
}

// The handler reads the body from the beginning, also if the read fails in the middle.
func TestBodyCanBeReadAgain(t *testing.T) {
	t.Parallel()
	failed := errors.New("failed")
	large := "access_token=t&a=" + strings.Repeat("a", 100<<10)
	for _, tt := range []struct {
		body io.Reader
		want string
		err  error
	}{
		{strings.NewReader("access_token=t&b=1"), "access_token=t&b=1", nil},
		{strings.NewReader(large), large, nil},
		{io.MultiReader(strings.NewReader("access_token=t"), iotest.ErrReader(failed)), "access_token=t", failed},
	} {
		r := httptest.NewRequest("PUT", "/", tt.body)
		r.Header.Set("Content-Type", formType)
		c, err := Form().Take(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c.Request.Body)
		if string(got) != tt.want || err != tt.err || tt.err != nil && c.Token != "" {
			t.Errorf("%d bytes, %v, token %q; want %d bytes, %v", len(got), err, c.Token, len(tt.want), tt.err)
		}
		if err := c.Request.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	failed := errors.New("failed")
	own := Place{Take: func(*http.Request) (Credential, error) { return Credential{}, failed }}
	all := Places{Header(false), Query(), Form(), Cookie("c")}
	for _, tt := range []struct {
		why    string
		places Places
		r      *http.Request
		token  string
		row    refusal.Row
		cause  bool // of the refusal
	}{
		{"first", all, get("/", "Authorization", "Bearer t"), "t", refusal.Row{}, false},
		{"last", all, get("/", "Cookie", "c=t"), "t", refusal.Row{}, false},
		{"none", all, get("/"), "", refusal.NoToken, false},
		{"no place", nil, get("/"), "", refusal.NoToken, false},
		{"none, with a reason", all, get("/", "Authorization", "Basic YTpi"), "", refusal.NoToken, true},
		{"another scheme, and a cookie", all, get("/", "Authorization", "Basic YTpi", "Cookie", "c=t"), "t", refusal.Row{}, false},
		{"two", all, get("/?access_token=t", "Cookie", "c=t"), "", refusal.Several, true},
		{"malformed at one", all, get("/?access_token=t", "Authorization", "Bearer"), "", refusal.Header, true},
		{"failed", Places{Header(false), own}, get("/", "Authorization", "Bearer t"), "", refusal.Row{}, false},
	} {
		c, err := tt.places.Find(tt.r)
		if err == nil && c.Token != tt.token || rowOf(err) != tt.row || (err == nil) != (tt.token != "") || c.Request == nil {
			t.Errorf("%s: %q, %v", tt.why, c.Token, err)
		}
		if errors.Unwrap(err) != nil != tt.cause {
			t.Errorf("%s: cause %v", tt.why, errors.Unwrap(err))
		}
	}
	// A request without a token also has a readable body. Each place sees the request that
	// the one before has left.
	c, err := Places{Form(), Query()}.Find(post("a=1", formType))
	if body, _ := io.ReadAll(c.Request.Body); rowOf(err) != refusal.NoToken || string(body) != "a=1" {
		t.Errorf("%q, %v", body, err)
	}
	r := post("a=1", formType)
	r.URL.RawQuery = "access_token=t"
	c, err = Places{Form(), Query()}.Find(r)
	if body, _ := io.ReadAll(c.Request.Body); err != nil || string(body) != "a=1" || c.Request.URL.RawQuery != "" || c.Token != "t" {
		t.Errorf("%q, %q, %v", body, c.Request.URL.RawQuery, err)
	}
}

func TestVaryAndMethods(t *testing.T) {
	t.Parallel()
	all := Places{Header(false), Cookie("c"), Query(), Form(), WebSocket(), Header(false), {Take: fromQuery}}
	h := http.Header{}
	all.Vary(h)
	if got := strings.Join(h.Values("Vary"), ", "); got != "Authorization, Cookie, Sec-WebSocket-Protocol" {
		t.Errorf("Vary: %s", got)
	}
	if got := all.Methods(); !slices.Equal(got, []string{"header", "query", "body"}) {
		t.Errorf("methods: %q", got)
	}
	if got := (Places{Cookie("c")}).Methods(); got == nil || len(got) != 0 {
		t.Errorf("no method: %#v; JSON must have an empty list", got)
	}
}

func TestChallenge(t *testing.T) {
	t.Parallel()
	plain, linked := NewChallenges("api", ""), NewChallenges("api", "https://api.example/m")
	both, alone := linked.WithDPoP([]string{"ES256", "EdDSA"}, false), plain.WithDPoP([]string{"ES256"}, true)
	const m, d = `, resource_metadata="https://api.example/m"`, `DPoP realm="api", algs="ES256 EdDSA"`
	for why, tt := range map[string]struct {
		c    Challenges
		x    Refusal
		want []string
	}{
		"no token":                {plain, Refusal{NoToken: true, Code: "x"}, []string{`Bearer realm="api"`}},
		"no token, metadata":      {linked, Refusal{NoToken: true}, []string{`Bearer realm="api"` + m}},
		"no token, scope":         {linked, Refusal{NoToken: true, Scope: "a b"}, []string{`Bearer realm="api", scope="a b"` + m}},
		"error":                   {plain, Refusal{Code: "invalid_token", Description: "token expired"}, []string{`Bearer realm="api", error="invalid_token", error_description="token expired"`}},
		"error, scheme not taken": {plain, Refusal{DPoP: true, Code: "invalid_token", Description: "d"}, []string{`Bearer realm="api", error="invalid_token", error_description="d"`}},
		"unquotable description":  {plain, Refusal{Code: "invalid_request", Description: `a "quote"`}, []string{`Bearer realm="api", error="invalid_request"`}},
		"scope":                   {plain, Refusal{Code: "insufficient_scope", Description: "d", Scope: "a b"}, []string{`Bearer realm="api", error="insufficient_scope", error_description="d", scope="a b"`}},
		"step-up": {linked, Refusal{Code: "insufficient_user_authentication", Description: "d", StepUp: `, max_age="5"`},
			[]string{`Bearer realm="api", error="insufficient_user_authentication", error_description="d", max_age="5"` + m}},
		"code of no challenge": {both, Refusal{Code: "access_denied", Description: "d"}, nil},
		"no code":              {both, Refusal{Description: "d"}, nil},
		"outage":               {alone, Refusal{Code: "temporarily_unavailable", Description: "d"}, nil},

		"both, no token":        {both, Refusal{NoToken: true}, []string{`Bearer realm="api"` + m, d + m}},
		"both, no token, scope": {both, Refusal{NoToken: true, Scope: "s"}, []string{`Bearer realm="api", scope="s"` + m, d + `, scope="s"` + m}},
		"both, bearer token": {both, Refusal{Code: "invalid_token", Description: "d", Scope: "s"},
			[]string{`Bearer realm="api", error="invalid_token", error_description="d", scope="s"` + m, d + `, scope="s"` + m}},
		"both, token with proof": {both, Refusal{DPoP: true, Code: "invalid_dpop_proof", Description: "d"},
			[]string{`Bearer realm="api"` + m, d + `, error="invalid_dpop_proof", error_description="d"` + m}},
		"both, scope": {both, Refusal{DPoP: true, Code: "insufficient_scope", Description: "d", Scope: "s"},
			[]string{`Bearer realm="api"` + m, d + `, error="insufficient_scope", error_description="d", scope="s"` + m}},
		"both, scope of a bearer token": {both, Refusal{Code: "insufficient_scope", Description: "d", Scope: "s"},
			[]string{`Bearer realm="api", error="insufficient_scope", error_description="d", scope="s"` + m, d + m}},
		"both, step-up": {both, Refusal{DPoP: true, Code: "insufficient_user_authentication", Description: "d", StepUp: `, max_age="5"`},
			[]string{`Bearer realm="api"` + m, d + `, error="insufficient_user_authentication", error_description="d", max_age="5"` + m}},
		"alone, no token": {alone, Refusal{NoToken: true}, []string{`DPoP realm="api", algs="ES256"`}},
		"alone, error": {alone, Refusal{Code: "use_dpop_nonce", Description: "d"},
			[]string{`DPoP realm="api", algs="ES256", error="use_dpop_nonce", error_description="d"`}},
	} {
		if got := tt.c.For(tt.x); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got  %q\nwant %q", why, got, tt.want)
		}
	}
}

func TestIsUndefined(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]bool{"undefined": true, "null": true, "": false, "Undefined": false, "null.": false, "a.b.c": false} {
		if got := (Credential{Token: token}).IsUndefined(); got != want {
			t.Errorf("%q: %t", token, got)
		}
	}
}
