package auth0test

import (
	"time"

	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// faults has the methods of [Tenant] that make it misbehave and count its requests.
// The documentation of Tenant lists them, because Tenant embeds faults by value.
type faults struct{ t *emulator.Tenant }

// DenyLogin makes the next login, or the next connection of an account, end with an
// error, such as "access_denied".
func (t *faults) DenyLogin(code, description string) { t.t.DenyNext(code, description) }

// RotateKeys makes the tenant sign with its next key. The JWKS keeps the old one
// until [Tenant.RevokeKeys].
func (t *faults) RotateKeys() { t.t.RotateKeys() }

// RevokeKeys removes the keys from before the last rotation from the JWKS.
func (t *faults) RevokeKeys() { t.t.RevokeOldKeys() }

// Fail makes every response of an endpoint have the given status, and a matching
// body, until it is called with 0.
func (t *faults) Fail(e Endpoint, status int) { t.t.Fail(emulator.Endpoint(e), status) }

// FailJWKS is [Tenant.Fail] for [JWKS].
func (t *faults) FailJWKS(status int) { t.Fail(JWKS, status) }

// Delay makes an endpoint wait before it answers.
func (t *faults) Delay(e Endpoint, d time.Duration) { t.t.Delay(emulator.Endpoint(e), d) }

// Calls returns the number of requests that an endpoint has received.
func (t *faults) Calls(e Endpoint) int { return t.t.Calls(emulator.Endpoint(e)) }

// JWKSFetches is [Tenant.Calls] for [JWKS].
func (t *faults) JWKSFetches() int { return t.Calls(JWKS) }

// EditIDToken changes every ID token before the tenant signs it, until it is called
// with nil.
func (t *faults) EditIDToken(edit func(header, claims map[string]any)) { t.t.EditIDToken(edit) }

// EditAccessToken changes every access token that the tenant issues as a JWT before
// the tenant signs it, until it is called with nil. [Tenant.AccessToken] has options
// instead.
func (t *faults) EditAccessToken(edit func(header, claims map[string]any)) { t.t.EditAccessToken(edit) }

// EditTokenResponse changes every response of the token endpoint, until it is called
// with nil.
func (t *faults) EditTokenResponse(edit func(status *int, body map[string]any)) {
	t.t.EditTokenResponse(edit)
}

// SignWithForeignKey makes the tenant sign with a key that is not in its JWKS, as a
// forger would.
func (t *faults) SignWithForeignKey(on bool) { t.t.SignWithForeignKey(on) }
