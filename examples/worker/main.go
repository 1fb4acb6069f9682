// Command worker calls an API without a user. The API calls another one on behalf of the
// user of a request. It runs in a terminal, with a tenant and two APIs that it starts.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/examples/internal/demo"
)

const (
	orders  = "https://orders.acme.example/"
	billing = "https://billing.acme.example/"
)

func main() {
	tenant, err := auth0test.Serve("127.0.0.1:0", "http://localhost:3000")
	if err != nil {
		log.Fatal(err)
	}
	application, err := auth0.NewApplication(tenant.Config()) // Domain, ClientID and ClientSecret are enough
	if err != nil {
		log.Fatal(err)
	}
	tenant.AllowClientCredentials(orders, "read:orders")
	tenant.ExchangesTokensOf(orders)
	newAPI := func(audience string) *auth0.API {
		api, err := auth0.NewAPI(tenant.APIConfig(audience))
		if err != nil {
			log.Fatal(err)
		}
		return api
	}
	invoices := demo.Background(newAPI(billing).RequireAuth(answer("invoices")))
	api, mux := newAPI(orders), http.NewServeMux()
	mux.Handle("GET /orders", api.RequireScope("read:orders")(answer("orders")))
	mux.Handle("GET /invoices", api.RequireAuth(onBehalf(api, application, invoices)))
	address := demo.Background(mux)

	worker := application.ClientCredentials(auth0.ClientCredentials{Audience: orders}) // one for all requests: it keeps the token
	user := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: tenant.AccessToken()})
	fmt.Println("Tenant             embedded, with public passwords, for this program alone")
	fmt.Println("Worker to orders  ", get(worker, address+"/orders"))
	fmt.Println("User to orders    ", get(user, address+"/invoices"))
	fmt.Println("User to billing   ", get(user, invoices))
}

// onBehalf does not forward the received token, because that is for this API and not for
// the next one. It exchanges the token for another one of the same user.
func onBehalf(api *auth0.API, application *auth0.Application, next string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		received, _ := auth0.AccessTokenFrom(r.Context())
		token, err := application.ExchangeToken(r.Context(), auth0.TokenExchange{SubjectToken: received, Audience: billing})
		if err != nil {
			api.WriteError(w, r, err)
			return
		}
		fmt.Fprint(w, "billing answers ", get(oauth2.StaticTokenSource(token), next))
	})
}

func answer(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := auth0.TokenFrom(r.Context())
		fmt.Fprintf(w, "%s for %s", text, token.Subject())
	})
}

// get returns status and body of a response as text.
func get(source oauth2.TokenSource, url string) string {
	client := &http.Client{Transport: &auth0.ProofTransport{Source: source}, Timeout: 30 * time.Second}
	resp, err := client.Get(url)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, body)
}
