// Package cookie writes and reads the cookies of one name, in as many parts as
// their size needs.
//
// Browsers silently drop a cookie that is too large, which shows as a login
// that never ends, and they ignore a deletion whose attributes differ from
// those of the cookie. So the size is measured on the line that is sent, and
// every line for a name is made by the same code.
//
// The package does not know what a cookie holds, nor how that is encrypted.
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

const (
	// MaxValues bounds the values under one name, each of which is to be opened.
	MaxValues = 4

	// MaxDeleted is how many cookies one response deletes. A response with many
	// Set-Cookie lines is refused by proxies, and what is left is deleted by the
	// next one or expires.
	MaxDeleted = 8
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

// WithPrefix returns c with the strictest name prefix that its attributes allow.
// A browser takes a cookie named __Host- only from this host over https, so that a
// sibling domain cannot plant one, and a cookie named __Secure- only over https
// (RFC 6265bis, Section 4.1.3).
func (c Cookie) WithPrefix() Cookie {
	switch {
	case c.Secure && c.Path == "/" && c.Domain == "":
		c.Name = "__Host-" + c.Name
	case c.Secure:
		c.Name = "__Secure-" + c.Name
	}
	return c
}

// HostOnly returns c for this host alone, in whichever path.
func (c Cookie) HostOnly() Cookie {
	c.Path, c.Domain = "/", ""
	return c
}

// Is reports whether name belongs to the cookie or to one of its parts.
func (c Cookie) Is(name string) bool {
	if !strings.HasPrefix(name, c.Name) {
		return false
	}
	_, isPart := c.index(name)
	return isPart || len(name) == len(c.Name)
}

// Set writes value and deletes every part in the jar that it does not replace.
// Values longer than one cookie are split into parts: name.0, name.1 and so on. The
// first part begins with the number of parts.
//
// The response is marked as not cacheable: a shared cache that stores a
// Set-Cookie hands one visitor's session to the next.
func (c Cookie) Set(w http.ResponseWriter, jar Jar, value string, maxAge time.Duration) error {
	if len(value) > MaxSize {
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, len(value), MaxSize)
	}
	c.forget(w.Header())
	written := c.split(value)
	for _, part := range written {
		w.Header().Add("Set-Cookie", c.text(part.name, part.value, maxAge))
	}
	for _, name := range c.namesIn(jar) {
		if !slices.ContainsFunc(written, func(p part) bool { return p.name == name }) {
			c.deleteName(w, name)
		}
	}
	Uncacheable(w.Header())
	return nil
}

// Delete removes every part that the jar has.
func (c Cookie) Delete(w http.ResponseWriter, jar Jar) {
	c.forget(w.Header())
	for _, name := range c.namesIn(jar) {
		c.deleteName(w, name)
	}
	Uncacheable(w.Header())
}

// Values returns what the jar holds under the name: usually nothing or one
// value, more if the browser has the cookie for several paths. Parts that do
// not make a whole are left out.
func (c Cookie) Values(jar Jar) []string { return c.AppendValues(nil, jar) }

// AppendValues appends what Values returns, at most [MaxValues].
func (c *Cookie) AppendValues(values []string, jar Jar) []string {
	var parts map[int][]string
	most := len(values) + MaxValues
	for _, h := range jar.held {
		if h.name == c.Name {
			if h.value != "" && len(values) < most {
				values = append(values, h.value)
			}
		} else if i, ok := c.index(h.name); ok {
			if parts == nil {
				parts = map[int][]string{}
			}
			parts[i] = append(parts[i], h.value)
		}
	}
	for i := range min(len(parts[0]), MaxValues) {
		if value, ok := join(parts, i); ok && len(values) < most {
			values = append(values, value)
		}
	}
	return values
}

// Sent returns what a response sets under the name.
func (c Cookie) Sent(h http.Header) Jar {
	var jar Jar
	for _, line := range h["Set-Cookie"] {
		name, _, _ := strings.Cut(line, "=")
		if !c.Is(name) {
			continue
		}
		if set, err := http.ParseSetCookie(line); err == nil && set.MaxAge >= 0 {
			jar.held = append(jar.held, held{set.Name, set.Value})
		}
	}
	return jar
}

// Names lists the names in the jar that are those of the cookie or of a part.
func (c Cookie) Names(jar Jar) []string { return c.namesIn(jar) }

// Present reports whether the jar has any cookie of the name, whole or not.
func (c Cookie) Present(jar Jar) bool { return len(c.namesIn(jar)) > 0 }

// Uncacheable marks a response as made for one visitor.
func Uncacheable(h http.Header) {
	replace(h, "Cache-Control", "private, no-store")
	replace(h, "Pragma", "no-cache")
	VaryCookie(h)
}

// replace is [http.Header.Set] for a name in the form that the keys of a header have. One
// response can set several cookies, each with the same values.
func replace(h http.Header, name, value string) {
	if held := h[name]; len(held) != 1 || held[0] != value {
		h[name] = []string{value}
	}
}

// VaryCookie notes that the response depends on the cookies of the request.
func VaryCookie(h http.Header) {
	for _, line := range h["Vary"] {
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
	if len(value)+c.mostBeside() <= lineLimit {
		return []part{{c.Name, value}}
	}
	room := c.capacity()
	// The bare name has room for the suffix that it does not carry.
	if len(value) <= room+len(longestSuffix) {
		return []part{{c.Name, value}}
	}
	// The first part begins with the number of parts, which takes room too.
	n := 2
	for len(value)+len(strconv.Itoa(n)+":") > n*room {
		n++
	}
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
	if !found || err != nil || n < 2 || n > maxParts {
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

// maxParts is the number of parts of a value of MaxSize with the least room that
// Check accepts: 16 for the value, and one for the number before it.
const (
	maxParts      = MaxSize/(lineLimit/4) + 1
	longestSuffix = ".16"
)

// mostBeside is at least the length of a line without its value. Most values are so short
// that nobody needs the exact length, which takes a line to measure.
func (c Cookie) mostBeside() int {
	const attributes = 128
	return len(c.Name) + len(longestSuffix) + len(c.Path) + len(c.Domain) + attributes
}

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

// text returns the line of a cookie. For values of ours, it keeps package net/http from
// looking at each character of the value again.
func (c Cookie) text(name, value string, maxAge time.Duration) string {
	if !isValue(value) {
		return c.line(name, value, maxAge).String()
	}
	before, after, _ := strings.Cut(c.line(name, "", maxAge).String(), "=")
	return before + "=" + value + after
}

func (c Cookie) deleteName(w http.ResponseWriter, name string) {
	deleted := 0
	for _, line := range w.Header()["Set-Cookie"] {
		if strings.Contains(line, "; Max-Age=0;") {
			deleted++
		}
	}
	if deleted >= MaxDeleted {
		return
	}
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
		return c.Is(name)
	})
	if len(lines) == 0 {
		h.Del("Set-Cookie")
		return
	}
	h["Set-Cookie"] = lines
}

// namesIn lists the names in the jar that are ours, each once.
func (c Cookie) namesIn(jar Jar) []string {
	var names []string
	for _, h := range jar.held {
		if c.Is(h.name) && !slices.Contains(names, h.name) {
			names = append(names, h.name)
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
