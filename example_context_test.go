package auth0_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

// A worker that takes jobs from a queue: each job has the access token of the user who
// ordered it. The code behind it is the same as in a handler.
func ExampleContextWithToken() {
	tenant := auth0test.NewTenant(fakeT{})
	api, err := auth0.NewAPI(tenant.APIConfig("https://api.acme.example/"))
	if err != nil {
		log.Fatal(err)
	}
	type job struct{ token, report string }
	write := func(ctx context.Context, report string) error {
		token, ok := auth0.TokenFrom(ctx)
		if !ok || !token.HasScope("write:reports") {
			return auth0.ErrForbidden
		}
		fmt.Println(report, "for", token.Subject())
		return nil
	}
	work := func(ctx context.Context, j job) error {
		token, err := api.Verify(ctx, j.token)
		if err != nil {
			return err
		}
		return write(auth0.ContextWithToken(ctx, token), j.report)
	}

	token := tenant.AccessToken(auth0test.Subject("auth0|ada"), auth0test.Scope("write:reports"))
	fmt.Println(work(context.Background(), job{token, "sales"}))
	fmt.Println(work(context.Background(), job{"a guess", "salaries"}) != nil)
	// Output:
	// sales for auth0|ada
	// <nil>
	// true
}

// A test of a handler that needs a user, without a tenant and a login.
func ExampleContextWithUser() {
	hello := func(w http.ResponseWriter, r *http.Request) {
		user, _ := auth0.UserFrom(r.Context())
		claims, _ := auth0.Claims[struct{ Email string }](r.Context())
		fmt.Fprintf(w, "%s, %s", user.Name, claims.Email)
	}
	ada := auth0.User{Subject: "auth0|ada", Name: "Ada", Email: "ada@acme.example"}
	r := httptest.NewRequest("GET", "/", nil)
	w := httptest.NewRecorder()
	hello(w, r.WithContext(auth0.ContextWithUser(r.Context(), ada)))
	fmt.Println(w.Body)
	// Output: Ada, ada@acme.example
}

// An API calls another API on behalf of its caller: it exchanges the caller's access
// token for one of the other API (RFC 8693).
func ExampleAccessTokenFrom() {
	api, err := auth0.NewAPI(auth0.APIConfig{Domain: "acme.eu.auth0.com", Audience: "https://api.acme.example/"})
	if err != nil {
		log.Fatal(err)
	}
	cfg, err := auth0.ConfigFromEnv()
	if err != nil {
		log.Fatal(err)
	}
	app, err := auth0.NewApplication(cfg)
	if err != nil {
		log.Fatal(err)
	}
	invoices := func(w http.ResponseWriter, r *http.Request) {
		raw, _ := auth0.AccessTokenFrom(r.Context())
		token, err := app.ExchangeToken(r.Context(), auth0.TokenExchange{SubjectToken: raw, Audience: "https://billing.acme.example/"})
		if err != nil {
			api.WriteError(w, r, err)
			return
		}
		call, _ := http.NewRequestWithContext(r.Context(), "GET", "https://billing.acme.example/invoices", nil)
		token.SetAuthHeader(call)
	}
	http.Handle("GET /invoices", api.RequireAuth(http.HandlerFunc(invoices)))
}

// Your own guard, which answers as the guards of the API do.
func ExampleAPI_WriteError() {
	tenant := auth0test.NewTenant(fakeT{})
	api, err := auth0.NewAPI(tenant.APIConfig("https://api.acme.example/"))
	if err != nil {
		log.Fatal(err)
	}
	errQuota := &auth0.Error{Status: http.StatusTooManyRequests, Code: "quota", Description: "your quota is used up"}
	guard := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			raw, found := strings.CutPrefix(r.Header.Get("X-Token"), "token ")
			if !found {
				api.WriteError(w, r, auth0.ErrNoToken)
				return
			}
			token, err := api.Verify(r.Context(), raw)
			if err == nil && token.Subject() == "auth0|bob" {
				err = errQuota
			}
			if err != nil {
				api.WriteError(w, r, err)
				return
			}
			next.ServeHTTP(w, r.WithContext(auth0.ContextWithToken(r.Context(), token)))
		})
	}
	handler := guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") }))

	for _, header := range []string{
		"token " + tenant.AccessToken(auth0test.Subject("auth0|ada")), "token " + tenant.AccessToken(auth0test.Subject("auth0|bob")), "",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-Token", header)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Printf("%d %s %q\n", w.Code, w.Body, w.Header().Get("WWW-Authenticate"))
	}
	// Output:
	// 200 hello ""
	// 429 {"error":"quota","error_description":"your quota is used up"} ""
	// 401 {"error":"unauthorized","error_description":"authentication required"} "Bearer realm=\"api\""
}

// A handler with its own rule, which answers as the guards do: a page for a
// visitor, JSON for a script.
func ExampleStrategy_WriteError() {
	tenant := auth0test.NewTenant(fakeT{})
	strategy, err := auth0.New(tenant.Config())
	if err != nil {
		log.Fatal(err)
	}
	vault := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := strategy.Session(r)
		if err == nil && session.User.OrgID != "org_acme" {
			err = errors.Join(auth0.ErrForbidden, fmt.Errorf("organization %q", session.User.OrgID)) // for the log
		}
		if err != nil {
			strategy.WriteError(w, r, err)
			return
		}
		fmt.Fprint(w, "the vault")
	})
	w := httptest.NewRecorder()
	vault.ServeHTTP(w, httptest.NewRequest("GET", auth0test.AppURL+"/vault", nil))
	fmt.Println(w.Code, w.Body, w.Header().Get("WWW-Authenticate"))
	// Output: 401 {"error":"login_required","error_description":"log in to continue"} Session login="/auth/login?returnTo=%2Fvault"
}
