package auth0

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/access"
	"github.com/seed-15d5a55c/auth0/internal/bearer"
	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/issuers"
	"github.com/seed-15d5a55c/auth0/internal/jsonscan"
	"github.com/seed-15d5a55c/auth0/internal/memo"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/session"
	"github.com/seed-15d5a55c/auth0/internal/verify"
	"github.com/seed-15d5a55c/auth0/internal/visit"
)

// A Token is a verified access token. It is immutable, so it can be kept and shared.
//
// A jti, auth_time or acr of the wrong form counts as absent, because it does not
// decide whether a token is valid. [Token.Claim] and [Token.Decode] show any form.
type Token struct {
	verified verify.Token
	kept     *jsonscan.Kept
}

// newToken makes a Token for several requests, which keeps decoded claims, and returns the
// verified token in it. All are in one allocation.
func newToken(v verify.Token) *verify.Token {
	all := &struct {
		Token
		kept jsonscan.Kept
	}{Token: Token{verified: v}}
	all.Token.kept, all.verified.Public = &all.kept, &all.Token
	return &all.verified
}

// Issuer returns iss, the tenant that issued the token.
func (t *Token) Issuer() string { return t.verified.Claims.Issuer }

// Subject returns sub. At Auth0 it is a user such as
// "auth0|65f0c1d2e3a4b5c6d7e8f901". For the client credentials grant it is an
// application such as "CLIENT_ID@clients".
func (t *Token) Subject() string { return t.verified.Claims.Subject }

// Audience returns the values of aud.
func (t *Token) Audience() iter.Seq[string] { return slices.Values(t.verified.Claims.Audience) }

// ClientID returns the application that the token was issued to: client_id
// (RFC 9068) or else azp (Auth0).
func (t *Token) ClientID() string {
	return cmp.Or(t.verified.Claims.ClientID, t.verified.Claims.AuthorizedParty)
}

// ID returns jti, empty if the token has none.
func (t *Token) ID() string { return t.verified.Claims.ID }

// ExpiresAt returns exp.
func (t *Token) ExpiresAt() time.Time { return idtoken.FromUnix(t.verified.Claims.Expiry) }

// IssuedAt returns iat, the zero time if the token has none.
func (t *Token) IssuedAt() time.Time { return idtoken.FromUnix(t.verified.Claims.IssuedAt) }

// Scope returns the scopes, separated by spaces.
func (t *Token) Scope() string { return t.verified.Claims.Scope }

// HasScope reports whether the token has the scope.
func (t *Token) HasScope(scope string) bool { return access.HasScope(&t.verified.Claims, scope) }

// Permissions returns the values of the claim permissions.
func (t *Token) Permissions() iter.Seq[string] { return slices.Values(t.verified.Claims.Permissions) }

// HasPermission reports whether the token has the permission.
func (t *Token) HasPermission(permission string) bool {
	return access.HasPermission(&t.verified.Claims, permission)
}

// OrgID returns org_id, the organization that the token is for, if any.
func (t *Token) OrgID() string { return t.verified.Claims.OrgID }

// OrgName returns org_name, if the tenant adds it.
func (t *Token) OrgName() string { return t.verified.Claims.OrgName }

// AuthTime returns auth_time, the time of the user's last authentication, the zero
// time if the token has none.
func (t *Token) AuthTime() time.Time { return idtoken.FromUnix(t.verified.Claims.AuthTime) }

// ACR returns acr, the authentication context class, empty if the token has none (RFC
// 9470, Section 6.1).
func (t *Token) ACR() string { return t.verified.Claims.ACR }

// IsAnonymous reports whether the token belongs to an anonymous session of Auth0, a
// visitor who is not logged in.
func (t *Token) IsAnonymous() bool { return access.IsAnonymous(t.verified.Claims.Subject) }

// Actors returns the parties that act for the subject: the sub of act, then the sub
// of the act inside it, and so on (RFC 8693, Section 4.1). Only the first, the
// current actor, may decide about access. Without an act there are none. The error
// reports an act of the wrong form.
func (t *Token) Actors() ([]string, error) {
	return idtoken.Actors(t.verified.Claims.Actor)
}

// Thumbprint returns the RFC 7638 thumbprint of the client's key (jkt in the claim cnf,
// RFC 9449, Section 6.1) if the token is bound to one, and otherwise an empty text. The
// client has proved for each request that it has the key.
func (t *Token) Thumbprint() string {
	key, _, _ := t.verified.Claims.Confirmation()
	return key
}

// KeyID returns the kid of the key that signed the token.
func (t *Token) KeyID() string { return t.verified.KeyID }

// Claim returns any claim, as package encoding/json decodes it, and whether the token has
// it. Names are case-sensitive, and can be URLs. To decode several claims into a
// struct see [Claims].
func (t *Token) Claim(name string) (value any, ok bool) {
	raw, ok := idtoken.RawClaim(t.verified.Payload, name)
	if !ok || json.Unmarshal([]byte(raw), &value) != nil {
		return nil, false
	}
	return value, true
}

// Decode decodes the claims into a value, like package encoding/json. For the
// token of a request, [Claims] decodes them only once.
func (t *Token) Decode(v any) error {
	if err := jsonscan.Unmarshal(t.verified.Payload, v); err != nil {
		return asError("claims", refusal.Claim.Wrap(err))
	}
	return nil
}

// Format shows only the subject.
func (t Token) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "auth0.Token(%q)", t.verified.Claims.Subject)
}

// LogValue shows only the subject and the client id to package slog.
func (t Token) LogValue() slog.Value {
	return slog.GroupValue(slog.String("sub", t.verified.Claims.Subject), slog.String("client_id", t.ClientID()))
}

type verifiedKey struct{}

// A sessionPathKey is the context key of a request that an API has let pass because of its
// session.
type sessionPathKey struct{ of *issuers.Trusted }

// A verified is the credential of a request, and its context: one allocation instead
// of two for each request.
//
// Its first fields have the names of those in the context of [context.WithValue].
// The net/http adaptors of Fiber find values of a context only by these names.
type verified struct {
	context.Context
	key, val any // verifiedKey and the verified itself

	by       *issuers.Trusted // of the API that verified the token; nil for none
	token    *Token
	raw      *string // the text of the token; fmt prints only the address
	inHeader bool    // Authorization
	dpop     bool    // with the scheme DPoP
	session  bool    // the token came from the session; a session is the principal, so this value is never used as a context
	decoded  memo.Types
}

// A withoutSession is a context whose session is hidden from adaptors that read the
// fields of contexts, see [verified]. [verified.Value] hides it from all other readers.
type withoutSession struct {
	context.Context
	key, val any
}

// newVerified returns the context of a request that a token authenticates. All parts
// of it, and the text of the token, are in one allocation.
func newVerified(ctx context.Context, by *issuers.Trusted, token *Token, c bearer.Credential) *verified {
	all := &struct {
		verified
		hidden withoutSession
		raw    string
	}{raw: c.Token, hidden: withoutSession{ctx, visit.Key{}, visit.TokenOnly}}
	v := &all.verified
	v.Context, v.by, v.token, v.raw, v.inHeader, v.dpop = &all.hidden, by, token, &all.raw, c.InHeader, c.DPoP
	v.key, v.val = verifiedKey{}, v
	return v
}

// Value hides the session of a request that a token authenticates. The session can
// belong to another user, if a page of an attacker makes the browser send its cookie.
func (v *verified) Value(key any) any {
	switch key.(type) {
	case verifiedKey:
		return v
	case visit.Key:
		return visit.TokenOnly
	case sessionPathKey:
		return nil
	}
	return v.Context.Value(key)
}

// verifiedIn returns nil if no token authenticates the request.
func verifiedIn(ctx context.Context) *verified {
	if v, _ := ctx.Value(verifiedKey{}).(*verified); v != nil && v.token != nil {
		return v
	}
	return nil
}

// verifiedBy returns the credential that this API has verified. Guards rely on it
// alone.
func verifiedBy(ctx context.Context, by *issuers.Trusted) *verified {
	if v := verifiedIn(ctx); v != nil && v.by != nil && v.by == by {
		return v
	}
	return nil
}

// TokenFrom returns the access token that a Require method of an [API] has verified
// for this request, or the token of [ContextWithToken].
func TokenFrom(ctx context.Context) (*Token, bool) {
	if v := verifiedIn(ctx); v != nil {
		return v.token, true
	}
	return nil, false
}

// AccessTokenFrom returns the text of the access token that a Require method of an
// [API] has verified for this request. Use it to call another API on behalf of the
// user, see [TokenExchange]. It reports none for a request of a session, and for a
// context of [ContextWithToken].
//
// The text is a secret. It is only in the context of this request, not in the
// [Token], which the API caches.
func AccessTokenFrom(ctx context.Context) (string, bool) {
	if v := verifiedIn(ctx); v != nil && v.raw != nil {
		return *v.raw, true
	}
	return "", false
}

// ContextWithToken returns a context with an access token of [API.Verify], for
// programs without net/http and for tests of handlers. [TokenFrom] then returns the
// token, and [Claims] decodes its claims.
//
// A context has one principal. [UserFrom] and the methods of a [Strategy] find no
// user and no session in it, even if the given context has one. A nil token makes a
// context without a principal.
//
// The guards of an API do not rely on it: they verify the token of the request.
func ContextWithToken(ctx context.Context, t *Token) context.Context {
	return &verified{Context: ctx, token: t}
}

// ContextWithUser returns a context with a user, for programs without net/http and
// for tests of handlers. [UserFrom] then returns the user, and [Claims] decodes the
// user's claims. The fields of the user, such as Email, are claims too. Nothing is
// verified: the caller vouches for the user.
//
// A context has one principal. [TokenFrom] finds no token in it, even if the given context
// has one. A user without a Subject makes a context without a principal.
//
// The guards, [Strategy.LoadUser] and the methods of a [Strategy] do not rely on it:
// they read the session of the request, and LoadUser replaces the user.
func ContextWithUser(ctx context.Context, u User) context.Context {
	if u.Subject == "" {
		return &userContext{ctx, visit.Of(nil)}
	}
	return &userContext{ctx, visit.Of(&session.Record{Issuer: u.Issuer, Subject: u.Subject, Claims: string(u.text())})}
}

// A userContext has a user and hides a token.
type userContext struct {
	context.Context
	visit *visit.Visit
}

// Value hides the principal that the context had before.
func (u *userContext) Value(key any) any {
	switch key.(type) {
	case visit.Key:
		return u.visit
	case verifiedKey, sessionPathKey:
		return nil
	}
	return u.Context.Value(key)
}

// Claims decodes the claims of a request's principal into a T, like package
// encoding/json: the claims of the access token, or else the claims of the ID
// token in the session. They are decoded once per request and T. All callers share
// the pointers, maps and slices of a T.
//
// If T or *T has a method Validate(context.Context) error, Claims calls it and
// returns its error. To decide about access, use [RequireClaims].
//
// The error is [ErrNoToken] if there is neither token nor session.
func Claims[T any](ctx context.Context) (T, error) {
	var none T
	text, decoded, kept := claimsOf(ctx)
	if decoded == nil {
		return none, asError("claims", refusal.NoToken.New())
	}
	claims, err := decodeClaims[T](ctx, text, decoded, kept)
	if err != nil {
		return none, asError("claims", refusal.Claim.Wrap(err))
	}
	return *claims, nil
}

// decodeClaims caches a pointer to the claims, which is one allocation for them.
func decodeClaims[T any](ctx context.Context, text string, decoded *memo.Types, kept *jsonscan.Kept) (*T, error) {
	claims, err := decoded.As(reflect.TypeFor[T](), func() (any, error) {
		claims := new(T)
		if err := kept.Unmarshal(text, claims); err != nil {
			return nil, err
		}
		if err := validate(ctx, claims); err != nil {
			return nil, err
		}
		return claims, nil
	})
	if err != nil {
		return nil, err
	}
	return claims.(*T), nil
}

// validate calls the method Validate of the claims, or of their address. A *T has the
// methods of T, unless T is a pointer or an interface.
func validate[T any](ctx context.Context, claims *T) error {
	v, ok := any(claims).(interface{ Validate(context.Context) error })
	if kind := reflect.TypeFor[T]().Kind(); kind == reflect.Pointer || kind == reflect.Interface {
		v, ok = any(*claims).(interface{ Validate(context.Context) error })
	}
	if !ok {
		return nil
	}
	return v.Validate(ctx)
}

// claimsOf returns the JSON text of the claims of a request, the request's cache of their
// decoded forms, and the token's cache for all its requests. The last is nil for a session.
func claimsOf(ctx context.Context) (string, *memo.Types, *jsonscan.Kept) {
	if v := verifiedIn(ctx); v != nil {
		return v.token.verified.Payload, &v.decoded, v.token.kept
	}
	if loaded := visit.In(ctx); loaded != nil && loaded.Record != nil {
		return loaded.Record.Claims, &loaded.Decoded, nil
	}
	return "", nil, nil
}

// A ClaimCheck reports whether the value of a claim is accepted. The value is as
// package encoding/json decodes it. A missing claim is not passed to it.
type ClaimCheck func(value any) bool

// Equals accepts one value.
func Equals[T string | float64 | bool](want T) ClaimCheck {
	return func(value any) bool { return value == any(want) }
}

// IncludesAll accepts an array, or a text of words separated by spaces, with all of
// the values.
func IncludesAll(values ...string) ClaimCheck {
	values = slices.Clone(values)
	return func(value any) bool {
		has := members(value)
		for _, v := range values {
			if !slices.Contains(has, v) {
				return false
			}
		}
		return len(values) > 0
	}
}

// IncludesAny accepts an array, or a text of words separated by spaces, with at least
// one of the values.
func IncludesAny(values ...string) ClaimCheck {
	values = slices.Clone(values)
	return func(value any) bool {
		return slices.ContainsFunc(members(value), func(m string) bool { return slices.Contains(values, m) })
	}
}

// members returns the strings of an array, or the words of a string. Other types have
// none.
func members(value any) []string {
	switch value := value.(type) {
	case string:
		return strings.Fields(value)
	case []any:
		var list []string
		for _, v := range value {
			if s, ok := v.(string); ok {
				list = append(list, s)
			}
		}
		return list
	}
	return nil
}
