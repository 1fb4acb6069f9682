package auth0

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/refresh"
)

// A Connection is a way to log in: a user database, a social or enterprise
// identity provider, or a code by e-mail or text message. Its texts come from
// the tenant; write them with a package that escapes, such as html/template.
type Connection struct {
	// Name identifies the connection in the tenant.
	Name string
	// Strategy is the kind, such as "auth0" for a database, "google-oauth2" or
	// "samlp". There may be kinds that this package does not know.
	Strategy string
	// DisplayName is what a person knows it by, as in "Continue with Google".
	DisplayName string
	// IconURL is an https URL, or empty.
	IconURL string
	// DomainAliases are the e-mail domains of the people who use it.
	DomainAliases []string
	// LoginURL is the path, on this site, that logs in with it. In
	// [Config].Connections it is not used.
	LoginURL string
}

// GetConnections returns the connections to show as buttons on a login page:
// those that are enabled for the application and can be buttons. The list has
// a stable order (databases, then codes by e-mail and text message, social
// providers, enterprises) and belongs to the caller.
//
// It comes from the first of these that there is: [Config].Connections; the
// Management API, for which the application needs the scopes read:connections
// and read:clients, and read:connections_options for icons and domains; and
// the public client file, if [Config].ConfigurationBaseURL is set.
//
// The list is fetched once and kept for five minutes. While the tenant cannot
// be asked, or has had enough, the last list is returned for up to a day, and
// the log says why. If there is none, the error says what to do. A page should
// then show one button that leads to the login route; the tenant lets people
// choose.
//
// With WithOrganization, the list is that of the organization, which needs the
// scope read:organization_connections, and read:organizations if it is named.
// An instance asks for the lists of at most 10 organizations in a second, and 50
// at once, since names may come from anybody.
// That and WithReturnTo, WithLoginHint, WithPrompt, WithScreenHint and
// WithUILocales become part of each LoginURL; other options are an error.
func (s *Strategy) GetConnections(ctx context.Context, opts ...LoginOption) ([]Connection, error) {
	a, query, err := s.linkOptions(opts)
	if err != nil {
		return nil, asError("connections", err)
	}
	known, err := s.connections.get(ctx, cmp.Or(a.organization, s.organization))
	if err != nil {
		return nil, asError("connections", err)
	}
	var buttons []Connection
	for _, k := range known {
		if k.button {
			buttons = append(buttons, s.connections.public(k, query))
		}
	}
	return buttons, nil
}

// ConnectionForEmail returns the enterprise connection that an e-mail address
// belongs to by its domain, and false if there is none. It takes the same
// options as [Strategy.GetConnections], whose list, and also connections that
// are not shown as buttons, it looks through.
func (s *Strategy) ConnectionForEmail(ctx context.Context, email string, opts ...LoginOption) (Connection, bool, error) {
	a, query, err := s.linkOptions(opts)
	if err != nil {
		return Connection{}, false, asError("connections", err)
	}
	local, domain, ok := strings.Cut(email, "@")
	domain = strings.ToLower(domain)
	// One @ only: with two, it is not clear which part is the domain.
	if !ok || local == "" || domain == "" || strings.Contains(domain, "@") {
		return Connection{}, false, nil
	}
	known, err := s.connections.get(ctx, cmp.Or(a.organization, s.organization))
	if err != nil {
		return Connection{}, false, asError("connections", err)
	}
	for _, k := range known {
		if slices.Contains(k.DomainAliases, domain) {
			if query.Get("login_hint") == "" {
				query.Set("login_hint", email)
			}
			return s.connections.public(k, query), true, nil
		}
	}
	return Connection{}, false, nil
}

// linkOptions turns the options that the login route takes from its query into
// that query.
func (s *Strategy) linkOptions(opts []LoginOption) (*authRequest, url.Values, error) {
	if err := s.ready(); err != nil {
		return nil, nil, err
	}
	a, err := newAuthRequest(opts)
	if err != nil {
		return nil, nil, refuseLoginOption.wrap(err)
	}
	query := url.Values{}
	for name, values := range a.params {
		if !slices.Contains([]string{"organization", "login_hint", "prompt", "screen_hint", "ui_locales"}, name) {
			return nil, nil, refuseLoginOption.because("the login route does not take %s from a link; give the option to LoginHandler", name)
		}
		query[name] = values
	}
	if a.scopes != nil || a.appState != nil || a.popup != nil {
		return nil, nil, refuseLoginOption.because("scopes, pop-ups and state of the application cannot be part of a link; give the option to LoginHandler")
	}
	if a.returnTo != "" {
		query.Set("returnTo", a.returnTo)
	}
	return a, query, nil
}

// A knownConnection is one with what decides where it is offered.
type knownConnection struct {
	Connection
	id     string
	button bool
}

// connectionLists are the connections of the application, and of organizations.
type connectionLists struct {
	static    []knownConnection // of Config.Connections, nil without
	loginPath string

	management *managementAPI // nil if there is no tenant to ask
	// asking bounds the lists of organizations: their names may come from anybody.
	asking *outbound
	file   *clientFile // nil if not configured
	all    *refresh.Value[[]knownConnection]
	byOrg  *refresh.Group[[]knownConnection]
}

func newConnectionLists(p *problems, c Config, s *Strategy) *connectionLists {
	l := &connectionLists{asking: newOutbound(organizationsPerSecond, organizationsBurst)}
	if len(s.sites.List) > 0 {
		l.loginPath = s.sites.List[0].Path + c.LoginPath
	}
	if c.Connections != nil {
		l.static = []knownConnection{}
	}
	for _, given := range c.Connections {
		if given.Name == "" || slices.ContainsFunc(l.static, func(k knownConnection) bool { return k.Name == given.Name }) {
			p.add("Connections", "has the name %q, which is empty or there twice", given.Name)
		}
		l.static = append(l.static, knownConnection{Connection: described(given), button: true})
	}
	distinguish(l.static)

	l.management = newManagementAPI(p, c, s)
	l.file = newClientFile(p, c, s)
	policy := refresh.Policy{
		Timeout:    15 * time.Second, // several calls of 3 s
		MinBackoff: 5 * time.Second, MaxBackoff: time.Minute, MaxRetryAfter: 10 * time.Minute,
		Failed: func(err error, stale bool) {
			s.log.Warn("auth0: connections cannot be listed", "err", clip(err.Error()), "using_old_list", stale)
		},
	}
	life := refresh.Life{Due: 5 * time.Minute, Stale: 24 * time.Hour}
	l.all = refresh.New(func(ctx context.Context) ([]knownConnection, refresh.Life, error) {
		list, err := l.fetch(ctx)
		return list, life, err
	}, policy)
	l.byOrg = refresh.NewGroup(100, func(org string) *refresh.Value[[]knownConnection] {
		return refresh.New(func(ctx context.Context) ([]knownConnection, refresh.Life, error) {
			list, err := l.fetchOrg(ctx, org)
			return list, life, err
		}, policy)
	})
	return l
}

func (l *connectionLists) get(ctx context.Context, org string) ([]knownConnection, error) {
	switch {
	case l.static != nil:
		return l.static, nil
	case org != "":
		return l.byOrg.Value(org).Get(ctx)
	}
	return l.all.Get(ctx)
}

// mayBe reports whether a name may be that of a connection: whether it is on
// the list if there is one at hand, else whether it could be a name at all. It
// asks nobody.
func (l *connectionLists) mayBe(name, org string) bool {
	if name == "" {
		return false
	}
	list, ok := l.static, l.static != nil
	if !ok {
		list, ok = l.all.Peek()
	}
	if !ok {
		return isConnectionName(name)
	}
	named := func(k knownConnection) bool { return k.Name == name }
	if slices.ContainsFunc(list, named) {
		return true
	}
	if org != "" {
		// An organization may have connections that the application has not.
		list, ok := l.byOrg.Peek(org)
		return !ok && isConnectionName(name) || slices.ContainsFunc(list, named)
	}
	return false
}

// isConnectionName is wider than what the Management API lets one create today:
// old connections have other names.
func isConnectionName(name string) bool {
	return len(name) <= 128 && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
}

// public returns what a caller gets, sharing nothing with the cache.
func (l *connectionLists) public(k knownConnection, query url.Values) Connection {
	c := k.Connection
	c.DomainAliases = slices.Clone(c.DomainAliases)
	link := url.Values{"connection": {c.Name}}
	for name, values := range query {
		link[name] = values
	}
	c.LoginURL = l.loginPath + "?" + link.Encode()
	return c
}

// fetch asks the sources in turn. An error has what every one of them said.
func (l *connectionLists) fetch(ctx context.Context) ([]knownConnection, error) {
	var errs []error
	if l.management == nil {
		errs = append(errs, errNoTenant)
	} else {
		list, err := l.management.clientConnections(ctx)
		if err == nil {
			return arranged(list), nil
		}
		errs = append(errs, err)
	}
	if l.file != nil {
		list, err := l.file.connections(ctx)
		if err == nil {
			return arranged(list), nil
		}
		errs = append(errs, err)
	}
	return nil, connectionsUnavailable(errs)
}

func (l *connectionLists) fetchOrg(ctx context.Context, org string) ([]knownConnection, error) {
	if l.management == nil {
		return nil, connectionsUnavailable([]error{errNoTenant})
	}
	if err := l.asking.take(); err != nil {
		e := refuseConnections.wrap(err)
		e.RetryAfter = asError("connections", err).RetryAfter
		return nil, e
	}
	list, err := l.management.organizationConnections(ctx, org)
	if err != nil {
		l.asking.settle(err)
		return nil, connectionsUnavailable([]error{err})
	}
	// The organization's list has names only. What the application's list knows
	// more is welcome and not needed.
	known, _ := l.all.Get(ctx)
	for i, k := range list {
		for _, full := range known {
			if full.id == k.id && full.id != "" {
				list[i].Connection = full.Connection
			}
		}
	}
	return arranged(list), nil
}

var errNoTenant = errors.New("Config.Domain is a URL, or there is no client secret; if it is a tenant of Auth0, set Config.TenantDomain, or give its host name as Config.Domain; without Config.ClientSecret, set Config.ManagementClientID and its secret")

func connectionsUnavailable(errs []error) error {
	const help = "to list connections, allow the application the scopes read:connections and read:clients (and read:connections_options for icons and domains) of the Management API; or list them in Config.Connections; or set Config.ConfigurationBaseURL"
	err := errors.Join(errs...)
	e := refuseConnections.wrap(err)
	if answered, ok := errors.AsType[tenantError](err); ok {
		e = answered.as(refuseConnections)
	}
	e.Err = errors.Join(errors.New(help), err)
	return e
}

// arranged puts a list into the order in which it is shown.
func arranged(list []knownConnection) []knownConnection {
	slices.SortFunc(list, func(a, b knownConnection) int {
		return cmp.Or(
			cmp.Compare(kindOf(a.Strategy), kindOf(b.Strategy)),
			cmp.Compare(strings.ToLower(a.DisplayName), strings.ToLower(b.DisplayName)),
			cmp.Compare(a.Name, b.Name),
		)
	})
	distinguish(list)
	return list
}

// distinguish adds the name where two connections would read the same.
func distinguish(list []knownConnection) {
	count := map[string]int{}
	for _, k := range list {
		count[k.DisplayName]++
	}
	for i, k := range list {
		if count[k.DisplayName] > 1 && k.DisplayName != k.Name {
			list[i].DisplayName = fmt.Sprintf("%s (%s)", k.DisplayName, k.Name)
		}
	}
}

// described fills in what a person knows the connection by.
func described(c Connection) Connection {
	if c.DisplayName == "" {
		c.DisplayName = strategies[c.Strategy].display
	}
	if c.DisplayName == "" {
		c.DisplayName = c.Name
	}
	if origin, err := discovery.Origin(c.IconURL); err != nil || !strings.HasPrefix(origin, "https:") {
		c.IconURL = "" // not to be put into a page
	}
	aliases := make([]string, 0, len(c.DomainAliases))
	for _, alias := range c.DomainAliases {
		if alias = strings.ToLower(strings.TrimSpace(alias)); alias != "" && !slices.Contains(aliases, alias) {
			aliases = append(aliases, alias)
		}
	}
	c.DomainAliases = aliases
	return c
}

// A managementAPI asks the tenant's Management API. All of it is below the
// tenant's own domain, also the token: the API refuses tokens that a custom
// domain has issued.
type managementAPI struct {
	client   *http.Client
	base     string // with a slash at the end
	clientID string // of the application whose connections are asked for
	token    *refresh.Value[ownToken]
}

func newManagementAPI(p *problems, c Config, s *Strategy) *managementAPI {
	tenant := s.namespace
	if c.TenantDomain != "" {
		var own problems
		if tenant = newNamespace(&own, c.TenantDomain); len(own.errs) > 0 {
			p.add("TenantDomain", "%q is not a domain such as acme.eu.auth0.com", c.TenantDomain)
		}
	} else if tenant.static == nil {
		return nil // some other provider
	}
	m := &managementAPI{client: s.client, base: strings.TrimSuffix(tenant.base, "/") + "/", clientID: c.ClientID}
	if (c.ManagementClientID == "") != (c.ManagementClientSecret == "") {
		p.add("ManagementClientID", "and ManagementClientSecret go together")
	}
	a := *s.application
	if c.ManagementClientID != "" {
		a.id, a.authentication = c.ManagementClientID, ClientSecretPost(c.ManagementClientSecret)
	}
	if c.TenantDomain != "" {
		tenant.base, tenant.static = m.base, auth0Layout(m.base)
		tenant.discoverWith(&problems{}, s.client, c.EndpointOrigins, s.log)
		a.namespace = &tenant
	}
	m.token = a.clientCredentials(ClientCredentials{Audience: m.base + "api/v2/"})
	return m
}

// get asks for one document. A token that is refused is replaced once: it may
// have been issued before the application was allowed more.
func (m *managementAPI) get(ctx context.Context, path string, query url.Values, out any) error {
	resp, err := m.send(ctx, http.MethodGet, path, query, nil)
	if err != nil {
		return err
	}
	return readAnswer(resp, out)
}

// A listed connection has, of what the Management API sends, only what is used.
// Options hold secrets of identity providers, so nothing else is taken over.
type listedConnection struct {
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

// lenient keeps the zero value if the JSON has another type: options differ by
// strategy, and none of them is worth losing the list.
type lenient[T any] struct{ value T }

func (l *lenient[T]) UnmarshalJSON(b []byte) error {
	var v T
	if json.Unmarshal(b, &v) == nil {
		l.value = v
	}
	return nil
}

func (c listedConnection) known() knownConnection {
	aliases := c.Options.DomainAliases.value
	if kindOf(c.Strategy) == enterprise && c.Options.TenantDomain.value != "" {
		aliases = append(aliases, c.Options.TenantDomain.value)
	}
	return knownConnection{
		Connection: described(Connection{Name: c.Name, Strategy: c.Strategy, DisplayName: c.DisplayName, IconURL: c.Options.IconURL.value, DomainAliases: aliases}),
		id:         c.ID,
		// An enterprise is found by the domain of an address, unless its button
		// was asked for.
		button: kindOf(c.Strategy) != enterprise || c.ShowAsButton != nil && *c.ShowAsButton,
	}
}

// clientConnections lists the connections of the application that one can log
// in with. Those that only lend their tokens (authentication.active is false)
// are left out.
func (m *managementAPI) clientConnections(ctx context.Context) ([]knownConnection, error) {
	const maxPages = 50
	var list []knownConnection
	query := url.Values{"take": {"100"}, "fields": {"id,name,display_name,strategy,show_as_button,authentication,options"}, "include_fields": {"true"}}
	for range maxPages {
		var page struct {
			Connections []listedConnection `json:"connections"`
			Next        string             `json:"next"`
		}
		if err := m.get(ctx, "clients/"+url.PathEscape(m.clientID)+"/connections", query, &page); err != nil {
			return nil, err
		}
		if page.Connections == nil {
			return nil, fmt.Errorf("the list of connections is not one")
		}
		for _, c := range page.Connections {
			if c.Name != "" && (c.Authentication.Active == nil || *c.Authentication.Active) {
				list = append(list, c.known())
			}
		}
		if page.Next == "" || page.Next == query.Get("from") {
			return list, nil
		}
		query.Set("from", page.Next)
	}
	return nil, fmt.Errorf("the list of connections has more than %d pages", maxPages)
}

// organizationConnections lists the connections of an organization, given by
// id or name. There, an enterprise is a button unless that was turned off.
func (m *managementAPI) organizationConnections(ctx context.Context, org string) ([]knownConnection, error) {
	if !strings.HasPrefix(org, "org_") {
		var found struct {
			ID string `json:"id"`
		}
		if err := m.get(ctx, "organizations/name/"+url.PathEscape(strings.ToLower(org)), nil, &found); err != nil {
			return nil, err
		}
		org = found.ID
	}
	const perPage, maxPages = 100, 10 // the API lists no more than 1,000
	var list []knownConnection
	for page := range maxPages {
		var answer struct {
			Enabled []struct {
				ID           string           `json:"connection_id"`
				ShowAsButton *bool            `json:"show_as_button"`
				Connection   listedConnection `json:"connection"`
			} `json:"enabled_connections"`
			Total int `json:"total"`
		}
		query := url.Values{"page": {fmt.Sprint(page)}, "per_page": {fmt.Sprint(perPage)}, "include_totals": {"true"}}
		if err := m.get(ctx, "organizations/"+url.PathEscape(org)+"/enabled_connections", query, &answer); err != nil {
			return nil, err
		}
		for _, e := range answer.Enabled {
			k := e.Connection.known()
			k.id = e.ID
			k.button = e.ShowAsButton == nil || *e.ShowAsButton
			list = append(list, k)
		}
		if len(answer.Enabled) < perPage || len(list) >= answer.Total {
			break
		}
	}
	return list, nil
}

// A clientFile reads the public file in which a tenant describes an
// application to Auth0's Lock. There is no promise about it, so it is used only
// where it was asked for.
type clientFile struct {
	client *http.Client
	url    string
}

func newClientFile(p *problems, c Config, s *Strategy) *clientFile {
	if c.ConfigurationBaseURL == "" {
		return nil
	}
	if _, err := discovery.Origin(c.ConfigurationBaseURL); err != nil || strings.ContainsAny(c.ConfigurationBaseURL, "?#") {
		p.add("ConfigurationBaseURL", "%q is not a URL such as https://cdn.eu.auth0.com", c.ConfigurationBaseURL)
	}
	return &clientFile{client: s.client, url: strings.TrimSuffix(c.ConfigurationBaseURL, "/") + "/client/" + url.PathEscape(c.ClientID) + ".js"}
}

func (f *clientFile) connections(ctx context.Context) ([]knownConnection, error) {
	const perCall = 3 * time.Second
	ctx, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url, nil)
	if err != nil {
		return nil, errors.New("unusable URL of the client file")
	}
	resp, err := fetch.Do(f.client, r)
	if err != nil {
		return nil, err
	}
	if resp.Status != http.StatusOK {
		return nil, tenantError{status: resp.Status, description: "no client file; is Config.ConfigurationBaseURL that of the tenant's region?", retryAfter: fetch.RetryAfter(resp.Header, time.Now())}
	}
	return parseClientFile(resp.Body)
}

// parseClientFile reads the argument of the one function call in the file. It
// is not run.
func parseClientFile(body []byte) ([]knownConnection, error) {
	text := string(body)
	const call = "Auth0.setClient("
	start, end := strings.Index(text, call), strings.LastIndexByte(text, ')')
	if start < 0 || end < start+len(call) {
		return nil, fmt.Errorf("the client file has no %s...)", call)
	}
	var doc struct {
		Strategies []struct {
			Name        string `json:"name"`
			Connections []struct {
				Name          string            `json:"name"`
				DisplayName   lenient[string]   `json:"display_name"`
				Domain        lenient[string]   `json:"domain"`
				DomainAliases lenient[[]string] `json:"domain_aliases"`
			} `json:"connections"`
		} `json:"strategies"`
	}
	if json.Unmarshal([]byte(text[start+len(call):end]), &doc) != nil || doc.Strategies == nil {
		return nil, fmt.Errorf("the client file has an unexpected form")
	}
	list := []knownConnection{}
	for _, s := range doc.Strategies {
		for _, c := range s.Connections {
			aliases := c.DomainAliases.value
			if c.Domain.value != "" {
				aliases = append(aliases, c.Domain.value)
			}
			if c.Name == "" {
				continue
			}
			list = append(list, knownConnection{
				Connection: described(Connection{Name: c.Name, Strategy: s.Name, DisplayName: c.DisplayName.value, DomainAliases: aliases}),
				// The file does not say whether an enterprise has a button. One that
				// is found by its domains needs none.
				button: kindOf(s.Name) != enterprise || len(aliases) == 0,
			})
		}
	}
	return list, nil
}

// A kind groups strategies, in the order in which they are shown.
type kind int

const (
	database kind = iota
	passwordless
	social
	enterprise
)

func kindOf(strategy string) kind {
	if s, ok := strategies[strategy]; ok {
		return s.kind
	}
	return social
}

// strategies are those that Auth0 has or had, and what people call them. Those
// without a name are as many things as there are connections of them.
var strategies = map[string]struct {
	kind    kind
	display string
}{
	"auth0": {database, "Username and password"},

	"email": {passwordless, "Email"},
	"sms":   {passwordless, "SMS"},

	"amazon":               {social, "Amazon"},
	"apple":                {social, "Apple"},
	"aol":                  {social, "Aol"},
	"baidu":                {social, "百度"},
	"bitbucket":            {social, "Bitbucket"},
	"bitly":                {social, "Bitly"},
	"box":                  {social, "Box"},
	"daccount":             {social, "d ACCOUNT"},
	"dropbox":              {social, "Dropbox"},
	"dwolla":               {social, "Dwolla"},
	"ebay":                 {social, "ebay"},
	"evernote":             {social, "Evernote"},
	"evernote-sandbox":     {social, "Evernote (sandbox)"},
	"exact":                {social, "Exact"},
	"facebook":             {social, "Facebook"},
	"fitbit":               {social, "Fitbit"},
	"github":               {social, "GitHub"},
	"google-oauth2":        {social, "Google"},
	"google-openid":        {social, "Google OpenId"},
	"instagram":            {social, "Instagram"},
	"line":                 {social, "Line"},
	"linkedin":             {social, "LinkedIn"},
	"oauth1":               {social, ""},
	"oauth2":               {social, ""},
	"paypal":               {social, "PayPal"},
	"paypal-sandbox":       {social, "PayPal Sandbox"},
	"planningcenter":       {social, "Planning Center"},
	"salesforce":           {social, "Salesforce"},
	"salesforce-community": {social, "Salesforce Community"},
	"salesforce-sandbox":   {social, "Salesforce (sandbox)"},
	"shop":                 {social, "Shop"},
	"shopify":              {social, "Shopify"},
	"soundcloud":           {social, "Soundcloud"},
	"thecity":              {social, "The City"},
	"thecity-sandbox":      {social, "The City (sandbox)"},
	"thirtysevensignals":   {social, "Basecamp"},
	"twitter":              {social, "X"},
	"untappd":              {social, "Untappd"},
	"vkontakte":            {social, "vKontakte"},
	"weibo":                {social, "新浪微博"},
	"windowslive":          {social, "Microsoft"},
	"wordpress":            {social, "Wordpress"},
	"yahoo":                {social, "Yahoo!"},
	"yandex":               {social, "Yandex"},

	"ad":           {enterprise, "AD / LDAP"},
	"adfs":         {enterprise, "ADFS"},
	"auth0-adldap": {enterprise, "AD/LDAP"},
	"auth0-oidc":   {enterprise, "Auth0 OpenID Connect"},
	"custom":       {enterprise, "Custom Auth"},
	"google-apps":  {enterprise, "Google Workspace"},
	"ip":           {enterprise, "IP Address"},
	"mscrm":        {enterprise, "Dynamics CRM"},
	"office365":    {enterprise, "Office365"},
	"oidc":         {enterprise, "OpenID Connect"},
	"okta":         {enterprise, "Okta Workforce"},
	"pingfederate": {enterprise, "Ping Federate"},
	"samlp":        {enterprise, "SAML"},
	"sharepoint":   {enterprise, "SharePoint Apps"},
	"waad":         {enterprise, "Microsoft Entra ID"},
}
