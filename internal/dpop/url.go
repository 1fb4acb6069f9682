package dpop

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/fault"
)

// Bases are the URLs at which clients reach an API. The URL of a request consists of one
// of them and of the path of the request: a host from a client or a proxy only chooses
// among them.
type Bases []base

type base struct{ scheme, host, path string } // normal; the path has no slash at the end

// NewBases reads base URLs, and returns one error for each mistake. Each completes a
// sentence that begins with the name of the setting and the URL.
func NewBases(urls []string) (bases Bases, mistakes []error) {
	for _, raw := range urls {
		b, err := newBase(raw)
		switch {
		case err != nil:
			mistakes = append(mistakes, fmt.Errorf("%.200q %w", raw, err))
		case slices.ContainsFunc(bases, func(other base) bool { return other.host == b.host }):
			mistakes = append(mistakes, fmt.Errorf("%.200q has the same host as another one", raw))
		}
		bases = append(bases, b)
	}
	return bases, mistakes
}

func newBase(raw string) (base, error) {
	if strings.ContainsAny(raw, `?#\`) {
		return base{}, errors.New("must have no query, no fragment and no backslash")
	}
	origin, err := discovery.Origin(raw)
	if err != nil {
		return base{}, fmt.Errorf("cannot be used: %w", err)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return base{}, errors.New("is not a URL")
	}
	scheme, authority, _ := strings.Cut(origin, "://")
	host, ok1 := normalHost(scheme, authority)
	path, ok2 := normalPath(u.EscapedPath())
	if !ok1 || !ok2 {
		return base{}, errors.New("has characters that clients do not send")
	}
	return base{scheme, host, strings.TrimSuffix(path, "/")}, nil
}

// URL returns the normal form of the URL that a client requested. Host is the host of the
// request as far as it is trusted. Target is the request target (RFC 9112, Section 3.2).
// Only its path counts. Root reports that a proxy has removed the whole path of a base URL
// but the slash: the client can have sent that path without a slash at its end. The error
// is [fault.Proof].
func (bs Bases) URL(host, target string) (url string, root bool, err error) {
	path := pathOf(target)
	if len(path) > maxProof {
		return "", false, fault.Proof.Because("htu: the path of the request has more than %d bytes, and no proof is as long", maxProof)
	}
	path, ok := normalPath(path)
	if !ok {
		return "", false, fault.Proof.Because("htu: the path of the request is not one that clients send")
	}
	for _, b := range bs {
		if len(bs) == 1 || isHost(host, b) {
			return b.scheme + "://" + b.host + b.path + path, path == "/" && b.path != "", nil
		}
	}
	return "", false, fault.Proof.Because("htu: the request is for the host %.100q, which is none of the base URLs", host)
}

func isHost(host string, b base) bool {
	normal, ok := normalHost(b.scheme, host)
	return ok && normal == b.host
}

// pathOf returns the path of a request target. Only http and https begin the absolute
// form (RFC 9112, Section 3.2.2): net/http accepts targets such as http:/x?u=://host/y,
// of which the path is /x.
func pathOf(target string) string {
	if scheme, rest, ok := strings.Cut(target, "://"); ok && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")) {
		target = rest[len(rest)-len(strings.TrimLeftFunc(rest, func(r rune) bool { return r != '/' && r != '?' })):]
	}
	path, _, _ := strings.Cut(target, "?")
	return path
}

// sameURL reports whether the text of htu is equivalent to a URL in its normal form
// (RFC 9449, Section 4.3, item 9). Query and fragment do not count.
func sameURL(htu, normal string) bool {
	htu = withoutQuery(htu)
	if htu == normal {
		return true
	}
	scheme, rest, ok := strings.Cut(htu, "://")
	scheme = strings.ToLower(scheme)
	if !ok || scheme != "https" && scheme != "http" {
		return false
	}
	authority, path := rest, ""
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		authority, path = rest[:slash], rest[slash:]
	}
	host, ok1 := normalHost(scheme, authority)
	path, ok2 := normalPath(path)
	return ok1 && ok2 && scheme+"://"+host+path == normal
}

// withoutQuery returns a URL without its query and its fragment.
func withoutQuery(url string) string {
	if end := strings.IndexAny(url, "?#"); end >= 0 {
		return url[:end]
	}
	return url
}

// normalHost returns host and port in lower case, without the default port (RFC 3986,
// Sections 6.2.2.1 and 6.2.3). It accepts only the characters of names, addresses and
// ports, and so no user name.
func normalHost(scheme, authority string) (string, bool) {
	for _, c := range []byte(authority) {
		if !isAlphanumeric(c) && !strings.ContainsRune("-._:[]", rune(c)) {
			return "", false
		}
	}
	port := ":443"
	if scheme == "http" {
		port = ":80"
	}
	host := strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(authority), port), ":")
	return host, host != ""
}

// normalPath returns a path with percent-encoding in its normal form, and without dot
// segments (RFC 3986, Sections 6.2.2.2 and 6.2.2.3).
func normalPath(path string) (string, bool) {
	if path == "" {
		return "/", true
	}
	if path[0] != '/' {
		return "", false
	}
	plain := true
	for i, c := range []byte(path) {
		switch {
		case c <= ' ', c == 0x7F, c == '\\', c == '#':
			return "", false
		case c == '%', c > 0x7F, c == '.' && path[i-1] == '/':
			plain = false
		}
	}
	if plain {
		return path, true
	}
	decoded, ok := normalEncoding(path)
	return withoutDots(decoded), ok
}

func normalEncoding(path string) (string, bool) {
	const digits = "0123456789ABCDEF"
	normal := make([]byte, 0, len(path)+16)
	for i := 0; i < len(path); i++ {
		c, escaped := path[i], path[i] > 0x7F
		if c == '%' {
			if i+2 >= len(path) {
				return "", false
			}
			high, low := strings.IndexByte(digits, upper(path[i+1])), strings.IndexByte(digits, upper(path[i+2]))
			if high < 0 || low < 0 {
				return "", false
			}
			c = byte(high<<4 | low)
			escaped = !isAlphanumeric(c) && !strings.ContainsRune("-._~", rune(c)) // RFC 3986, Section 2.3
			i += 2
		}
		if escaped {
			normal = append(normal, '%', digits[c>>4], digits[c&15])
		} else {
			normal = append(normal, c)
		}
	}
	return string(normal), true
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= upper(c) && upper(c) <= 'Z'
}

// withoutDots removes the dot segments of an absolute path (RFC 3986, Section 5.2.4).
func withoutDots(path string) string {
	var kept []string
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, segment := range segments {
		switch segment {
		case "..":
			kept = kept[:max(0, len(kept)-1)]
		case ".":
		default:
			kept = append(kept, segment)
			continue
		}
		if i == len(segments)-1 {
			kept = append(kept, "")
		}
	}
	return "/" + strings.Join(kept, "/")
}
