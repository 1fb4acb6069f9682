package auth0

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/memo"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/session"
)

// A TokenOption says which access token of a session is wanted. One with an empty
// value is an error of whatever it is given to: with a setting that is missing, a
// token must not go to the wrong place.
type TokenOption interface{ applyToken(*tokenWish) }

type tokenOption func(*tokenWish)

func (o tokenOption) applyToken(w *tokenWish) { o(w) }

// ForAudience asks for a token for another API than the one that the login was
// for, and with at least these scopes. The tenant gives it for a multi-resource
// refresh token: allow the application the API in its refresh token policies. Each
// audience and set of scopes is kept in the session until it expires, eight of
// them at most.
func ForAudience(audience string, scopes ...string) TokenOption {
	scopes = slices.Clone(scopes)
	return tokenOption(func(w *tokenWish) {
		if audience == "" {
			w.fail("ForAudience: the audience is empty")
		}
		w.audience, w.scopes = audience, scopes
	})
}

// ForceRefresh asks for a token that is new, for the case that claims in it have
// changed. If only a login can bring one, the error is [ErrTokenExpired].
func ForceRefresh() TokenOption { return tokenOption(func(w *tokenWish) { w.force = true }) }

type tokenWish struct {
	audience string   // empty for that of the login
	scopes   []string // none for any
	force    bool

	connection, loginHint string // for a token of a third party

	errs []error
}

func newTokenWish(opts []TokenOption) (tokenWish, error) {
	var w tokenWish
	for _, o := range opts {
		if o == nil {
			w.fail("a token option is nil")
			continue
		}
		o.applyToken(&w)
	}
	if w.connection != "" && (w.audience != "" || len(w.scopes) > 0) {
		w.fail("ForConnection and ForAudience ask for different tokens")
	}
	if len(w.errs) > 0 {
		return tokenWish{}, refusal.Internal.Wrap(errors.Join(w.errs...))
	}
	return w, nil
}

func (w *tokenWish) fail(format string, args ...any) {
	w.errs = append(w.errs, fmt.Errorf(format, args...))
}

// refreshEarly is how long before it expires a token is replaced, so that it is
// still good when it arrives.
const refreshEarly = 30 * time.Second

// AccessToken returns an access token of a request's session, by default for the
// API that the login was for. If it has expired, or is about to, a new one is
// got with the refresh token, which the session has if the login had the scope
// offline_access. However many requests of a session ask, the tenant is asked
// once.
//
// It must be called before the first byte of the response is written, because
// it may have to write the session.
//
// The error is [ErrNoSession] if nobody is logged in, [ErrNoToken] if there is
// no token, and [ErrTokenExpired] if the person has to log in again to get
// another; they remain logged in for pages. That error is [ErrUserBlocked] too if
// the tenant says that it has blocked the account. It is [ErrMFARequired] if the
// tenant wants a second factor first; see [MFA]. Others are temporary, or mistakes
// in the settings; [ErrTenantUnavailable] has [Error].RetryAfter if the tenant has
// said when to come back. What the tenant has refused is not asked again for a
// minute, or, if it has had enough, for as long as it wants.
//
// Sessions in cookies: the token endpoint may give a new refresh token each time
// (rotation) and take the old one for an attack, while other requests with the
// old cookie are under way. One process gives them the new tokens for a minute.
// Several processes need a [Store], or an overlap period of 30 seconds or more in
// the tenant's settings.
func (s *Strategy) AccessToken(w http.ResponseWriter, r *http.Request, opts ...TokenOption) (*oauth2.Token, error) {
	t, err := s.accessToken(w, r, opts)
	if err != nil {
		return nil, asError("token", err)
	}
	return &oauth2.Token{AccessToken: t.Token, TokenType: t.Type, Expiry: time.Unix(t.ExpiresAt, 0)}, nil
}

func (s *Strategy) accessToken(w http.ResponseWriter, r *http.Request, opts []TokenOption) (session.Token, error) {
	wish, err := newTokenWish(opts)
	if err != nil {
		return session.Token{}, err
	}
	record, err := s.visits.Current(w, r)
	if err != nil {
		return session.Token{}, err
	}
	if wish.connection != "" {
		return s.connectionToken(w, r, record, wish)
	}
	if t, ok := tokenOf(record, wish, s.now().Add(refreshEarly)); ok && !wish.force {
		return t, nil
	}
	if record.RefreshToken == "" && !s.sessions.HasStore() {
		return s.lastToken(record, wish)
	}
	refreshed, err := s.refreshing.do(r.Context(), wish.key(record.ID), func(ctx context.Context) (*session.Record, error) {
		return s.refresh(ctx, record, wish)
	})
	if refreshed != nil {
		if err := s.sessions.SendTokens(w, s.visits.Jar(r), record, refreshed); err != nil {
			return session.Token{}, err
		}
	}
	if err == nil {
		return s.lastToken(refreshed, wish)
	}
	if t, ok := tokenOf(record, wish, s.now()); ok && !wish.force && !isRefused(err, refusal.LoginRequired) {
		s.log.Warn("auth0: a token could not be refreshed before it expires", "err", err)
		return t, nil
	}
	return session.Token{}, err
}

// lastToken returns a token that may be about to expire, but none that cannot be
// new if it has to.
func (s *Strategy) lastToken(r *session.Record, wish tokenWish) (session.Token, error) {
	if t, ok := tokenOf(r, wish, s.now()); ok && (!wish.force || r.RefreshToken != "") {
		return t, nil
	}
	if len(r.Tokens) == 0 && r.RefreshToken == "" {
		return session.Token{}, refusal.SessionToken.New()
	}
	return session.Token{}, refusal.SessionTokenExpired.New()
}

// TokenSource returns a source of the tokens that [Strategy.AccessToken] returns
// for a request. It is good until the request is answered.
func (s *Strategy) TokenSource(w http.ResponseWriter, r *http.Request, opts ...TokenOption) oauth2.TokenSource {
	return tokenSourceFunc(func() (*oauth2.Token, error) { return s.AccessToken(w, r, opts...) })
}

type tokenSourceFunc func() (*oauth2.Token, error)

func (f tokenSourceFunc) Token() (*oauth2.Token, error) { return f() }

// Client returns an HTTP client that adds the access token of a request's session
// to what it sends. It does not follow redirects to another host, which would
// get the token too. It is good until the request is answered.
func (s *Strategy) Client(w http.ResponseWriter, r *http.Request, opts ...TokenOption) *http.Client {
	return &http.Client{
		Transport: &oauth2.Transport{Source: s.TokenSource(w, r, opts...)},
		Timeout:   30 * time.Second,
		CheckRedirect: func(to *http.Request, via []*http.Request) error {
			if len(via) >= 10 || to.URL.Scheme != via[0].URL.Scheme || to.URL.Host != via[0].URL.Host {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}

// key tells apart what one refresh cannot answer together. It begins with the
// session: a token must never reach somebody else's request.
func (w tokenWish) key(session string) string {
	scopes := slices.Sorted(slices.Values(w.scopes))
	return fmt.Sprintf("%q %q %q %v %q %q", session, w.audience, scopes, w.force, w.connection, w.loginHint)
}

// tokenOf returns the token for a wish that is good at a time, the one with the
// fewest scopes too many. What counts is what was asked for: the tenant may have
// granted less, and would again.
func tokenOf(r *session.Record, wish tokenWish, at time.Time) (best session.Token, ok bool) {
	for i, t := range r.Tokens {
		audience := wish.audience
		if audience == "" {
			audience = r.Tokens[0].Audience
		}
		asked := strings.Fields(t.Asked)
		if t.Audience != audience || t.ExpiresAt <= at.Unix() || !containsAll(asked, wish.scopes) {
			continue
		}
		if i == 0 && len(wish.scopes) == 0 {
			return t, true
		}
		if !ok || len(asked) < len(strings.Fields(best.Asked)) {
			best, ok = t, true
		}
	}
	return best, ok
}

func containsAll(set, wanted []string) bool {
	return !slices.ContainsFunc(wanted, func(w string) bool { return !slices.Contains(set, w) })
}

// refresh brings the tokens of a session up to date, unless somebody else has.
// It may return a record beside an error: a refresh token that was used is used
// up, whatever has come of it.
func (s *Strategy) refresh(ctx context.Context, record *session.Record, wish tokenWish) (*session.Record, error) {
	var failed error
	changed, err := s.sessions.Change(ctx, record, func(newest *session.Record) error {
		enough := !wish.force || newest.Refreshes > record.Refreshes
		if _, ok := tokenOf(newest, wish, s.now().Add(refreshEarly)); ok && enough || newest.RefreshToken == "" {
			return session.ErrUnchanged
		}
		if err := s.refused.lately(newest, wish); err != nil {
			return err
		}
		before := newest.Refreshes
		err := s.refreshTokens(ctx, newest, wish)
		if tenant, ok := errors.AsType[provider.Error](err); ok && tenant.Code == "invalid_grant" {
			if s.dropRefreshToken(ctx, newest, err) {
				failed = loginAgain(tenant)
			}
			return nil
		}
		failed = refreshError(err)
		s.refused.note(newest, wish, failed)
		if newest.Refreshes == before {
			return failed
		}
		return nil
	})
	if err != nil {
		if isRefused(err, refusal.LoginRequired) && changed != nil && changed.RefreshToken != record.RefreshToken {
			// Somebody has logged out meanwhile, which has revoked the old one.
			s.revokeRefreshToken(ctx, changed.RefreshToken)
		}
		return nil, err
	}
	return changed, failed
}

// dropRefreshToken is for one that is used up, revoked or expired. The person
// stays logged in, and has to log in again for a token; unless there is a newer
// one already.
func (s *Strategy) dropRefreshToken(ctx context.Context, r *session.Record, why error) (dropped bool) {
	if s.sessions.HasStore() {
		// In a store without leases another process may have used it meanwhile.
		if newer, err := s.sessions.Find(ctx, r.ID); err == nil && newer != nil && newer.Refreshes > r.Refreshes {
			*r = *newer
			return false
		}
	}
	s.log.Info("auth0: the refresh token of a session is not accepted any more", "err", why)
	r.RefreshToken = ""
	r.Refreshes++
	return true
}

func refreshError(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := provider.Answered(err); ok && (e.DeniesByPolicy() || !e.Temporary() && e.DeniesPerson()) {
		return loginAgain(e)
	}
	return provider.RequestError(err)
}

// loginAgain is for tokens that only a login can bring now: there the tenant tells
// the person why, or lets them in.
func loginAgain(e provider.Error) *refusal.Refusal {
	out := refusal.SessionTokenExpired.Wrap(e)
	out.TenantStatus = e.Status
	if e.Code == "unauthorized" {
		out.Err = marked{e, ErrUserBlocked}
	}
	return out
}

// refusedRefreshes are those that the tenant has lately refused, so that not every
// request of a session asks again. There is a limited number of them: what is
// forgotten is asked again.
type refusedRefreshes struct{ cache *memo.Cache[refusedRefresh] }

type refusedRefresh struct {
	err       *Error
	at, until time.Time
}

func newRefusedRefreshes() refusedRefreshes {
	const most = 1 << 12
	return refusedRefreshes{memo.New[refusedRefresh](most)}
}

// place is that of the refresh token too: what a new one brings is not known yet.
func (rr refusedRefreshes) place(r *session.Record, wish tokenWish) (memo.Place, memo.Sum) {
	sum := memo.SumOf(wish.key(r.ID) + r.RefreshToken)
	return rr.cache.PlaceOf(string(sum[:])), sum
}

// lately returns the error of a refresh that is not to be tried again yet.
func (rr refusedRefreshes) lately(r *session.Record, wish tokenWish) error {
	got, ok := rr.cache.Get(rr.place(r, wish))
	now := time.Now()
	if !ok || !now.Before(got.until) {
		return nil
	}
	e := *got.err
	e.RetryAfter = max(0, e.RetryAfter-now.Sub(got.at))
	return &e
}

// note keeps what a refresh has come to, if asking again at once is of no use.
func (rr refusedRefreshes) note(r *session.Record, wish tokenWish, err error) {
	const least, most = time.Second, time.Minute
	e := outermost(err)
	if e == nil {
		return
	}
	hold := time.Duration(0)
	switch {
	case e.Reason == refusal.TenantAnswer.Reason, e.Reason == refusal.SessionTokenExpired.Reason:
		hold = most
	case e.TenantStatus != 0 && e.Reason == refusal.TenantDown.Reason, e.Reason == refusal.IDTokenKeys.Reason, e.Reason == refusal.Clock.Reason:
		hold = max(least, min(e.RetryAfter, most))
	}
	if now := time.Now(); hold > 0 {
		place, sum := rr.place(r, wish)
		rr.cache.Put(place, sum, refusedRefresh{e, now, now.Add(hold)})
	}
}

// refreshTokens is the refresh token grant (RFC 6749, Section 6). The tenant may
// have replaced the refresh token, so what it answers is kept even if it is of
// no use otherwise.
func (s *Strategy) refreshTokens(ctx context.Context, r *session.Record, wish tokenWish) error {
	form, audience, asked := s.refreshForm(r, wish)
	got, err := s.application.Tokens(ctx, form)
	if tenant, ok := errors.AsType[provider.Error](err); ok && tenant.MFA != nil {
		e := tenant.Refusal(refusal.MFA)
		e.Next = s.mfa(tenant.MFA, loginWish{scope: asked, audience: audience}, r)
		return e
	}
	if err != nil {
		return err
	}
	r.Refreshes++
	if got.RefreshToken != "" {
		r.RefreshToken = got.RefreshToken
	}
	if got.IDToken != "" {
		ep, err := s.endpoints(ctx)
		if err != nil {
			return err
		}
		id, err := s.refreshedIDToken(ctx, ep, r, got)
		if err != nil {
			if err = s.confirmRefreshFault(ctx, got.IDToken, err); isForeign(err) {
				// Nothing of it is used, and the next request does not ask for the
				// same again.
				s.log.Error("auth0: the ID token of a refresh is forged or of another user; the session has lost its refresh token", "err", err)
				r.RefreshToken = ""
				return nil
			}
			s.log.Warn("auth0: the ID token of a refresh cannot be accepted; the refresh token is kept", "err", err)
			return keptRefreshError(err)
		}
		s.takeClaims(r, id, form)
	}
	if form.Has("audience") && !isFor(got.AccessToken, audience) {
		return refusal.TenantAnswer.Because("the token is not for %.100q; allow the application this API in its refresh token policies", audience)
	}
	keepToken(r, sessionToken(got, audience, asked, s.now()))
	return nil
}

// refreshForm returns what to send, and what the token will be for. For the
// audience of the login neither it nor its scopes are said again: the tenant then
// gives what it gave before.
func (s *Strategy) refreshForm(r *session.Record, wish tokenWish) (form url.Values, audience, asked string) {
	form = url.Values{"grant_type": {"refresh_token"}, "refresh_token": {r.RefreshToken}}
	audience, asked = wish.audience, strings.Join(wish.scopes, " ")
	if asked != "" {
		form.Set("scope", asked)
	}
	switch {
	case audience != "" && (len(r.Tokens) == 0 || audience != r.Tokens[0].Audience):
		form.Set("audience", audience)
	case len(r.Tokens) == 0:
	case asked == "":
		audience, asked = r.Tokens[0].Audience, r.Tokens[0].Asked
	default:
		audience = r.Tokens[0].Audience
	}
	return form, audience, asked
}

// isFor reports whether an access token is for an API, as far as it can be read.
// A tenant that does not allow the application another API gives a token for that
// of the login, without a word, and the other API must not get hold of it.
func isFor(token, audience string) bool {
	m, err := jwt.Parse(token)
	if err != nil {
		return true // opaque to us
	}
	c, err := jwt.ParseClaims(m.Payload, true)
	return err != nil || slices.Contains(c.Audience, audience)
}

// refreshedIDToken checks a new ID token against the one of the login (OpenID
// Connect Core 1.0, Section 12.2). Unlike there, auth_time may be newer: the user
// has authenticated again, in another application.
func (s *Strategy) refreshedIDToken(ctx context.Context, ep discovery.Metadata, r *session.Record, got provider.TokenResponse) (idtoken.Identity, error) {
	id, err := s.idTokens.Check(ctx, ep, got.IDToken, keys.FromTenant)
	if err != nil {
		return idtoken.Identity{}, err
	}
	c := &id.Claims
	org := r.Organization
	switch {
	case c.Issuer != r.Issuer || c.Subject != r.Subject:
		return idtoken.Identity{}, foreignToken{fault.Claim.Because("iss or sub is another one than at the login")}
	case org != "" && c.OrgID != "" && c.OrgID != org:
		return idtoken.Identity{}, foreignToken{fault.Organization.Because("org_id is %.100q, the login was to %q", c.OrgID, org)}
	case c.IssuedAt < float64(r.IDTokenIssuedAt)-s.config.Leeway.Seconds():
		return idtoken.Identity{}, fault.Claim.Because("iat is before that of the login")
	case c.Has(jwt.AuthTime) && int64(c.AuthTime) < r.AuthTime:
		return idtoken.Identity{}, fault.Claim.Because("auth_time is before that of the login")
	case c.Has(jwt.AuthTime) && c.AuthTime > idtoken.Unix(s.now())+s.config.Leeway.Seconds():
		return idtoken.Identity{}, fault.IssuedAhead.Because("auth_time is %.0f s ahead; check the clock of this machine", c.AuthTime-idtoken.Unix(s.now()))
	case c.Has(jwt.Nonce) && r.Nonce != "" && c.Nonce != r.Nonce:
		return idtoken.Identity{}, fault.Nonce.Because("the nonce is another one than at the login")
	}
	return id, idtoken.CheckHash(id, jwt.AccessTokenHash, got.AccessToken)
}

// A foreignToken is the fault of an ID token that proves that a refresh does not
// answer for the user of the session.
type foreignToken struct{ bad *fault.Fault }

func (f foreignToken) Error() string { return f.bad.Error() }
func (f foreignToken) Unwrap() error { return f.bad }

func isForeign(err error) bool {
	_, ok := errors.AsType[foreignToken](err)
	return ok
}

// confirmRefreshFault finds the proof, if there is one, that what a refresh has
// brought is not for the user of the session. Only that may cost the session its
// refresh token: with rotation there is no other, and a rotation of the signing
// keys, a clock or a mistake in the settings would otherwise end the tokens of
// every session for good. The proof is a signature that is good, over another
// iss, sub or organization, or one that is wrong with keys that are new.
func (s *Strategy) confirmRefreshFault(ctx context.Context, raw string, err error) error {
	bad, ok := errors.AsType[*fault.Fault](err)
	if !ok || isForeign(err) || bad.Reason != fault.Signature.Reason && bad.Reason != fault.Issuer.Reason {
		return err
	}
	m, parseErr := jwt.Parse(raw)
	if parseErr != nil {
		return err
	}
	if bad.Reason == fault.Issuer.Reason {
		switch _, signature := s.idTokens.Keys.Verify(ctx, m, keys.FromTenant); {
		case signature == nil:
			return foreignToken{bad}
		case signature != fault.Signature:
			return keys.AsOutage(signature)
		}
	}
	switch confirmed := s.idTokens.Keys.Confirm(ctx, m); {
	case confirmed == fault.Signature:
		return foreignToken{fault.Signature}
	case confirmed != nil:
		return keys.AsOutage(confirmed)
	}
	// The key of the kid has changed, and with the new one the token is good. The
	// next refresh finds it.
	return fault.Keys.Because("the issuer has changed the key of kid %.80q", m.KeyID)
}

// keptRefreshError is what becomes of a refresh whose ID token was not accepted,
// while the session keeps its refresh token. Without the right keys or the right
// time nothing is known about the token, and the next try may well succeed.
func keptRefreshError(err error) error {
	bad, ok := errors.AsType[*fault.Fault](err)
	if !ok {
		return err
	}
	switch bad.Reason {
	case fault.Keys.Reason, fault.UnknownKey.Reason, fault.KeyUnusable.Reason, fault.AmbiguousKey.Reason:
		return idtoken.Outage(bad, refusal.IDTokenKeys)
	case fault.Expired.Reason, fault.NotYet.Reason, fault.IssuedAhead.Reason:
		return idtoken.Outage(bad, refusal.Clock)
	}
	return refusal.TenantAnswer.Wrap(bad)
}

// takeClaims replaces the claims of a session by newer ones, unless fewer scopes
// were asked for, and so fewer claims have come. When the session's first ID
// token was issued is not changed: by that a logout at the tenant knows which
// sessions it ends.
func (s *Strategy) takeClaims(r *session.Record, id idtoken.Identity, form url.Values) {
	if id.Claims.Has(jwt.AuthTime) {
		r.AuthTime = int64(id.Claims.AuthTime) // which is not before the one there was
	}
	if form.Has("scope") {
		return
	}
	r.Claims = id.Kept(s.config.KeepClaim)
	if s.config.KeepIDToken {
		r.IDToken = id.Raw
	}
}

// sessionToken is an access token as a session keeps it. Without scope it is
// what was asked for (RFC 6749, Section 5.1).
func sessionToken(got provider.TokenResponse, audience, asked string, now time.Time) session.Token {
	t := session.Token{Audience: audience, Asked: asked, Scope: asked, Type: "Bearer", Token: got.AccessToken, ExpiresAt: now.Add(got.Life()).Unix()}
	if got.Scope != nil {
		t.Scope = *got.Scope
	}
	return t
}

// keepToken puts a token in the place of the one it replaces. Beyond eight, the
// one that expires first is dropped, but never that of the login.
func keepToken(r *session.Record, t session.Token) {
	const most = 8
	for i, old := range r.Tokens {
		if old.Audience == t.Audience && (old.Asked == t.Asked || old.Scope == t.Scope) {
			if old.Asked != t.Asked {
				t.Asked = mergeScopes(old.Asked, t.Asked) // both give the same
			}
			r.Tokens[i] = t
			return
		}
	}
	r.Tokens = append(r.Tokens, t)
	if len(r.Tokens) > most {
		first := 1
		for i := 2; i < len(r.Tokens); i++ {
			if r.Tokens[i].ExpiresAt < r.Tokens[first].ExpiresAt {
				first = i
			}
		}
		r.Tokens = slices.Delete(r.Tokens, first, first+1)
	}
}

func mergeScopes(a, b string) string {
	set := strings.Fields(a)
	for _, scope := range strings.Fields(b) {
		if !slices.Contains(set, scope) {
			set = append(set, scope)
		}
	}
	return strings.Join(set, " ")
}

// flights lets everybody who wants the same wait for one result.
type flights struct {
	mu    sync.Mutex
	under map[string]*refreshFlight
}

type refreshFlight struct {
	done   chan struct{}
	record *session.Record
	err    error
}

// do starts the work, or joins it. It goes on without those who began it: a
// refresh token that was sent is used up.
func (f *flights) do(ctx context.Context, key string, work func(context.Context) (*session.Record, error)) (*session.Record, error) {
	const limit = 10 * time.Second
	f.mu.Lock()
	flight := f.under[key]
	if flight == nil {
		flight = &refreshFlight{done: make(chan struct{})}
		if f.under == nil {
			f.under = map[string]*refreshFlight{}
		}
		f.under[key] = flight
		go func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
			defer cancel()
			flight.run(ctx, work)
			f.mu.Lock()
			delete(f.under, key)
			f.mu.Unlock()
			close(flight.done)
		}()
	}
	f.mu.Unlock()
	select {
	case <-flight.done:
		return flight.record, flight.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// run turns a panic, of a store say, into an error: on this goroutine it would
// end the process.
func (f *refreshFlight) run(ctx context.Context, work func(context.Context) (*session.Record, error)) {
	defer func() {
		if p := recover(); p != nil {
			f.err = refusal.Internal.Because("panic while refreshing: %v", p)
		}
	}()
	f.record, f.err = work(ctx)
}

// revokeRefreshToken tells the tenant that a refresh token is of no more use (RFC
// 7009). Nobody waits for it.
func (s *Strategy) revokeRefreshToken(ctx context.Context, token string) {
	const limit = 2 * time.Second
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
		defer cancel()
		if err := s.revoke(ctx, token); err != nil {
			s.log.Warn("auth0: logout: the refresh token could not be revoked", "err", err)
		}
	}()
}

func (s *Strategy) revoke(ctx context.Context, token string) error {
	resp, err := s.application.Post(ctx, provider.RevocationEndpoint, url.Values{"token": {token}})
	if errors.Is(err, provider.ErrNoEndpoint) {
		return nil
	}
	if err == nil && resp.Status != http.StatusOK {
		err = provider.ParseError(resp.Status, resp.Header, resp.Body)
	}
	return err
}
