package fetch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func server(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func TestBodyLimit(t *testing.T) {
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		n := 1 << 20
		if r.URL.Path == "/over" {
			n++
		}
		w.Write(bytes.Repeat([]byte{'1'}, n))
	})
	c := NewClient(nil, Options{})
	for _, tt := range []struct {
		path string
		want error
	}{{"/exact", nil}, {"/over", ErrBodyTooLarge}} {
		r, _ := http.NewRequest("GET", s.URL+tt.path, nil)
		resp, err := Do(c, r)
		if !errors.Is(err, tt.want) || err == nil && len(resp.Body) != 1<<20 {
			t.Errorf("%s: %v", tt.path, err)
		}
		// A library that reads the body itself meets the same limit.
		raw, err := c.Get(s.URL + tt.path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(raw.Body)
		raw.Body.Close()
		if !errors.Is(err, tt.want) || len(body) > 1<<20 {
			t.Errorf("%s read by others: %d bytes, %v", tt.path, len(body), err)
		}
	}
}

func TestNoRedirectsNoCookies(t *testing.T) {
	elsewhere := server(t, func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") })
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		if len(r.Cookies()) > 0 {
			t.Error("a cookie was sent")
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		http.Redirect(w, r, elsewhere.URL, http.StatusFound)
	})
	jar, _ := cookiejar.New(nil)
	c := NewClient(&http.Client{Jar: jar}, Options{})
	for range 2 {
		var v any
		_, err := GetJSON(t.Context(), c, s.URL, &v)
		var e *Error
		if !errors.As(err, &e) || e.Response.Status != http.StatusFound {
			t.Errorf("error %v, want status 302", err)
		}
	}
}

func TestHeaders(t *testing.T) {
	got := make(chan http.Header, 1)
	s := server(t, func(w http.ResponseWriter, r *http.Request) { got <- r.Header; fmt.Fprint(w, "{}") })
	host := strings.TrimPrefix(s.URL, "http://")
	extra := http.Header{"Auth0-Client": {"abc"}}
	var v any
	if _, err := GetJSON(t.Context(), NewClient(nil, Options{UserAgent: "x/1", Host: host, Header: extra}), s.URL, &v); err != nil {
		t.Fatal(err)
	}
	if h := <-got; h.Get("User-Agent") != "x/1" || h.Get("Auth0-Client") != "abc" || h.Get("Accept") != "application/json" {
		t.Errorf("headers %v", h)
	}
	if _, err := GetJSON(t.Context(), NewClient(nil, Options{Host: "elsewhere.example", Header: extra}), s.URL, &v); err != nil {
		t.Fatal(err)
	}
	if h := <-got; h.Get("Auth0-Client") != "" {
		t.Error("the header for one host went to another")
	}
}

func TestTimeoutOfBase(t *testing.T) {
	s := server(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	c := NewClient(&http.Client{Timeout: 50 * time.Millisecond}, Options{})
	var v any
	if _, err := GetJSON(t.Context(), c, s.URL, &v); err == nil {
		t.Error("no error")
	}
	if d := NewClient(nil, Options{}).Timeout; d != 5*time.Second {
		t.Errorf("the default timeout is %v", d)
	}
}

// TestErrorsSayLittle sends secrets in every place that an error could quote.
func TestErrorsSayLittle(t *testing.T) {
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/status" {
			w.WriteHeader(500)
		}
		fmt.Fprint(w, `SECRET`)
	})
	c := NewClient(nil, Options{})
	var v any
	for _, url := range []string{s.URL + "/status?q=SECRET", s.URL + "/json?q=SECRET#SECRET", "http://127.0.0.1:1/?q=SECRET", "http://127.0.0.1:1/%zz?q=SECRET", "http://user:SECRET@127.0.0.1:1/"} {
		_, err := GetJSON(t.Context(), c, url, &v)
		if err == nil {
			t.Errorf("%s: no error", url)
			continue
		}
		asJSON, _ := json.Marshal(map[string]any{"err": err})
		for _, text := range []string{fmt.Sprintf("%v %s %q", err, err, err), string(asJSON)} {
			if strings.Contains(text, "SECRET") || strings.Contains(text, "U0VDUkVU") {
				t.Errorf("%s: error says %s", url, text)
			}
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	tests := []struct {
		header http.Header
		want   time.Duration
	}{
		{http.Header{}, 0},
		{http.Header{"Retry-After": {"7"}}, 7 * time.Second},
		{http.Header{"Retry-After": {"-7"}}, 0},
		{http.Header{"Retry-After": {"99999999999"}}, 24 * time.Hour},
		{http.Header{"Retry-After": {"999999"}}, 24 * time.Hour},
		{http.Header{"Retry-After": {now.Add(90 * time.Second).UTC().Format(http.TimeFormat)}}, 90 * time.Second},
		{http.Header{"Retry-After": {"soon"}}, 0},
		{http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"1800000060"}}, time.Minute},
		{http.Header{"X-Ratelimit-Remaining": {"3"}, "X-Ratelimit-Reset": {"1800000060"}}, 0},
		{http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"1700000000"}}, 0},
	}
	for _, tt := range tests {
		if got := RetryAfter(tt.header, now); got != tt.want {
			t.Errorf("RetryAfter(%v) = %v, want %v", tt.header, got, tt.want)
		}
	}
}

func TestContextEndsARequest(t *testing.T) {
	s := server(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	var v any
	if _, err := GetJSON(ctx, NewClient(nil, Options{}), s.URL, &v); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

// A roundTripper is a function that answers requests.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestLengthIsNotBelieved: an application's transport gives a length. It decides nothing
// about the body.
func TestLengthIsNotBelieved(t *testing.T) {
	t.Parallel()
	damaged := errors.New("damaged")
	for _, tt := range []struct {
		body   io.Reader
		length int64
		size   int
		want   error
	}{
		{strings.NewReader("0123456789"), 10, 10, nil},
		{strings.NewReader("0123456789"), -1, 10, nil},
		{strings.NewReader("0123456789"), 0, 10, nil},
		{strings.NewReader("0123456789"), 3, 10, nil},
		{strings.NewReader("0123456789"), 5000, 10, nil},
		{strings.NewReader("0123456789"), 1 << 62, 10, nil},
		{strings.NewReader(strings.Repeat("1", 1<<20)), 100, 1 << 20, nil},
		{strings.NewReader(strings.Repeat("1", 1<<20+1)), 100, 0, ErrBodyTooLarge},
		{strings.NewReader(""), 100, 0, nil},
		{io.MultiReader(strings.NewReader("01234"), iotest.ErrReader(damaged)), 10, 0, damaged},
	} {
		c := NewClient(&http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Request: r, Body: io.NopCloser(tt.body), ContentLength: tt.length}, nil
		})}, Options{})
		r, _ := http.NewRequest("GET", "https://tenant.example/", nil)
		resp, err := Do(c, r)
		if !errors.Is(err, tt.want) || err == nil && (len(resp.Body) != tt.size || cap(resp.Body) > 4*tt.size+32<<10) {
			t.Errorf("length %d, want %d bytes: %v", tt.length, tt.size, err)
		}
	}
}
