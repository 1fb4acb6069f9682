// Package emulator is an Auth0-shaped tenant that runs inside a process: login
// pages, tokens, keys, logout, the parts of the Management API and of the My
// Account API that relying parties use, and switches for the faults that a
// relying party must survive.
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
// The package must not know the library: it imports no other package of the
// module, so that a mistake in the library cannot be repeated here.
package emulator

import (
	"context"
	"net/http"
	"time"
)

// A Variant is the shape of the discovery document, which differs by the age
// and the plan of a tenant.
type Variant string

const (
	Standard   Variant = ""           // a tenant created in 2026
	Enterprise Variant = "enterprise" // with pushed authorization requests and mTLS aliases
	Old        Variant = "old"        // without end_session_endpoint
)

// Config describes a tenant. Exactly one of Host and URL is required.
type Config struct {
	// Host is the name of a tenant that is reached through an in-process
	// transport, for example "acme.auth0.example". Its issuer is https://HOST/.
	Host string

	// URL is the base URL of a tenant that listens on an address, for example
	// "http://127.0.0.1:4001". The issuer is this URL with a trailing slash. A
	// path is allowed; requests must arrive with it.
	URL string

	// Discovery selects the discovery document.
	Discovery Variant

	// DefaultAudience is the API of requests that name none.
	DefaultAudience string

	// DefaultDirectory is the connection of password logins that name none.
	DefaultDirectory string

	// LogoutURLs are the tenant's own allowed logout URLs, which apply when a
	// logout request names no application.
	LogoutURLs []string

	// OrganizationNames allows names beside ids in the organization parameter,
	// and adds org_name to tokens.
	OrganizationNames bool

	// HideEnterpriseConnections omits enterprise connections that have domains
	// from the public client file.
	HideEnterpriseConnections bool

	// Upstream makes the requests to the providers of custom OAuth2 connections
	// and follows no redirects. Nil means a client with a timeout of 5 seconds.
	Upstream *http.Client

	// FetchUserProfile stands for running the fetchUserProfile script of a
	// connection, given an access token of its provider. Nil means that the
	// script is read for a URL, see [Connection].
	FetchUserProfile func(ctx context.Context, connection, accessToken string) (map[string]any, error)

	// Now is the clock of the tenant. Nil means time.Now.
	Now func() time.Time
}

// A Tenant is an Auth0-shaped tenant. All methods are safe for concurrent use.
//
// It has no state itself: each group of endpoints is a small type with the state
// that it owns and pointers to the groups that it uses. The groups with methods
// for tests are embedded.
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
}

// maxStored bounds everything that requests can make grow. The oldest entry
// makes room for the newest.
const maxStored = 1000

// maxBody bounds request bodies, which are read into memory.
const maxBody = 64 << 10

// New returns a tenant with two signing keys and nothing else in it.
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
