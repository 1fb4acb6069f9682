package auth0

import (
	"cmp"
	"context"
	"maps"
	"net/url"
	"slices"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/directory"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/site"
)

// GetConnections returns the connections to show as buttons on a login page: the
// connections that are enabled for the application and can be buttons. The list has a
// stable order (databases, then codes by email and text message, social providers,
// enterprises) and belongs to the caller.
//
// The first available source supplies the list:
//   - [Config].Connections;
//   - the Management API, for which the application needs the scopes
//     read:connections and read:clients, and read:connections_options for icons and
//     domains;
//   - the public client file, if [Config].ConfigurationBaseURL is set.
//
// The list is cached for five minutes, or for half a minute per hundred connections if
// that is longer. While the tenant is unreachable or limits the request rate,
// GetConnections returns the last list for up to a day. A caller waits for at most 15
// seconds. A list that takes longer is read in the background, for later callers. The
// log has the cause once, so there is no need to log the error. Without a list, a page
// should show one button that leads to the login route, where the tenant lets users
// choose.
//
// [WithOrganization] selects the connections of that organization. It requires the
// scope read:organization_connections, and read:organizations if the option has a name
// instead of an id. An instance requests the lists of at most 10 organizations per
// second, and 50 at once, because anyone can send names. WithOrganization,
// [WithReturnTo], [WithLoginHint], [WithPrompt], [WithScreenHint] and [WithUILocales]
// become part of each LoginURL. Other options are an error.
func (s *Strategy) GetConnections(ctx context.Context, opts ...LoginOption) ([]Connection, error) {
	return op("connections", s, func() (buttons []Connection, err error) {
		organization, query, err := s.linkRequest(opts)
		if err != nil {
			return nil, err
		}
		list, err := s.connections.Get(ctx, organization)
		for _, item := range list {
			if item.Button {
				buttons = append(buttons, linked(s.site, item.Entry, query))
			}
		}
		return buttons, err
	})
}

// ConnectionForEmail returns the enterprise connection that has the domain of an
// email address, and false if there is none. It searches the list of
// [Strategy.GetConnections] and the connections without a button. It takes the same
// options.
func (s *Strategy) ConnectionForEmail(ctx context.Context, email string, opts ...LoginOption) (Connection, bool, error) {
	organization, query, err := s.linkRequest(opts)
	if err != nil {
		return Connection{}, false, asError("connections", err)
	}
	entry, found, err := s.connections.ForEmail(ctx, organization, email)
	if err != nil {
		return Connection{}, false, asError("connections", err)
	}
	if !found {
		return Connection{}, false, nil
	}
	if query.Get("login_hint") == "" {
		query.Set("login_hint", email)
	}
	return linked(s.site, entry, query), true, nil
}

// linkRequest returns the organization of a link to the login route, and its query.
func (s *Strategy) linkRequest(opts []LoginOption) (organization string, query url.Values, err error) {
	if err := s.ready(); err != nil {
		return "", nil, err
	}
	a, err := authrequest.New(optionsOf(opts)...)
	if err != nil {
		return "", nil, refusal.LoginOption.Wrap(err)
	}
	query, err = a.Link()
	return cmp.Or(a.Organization(), s.organization), query, err
}

// linked returns a copy of a connection for a caller, with its LoginURL. It shares
// nothing with the cache.
func linked(at *site.Site, e directory.Entry, query url.Values) Connection {
	c := Connection(e)
	c.DomainAliases = slices.Clone(c.DomainAliases)
	link := maps.Clone(query)
	link.Set("connection", c.Name)
	c.LoginURL = at.All()[0].Path + at.Login + "?" + link.Encode()
	return c
}
