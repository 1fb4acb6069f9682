package main

import (
	"log"
	"net/http"
	"strings"

	"github.com/seed-15d5a55c/auth0"
)

// addAccounts lets people connect the account that they have at the provider, and
// take it back. Those who log in with it do so too: a login says who they are, and
// gives nobody their photos.
func addAccounts(mux *http.ServeMux, strategy *auth0.Strategy) {
	mux.Handle("/connect", strategy.RequireLogin(strategy.ConnectAccountHandler()))
	mux.Handle("GET /accounts", strategy.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		list, err := strategy.ConnectedAccounts(w, r)
		if err != nil {
			log.Print(err)
			show(w, r, http.StatusBadGateway, "error.html", &auth0.Error{Description: "your accounts cannot be listed at the moment"})
			return
		}
		show(w, r, http.StatusOK, "accounts.html", list)
	})))
	disconnect := strategy.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := strategy.DisconnectAccount(w, r, connection); err != nil {
			log.Print(err)
			show(w, r, http.StatusBadGateway, "error.html", &auth0.Error{Description: "the account could not be disconnected; please try again"})
			return
		}
		http.Redirect(w, r, "/accounts", http.StatusSeeOther)
	}))
	mux.Handle("POST /disconnect", http.NewCrossOriginProtection().Handler(disconnect))
}

// ownLogin reports whether the person is logged in with the provider itself.
func ownLogin(u auth0.User) bool { return strings.HasPrefix(u.Subject, "oauth2|"+connection+"|") }
