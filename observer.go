package auth0

import (
	"context"
	"time"
)

// An Observer is told what happens, for metrics and traces. Functions that are
// nil are not called. The others are called on the goroutine that does the work,
// several at a time, so they should only count and return. Nothing that they get
// holds a token or a part of one.
type Observer struct {
	// Token is called for each access token that is checked, and for each
	// request that is refused for having none. A guard that then refuses a good
	// token, for its scopes or otherwise, causes a second call.
	Token func(context.Context, TokenEvent)
	// Keys is called for each fetch of an issuer's keys, and for each that was
	// wanted too often. A fetch is for all who wait for it, so its context is not
	// that of a request.
	Keys func(context.Context, KeyEvent)
}

func (o Observer) token(ctx context.Context, e TokenEvent) {
	if o.Token != nil {
		o.Token(ctx, e)
	}
}

func (o Observer) keys(ctx context.Context, e KeyEvent) {
	if o.Keys != nil {
		o.Keys(ctx, e)
	}
}

// A TokenEvent is the outcome of one check. Status, Reason, Issuer and Algorithm
// are from closed sets, small ones unless a resolver trusts many issuers, and so
// fit for metric labels.
type TokenEvent struct {
	// Status is 200, or that of the response: 503 for a request that was canceled.
	Status int
	// Reason is "ok", or [Error].Reason, of which these occur here:
	//
	//	missing_token, invalid_request                        the request
	//	token_malformed, token_too_large, unsupported_crit    the form of the token
	//	invalid_type, invalid_alg, invalid_claim, invalid_issuer, invalid_audience
	//	token_expired, token_not_yet_valid, issued_in_future, token_too_old
	//	unknown_kid, ambiguous_kid, key_unusable, invalid_signature, dpop_required
	//	insufficient_scope, insufficient_permissions, claim_requirement,
	//	organization, insufficient_user_authentication, forbidden
	//	keys_unavailable, unavailable, misconfigured, internal, canceled
	Reason string
	// Guard says that the token is good, and a guard has refused it.
	Guard bool
	// Issuer is the one, as it was configured, that the token is from or, if it
	// was refused, claims to be from. It is empty if that is none that is trusted.
	Issuer string
	// Algorithm and KeyID are those of a good token.
	Algorithm string
	KeyID     string
	// Cached says that the signature was checked before.
	Cached bool
	// Duration is how long the check took, with the wait for keys if there was
	// one; 0 if no token was checked.
	Duration time.Duration
	// Err is why the token was refused, for logs.
	Err error
}

// A KeyEvent is what became of a fetch of an issuer's keys.
type KeyEvent struct {
	Issuer string
	// Reason is "fetched", "rotated" if there were other key ids than before,
	// "failed", or "throttled" if an unknown key id would have made us fetch
	// too often.
	Reason   string
	Keys     int // how many can be used now
	Duration time.Duration
	Err      error // why it failed
}
