package mcpauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-15d5a55c/auth0"
)

// TokenFrom returns the verified access token of the caller of a tool, or of the sender
// of another message. It is the token of this message, and not the session's first
// token.
func TokenFrom(req mcp.Request) (*auth0.Token, bool) {
	if c := callerOf(req); c != nil {
		return c.token, true
	}
	return nil, false
}

// AccessTokenFrom returns the text of the access token of the caller, to call another
// API on behalf of the user. The text is a secret. There is none if the caller has a
// session, see [auth0.API.RequireTokenOrSession].
func AccessTokenFrom(req mcp.Request) (string, bool) {
	if c := callerOf(req); c != nil && c.raw != "" {
		return c.raw, true
	}
	return "", false
}

// TokenVerifier returns a verifier for auth.RequireBearerToken of the SDK, for programs
// that cannot use [Guard.Handler]. Set the ClockSkew of its options to the Leeway of the
// API. The verifier rejects tokens that are bound to a key or a certificate.
//
// The SDK then writes the answers, which are plain text: 401 for an invalid token, 400
// if the API denies access, and 500 if the keys are unavailable. It checks the scopes of
// its options, and answers with 403 if one is missing. [Guard.Middleware] still decides
// about tools.
func TokenVerifier(api *auth0.API) auth.TokenVerifier {
	return func(ctx context.Context, raw string, _ *http.Request) (*auth.TokenInfo, error) {
		token, err := api.Verify(ctx, raw)
		if err == nil && userID(token) == "" {
			return nil, fmt.Errorf("%w: token claims invalid", auth.ErrInvalidToken)
		}
		if err == nil {
			return infoOf(&caller{token, raw}), nil
		}
		e, ok := errors.AsType[*auth0.Error](err) // its Err is for logs, and the SDK sends the returned text
		switch {
		case !ok:
			return nil, errors.New("internal error")
		case e.Status == http.StatusUnauthorized || e.Status == http.StatusBadRequest:
			return nil, fmt.Errorf("%w: %s", auth.ErrInvalidToken, e.Description)
		case e.Status < http.StatusInternalServerError:
			return nil, fmt.Errorf("%w: %s", auth.ErrOAuth, e.Description)
		}
		return nil, errors.New(e.Description)
	}
}

// callerKey is the key of a caller in auth.TokenInfo.Extra.
const callerKey = "auth0"

// A caller is the sender of a message. A TokenInfo holds only its address, so that
// package fmt does not print the token.
type caller struct {
	token *auth0.Token
	raw   string
}

// Format shows only the subject.
func (c *caller) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "mcpauth.caller(%q)", c.token.Subject()) }

func callerOf(req mcp.Request) *caller {
	if req == nil {
		return nil
	}
	extra := req.GetExtra()
	if extra == nil || extra.TokenInfo == nil {
		return nil
	}
	c, _ := extra.TokenInfo.Extra[callerKey].(*caller)
	return c
}

func infoOf(c *caller) *auth.TokenInfo {
	t := c.token
	return &auth.TokenInfo{
		Scopes: slices.DeleteFunc(strings.Split(t.Scope(), " "), func(scope string) bool { return scope == "" }), Expiration: t.ExpiresAt(),
		UserID: userID(t), Extra: map[string]any{callerKey: c},
	}
}

// userID identifies the owner of sessions: a user or an application of one issuer. Two
// issuers can have the same subject. It is empty if the token has neither.
func userID(t *auth0.Token) string {
	switch {
	case t.Subject() != "":
		return t.Issuer() + " " + t.Subject()
	case t.ClientID() != "":
		return t.Issuer() + " client:" + t.ClientID()
	}
	return ""
}
