// Package fromgooidc has one web application twice: with x/oauth2 and go-oidc by hand, and
// with package auth0.
package fromgooidc

import (
	"context"
	"crypto/rand"
	"errors"
	"html/template"
	"net/http"
	"net/url"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/gorilla/sessions"
	"golang.org/x/oauth2"
)

// Settings are the variables of the application before.
type Settings struct {
	Issuer, ClientID, ClientSecret, BaseURL string
	SessionKey                              []byte
}

// pages are the templates of both applications.
var pages = template.Must(template.New("").Parse(
	`{{define "home"}}<h1>Home</h1><a href="/login">Log in</a>{{end}}` +
		`{{define "profile"}}<h1>Hello {{.}}</h1><a href="/logout">Log out</a>{{end}}`))

// An app is the application before.
type app struct {
	config   oauth2.Config
	verifier *oidc.IDTokenVerifier
	store    sessions.Store
	settings Settings
}

// Before is the application before: state, nonce and PKCE by hand.
func Before(ctx context.Context, s Settings) (http.Handler, error) {
	provider, err := oidc.NewProvider(ctx, s.Issuer)
	if err != nil {
		return nil, err
	}
	store := sessions.NewCookieStore(s.SessionKey)
	store.Options.HttpOnly, store.Options.SameSite = true, http.SameSiteLaxMode
	a := &app{
		config: oauth2.Config{
			ClientID: s.ClientID, ClientSecret: s.ClientSecret, RedirectURL: s.BaseURL + "/callback",
			Endpoint: provider.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "profile", "email"},
		},
		verifier: provider.Verifier(&oidc.Config{ClientID: s.ClientID}),
		store:    store,
		settings: s,
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { pages.ExecuteTemplate(w, "home", nil) })
	mux.HandleFunc("GET /login", a.login)
	mux.HandleFunc("GET /callback", a.callback)
	mux.HandleFunc("GET /profile", a.profile)
	mux.HandleFunc("GET /logout", a.logout)
	return mux, nil
}

func (a *app) login(w http.ResponseWriter, r *http.Request) {
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	session, _ := a.store.Get(r, "login")
	session.Values["state"], session.Values["nonce"], session.Values["verifier"] = state, nonce, verifier
	if err := session.Save(r, w); err != nil {
		http.Error(w, "The login was not saved.", http.StatusInternalServerError)
		return
	}
	http.Redirect(w, r, a.config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), http.StatusFound)
}

func (a *app) callback(w http.ResponseWriter, r *http.Request) {
	login, _ := a.store.Get(r, "login")
	login.Options.MaxAge = -1
	idToken, err := a.redeem(r, login.Values)
	if err != nil {
		http.Error(w, "The login failed.", http.StatusUnauthorized)
		return
	}
	var claims struct {
		Name string `json:"name"`
	}
	if err := idToken.Claims(&claims); err != nil {
		http.Error(w, "The login failed.", http.StatusUnauthorized)
		return
	}
	session, _ := a.store.Get(r, "session")
	session.Values["sub"], session.Values["name"] = idToken.Subject, claims.Name
	if err := errors.Join(login.Save(r, w), session.Save(r, w)); err != nil {
		http.Error(w, "The session was not saved.", http.StatusInternalServerError)
		return
	}
	http.Redirect(w, r, "/profile", http.StatusSeeOther)
}

// redeem returns the verified ID token of a callback.
func (a *app) redeem(r *http.Request, login map[any]any) (*oidc.IDToken, error) {
	state, _ := login["state"].(string)
	if state == "" || r.FormValue("state") != state {
		return nil, errors.New("wrong state")
	}
	if code := r.FormValue("error"); code != "" {
		return nil, errors.New(code)
	}
	verifier, _ := login["verifier"].(string)
	token, err := a.config.Exchange(r.Context(), r.FormValue("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, err
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return nil, errors.New("no ID token")
	}
	idToken, err := a.verifier.Verify(r.Context(), raw)
	if err != nil {
		return nil, err
	}
	if idToken.Nonce != login["nonce"] {
		return nil, errors.New("wrong nonce")
	}
	return idToken, nil
}

func (a *app) profile(w http.ResponseWriter, r *http.Request) {
	session, _ := a.store.Get(r, "session")
	if session.Values["sub"] == nil {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	pages.ExecuteTemplate(w, "profile", session.Values["name"])
}

func (a *app) logout(w http.ResponseWriter, r *http.Request) {
	session, _ := a.store.Get(r, "session")
	session.Options.MaxAge = -1
	if err := session.Save(r, w); err != nil {
		http.Error(w, "The session was not deleted.", http.StatusInternalServerError)
		return
	}
	query := url.Values{"client_id": {a.settings.ClientID}, "returnTo": {a.settings.BaseURL}}
	http.Redirect(w, r, a.settings.Issuer+"v2/logout?"+query.Encode(), http.StatusFound)
}
