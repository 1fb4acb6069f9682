package site

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/returnto"
)

// Asked returns the path of a request as this process received it, escaped, and its
// query. Handlers such as [http.StripPrefix] change the URL of a request, so the
// request line counts. A request that was not read by a server has none.
func Asked(r *http.Request) (path, query string) {
	path, query, _ = strings.Cut(r.RequestURI, "?")
	if scheme, rest, ok := strings.Cut(path, "://"); ok && !strings.ContainsAny(scheme, "/") { // absolute-form, RFC 9112, Section 3.2.2
		_, path, _ = strings.Cut(rest, "/")
		path = "/" + path
	}
	if !strings.HasPrefix(path, "/") {
		return r.URL.EscapedPath(), r.URL.RawQuery
	}
	return path, query
}

// Here returns the path of a request as the browser sees it, with its query.
//
// A base URL with a path has a prefix. A proxy in front of the application removes it,
// or a handler in the application. After a handler the request line still has it.
func Here(base browser.Base, r *http.Request) string {
	path, query := Asked(r)
	prefix := base.Path
	if rewritten := path != r.URL.EscapedPath(); rewritten && (path == prefix || strings.HasPrefix(path, prefix+"/")) {
		prefix = ""
	}
	// The result begins with one slash, because a browser reads "//host" as a host.
	here := prefix + "/" + strings.TrimLeft(path, "/")
	if query = withoutMoved(query); query != "" {
		here += "?" + query
	}
	return here
}

// moved is the parameter of a URL to which a browser was sent from another host. It
// keeps a proxy that changes the Host header from causing a loop.
const moved = "from_other_host"

func withoutMoved(query string) string {
	if !strings.Contains(query, moved) {
		return query
	}
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		if part != moved+"=1" {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "&")
}

// OtherHost returns the target, a path with or without a query, at the base URL of a
// request that arrived at another host. It reports false if the host is right, or
// unknown.
//
// A login that starts at another host cannot end: the transaction cookie stays there,
// and the response goes to the base URL. Ports do not count, because cookies do not
// tell them apart (RFC 6265, Section 8.5). Nor does the scheme, which a proxy changes.
// With several base URLs the intended one is unknown.
//
// It sends no browser twice: the URL has a mark, and a request with the mark stays at
// its host. A proxy that puts another name into the Host header therefore costs one
// redirect and causes no loop.
func (s *Site) OtherHost(r *http.Request, target string) (string, bool) {
	if len(s.bases.List) != 1 || r.Host == "" {
		return "", false
	}
	base := s.bases.List[0]
	if s.isAt(base, r) {
		return "", false
	}
	s.log.Warn("auth0: a login starts at another host than the base URL; use one host in links, or set Config.BaseURL (APP_BASE_URL) to that host; "+
		"if a proxy changes the header Host, let it set X-Forwarded-Host", "host", fmt.Sprintf("%.100q", r.Host), "base_url", base.String())
	if _, query := Asked(r); query != withoutMoved(query) {
		return "", false
	}
	return base.Origin + returnto.AddQuery(target, moved+"=1"), true
}

// isAt reports whether a browser has reached the host of a base URL, as far as the
// request shows. Any client may set X-Forwarded-Host: one that forges it gets no
// redirect, and nothing else.
func (s *Site) isAt(base browser.Base, r *http.Request) bool {
	want := hostname(base.Host())
	if strings.EqualFold(hostname(r.Host), want) {
		return true
	}
	for _, line := range r.Header.Values("X-Forwarded-Host") {
		for host := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(hostname(strings.TrimSpace(host)), want) {
				return true
			}
		}
	}
	return false
}

// hostname returns a host without its port.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}

// OpenPage returns the open page during a request of a script or a form. It returns an
// empty text if that is unknown or is not a page of the application. htmx names it in
// its own header.
func (s *Site) OpenPage(base browser.Base, r *http.Request) string {
	for _, header := range []string{"HX-Current-URL", "Referer"} {
		if page, ok := s.Clean(base, r.Header.Get(header)); ok {
			return page
		}
	}
	return ""
}

// LoginPath returns the path of the login route, with the page to which the login
// returns. An empty page is the default one.
func (s *Site) LoginPath(base browser.Base, returnTo string) string {
	path := base.Path + s.Login
	if returnto.IsTooLong(returnTo) {
		returnTo = returnto.Page(returnTo)
	}
	if returnTo != "" && !returnto.IsTooLong(returnTo) && returnTo != s.Home(base) {
		path += "?returnTo=" + url.QueryEscape(returnTo)
	}
	return path
}

// WithQuery returns a path with another query. It leaves out values beyond the size of
// a URL.
func WithQuery(path string, values url.Values) string {
	path = returnto.Page(path)
	if query := values.Encode(); query != "" && len(query) <= maxQuery {
		path += "?" + query
	}
	return path
}

// maxQuery is the most bytes of a query made from a form. Proxies reject URLs from 8
// KiB on.
const maxQuery = 4096

// LoginRequired returns the refusal of a request that only a login can help, and names
// the login path to a script in headers: HX-Redirect, which htmx follows, and
// WWW-Authenticate. Browsers do not know the scheme of that challenge, so they show no
// dialog.
func LoginRequired(w http.ResponseWriter, r *http.Request, login string) error {
	Challenge(w, r, login, "")
	return refusal.LoginRequired.New()
}

// Challenge names the login path to a script in headers: in WWW-Authenticate, with
// further parameters, and for htmx in HX-Redirect.
func Challenge(w http.ResponseWriter, r *http.Request, login, parameters string) {
	w.Header().Set("WWW-Authenticate", `Session login="`+login+`"`+parameters)
	if browser.CallerOf(r) == browser.HTMX {
		w.Header().Set("HX-Redirect", login)
	}
}

// LoginFor returns the path of a login that returns the user to the requested page, or
// to the open page during a request of a script or a form.
func (s *Site) LoginFor(base browser.Base, r *http.Request) string {
	switch caller := browser.CallerOf(r); {
	case r.Method != http.MethodGet && r.Method != http.MethodHead, caller == browser.Script, caller == browser.HTMX && r.Header.Get("HX-Boosted") != "true":
		return s.LoginPath(base, s.OpenPage(base, r))
	case !caller.IsScript() && !browser.Navigates(r):
		// A frame has a page around it. A fetch has no Sec-Fetch headers at http addresses.
		if page := s.OpenPage(base, r); page != "" {
			return s.LoginPath(base, page)
		}
	}
	return s.LoginPath(base, Here(base, r))
}
