package doctor

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fetch"
)

// MaxRequests is the greatest number of requests of an examination.
const MaxRequests = 15

// userAgent lets an operator find the requests in the logs of the tenant.
const userAgent = "auth0-doctor"

// cause returns the reason why a request got no response, without its URL.
func cause(err error) string {
	var failed *fetch.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return fetch.Cause(err).Error()
}

var errTooMany = errors.New("no more requests are made")

// A network makes the requests of an examination. Package fetch limits the size and the
// time of each, and follows no redirect.
type network struct {
	client *http.Client
	budget *budget
}

func newNetwork(next http.RoundTripper, now func() time.Time) *network {
	if next == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxResponseHeaderBytes = 64 << 10
		next = t
	}
	b := &budget{next: next, now: now}
	return &network{fetch.NewClient(&http.Client{Transport: b}, fetch.Options{UserAgent: userAgent}), b}
}

func (n *network) count() int {
	n.budget.mu.Lock()
	defer n.budget.mu.Unlock()
	return n.budget.made
}

// skew returns how far the clock of this machine is behind the one of the tenant.
func (n *network) skew() (behind time.Duration, ok bool) {
	n.budget.mu.Lock()
	defer n.budget.mu.Unlock()
	return n.budget.behind, n.budget.dated
}

// accessToken returns the token that the tenant has issued, so that it can be hidden.
func (n *network) accessToken() string { return n.budget.token }

// A budget counts requests and compares clocks.
type budget struct {
	next  http.RoundTripper
	now   func() time.Time
	token string

	mu     sync.Mutex
	made   int
	behind time.Duration
	dated  bool
}

// RoundTrip makes a request, if there may be another one.
func (b *budget) RoundTrip(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	b.made++
	spent := b.made > MaxRequests
	if spent {
		b.made = MaxRequests
	}
	b.mu.Unlock()
	if spent {
		return nil, errTooMany
	}
	begin := b.now()
	resp, err := b.next.RoundTrip(r)
	if err == nil {
		b.compare(resp.Header, begin, b.now())
	}
	return resp, err
}

// compare keeps the smallest difference of the clocks. Date has whole seconds (RFC
// 9110, Section 5.6.7). A cached response has its age in Age (RFC 9111, Section 5.1).
func (b *budget) compare(h http.Header, begin, end time.Time) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	if age, err := strconv.ParseUint(h.Get("Age"), 10, 31); err == nil {
		date = date.Add(time.Duration(age) * time.Second)
	}
	behind := date.Sub(begin.Add(end.Sub(begin) / 2))
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.dated || behind.Abs() < b.behind.Abs() {
		b.behind, b.dated = behind, true
	}
}

// get requests a page like a browser whose user has typed the address.
func (n *network) get(ctx context.Context, location string, query url.Values, header http.Header) (*fetch.Response, error) {
	if len(query) > 0 {
		location += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return nil, err
	}
	r.Header = http.Header{"Accept": {"text/html,application/json;q=0.9"}, "Sec-Fetch-Dest": {"document"},
		"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Site": {"none"}, "Sec-Fetch-User": {"?1"}}
	for name, values := range header {
		r.Header[name] = values
	}
	return fetch.Do(n.client, r)
}

// post sends a form, with the credentials of the application.
func (n *network) post(ctx context.Context, location string, form url.Values) (*fetch.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, location, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	return fetch.Do(n.client, r)
}
