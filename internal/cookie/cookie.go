// Package cookie writes and reads the cookies of one name, in as many parts as
// their size needs.
//
// Browsers silently drop a cookie that is too large, which shows as a login
// that never ends, and they ignore a deletion whose attributes differ from
// those of the cookie. So the size is measured on the line that is sent, and
// every line for a name is made by the same code.
//
// The package knows neither the content of a cookie nor its encryption.
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
	// request, and servers and proxies reject header lines of more than 8 to
	// 16 KiB.
	MaxSize = 16 << 10
)

const (
	// MaxValues bounds the values under one name, because each has to be decrypted.
	MaxValues = 4

	// MaxDeleted is the number of cookies that one response deletes. Proxies reject a
	// response with many Set-Cookie lines. The next response deletes the rest, or they
	// expire.
	MaxDeleted = 8
)

// ErrTooLarge is returned for a value longer than [MaxSize].
var ErrTooLarge = errors.New("cookie: value is too large")

// A Cookie is the name and the attributes of a cookie. HttpOnly is always set.
type Cookie struct {
	Name     string
	Path     string
	Domain   string
	Secure   bool
	SameSite http.SameSite
	// SessionOnly leaves out Max-Age, so that the browser deletes the cookie when it
	// is closed.
	SessionOnly bool
}

// Check reports the attributes that a browser or net/http would not accept.
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
// A browser accepts a cookie named __Host- only from this host over https, so that a
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

// HostOnly returns c for this host alone. It keeps the path.
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

// Delete removes every part in the jar.
func (c Cookie) Delete(w http.ResponseWriter, jar Jar) {
	c.forget(w.Header())
	for _, name := range c.namesIn(jar) {
		c.deleteName(w, name)
	}
	Uncacheable(w.Header())
}

// Values returns the values under the name in the jar: usually none or one, more if
// the browser has the cookie for several paths. It leaves out an incomplete set of
// parts.
func (c Cookie) Values(jar Jar) []string { return c.AppendValues(nil, jar) }

// AppendValues appends the values that Values returns, at most [MaxValues].
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

// Names lists the names of the cookie and of its parts in the jar.
func (c Cookie) Names(jar Jar) []string { return c.namesIn(jar) }

// Present reports whether the jar has any part of the cookie.
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
	// The bare name has no suffix, so its value has more room.
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

// mostBeside is at least the length of a line without its value. The exact length costs a
// formatted line, and most values are too short to need it.
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

// text returns the line of a cookie. For our values, it keeps package net/http from
// checking each character of the value again.
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

// forget removes the cookie's earlier lines from the same response. Otherwise, if the
// earlier value has more parts, the browser would keep them.
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

// namesIn lists our names in the jar, each once.
func (c Cookie) namesIn(jar Jar) []string {
	var names []string
	for _, h := range jar.held {
		if c.Is(h.name) && !slices.Contains(names, h.name) {
			names = append(names, h.name)
		}
	}
	return names
}

// index returns the number of a part. Only the form that we write counts: name.01 is
// foreign.
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
