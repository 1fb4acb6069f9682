package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net/http"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/gorilla/securecookie"
	"golang.org/x/oauth2"
)

// A partyByHand is a program that logs users in with x/oauth2, go-oidc and
// gorilla/securecookie, as their documentation shows it.
type partyByHand struct {
	config   oauth2.Config
	client   *http.Client
	verifier *oidc.IDTokenVerifier
	codec    *securecookie.SecureCookie
}

// begunByHand is a login transaction.
type begunByHand struct {
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
}

const nameOfLogin = "login"

func newPartyByHand(ctx context.Context, t *memoryTenant) (*relyingParty, error) {
	client := &http.Client{Transport: t}
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, client), issuer)
	if err != nil {
		return nil, err
	}
	p := &partyByHand{
		config: oauth2.Config{
			ClientID: clientID, ClientSecret: clientSecret, RedirectURL: appURL + "/auth/callback",
			Endpoint: oauth2.Endpoint{AuthURL: issuer + "authorize", TokenURL: issuer + "oauth/token", AuthStyle: oauth2.AuthStyleInParams},
			Scopes:   []string{"openid", "profile", "email", "offline_access"},
		},
		client:   client,
		verifier: provider.Verifier(&oidc.Config{ClientID: clientID}),
		codec:    securecookie.New(cookieKeys()).SetSerializer(securecookie.JSONEncoder{}),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /auth/login", p.login)
	mux.HandleFunc("GET /auth/callback", p.callback)
	return &relyingParty{mux, t, p.who}, nil
}

func (p *partyByHand) login(w http.ResponseWriter, r *http.Request) {
	begun := begunByHand{rand.Text(), rand.Text(), oauth2.GenerateVerifier()}
	if err := p.set(w, nameOfLogin, begun, 10*time.Minute); err != nil {
		http.Error(w, "the login cannot begin", http.StatusInternalServerError)
		return
	}
	to := p.config.AuthCodeURL(begun.State, oidc.Nonce(begun.Nonce), oauth2.S256ChallengeOption(begun.Verifier))
	http.Redirect(w, r, to, http.StatusFound)
}

func (p *partyByHand) callback(w http.ResponseWriter, r *http.Request) {
	c, err := p.redeem(r)
	if err == nil {
		err = p.set(w, nameOfSession, c, 24*time.Hour)
	}
	if err != nil {
		http.Error(w, "the login has failed", http.StatusBadRequest)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: nameOfLogin, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true})
	w.Header().Set("Location", "/")
	w.WriteHeader(http.StatusSeeOther)
}

// redeem returns the content of the new session.
func (p *partyByHand) redeem(r *http.Request) (*content, error) {
	var begun begunByHand
	if err := p.get(r, nameOfLogin, &begun); err != nil {
		return nil, err
	}
	query := r.URL.Query()
	if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(begun.State)) != 1 {
		return nil, errors.New("another state")
	}
	ctx := oidc.ClientContext(r.Context(), p.client)
	token, err := p.config.Exchange(ctx, query.Get("code"), oauth2.VerifierOption(begun.Verifier))
	if err != nil {
		return nil, err
	}
	raw, _ := token.Extra("id_token").(string)
	verified, err := p.verifier.Verify(ctx, raw)
	if err != nil {
		return nil, err
	}
	if verified.Nonce != begun.Nonce {
		return nil, errors.New("another nonce")
	}
	now := time.Now()
	c := &content{
		ID: rand.Text(), Issuer: verified.Issuer, Subject: verified.Subject, Nonce: verified.Nonce,
		CreatedAt: now.Unix(), TouchedAt: now.Unix(), ExpiresAt: now.Add(24 * time.Hour).Unix(),
		Audience: audience, Scope: "openid profile email offline_access",
		AccessToken: token.AccessToken, RefreshToken: token.RefreshToken, TokenType: token.TokenType, TokenExpires: token.Expiry.Unix(),
		Theme: theme, Basket: basket,
	}
	return c, verified.Claims(&c.Profile)
}

func (p *partyByHand) who(r *http.Request) (view, error) {
	var c content
	err := p.get(r, nameOfSession, &c)
	return view{c.Subject, c.Profile.Email, c.Theme}, err
}

func (p *partyByHand) get(r *http.Request, name string, to any) error {
	cookie, err := r.Cookie(name)
	if err != nil {
		return err
	}
	return p.codec.Decode(name, cookie.Value, to)
}

func (p *partyByHand) set(w http.ResponseWriter, name string, value any, life time.Duration) error {
	text, err := p.codec.Encode(name, value)
	if err == nil {
		http.SetCookie(w, &http.Cookie{Name: name, Value: text, Path: "/", MaxAge: int(life.Seconds()), Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	}
	return err
}
