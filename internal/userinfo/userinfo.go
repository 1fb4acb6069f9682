// Package userinfo requests the current claims of a user from the tenant (OpenID Connect
// Core 1.0, Section 5.3).
//
// The package does not know where the access token and the subject come from.
package userinfo

import (
	"context"
	"errors"
	"mime"
	"net/http"

	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/jsonscan"
	"github.com/seed-15d5a55c/auth0/internal/prover"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/tenantapi"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
	"golang.org/x/oauth2"
)

// Get returns the claims, as a JSON object, and the issuer. It rejects a response about
// another subject, so that an attacker who replaces the token cannot replace the user
// (Section 5.3.2).
func Get(ctx context.Context, client *provider.Client, token *oauth2.Token, subject string) (issuer, claims string, err error) {
	if token == nil || token.AccessToken == "" || subject == "" {
		return "", "", refusal.GrantRequest.Because("an access token and a subject are needed")
	}
	ep, err := client.Endpoints(ctx)
	if err != nil {
		return "", "", err
	}
	if ep.UserInfoEndpoint == "" {
		return "", "", refusal.Grant.Because("the provider has no userinfo endpoint")
	}
	credential, err := prover.CredentialOf(token, client.Proofs.OfApplication())
	if err != nil {
		return "", "", err
	}
	resp, err := tenantapi.Do(ctx, client.HTTP, credential, http.MethodGet, ep.UserInfoEndpoint, nil, nil)
	if err != nil {
		return "", "", tenanterror.Meaning(tenanterror.UserInfo, err)
	}
	return ep.Issuer, string(resp.Body), check(resp, subject)
}

// check rejects a response that is not about the subject.
func check(resp *fetch.Response, subject string) error {
	if resp.Status != http.StatusOK {
		return tenanterror.Meaning(tenanterror.UserInfo, tenanterror.Parse(resp.Status, resp.Header, resp.Body))
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind == "application/jwt" {
		return refusal.UserInfo.Because("the answer is signed (application/jwt), which is not supported; register the application for plain userinfo answers")
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
		return refusal.UserInfo.Because("the answer is %.60q and not the expected JSON", kind)
	case !isText || sub == "":
		return refusal.UserInfo.Because("the answer has no sub; the access token needs the scope openid")
	case sub != subject:
		return refusal.UserInfo.Because("the response is about another subject than the access token's user")
	}
	return nil
}
