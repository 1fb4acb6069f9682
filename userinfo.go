package auth0

import (
	"context"
	"errors"
	"mime"
	"net/http"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/jsonscan"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
)

// UserInfo asks the tenant what it knows of a user now (OpenID Connect Core 1.0,
// Section 5.3). The token is an access token with the scope openid, as of
// [Strategy.AccessToken]; subject is whose it is, by a verified ID token. An
// answer about anybody else is refused, or who can swap a token could swap the
// person (Section 5.3.2).
//
// Auth0 answers about one user five times a minute. What a page shows at every
// request belongs in the ID token, and so in [Session].
//
// The Reason of the error is token_not_accepted if the token is not, or no
// longer, good for this.
func (s *Strategy) UserInfo(ctx context.Context, token *oauth2.Token, subject string) (User, error) {
	u, err := s.userInfo(ctx, token, subject)
	if err != nil {
		return User{}, asError("userinfo", err)
	}
	return u, nil
}

func (s *Strategy) userInfo(ctx context.Context, token *oauth2.Token, subject string) (User, error) {
	if err := s.ready(); err != nil {
		return User{}, err
	}
	if token == nil || token.AccessToken == "" || subject == "" {
		return User{}, refusal.GrantRequest.Because("an access token and a subject are needed")
	}
	ep, err := s.endpoints(ctx)
	if err != nil {
		return User{}, err
	}
	if ep.UserInfoEndpoint == "" {
		return User{}, refusal.Grant.Because("the provider has no userinfo endpoint")
	}
	resp, err := provider.BearerRequest(ctx, s.client, secret.OfText(token.AccessToken), http.MethodGet, ep.UserInfoEndpoint, nil, nil)
	if err != nil {
		return User{}, grantError(err, nil)
	}
	return readUserInfo(resp, ep.Issuer, subject)
}

// readUserInfo decides on the answer.
func readUserInfo(resp *fetch.Response, issuer, subject string) (User, error) {
	if resp.Status != http.StatusOK {
		e := provider.ParseError(resp.Status, resp.Header, resp.Body)
		if e.Status == http.StatusUnauthorized {
			return User{}, e.Refusal(refusal.UserInfoToken)
		}
		return User{}, grantError(e, nil)
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind == "application/jwt" {
		return User{}, refusal.UserInfo.Because("the answer is signed (application/jwt), which is not supported; register the application for plain userinfo answers")
	}
	var sub string
	var isText bool
	err := jsonscan.Object(string(resp.Body), func(name, value string) error {
		if name != "sub" {
			return nil
		}
		if isText {
			return errors.New("sub is there twice")
		}
		sub, isText = jsonscan.String(value)
		return nil
	})
	switch {
	case err != nil:
		return User{}, refusal.UserInfo.Because("the answer is %.60q and not the expected JSON", kind)
	case !isText || sub == "":
		return User{}, refusal.UserInfo.Because("the answer has no sub; the access token needs the scope openid")
	case sub != subject:
		return User{}, refusal.UserInfo.Because("the answer is about somebody else than the access token's owner")
	}
	return newUser(issuer, sub, resp.Body), nil
}
