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
		token, err := Token(r)
		if token != tt.token || rowOf(err) != tt.row || (err == nil) != (tt.row == refusal.Row{}) {
			t.Errorf("%q: %q, %v", tt.values, token, err)
		}
		if err != nil && strings.Contains(err.Error(), "abc") {
			t.Errorf("%q: the error quotes the token: %v", tt.values, err)
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
		{"header", Header(), get("/", "Authorization", "Bearer t"), "t", refusal.Row{}},
		{"no header", Header(), get("/"), "", refusal.NoToken},
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
		if c.InHeader != (tt.place.Method == "header") || c.Ambient != (c.Token != "" && tt.place.Header == "Cookie") {
			t.Errorf("%s: in header %v, ambient %v", tt.why, c.InHeader, c.Ambient)
		}
	}
}

// The handler gets a URL without the token, and the other parameters as they were.
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

// The handler reads the body from the beginning, also if that fails in the middle.
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
	all := Places{Header(), Query(), Form(), Cookie("c")}
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
		{"failed", Places{Header(), own}, get("/", "Authorization", "Bearer t"), "", refusal.Row{}, false},
	} {
		c, err := tt.places.Find(tt.r)
		if err == nil && c.Token != tt.token || rowOf(err) != tt.row || (err == nil) != (tt.token != "") || c.Request == nil {
			t.Errorf("%s: %q, %v", tt.why, c.Token, err)
		}
		if errors.Unwrap(err) != nil != tt.cause {
			t.Errorf("%s: cause %v", tt.why, errors.Unwrap(err))
		}
	}
	// Without a token too, the handler gets a body that can be read, and every place
	// sees the request that the one before has left.
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
	all := Places{Header(), Cookie("c"), Query(), Form(), WebSocket(), Header(), {Take: fromQuery}}
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
	plain, linked := NewChallenge("api", ""), NewChallenge("api", "https://api.example/m")
	for _, tt := range []struct{ got, want string }{
		{plain.ForNoToken(""), `Bearer realm="api"`},
		{linked.ForNoToken(""), `Bearer realm="api", resource_metadata="https://api.example/m"`},
		{linked.ForNoToken("a b"), `Bearer realm="api", scope="a b", resource_metadata="https://api.example/m"`},
		{plain.For("invalid_token", "token expired", "", ""), `Bearer realm="api", error="invalid_token", error_description="token expired"`},
		{plain.For("invalid_request", `a "quote"`, "", ""), `Bearer realm="api", error="invalid_request"`},
		{plain.For("insufficient_scope", "d", "a b", ""), `Bearer realm="api", error="insufficient_scope", error_description="d", scope="a b"`},
		{
			linked.For("insufficient_user_authentication", "d", "", `, max_age="5"`),
			`Bearer realm="api", error="insufficient_user_authentication", error_description="d", max_age="5", resource_metadata="https://api.example/m"`,
		},
		{plain.For("access_denied", "d", "", ""), ""},
		{plain.For("", "d", "", ""), ""},
		{linked.For("temporarily_unavailable", "d", "", ""), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("got  %s\nwant %s", tt.got, tt.want)
		}
	}
}
