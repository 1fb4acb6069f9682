package emulator

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
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

	// Seed makes the signing keys and their ids the same in every run, also those of
	// later rotations. Anybody who knows the seed can sign. Empty means random keys.
	Seed string

	// Now is the clock of the tenant. Nil means time.Now.
	Now func() time.Time
}

// maxStored bounds everything that requests can make grow. The oldest entry
// makes room for the newest.
const maxStored = 1000

// maxBody bounds request bodies, which are read into memory.
const maxBody = 64 << 10

func baseURL(cfg Config) (*url.URL, error) {
	switch {
	case (cfg.Host == "") == (cfg.URL == ""):
		return nil, errors.New("tenant: exactly one of Config.Host and Config.URL is required")
	case cfg.Host != "":
		u, err := url.Parse("https://" + cfg.Host)
		if err != nil || u.Host != cfg.Host || u.Hostname() == "" || strings.ToLower(cfg.Host) != cfg.Host {
			return nil, fmt.Errorf("tenant: Config.Host %q is not a lower-case host name", cfg.Host)
		}
		return u, nil
	default:
		u, err := url.Parse(cfg.URL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" ||
			u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.RawPath != "" {
			return nil, fmt.Errorf("tenant: Config.URL %q is not an http or https base URL", cfg.URL)
		}
		return u, nil
	}
}
