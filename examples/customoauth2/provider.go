package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// A photo is a resource of the provider's API.
type photo struct {
	Title string `json:"title"`
	Color string `json:"color"`
}

// A provider is Pictor, a photo service of another company. It speaks OAuth 2.0. Auth0
// is its client with a redirect URI. The provider is reduced to the needs of the example,
// so do not copy it.
type provider struct {
	redirectURI            string
	clientID, clientSecret string
	isolate                bool // separates its windows from their openers

	mu     sync.Mutex
	codes  map[string]string // challenge by code
	tokens map[string]bool
}

func newProvider(redirectURI string, isolate bool) *provider {
	return &provider{redirectURI: redirectURI, clientID: "acme-at-pictor", clientSecret: rand.Text(), isolate: isolate,
		codes: map[string]string{}, tokens: map[string]bool{}}
}

func (p *provider) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /authorize", p.ask)
	mux.HandleFunc("POST /authorize", p.decide)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /me", p.api(map[string]string{"id": "4711", "name": "Iris Lind", "email": "iris@pictor.example"}))
	mux.HandleFunc("GET /photos", p.api([]photo{{"Harbour at dawn", "#d9825b"}, {"Birches", "#5f8a62"}, {"Night ferry", "#2f3f6b"}}))
	return mux
}

// ask shows the page on which users log in and consent.
func (p *provider) ask(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if query.Get("client_id") != p.clientID || query.Get("redirect_uri") != p.redirectURI {
		http.Error(w, "unknown client or redirect URI", http.StatusBadRequest)
		return
	}
	if p.isolate {
		w.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	pages.ExecuteTemplate(w, "pictor.html", strings.Fields(query.Get("scope")))
}

func (p *provider) decide(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if query.Get("client_id") != p.clientID || query.Get("redirect_uri") != p.redirectURI || http.NewCrossOriginProtection().Check(r) != nil {
		http.Error(w, "unknown client, redirect URI or origin", http.StatusBadRequest)
		return
	}
	answer := url.Values{"state": {query.Get("state")}}
	if r.FormValue("agree") == "" {
		answer.Set("error", "access_denied")
	} else {
		code := rand.Text()
		p.mu.Lock()
		p.codes[code] = query.Get("code_challenge")
		p.mu.Unlock()
		answer.Set("code", code)
	}
	http.Redirect(w, r, p.redirectURI+"?"+answer.Encode(), http.StatusSeeOther)
}

func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	challenge := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	p.mu.Lock()
	defer p.mu.Unlock()
	wanted, ok := p.codes[r.PostFormValue("code")]
	delete(p.codes, r.PostFormValue("code"))
	switch {
	case r.PostFormValue("client_id") != p.clientID || r.PostFormValue("client_secret") != p.clientSecret:
		w.WriteHeader(http.StatusUnauthorized)
		writeJSON(w, map[string]string{"error": "invalid_client"})
	case !ok || wanted != base64.RawURLEncoding.EncodeToString(challenge[:]) || r.PostFormValue("redirect_uri") != p.redirectURI:
		w.WriteHeader(http.StatusBadRequest)
		writeJSON(w, map[string]string{"error": "invalid_grant"})
	default:
		token := "pictor-" + rand.Text()
		p.tokens[token] = true
		writeJSON(w, map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 3600, "scope": "me photos"})
	}
}

// api answers requests with a token.
func (p *provider) api(data any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		p.mu.Lock()
		ok := p.tokens[token]
		p.mu.Unlock()
		if !ok {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "no good token", http.StatusUnauthorized)
			return
		}
		writeJSON(w, data)
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}
