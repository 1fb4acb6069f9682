package main

import (
	"log"
	"net/http"
	"strings"

	"github.com/seed-15d5a55c/auth0"
)

// addAccounts lets users connect their account at the provider, and disconnect it. Users
// who log in with it connect it too: a login identifies the user, and gives no access to
// photos.
func (a app) addAccounts(mux *http.ServeMux) {
	mux.Handle("/connect", a.strategy.RequireLogin(a.strategy.ConnectAccountHandler()))
	mux.Handle("GET /accounts", a.strategy.RequireLogin(http.HandlerFunc(a.accounts)))
	mux.Handle("POST /disconnect", http.NewCrossOriginProtection().Handler(a.strategy.RequireLogin(http.HandlerFunc(a.disconnect))))
}

func (a app) accounts(w http.ResponseWriter, r *http.Request) {
	list, err := a.strategy.ConnectedAccounts(w, r)
	if err != nil {
		log.Print(err)
		a.show(w, r, http.StatusBadGateway, "error.html", "Sorry", &auth0.Error{Description: "your accounts cannot be listed at the moment"})
		return
	}
	a.show(w, r, http.StatusOK, "accounts.html", "Connected accounts", list)
}

func (a app) disconnect(w http.ResponseWriter, r *http.Request) {
	if err := a.strategy.DisconnectAccount(w, r, connection); err != nil {
		log.Print(err)
		a.show(w, r, http.StatusBadGateway, "error.html", "Sorry", &auth0.Error{Description: "We could not disconnect the account. Try again."})
		return
	}
	http.Redirect(w, r, a.base+"/accounts", http.StatusSeeOther)
}

// ownLogin reports whether the user is logged in with the provider itself.
func ownLogin(u auth0.User) bool { return strings.HasPrefix(u.Subject, "oauth2|"+connection+"|") }
