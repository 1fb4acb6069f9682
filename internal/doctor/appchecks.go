package doctor

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
)

// largeCookie is about the size of large session cookies of an application without a
// store. Proxies with default settings reject request headers from 8 KiB on.
const largeCookie = 6 << 10

// checkApplication begins a login at the running application, through its proxy.
func (k known) checkApplication(ctx context.Context) (known, Finding) {
	if k.AppURL == "" {
		return k, skip("Not requested: -app URL checks a running application.")
	}
	app, err := browser.NewBase(k.AppURL, true)
	if err != nil {
		return k, fail("The URL of -app " + err.Error() + ".")
	}
	location := app.URL(cmp.Or(k.LoginPath, "/auth/login"))
	resp, err := k.network.get(ctx, location, nil, nil)
	if err != nil {
		return k, fail(location+" does not answer: "+cause(err), do("Start the application, and look whether it listens at "+app.Host()+"."))
	}
	if found, bad := k.checkLoginRoute(app, location, resp); bad {
		return k, found
	}
	large, err := k.network.get(ctx, location, nil, http.Header{"Cookie": {"auth0_doctor=" + strings.Repeat("x", largeCookie)}})
	if err != nil || large.Status != resp.Status {
		return k, warn("A request with cookies of 6 KiB does not reach the application.",
			do("Raise the limit of the proxy for request headers (nginx: large_client_header_buffers), or keep sessions in a Store."))
	}
	return k, ok(location + " begins a login.")
}

// checkLoginRoute reads the answer of the login route.
func (k known) checkLoginRoute(app browser.Base, location string, resp *fetch.Response) (found Finding, bad bool) {
	to, err := url.Parse(resp.Header.Get("Location"))
	switch {
	case resp.Status == http.StatusBadRequest && app.Host() != k.base.Host():
		return fail("The application rejects the host "+app.Host()+" (status 400).", do("The host of this URL is not in BaseURLs: add "+app.String()+" to Config.BaseURLs, "+
			"or let the proxy pass on the host of the request.")), true
	case resp.Status == http.StatusBadGateway:
		return fail("The proxy answered status 502.", do("The application does not run, or the proxy rejects response headers over 4 or 8 KiB: raise proxy_buffer_size.")), true
	case resp.Status == http.StatusNotFound:
		return fail(location+" is not there (status 404).", do(`Mount strategy.Handler() at "/auth/". For another path of the login, use -login.`)), true
	case resp.Status < 300 || resp.Status > 399 || err != nil:
		return fail(fmt.Sprintf("%s answered status %d and no redirect.", location, resp.Status), do("Look at the log of the application, or use -login for another path.")), true
	case to.Host != k.host():
		return fail(location+" redirects to "+cmp.Or(to.Host, to.Path)+" and not to the tenant.",
			do("Use the URL at which browsers reach the application. If the application has another AUTH0_DOMAIN, check that one.")), true
	}
	return k.checkLoginRequest(app, to.Query(), resp)
}

// checkLoginRequest compares the login of the application with the settings. A pushed
// authorization request hides its parameters.
func (k known) checkLoginRequest(app browser.Base, query url.Values, resp *fetch.Response) (found Finding, bad bool) {
	id, callback := query.Get("client_id"), query.Get("redirect_uri")
	switch {
	case id != k.Settings.ClientID:
		return fail("The application has another client ID.", do("Set AUTH0_CLIENT_ID to the same value for the application and for the doctor.")), true
	case callback != "" && callback != k.callback:
		return fail("The application has the callback URL "+callback+" and not "+k.callback,
			do("Set APP_BASE_URL to the same value for both. For another path of the callback, use -callback.")), true
	}
	return checkCookie(app, resp)
}

// checkCookie looks for the cookie of the login transaction. A browser drops one with the
// prefix __Host- unless it is Secure and has the root as its path (RFC 6265bis).
func checkCookie(app browser.Base, resp *fetch.Response) (found Finding, bad bool) {
	for _, line := range resp.Header.Values("Set-Cookie") {
		c, err := http.ParseSetCookie(line)
		if err != nil || !strings.Contains(c.Name, "_txn_") {
			continue
		}
		switch {
		case app.IsSecure() && !c.Secure:
			return fail("The login cookie is not Secure.", do("Set APP_BASE_URL of the application to its https URL, or let the proxy leave the cookie as it is.")), true
		case strings.HasPrefix(c.Name, "__Host-") && (!c.Secure || c.Path != "/" || c.Domain != ""):
			return fail("The proxy changed the login cookie, so browsers drop it.", do("Let the proxy leave Path, Domain and Secure of cookies as they are (nginx: proxy_cookie_path, proxy_cookie_flags).")), true
		case app.IsSecure() && !strings.HasPrefix(c.Name, "__Host-"):
			return warn("The login cookie does not have the prefix __Host-.", do("Without it, a sibling host can set the cookie. Remove Config.CookieName, or the rule of the proxy that renames cookies.")), true
		}
		return Finding{}, false
	}
	return fail("The login cookie is missing: the proxy dropped Set-Cookie.", do("Let the proxy pass on Set-Cookie, and do not cache /auth/. For a header over 8 KiB, raise proxy_buffer_size.")), true
}
