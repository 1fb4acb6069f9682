package emulator

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// An Endpoint names a part of the tenant for switches and counters.
type Endpoint string

const (
	Discovery  Endpoint = "discovery"
	JWKS       Endpoint = "jwks"
	Authorize  Endpoint = "authorize"
	Pages      Endpoint = "pages" // the pages that follow /authorize
	PAR        Endpoint = "par"   // pushed authorization requests
	Token      Endpoint = "token"
	UserInfo   Endpoint = "userinfo"
	Revoke     Endpoint = "revoke"
	Logout     Endpoint = "logout" // both /v2/logout and /oidc/logout
	Management Endpoint = "management"
	ClientFile Endpoint = "clientfile"
	MFA        Endpoint = "mfa" // /mfa/authenticators and /mfa/challenge

	Passwordless Endpoint = "passwordless" // /passwordless/start
	MyAccount    Endpoint = "account"      // the My Account API
)

// faults holds the switches and the counters.
type faults struct {
	*site
	pages *pages

	calls   map[Endpoint]int
	last    map[Endpoint]*http.Request
	status  map[Endpoint]int
	delays  map[Endpoint]time.Duration
	replace map[Endpoint]http.HandlerFunc
	limits  map[Endpoint]limit
	buckets *bounded[bucket]

	lastToken url.Values
	automatic string // subject of LogIn
	denial    *oauthError

	editIDToken, editAccessToken TokenEdit
	editTokenResponse            func(status *int, body map[string]any)
	editDiscovery, editJWKS      func(doc map[string]any)
}

func newFaults(site *site, pages *pages) *faults {
	return &faults{
		site:    site,
		pages:   pages,
		calls:   map[Endpoint]int{},
		last:    map[Endpoint]*http.Request{},
		status:  map[Endpoint]int{},
		delays:  map[Endpoint]time.Duration{},
		replace: map[Endpoint]http.HandlerFunc{},
		limits:  map[Endpoint]limit{},
		buckets: newBounded[bucket](maxStored),
	}
}

// set changes a switch under the lock.
func (sw *faults) set(change func(*faults)) {
	sw.mu.Lock()
	defer sw.mu.Unlock()
	change(sw)
}

// Calls returns how many requests have reached the endpoint, including those
// that it rejected.
func (sw *faults) Calls(e Endpoint) int {
	sw.mu.Lock()
	defer sw.mu.Unlock()
	return sw.calls[e]
}

// LastRequest returns a copy, without the body, of the last request to the
// endpoint. It is nil before the first.
func (sw *faults) LastRequest(e Endpoint) *http.Request {
	sw.mu.Lock()
	defer sw.mu.Unlock()
	if r := sw.last[e]; r != nil {
		return r.Clone(context.Background())
	}
	return nil
}

// LastTokenRequest returns the parameters of the last token request. A
// client_id from the Authorization header is among them.
func (sw *faults) LastTokenRequest() url.Values {
	sw.mu.Lock()
	defer sw.mu.Unlock()
	return maps.Clone(sw.lastToken)
}

// Fail makes every response of the endpoint have the status, until it is called
// with 0. The body is Auth0's for that status: JSON, text or a page, and for 5xx
// the HTML of an edge server. 429 comes with Retry-After and x-ratelimit headers.
func (sw *faults) Fail(e Endpoint, status int) { sw.set(func(f *faults) { f.status[e] = status }) }

// Delay makes the endpoint wait before it answers, or until the request is
// canceled.
func (sw *faults) Delay(e Endpoint, d time.Duration) { sw.set(func(f *faults) { f.delays[e] = d }) }

// Replace makes h answer instead of the endpoint. Nil restores it.
func (sw *faults) Replace(e Endpoint, h http.HandlerFunc) {
	sw.set(func(f *faults) { f.replace[e] = h })
}

// LimitRate gives the endpoint a bucket of burst requests, which gains one per
// refill. At [UserInfo] every user has a bucket; Auth0's is LimitRate(UserInfo,
// 10, 12*time.Second). A burst of 0 removes the limit.
func (sw *faults) LimitRate(e Endpoint, burst int, refill time.Duration) {
	sw.set(func(f *faults) {
		f.limits[e] = limit{burst, refill}
		f.buckets = newBounded[bucket](maxStored)
	})
}

// EditIDToken changes every ID token just before it is signed. Nil restores.
func (sw *faults) EditIDToken(edit TokenEdit) { sw.set(func(f *faults) { f.editIDToken = edit }) }

// EditAccessToken changes every JWT access token just before it is signed. Nil
// restores.
func (sw *faults) EditAccessToken(edit TokenEdit) {
	sw.set(func(f *faults) { f.editAccessToken = edit })
}

// EditTokenResponse changes every answer of the token endpoint, errors
// included. Nil restores.
func (sw *faults) EditTokenResponse(edit func(status *int, body map[string]any)) {
	sw.set(func(f *faults) { f.editTokenResponse = edit })
}

// EditDiscovery changes the discovery document. Nil restores.
func (sw *faults) EditDiscovery(edit func(doc map[string]any)) {
	sw.set(func(f *faults) { f.editDiscovery = edit })
}

// EditJWKS changes the key set, whose "keys" are a []map[string]any. Nil restores.
func (sw *faults) EditJWKS(edit func(doc map[string]any)) {
	sw.set(func(f *faults) { f.editJWKS = edit })
}

// DenyNext makes the next authorization request, or the next account that is
// to be connected, come back with the error. The empty code takes that back.
func (sw *faults) DenyNext(code, description string) {
	denial := &oauthError{code, description}
	if code == "" {
		denial = nil
	}
	sw.set(func(f *faults) { f.denial = denial })
}

// takeDenial returns the error of DenyNext, once.
func (sw *faults) takeDenial(req *authorization, _ url.Values) *oauthError {
	if req.pushing {
		return nil // the browser has yet to come
	}
	return sw.nextDenial()
}

func (sw *faults) nextDenial() *oauthError {
	sw.mu.Lock()
	defer sw.mu.Unlock()
	denial := sw.denial
	sw.denial = nil
	return denial
}

func (sw *faults) observe(e Endpoint, r *http.Request) {
	seen := r.Clone(context.Background())
	seen.Body = http.NoBody
	sw.set(func(f *faults) {
		f.calls[e]++
		f.last[e] = seen
	})
}

func (sw *faults) recordTokenRequest(form url.Values, clientID string) {
	seen := maps.Clone(form)
	if clientID != "" {
		seen["client_id"] = []string{clientID}
	}
	sw.set(func(f *faults) { f.lastToken = seen })
}

// interfere applies the switches, and reports whether the request is answered.
func (sw *faults) interfere(w http.ResponseWriter, r *http.Request, e Endpoint) (answered bool) {
	sw.mu.Lock()
	delay, replacement, status := sw.delays[e], sw.replace[e], sw.status[e]
	sw.mu.Unlock()
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return true
		}
	}
	if replacement != nil {
		replacement(w, r)
		return true
	}
	if e != UserInfo && !sw.spend(w, e, "") { // there, the bucket is the user's
		return true
	}
	if status != 0 {
		sw.fail(w, e, validStatus(status))
		return true
	}
	return false
}

// validStatus replaces a status at which net/http panics.
func validStatus(status int) int {
	if status < 200 || status > 599 {
		return http.StatusInternalServerError
	}
	return status
}

// fail answers with a status as Auth0 does, or the edge server in front of it.
func (sw *faults) fail(w http.ResponseWriter, e Endpoint, status int) {
	text := http.StatusText(status)
	if status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
		setRateHeaders(w, 10, 0, sw.now().Add(time.Second))
		if authenticates(e) {
			setPolicyHeader(w, limit{10, time.Second}, 0)
		}
	}
	switch {
	case status < 400:
		w.WriteHeader(status)
	case status >= 500:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<html>\r\n<head><title>%d %s</title></head>\r\n<body>\r\n<center><h1>%[1]d %[2]s</h1></center>\r\n<hr><center>edge</center>\r\n</body>\r\n</html>\r\n", status, text)
	case status == http.StatusTooManyRequests:
		sw.tooMany(w, e)
	case e == Management:
		writeJSON(w, status, apiError{Status: status, Message: text})
	case e == MyAccount:
		writeJSON(w, status, newProblem(strconv.Itoa(status)+"-0001", status, text))
	case authenticates(e):
		writeJSON(w, status, failedGrant(status))
	case e == Authorize || e == Pages || e == Logout:
		sw.pages.errorPage(w, pageError{status, text, "The tenant refuses this request."})
	default:
		writeText(w, status, text)
	}
}

func failedGrant(status int) oauthError {
	switch status {
	case http.StatusBadRequest:
		return oauthError{"invalid_request", "Bad Request"}
	case http.StatusUnauthorized:
		return oauthError{"access_denied", "Unauthorized"}
	case http.StatusForbidden:
		return oauthError{"invalid_grant", "Forbidden"}
	case http.StatusNotFound:
		return oauthError{"endpoint_disabled", "Not Found"}
	}
	return oauthError{"invalid_request", http.StatusText(status)}
}

// tooMany writes the 429 of an endpoint.
func (sw *faults) tooMany(w http.ResponseWriter, e Endpoint) {
	const status = http.StatusTooManyRequests
	switch e {
	case Management:
		writeJSON(w, status, apiError{Status: status, Message: "Global limit has been reached", Code: "too_many_requests"})
	case MyAccount:
		w.Header().Set("X-Auth0-Error-Kind", "global-rate-limit")
		writeJSON(w, status, newProblem("429-0001", status, "Global limit has been reached"))
	case Token, Revoke, PAR, MFA, Passwordless:
		writeJSON(w, status, oauthError{"too_many_requests", "Rate limit exceeded."})
	case Authorize, Pages, Logout:
		sw.pages.errorPage(w, pageError{status, "Too Many Requests", "Rate limit exceeded. Try again in a moment."})
	default:
		writeText(w, status, "Too Many Requests")
	}
}

// A limit is the size of a bucket and the time in which it gains one request.
type limit struct {
	burst  int
	refill time.Duration
}

// A bucket holds the requests that are left, as of a time.
type bucket struct {
	left float64
	at   time.Time
}

// spend takes one request from the bucket, or answers 429. The rate headers are
// set where Auth0 always sends them, and wherever there is a limit.
func (sw *faults) spend(w http.ResponseWriter, e Endpoint, who string) bool {
	now := sw.now()
	sw.mu.Lock()
	l, key := sw.limits[e], string(e)+"\x00"+who
	if l.burst <= 0 {
		sw.mu.Unlock()
		if e == Management || e == UserInfo {
			setRateHeaders(w, 50, 49, now.Add(time.Second))
		}
		return true
	}
	b, ok := sw.buckets.get(key)
	if !ok {
		b = bucket{left: float64(l.burst)}
	} else if l.refill > 0 {
		b.left = math.Min(float64(l.burst), b.left+float64(now.Sub(b.at))/float64(l.refill))
	}
	allowed := b.left >= 1
	if allowed {
		b.left--
	}
	b.at = now
	sw.buckets.put(key, b)
	sw.mu.Unlock()

	wait := time.Duration((1 - math.Min(1, b.left)) * float64(l.refill))
	setRateHeaders(w, l.burst, int(b.left), now.Add(wait))
	if authenticates(e) {
		setPolicyHeader(w, l, int(b.left))
	}
	if !allowed {
		if authenticates(e) || e == MyAccount {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		}
		sw.tooMany(w, e)
	}
	return allowed
}

// authenticates reports whether an endpoint is one of the Authentication API that
// applications call and that answers in JSON.
func authenticates(e Endpoint) bool {
	return slices.Contains([]Endpoint{Token, Revoke, PAR, MFA, Passwordless}, e)
}

// setPolicyHeader sets the header of the rate limit policies of a tenant.
func setPolicyHeader(w http.ResponseWriter, l limit, left int) {
	w.Header().Set("Auth0-RateLimit", fmt.Sprintf("client;q=%d;t=%d;r=%d", l.burst, max(1, int(math.Ceil(l.refill.Seconds()))), left))
}

func setRateHeaders(w http.ResponseWriter, limit, remaining int, reset time.Time) {
	h := w.Header()
	h.Set("X-RateLimit-Limit", strconv.Itoa(limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(remaining))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(reset.Add(time.Second-1).Unix(), 10))
}

// A TokenEdit changes a token before it is signed. Deleting or replacing any
// member is allowed; a nil value in the header removes that member.
type TokenEdit = func(header, claims map[string]any)

func (sw *faults) automaticMode() bool {
	sw.mu.Lock()
	defer sw.mu.Unlock()
	return sw.automatic != ""
}
