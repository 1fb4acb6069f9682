package auth0

import (
	"context"
	"time"
)

// An Observer is called with each [Event], for metrics and traces. The goroutine that
// does the work calls it, and several goroutines can call it at the same time. So it
// should only count and return. No event holds a token or a part of one.
//
// The context is the context of the request, or of the call of [API.Verify]. A fetch of
// keys is made for all requests that wait for it, and has a context of its own.
type Observer func(context.Context, Event)

// tell calls the Observer, if there is one.
func (o Observer) tell(ctx context.Context, e Event) {
	if o != nil {
		o(ctx, e)
	}
}

// An EventKind is what an [Event] reports. Ignore kinds that you do not know: later
// versions may have more.
type EventKind string

const (
	// TokenChecked reports each check of an access token. It also reports each
	// request that an [API] refuses for another reason: the request has no token,
	// for example, or comes from another origin.
	TokenChecked EventKind = "token_checked"
	// GuardRefused reports a request that a guard refuses though its token is good,
	// for want of a scope, for example. It comes after the TokenChecked of the token.
	GuardRefused EventKind = "guard_refused"
	// KeysFetched reports each fetch of the keys of an issuer, and each fetch that
	// was not made because there had been too many.
	KeysFetched EventKind = "keys_fetched"
)

// An Event reports a check, a refusal or a fetch. Kind, Status, Reason, Issuer, Algorithm
// and Cached are from closed sets, and so fit for metric labels. The sets are small,
// unless [APIConfig].ResolveIssuer trusts many issuers. KeyID and Err are not: an issuer
// can have any number of keys, and an error can quote what a client has made up.
type Event struct {
	Kind EventKind
	// Reason is one word. For KeysFetched it is "fetched", "rotated" if the key ids
	// have changed since the last fetch, "failed", or "throttled" if an unknown key
	// id would have caused one fetch too many. For the other kinds it is "ok", or
	// [Error].Reason, of which these occur:
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
	// Issuer is the issuer of the keys or of the token, as it was configured. For a
	// token that was refused it is the issuer that the token names. It is empty if
	// there is no token, or if that issuer is not trusted.
	Issuer string
	// Duration is the time that the check took, the wait for keys included, or the
	// time that the fetch took. It is 0 if there was neither.
	Duration time.Duration
	// Err is why the token was refused, an [*Error], or why the fetch has failed. It
	// is for logs. It is nil if there is nothing of that kind.
	Err error

	// Status is 200 for a good token, else the status of the response, which is 503
	// for a request that was canceled. It is 0 for KeysFetched.
	Status int
	// Algorithm and KeyID are those of the signature of a good token.
	Algorithm, KeyID string
	// Cached says that the signature of the token was checked before.
	Cached bool

	// Keys is the number of keys of the issuer that can be used now. It is 0 for the
	// other kinds than KeysFetched.
	Keys int
}
