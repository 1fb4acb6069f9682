// Package fetch makes requests to servers that are trusted to be who they are,
// and with nothing else: every answer has a size limit and a time limit, no
// redirect is followed, no cookie is kept, and errors hold neither the query
// of a URL nor a byte of a body.
//
// The package does not know what is fetched. It repeats no request: whether a request
// may be sent twice depends on what it does.
package fetch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	// MaxBody is the longest answer that is read. The largest honest one, a
	// page of a hundred connections, stays far below.
	MaxBody = 1 << 20

	// Timeout bounds a request with its answer, unless the caller's client has
	// a limit of its own.
	Timeout = 5 * time.Second
)

// ErrBodyTooLarge is returned by reads beyond [MaxBody].
var ErrBodyTooLarge = errors.New("answer is longer than 1 MiB")

// Options are what a client adds to its requests.
type Options struct {
	UserAgent string
	// Header is added to requests for Host only.
	Host   string
	Header http.Header
}

// NewClient returns a client with the limits of this package around base, or
// around a transport of its own if base is nil. Of base it keeps Transport and
// Timeout. A cookie jar is left out, and redirects are returned as they are:
// following one would hand credentials, or the choice of keys, to another host.
func NewClient(base *http.Client, o Options) *http.Client {
	c := &http.Client{Timeout: Timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t := transport{options: o, base: defaultTransport()}
	if base != nil {
		if base.Timeout > 0 {
			c.Timeout = base.Timeout
		}
		t.base = base.Transport
		if t.base == nil {
			t.base = http.DefaultTransport
		}
	}
	c.Transport = t
	return c
}

func defaultTransport() http.RoundTripper {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 3 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:    3 * time.Second,
		ResponseHeaderTimeout:  Timeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// transport is below http.Client, so that libraries that are given the client
// cannot read past the limit either.
type transport struct {
	base    http.RoundTripper
	options Options
}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", t.options.UserAgent)
	if r.URL.Host == t.options.Host {
		for name, values := range t.options.Header {
			r.Header[name] = values
		}
	}
	resp, err := t.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &limitedBody{ReadCloser: resp.Body, left: MaxBody}
	return resp, nil
}

// limitedBody fails where io.LimitReader would end: a document that was cut
// must not look like a shorter one.
type limitedBody struct {
	io.ReadCloser
	left int
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if len(p) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if n > b.left {
		return b.left, ErrBodyTooLarge
	}
	b.left -= n
	return n, err
}

// A Response is an answer read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// An Error says that a request had no usable answer. If there was an answer,
// Response holds it, for callers who know what its body means.
type Error struct {
	Method   string
	URL      string // without query and fragment
	Response *Response
	Err      error
}

// Error does not quote the answer.
func (e *Error) Error() string {
	if e.Response != nil && e.Response.Status != http.StatusOK {
		return fmt.Sprintf("%s %s: status %d", e.Method, e.URL, e.Response.Status)
	}
	return fmt.Sprintf("%s %s: %v", e.Method, e.URL, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// MarshalText keeps the answer out of logs that are written as JSON.
func (e *Error) MarshalText() ([]byte, error) { return []byte(e.Error()), nil }

// RetryAfter returns how long the server asked to be left alone, or 0.
func (e *Error) RetryAfter() time.Duration {
	if e.Response == nil {
		return 0
	}
	return RetryAfter(e.Response.Header, time.Now())
}

// RetryAfter reads Retry-After (RFC 9110, Section 10.2.3) and, if it is not
// there, X-RateLimit-Reset, the time in Unix seconds that Auth0 sends, when no
// requests are left.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	if s := h.Get("Retry-After"); s != "" {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return clamp(time.Duration(max(0, min(n, 1<<20))) * time.Second)
		}
		if at, err := http.ParseTime(s); err == nil {
			return clamp(at.Sub(now))
		}
	}
	if n, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64); err == nil && h.Get("X-RateLimit-Remaining") == "0" {
		return clamp(time.Unix(n, 0).Sub(now))
	}
	return 0
}

func clamp(d time.Duration) time.Duration { return max(0, min(d, 24*time.Hour)) }

// Do sends a request and reads the answer, whatever its status.
func Do(client *http.Client, r *http.Request) (*Response, error) {
	resp, err := client.Do(r)
	if err != nil {
		return nil, failed(r, nil, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, failed(r, nil, err)
	}
	return &Response{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// JSON sends a request and decodes the answer into out. Anything but status
// 200 with one JSON value is an [*Error].
func JSON(client *http.Client, r *http.Request, out any) (http.Header, error) {
	r.Header.Set("Accept", "application/json")
	resp, err := Do(client, r)
	if err != nil {
		return nil, err
	}
	if resp.Status != http.StatusOK {
		return nil, failed(r, resp, errors.New("unexpected status"))
	}
	if err := json.Unmarshal(resp.Body, out); err != nil {
		// The error of encoding/json quotes the document.
		return nil, failed(r, resp, errors.New("the answer is not the expected JSON"))
	}
	return resp.Header, nil
}

// GetJSON is [JSON] for a plain GET.
func GetJSON(ctx context.Context, client *http.Client, url string, out any) (http.Header, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, errors.New("fetch: unusable URL")
	}
	return JSON(client, r, out)
}

func failed(r *http.Request, resp *Response, err error) *Error {
	return &Error{Method: r.Method, URL: bare(r.URL), Response: resp, Err: Cause(err)}
}

func bare(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// Cause takes the URL out of an error of net/http: its query may hold what
// does not belong in a log.
func Cause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
