package mcpauth

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"

	"github.com/seed-15d5a55c/auth0"
)

// Handler returns a handler that passes a request to next if its token is valid, has the
// scopes of the Options, and meets the Need of every called tool. Next is usually a
// handler of mcp.NewStreamableHTTPHandler.
//
// Refusals before that are those of [auth0.API.RequireScope]: 401, 403 and 503 with a
// JSON body. The answer to a rejected call of a tool is 403 with the challenge, and a
// JSON-RPC error in the body, which replaces the body of auth0.APIConfig.ErrorHandler.
// It fails that call of the client, and not its session. A body that is not one JSON-RPC
// message, or an array of at most 64, gets 400. So does a message with two members of
// one name, or with a "Method" beside or instead of a "method", because two readers of
// it could see different calls.
//
// Only the body names the called tool. The headers Mcp-Method and Mcp-Name do not count.
//
// Next gets a request without the text of the token in its headers: the Authorization
// header has another value. Until the request is answered, its context holds the token
// for [auth0.TokenFrom], so a function that chooses a server by request can use it. The
// SDK keeps the context of the first request of a session for later calls, and the
// context has no token then. Tools get the token of their own call from
// [Guard.Middleware].
func (g *Guard) Handler(next http.Handler) http.Handler {
	api := cmp.Or(g.api, &auth0.API{}) // which rejects every request, if New has not made the Guard
	inside := adapt(next)
	checked := api.Require(g.allow)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c := callIn(r.Context())
		inside.ServeHTTP(c.w, r.WithContext(context.WithValue(c.ctx, senderKey{}, c.from)))
	}))
	return g.authenticate(api, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{ctx: r.Context(), w: w}
		var body []byte
		if body, c.err = g.read(w, r); c.err == nil {
			c.calls, c.err = callsOf(body)
		}
		r = r.WithContext(context.WithValue(c.ctx, callKey{}, c))
		if r.Body != nil {
			r.Body = readAgain{bytes.NewReader(body), r.Body}
		}
		checked.ServeHTTP(&answer{ResponseWriter: w, call: c}, r)
	}))
}

// A call is a request with a valid token.
type call struct {
	ctx context.Context
	w   http.ResponseWriter
	calls
	err     error   // of the body
	refused error   // of the calls
	from    *caller // nil until the token is accepted
}

type (
	callKey   struct{}
	senderKey struct{} // of a caller
)

func callIn(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// read reads the body of a request, whatever its method, because next may read any body.
func (g *Guard) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, g.maxBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, &auth0.Error{Status: http.StatusRequestEntityTooLarge, Code: "invalid_request", Reason: "invalid_request", Description: "request too large", Err: err}
	}
	if err != nil {
		return nil, malformed("the body cannot be read: %w", err)
	}
	return body, nil
}

// readAgain is a body already read, with the Close of the connection's body.
type readAgain struct {
	io.Reader
	io.Closer
}

// adapt returns a handler for admitted requests. It tells the SDK the caller.
func adapt(next http.Handler) http.Handler {
	// The outer guard has checked the time with the clock and the leeway of the API. The
	// SDK would answer with text in the last seconds of a token.
	never := &auth.RequireBearerTokenOptions{ClockSkew: 100 * 365 * 24 * time.Hour}
	sdk := auth.RequireBearerToken(func(ctx context.Context, _ string, _ *http.Request) (*auth.TokenInfo, error) {
		from, ok := ctx.Value(senderKey{}).(*caller)
		if !ok {
			return nil, auth.ErrInvalidToken // unreachable
		}
		return infoOf(from), nil
	}, never)(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := &served{Context: r.Context(), after: auth0.ContextWithToken(r.Context(), nil)}
		defer ctx.over.Store(true)
		raw, _ := auth0.AccessTokenFrom(ctx)
		r = r.WithContext(ctx)
		r.Header = withoutToken(r.Header, raw)
		sdk.ServeHTTP(w, r)
	})
}

// withoutToken returns a copy of headers for the SDK, which passes them to the tools.
// The token can be in another header than Authorization, see
// [auth0.APIConfig].TokenExtractors.
func withoutToken(headers http.Header, raw string) http.Header {
	kept := make(http.Header, len(headers)+1)
	for name, values := range headers {
		if raw == "" || !strings.Contains(strings.Join(values, "\n"), raw) {
			kept[name] = values
		}
	}
	if raw == "" {
		kept.Del("Cookie") // the session that replaces a token
	}
	kept.Del("DPoP")
	kept.Set("Authorization", "Bearer verified") // the SDK requires a token of this form
	return kept
}

// A served is the context of a request. It holds the principal until the request is
// answered. Otherwise the context of a session would keep its first token forever.
type served struct {
	context.Context
	after context.Context // without a principal
	over  atomic.Bool
}

func (s *served) Value(key any) any {
	if s.over.Load() {
		return s.after.Value(key)
	}
	return s.Context.Value(key)
}
