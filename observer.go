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
	// request that has none. A guard that then refuses a good token, for its
	// scopes or otherwise, causes a second call.
	Token func(context.Context, TokenEvent)
	// Keys is called for each fetch of an issuer's keys, and for each that was
	// wanted too often.
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
// are from small closed sets and so fit for metric labels.
type TokenEvent struct {
	// Status is 200, or that of the response.
	Status int
	// Reason is "ok", or [Error].Reason.
	Reason string
	// Issuer is that of a good token, as it was configured.
	Issuer string
	// Algorithm and KeyID are those of a good token.
	Algorithm string
	KeyID     string
	// Cached says that the signature was checked before.
	Cached bool
	// Duration is how long the check took, with the wait for keys if there was
	// one.
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
