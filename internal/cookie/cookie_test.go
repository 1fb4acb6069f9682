package cookie

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

var plain = Cookie{Name: "s", Path: "/", SameSite: http.SameSiteLaxMode}

// A browser keeps cookies by name, as one with a single path and domain does.
type browser map[string]string

func (b browser) request() *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	for name, value := range b {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r
}

// jar returns the cookies of a request under the names of a cookie.
func jar(c Cookie, r *http.Request) Jar { return Read(r, c.Is) }

// receive applies the Set-Cookie lines and fails on one that browsers drop.
func (b browser) receive(t *testing.T, h http.Header) {
	t.Helper()
	for _, line := range h.Values("Set-Cookie") {
		if len(line) > 4096 {
			t.Errorf("Set-Cookie line of %d bytes", len(line))
		}
		c, err := http.ParseSetCookie(line)
		if err != nil {
			t.Fatalf("%v in %.80q", err, line)
		}
		if c.MaxAge < 0 {
			delete(b, c.Name)
		} else {
			b[c.Name] = c.Value
		}
	}
}

func (b browser) set(t *testing.T, c Cookie, value string) {
	t.Helper()
	w := httptest.NewRecorder()
	if err := c.Set(w, jar(c, b.request()), value, time.Hour); err != nil {
		t.Fatal(err)
	}
	b.receive(t, w.Header())
}

func (b browser) names() []string {
	var names []string
	for name := range b {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func text(n int) string { return strings.Repeat("0123456789abcdef", n/16+1)[:n] }

func TestSetAndValues(t *testing.T) {
	wide := Cookie{Name: "s", Path: "/" + text(500), Domain: strings.Repeat("a.", 120) + "example", SameSite: http.SameSiteNoneMode, Secure: true}
	if err := wide.Check(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []Cookie{plain, plain.WithPrefix(), {Name: "s", Path: "/", Secure: true}, wide} {
		for _, size := range []int{1, 100, 3000, 4000, 4096, 5000, 8000, 12000, MaxSize} {
			b := browser{}
			b.set(t, c, text(size))
			if got := c.Values(jar(c, b.request())); len(got) != 1 || got[0] != text(size) {
				t.Errorf("%d bytes with path %.10q: read back %d values from %q", size, c.Path, len(got), b.names())
			}
		}
	}
}

// TestPartsFollowSize changes the size of one cookie up and down. After each step, the
// browser has the needed names and no others.
func TestPartsFollowSize(t *testing.T) {
	b := browser{}
	for _, step := range []struct{ size, parts int }{
		{100, 1}, {5000, 2}, {100, 1}, {15000, 4}, {11000, 3}, {5000, 2}, {15000, 4}, {100, 1}, {12000, 4 - 1}, {16000, 4},
	} {
		b.set(t, plain, text(step.size))
		want := []string{"s"}
		if step.parts > 1 {
			want = nil
			for i := range step.parts {
				want = append(want, fmt.Sprintf("s.%d", i))
			}
		}
		if got := b.names(); !slices.Equal(got, want) {
			t.Fatalf("after %d bytes the browser has %q, want %q", step.size, got, want)
		}
	}
}

// TestLastWriteWins writes twice to one response, in every order of sizes.
func TestLastWriteWins(t *testing.T) {
	for _, sizes := range [][3]int{{100, 5000, 100}, {5000, 100, 5000}, {100, 100, 5000}, {5000, 5000, 100}, {15000, 100, 5000}} {
		b := browser{}
		b.set(t, plain, text(sizes[0]))
		w := httptest.NewRecorder()
		w.Header().Add("Set-Cookie", "sX=other")
		for _, size := range sizes[1:] {
			if err := plain.Set(w, jar(plain, b.request()), text(size), time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		b.receive(t, w.Header())
		if b["sX"] != "other" {
			t.Error("another cookie was taken back")
		}
		delete(b, "sX")
		if got := plain.Values(jar(plain, b.request())); len(got) != 1 || got[0] != text(sizes[2]) {
			t.Errorf("sizes %v: %d values from %q", sizes, len(got), b.names())
		}
		w = httptest.NewRecorder()
		plain.Set(w, jar(plain, b.request()), text(sizes[1]), time.Hour)
		plain.Delete(w, jar(plain, b.request()))
		b.receive(t, w.Header())
		if len(b) != 0 {
			t.Errorf("sizes %v: after Delete the browser has %q", sizes, b.names())
		}
	}
}

func TestStalePartsAreDeleted(t *testing.T) {
	b := browser{"s.x": "1", "s.01": "1", "s.-1": "1", "s.+1": "1", "sX.0": "1", "xs": "1", "aXb": "1"}
	foreign := b.names()
	for i := range 12 {
		b[fmt.Sprintf("s.%d", i)] = "stale"
	}
	// Eight at a time: proxies reject a response with many lines.
	for _, left := range []int{12 - 8, 2} {
		b.set(t, plain, text(5000))
		if got := len(b) - len(foreign); got != left {
			t.Errorf("the browser has %d parts, want %d: %q", got, left, b.names())
		}
	}
	if got, want := b.names(), slices.Sorted(slices.Values(append(foreign, "s.0", "s.1"))); !slices.Equal(got, want) {
		t.Errorf("the browser has %q, want %q", got, want)
	}
	w := httptest.NewRecorder()
	plain.Delete(w, jar(plain, b.request()))
	b.receive(t, w.Header())
	if got := b.names(); !slices.Equal(got, foreign) {
		t.Errorf("after Delete the browser has %q, want %q", got, foreign)
	}
}

// TestNameIsLiteral: a dot in a name is a dot.
func TestNameIsLiteral(t *testing.T) {
	c := Cookie{Name: "a.b", Path: "/"}
	b := browser{"axb": "1", "axb.0": "1", "a.b": "mine"}
	if got := c.Values(jar(c, b.request())); !slices.Equal(got, []string{"mine"}) {
		t.Errorf("Values = %q", got)
	}
	w := httptest.NewRecorder()
	c.Delete(w, jar(c, b.request()))
	b.receive(t, w.Header())
	if got := b.names(); !slices.Equal(got, []string{"axb", "axb.0"}) {
		t.Errorf("the browser has %q", got)
	}
}

func TestSplitAtTheLimit(t *testing.T) {
	one := 0
	for size := 3900; size < 4200; size++ {
		b := browser{}
		b.set(t, plain, text(size))
		switch {
		case len(b) == 1 && one == size-1, one == 0:
			one = size
		case len(b) == 2:
			w := httptest.NewRecorder()
			if err := plain.Set(w, jar(plain, b.request()), text(one), time.Hour); err != nil {
				t.Fatal(err)
			}
			if n := len(w.Header().Values("Set-Cookie")[0]); n > 4096 || n < 4090 {
				t.Errorf("the longest single cookie has a line of %d bytes", n)
			}
			return
		}
	}
	t.Error("no size needs two parts")
}

func TestValuesOfDamagedParts(t *testing.T) {
	whole := browser{}
	whole.set(t, plain, text(15000))
	if len(whole) != 4 {
		t.Fatalf("%d parts, want 4", len(whole))
	}
	tests := []struct {
		why    string
		damage func(browser)
	}{
		{"first missing", func(b browser) { delete(b, "s.0") }},
		{"middle missing", func(b browser) { delete(b, "s.2") }},
		{"last missing", func(b browser) { delete(b, "s.3") }},
		{"no count", func(b browser) { b["s.0"] = text(10) }},
		{"count is no number", func(b browser) { b["s.0"] = "x:" + text(10) }},
		{"count of one", func(b browser) { b["s.0"] = "1:" + text(10) }},
		{"negative count", func(b browser) { b["s.0"] = "-4:" + text(10) }},
		{"count beyond the parts", func(b browser) { b["s.0"] = "5:" + text(10) }},
		{"huge count", func(b browser) { b["s.0"] = "99999999999:" + text(10) }},
		{"empty first", func(b browser) { b["s.0"] = "" }},
	}
	for _, tt := range tests {
		b := browser{}
		for k, v := range whole {
			b[k] = v
		}
		tt.damage(b)
		if got := plain.Values(jar(plain, b.request())); got != nil {
			t.Errorf("%s: Values returns %d values, want none", tt.why, len(got))
		}
		if !plain.Present(jar(plain, b.request())) {
			t.Errorf("%s: Present reports false", tt.why)
		}
	}
	b := browser{}
	for k, v := range whole {
		b[k] = v
	}
	b["s.7"] = "a part that stayed behind"
	b["s"] = ""
	if got := plain.Values(jar(plain, b.request())); len(got) != 1 || got[0] != text(15000) {
		t.Error("a stale part or an empty bare cookie hides the whole ones")
	}
}

// TestValuesInAnyOrder has the parts in reverse and a second, shadowed set.
func TestValuesInAnyOrder(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	for _, c := range []string{"s.1=B", "s=bare", "s.0=2:A", "s.1=D", "s.0=2:C", "s=other"} {
		r.Header.Add("Cookie", c)
	}
	if got, want := plain.Values(jar(plain, r)), []string{"bare", "other", "AB", "CD"}; !slices.Equal(got, want) {
		t.Errorf("Values = %q, want %q", got, want)
	}
}

// TestMostValues: whole values and values in parts count together.
func TestMostValues(t *testing.T) {
	for whole := range MaxValues + 2 {
		r := httptest.NewRequest("GET", "/", nil)
		for range whole {
			r.Header.Add("Cookie", "s=whole")
		}
		for range MaxValues + 1 {
			r.Header.Add("Cookie", "s.0=2:A; s.1=B")
		}
		values := plain.Values(jar(plain, r))
		if n := len(slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v != "whole" })); len(values) != MaxValues || n != min(whole, MaxValues) {
			t.Errorf("%d whole values: %q", whole, values)
		}
	}
}

// TestTooMany: more cookies than any browser has are neither read nor deleted.
func TestTooMany(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	for i := range maxHeld {
		if got := jar(plain, r); got.TooMany || len(got.held) != i {
			t.Fatalf("%d cookies: %d held, TooMany %v", i, len(got.held), got.TooMany)
		}
		r.AddCookie(&http.Cookie{Name: "s", Value: "x"})
		r.AddCookie(&http.Cookie{Name: "other", Value: "x"})
	}
	if n := len(plain.Values(jar(plain, r))); n != MaxValues {
		t.Errorf("%d values, want %d", n, MaxValues)
	}
	r.AddCookie(&http.Cookie{Name: "s.1", Value: "x"})
	got := jar(plain, r)
	if !got.TooMany || len(got.held) > 0 {
		t.Errorf("%d held, TooMany %v", len(got.held), got.TooMany)
	}
	w := httptest.NewRecorder()
	plain.Delete(w, got)
	if lines := w.Header().Values("Set-Cookie"); len(lines) > 0 {
		t.Errorf("deleted: %q", lines)
	}
}

// TestForeignCookiesCostNothing: cookies with other names take no memory, for any number of
// them.
func TestForeignCookiesCostNothing(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", strings.Repeat("x=y; ", 3000)+"s=1")
	if got := jar(plain, r).First("s"); got != "1" {
		t.Fatalf("First = %q", got)
	}
	if n := testing.AllocsPerRun(10, func() { Read(r, plain.Is) }); n > 1 {
		t.Errorf("%.0f allocations", n)
	}
}

// TestDeletionsOfAResponse counts those of several cookies together.
func TestDeletionsOfAResponse(t *testing.T) {
	w := httptest.NewRecorder()
	for i := range 20 {
		c := Cookie{Name: fmt.Sprintf("c%d", i), Path: "/"}
		c.Delete(w, jar(c, browser{c.Name: "v"}.request()))
	}
	if n := len(w.Header().Values("Set-Cookie")); n != MaxDeleted {
		t.Errorf("%d deletions, want %d", n, MaxDeleted)
	}
	if err := plain.Set(w, Jar{}, "v", time.Hour); err != nil || len(w.Header().Values("Set-Cookie")) != MaxDeleted+1 {
		t.Error("a cookie cannot be set any more")
	}
}

// TestRead compares our values with the result of net/http.
func TestRead(t *testing.T) {
	tests := []struct {
		why    string
		header []string
		want   string
	}{
		{"one", []string{"s=a"}, "a"},
		{"among others", []string{"x=1; s=a; y=2"}, "a"},
		{"tabs and spaces", []string{"x=1;\t s=a \t;y=2"}, "a"},
		{"no space", []string{"x=1;s=a;y=2"}, "a"},
		{"several fields", []string{"x=1", "s=a"}, "a"},
		{"empty pairs", []string{";; ; s=a;;"}, "a"},
		{"all characters of a seal", []string{"s=v3.A-z_0:9"}, "v3.A-z_0:9"},
		{"an equals sign in the value", []string{"s=a=b"}, ""},
		{"quotes", []string{`s="a"`}, ""},
		{"a character that we do not write", []string{"s=a%b"}, ""},
		{"no value", []string{"s"}, ""},
		{"another name that begins so", []string{"sx=a"}, ""},
		{"another case", []string{"S=a"}, ""},
		{"a name in a value", []string{"x=s=a"}, ""},
	}
	for _, tt := range tests {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Cookie"] = tt.header
		if got := jar(plain, r).First("s"); got != tt.want {
			t.Errorf("%s: First(s) of %q = %q, want %q", tt.why, tt.header, got, tt.want)
		}
		if tt.want == "" {
			continue
		}
		if c, err := r.Cookie("s"); err != nil || c.Value != tt.want {
			t.Errorf("%s: net/http reads %v, %v", tt.why, c, err)
		}
	}
}

func TestWith(t *testing.T) {
	sent := jar(plain, browser{"s": "v"}.request())
	b := browser{"s": "v", "s.0": "2:a", "s.1": "b"}
	w := httptest.NewRecorder()
	if err := plain.Set(w, sent.With([]string{"s", "s.0", "s.1"}), "new", time.Hour); err != nil {
		t.Fatal(err)
	}
	b.receive(t, w.Header())
	if got := b.names(); !slices.Equal(got, []string{"s"}) {
		t.Errorf("the browser has %q", got)
	}
	if got := plain.Values(Jar{}.With([]string{"s"})); got != nil {
		t.Errorf("a name without a value has the values %q", got)
	}
}

func TestAttributes(t *testing.T) {
	tests := []struct {
		why  string
		c    Cookie
		want string
	}{
		{"http", plain, "s=v; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"},
		{"https", Cookie{Name: "s", Path: "/", Secure: true, SameSite: http.SameSiteLaxMode}.WithPrefix(),
			"__Host-s=v; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax"},
		{"https below a path", Cookie{Name: "s", Path: "/app", Secure: true, SameSite: http.SameSiteStrictMode}.WithPrefix(),
			"__Secure-s=v; Path=/app; Max-Age=3600; HttpOnly; Secure; SameSite=Strict"},
		{"https with a domain", Cookie{Name: "s", Path: "/", Domain: "example.com", Secure: true, SameSite: http.SameSiteNoneMode}.WithPrefix(),
			"__Secure-s=v; Path=/; Domain=example.com; Max-Age=3600; HttpOnly; Secure; SameSite=None"},
		{"until the browser closes", Cookie{Name: "s", Path: "/", SessionOnly: true, SameSite: http.SameSiteLaxMode},
			"s=v; Path=/; HttpOnly; SameSite=Lax"},
	}
	for _, tt := range tests {
		w := httptest.NewRecorder()
		if err := tt.c.Set(w, jar(tt.c, browser{}.request()), "v", time.Hour); err != nil {
			t.Fatal(err)
		}
		if got := w.Header().Get("Set-Cookie"); got != tt.want {
			t.Errorf("%s: Set-Cookie: %s\nwant                %s", tt.why, got, tt.want)
		}
		// A deletion counts only with the same attributes.
		w = httptest.NewRecorder()
		tt.c.Delete(w, jar(tt.c, browser{tt.c.Name: "v"}.request()))
		want := strings.Replace(tt.want, "=v;", "=;", 1)
		want = strings.Replace(strings.Replace(want, " Max-Age=3600;", "", 1), " HttpOnly", " Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; HttpOnly", 1)
		if got := w.Header().Get("Set-Cookie"); got != want {
			t.Errorf("%s: deletion: %s\nwant               %s", tt.why, got, want)
		}
	}
}

func TestSetIsNeverCached(t *testing.T) {
	w := httptest.NewRecorder()
	w.Header().Set("Cache-Control", "public, max-age=60")
	w.Header().Set("Vary", "Accept, COOKIE")
	if err := plain.Set(w, jar(plain, browser{}.request()), "v", time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := w.Header().Get("Cache-Control"); got != "private, no-store" {
		t.Errorf("Cache-Control: %s", got)
	}
	if got := w.Header().Get("Pragma"); got != "no-cache" {
		t.Errorf("Pragma: %s", got)
	}
	if got := w.Header().Values("Vary"); len(got) != 1 {
		t.Errorf("Vary: %q, want Cookie not to be added again", got)
	}
	w = httptest.NewRecorder()
	w.Header().Set("Vary", "Accept")
	plain.Delete(w, jar(plain, browser{}.request()))
	if got := w.Header().Values("Vary"); !slices.Equal(got, []string{"Accept", "Cookie"}) {
		t.Errorf("Vary: %q", got)
	}
}

func TestTooLarge(t *testing.T) {
	w := httptest.NewRecorder()
	if err := plain.Set(w, jar(plain, browser{"s": "old"}.request()), text(MaxSize+1), time.Hour); !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v, want ErrTooLarge", err)
	}
	if len(w.Header()) != 0 {
		t.Errorf("headers were written: %v", w.Header())
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		why string
		c   Cookie
		ok  bool
	}{
		{"plain", plain, true},
		{"no name", Cookie{Path: "/"}, false},
		{"space in the name", Cookie{Name: "a b", Path: "/"}, false},
		{"equals sign in the name", Cookie{Name: "a=b", Path: "/"}, false},
		{"long name", Cookie{Name: text(65), Path: "/"}, false},
		{"relative path", Cookie{Name: "s", Path: "app"}, false},
		{"semicolon in the path", Cookie{Name: "s", Path: "/a;b"}, false},
		{"bad domain", Cookie{Name: "s", Path: "/", Domain: "exa mple"}, false},
		{"SameSite=None without Secure", Cookie{Name: "s", Path: "/", SameSite: http.SameSiteNoneMode}, false},
		{"no room", Cookie{Name: "s", Path: "/" + text(3500)}, false},
	}
	for _, tt := range tests {
		if err := tt.c.Check(); (err == nil) != tt.ok {
			t.Errorf("%s: Check() = %v, want ok %v", tt.why, err, tt.ok)
		}
	}
}

// FuzzValues: no cookie header panics, and the result is bounded.
func FuzzValues(f *testing.F) {
	f.Add("s=a")
	f.Add("s.0=2:a; s.1=b; s.1=c")
	f.Add("s.0=99999999999999999999:a")
	f.Add(`s="q"; s.00=1; s.-1=2`)
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", header)
		values := plain.Values(jar(plain, r))
		if len(values) > 4 {
			t.Errorf("%d values", len(values))
		}
		for _, v := range values {
			if len(v) > len(header) {
				t.Errorf("a value of %d bytes out of a header of %d", len(v), len(header))
			}
		}
	})
}

// TestText: each line equals the line of package net/http.
func TestText(t *testing.T) {
	t.Parallel()
	for _, c := range []Cookie{{Name: "a", Path: "/"}, {Name: "__Secure-a", Path: "/x", Domain: "acme.example", Secure: true, SameSite: http.SameSiteLaxMode, SessionOnly: true}} {
		for b := range 256 {
			for at := range 10 {
				value := []byte("v3.ABC-_x:")
				value[at] = byte(b)
				want := c.line(c.Name, string(value), time.Hour).String()
				if got := c.text(c.Name, string(value), time.Hour); got != want {
					t.Fatalf("%q: %q, want %q", value, got, want)
				}
				ours := strings.Trim(string(value), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:") == ""
				if got := isValue(string(value)); got != ours {
					t.Fatalf("%q: %v", value, got)
				}
			}
		}
		if got := c.text(c.Name, "", time.Hour); got != c.line(c.Name, "", time.Hour).String() {
			t.Errorf("empty: %q", got)
		}
	}
}
