package auth0

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/bearer"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/jsonscan"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/memo"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/session"
	"github.com/seed-15d5a55c/auth0/internal/visit"
)

// A Token is an access token that was checked. It does not change and may be
// kept and shared.
type Token struct {
	claims    jwt.Claims
	payload   string
	keyID     string
	algorithm string
	from      *trusted
	key       *keys.Key // that has signed it
}

// Issuer returns iss, the tenant that issued the token.
func (t *Token) Issuer() string { return t.claims.Issuer }

// Subject returns sub: at Auth0 a user such as "auth0|65f0c1d2e3a4b5c6d7e8f901"
// or, for a token of the client credentials grant, an application such as
// "CLIENT_ID@clients".
func (t *Token) Subject() string { return t.claims.Subject }

// Audience returns the values of aud.
func (t *Token) Audience() iter.Seq[string] { return slices.Values(t.claims.Audience) }

// ClientID returns the application that the token was issued to: client_id
// (RFC 9068) or else azp (Auth0).
func (t *Token) ClientID() string {
	if t.claims.ClientID != "" {
		return t.claims.ClientID
	}
	return t.claims.AuthorizedParty
}

// ID returns jti, empty if the token has none.
func (t *Token) ID() string { return t.claims.ID }

// ExpiresAt returns exp.
func (t *Token) ExpiresAt() time.Time { return idtoken.FromUnix(t.claims.Expiry) }

// IssuedAt returns iat, the zero time if the token has none.
func (t *Token) IssuedAt() time.Time { return idtoken.FromUnix(t.claims.IssuedAt) }

// Scope returns the scopes, separated by spaces.
func (t *Token) Scope() string { return t.claims.Scope }

// HasScope reports whether the token has the scope.
func (t *Token) HasScope(scope string) bool {
	for s := range strings.SplitSeq(t.claims.Scope, " ") {
		if s == scope && s != "" {
			return true
		}
	}
	return false
}

// Permissions returns the values of the claim permissions.
func (t *Token) Permissions() iter.Seq[string] { return slices.Values(t.claims.Permissions) }

// HasPermission reports whether the token has the permission.
func (t *Token) HasPermission(permission string) bool {
	return slices.Contains(t.claims.Permissions, permission)
}

// OrgID returns org_id, the organization that the token is for, if any.
func (t *Token) OrgID() string { return t.claims.OrgID }

// OrgName returns org_name, if the tenant adds it.
func (t *Token) OrgName() string { return t.claims.OrgName }

// AuthTime returns auth_time, when the user last proved who they are, the zero
// time if the token does not say.
func (t *Token) AuthTime() time.Time { return idtoken.FromUnix(t.claims.AuthTime) }

// ACR returns acr, how they did, if the token says (RFC 9470, Section 6.1).
func (t *Token) ACR() string { return t.claims.ACR }

// IsAnonymous reports whether the token is of an anonymous session of Auth0, a
// visitor who has not logged in.
func (t *Token) IsAnonymous() bool { return isAnonymous(t.claims.Subject) }

func isAnonymous(subject string) bool { return strings.HasPrefix(subject, "anon@") }

// Actors returns who acts for the subject: the sub of act, and of the act in
// that, so the present actor comes first (RFC 8693, Section 4.1). Only the first
// may decide about access. There are none if nobody acts for the subject. The
// error is for a claim of another form.
func (t *Token) Actors() ([]string, error) {
	if t.claims.Actor == "" {
		return nil, nil
	}
	var list []string
	for act := t.claims.Actor; act != ""; {
		subject, next, err := actor(act)
		if err != nil {
			return nil, err
		}
		list, act = append(list, subject), next
	}
	return list, nil
}

// actor reads one act claim.
func actor(text string) (subject, next string, err error) {
	err = jsonscan.Object(text, func(name, value string) error {
		switch name {
		case "sub":
			subject, _ = jsonscan.String(value)
		case "act":
			next = value
		}
		return nil
	})
	if err != nil || subject == "" {
		return "", "", fault.Claim.Because("act is no object with a sub")
	}
	return subject, next, nil
}

// KeyID returns the kid of the key that has signed the token.
func (t *Token) KeyID() string { return t.keyID }

// Claim returns any claim, as package encoding/json decodes it, and whether it
// is there. Names are exact, and may be URLs. To decode several into a struct
// see [Claims].
func (t *Token) Claim(name string) (value any, ok bool) {
	raw, ok := idtoken.RawClaim(t.payload, name)
	if !ok || json.Unmarshal([]byte(raw), &value) != nil {
		return nil, false
	}
	return value, true
}

// Decode decodes the claims into a value, as package encoding/json does. Where a
// request is at hand, [Claims] decodes them only once.
func (t *Token) Decode(v any) error {
	if err := json.Unmarshal([]byte(t.payload), v); err != nil {
		return asError("claims", refusal.Claim.Wrap(err))
	}
	return nil
}

// Format shows who the token is about, and nothing that could be used.
func (t Token) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "auth0.Token(%q)", t.claims.Subject) }

// LogValue does the same for package slog.
func (t Token) LogValue() slog.Value {
	return slog.GroupValue(slog.String("sub", t.claims.Subject), slog.String("client_id", t.ClientID()))
}

type verifiedKey struct{}

// A sessionPathKey is the key of a request that an API has let pass for its session.
type sessionPathKey struct{ of *trustedIssuers }

// verified is what a request was authenticated with, and the context that says
// so: one allocation instead of two for each request.
type verified struct {
	context.Context
	by       *trustedIssuers // of the API that has checked the token; nil for none
	token    *Token
	raw      *string // the text of the token; fmt prints the address of a text alone
	inHeader bool    // Authorization
	session  bool    // the token came from the session; a session is the principal, so this value is never used as a context
	decoded  memo.Types
}

// newVerified returns the context of a request that a token authenticates. The text of
// the token lies beside it in the same allocation.
func newVerified(ctx context.Context, by *trustedIssuers, token *Token, c bearer.Credential) *verified {
	both := &struct {
		verified
		raw string
	}{raw: c.Token}
	v := &both.verified
	v.Context, v.by, v.token, v.raw, v.inHeader = ctx, by, token, &both.raw, c.InHeader
	return v
}

// Value hides the session of a request that was authenticated by a token: it may be
// that of another user, whose cookie a page of an attacker has the browser send.
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

// verifiedBy returns what one API has verified. A guard relies on nothing else.
func verifiedBy(ctx context.Context, by *trustedIssuers) *verified {
	if v := verifiedIn(ctx); v != nil && v.by != nil && v.by == by {
		return v
	}
	return nil
}

// TokenFrom returns the access token that a Require method of an [API] has
// checked for this request.
func TokenFrom(ctx context.Context) (*Token, bool) {
	if v := verifiedIn(ctx); v != nil {
		return v.token, true
	}
	return nil, false
}

// AccessTokenFrom returns the text of the access token that a Require method of an
// [API] has checked for this request: to call another API on behalf of the user, see
// [TokenExchange]. It reports none for a request that belongs to a session, and for a
// context of [ContextWithToken].
//
// The text is a secret. It is in the context of this request alone, and not in the
// [Token], which the API remembers.
func AccessTokenFrom(ctx context.Context) (string, bool) {
	if v := verifiedIn(ctx); v != nil && v.raw != nil {
		return *v.raw, true
	}
	return "", false
}

// ContextWithToken returns a context with an access token that [API.Verify] has
// returned, for programs that do not use net/http and for tests of handlers. Then
// [TokenFrom] returns the token, and [Claims] decodes its claims.
//
// A context has one principal. [UserFrom] and the methods of a [Strategy] find no user
// and no session in it, whatever the context had before. A nil token makes a context
// without a principal.
//
// The guards of an API do not rely on it: they check the token of the request.
func ContextWithToken(ctx context.Context, t *Token) context.Context {
	return &verified{Context: ctx, token: t}
}

// ContextWithUser returns a context with a user, for programs that do not use net/http
// and for tests of handlers. Then [UserFrom] returns the user, and [Claims] decodes the
// claims of the user. The fields of the user are claims too, such as email. The caller
// vouches for the user: nothing is checked.
//
// A context has one principal. [TokenFrom] finds no token in it, whatever the context
// had before. A user without a Subject makes a context without a principal.
//
// The guards, [Strategy.LoadUser] and the methods of a [Strategy] do not rely on it:
// they read the session of the request, and LoadUser replaces the user.
func ContextWithUser(ctx context.Context, u User) context.Context {
	if u.Subject == "" {
		return &userContext{ctx, visit.Of(nil)}
	}
	return &userContext{ctx, visit.Of(&session.Record{Issuer: u.Issuer, Subject: u.Subject, Claims: u.text()})}
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

// Claims decodes the claims of what authenticated the request into a T, as
// package encoding/json does: those of the access token, or else those of the
// ID token that the session keeps. They are decoded once per request and T; a
// T with pointers, maps or slices is shared by whoever asks.
//
// If T or *T has a method Validate(context.Context) error, it is called, and its
// error returned. To have it decide about access, see [RequireClaims].
//
// The error is [ErrNoToken] if there is neither token nor session.
func Claims[T any](ctx context.Context) (T, error) {
	var none T
	text, decoded := claimsOf(ctx)
	if decoded == nil {
		return none, asError("claims", refusal.NoToken.New())
	}
	claims, err := decodeClaims[T](ctx, text, decoded)
	if err != nil {
		return none, asError("claims", refusal.Claim.Wrap(err))
	}
	return claims, nil
}

func decodeClaims[T any](ctx context.Context, text string, decoded *memo.Types) (T, error) {
	var none T
	claims, err := decoded.As(reflect.TypeFor[T](), func() (any, error) {
		var claims T
		if err := json.Unmarshal([]byte(text), &claims); err != nil {
			return nil, err
		}
		if err := validate(ctx, claims, &claims); err != nil {
			return nil, err
		}
		return claims, nil
	})
	if err != nil {
		return none, err
	}
	return claims.(T), nil
}

// validate calls the method of the first that has it. A T that is a pointer has
// the methods of what it points to; a pointer to it has none.
func validate(ctx context.Context, values ...any) error {
	for _, value := range values {
		if v, ok := value.(interface{ Validate(context.Context) error }); ok {
			return v.Validate(ctx)
		}
	}
	return nil
}

// claimsOf returns the JSON text of the claims of a request, and where what was
// decoded of it is kept.
func claimsOf(ctx context.Context) (string, *memo.Types) {
	if v := verifiedIn(ctx); v != nil {
		return v.token.payload, &v.decoded
	}
	if loaded := visit.In(ctx); loaded != nil && loaded.Record != nil {
		return string(loaded.Record.Claims), loaded.Decoded
	}
	return "", nil
}

// A ClaimCheck decides about the value of a claim, as package encoding/json
// decodes it. It is not called if the claim is not there.
type ClaimCheck func(value any) bool

// Equals agrees with one value.
func Equals[T string | float64 | bool](want T) ClaimCheck {
	return func(value any) bool { return value == any(want) }
}

// IncludesAll agrees with an array, or a text of words separated by spaces, that
// has all of the values.
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

// IncludesAny agrees with an array, or a text of words separated by spaces, that
// has one of the values.
func IncludesAny(values ...string) ClaimCheck {
	values = slices.Clone(values)
	return func(value any) bool {
		return slices.ContainsFunc(members(value), func(m string) bool { return slices.Contains(values, m) })
	}
}

// members of an array that are strings, or words of a string; of other types none.
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
