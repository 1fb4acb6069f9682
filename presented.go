package auth0

import (
	"context"
	"crypto/x509"
	"net/http"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/bearer"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// A Presented is what a caller has presented to a program without net/http, for
// [API.VerifyPresented].
type Presented struct {
	// Token is the text of the token, without the scheme Bearer.
	Token string
	// Authorization is read if Token is empty: the values of a field authorization, such
	// as the metadata of gRPC. They are read as the Authorization header of a request is.
	Authorization []string
	// Certificate is the certificate of the caller's TLS connection. Nil means none.
	Certificate *x509.Certificate
	// Allow, if not nil, decides about a valid token, see [API.Require].
	Allow func(context.Context, *Token) error
}

// VerifyPresented is [API.Verify] for more than the text of a token. The error is an
// [*Error] with the Status and Code of the response of [API.Require].
func (a *API) VerifyPresented(ctx context.Context, p Presented) (*Token, error) {
	c := bearer.Credential{Token: p.Token}
	if p.Token == "" {
		r := http.Request{Header: http.Header{"Authorization": p.Authorization}}
		var err error
		if c.Token, err = bearer.Token(&r); err != nil {
			a.observe(ctx, Event{Kind: TokenChecked}, err)
			return nil, errorOf(ctx, "bearer", err)
		}
		c.InHeader = true
	}
	t, err := a.verify(ctx, c)
	if err != nil {
		return nil, errorOf(ctx, "bearer", err)
	}
	if p.Allow == nil {
		return t, nil
	}
	if err := p.Allow(ctx, t); err != nil {
		err = hookError(err, refusal.Forbidden, func(err error) error { return refusal.Forbidden.Wrap(err) })
		a.observe(ctx, outcome{token: t, from: t.from}.event(GuardRefused), err)
		return nil, errorOf(ctx, "bearer", err)
	}
	return t, nil
}

// Leeway returns [APIConfig].Leeway or its default.
func (a *API) Leeway() time.Duration {
	if a.checker == nil {
		return 0
	}
	return a.checker.rules.Leeway
}
