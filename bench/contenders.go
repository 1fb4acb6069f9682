package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	jwtmiddleware2 "github.com/auth0/go-jwt-middleware/v2"
	jwks2 "github.com/auth0/go-jwt-middleware/v2/jwks"
	validator2 "github.com/auth0/go-jwt-middleware/v2/validator"
	jwtmiddleware3 "github.com/auth0/go-jwt-middleware/v3"
	jwks3 "github.com/auth0/go-jwt-middleware/v3/jwks"
	validator3 "github.com/auth0/go-jwt-middleware/v3/validator"
	"github.com/coreos/go-oidc/v3/oidc"
	golangjwt "github.com/golang-jwt/jwt/v5"
	capjwt "github.com/hashicorp/cap/jwt"
	"github.com/lestrrat-go/httprc/v3"
	"github.com/lestrrat-go/jwx/v3/jwk"
	jwxjwt "github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/seed-15d5a55c/auth0"
)

// A contender is a library in the configuration that its documentation shows,
// with the tenant's HTTP client, issuer, audience and algorithm.
type contender struct {
	name    string
	setup   string   // its configuration, as text
	modules []string // paths, none if it is not a library
	weight  string   // its program in the directory weight

	// build makes the parts that a program makes once. With a life of zero, the
	// library decides how long it keeps keys.
	build func(ctx context.Context, t *tenant, life time.Duration) (*verifier, error)

	// The ages of keys at which a refresh is due, and at which they may no longer be
	// used, in multiples of the time of a fetch. They are for measuring the refresh of
	// keys where only age starts one.
	keysDue, keysLife float64
}

// A verifier is a running contender. Missing functions are nil.
type verifier struct {
	verify func(context.Context, *token) error
	// guard lets requests with a valid token through to a handler.
	guard func(http.Handler) http.Handler
	// guardClaims does so for a handler that reads the application's claims.
	guardClaims func(claimsHandler) http.Handler
	// guardProofs lets requests with a bound token and a DPoP proof through.
	guardProofs func(http.Handler) http.Handler
	// refresh fetches the keys again.
	refresh func(context.Context) error
}

type claimsHandler func(http.ResponseWriter, *appClaims)

// floor is the name of the reference.
const floor = "signature only"

var contenders = []contender{
	{
		name:  floor,
		setup: "SHA-256 and `rsa.VerifyPKCS1v15` or `ecdsa.Verify` of a good token, already split and decoded. The floor of every table, also where the others refuse a token or serve HTTP.",
		build: buildFloor,
	},
	{
		name:  "no guard",
		setup: "The handler alone, in the tables of middleware.",
		build: func(context.Context, *tenant, time.Duration) (*verifier, error) {
			return &verifier{
				guard:       func(next http.Handler) http.Handler { return next },
				guardClaims: unguarded,
			}, nil
		},
	},
	{
		name:    "this library",
		setup:   "`NewAPI` with Domain, Audience and Algorithms; `API.Verify`, `API.RequireAuth`, `Claims`; `DPoP` with Mode, BaseURLs and a MaxAge of ten minutes.",
		modules: []string{"github.com/seed-15d5a55c/auth0"},
		weight:  "auth0",
		build:   buildOurs,
	},
	{
		name:     "go-jwt-middleware v3",
		setup:    "`jwks.NewCachingProvider` with the issuer, `validator.New`, `CheckJWT`; custom claims by `WithCustomClaims`; DPoP is allowed by default, `WithDPoPProofOffset` of ten minutes.",
		modules:  []string{"github.com/auth0/go-jwt-middleware/v3"},
		weight:   "gojwtmiddleware3",
		build:    buildJWTMiddleware3,
		keysDue:  6.4, // it refreshes at four fifths of their life
		keysLife: 8,
	},
	{
		name:     "go-jwt-middleware v2",
		setup:    "`jwks.NewCachingProvider` with the issuer and five minutes, `validator.New`, `CheckJWT`; custom claims by `WithCustomClaims`.",
		modules:  []string{"github.com/auth0/go-jwt-middleware/v2"},
		weight:   "gojwtmiddleware2",
		build:    buildJWTMiddleware2,
		keysDue:  4,
		keysLife: 4,
	},
	{
		name:    "golang-jwt + keyfunc",
		setup:   "`keyfunc.NewDefaultOverrideCtx` with the HTTP client; one `jwt.Parser` with methods, issuer, audience and required expiry; claims in a struct. jwkset is replaced by v0.11.3.",
		modules: []string{"github.com/MicahParks/keyfunc/v3", "github.com/golang-jwt/jwt/v5"},
		weight:  "keyfunc",
		build:   buildKeyfunc,
	},
	{
		name:    "go-oidc",
		setup:   "`oidc.NewProvider`, `Provider.Verifier` with the audience as ClientID; custom claims by `IDToken.Claims`.",
		modules: []string{"github.com/coreos/go-oidc/v3"},
		weight:  "gooidc",
		build:   buildOIDC,
	},
	{
		name:    "cap",
		setup:   "`jwt.NewOIDCDiscoveryKeySet`, `Validator.Validate` with issuer, audience and algorithm; claims are the map that it returns.",
		modules: []string{"github.com/hashicorp/cap"},
		weight:  "cap",
		build:   buildCap,
	},
	{
		name:    "jwx",
		setup:   "`jwk.Cache` with `CachedSet`, `jwt.ParseString` with `WithKeySet`, issuer and audience; custom claims by `Get`, the list typed by `WithTypedClaim`.",
		modules: []string{"github.com/lestrrat-go/jwx/v3"},
		weight:  "jwx",
		build:   buildJWX,
	},
}

func buildFloor(_ context.Context, t *tenant, _ time.Duration) (*verifier, error) {
	switch key := t.ring.current.private.Public().(type) {
	case *rsa.PublicKey:
		return &verifier{verify: func(_ context.Context, t *token) error {
			sum := sha256.Sum256(t.signed)
			return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], t.signature)
		}}, nil
	case *ecdsa.PublicKey:
		return &verifier{verify: func(_ context.Context, t *token) error {
			return verifyES256(key, t.signed, t.signature)
		}}, nil
	}
	return nil, errors.New("no such key type")
}

func verifyES256(key *ecdsa.PublicKey, signed, signature []byte) error {
	sum := sha256.Sum256(signed)
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	if !ecdsa.Verify(key, sum[:], r, s) {
		return errors.New("bad signature")
	}
	return nil
}

func unguarded(use claimsHandler) http.Handler {
	claims := &appClaims{Scope: "openid profile email " + goodScope, Permissions: []string{goodScope, "write:messages"}, Plan: goodPlan}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { use(w, claims) })
}

func buildOurs(_ context.Context, t *tenant, _ time.Duration) (*verifier, error) {
	config := auth0.APIConfig{
		Domain:     strings.Trim(strings.TrimPrefix(issuer, "https:"), "/"),
		Audience:   audience,
		Algorithms: []string{t.ring.alg},
		HTTPClient: t.client,
	}
	api, err := auth0.NewAPI(config)
	if err != nil {
		return nil, err
	}
	config.DPoP = auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: []string{apiURL}, MaxAge: proofAge}
	bound, err := auth0.NewAPI(config)
	if err != nil {
		return nil, err
	}
	return &verifier{
		verify: func(ctx context.Context, t *token) error {
			_, err := api.Verify(ctx, t.raw)
			return err
		},
		guard:       api.RequireAuth,
		guardProofs: bound.RequireAuth,
		guardClaims: func(use claimsHandler) http.Handler {
			return api.RequireAuth(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				claims, err := auth0.Claims[appClaims](r.Context())
				if err != nil {
					http.Error(w, err.Error(), http.StatusInternalServerError)
					return
				}
				use(w, &claims)
			}))
		},
	}, nil
}

// checkedClaims are claims in the form that go-jwt-middleware requires.
type checkedClaims struct{ appClaims }

func (*checkedClaims) Validate(context.Context) error { return nil }

func buildJWTMiddleware3(_ context.Context, t *tenant, life time.Duration) (*verifier, error) {
	at, err := url.Parse(issuer)
	if err != nil {
		return nil, err
	}
	options := []any{jwks3.WithIssuerURL(at), jwks3.WithCustomClient(t.client)}
	if life > 0 {
		options = append(options, jwks3.WithCacheTTL(life))
	}
	provider, err := jwks3.NewCachingProvider(options...)
	if err != nil {
		return nil, err
	}
	plain, plainGuard, err := newJWTMiddleware3(t, provider)
	if err != nil {
		return nil, err
	}
	_, claimsGuard, err := newJWTMiddleware3(t, provider, validator3.WithCustomClaims(func() *checkedClaims { return &checkedClaims{} }))
	if err != nil {
		return nil, err
	}
	return &verifier{
		verify: func(ctx context.Context, t *token) error {
			_, err := plain.ValidateToken(ctx, t.raw)
			return err
		},
		guard:       plainGuard.CheckJWT,
		guardProofs: plainGuard.CheckJWT,
		guardClaims: func(use claimsHandler) http.Handler {
			return claimsGuard.CheckJWT(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				claims, err := jwtmiddleware3.GetClaims[*validator3.ValidatedClaims](r.Context())
				if err != nil {
					http.Error(w, err.Error(), http.StatusInternalServerError)
					return
				}
				use(w, &claims.CustomClaims.(*checkedClaims).appClaims)
			}))
		},
	}, nil
}

func newJWTMiddleware3(t *tenant, provider *jwks3.CachingProvider, more ...validator3.Option) (*validator3.Validator, *jwtmiddleware3.JWTMiddleware, error) {
	v, err := validator3.New(append([]validator3.Option{
		validator3.WithKeyFunc(provider.KeyFunc),
		validator3.WithAlgorithm(validator3.SignatureAlgorithm(t.ring.alg)),
		validator3.WithIssuer(issuer),
		validator3.WithAudience(audience),
	}, more...)...)
	if err != nil {
		return nil, nil, err
	}
	m, err := jwtmiddleware3.New(jwtmiddleware3.WithValidator(v), jwtmiddleware3.WithDPoPProofOffset(proofAge))
	return v, m, err
}

func buildJWTMiddleware2(_ context.Context, t *tenant, life time.Duration) (*verifier, error) {
	at, err := url.Parse(issuer)
	if err != nil {
		return nil, err
	}
	if life == 0 {
		life = 5 * time.Minute
	}
	provider := jwks2.NewCachingProvider(at, life, jwks2.WithCustomClient(t.client))
	algorithm := validator2.SignatureAlgorithm(t.ring.alg)
	plain, err := validator2.New(provider.KeyFunc, algorithm, issuer, []string{audience})
	if err != nil {
		return nil, err
	}
	custom, err := validator2.New(provider.KeyFunc, algorithm, issuer, []string{audience},
		validator2.WithCustomClaims(func() validator2.CustomClaims { return &checkedClaims{} }))
	if err != nil {
		return nil, err
	}
	return &verifier{
		verify: func(ctx context.Context, t *token) error {
			_, err := plain.ValidateToken(ctx, t.raw)
			return err
		},
		guard: jwtmiddleware2.New(plain.ValidateToken).CheckJWT,
		guardClaims: func(use claimsHandler) http.Handler {
			return jwtmiddleware2.New(custom.ValidateToken).CheckJWT(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				claims := r.Context().Value(jwtmiddleware2.ContextKey{}).(*validator2.ValidatedClaims)
				use(w, &claims.CustomClaims.(*checkedClaims).appClaims)
			}))
		},
	}, nil
}

func buildKeyfunc(ctx context.Context, t *tenant, _ time.Duration) (*verifier, error) {
	keys, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{jwksURL()}, keyfunc.Override{Client: t.client})
	if err != nil {
		return nil, err
	}
	parser := golangjwt.NewParser(
		golangjwt.WithValidMethods([]string{t.ring.alg}),
		golangjwt.WithIssuer(issuer),
		golangjwt.WithAudience(audience),
		golangjwt.WithExpirationRequired(),
	)
	return newParserVerifier(
		func(_ context.Context, raw string) error {
			_, err := parser.ParseWithClaims(raw, &golangjwt.RegisteredClaims{}, keys.Keyfunc)
			return err
		},
		func(_ context.Context, raw string) (*appClaims, error) {
			var claims struct {
				golangjwt.RegisteredClaims
				appClaims
			}
			_, err := parser.ParseWithClaims(raw, &claims, keys.Keyfunc)
			return &claims.appClaims, err
		}), nil
}

func buildOIDC(ctx context.Context, t *tenant, _ time.Duration) (*verifier, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, t.client), issuer)
	if err != nil {
		return nil, err
	}
	v := provider.Verifier(&oidc.Config{ClientID: audience})
	return newParserVerifier(
		func(ctx context.Context, raw string) error {
			_, err := v.Verify(ctx, raw)
			return err
		},
		func(ctx context.Context, raw string) (*appClaims, error) {
			checked, err := v.Verify(ctx, raw)
			if err != nil {
				return nil, err
			}
			var claims appClaims
			err = checked.Claims(&claims)
			return &claims, err
		}), nil
}

func buildCap(ctx context.Context, t *tenant, _ time.Duration) (*verifier, error) {
	keys, err := capjwt.NewOIDCDiscoveryKeySet(oidc.ClientContext(ctx, t.client), issuer, "")
	if err != nil {
		return nil, err
	}
	v, err := capjwt.NewValidator(keys)
	if err != nil {
		return nil, err
	}
	expected := capjwt.Expected{Issuer: issuer, Audiences: []string{audience}, SigningAlgorithms: []capjwt.Alg{capjwt.Alg(t.ring.alg)}}
	return newParserVerifier(
		func(ctx context.Context, raw string) error {
			_, err := v.Validate(ctx, raw, expected)
			return err
		},
		func(ctx context.Context, raw string) (*appClaims, error) {
			claims, err := v.Validate(ctx, raw, expected)
			if err != nil {
				return nil, err
			}
			return claimsOf(claims)
		}), nil
}

// claimsOf reads the claims from a map of encoding/json.
func claimsOf(m map[string]any) (*appClaims, error) {
	scope, okScope := m["scope"].(string)
	plan, okPlan := m[planClaim].(string)
	list, okList := m["permissions"].([]any)
	c := &appClaims{Scope: scope, Plan: plan}
	for _, value := range list {
		permission, ok := value.(string)
		okList = okList && ok
		c.Permissions = append(c.Permissions, permission)
	}
	if !okScope || !okPlan || !okList {
		return nil, errors.New("claims of other types")
	}
	return c, nil
}

func buildJWX(ctx context.Context, t *tenant, _ time.Duration) (*verifier, error) {
	cache, err := jwk.NewCache(ctx, httprc.NewClient(httprc.WithHTTPClient(t.client)))
	if err != nil {
		return nil, err
	}
	if err := cache.Register(ctx, jwksURL(), jwk.WithHTTPClient(t.client)); err != nil {
		return nil, err
	}
	keys, err := cache.CachedSet(jwksURL())
	if err != nil {
		return nil, err
	}
	options := []jwxjwt.ParseOption{jwxjwt.WithKeySet(keys), jwxjwt.WithIssuer(issuer), jwxjwt.WithAudience(audience)}
	typed := append(options[:len(options):len(options)], jwxjwt.WithTypedClaim("permissions", []string(nil)))
	v := newParserVerifier(
		func(_ context.Context, raw string) error {
			_, err := jwxjwt.ParseString(raw, options...)
			return err
		},
		func(_ context.Context, raw string) (*appClaims, error) {
			checked, err := jwxjwt.ParseString(raw, typed...)
			if err != nil {
				return nil, err
			}
			var c appClaims
			err = errors.Join(checked.Get("scope", &c.Scope), checked.Get("permissions", &c.Permissions), checked.Get(planClaim, &c.Plan))
			return &c, err
		})
	v.refresh = func(ctx context.Context) error {
		_, err := cache.Refresh(ctx, jwksURL())
		return err
	}
	return v, nil
}

// newParserVerifier is for libraries without middleware: it adds the few lines that a
// program with them writes.
func newParserVerifier(verify func(context.Context, string) error, claims func(context.Context, string) (*appClaims, error)) *verifier {
	return &verifier{
		verify: func(ctx context.Context, t *token) error { return verify(ctx, t.raw) },
		guard: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				raw, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
				if !ok || verify(r.Context(), raw) != nil {
					unauthorized(w)
					return
				}
				next.ServeHTTP(w, r)
			})
		},
		guardClaims: func(use claimsHandler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				raw, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
				if !ok {
					unauthorized(w)
					return
				}
				c, err := claims(r.Context(), raw)
				if err != nil {
					unauthorized(w)
					return
				}
				use(w, c)
			})
		},
	}
}

func unauthorized(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", "Bearer")
	w.WriteHeader(http.StatusUnauthorized)
}
