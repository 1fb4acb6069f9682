package main

import (
	"log"
	"net/http"
	"strings"

	"github.com/seed-15d5a55c/auth0"
)

// addAccounts is for people who log in with something else than the provider:
// they connect the account that they have there, and take it back.
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

// ownLogin reports whether the person is logged in with the provider itself, and
// so has nothing to connect.
func ownLogin(u auth0.User) bool { return strings.HasPrefix(u.Subject, "oauth2|"+connection+"|") }
