// Package directory lists the connections with which users log in to an application
// or an organization. It reads the sources of these lists, caches them, sorts the
// connections and adds display names.
//
// The package knows neither the routes and options of a login nor the visitor's texts
// for an error.
package directory

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/cached"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/ratelimit"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// An Entry is a connection. Its fields are those of the public type Connection in
// the same order, so that one converts to the other.
type Entry struct {
	Name          string
	Strategy      string
	DisplayName   string
	IconURL       string
	DomainAliases []string
	LoginURL      string // for the caller; this package leaves it empty
}

// An Item is an entry of a list.
type Item struct {
	Entry
	// Button reports whether a login page shows the connection as a button. An
	// enterprise connection is often found by the domain of an email address instead.
	Button bool

	id string // at the tenant, empty if the source omits it
}

// A Config names the sources of lists.
type Config struct {
	// Given is the configured list. If it is not nil, it is the only source, and its
	// order stays.
	Given []Entry

	// ClientID is the client_id of the application.
	ClientID string
	// Get reads documents of the Management API. It is nil without a tenant of Auth0.
	Get Getter
	// FileBase is the URL below which the tenant publishes client files, empty to
	// disable them. Client requests the file.
	FileBase string
	Client   *http.Client
	// Failed is called after each failed fetch, and learns whether a stale list
	// serves meanwhile.
	Failed func(err error, stale bool)
}

// A List holds the connections of the application, and of organizations. Create it
// with [New].
type List struct {
	config Config
	given  []Item // nil if none are configured
	all    *cached.Value[[]Item]
	byOrg  *cached.Group[[]Item]
	unread unread // of all; only its fetch uses it, and one runs at a time
	// asking limits the requests for the lists of organizations. Strangers can cause
	// them, because they choose the name.
	asking *ratelimit.Limit
}

// maxOrganizations bounds the lists of organizations in the cache.
const maxOrganizations = 100

const (
	due, duePerPage = 5 * time.Minute, 30 * time.Second
	stale           = 24 * time.Hour
	// turn is the time limit of one reading of the application's list, for all
	// callers.
	turn = 5 * time.Minute
)

// patience is how long a caller waits for a list.
func (l *List) patience() time.Duration {
	return fetch.Limit(l.config.Client, 15*time.Second, 5)
}

// New checks a configuration and returns a List. It makes no request.
func New(report func(field, format string, args ...any), c Config) *List {
	l := &List{config: c, asking: ratelimit.Organizations()}
	for i, given := range c.Given {
		if given.Name == "" || slices.ContainsFunc(c.Given[:i], func(e Entry) bool { return e.Name == given.Name }) {
			report("Connections", "has the name %q, which is empty or repeated", given.Name)
		}
	}
	if _, err := discovery.Origin(c.FileBase); c.FileBase != "" && (err != nil || strings.ContainsAny(c.FileBase, "?#")) {
		report("ConfigurationBaseURL", "%q is not a URL such as https://cdn.eu.auth0.com%s", c.FileBase, discovery.Because(err))
	}
	if c.Given != nil {
		l.given = []Item{}
		for _, e := range c.Given {
			l.given = append(l.given, Item{Entry: describe(e), Button: true})
		}
		distinguishNames(l.given)
	}
	policy := cached.Policy{
		Timeout:    l.patience(), // several calls of 3 s
		MinBackoff: 5 * time.Second, MaxBackoff: time.Minute, MaxRetryAfter: 10 * time.Minute,
		Failed: c.Failed,
	}
	l.byOrg = cached.NewGroup(maxOrganizations, func(org string) *cached.Value[[]Item] {
		return cached.New(func(ctx context.Context) ([]Item, cached.Life, error) {
			list, err := l.fetchOrg(ctx, org)
			return list, cached.Life{Due: due, Stale: stale}, err
		}, policy)
	})
	policy.Timeout = turn
	l.all = cached.New(func(ctx context.Context) ([]Item, cached.Life, error) {
		list, pages, err := l.fetch(ctx)
		// A list with many pages costs many requests, so it is read less often.
		return list, cached.Life{Due: max(due, time.Duration(pages)*duePerPage), Stale: stale}, err
	}, policy)
	return l
}

// Get returns the connections of an organization, given by id or name, or of the
// application if org is empty. The list is shared: callers must not change it.
func (l *List) Get(ctx context.Context, org string) ([]Item, error) {
	switch {
	case l.given != nil:
		return l.given, nil
	case org != "":
		return l.byOrg.Value(org).Get(ctx)
	}
	waiting, cancel := context.WithTimeoutCause(ctx, l.patience(), errBeingRead)
	defer cancel()
	list, err := l.all.Get(waiting)
	if err == errBeingRead {
		err = unavailable(err)
	}
	return list, err
}

// ForEmail returns the connection that has the domain of an email address, and reports
// whether there is one. Org is as for [List.Get].
func (l *List) ForEmail(ctx context.Context, org, email string) (Entry, bool, error) {
	local, domain, ok := strings.Cut(email, "@")
	domain = strings.ToLower(domain)
	// One @ only: with two, the domain is ambiguous.
	if !ok || local == "" || domain == "" || strings.Contains(domain, "@") {
		return Entry{}, false, nil
	}
	list, err := l.Get(ctx, org)
	if err != nil {
		return Entry{}, false, err
	}
	for _, item := range list {
		if slices.Contains(item.DomainAliases, domain) {
			return item.Entry, true, nil
		}
	}
	return Entry{}, false, nil
}

var errBeingRead = errors.New("the list of connections is long or the tenant is slow; it is being read, and will be there in a moment")

// CouldBe reports whether a connection can have the name: whether a cached list
// contains it, or, without a cached list, whether the name is well-formed. It makes
// no request.
func (l *List) CouldBe(name, org string) bool {
	if name == "" {
		return false
	}
	list, ok := l.given, l.given != nil
	if !ok {
		list, ok = l.all.Peek()
	}
	if !ok {
		return syntax.IsConnectionName(name)
	}
	named := func(i Item) bool { return i.Name == name }
	if slices.ContainsFunc(list, named) {
		return true
	}
	if org != "" {
		// An organization can have connections that the application lacks.
		list, ok := l.byOrg.Peek(org)
		return !ok && syntax.IsConnectionName(name) || slices.ContainsFunc(list, named)
	}
	return false
}

// fetch asks the sources in turn. The error joins the errors of the sources.
func (l *List) fetch(ctx context.Context) (list []Item, pages int, err error) {
	var errs []error
	if l.config.Get == nil {
		errs = append(errs, errNoTenant)
	} else {
		list, pages, err := l.ofClient(ctx)
		if err == nil {
			return sorted(list), pages, nil
		}
		errs = append(errs, err)
	}
	if l.config.FileBase != "" {
		list, err := l.ofFile(ctx)
		if err == nil {
			return sorted(list), 1, nil
		}
		errs = append(errs, err)
	}
	return nil, 0, unavailable(errs[0], errs[1:]...)
}

func (l *List) fetchOrg(ctx context.Context, org string) ([]Item, error) {
	if l.config.Get == nil {
		return nil, unavailable(errNoTenant)
	}
	if err := l.asking.Take(); err != nil {
		held, _ := errors.AsType[*refusal.Refusal](err)
		return nil, refusal.Connections.Later(held.RetryAfter, err)
	}
	list, err := l.ofOrganization(ctx, org)
	if err != nil {
		l.asking.Settle(err)
		return nil, unavailable(err)
	}
	// The organization's list has names only. The application's list adds icons and
	// domains. Without it, the names suffice.
	known, _ := l.all.Get(ctx)
	for i, item := range list {
		for _, full := range known {
			if full.id == item.id && full.id != "" {
				list[i].Entry = full.Entry
			}
		}
	}
	return sorted(list), nil
}

var errNoList = errors.New("the list of connections is not one")
