package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/tenantapi"
)

// A listed connection holds the members of the Management API's response that are used.
// The options contain secrets of identity providers, so no other member is decoded.
type listed struct {
	ID             string `json:"id"`
	Name           string `json:"name"`
	DisplayName    string `json:"display_name"`
	Strategy       string `json:"strategy"`
	ShowAsButton   *bool  `json:"show_as_button"`
	Authentication struct {
		Active *bool `json:"active"`
	} `json:"authentication"`
	Options struct {
		IconURL       lenient[string]   `json:"icon_url"`
		DomainAliases lenient[[]string] `json:"domain_aliases"`
		TenantDomain  lenient[string]   `json:"tenant_domain"`
	} `json:"options"`
}

// lenient keeps the zero value if the JSON has another type. Options differ by
// strategy, and a list without one of them is better than no list.
type lenient[T any] struct{ value T }

func (l *lenient[T]) UnmarshalJSON(b []byte) error {
	var v T
	if json.Unmarshal(b, &v) == nil {
		l.value = v
	}
	return nil
}

func (c listed) item() Item {
	aliases := c.Options.DomainAliases.value
	if kindOf(c.Strategy) == enterprise && c.Options.TenantDomain.value != "" {
		aliases = append(aliases, c.Options.TenantDomain.value)
	}
	return Item{
		Entry: describe(Entry{Name: c.Name, Strategy: c.Strategy, DisplayName: c.DisplayName, IconURL: c.Options.IconURL.value, DomainAliases: aliases}),
		id:    c.ID,
		// An enterprise connection is found by the domain of an email address, unless
		// the tenant requests a button.
		Button: kindOf(c.Strategy) != enterprise || c.ShowAsButton != nil && *c.ShowAsButton,
	}
}

// An unread is a partly read list of the application. The next fetch continues it.
type unread struct {
	begin time.Time
	list  []Item
	pages int
	from  string // the next page
}

const (
	maxPages = 200 // of 100 connections
	// keepUnread is how long the pages already read stay valid for the rest.
	keepUnread = 15 * time.Minute
)

// ofClient lists the connections of the application with which users can log in. It
// leaves out those for token access only (authentication.active is false). After a
// failure, the next call continues with the page that failed, unless the tenant has
// answered with a permanent error.
func (l *List) ofClient(ctx context.Context) ([]Item, int, error) {
	u := l.unread
	l.unread = unread{}
	if time.Now().Round(0).Sub(u.begin) > keepUnread {
		u = unread{begin: time.Now().Round(0)}
	}
	for u.pages < maxPages {
		last := u.from
		list, err := l.page(ctx, &u)
		if err != nil {
			if u.pages > 0 && isTemporary(err) {
				l.unread = u
				err = fmt.Errorf("%d pages of the list of connections are read, and the next one is not: %w", u.pages, err)
			}
			return nil, 0, err
		}
		u.list, u.pages = append(u.list, list...), u.pages+1
		if u.from == "" || u.from == last {
			return u.list, u.pages, nil
		}
	}
	return nil, 0, fmt.Errorf("the list of connections has more than %d pages; list the ones to show in Config.Connections", maxPages)
}

// page reads one page and notes the next one.
func (l *List) page(ctx context.Context, u *unread) ([]Item, error) {
	query := url.Values{"take": {"100"}, "fields": {"id,name,display_name,strategy,show_as_button,authentication,options"}, "include_fields": {"true"}}
	if u.from != "" {
		query.Set("from", u.from)
	}
	var page struct {
		Connections []listed `json:"connections"`
		Next        string   `json:"next"`
	}
	err := l.get(ctx, u.pages, "clients/"+url.PathEscape(l.config.ClientID)+"/connections", query, &page)
	if err == nil && page.Connections == nil {
		err = errNoList
	}
	if err != nil {
		return nil, err
	}
	u.from = page.Next
	return items(page.Connections), nil
}

// get reads the page with a number. If the tenant's rate limit interrupts a list, it
// waits as long as the tenant says.
func (l *List) get(ctx context.Context, number int, path string, query url.Values, out any) error {
	for {
		err := l.config.Get(ctx, path, query, out)
		if err == nil || number == 0 || !waitInTurn(ctx, err) {
			return err
		}
	}
}

func items(connections []listed) (list []Item) {
	for _, c := range connections {
		if c.Name != "" && (c.Authentication.Active == nil || *c.Authentication.Active) {
			list = append(list, c.item())
		}
	}
	return list
}

// waitInTurn waits after 429. It reports false for another error, or if ctx does not
// allow the wait.
func waitInTurn(ctx context.Context, err error) bool {
	e, answered := errors.AsType[*tenantapi.Error](err)
	if !answered || e.Status != http.StatusTooManyRequests {
		return false
	}
	wait := max(e.Wait, time.Second)
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return false
	}
	select {
	case <-time.After(wait):
		return true
	case <-ctx.Done():
		return false
	}
}

// isTemporary reports whether the same request can succeed later.
func isTemporary(err error) bool {
	if e, answered := errors.AsType[*tenantapi.Error](err); answered {
		return e.Temporary()
	}
	return !errors.Is(err, errNoList) && !errors.Is(err, tenantapi.ErrUnexpectedJSON)
}

// ofOrganization lists the connections of an organization, given by id or name. An
// enterprise connection has a button there, unless the organization turned it off.
func (l *List) ofOrganization(ctx context.Context, org string) ([]Item, error) {
	if !strings.HasPrefix(org, "org_") {
		var found struct {
			ID string `json:"id"`
		}
		if err := l.config.Get(ctx, "organizations/name/"+url.PathEscape(strings.ToLower(org)), nil, &found); err != nil {
			return nil, err
		}
		org = found.ID
	}
	const perPage, most = 100, 10 // the API lists no more than 1,000
	var list []Item
	for number := range most {
		var page struct {
			Enabled []struct {
				ID           string `json:"connection_id"`
				ShowAsButton *bool  `json:"show_as_button"`
				Connection   listed `json:"connection"`
			} `json:"enabled_connections"`
			Total int `json:"total"`
		}
		query := url.Values{"page": {fmt.Sprint(number)}, "per_page": {fmt.Sprint(perPage)}, "include_totals": {"true"}}
		if err := l.get(ctx, number, "organizations/"+url.PathEscape(org)+"/enabled_connections", query, &page); err != nil {
			return nil, err
		}
		for _, e := range page.Enabled {
			item := e.Connection.item()
			item.id = e.ID
			item.Button = e.ShowAsButton == nil || *e.ShowAsButton
			list = append(list, item)
		}
		if len(page.Enabled) < perPage || len(list) >= page.Total {
			break
		}
	}
	return list, nil
}

// ofFile reads the public file in which a tenant describes an application to Auth0's
// Lock. Auth0 does not document it, so it is a source only if configured.
func (l *List) ofFile(ctx context.Context) ([]Item, error) {
	const perCall = 3 * time.Second
	ctx, cancel := context.WithTimeout(ctx, fetch.Limit(l.config.Client, perCall, 1))
	defer cancel()
	location := strings.TrimSuffix(l.config.FileBase, "/") + "/client/" + url.PathEscape(l.config.ClientID) + ".js"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return nil, errors.New("unusable URL of the client file")
	}
	resp, err := fetch.Do(l.config.Client, r)
	if err != nil {
		return nil, err
	}
	if resp.Status != http.StatusOK {
		return nil, &tenantapi.Error{Status: resp.Status, Description: "no client file; does Config.ConfigurationBaseURL belong to the tenant's region?", Wait: fetch.RetryAfter(resp.Header, time.Now())}
	}
	return parseFile(resp.Body)
}

// parseFile reads the argument of the only function call in the file. It does not run
// the file.
func parseFile(body []byte) ([]Item, error) {
	text := string(body)
	const call = "Auth0.setClient("
	start, end := strings.Index(text, call), strings.LastIndexByte(text, ')')
	if start < 0 || end < start+len(call) {
		return nil, fmt.Errorf("the client file has no %s...)", call)
	}
	var doc struct {
		Strategies []struct {
			Name        string      `json:"name"`
			Connections []fileEntry `json:"connections"`
		} `json:"strategies"`
	}
	if json.Unmarshal([]byte(text[start+len(call):end]), &doc) != nil || doc.Strategies == nil {
		return nil, errors.New("the client file has an unexpected form")
	}
	list := []Item{}
	for _, s := range doc.Strategies {
		for _, c := range s.Connections {
			if c.Name != "" {
				list = append(list, c.item(s.Name))
			}
		}
	}
	return list, nil
}

// A fileEntry is a connection in a client file.
type fileEntry struct {
	Name          string            `json:"name"`
	DisplayName   lenient[string]   `json:"display_name"`
	Domain        lenient[string]   `json:"domain"`
	DomainAliases lenient[[]string] `json:"domain_aliases"`
}

func (c fileEntry) item(strategy string) Item {
	aliases := c.DomainAliases.value
	if c.Domain.value != "" {
		aliases = append(aliases, c.Domain.value)
	}
	return Item{
		Entry: describe(Entry{Name: c.Name, Strategy: strategy, DisplayName: c.DisplayName.value, DomainAliases: aliases}),
		// The file does not say whether an enterprise has a button. An enterprise
		// with domains does not need one.
		Button: kindOf(strategy) != enterprise || len(aliases) == 0,
	}
}
