// Package fetch makes requests to servers of which it trusts the identity and nothing
// else. Every response has a size limit and a time limit, no redirect is followed, no
// cookie is kept, and errors contain neither the query of a URL nor any part of a
// body.
//
// The package does not know the purpose of a request. It repeats no request by itself:
// whether a request may be sent twice depends on its effect, see [Repeatable].
package fetch

import (
	"bytes"
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
	// MaxBody is the longest response that is read. The largest legitimate one, a page
	// of a hundred connections, is far smaller.
	MaxBody = 1 << 20

	// Timeout bounds a request with its response, unless the caller's client has a
	// timeout.
	Timeout = 5 * time.Second
)

// ErrBodyTooLarge is returned by reads beyond [MaxBody].
var ErrBodyTooLarge = errors.New("answer is longer than 1 MiB")

// Options are added to a client's requests.
type Options struct {
	UserAgent string
	// Header is added to requests for Host only.
	Host   string
	Header http.Header
}

// NewClient returns a client with the limits of this package around base, or around a
// new transport if base is nil. It uses Transport and Timeout of base. It leaves out
// the cookie jar, and returns redirects unfollowed: following one would hand
// credentials, or the choice of keys, to another host.
func NewClient(base *http.Client, o Options) *http.Client {
	c := &http.Client{Timeout: Timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t := transport{options: o}
	if base == nil {
		t.base = newTransport()
	} else {
		t.base, t.timeout = base.Transport, base.Timeout
		if t.base == nil {
			t.base = http.DefaultTransport
		}
		if base.Timeout > 0 {
			c.Timeout = base.Timeout
		}
	}
	c.Transport = t
	return c
}

// Limit returns the time limit of consecutive requests: ours, or more if the caller of
// [NewClient] has allowed each request more time.
func Limit(client *http.Client, ours time.Duration, requests int) time.Duration {
	if t, ok := client.Transport.(transport); ok {
		return max(ours, time.Duration(requests)*t.timeout)
	}
	return ours
}

// newTransport returns a transport that detects dead connections soon. The peer of an
// idle connection can vanish silently: a router drops it, a machine sleeps. So an idle
// connection is kept for less time than common servers and proxies keep it. They then
// do not close it while a request is being written. A connection of HTTP/2 carries all
// requests, so it is checked while a response is awaited.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer(),
		TLSHandshakeTimeout:    3 * time.Second,
		ResponseHeaderTimeout:  Timeout,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 2 * time.Second, PingTimeout: 2 * time.Second},
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        15 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// Repeatable marks a request other than GET that may be sent twice. Package net/http
// then sends it again on another connection if the first was closed before a response,
// as it does with every GET. The mark itself is not sent.
func Repeatable(h http.Header) { h["Idempotency-Key"] = []string{} }

// transport is below http.Client, so that libraries that are given the client
// cannot read past the limit either.
type transport struct {
	base    http.RoundTripper
	options Options
	timeout time.Duration // set by the caller, or 0
}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", t.options.UserAgent)
	if r.URL.Host == t.options.Host {
		for name, values := range t.options.Header {
			r.Header[name] = values
		}
	}
	if usesFetchAPI(t.base) {
		// The Fetch API of a browser follows redirects unless told otherwise. Not
		// every implementation supports its value "error".
		r.Header["js.fetch:redirect"] = []string{"manual"}
	}
	resp, err := t.base.RoundTrip(r)
	if err != nil {
		t.dropIdle(r.Context())
		return nil, err
	}
	if usesFetchAPI(t.base) && wasRedirected(r, resp) {
		resp.Body.Close()
		return nil, errRedirected
	}
	resp.Body = &limitedBody{ReadCloser: resp.Body, left: MaxBody}
	return resp, nil
}

// dropIdle closes the idle connections after a request without a response: if the
// network or the machine was away, all of them are dead, and each would cost another
// request its timeout.
func (t transport) dropIdle(ctx context.Context) {
	if pool, ok := t.base.(interface{ CloseIdleConnections() }); ok && !errors.Is(ctx.Err(), context.Canceled) {
		pool.CloseIdleConnections()
	}
}

// wasRedirected reports whether a response came from another URL than the requested
// one, or is a redirect that a browser hides (status 0).
func wasRedirected(r *http.Request, resp *http.Response) bool {
	return resp.StatusCode == 0 || resp.Request != nil && resp.Request.URL.String() != r.URL.String()
}

var errRedirected = errors.New("the answer is a redirect, and redirects are not followed")

// limitedBody fails where io.LimitReader would end: a truncated document must not look
// like a shorter one.
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

// A Response is a completely read response.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// An Error says that a request had no usable response. If there was a response,
// Response holds it, for callers that know what its body means.
type Error struct {
	Method   string
	URL      string // without query and fragment
	Response *Response
	Err      error
}

// Error does not quote the response.
func (e *Error) Error() string {
	return fmt.Sprintf("%s %s: %v", e.Method, e.URL, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// MarshalText keeps the response out of JSON logs.
func (e *Error) MarshalText() ([]byte, error) { return []byte(e.Error()), nil }

// RetryAfter returns the wait that the server requested, or 0.
func (e *Error) RetryAfter() time.Duration {
	if e.Response == nil {
		return 0
	}
	return RetryAfter(e.Response.Header, time.Now())
}

// RetryAfter reads Retry-After (RFC 9110, Section 10.2.3) and, if that is missing,
// X-RateLimit-Reset, the time in Unix seconds that Auth0 sends when no requests are
// left.
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

// Do sends a request and reads the response, whatever its status.
func Do(client *http.Client, r *http.Request) (*Response, error) {
	resp, err := client.Do(r)
	if err != nil {
		return nil, failed(r, nil, err)
	}
	defer resp.Body.Close()
	body, err := readAll(resp)
	if err != nil {
		return nil, failed(r, nil, err)
	}
	return &Response{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// readAll reads a body to its end. The length that the server gives says how much room to
// make, and nothing else.
func readAll(resp *http.Response) ([]byte, error) {
	const most = 16 << 10
	if resp.ContentLength <= 0 || resp.ContentLength > most {
		return io.ReadAll(resp.Body)
	}
	// ReadFrom makes no more room if it has so much left when it meets the end.
	body := bytes.NewBuffer(make([]byte, 0, resp.ContentLength+bytes.MinRead))
	_, err := body.ReadFrom(resp.Body)
	return body.Bytes(), err
}

// JSON sends a request and decodes the response into out. Anything but status 200 with
// one JSON value is an [*Error].
func JSON(client *http.Client, r *http.Request, out any) (http.Header, error) {
	r.Header.Set("Accept", "application/json")
	resp, err := Do(client, r)
	if err != nil {
		return nil, err
	}
	if resp.Status != http.StatusOK {
		return nil, failed(r, resp, resp.badStatus(r.URL))
	}
	if err := json.Unmarshal(resp.Body, out); err != nil {
		return nil, failed(r, resp, resp.NotJSON())
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
	err = Cause(err)
	if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound {
		err = fmt.Errorf("no host has the name %.200q; look for a mistake in the domain (AUTH0_DOMAIN): %w", r.URL.Hostname(), err)
	}
	return &Error{Method: r.Method, URL: bare(r.URL), Response: resp, Err: err}
}

func bare(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// Cause removes the URL from an error of net/http, because its query can contain
// secrets.
func Cause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
