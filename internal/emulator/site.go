package emulator

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A site is the part of the tenant that every group has: configuration, address,
// clock and lock.
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

// Issuer returns the issuer identifier, which ends with a slash.
func (s *site) Issuer() string { return s.base + "/" }

func (s *site) userinfoAudience() string { return s.base + "/userinfo" }

func (s *site) managementAudience() string { return s.base + "/api/v2/" }

func (s *site) accountAudience() string { return s.base + "/me/" }

// provesPossession reports whether the tenant has DPoP, as newer ones do.
func (s *site) provesPossession() bool { return s.cfg.Discovery != Old }

// aliasBase is the base URL of the mTLS aliases (RFC 8705, Section 5).
func (s *site) aliasBase() string { return strings.Replace(s.base, "://", "://mtls.", 1) }

func (s *site) upstreamRedirectURI() string { return s.base + "/login/callback" }
