// Package environment reads the settings of an application from the variables of its
// process, under the names of Auth0's samples and under their older names.
//
// The package does not know what a value means, or whether it is usable.
package environment

import (
	"cmp"
	"errors"
	"net/url"
	"strings"
)

// Settings are the values of the variables, empty for those that are not set.
type Settings struct {
	Domain, TenantDomain, ClientID, ClientSecret, BaseURL, Audience string

	SigningKey       string   // of private_key_jwt, in PEM form
	SigningAlgorithm string   // of private_key_jwt
	CallbackPath     string   // of AUTH0_CALLBACK_URL, if that is the base URL too
	Secrets          []string // of AUTH0_SECRET

	DomainName, BaseName string // the variables that Domain and BaseURL come from
}

// Read reads the settings. An older name counts if the newer one has no value.
func Read(getenv func(string) string) Settings {
	s := Settings{
		Domain: getenv("AUTH0_DOMAIN"), DomainName: "AUTH0_DOMAIN",
		BaseURL: getenv("APP_BASE_URL"), BaseName: "APP_BASE_URL",
		TenantDomain:     getenv("AUTH0_TENANT_DOMAIN"),
		ClientID:         getenv("AUTH0_CLIENT_ID"),
		ClientSecret:     getenv("AUTH0_CLIENT_SECRET"),
		Audience:         getenv("AUTH0_AUDIENCE"),
		SigningKey:       getenv("AUTH0_CLIENT_ASSERTION_SIGNING_KEY"),
		SigningAlgorithm: cmp.Or(getenv("AUTH0_CLIENT_ASSERTION_SIGNING_ALG"), "RS256"),
	}
	for secret := range strings.SplitSeq(getenv("AUTH0_SECRET"), ",") {
		if secret = strings.TrimSpace(secret); secret != "" {
			s.Secrets = append(s.Secrets, secret)
		}
	}
	if older := getenv("AUTH0_ISSUER_BASE_URL"); s.Domain == "" && older != "" {
		// Older samples put an https URL of an Auth0 tenant there, not of another provider.
		s.Domain, s.DomainName = strings.TrimSuffix(strings.TrimPrefix(older, "https://"), "/"), "AUTH0_ISSUER_BASE_URL"
	}
	if older := getenv("AUTH0_BASE_URL"); s.BaseURL == "" && older != "" {
		s.BaseURL, s.BaseName = older, "AUTH0_BASE_URL"
	}
	if u, err := url.Parse(getenv("AUTH0_CALLBACK_URL")); s.BaseURL == "" && err == nil && u.Host != "" {
		s.BaseURL, s.CallbackPath, s.BaseName = u.Scheme+"://"+u.Host, u.Path, "AUTH0_CALLBACK_URL"
	}
	return s
}

// Missing returns an error for each variable that every application needs and that is not
// set. It adds the client secret only to others, because not every application needs it.
func (s Settings) Missing() (errs []error) {
	for _, v := range []struct {
		name    string
		missing bool
	}{
		{"AUTH0_DOMAIN is not set", s.Domain == ""},
		{"AUTH0_CLIENT_ID is not set", s.ClientID == ""},
		{"AUTH0_SECRET is not set; make a value with: openssl rand -hex 32 (other SDKs call it AUTH0_SESSION_SECRET or SESSION_SECRET)", len(s.Secrets) == 0},
		{"APP_BASE_URL is not set", s.BaseURL == ""},
	} {
		if v.missing {
			errs = append(errs, errors.New("auth0: environment variable "+v.name))
		}
	}
	if len(errs) > 0 && s.ClientSecret == "" && s.SigningKey == "" {
		// A developer who has to set variables sees all of them together.
		errs = append(errs, errors.New("auth0: environment variable AUTH0_CLIENT_SECRET is not set; most applications need it"))
	}
	return errs
}
