package emulator

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// A site is what every group knows of the tenant: its configuration, its
// address, its clock and its lock.
type site struct {
	cfg    Config
	base   string // issuer without its trailing slash
	path   string // path of the base URL, "" or "/tenant-less"
	host   string
	secure bool
	now    func() time.Time
	forms  http.CrossOriginProtection

	mu sync.Mutex // guards the state of all groups
}

func newSite(cfg Config) (*site, error) {
	base, err := baseURL(cfg)
	if err != nil {
		return nil, err
	}
	switch cfg.Discovery {
	case Standard, Enterprise, Old:
	default:
		return nil, fmt.Errorf("tenant: Config.Discovery %q is not a known variant", cfg.Discovery)
	}
	s := &site{
		cfg:    cfg,
		base:   strings.TrimSuffix(base.String(), "/"),
		path:   strings.TrimSuffix(base.Path, "/"),
		host:   base.Host,
		secure: base.Scheme == "https",
		now:    cfg.Now,
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s, nil
}

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

// Issuer returns the issuer identifier, which ends with a slash.
func (s *site) Issuer() string { return s.base + "/" }

func (s *site) userinfoAudience() string { return s.base + "/userinfo" }

func (s *site) managementAudience() string { return s.base + "/api/v2/" }

func (s *site) accountAudience() string { return s.base + "/me/" }

func (s *site) upstreamRedirectURI() string { return s.base + "/login/callback" }

// pageURL returns the URL of a page of the transaction, for the browser.
func (s *site) pageURL(path string, tx transaction, connection string) string {
	query := url.Values{"state": {tx.id}}
	if connection != "" && connection != tx.req.connection {
		query.Set("connection", connection)
	}
	return s.path + path + "?" + query.Encode()
}

// pictureOf returns the user's picture, which by default is one that the tenant
// draws, so that pages of demonstrations show pictures without the internet.
func (s *site) pictureOf(u *storedUser) string {
	return cmp.Or(u.Picture, s.base+"/avatars/"+url.PathEscape(initials(u.Name))+".svg")
}
