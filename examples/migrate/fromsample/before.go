// Package fromsample has one web application twice: with gin, go-oidc and a session in a
// cookie, in the shape of Auth0's Go sample, and with package auth0.
package fromsample

import (
	"context"
	"crypto/rand"
	"encoding/gob"
	"errors"
	"html/template"
	"net/http"
	"net/url"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/gin-contrib/sessions"
	"github.com/gin-contrib/sessions/cookie"
	"github.com/gin-gonic/gin"
	"golang.org/x/oauth2"
)

// Settings are the variables of the application before.
type Settings struct {
	Issuer, ClientID, ClientSecret string // AUTH0_DOMAIN as a URL, AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET
	CallbackURL                    string // AUTH0_CALLBACK_URL
	SessionKey                     []byte
}

// pages are the templates of both applications.
var pages = template.Must(template.New("").Parse(
	`{{define "home"}}<h1>Home</h1><a href="/login">Log in</a>{{end}}` +
		`{{define "user"}}<h1>Hello {{.name}}</h1><a href="/logout">Log out</a>{{end}}`))

// Before is the application before.
func Before(ctx context.Context, s Settings) (http.Handler, error) {
	auth, err := newAuthenticator(ctx, s)
	if err != nil {
		return nil, err
	}
	gob.Register(map[string]any{})
	router := gin.New()
	router.SetHTMLTemplate(pages)
	router.Use(sessions.Sessions("auth-session", cookie.NewStore(s.SessionKey)))
	router.GET("/", func(c *gin.Context) { c.HTML(http.StatusOK, "home", nil) })
	router.GET("/login", auth.login)
	router.GET("/callback", auth.callback)
	router.GET("/user", isAuthenticated, func(c *gin.Context) {
		c.HTML(http.StatusOK, "user", sessions.Default(c).Get("profile"))
	})
	router.GET("/logout", auth.logout)
	return router, nil
}

// An authenticator is the client of the tenant.
type authenticator struct {
	oauth2.Config
	verifier *oidc.IDTokenVerifier
	issuer   string
}

func newAuthenticator(ctx context.Context, s Settings) (*authenticator, error) {
	provider, err := oidc.NewProvider(ctx, s.Issuer)
	if err != nil {
		return nil, err
	}
	return &authenticator{
		Config: oauth2.Config{
			ClientID: s.ClientID, ClientSecret: s.ClientSecret, RedirectURL: s.CallbackURL,
			Endpoint: provider.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "profile"},
		},
		verifier: provider.Verifier(&oidc.Config{ClientID: s.ClientID}),
		issuer:   s.Issuer,
	}, nil
}

func (a *authenticator) login(c *gin.Context) {
	state := rand.Text()
	session := sessions.Default(c)
	session.Set("state", state)
	if err := session.Save(); err != nil {
		c.String(http.StatusInternalServerError, "The session was not saved.")
		return
	}
	c.Redirect(http.StatusTemporaryRedirect, a.AuthCodeURL(state))
}

func (a *authenticator) callback(c *gin.Context) {
	session := sessions.Default(c)
	if c.Query("state") != session.Get("state") {
		c.String(http.StatusBadRequest, "The state is wrong.")
		return
	}
	token, profile, err := a.redeem(c.Request.Context(), c.Query("code"))
	if err != nil {
		c.String(http.StatusUnauthorized, "The login failed.")
		return
	}
	session.Set("access_token", token.AccessToken)
	session.Set("profile", profile)
	if err := session.Save(); err != nil {
		c.String(http.StatusInternalServerError, "The session was not saved.")
		return
	}
	c.Redirect(http.StatusTemporaryRedirect, "/user")
}

// redeem returns the tokens for a code, and the claims of the ID token.
func (a *authenticator) redeem(ctx context.Context, code string) (*oauth2.Token, map[string]any, error) {
	token, err := a.Exchange(ctx, code)
	if err != nil {
		return nil, nil, err
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return nil, nil, errors.New("the response has no ID token")
	}
	idToken, err := a.verifier.Verify(ctx, raw)
	if err != nil {
		return nil, nil, err
	}
	var profile map[string]any
	return token, profile, idToken.Claims(&profile)
}

func isAuthenticated(c *gin.Context) {
	if sessions.Default(c).Get("profile") == nil {
		c.Redirect(http.StatusSeeOther, "/")
		c.Abort()
	}
}

func (a *authenticator) logout(c *gin.Context) {
	back := url.URL{Scheme: "http", Host: c.Request.Host}
	if c.Request.TLS != nil {
		back.Scheme = "https"
	}
	query := url.Values{"client_id": {a.ClientID}, "returnTo": {back.String()}}
	c.Redirect(http.StatusTemporaryRedirect, a.issuer+"v2/logout?"+query.Encode())
}
