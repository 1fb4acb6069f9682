// Command app is one of several instances of a web application behind a proxy. They share
// only their secrets and a Redis.
//
// PORT is the port to listen on, REDIS_ADDR the address of Redis. For the other variables
// see auth0.ConfigFromEnv.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/redisstore"
)

func main() {
	port := os.Getenv("PORT")
	handler, err := newApp(port, os.Getenv("REDIS_ADDR"))
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Addr: "127.0.0.1:" + port, Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.ListenAndServe())
}

func newApp(instance, redisAddress string) (http.Handler, error) {
	cfg, err := auth0.ConfigFromEnv()
	if err != nil {
		return nil, err
	}
	cfg.Scopes = []string{"openid", "email", "offline_access"}
	cfg.Store = redisstore.New(redis.NewClient(&redis.Options{Addr: redisAddress, ContextTimeoutEnabled: true}), "app:")
	strategy, err := auth0.New(cfg)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.Handle("GET /{$}", strategy.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := auth0.UserFrom(r.Context())
		fmt.Fprint(w, user.Email)
	})))
	mux.Handle("GET /token", strategy.RequireSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := strategy.AccessToken(w, r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		fmt.Fprint(w, token.AccessToken)
	})))
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Instance", instance)
		strategy.LoadUser(mux).ServeHTTP(w, r)
	}), nil
}
