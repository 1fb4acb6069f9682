package browser

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// LogoutOrigin keeps other sites from logging people out, be it with a form or with
// an image. It reports whether the request is known to be meant: the error is for
// one that another site has caused. Of some requests neither is known. Browsers of
// before 2023 send no Sec-Fetch-Site, and with Referrer-Policy: no-referrer neither
// Referer nor Origin. A link in a program that is no browser comes with
// Sec-Fetch-Site: none, as what is typed does, but without Sec-Fetch-User.
func LogoutOrigin(r *http.Request, site Base) (known bool, err error) {
	if r.Method == http.MethodPost {
		err := CheckOrigin(r, site)
		if err != nil && r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "null" && MayShowPage(r) {
			return false, nil
		}
		return err == nil, err
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" && mode != "navigate" {
		return false, fmt.Errorf("GET that is no navigation: Sec-Fetch-Mode is %.20q", mode)
	}
	switch fetchSite := r.Header.Get("Sec-Fetch-Site"); fetchSite {
	case "same-origin":
		return true, nil
	case "none":
		return r.Header.Get("Sec-Fetch-User") == "?1", nil
	case "":
	default:
		return false, fmt.Errorf("GET that is no navigation within the application: Sec-Fetch-Site is %.20q", fetchSite)
	}
	from := r.Header.Get("Origin")
	if from == "" || from == "null" {
		from = r.Header.Get("Referer")
	}
	switch {
	case from == site.Origin || strings.HasPrefix(from, site.Origin+"/"):
		return true, nil
	case from == "" && MayShowPage(r):
		return false, nil
	}
	return false, fmt.Errorf("GET of which neither Origin nor Referer names the application")
}

// CheckOrigin refuses requests that may change something and that a page of
// another origin has caused. Only the site of the request is its origin: the pages
// of other base URLs may be those of other customers.
func CheckOrigin(r *http.Request, site Base) error {
	guard := http.NewCrossOriginProtection()
	// A proxy may have changed the Host that the origin is compared with.
	if err := guard.AddTrustedOrigin(site.Origin); err != nil {
		return err
	}
	if err := guard.Check(r); err != nil {
		return err
	}
	// The guard does not compare schemes, where the browser does not say itself
	// that the origin is the same.
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
	if origin := r.Header.Get("Origin"); origin != "" && origin != site.Origin && !safe && r.Header.Get("Sec-Fetch-Site") != "same-origin" {
		return fmt.Errorf("the Origin header is %.100q, which differs from the origin of the site", origin)
	}
	return nil
}

// CheckUpgrade is for a program that does not know its own origin. Which page a
// handshake comes from, the browser always says (RFC 6455, Section 4.1).
func CheckUpgrade(r *http.Request) error {
	if r.Header.Get("Sec-Fetch-Site") == "same-origin" {
		return nil
	}
	origins := r.Header["Origin"]
	if len(origins) == 1 {
		if u, err := url.Parse(origins[0]); err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host) && r.Header.Get("Sec-Fetch-Site") == "" {
			return nil
		}
	}
	return fmt.Errorf("a request to upgrade from the origin %.100q", origins)
}
