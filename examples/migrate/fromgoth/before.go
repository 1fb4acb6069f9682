// Package fromgoth has one web application twice: with goth and gothic, and with package
// auth0.
package fromgoth

import (
	"html/template"
	"net/http"

	"github.com/gorilla/sessions"
	"github.com/markbates/goth"
	"github.com/markbates/goth/gothic"
	gothauth0 "github.com/markbates/goth/providers/auth0"
)

// Settings are the variables of the application before.
type Settings struct {
	Domain, ClientID, ClientSecret, CallbackURL string
	SessionKey                                  []byte
	HTTPClient                                  *http.Client
}

// pages are the templates of both applications.
var pages = template.Must(template.New("").Parse(
	`{{define "home"}}<h1>Home</h1><a href="/auth/auth0">Log in</a>{{end}}` +
		`{{define "profile"}}<h1>Hello {{.}}</h1><a href="/logout/auth0">Log out</a>{{end}}`))

// Before is the application before. The store and the list of providers are global.
func Before(s Settings) http.Handler {
	store := sessions.NewCookieStore(s.SessionKey)
	store.Options.HttpOnly = true
	gothic.Store = store
	provider := gothauth0.New(s.ClientID, s.ClientSecret, s.CallbackURL, s.Domain, "openid", "profile", "email")
	provider.HTTPClient = s.HTTPClient
	goth.UseProviders(provider)

	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { pages.ExecuteTemplate(w, "home", nil) })
	mux.HandleFunc("GET /auth/auth0", func(w http.ResponseWriter, r *http.Request) {
		gothic.BeginAuthHandler(w, gothic.GetContextWithProvider(r, "auth0"))
	})
	mux.HandleFunc("GET /auth/auth0/callback", callback)
	mux.HandleFunc("GET /profile", profile)
	mux.HandleFunc("GET /logout/auth0", logout)
	return mux
}

func callback(w http.ResponseWriter, r *http.Request) {
	user, err := gothic.CompleteUserAuth(w, gothic.GetContextWithProvider(r, "auth0"))
	if err != nil {
		http.Error(w, "The login failed.", http.StatusUnauthorized)
		return
	}
	session, _ := gothic.Store.Get(r, "app")
	session.Values["sub"], session.Values["name"] = user.UserID, user.Name
	if err := session.Save(r, w); err != nil {
		http.Error(w, "The session was not saved.", http.StatusInternalServerError)
		return
	}
	http.Redirect(w, r, "/profile", http.StatusSeeOther)
}

func profile(w http.ResponseWriter, r *http.Request) {
	session, _ := gothic.Store.Get(r, "app")
	if session.Values["sub"] == nil {
		http.Redirect(w, r, "/auth/auth0", http.StatusSeeOther)
		return
	}
	pages.ExecuteTemplate(w, "profile", session.Values["name"])
}

func logout(w http.ResponseWriter, r *http.Request) {
	session, _ := gothic.Store.Get(r, "app")
	session.Options.MaxAge = -1
	session.Save(r, w)
	gothic.Logout(w, r)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
