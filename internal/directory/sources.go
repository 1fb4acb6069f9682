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

// A listed connection has, of what the Management API sends, only what is used. The
// options contain secrets of identity providers, so no other member is decoded.
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
		// An enterprise is found by the domain of an email address, unless the
		// tenant asks for its button.
		Button: kindOf(c.Strategy) != enterprise || c.ShowAsButton != nil && *c.ShowAsButton,
	}
}

// ofClient lists the connections of the application with which users can log in. It
// leaves out those that only lend their tokens (authentication.active is false).
func (l *List) ofClient(ctx context.Context) ([]Item, error) {
	const maxPages = 50
	var list []Item
	query := url.Values{"take": {"100"}, "fields": {"id,name,display_name,strategy,show_as_button,authentication,options"}, "include_fields": {"true"}}
	for range maxPages {
		var page struct {
			Connections []listed `json:"connections"`
			Next        string   `json:"next"`
		}
		if err := l.config.Get(ctx, "clients/"+url.PathEscape(l.config.ClientID)+"/connections", query, &page); err != nil {
			return nil, err
		}
		if page.Connections == nil {
			return nil, errNoList
		}
		for _, c := range page.Connections {
			if c.Name != "" && (c.Authentication.Active == nil || *c.Authentication.Active) {
				list = append(list, c.item())
			}
		}
		if page.Next == "" || page.Next == query.Get("from") {
			return list, nil
		}
		query.Set("from", page.Next)
	}
	return nil, fmt.Errorf("the list of connections has more than %d pages", maxPages)
}

// ofOrganization lists the connections of an organization, given by id or name. An
// enterprise has a button there, unless the organization turned it off.
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
	const perPage, maxPages = 100, 10 // the API lists no more than 1,000
	var list []Item
	for number := range maxPages {
		var page struct {
			Enabled []struct {
				ID           string `json:"connection_id"`
				ShowAsButton *bool  `json:"show_as_button"`
				Connection   listed `json:"connection"`
			} `json:"enabled_connections"`
			Total int `json:"total"`
		}
		query := url.Values{"page": {fmt.Sprint(number)}, "per_page": {fmt.Sprint(perPage)}, "include_totals": {"true"}}
		if err := l.config.Get(ctx, "organizations/"+url.PathEscape(org)+"/enabled_connections", query, &page); err != nil {
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
// Lock. Auth0 does not document it, so it is a source only if it is configured.
func (l *List) ofFile(ctx context.Context) ([]Item, error) {
	const perCall = 3 * time.Second
	ctx, cancel := context.WithTimeout(ctx, perCall)
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

// parseFile reads the argument of the one function call in the file. The file is not
// run.
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
