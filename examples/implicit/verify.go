package main

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/examples/internal/demo"
)

// An answer is the result of the verification for the page.
type answer struct {
	User    map[string]any `json:"user,omitempty"`  // claims of the ID token, if there was one
	Token   map[string]any `json:"token,omitempty"` // claims of the access token
	Problem string         `json:"problem,omitempty"`
}

// verify checks the parameters of the page's fragment. The transaction ends with any
// result.
func (a app) verify(w http.ResponseWriter, r *http.Request) {
	a.keep(w, "", -1)
	got, err := a.check(w, r)
	status := http.StatusOK
	if err != nil {
		slog.Warn("verify", "err", err)
		status, got.Problem = problem(err)
	}
	demo.JSON(w, status, got)
}

func (a app) check(w http.ResponseWriter, r *http.Request) (answer, error) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		return answer{}, err
	}
	transaction := ""
	if c, err := r.Cookie(a.cookie()); err == nil {
		transaction = c.Value
	}
	grant, err := a.strategy.Application().VerifyImplicit(r.Context(), transaction, r.PostForm)
	if err != nil {
		return answer{}, err
	}
	// A token that came with this login is not necessarily for our API.
	token, err := a.api.Verify(r.Context(), grant.Token().AccessToken)
	if err != nil {
		return answer{}, err
	}
	got := answer{Token: map[string]any{
		"sub": token.Subject(), "aud": slices.Collect(token.Audience()), "scope": token.Scope(),
		"permissions": slices.Collect(token.Permissions()), "exp": token.ExpiresAt().UTC().Format(time.RFC1123),
	}}
	if grant.Login == nil {
		return got, nil
	}
	user := grant.Login.User
	got.User = map[string]any{"sub": user.Subject}
	for _, name := range []string{"name", "nickname", "given_name", "family_name", "email", "email_verified", "updated_at"} {
		if value, ok := user.Claim(name); ok {
			got.User[name] = value
		}
	}
	return got, nil
}

// problem is the part of an error that a visitor may see. The rest is in the log.
func problem(err error) (status int, text string) {
	e, ok := errors.AsType[*auth0.Error](err)
	switch {
	case ok && e.Op == "bearer":
		return e.Status, "the access token was not accepted: " + e.Description
	case ok:
		return e.Status, e.Description
	}
	return http.StatusBadRequest, "We cannot read the login response. Log in again."
}
