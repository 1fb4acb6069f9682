package auth0

import (
	"context"
	"time"
)

// An Observer is called with each [Event], for metrics and traces. The goroutine of
// the check or the fetch calls it, and several goroutines can call it at the same
// time. So it should only count and return. No event contains a token or a part of
// one.
//
// The context is the context of the request, or of the call of [API.Verify]. A fetch
// of keys serves all waiting requests, and has its own context.
type Observer func(context.Context, Event)

// tell calls the Observer, if there is one.
func (o Observer) tell(ctx context.Context, e Event) {
	if o != nil {
		o(ctx, e)
	}
}

// An EventKind is the kind of an [Event]. Ignore unknown kinds: later versions can
// have more.
type EventKind string

const (
	// TokenChecked reports each check of an access token. It also reports each request
	// that an [API] rejects for another reason, for example a missing token or another
	// origin.
	TokenChecked EventKind = "token_checked"
	// GuardRefused reports a request with a valid token that a guard rejects, for
	// example for a missing scope. It follows the TokenChecked event of the token.
	GuardRefused EventKind = "guard_refused"
	// KeysFetched reports each fetch of the keys of an issuer, and each fetch that a
	// limit prevented.
	KeysFetched EventKind = "keys_fetched"
	// ReplayEvicted reports that [DPoP].ReplayMemory is full and has evicted a proof,
	// which can now be replayed. It comes once a second at most.
	ReplayEvicted EventKind = "replay_evicted"
)

// An Event reports a check, a rejection or a fetch. Kind, Status, Reason, Issuer,
// Algorithm and Cached are from closed sets, so you can use them as metric labels.
// The sets are small, unless [APIConfig].ResolveIssuer trusts many issuers. Do not
// use KeyID and Err: an issuer can have any number of keys, and an error can quote a
// text of a client.
type Event struct {
	Kind EventKind
	// Reason is one word. For KeysFetched it is "fetched", "rotated" if the kids have
	// changed since the last fetch, "failed", or "throttled" if a limit has prevented
	// a fetch. For ReplayEvicted it is "replay_evicted". For the other kinds it is "ok" or
	// one of these values of [Error].Reason:
	//
	//	missing_token, invalid_request                        the request
	//	token_malformed, token_too_large, unsupported_crit    the form of the token
	//	invalid_type, invalid_alg, invalid_claim, invalid_issuer, invalid_audience
	//	token_expired, token_not_yet_valid, issued_in_future, token_too_old
	//	unknown_kid, ambiguous_kid, key_unusable, invalid_signature
	//	dpop_required, dpop_binding_mismatch, invalid_dpop_proof, use_dpop_nonce
	//	certificate_required, certificate_mismatch, certificate_binding_required
	//	insufficient_scope, insufficient_permissions, claim_requirement,
	//	organization, insufficient_user_authentication, forbidden, method_not_listed
	//	keys_unavailable, replay_store_unavailable, unavailable, misconfigured, internal,
	//	canceled
	Reason string
	// Issuer is the configured issuer of the keys or of the token. For a rejected token
	// it is the issuer that the token names. It is empty if there is no token, or if the
	// issuer is not trusted.
	Issuer string
	// Duration is the duration of the check, including the wait for keys, or of the
	// fetch. It is 0 without a check or a fetch.
	Duration time.Duration
	// Err is the reason of a rejection, an [*Error], or of a failed fetch, for logs. It
	// is nil for other events.
	Err error

	// Status is 200 for a valid token, else the status of the answer, which is 503 for a
	// canceled request. It is 0 for KeysFetched and ReplayEvicted.
	Status int
	// Algorithm and KeyID are the alg and the kid of a valid token.
	Algorithm, KeyID string
	// Cached reports whether the verified signature of the token came from the cache.
	Cached bool

	// Keys is the number of usable keys of the issuer. It is 0 for other kinds than
	// KeysFetched.
	Keys int
}
