package browser

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// LogoutOrigin keeps other sites from logging users out with a form or an image. It
// returns an error if another site caused the request, and true if a page of the
// application or the address bar did. Some requests reveal neither: browsers from
// before 2023 send no Sec-Fetch-Site, and with Referrer-Policy: no-referrer they send
// neither Referer nor Origin. A link in another program is sent with Sec-Fetch-Site:
// none, as a typed address is, but without Sec-Fetch-User.
func LogoutOrigin(r *http.Request, site Base) (known bool, err error) {
	if r.Method == http.MethodPost {
		err := CheckOrigin(r, site)
		if err != nil && r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "null" && CallerOf(r).SeesPage() {
			return false, nil
		}
		return err == nil, err
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" && mode != "navigate" {
		return false, fmt.Errorf("GET that is not a navigation: Sec-Fetch-Mode is %.20q", mode)
	}
	switch fetchSite := r.Header.Get("Sec-Fetch-Site"); fetchSite {
	case "same-origin":
		return true, nil
	case "none":
		return r.Header.Get("Sec-Fetch-User") == "?1", nil
	case "":
	default:
		return false, fmt.Errorf("GET that is not a navigation within the application: Sec-Fetch-Site is %.20q", fetchSite)
	}
	from := r.Header.Get("Origin")
	if from == "" || from == "null" {
		from = r.Header.Get("Referer")
	}
	switch {
	case from == site.Origin || strings.HasPrefix(from, site.Origin+"/"):
		return true, nil
	case from == "" && CallerOf(r).SeesPage():
		return false, nil
	}
	return false, fmt.Errorf("GET of which neither Origin nor Referer names the application")
}

// CheckOrigin rejects a request that can change state if a page of another origin
// caused it. Other base URLs of the application count as other origins, because their
// pages can belong to other customers.
func CheckOrigin(r *http.Request, site Base) error {
	guard := http.NewCrossOriginProtection()
	// A proxy may have changed the Host that the origin is compared with.
	if err := guard.AddTrustedOrigin(site.Origin); err != nil {
		return err
	}
	if err := guard.Check(r); err != nil {
		return err
	}
	// The guard compares no schemes. An Origin with another scheme is therefore
	// accepted only if the browser reports same-origin.
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
	if origin := r.Header.Get("Origin"); origin != "" && origin != site.Origin && !safe && r.Header.Get("Sec-Fetch-Site") != "same-origin" {
		return fmt.Errorf("the Origin header is %.100q, which differs from the origin of the site", origin)
	}
	return nil
}

// CheckUpgrade rejects an upgrade to another protocol if a page of another origin
// requested it. It is for a program that does not know its own origin. Browsers
// always send Origin with the handshake of a WebSocket (RFC 6455, Section 4.1).
func CheckUpgrade(r *http.Request) error {
	if r.Header.Get("Sec-Fetch-Site") == "same-origin" {
		return nil
	}
	origins := r.Header["Origin"]
	if len(origins) == 1 && r.Header.Get("Sec-Fetch-Site") == "" {
		if u, err := url.Parse(origins[0]); err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host) {
			return nil
		}
	}
	return fmt.Errorf("a request to upgrade from the origin %.100q", origins)
}
