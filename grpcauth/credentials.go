package grpcauth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"golang.org/x/oauth2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/seed-15d5a55c/auth0"
)

// Credentials sends an access token with each call of a client, for
// grpc.WithPerRPCCredentials:
//
//	source := app.ClientCredentials(auth0.ClientCredentials{Audience: "https://api.acme.example/"})
//	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(tls), grpc.WithPerRPCCredentials(grpcauth.Credentials(source)))
//
// Every call uses the source, so the source must cache its token until it expires, as
// sources of package auth0 do. Wrap others in [oauth2.ReuseTokenSource]. A source takes
// no context: a call waits for it even after its deadline. Sources of package auth0
// answer within 10 seconds.
//
// Tokens are sent through encrypted connections only. A connection without TLS is an
// error of grpc.NewClient or of the call. The token must be a bearer token.
//
// A call without a token fails with Unavailable if a retry can help, else with
// Unauthenticated. The message is [auth0.Error].Reason and no other text of the source.
func Credentials(source oauth2.TokenSource) credentials.PerRPCCredentials {
	return perCall{source}
}

// perCall implements credentials.PerRPCCredentials.
type perCall struct{ source oauth2.TokenSource }

// Format keeps the source, which can hold a secret, out of logs.
func (perCall) Format(f fmt.State, _ rune) { fmt.Fprint(f, "grpcauth.Credentials") }

func (perCall) RequireTransportSecurity() bool { return true }

func (c perCall) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	info, _ := credentials.RequestInfoFromContext(ctx)
	if err := credentials.CheckSecurityLevel(info.AuthInfo, credentials.PrivacyAndIntegrity); err != nil {
		return nil, status.Error(codes.Unauthenticated, "grpcauth: the connection is not encrypted, so the access token is not sent")
	}
	if c.source == nil {
		return nil, status.Error(codes.Unauthenticated, "grpcauth: Credentials was called without a source")
	}
	token, err := c.source.Token()
	switch {
	case ctx.Err() != nil:
		return nil, status.FromContextError(ctx.Err()).Err()
	case err != nil:
		return nil, sourceError(err)
	case token == nil || !isToken(token.AccessToken):
		return nil, status.Error(codes.Unauthenticated, "grpcauth: the source has returned no access token")
	case !strings.EqualFold(token.Type(), "Bearer"):
		return nil, status.Error(codes.Unauthenticated, "grpcauth: the access token is not a bearer token")
	}
	return map[string]string{"authorization": "Bearer " + token.AccessToken}, nil
}

// isToken reports whether a text can be sent as a token: it must not end the value of
// the metadata.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' })
}

// sourceError returns the status for an error of a source. The text of the error can
// quote a response of the tenant.
func sourceError(err error) error {
	code, reason := codes.Unauthenticated, ""
	var timeout interface{ Timeout() bool }
	var connection *net.OpError
	if e, ok := errors.AsType[*auth0.Error](err); ok {
		code, reason = codeOfTenant(e.Status), e.Reason
		if e.Status != 429 && e.TenantStatus/100 == 4 && e.TenantStatus != 429 {
			code = codes.Unauthenticated // the tenant does not accept the application: a retry cannot help
		}
	} else if e, ok := errors.AsType[*oauth2.RetrieveError](err); ok && e.Response != nil {
		code = codeOfTenant(e.Response.StatusCode)
	} else if errors.As(err, &connection) || errors.As(err, &timeout) && timeout.Timeout() {
		code = codes.Unavailable
	}
	if reason == "" {
		return status.Error(code, "grpcauth: the source has no access token")
	}
	return status.Error(code, "grpcauth: the source has no access token: "+valid(reason))
}

func codeOfTenant(status int) codes.Code {
	switch status {
	case 429, 502, 503, 504:
		return codes.Unavailable
	}
	return codes.Unauthenticated
}
