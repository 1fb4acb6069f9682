package cookie

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestEverySize reads back each size near a boundary between two numbers of parts. The
// number of parts is the least.
func TestEverySize(t *testing.T) {
	narrow := plain // the least room that Check accepts
	for narrow.capacity() > lineLimit/4 {
		narrow.Path += "/" + text(min(narrow.capacity()-lineLimit/4, 1000)-1)
	}
	for _, c := range []Cookie{plain, narrow} {
		if err := c.Check(); err != nil {
			t.Fatal(err)
		}
		room := c.capacity()
		for parts := 1; parts*room < MaxSize+room; parts++ {
			for size := parts*room - 6; size <= min(parts*room+6, MaxSize); size++ {
				b := browser{}
				b.set(t, c, text(size))
				if got := c.Values(jar(c, b.request())); len(got) != 1 || got[0] != text(size) {
					t.Errorf("%d bytes in parts of %d: read back %d values", size, room, len(got))
				}
				want := 1
				if size > room+len(longestSuffix) {
					for want = 2; size+len(fmt.Sprint(want, ":")) > want*room; want++ {
					}
				}
				if len(b) != want {
					t.Errorf("%d bytes in %d parts of %d, want %d", size, len(b), room, want)
				}
			}
		}
	}
}

// TestLongestCookie fills a line to its last byte.
func TestLongestCookie(t *testing.T) {
	const longest = 400 * 24 * time.Hour
	for _, c := range []Cookie{plain, {Name: "s", Path: "/" + text(500), Domain: "example.com", Secure: true}} {
		room := c.capacity() + len(longestSuffix)
		for size, parts := range map[int]int{room: 1, room + 1: 2} {
			w := httptest.NewRecorder()
			if err := c.Set(w, Jar{}, text(size), longest); err != nil {
				t.Fatal(err)
			}
			lines := w.Header()["Set-Cookie"]
			if len(lines) != parts || parts == 1 && len(lines[0]) != lineLimit {
				t.Errorf("%d bytes: %d lines, the first of %d bytes", size, len(lines), len(lines[0]))
			}
		}
	}
}

// TestNumberOfParts reads a value in the greatest number of parts that Set writes, and in
// no more.
func TestNumberOfParts(t *testing.T) {
	for n, whole := range map[int]bool{1: false, 2: true, maxParts: true, maxParts + 1: false} {
		b := browser{"s.0": fmt.Sprint(n, ":x")}
		for i := 1; i < n; i++ {
			b[fmt.Sprint("s.", i)] = "x"
		}
		want := []string{strings.Repeat("x", n)}
		if !whole {
			want = nil
		}
		if got := plain.Values(jar(plain, b.request())); !slices.Equal(got, want) {
			t.Errorf("%d parts: %q", n, got)
		}
	}
}

// TestCheckBounds has the two sides of each length that Check bounds.
func TestCheckBounds(t *testing.T) {
	room := Cookie{Name: "s", Path: "/"}.capacity() - lineLimit/4
	for why, row := range map[string]struct {
		c  Cookie
		ok bool
	}{
		"name of 64 bytes":       {Cookie{Name: text(64), Path: "/"}, true},
		"name of 65 bytes":       {Cookie{Name: text(65), Path: "/"}, false},
		"just enough room":       {Cookie{Name: "s", Path: "/" + text(room)}, true},
		"a byte less than that":  {Cookie{Name: "s", Path: "/" + text(room+1)}, false},
		"SameSite=None, Secure":  {Cookie{Name: "s", Path: "/", SameSite: http.SameSiteNoneMode, Secure: true}, true},
		"no path":                {Cookie{Name: "s"}, false},
		"name with all the rest": {Cookie{Name: "aZ09-_.", Path: "/"}, true},
	} {
		if err := row.c.Check(); (err == nil) != row.ok {
			t.Errorf("%s: %v", why, err)
		}
	}
}

// TestPresent tells no cookie from a part of one.
func TestPresent(t *testing.T) {
	for _, row := range []struct {
		b    browser
		want bool
	}{{browser{}, false}, {browser{"x": "v"}, false}, {browser{"s": "v"}, true}, {browser{"s.3": "v"}, true}, {browser{"s.03": "v"}, false}, {browser{"s.-1": "v"}, false}} {
		if got := plain.Present(jar(plain, row.b.request())); got != row.want {
			t.Errorf("%v: %v", row.b, got)
		}
	}
	c := plain.HostOnly()
	c.Path = "/app"
	if got := c.HostOnly(); got.Path != "/" || got.Domain != "" || got.Name != "s" {
		t.Errorf("HostOnly: %+v", got)
	}
}

// TestMostBeside: the estimate of a line's length is never too small.
func TestMostBeside(t *testing.T) {
	for _, name := range []string{"s", "__Host-" + strings.Repeat("n", 64)} {
		for _, path := range []string{"/", "/" + strings.Repeat("p", 500), "/a b\"c\\d,e\u00e9"} {
			for _, domain := range []string{"", "app.example", strings.Repeat("d", 60) + ".example"} {
				for _, site := range []http.SameSite{0, http.SameSiteLaxMode, http.SameSiteStrictMode, http.SameSiteNoneMode} {
					c := Cookie{Name: name, Path: path, Domain: domain, Secure: true, SameSite: site}
					if exact := lineLimit - c.capacity(); exact > c.mostBeside() || exact < len(name)+len(path)-10 {
						t.Errorf("%+v: %d characters, estimated %d", c, exact, c.mostBeside())
					}
				}
			}
		}
	}
}
