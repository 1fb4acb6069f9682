// Package emulator is a tenant that behaves like Auth0 and runs inside a
// process: login pages, tokens, keys, logout, the parts of the Management API
// and of the My Account API that relying parties use, and switches for the
// faults that a relying party must survive.
//
// A [Tenant] is an [http.Handler]. It never listens and starts no goroutine, so
// it works equally behind a TCP listener with a real browser, behind an
// in-process transport, and inside a testing/synctest bubble.
//
// It answers with the statuses, error codes, texts and document shapes of
// Auth0, including those that differ from the RFCs (403 for invalid_grant, 401
// access_denied for a failed client authentication). Where a third party would
// log the user in, a page that says it is simulated stands in for it.
//
// The tenant is for tests and local demonstrations. It keeps passwords in clear
// text and prints one-time codes on its own pages.
//
// The package does not know the library: it imports no other package of the
// module, so that an error in the library cannot be repeated here.
package emulator

// A Tenant behaves like an Auth0 tenant. All methods are safe for concurrent
// use.
//
// It has no state itself: each group of endpoints is a small type with its state
// and pointers to the groups that it uses. The groups with methods for tests are
// embedded.
type Tenant struct {
	*site
	*router
	*directory
	*browserSessions
	*keys
	*tokens
	*refreshTokens
	*tokenExchange
	*pushedRequests
	*backchannel
	*mailbox
	*secondFactors
	*faults
	*possession
	*settings
}

// New returns a tenant with two signing keys and no other content.
func New(cfg Config) (*Tenant, error) {
	site, err := newSite(cfg)
	if err != nil {
		return nil, err
	}
	pages, err := newPages(site)
	if err != nil {
		return nil, err
	}
	return assemble(site, pages), nil
}

// assemble makes the groups of a tenant, each after those that it uses.
func assemble(site *site, pages *pages) *Tenant {
	faults := newFaults(site, pages)
	settings := &settings{site: site}
	directory := &directory{site: site, data: newData(), accounts: newBounded[thirdParty](maxStored)}
	keys := &keys{site: site, directory: directory, faults: faults, ring: newKeyring(site.host, site.cfg.Seed)}
	sessions := &browserSessions{site: site, directory: directory, faults: faults, open: newBounded[session](maxStored)}
	tokens := &tokens{site: site, directory: directory, faults: faults, keys: keys, opaque: newBounded[grant](maxStored)}
	refreshTokens := &refreshTokens{site: site, directory: directory, settings: settings, tokens: tokens, refresh: newBounded[refreshToken](maxStored)}
	possession := newPossession(site)
	clientAuth := &clientAuth{site: site, directory: directory, assertions: newBounded[struct{}](maxStored)}

	// The login in the browser.
	views := &views{site: site, directory: directory, pages: pages}
	requests := &requests{site: site, directory: directory, faults: faults, settings: settings}
	responses := &responses{site: site, pages: pages, settings: settings, tokens: tokens, codes: newBounded[authorizationCode](maxStored)}
	flow := &loginFlow{site: site, sessions: sessions, directory: directory, faults: faults, pages: pages, requests: requests, responses: responses,
		logins: newBounded[transaction](maxStored), consents: newBounded[[]string](maxStored)}
	pushed := &pushedRequests{site: site, on: site.cfg.Discovery == Enterprise, waiting: newBounded[pushedRequest](maxStored)}
	providers := &providers{site: site, begun: newBounded[upstreamLogin](maxStored)}
	connector := &connector{site: site, directory: directory, faults: faults, pages: pages, providers: providers, views: views,
		connects: newBounded[connecting](maxStored), tickets: newBounded[string](maxStored)}
	upstreamLogins := &upstreamLogins{site: site, connector: connector, directory: directory, flow: flow, pages: pages, providers: providers}

	// The grant types.
	mailbox := &mailbox{site: site, sent: newBounded[sentCode](maxStored)}
	mfa := &secondFactors{site: site, clientAuth: clientAuth, directory: directory, mailbox: mailbox, refreshTokens: refreshTokens,
		pending: newBounded[mfaAttempt](maxStored)}
	codeGrants := &codeGrants{site: site, clientAuth: clientAuth, directory: directory, refreshTokens: refreshTokens, responses: responses, mfa: mfa,
		settings: settings, tokens: tokens}
	grantLogins := &grantLogins{refreshTokens: refreshTokens, requests: requests, mfa: mfa}
	passwordless := &passwordlessAPI{site: site, clientAuth: clientAuth, directory: directory, grantLogins: grantLogins, flow: flow, mailbox: mailbox,
		pages: pages, requests: requests, responses: responses}
	exchange := &tokenExchange{site: site, directory: directory, grantLogins: grantLogins, keys: keys, settings: settings, tokens: tokens}
	withheld := &withheld{site: site, clientAuth: clientAuth}
	tokenEndpoint := &tokenEndpoint{
		site: site, clientAuth: clientAuth, faults: faults, codeGrants: codeGrants, mfa: mfa, passwordless: passwordless, tokenExchange: exchange,
		passwords:  &passwords{site: site, directory: directory, grantLogins: grantLogins, attempts: newBounded[int](maxStored)},
		vault:      &vault{site: site, directory: directory, keys: keys, providers: providers, refreshTokens: refreshTokens},
		possession: possession, quotas: newBounded[quota](maxStored), withheld: withheld,
	}
	tokenEndpoint.grants = tokenEndpoint.grantTable()

	managementAPI := &managementAPI{site: site, directory: directory, keys: keys}
	managementAPI.operations = managementAPI.managementTable()
	router := &router{
		site: site, connector: connector, directory: directory, faults: faults, keys: keys, pages: pages,
		codeGrants: codeGrants, flow: flow, managementAPI: managementAPI, mfa: mfa, passwordless: passwordless,
		pushedRequests: pushed, tokenEndpoint: tokenEndpoint, upstreamLogins: upstreamLogins,
		authorizations: &authorizeEndpoint{site: site, flow: flow, pages: pages, pushedRequests: pushed, requests: requests, responses: responses, settings: settings},
		clientFiles:    &clientFiles{site: site, directory: directory},
		loginForms:     &loginForms{site: site, sessions: sessions, directory: directory, flow: flow, pages: pages, upstreamLogins: upstreamLogins, views: views},
		logoutAPI:      &logoutAPI{site: site, sessions: sessions, directory: directory, keys: keys, pages: pages, logouts: newBounded[logoutRequest](maxStored)},
		metadata:       &metadata{site: site, faults: faults, pushedRequests: pushed, settings: settings},
		myAccountAPI:   &myAccountAPI{site: site, connector: connector, directory: directory, keys: keys, possession: possession},
		parEndpoint:    &parEndpoint{site: site, clientAuth: clientAuth, pushedRequests: pushed, requests: requests},
		userinfoAPI:    &userinfoAPI{site: site, directory: directory, faults: faults, keys: keys, tokens: tokens, possession: possession},
		registration:   &registration{site: site, directory: directory, settings: settings, ids: newBounded[struct{}](maxRegistered)},
		withheld:       withheld,
	}
	router.routes = router.routeTable()
	return &Tenant{
		site: site, router: router, directory: directory, browserSessions: sessions, keys: keys, tokens: tokens, refreshTokens: refreshTokens,
		tokenExchange: exchange, pushedRequests: pushed, backchannel: &backchannel{sessions: sessions, directory: directory, tokens: tokens},
		mailbox: mailbox, secondFactors: mfa, faults: faults, possession: possession, settings: settings,
	}
}
