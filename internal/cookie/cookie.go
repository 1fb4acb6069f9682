// Package cookie writes and reads the cookies of one name, in as many parts as
// their size needs.
//
// Browsers silently drop a cookie that is too large, which shows as a login
// that never ends, and they ignore a deletion whose attributes differ from
// those of the cookie. So the size is measured on the line that is sent, and
// every line for a name is made by the same code.
package cookie

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// lineLimit is the longest Set-Cookie line, its attributes included, that
	// every browser keeps (RFC 6265, Section 6.1).
	lineLimit = 4096

	// MaxSize is the longest value written. A browser sends it with every
	// request, and servers and proxies refuse header lines of more than 8 to
	// 16 KiB.
	MaxSize = 16 << 10
)

// Bounds on what a request may make us look at: it can carry thousands of
// cookies with our name.
const (
	maxValues = 4
	maxNames  = 64
)

// ErrTooLarge is returned for a value longer than [MaxSize].
var ErrTooLarge = errors.New("cookie: value is too large")

// A Cookie is the name and the attributes under which a value is kept. HttpOnly
// is always set.
type Cookie struct {
	Name     string
	Path     string
	Domain   string
	Secure   bool
	SameSite http.SameSite
	// SessionOnly leaves out Max-Age, so that the browser forgets the cookie
	// when it is closed.
	SessionOnly bool
}

// Check reports what a browser or net/http would not accept.
func (c Cookie) Check() error {
	var errs []error
	if c.Name == "" || len(c.Name) > 64 || strings.Trim(c.Name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		errs = append(errs, errors.New("name must have 1 to 64 characters out of A-Z a-z 0-9 - _ ."))
	}
	if !strings.HasPrefix(c.Path, "/") {
		errs = append(errs, errors.New("path must begin with a slash"))
	}
	if c.SameSite == http.SameSiteNoneMode && !c.Secure {
		errs = append(errs, errors.New("SameSite=None needs Secure, that is, an https base URL"))
	}
	if len(errs) == 0 {
		if err := c.line("n", "v", time.Hour).Valid(); err != nil {
			errs = append(errs, err)
		} else if c.capacity() < lineLimit/4 {
			errs = append(errs, errors.New("path and domain leave no room for a value"))
		}
	}
	return errors.Join(errs...)
}

// WithHostPrefix returns c with the name prefix __Host- if its attributes
// allow that. A browser then takes the cookie only from this host over https,
// so that a sibling domain cannot plant one (RFC 6265bis, Section 4.1.3.2).
func (c Cookie) WithHostPrefix() Cookie {
	if c.Secure && c.Path == "/" && c.Domain == "" {
		c.Name = "__Host-" + c.Name
	}
	return c
}

// Set writes value and deletes every part in the request that it does not
// replace. Values longer than one cookie are split into parts: name.0,
// name.1 and so on, the first beginning with the number of parts.
//
// The response is marked as not cacheable: a shared cache that stores a
// Set-Cookie hands one visitor's session to the next.
func (c Cookie) Set(w http.ResponseWriter, r *http.Request, value string, maxAge time.Duration) error {
	if len(value) > MaxSize {
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, len(value), MaxSize)
	}
	c.forget(w.Header())
	written := c.split(value)
	for _, part := range written {
		w.Header().Add("Set-Cookie", c.line(part.name, part.value, maxAge).String())
	}
	for _, name := range c.namesIn(r) {
		if !slices.ContainsFunc(written, func(p part) bool { return p.name == name }) {
			c.deleteName(w, name)
		}
	}
	Uncacheable(w.Header())
	return nil
}

// Delete removes every part that the request has.
func (c Cookie) Delete(w http.ResponseWriter, r *http.Request) {
	c.forget(w.Header())
	for _, name := range c.namesIn(r) {
		c.deleteName(w, name)
	}
	Uncacheable(w.Header())
}

// Values returns what the request holds under the name: usually nothing or one
// value, more if the browser has the cookie for several paths. Parts that do
// not make a whole are left out.
func (c Cookie) Values(r *http.Request) []string {
	parts := map[int][]string{}
	var values []string
	for _, got := range r.Cookies() {
		if got.Name == c.Name && got.Value != "" && len(values) < maxValues {
			values = append(values, got.Value)
		} else if i, ok := c.index(got.Name); ok {
			parts[i] = append(parts[i], got.Value)
		}
	}
	for i := range min(len(parts[0]), maxValues) {
		if value, ok := join(parts, i); ok {
			values = append(values, value)
		}
	}
	return values[:min(len(values), maxValues)]
}

// Present reports whether the request has any cookie of the name, whole or not.
func (c Cookie) Present(r *http.Request) bool { return len(c.namesIn(r)) > 0 }

// Uncacheable marks a response as made for one visitor.
func Uncacheable(h http.Header) {
	h.Set("Cache-Control", "private, no-store")
	h.Set("Pragma", "no-cache")
	VaryCookie(h)
}

// VaryCookie notes that the response depends on the cookies of the request.
func VaryCookie(h http.Header) {
	for _, line := range h.Values("Vary") {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name == "*" || strings.EqualFold(name, "Cookie") {
				return
			}
		}
	}
	h.Add("Vary", "Cookie")
}

type part struct{ name, value string }

func (c Cookie) split(value string) []part {
	room := c.capacity()
	// The bare name has room for the suffix that it does not carry.
	if len(value) <= room+len(longestSuffix) {
		return []part{{c.Name, value}}
	}
	// The count has at most two digits: MaxSize over a quarter of a line is 16.
	const countRoom = len("16:")
	n := (len(value) + countRoom + room - 1) / room
	value = strconv.Itoa(n) + ":" + value
	var parts []part
	for i := 0; value != ""; i++ {
		cut := min(room, len(value))
		parts = append(parts, part{c.Name + "." + strconv.Itoa(i), value[:cut]})
		value = value[cut:]
	}
	return parts
}

// join puts together the copy-th set of parts.
func join(parts map[int][]string, copy int) (string, bool) {
	count, first, found := strings.Cut(parts[0][copy], ":")
	n, err := strconv.Atoi(count)
	if !found || err != nil || n < 2 || n > MaxSize/(lineLimit/4) {
		return "", false
	}
	var b strings.Builder
	b.WriteString(first)
	for i := 1; i < n; i++ {
		if copy >= len(parts[i]) {
			return "", false
		}
		b.WriteString(parts[i][copy])
	}
	return b.String(), true
}

const longestSuffix = ".15"

// capacity is the room for a value beside the longest name and all attributes.
func (c Cookie) capacity() int {
	const longest = 400 * 24 * time.Hour
	return lineLimit - len(c.line(c.Name+longestSuffix, "", longest).String())
}

func (c Cookie) line(name, value string, maxAge time.Duration) *http.Cookie {
	line := &http.Cookie{
		Name:     name,
		Value:    value,
		Path:     c.Path,
		Domain:   c.Domain,
		Secure:   c.Secure,
		HttpOnly: true,
		SameSite: c.SameSite,
	}
	if !c.SessionOnly {
		// Zero would leave the attribute out and keep the cookie for longer.
		line.MaxAge = max(1, int(maxAge/time.Second))
	}
	return line
}

func (c Cookie) deleteName(w http.ResponseWriter, name string) {
	line := c.line(name, "", 0)
	line.MaxAge = -1
	line.Expires = time.Unix(0, 0)
	w.Header().Add("Set-Cookie", line.String())
}

// forget takes back what was written to the same response before: parts of an
// earlier value that the later one does not have would stay in the browser.
func (c Cookie) forget(h http.Header) {
	lines := h["Set-Cookie"]
	lines = slices.DeleteFunc(lines, func(line string) bool {
		name, _, _ := strings.Cut(line, "=")
		_, isPart := c.index(name)
		return isPart || name == c.Name
	})
	if len(lines) == 0 {
		h.Del("Set-Cookie")
		return
	}
	h["Set-Cookie"] = lines
}

// namesIn lists the names of the request's cookies that are ours, each once.
func (c Cookie) namesIn(r *http.Request) []string {
	var names []string
	for _, got := range r.Cookies() {
		_, isPart := c.index(got.Name)
		if (isPart || got.Name == c.Name) && len(names) < maxNames && !slices.Contains(names, got.Name) {
			names = append(names, got.Name)
		}
	}
	return names
}

// index returns the number of a part. Only the form that we write counts:
// name.01 is somebody else's.
func (c Cookie) index(name string) (int, bool) {
	suffix, found := strings.CutPrefix(name, c.Name+".")
	if !found {
		return 0, false
	}
	i, err := strconv.Atoi(suffix)
	if err != nil || i < 0 || strconv.Itoa(i) != suffix {
		return 0, false
	}
	return i, true
}
