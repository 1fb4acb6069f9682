// Package fromgojwt has one API three times: with go-jwt-middleware v2, with v3, and with
// package auth0.
package fromgojwt

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	jwtmiddleware "github.com/auth0/go-jwt-middleware/v2"
	"github.com/auth0/go-jwt-middleware/v2/jwks"
	"github.com/auth0/go-jwt-middleware/v2/validator"
)

func validatorV2(issuer, audience string, client *http.Client) (*validator.Validator, error) {
	issuerURL, err := url.Parse(issuer)
	if err != nil {
		return nil, err
	}
	keys := jwks.NewCachingProvider(issuerURL, 5*time.Minute, jwks.WithCustomClient(client))
	return validator.New(keys.KeyFunc, validator.RS256, issuer, []string{audience},
		validator.WithCustomClaims(func() validator.CustomClaims { return new(claimsV2) }),
		validator.WithAllowedClockSkew(time.Minute))
}

// V2 is the API with go-jwt-middleware v2.
func V2(issuer, audience string, client *http.Client) (http.Handler, error) {
	v, err := validatorV2(issuer, audience, client)
	if err != nil {
		return nil, err
	}
	required := jwtmiddleware.New(v.ValidateToken,
		jwtmiddleware.WithExclusionUrls([]string{"/health"}),
		jwtmiddleware.WithValidateOnOptions(false))
	optional := jwtmiddleware.New(v.ValidateToken, jwtmiddleware.WithCredentialsOptional(true))

	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", health)
	mux.HandleFunc("GET /orders", ordersV2)
	mux.Handle("GET /orders/export", requireScopeV2("export:orders", http.HandlerFunc(ordersV2)))
	site := http.NewServeMux()
	site.Handle("/", required.CheckJWT(cors(mux)))
	site.Handle("GET /catalog", optional.CheckJWT(http.HandlerFunc(catalogV2)))
	return site, nil
}

type claimsV2 struct {
	Scope string `json:"scope"`
	Tier  string `json:"https://acme.example/tier"`
}

func (*claimsV2) Validate(context.Context) error { return nil }

func requireScopeV2(scope string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := r.Context().Value(jwtmiddleware.ContextKey{}).(*validator.ValidatedClaims)
		if !ok || !slices.Contains(strings.Fields(token.CustomClaims.(*claimsV2).Scope), scope) {
			http.Error(w, "insufficient scope", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func ordersV2(w http.ResponseWriter, r *http.Request) {
	token := r.Context().Value(jwtmiddleware.ContextKey{}).(*validator.ValidatedClaims)
	orders(w, token.RegisteredClaims.Subject, token.CustomClaims.(*claimsV2).Tier)
}

func catalogV2(w http.ResponseWriter, r *http.Request) {
	_, ok := r.Context().Value(jwtmiddleware.ContextKey{}).(*validator.ValidatedClaims)
	catalog(w, ok)
}
