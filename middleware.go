package auth0

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/access"
	"github.com/seed-15d5a55c/auth0/internal/bearer"
	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/dpop"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/session"
	"github.com/seed-15d5a55c/auth0/internal/verify"
)

// RequireAuth lets a request pass if it has a valid access token. [TokenFrom] then returns
// the token. RequireAuth reads the token from the Authorization header (RFC 6750, Section
// 2.1), unless [APIConfig].TokenExtractors has other places. Without a token the
// answer is 401 with a challenge. An invalid token gets 401 or 400. If the keys are
// unavailable, the answer is 503.
//
// OPTIONS has no exception: without a token the answer is 401. Browsers
// send the preflight of a cross-origin request without a token, so put CORS
// middleware outside the guard. It answers the preflight itself:
//
//	http.ListenAndServe(addr, cors(api.RequireAuth(mux)))
//
// If the token comes from another place than the Authorization header, the response
// gets Cache-Control: private, no-store, and Vary names the header with the token, if
// the header is known. Responses to requests with an Authorization header need neither (RFC
// 9111, Section 3.5).
//
// One request has one principal. If the token is valid, the handler finds no session
// in the request, even if the request has a session cookie: [UserFrom] reports none, and
// the error of [Strategy.Session] is [ErrNoSession].
//
// RequireAuth has no list of paths to leave out. Use one mux for the routes without a
// token, and put this guard around another mux with the others.
func (a *API) RequireAuth(next http.Handler) http.Handler {
	return a.serve(next, false, a.scope, func(context.Context, *verified) error { return nil })
}

// OptionalAuth is [API.RequireAuth] for routes that are also open to visitors without a
// token. [TokenFrom] then reports none. An invalid token is rejected. The texts
// "undefined" and "null" count as no token: a script sends them if its variable for the
// token has no value. Vary names the headers that can have a token, so that a cache
// does not give a visitor's response to a user.
func (a *API) OptionalAuth(next http.Handler) http.Handler {
	return a.serve(next, true, "", func(context.Context, *verified) error { return nil })
}

// Require lets a request pass if allow returns nil for its access token. Otherwise
// the answer is 403. An [*Error] chooses the status. Errors that mean 503 for
// [APIConfig].Validate are answered with 503. The error goes to the log only.
func (a *API) Require(allow func(context.Context, *Token) error) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return a.guard(next, func(ctx context.Context, v *verified) error {
			if err := allow(ctx, v.token); err != nil {
				return hookError(err, refusal.Forbidden, func(err error) error { return refusal.Forbidden.Wrap(err) })
			}
			return nil
		})
	}
}

// RequireScope lets a request pass if its access token has all of the scopes.
// Otherwise the answer is 403 and names them. The challenge of a 401 names them too, so
// that a client can request them with its first token (RFC 6750, Section 3). If guards
// are nested, the outermost one answers a 401.
//
// An empty list or an invalid scope is a programming error. RequireScope logs it at
// once, and every request gets 500. Other guards that take a list behave alike.
func (a *API) RequireScope(scopes ...string) func(http.Handler) http.Handler {
	return a.requireNames(access.Scopes(false, scopes))
}

// RequireAnyScope is [API.RequireScope] for at least one of the scopes.
func (a *API) RequireAnyScope(scopes ...string) func(http.Handler) http.Handler {
	return a.requireNames(access.Scopes(true, scopes))
}

// RequirePermissions is [API.RequireScope] for the claim permissions, which Auth0
// adds to access tokens of APIs with role-based access control. The challenge of a 401
// does not name them: roles decide about permissions, not the request of a client.
func (a *API) RequirePermissions(permissions ...string) func(http.Handler) http.Handler {
	return a.requireNames(access.Permissions(false, permissions))
}

// RequireAnyPermission is [API.RequirePermissions] for at least one of the
// permissions.
func (a *API) RequireAnyPermission(permissions ...string) func(http.Handler) http.Handler {
	return a.requireNames(access.Permissions(true, permissions))
}

// RequireOrganization lets a request pass if its access token is for one of the
// organizations, by id. A name can belong to another organization later.
func (a *API) RequireOrganization(ids ...string) func(http.Handler) http.Handler {
	ids = slices.Clone(ids)
	return a.guardIf(access.AreNames(ids), ids, "", func(_ context.Context, v *verified) error {
		if id := v.token.OrgID(); id == "" || !slices.Contains(ids, id) {
			return refusal.Organization.Because("org_id is %.100q", id)
		}
		return nil
	})
}

// RequireStepUp lets a request pass if the user has authenticated within maxAge
// (auth_time) and with one of the authentication context classes (acr). Otherwise the
// answer is 401 with a challenge that names both (RFC 9470). Without classes, any
// class is accepted. With a maxAge of 0, any time is accepted. At Auth0 an Action
// must add the claims to access tokens.
func (a *API) RequireStepUp(maxAge time.Duration, acr ...string) func(http.Handler) http.Handler {
	need := access.StepUp{MaxAge: maxAge, ACR: slices.Clone(acr)}
	return a.guardIf(need.IsUsable(), need.ACR, "", func(_ context.Context, v *verified) error {
		return need.Check(&v.token.verified.Claims, a.checker.Now(), a.checker.Rules.Leeway)
	})
}

// RequireClaim lets a request pass if its access token has the claim and check
// accepts the value. Otherwise the answer is 403.
func (a *API) RequireClaim(name string, check ClaimCheck) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return a.guard(next, func(_ context.Context, v *verified) error {
			switch value, ok := v.token.Claim(name); {
			case !ok:
				return refusal.Claim.Because("no claim %.100q", name)
			case !check(value):
				return refusal.Claim.Because("the check of RequireClaim does not accept the claim %.100q", name)
			}
			return nil
		})
	}
}

// RequireClaims lets a request pass if the claims of its access token decode into a
// T, and T's method Validate, if it has one, returns nil. [Claims] then returns the
// decoded value. Otherwise the answer is 401, as for an invalid token. Errors of Validate
// have the same meaning as those of [APIConfig].Validate.
//
// Inside [API.RequireTokenOrSession], the claims of a session are the claims that
// [Claims] returns for it.
func RequireClaims[T any](a *API) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return a.guard(next, func(ctx context.Context, v *verified) error {
			text, decoded, kept := v.token.verified.Payload, &v.decoded, v.token.kept
			if v.session {
				text, decoded, kept = claimsOf(ctx)
			}
			if _, err := decodeClaims[T](ctx, text, decoded, kept); err != nil {
				return hookError(err, refusal.Forbidden, func(err error) error { return asBearerError(fault.Claim.Because("%w", err)) })
			}
			return nil
		})
	}
}

// RequireTokenOrSession lets a request pass that has a valid access token or, without
// a token, a session. It is for programs that are both a site and an API. [TokenFrom]
// and [UserFrom] tell the handler which of them it is, and [Claims] decodes the
// claims of either. A request never has both. An invalid token is rejected, even if
// the request has a session.
//
// It reads the token only from the Authorization header and ignores
// [APIConfig].TokenExtractors: browsers also send a cookie with requests of other sites.
// The header counts as a token with the scheme Bearer, or with DPoP if [APIConfig].DPoP
// accepts it. A request with one of these schemes never falls back to the session.
//
// Browsers send the session with every request, also from pages of other sites. So a
// request of a session that can change something must come from the same origin, by
// the rules of [http.CrossOriginProtection]. A request with the header Upgrade must
// have the Origin of the site. A token needs no check, because no browser adds
// it.
//
// Put the other guards of the API inside:
//
//	api.RequireTokenOrSession(strategy)(api.RequirePermissions("read:files")(h))
//
// For a session, they check the session's access token for this API, which is
// verified like any other and refreshed if it has expired. No client presented it, so it
// needs no proof even if it is bound to a key or to a certificate. A session whose login
// requested another audience has none, and gets 403. Even then, [TokenFrom] reports no
// token for a session. Outside, the other guards ignore sessions and let only tokens
// pass.
func (a *API) RequireTokenOrSession(s *Strategy) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		bySession := s.LoadUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := s.visits.Record(r)
			if err == nil {
				if err = s.site.CheckOrigin(r); err != nil {
					err = refusal.CrossOrigin.Wrap(err)
				}
			}
			switch {
			case err == nil:
				cookie.Uncacheable(w.Header())
				by := &sessionPath{api: a, strategy: s}
				next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), sessionPathKey{a.issuers}, by)))
			case isRefused(err, refusal.LoginRequired):
				a.refuse(w, r, "", refusal.NoToken.New())
			case asError("session", err).Reason == refusal.CrossOrigin.Reason:
				a.refuse(w, r, "", err)
			default:
				s.errors.fail(w, r, "session", err)
			}
		}))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if v := verifiedBy(r.Context(), a.issuers); v != nil {
				// The token of a guard outside can be from a cookie.
				if err := s.site.CheckOrigin(r); err != nil && !v.inHeader {
					a.refuse(w, r, "", refusal.CrossOrigin.Wrap(err))
					return
				}
				next.ServeHTTP(w, r)
				return
			}
			c, err := bearer.Token(r, a.checker.AcceptsDPoP())
			switch {
			case isRefused(err, refusal.NoToken):
				bySession.ServeHTTP(w, r)
			case err != nil:
				a.refuse(w, r, "", err)
			default:
				c.Request = r
				if v := a.authenticate(w, r, c, ""); v != nil {
					next.ServeHTTP(w, r.WithContext(v))
				}
			}
		})
	}
}

// A sessionPath is in the context of a request that RequireTokenOrSession has let
// pass for its session.
type sessionPath struct {
	api      *API
	strategy *Strategy
	verified *verified // nil until a guard inside needs it
}

// sessionPathOf returns nil if the principal of a request is not a session. The
// context of a token hides the session, see [verified.Value].
func sessionPathOf(ctx context.Context, a *API) *sessionPath {
	if verifiedIn(ctx) != nil {
		return nil // an adaptor that copies values bypasses Value
	}
	by, _ := ctx.Value(sessionPathKey{a.issuers}).(*sessionPath)
	return by
}

// token verifies the session's access token for the API.
func (by *sessionPath) token(w http.ResponseWriter, r *http.Request) (*verified, error) {
	if by.verified != nil {
		return by.verified, nil
	}
	record, err := by.strategy.visits.Record(r)
	if err != nil {
		return nil, err
	}
	wish, err := by.api.wishFor(r.Context(), record)
	if err != nil {
		return nil, err
	}
	t, _, err := by.strategy.accessToken(w, r, wish)
	if e := asError("bearer", err); err != nil && e.Status == http.StatusUnauthorized {
		return nil, refusal.NoToken.Wrap(err) // a new login gets another one
	} else if err != nil {
		return nil, err
	}
	token, _, err := by.api.verify(r.Context(), verify.Presented{Credential: bearer.Credential{Token: t.Token}, How: verify.InSession})
	if e := asError("bearer", err); err != nil && e.Status < http.StatusInternalServerError {
		return nil, refusal.Forbidden.Wrap(err) // the user sent no token, and cannot send a better one
	} else if err != nil {
		return nil, err
	}
	if !samePerson(record, token.Issuer(), token.Subject()) {
		return nil, refusal.Forbidden.Because("the access token of the session belongs to another user")
	}
	by.verified = &verified{Context: r.Context(), by: by.api.issuers, token: token, session: true}
	return by.verified, nil
}

// wishFor returns the options for the session's access token for the API.
func (a *API) wishFor(ctx context.Context, record *session.Record) ([]TokenOption, error) {
	from, err := a.issuers.Find(ctx, record.Issuer)
	if e := asError("bearer", asBearerError(err)); err != nil && e.Status < http.StatusInternalServerError {
		return nil, refusal.Forbidden.Because("the API does not trust the issuer of the session: %w", err)
	} else if err != nil {
		return nil, err
	}
	for i, t := range record.Tokens {
		switch {
		case !slices.Contains(from.Needs.Audiences, t.Audience):
		case i == 0:
			return nil, nil // the token of the login
		default:
			return []TokenOption{ForAudience(t.Audience)}, nil
		}
	}
	return nil, refusal.Forbidden.Because("the session has no access token for this API; request its audience at the login, see Config.Audience")
}

// requireNames makes the guards whose refusal lists names.
func (a *API) requireNames(need access.Names) func(http.Handler) http.Handler {
	return a.guardIf(access.AreNames(need.List), need.List, need.Scope(), func(_ context.Context, v *verified) error {
		return need.Check(&v.token.verified.Claims)
	})
}

// guardIf makes guards with arguments that can be unusable. That guard rejects
// every request, and the log says why when the program starts. That is safer than
// guessing, and better for operators than a panic.
func (a *API) guardIf(usable bool, list []string, scope string, allow func(context.Context, *verified) error) func(http.Handler) http.Handler {
	if usable {
		return func(next http.Handler) http.Handler { return a.serve(next, false, scope, allow) }
	}
	a.errors.logger().Error("auth0: the list of a guard is empty or invalid; every request to its route gets 500", "list", list)
	err := refusal.Misconfigured.Because("the list of this guard, %.200q, is empty or invalid", list)
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.refuse(w, r, "", err) })
	}
}

// guard makes the handler of a Require method that names no scope.
func (a *API) guard(next http.Handler, allow func(context.Context, *verified) error) http.Handler {
	return a.serve(next, false, "", allow)
}

// serve authenticates a request once for any number of guards. No method and no
// header lets a request pass without authentication: most handlers ignore the method, and
// would answer an OPTIONS request in full. The scope is the one that the guard requires,
// for challenges.
func (a *API) serve(next http.Handler, optional bool, scope string, allow func(context.Context, *verified) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if optional {
			a.places.Vary(w.Header())
		}
		v := verifiedBy(r.Context(), a.issuers)
		by := sessionPathOf(r.Context(), a)
		switch {
		case v != nil:
		case by != nil && optional:
			next.ServeHTTP(w, r)
			return
		case by != nil:
			var err error
			if v, err = by.token(w, r); err != nil {
				a.refuse(w, r, scope, err)
				return
			}
		default:
			c, err := a.places.Find(r)
			switch {
			case optional && (isRefused(err, refusal.NoToken) || err == nil && c.IsUndefined() && !c.DPoP):
				next.ServeHTTP(w, c.Request)
				return
			case err != nil:
				a.refuse(w, r, scope, err)
				return
			}
			if v = a.authenticate(w, r, c, scope); v == nil {
				return
			}
			r = c.Request.WithContext(v)
		}
		if err := allow(r.Context(), v); err != nil {
			a.observe(r.Context(), refusedByGuard(v.token), err)
			a.errors.fail(w, r, "bearer", err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// verifyFound verifies the credential of a request.
func (a *API) verifyFound(r *http.Request, c bearer.Credential) (t *Token, nonce string, err error) {
	if c.Ambient && browser.Upgrades(r) {
		if err := browser.CheckUpgrade(r); err != nil {
			err = refusal.CrossOrigin.Wrap(err)
			a.observe(r.Context(), Event{Kind: TokenChecked}, err)
			return nil, "", err
		}
	}
	return a.verify(r.Context(), verify.Presented{Credential: c, How: verify.InRequest})
}

// authenticate verifies a credential. It returns nil if it has answered the request.
func (a *API) authenticate(w http.ResponseWriter, r *http.Request, c bearer.Credential, scope string) *verified {
	t, nonce, err := a.verifyFound(r, c)
	if err != nil {
		a.errors.fail(w, r, "bearer", withScope(err, scope))
		return nil
	}
	if nonce != "" {
		w.Header().Set(dpop.NonceHeader, nonce)
	}
	if !c.InHeader {
		// Shared caches store a response, unless the request has an Authorization header
		// (RFC 9111, Section 3.5).
		w.Header().Set("Cache-Control", "private, no-store")
		a.places.Vary(w.Header())
	}
	return newVerified(r.Context(), a.issuers, t, c)
}

// refuse rejects a request for another reason than its token.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, scope string, err error) {
	a.observe(r.Context(), Event{Kind: TokenChecked}, err)
	a.errors.fail(w, r, "bearer", withScope(err, scope))
}

// withScope adds the scope that a route requires to a 401 (RFC 6750, Section 3).
func withScope(err error, scope string) error {
	if scope == "" {
		return err
	}
	e := asError("bearer", err)
	if e.Status != http.StatusUnauthorized || e.Scope != "" || e.stepUp != "" {
		return err
	}
	scoped := *e
	scoped.Scope = scope
	return &scoped
}
