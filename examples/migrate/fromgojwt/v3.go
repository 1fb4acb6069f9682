package fromgojwt

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	jwtmiddleware "github.com/auth0/go-jwt-middleware/v3"
	"github.com/auth0/go-jwt-middleware/v3/jwks"
	"github.com/auth0/go-jwt-middleware/v3/validator"
)

func validatorV3(issuer, audience string, client *http.Client) (*validator.Validator, error) {
	issuerURL, err := url.Parse(issuer)
	if err != nil {
		return nil, err
	}
	keys, err := jwks.NewCachingProvider(jwks.WithIssuerURL(issuerURL), jwks.WithCustomClient(client))
	if err != nil {
		return nil, err
	}
	return validator.New(
		validator.WithKeyFunc(keys.KeyFunc),
		validator.WithAlgorithm(validator.RS256),
		validator.WithIssuer(issuer),
		validator.WithAudience(audience),
		validator.WithAllowedClockSkew(time.Minute),
		validator.WithCustomClaims(func() *claimsV3 { return new(claimsV3) }))
}

// V3 is the API with go-jwt-middleware v3.
func V3(issuer, audience string, client *http.Client) (http.Handler, error) {
	v, err := validatorV3(issuer, audience, client)
	if err != nil {
		return nil, err
	}
	required, err := jwtmiddleware.New(
		jwtmiddleware.WithValidator(v),
		jwtmiddleware.WithExclusionUrls([]string{"/health"}),
		jwtmiddleware.WithValidateOnOptions(false))
	if err != nil {
		return nil, err
	}
	optional, err := jwtmiddleware.New(jwtmiddleware.WithValidator(v), jwtmiddleware.WithCredentialsOptional(true))
	if err != nil {
		return nil, err
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", health)
	mux.HandleFunc("GET /orders", ordersV3)
	mux.Handle("GET /orders/export", requireScopeV3("export:orders", http.HandlerFunc(ordersV3)))
	site := http.NewServeMux()
	site.Handle("/", required.CheckJWT(cors(mux)))
	site.Handle("GET /catalog", optional.CheckJWT(http.HandlerFunc(catalogV3)))
	return site, nil
}

type claimsV3 struct {
	Scope string `json:"scope"`
	Tier  string `json:"https://acme.example/tier"`
}

func (*claimsV3) Validate(context.Context) error { return nil }

func requireScopeV3(scope string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := jwtmiddleware.GetClaims[*validator.ValidatedClaims](r.Context())
		if err != nil || !slices.Contains(strings.Fields(token.CustomClaims.(*claimsV3).Scope), scope) {
			http.Error(w, "insufficient scope", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func ordersV3(w http.ResponseWriter, r *http.Request) {
	token := jwtmiddleware.MustGetClaims[*validator.ValidatedClaims](r.Context())
	orders(w, token.RegisteredClaims.Subject, token.CustomClaims.(*claimsV3).Tier)
}

func catalogV3(w http.ResponseWriter, r *http.Request) {
	catalog(w, jwtmiddleware.HasClaims(r.Context()))
}
