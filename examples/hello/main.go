// Command hello logs users in, greets them and logs them out.
package main

import (
	"html/template"
	"log"
	"net/http"

	"github.com/seed-15d5a55c/auth0"
)

var page = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><meta charset="utf-8"><title>Hello</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<body style="font: 1rem system-ui; overflow-wrap: anywhere">{{if .Subject}}<h1>Hello {{or .Name .Email "there"}}</h1>
<form method="post" action="/auth/logout"><button>Log out</button></form>
{{else}}<h1>Welcome</h1><p><a href="/auth/login">Log in</a></p>{{end}}`))

func main() {
	cfg, err := auth0.ConfigFromEnv() // AUTH0_DOMAIN, AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET, AUTH0_SECRET, APP_BASE_URL
	if err != nil {
		log.Fatal(err, "\nNo account? Put this before the command: go run github.com/seed-15d5a55c/auth0/cmd/auth0-tenant -app http://localhost:3000 --")
	}
	strategy, err := auth0.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	strategy.Register(mux) // /auth/login, /auth/callback, /auth/logout
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		user, _ := auth0.UserFrom(r.Context())
		page.Execute(w, user)
	})
	log.Println("Open", cfg.BaseURL)
	log.Fatal(http.ListenAndServe("localhost:3000", strategy.LoadUser(mux)))
}
