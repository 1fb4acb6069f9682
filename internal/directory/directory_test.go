package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/tenantapi"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
)

// A source is a tenant: documents of the Management API by path and query, and a client
// file.
type source struct {
	documents map[string]string // by path; with the parameter that selects a page
	err       error             // of every document
	file      string
	status    int // of the file
	fileErr   error
	asked     []string
	failures  []string
	stale     bool
}

func (s *source) get(_ context.Context, path string, query url.Values, out any) error {
	s.asked = append(s.asked, path)
	if s.err != nil {
		return s.err
	}
	document, ok := s.documents[path+query.Get("from")+query.Get("page")]
	if !ok {
		return &tenantapi.Error{Status: 404, Code: "inexistent"}
	}
	return json.Unmarshal([]byte(document), out)
}

func (s *source) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked = append(s.asked, r.URL.String())
	if s.fileErr != nil {
		return nil, s.fileErr
	}
	w := httptest.NewRecorder()
	w.WriteHeader(s.status)
	fmt.Fprint(w, s.file)
	return w.Result(), nil
}

func (s *source) list(edit ...func(*Config)) *List {
	c := Config{
		ClientID: "app/1", Get: s.get, Client: fetch.NewClient(&http.Client{Transport: s}, fetch.Options{}),
		Failed: func(err error, stale bool) { s.failures, s.stale = append(s.failures, err.Error()), stale },
	}
	for _, f := range edit {
		f(&c)
	}
	return New(func(string, string, ...any) {}, c)
}

func withFile(c *Config) { c.FileBase = "https://cdn.example/" }

const clientPath = "clients/app%2F1/connections"

// text shows a list: each name, with ! for a button, display name, icon and domains.
func text(list []Item) string {
	var lines []string
	for _, i := range list {
		name := i.Name
		if i.Button {
			name += "!"
		}
		lines = append(lines, strings.Join(slices.DeleteFunc(append([]string{name, i.DisplayName, i.IconURL}, i.DomainAliases...), func(s string) bool { return s == "" }), " "))
	}
	return strings.Join(lines, "; ")
}

func TestItems(t *testing.T) {
	for _, tt := range []struct{ why, connections, want string }{
		{"database", `{"name":"db","strategy":"auth0"}`, "db! Username and password"},
		{"name for users", `{"name":"db","strategy":"auth0","display_name":"Members"}`, "db! Members"},
		{"social, show_as_button is for enterprises", `{"name":"tw","strategy":"twitter","show_as_button":false}`, "tw! X"},
		{"enterprise", `{"name":"ad","strategy":"adfs","options":{"domain_aliases":["B.example "," b.example","","a.example"],"tenant_domain":"c.example"}}`, "ad ADFS b.example a.example c.example"},
		{"enterprise with a button", `{"name":"ad","strategy":"adfs","show_as_button":true}`, "ad! ADFS"},
		{"tenant_domain of others", `{"name":"g","strategy":"github","options":{"tenant_domain":"c.example"}}`, "g! GitHub"},
		{"unknown strategy", `{"name":"q","strategy":"quantum"}`, "q! q"},
		{"custom", `{"name":"p","strategy":"oauth2"}`, "p! p"},
		{"lends tokens only", `{"name":"x","strategy":"github","authentication":{"active":false}}`, ""},
		{"logs in", `{"name":"x","strategy":"github","authentication":{"active":true}}`, "x! GitHub"},
		{"no name", `{"strategy":"github"}`, ""},
		{"icon", `{"name":"p","options":{"icon_url":"https://cdn.example/a.png"}}`, "p! p https://cdn.example/a.png"},
		{"icon over http", `{"name":"p","options":{"icon_url":"http://localhost/a.png"}}`, "p! p"},
		{"icon that is a script", `{"name":"p","options":{"icon_url":"javascript:alert(1)"}}`, "p! p"},
		{"options of other types", `{"name":"p","options":{"icon_url":7,"domain_aliases":"x","tenant_domain":[]}}`, "p! p"},
		{"order", `{"name":"z","strategy":"sms"},{"name":"e","strategy":"samlp","display_name":"Alpha","show_as_button":true},{"name":"g2","strategy":"google-oauth2"},{"name":"g1","strategy":"google-oauth2"},{"name":"d2","strategy":"auth0","display_name":"customers"},{"name":"d1","strategy":"auth0"},{"name":"a","strategy":"amazon"}`,
			"d2! customers; d1! Username and password; z! SMS; a! Amazon; g1! Google (g1); g2! Google (g2); e! Alpha"},
	} {
		s := &source{documents: map[string]string{clientPath: `{"connections":[` + tt.connections + `]}`}}
		got, err := s.list().Get(t.Context(), "")
		if err != nil || text(got) != tt.want {
			t.Errorf("%s: %q, %v; want %q", tt.why, text(got), err, tt.want)
		}
	}
}

func TestPages(t *testing.T) {
	s := &source{documents: map[string]string{
		clientPath:        `{"connections":[{"name":"a"}],"next":"p2"}`,
		clientPath + "p2": `{"connections":[{"name":"b"}],"next":"p3"}`,
		clientPath + "p3": `{"connections":[],"next":"p3"}`, // the last page, by its own word
	}}
	if got, err := s.list().Get(t.Context(), ""); err != nil || text(got) != "a! a; b! b" || len(s.asked) != 3 {
		t.Errorf("%s, %v after %d requests", text(got), err, len(s.asked))
	}
	n := 0
	endless := s.list(func(c *Config) {
		c.Get = func(_ context.Context, _ string, _ url.Values, out any) error {
			n++
			return json.Unmarshal(fmt.Appendf(nil, `{"connections":[{"name":"c%d"}],"next":"p%d"}`, n, n), out)
		}
	})
	if _, err := endless.Get(t.Context(), ""); err == nil || n != 200 || !strings.Contains(err.Error(), "more than 200 pages") {
		t.Errorf("%d pages, %v", n, err)
	}
	s.documents = map[string]string{clientPath: `{}`}
	if _, err := s.list().Get(t.Context(), ""); !errors.Is(err, errNoList) {
		t.Errorf("no list: %v", err)
	}
}

func TestOrganizations(t *testing.T) {
	s := &source{documents: map[string]string{
		clientPath:                    `{"connections":[{"id":"con_1","name":"saml","strategy":"samlp","display_name":"Corp","options":{"icon_url":"https://cdn.example/a.png","domain_aliases":["corp.example"]}}]}`,
		"organizations/name/umbrella": `{"id":"org_1"}`,
		"organizations/org_1/enabled_connections0": `{"enabled_connections":[
			{"connection_id":"con_1","connection":{"name":"saml","strategy":"samlp"}},
			{"connection_id":"con_2","show_as_button":false,"connection":{"name":"gh","strategy":"github"}}],"total":2}`,
	}}
	l := s.list()
	for _, org := range []string{"org_1", "Umbrella"} {
		if got, err := l.Get(t.Context(), org); err != nil || text(got) != "gh GitHub; saml! Corp https://cdn.example/a.png corp.example" {
			t.Errorf("%s: %s, %v", org, text(got), err)
		}
	}
	if _, err := l.Get(t.Context(), "nobody"); !isUnavailable(err, 404, 0, "inexistent") {
		t.Errorf("unknown: %v", err)
	}
	// Without the list of the application, the names are enough.
	delete(s.documents, clientPath)
	if got, err := s.list().Get(t.Context(), "org_1"); err != nil || text(got) != "gh GitHub; saml! SAML" {
		t.Errorf("%s, %v", text(got), err)
	}
	if _, err := s.list(func(c *Config) { c.Get = nil }).Get(t.Context(), "org_1"); !isUnavailable(err, 0, 0, errNoTenant.Error()) {
		t.Errorf("no API: %v", err)
	}
}

// isUnavailable compares the answer of the tenant, the wait and the cause in an error.
func isUnavailable(err error, status int, wait time.Duration, cause string) bool {
	e, ok := err.(*refusal.Refusal)
	return ok && e.Reason == refusal.Connections.Reason && e.TenantStatus == status && e.RetryAfter == wait && strings.Contains(e.Error(), cause)
}

// TestLimitOfOrganizations: strangers choose the names of organizations, so their lists
// have a limit, and the tenant's own limit holds for all of them.
func TestLimitOfOrganizations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		l := s.list()
		for n := range 50 {
			l.Get(t.Context(), fmt.Sprint("org_", n))
		}
		if _, err := l.Get(t.Context(), "org_50"); !isUnavailable(err, 0, time.Second, "limit of requests") || len(s.asked) != 50 {
			t.Errorf("%v after %d requests", err, len(s.asked))
		}
		s = &source{err: &tenantapi.Error{Status: 429, Wait: 7 * time.Second}}
		l = s.list()
		for _, want := range []int{429, 0} { // the tenant answers once
			_, err := l.Get(t.Context(), fmt.Sprint("org_", want))
			if !isUnavailable(err, want, 7*time.Second, "429") || len(s.asked) != 1 {
				t.Errorf("%v after %d requests", err, len(s.asked))
			}
		}
	})
}

// TestOrganizationPages ends at the total, at a page that is not full, and after the
// ten pages that the API has.
func TestOrganizationPages(t *testing.T) {
	page := func(n, total int) string {
		row := `{"connection_id":"c","connection":{"name":"n"}}`
		return fmt.Sprintf(`{"enabled_connections":[%s],"total":%d}`, strings.TrimSuffix(strings.Repeat(row+",", n), ","), total)
	}
	for _, tt := range []struct {
		rows, total, pages int
	}{{100, 200, 2}, {99, 500, 1}, {100, 5000, 10}} {
		s := &source{documents: map[string]string{clientPath: `{"connections":[]}`}}
		for n := range 12 {
			s.documents[fmt.Sprint("organizations/org_1/enabled_connections", n)] = page(tt.rows, tt.total)
		}
		got, err := s.list().Get(t.Context(), "org_1")
		if asked := len(s.asked) - 1; err != nil || asked != tt.pages || len(got) != tt.rows*tt.pages {
			t.Errorf("%+v: %d pages, %d connections, %v", tt, asked, len(got), err)
		}
	}
}

func TestGiven(t *testing.T) {
	s := &source{}
	given := []Entry{
		{Name: "z", Strategy: "samlp", DisplayName: "Zed", IconURL: "https://cdn.example/z.svg", DomainAliases: []string{" Zed.Example", "zed.example"}},
		{Name: "g", Strategy: "google-oauth2"}, {Name: "plain"},
	}
	l := s.list(func(c *Config) { c.Given = given })
	for _, org := range []string{"", "org_1"} {
		if got, err := l.Get(t.Context(), org); err != nil || text(got) != "z! Zed https://cdn.example/z.svg zed.example; g! Google; plain! plain" {
			t.Errorf("%s, %v", text(got), err)
		}
	}
	if given[0].DomainAliases[0] != " Zed.Example" {
		t.Errorf("the configuration was changed: %+v", given)
	}
	empty := s.list(func(c *Config) { c.Given = []Entry{} })
	if got, err := empty.Get(t.Context(), ""); err != nil || got == nil || len(got) != 0 || len(s.asked) > 0 || empty.CouldBe("g", "") {
		t.Errorf("empty: %v, %v, %q", got, err, s.asked)
	}
	if !l.CouldBe("g", "") || l.CouldBe("other", "") || l.CouldBe("", "") {
		t.Error("CouldBe of a given list")
	}
}

// TestForEmail compares the whole domain, in lower case.
func TestForEmail(t *testing.T) {
	s := &source{}
	given := []Entry{{Name: "a"}, {Name: "corp", DomainAliases: []string{"corp.example", "b.example"}}}
	l := s.list(func(c *Config) { c.Given = given })
	for email, want := range map[string]string{
		"ada@corp.example": "corp", "ada@B.Example": "corp", "ada@sub.corp.example": "", "ada@other.example": "",
		"@corp.example": "", "ada@": "", "corp.example": "", "ada@x@corp.example": "", "": "",
	} {
		if got, found, err := l.ForEmail(t.Context(), "", email); err != nil || got.Name != want || found != (want != "") {
			t.Errorf("%s: %q, %v, %v", email, got.Name, found, err)
		}
	}
	s.err = errors.New("no scope")
	if _, found, err := s.list().ForEmail(t.Context(), "", "ada@corp.example"); found || !errors.Is(err, s.err) {
		t.Errorf("no list: %v, %v", found, err)
	}
}

func TestFile(t *testing.T) {
	const file = `Auth0.setClient({"strategies":[{"name":"samlp","connections":[{"name":"corp","domain":"corp.example","domain_aliases":["corp.example","b.example"]},{"name":"open"}]},
		{"name":"github","connections":[{"name":"gh","display_name":7,"domain_aliases":"x"},{"name":""}]}]});`
	s := &source{err: errors.New("no scope"), file: file, status: 200}
	got, err := s.list(withFile).Get(t.Context(), "")
	if err != nil || text(got) != "gh! GitHub; corp SAML (corp) corp.example b.example; open! SAML (open)" || s.asked[1] != "https://cdn.example/client/app%2F1.js" {
		t.Errorf("%s, %v; %q", text(got), err, s.asked)
	}
	for why, answer := range map[string]string{
		"empty": "", "other script": "alert(1)", "no end": `Auth0.setClient({"strategies":[]}`, "no JSON": "Auth0.setClient(alert(1));", "other JSON": "Auth0.setClient({});",
		"null": "Auth0.setClient(null);", "reversed": ")Auth0.setClient(", "HTML": "<html>SECRET",
	} {
		s := &source{err: errors.New("no scope"), file: answer, status: 200}
		if got, err := s.list(withFile).Get(t.Context(), ""); err == nil || strings.Contains(err.Error(), "SECRET") || !errors.Is(err, s.err) {
			t.Errorf("%s: %v, %v", why, got, err)
		}
	}
	s = &source{status: 403, file: "SECRET"}
	_, err = s.list(withFile, func(c *Config) { c.Get = nil }).Get(t.Context(), "")
	if e, ok := errors.AsType[*tenantapi.Error](err); !ok || e.Status != 403 || !errors.Is(err, errNoTenant) || strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), "grant the application") {
		t.Errorf("403: %v", err)
	}
	s = &source{fileErr: errors.New("unreachable"), err: errors.New("no scope")}
	if _, err = s.list(withFile).Get(t.Context(), ""); !errors.Is(err, s.fileErr) {
		t.Errorf("no connection: %v", err)
	}
	if _, err = s.list(func(c *Config) { c.FileBase = "://" }).Get(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "unusable URL") {
		t.Errorf("no URL: %v", err)
	}
}

// TestCache: a list is fresh for five minutes, and stale for a day while the tenant fails.
// The list reports the failures.
func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{documents: map[string]string{clientPath: `{"connections":[{"name":"a"}]}`}}
		l := s.list()
		get := func() error {
			_, err := l.Get(t.Context(), "")
			synctest.Wait()
			return err
		}
		for range 3 {
			if err := get(); err != nil || len(s.asked) != 1 {
				t.Fatalf("%v after %d requests", err, len(s.asked))
			}
		}
		time.Sleep(5*time.Minute + time.Second)
		if err := get(); err != nil || len(s.asked) != 2 {
			t.Errorf("%v after %d requests", err, len(s.asked))
		}
		s.err = errors.New("down")
		time.Sleep(6 * time.Minute)
		if err := get(); err != nil || len(s.failures) != 1 || !s.stale {
			t.Errorf("%v; told %q, stale %v", err, s.failures, s.stale)
		}
		time.Sleep(24 * time.Hour)
		if err := get(); !errors.Is(err, s.err) || s.stale {
			t.Errorf("after a day: %v, stale %v", err, s.stale)
		}
		asked := len(s.asked)
		if get(); len(s.asked) != asked {
			t.Error("asked again at once")
		}
	})
}

// TestCouldBe sends no request.
func TestCouldBe(t *testing.T) {
	s := &source{documents: map[string]string{
		clientPath: `{"connections":[{"name":"gh"}]}`,
		"organizations/org_1/enabled_connections0": `{"enabled_connections":[{"connection_id":"c","connection":{"name":"saml"}}],"total":1}`,
	}}
	l := s.list()
	check := func(name, org string, want bool) {
		t.Helper()
		if got := l.CouldBe(name, org); got != want {
			t.Errorf("%q of %q: %v", name, org, got)
		}
	}
	check("any", "", true)
	check("<b>", "", false)
	if len(s.asked) > 0 {
		t.Errorf("asked %q", s.asked)
	}
	l.Get(t.Context(), "")
	check("gh", "", true)
	check("any", "", false)
	check("any", "org_1", true)
	check("<b>", "org_1", false)
	l.Get(t.Context(), "org_1")
	check("saml", "org_1", true)
	check("gh", "org_1", true)
	check("any", "org_1", false)
	check("saml", "", false)
}

// A longList is a Management API with a list of many pages.
type longList struct {
	pages int
	delay time.Duration
	fail  func(page, request int) error // nil for a good answer

	mu       sync.Mutex
	requests []int // of the requested pages
}

func (s *longList) get(ctx context.Context, path string, query url.Values, out any) error {
	number := 0
	fmt.Sscan(query.Get("from")+query.Get("page"), &number)
	s.mu.Lock()
	s.requests = append(s.requests, number)
	n := len(s.requests)
	s.mu.Unlock()
	select {
	case <-time.After(s.delay):
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.fail != nil {
		if err := s.fail(number, n); err != nil {
			return err
		}
	}
	if strings.HasPrefix(path, "organizations/") {
		row := fmt.Sprintf(`{"connection_id":"c%d","connection":{"name":"c%d"}},`, number, number)
		return json.Unmarshal(fmt.Appendf(nil, `{"enabled_connections":[%s],"total":%d}`, strings.TrimSuffix(strings.Repeat(row, 100), ","), 100*s.pages), out)
	}
	next := ""
	if number < s.pages-1 {
		next = fmt.Sprint(number + 1)
	}
	return json.Unmarshal(fmt.Appendf(nil, `{"connections":[{"name":"c%04d"}],"next":%q}`, number, next), out)
}

func (s *longList) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

// TestLongLists: the source reads a list of many pages to its end, for any delay and any
// number of 429 responses. It reads no page twice.
func TestLongLists(t *testing.T) {
	busy := func(wait time.Duration) error { return &tenantapi.Error{Status: 429, Wait: wait} }
	down := errors.New("the network is down")
	for _, tt := range []struct {
		name  string
		list  *longList
		org   string
		calls int // of Get, one minute apart, until the list is there
		extra int // requests that were not answered
	}{
		{"fast", &longList{pages: 60}, "", 1, 0},
		{"1.6 s a page", &longList{pages: 11, delay: 1600 * time.Millisecond}, "", 2, 0},
		{"2.9 s a page", &longList{pages: 150, delay: 2900 * time.Millisecond}, "", 8, 1}, // more than one turn
		{"two in a second", &longList{pages: 20, fail: func(page, n int) error {
			if page > 9 && n%2 == 0 {
				return busy(500 * time.Millisecond)
			}
			return nil
		}}, "", 1, 9},
		{"after a minute", &longList{pages: 5, fail: func(page, n int) error {
			if page == 3 && n == 4 {
				return busy(time.Minute)
			}
			return nil
		}}, "", 2, 1},
		{"down in the middle", &longList{pages: 5, fail: func(page, n int) error {
			if page == 3 && n == 4 {
				return down
			}
			return nil
		}}, "", 2, 1},
		{"had enough before the first page", &longList{pages: 5, fail: func(page, n int) error {
			if n == 1 {
				return busy(time.Second) // no caller waits for a list that may never begin
			}
			return nil
		}}, "", 2, 1},
		{"an error of the tenant in the middle", &longList{pages: 5, fail: func(page, n int) error {
			if page == 3 && n == 4 {
				return &tenantapi.Error{Status: 502}
			}
			return nil
		}}, "", 2, 1},
		{"an organization", &longList{pages: 3, fail: func(page, n int) error {
			if page == 1 && n == 2 {
				return busy(2 * time.Second)
			}
			return nil
		}}, "org_1", 1, 1 + 3}, // then the list of the application
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &source{}
				l := s.list(func(c *Config) { c.Get = tt.list.get })
				calls := 0
				for {
					calls++
					begin := time.Now()
					got, err := l.Get(t.Context(), tt.org)
					if waited := time.Since(begin); waited > 15*time.Second {
						t.Errorf("a caller waited %v", waited)
					}
					if err == nil {
						if want := map[bool]int{true: tt.list.pages, false: 100 * tt.list.pages}[tt.org == ""]; len(got) != want {
							t.Errorf("%d connections", len(got))
						}
						break
					}
					if calls > 20 {
						t.Fatal(err)
					}
					time.Sleep(time.Minute)
				}
				if calls != tt.calls || tt.list.count() != tt.list.pages+tt.extra {
					t.Errorf("after %d calls and %d requests", calls, tt.list.count())
				}
			})
		})
	}
}

// TestUnreadListIsDropped: reading begins at the first page again if the tenant rejects the
// next page, and if the first page is too old.
func TestUnreadListIsDropped(t *testing.T) {
	for _, tt := range []struct {
		name     string
		err      error
		wait     time.Duration
		requests []int
	}{
		{"goes on", &tenantapi.Error{Status: 503}, time.Minute, []int{0, 1, 1, 2}},
		{"rejected", &tenantapi.Error{Status: 400}, time.Minute, []int{0, 1, 0, 1, 2}},
		{"no list", tenantapi.ErrUnexpectedJSON, time.Minute, []int{0, 1, 0, 1, 2}},
		{"old", &tenantapi.Error{Status: 503}, 16 * time.Minute, []int{0, 1, 0, 1, 2}},
	} {
		synctest.Test(t, func(t *testing.T) {
			long := longList{pages: 3, fail: func(page, n int) error {
				if n == 2 {
					return tt.err
				}
				return nil
			}}
			l := (&source{}).list(func(c *Config) { c.Get = long.get })
			if _, err := l.Get(t.Context(), ""); !errors.Is(err, tt.err) || tt.name == "goes on" && !strings.Contains(err.Error(), "1 pages of the list") {
				t.Errorf("%s: %v", tt.name, err)
			}
			time.Sleep(tt.wait)
			if got, err := l.Get(t.Context(), ""); err != nil || text(got) != "c0000! c0000; c0001! c0001; c0002! c0002" || !slices.Equal(long.requests, tt.requests) {
				t.Errorf("%s: %s, %v after %v", tt.name, text(got), err, long.requests)
			}
		})
	}
}

// TestLongListIsReadLessOften: a list is stale after five minutes, and a list of many pages
// after half a minute for each page.
func TestLongListIsReadLessOften(t *testing.T) {
	for pages, due := range map[int]time.Duration{1: 5 * time.Minute, 10: 5 * time.Minute, 52: 26 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			long := longList{pages: pages}
			l := (&source{}).list(func(c *Config) { c.Get = long.get })
			for _, wait := range []time.Duration{0, due - time.Second} {
				time.Sleep(wait)
				l.Get(t.Context(), "")
				synctest.Wait()
				if n := long.count(); n != pages {
					t.Errorf("%d pages: %d requests after %v", pages, n, wait)
				}
			}
			time.Sleep(2 * time.Second)
			l.Get(t.Context(), "")
			synctest.Wait()
			if n := long.count(); n != 2*pages {
				t.Errorf("%d pages: %d requests after %v", pages, n, due)
			}
		})
	}
}

// TestRemedy: only mistakes in the dashboard have a remedy.
func TestRemedy(t *testing.T) {
	const authorize, grant = "authorize the application with the scopes read:connections and read:clients", "grant the application the scopes read:connections and read:clients"
	for _, tt := range []struct {
		err  error
		want string
	}{
		{tenanterror.Error{Status: 403, Code: "access_denied"}, authorize},
		{tenanterror.Error{Status: 403, Code: "unauthorized_client"}, authorize},
		{fmt.Errorf("no token: %w", tenanterror.Error{Status: 403, Code: "access_denied"}), authorize},
		{tenanterror.Error{Status: 401, Code: "access_denied"}, ""}, // the credentials are wrong
		{tenanterror.Error{Status: 503}, ""},
		{&tenantapi.Error{Status: 403, Code: "insufficient_scope"}, grant},
		{&tenantapi.Error{Status: 403}, grant},
		{&tenantapi.Error{Status: 429}, ""},
		{&tenantapi.Error{Status: 404}, ""},
		{errors.New("the network is down"), ""},
	} {
		if got := remedy(tt.err); !strings.HasSuffix(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%v: %q, want %q", tt.err, got, tt.want)
		}
	}
}

// TestLogFailures: a cause is a warning once in an hour, and otherwise a debug line.
func TestLogFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text strings.Builder
		report := LogFailures(slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug})))
		for _, step := range []struct {
			wait     time.Duration
			cause    string
			warnings int
		}{{0, "a", 1}, {0, "a", 1}, {time.Hour - 1, "a", 1}, {1, "a", 2}, {0, "b", 3}, {0, "b", 3}, {0, "a", 4}} {
			time.Sleep(step.wait)
			report(errors.New(step.cause), true)
			if n := strings.Count(text.String(), "level=WARN"); n != step.warnings {
				t.Errorf("%+v: %d warnings", step, n)
			}
		}
		if strings.Count(text.String(), "using_old_list=true") != 7 {
			t.Errorf("%s", &text)
		}
	})
}
