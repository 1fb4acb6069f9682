// Command grants shows the ways to a token that need no login page, in a terminal,
// with an embedded tenant:
//
//	password            (password-realm) for an old application whose own form asks
//	                    for passwords, until it moves to the login page: it has no
//	                    single sign-on
//	code by email       (passwordless) for a login form without passwords
//	client credentials  (client_credentials) for a program that calls an API as itself
//	token exchange      (token-exchange, RFC 8693) for a token of another system that a
//	                    user still has, and for an API that calls another API on
//	                    behalf of a user
//	DPoP                (RFC 9449) for a token that is useless without a key of the
//	                    program, with any grant
//	userinfo            for a user's current claims; those of the login are in the
//	                    ID token
//
// The user has a second factor: the program asks for a code of her authenticator app,
// and prints it.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

const (
	billing    = "https://billing.acme.example/"
	oldTokens  = "urn:acme:session-of-the-old-system"
	connection = "Username-Password-Authentication"
)

func main() {
	tenant, err := newTenant()
	if err != nil {
		log.Fatal(err)
	}
	defer tenant.Close()
	application, err := auth0.NewApplication(tenant.Config()) // Domain, ClientID and ClientSecret are enough
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("Tenant          embedded, with public passwords, for this program alone")
	if err := run(context.Background(), application, tenant, bufio.NewReader(os.Stdin)); err != nil {
		log.Fatal(err)
	}
}

// newTenant starts a tenant with a user with a second factor, an API that calls another
// one, and the settings for the grants.
func newTenant() (*auth0test.Tenant, error) {
	tenant, err := auth0test.Serve("127.0.0.1:0", "http://localhost:3000")
	if err != nil {
		return nil, err
	}
	tenant.AddUser(auth0test.User{Connection: connection, Email: "mia@acme.example", Password: "correct horse", Name: "Mia Wong", MFA: true})
	tenant.AddConnection(auth0test.Connection{Name: "email", Strategy: "email"})
	tenant.APIConfig(billing) // makes the API
	tenant.AllowClientCredentials(auth0test.Audience, "read:protected")
	tenant.AddTokenExchange(oldTokens, func(token string) (email string, ok bool) {
		return "ada@acme.example", token == "old-session-of-ada"
	})
	tenant.ExchangesTokensOf(auth0test.Audience)
	return tenant, nil
}

func run(ctx context.Context, application *auth0.Application, tenant *auth0test.Tenant, in *bufio.Reader) error {
	login, err := logIn(ctx, application, in)
	if err != nil {
		return err
	}
	fmt.Printf("Password        %s\n", login.User.Email)

	to := auth0.PasswordlessLogin{Email: "nora@acme.example"}
	if err := application.SendCode(ctx, to); err != nil {
		return err
	}
	code, _ := tenant.Mail(to.Email) // Nora reads her email
	byCode, err := application.LoginWithCode(ctx, to, code)
	if err != nil {
		return err
	}
	fmt.Printf("Code by email   %s, with the code %s\n", byCode.User.Email, code)

	user, err := application.UserInfo(ctx, login.Token(), login.User.Subject)
	if err != nil {
		return err
	}
	fmt.Printf("Userinfo        %s, %s\n", user.Name, user.Subject)

	// The source keeps the token; give it to oauth2.NewClient.
	own, err := application.ClientCredentials(auth0.ClientCredentials{Audience: auth0test.Audience}).Token()
	if err != nil {
		return err
	}
	show("Own token", own)

	old := auth0.TokenExchange{SubjectToken: "old-session-of-ada", SubjectTokenType: oldTokens, Audience: auth0test.Audience}
	exchanged, err := application.ExchangeToken(ctx, old)
	if err != nil {
		return err
	}
	show("Exchanged", exchanged)

	behalf, err := application.ExchangeToken(ctx, auth0.TokenExchange{SubjectToken: exchanged.AccessToken, Audience: billing})
	if err != nil {
		return err
	}
	show("On behalf of", behalf)

	answer, toThief, err := callBound(ctx, tenant)
	if err != nil {
		return err
	}
	fmt.Printf("With the key    %s\n", answer)
	fmt.Printf("Without it      %s\n", toThief)
	return nil
}

// logIn stands for the form of an old application, with a second page if the tenant
// requires a second factor.
func logIn(ctx context.Context, application *auth0.Application, in *bufio.Reader) (*auth0.Login, error) {
	login, err := application.LoginWithPassword(ctx, "mia@acme.example", "correct horse", auth0.WithConnection(connection))
	var refused *auth0.Error
	if !errors.Is(err, auth0.ErrMFARequired) || !errors.As(err, &refused) {
		return login, err
	}
	for {
		fmt.Printf("Code of Mia's authenticator app (here always %s): ", auth0test.OneTimeCode)
		code, err := in.ReadString('\n')
		if err != nil {
			return nil, fmt.Errorf("there is no code to read: %w", err)
		}
		login, err := refused.MFA().LoginWithOTP(ctx, strings.TrimSpace(code))
		if !errors.Is(err, auth0.ErrWrongCredentials) {
			return login, err
		}
		fmt.Println("That is not the code.")
	}
}

// show prints facts about a token, but not the token.
func show(title string, token *oauth2.Token) {
	left := time.Until(token.Expiry).Round(time.Minute)
	fmt.Printf("%-15s a token of %d characters, good for %v\n", title, len(token.AccessToken), left)
}
