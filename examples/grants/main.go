// Command grants shows the ways to a token that need no login page, against a
// tenant of its own and without network:
//
//	password            for an old application whose own form asks for
//	                    passwords, until it is moved to the login page, and for
//	                    nothing else: it has no single sign-on
//	client credentials  for a program that calls an API as itself
//	token exchange      for a token of another system that a user still has, and
//	                    for an API that calls another one on behalf of a user
//	userinfo            for what the tenant knows of a user now; what it knew at
//	                    the login is in the ID token already
//
// The second factor of the person here is the code 246810.
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
	strategy, err := auth0.New(tenant.Config())
	if err != nil {
		log.Fatal(err)
	}
	if err := run(context.Background(), strategy, bufio.NewReader(os.Stdin)); err != nil {
		log.Fatal(err)
	}
}

func newTenant() (*auth0test.Tenant, error) {
	tenant, err := auth0test.Serve("127.0.0.1:0", "http://localhost:3000")
	if err != nil {
		return nil, err
	}
	tenant.AddUser(auth0test.User{Connection: connection, Email: "mia@acme.example", Password: "correct horse", Name: "Mia Wong", MFA: true})
	tenant.APIConfig(billing) // makes the API
	tenant.AllowClientCredentials(auth0test.Audience, "read:protected")
	tenant.AddTokenExchange(oldTokens, func(token string) (email string, ok bool) {
		return "ada@acme.example", token == "old-session-of-ada"
	})
	tenant.ExchangesTokensOf(auth0test.Audience)
	return tenant, nil
}

func run(ctx context.Context, strategy *auth0.Strategy, in *bufio.Reader) error {
	login, err := logIn(ctx, strategy, in)
	if err != nil {
		return err
	}
	fmt.Printf("Password        %s\n", login.User.Email)

	user, err := strategy.Application().UserInfo(ctx, login.Token(), login.User.Subject)
	if err != nil {
		return err
	}
	fmt.Printf("Userinfo        %s, %s\n", user.Name, user.Subject)

	// The source keeps the token; give it to oauth2.NewClient.
	own, err := strategy.Application().ClientCredentials(auth0.ClientCredentials{Audience: auth0test.Audience}).Token()
	if err != nil {
		return err
	}
	show("Own token", own)

	old := auth0.TokenExchange{SubjectToken: "old-session-of-ada", SubjectTokenType: oldTokens, Audience: auth0test.Audience}
	exchanged, err := strategy.Application().ExchangeToken(ctx, old)
	if err != nil {
		return err
	}
	show("Exchanged", exchanged)

	behalf, err := strategy.Application().ExchangeToken(ctx, auth0.TokenExchange{SubjectToken: exchanged.AccessToken, Audience: billing})
	if err != nil {
		return err
	}
	show("On behalf of", behalf)
	return nil
}

// logIn is what the form of an old application does, with a second page if the
// tenant asks for a second factor.
func logIn(ctx context.Context, strategy *auth0.Strategy, in *bufio.Reader) (*auth0.Login, error) {
	login, err := strategy.Application().LoginWithPassword(ctx, "mia@acme.example", "correct horse", auth0.WithConnection(connection))
	var refused *auth0.Error
	if !errors.Is(err, auth0.ErrMFARequired) || !errors.As(err, &refused) {
		return login, err
	}
	for {
		fmt.Print("Code of the authenticator app: ")
		code, err := in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		login, err := refused.MFA().LoginWithOTP(ctx, strings.TrimSpace(code))
		if !errors.Is(err, auth0.ErrWrongCredentials) {
			return login, err
		}
		fmt.Println("That is not the code.")
	}
}

// show prints what may be printed of a token.
func show(title string, token *oauth2.Token) {
	left := time.Until(token.Expiry).Round(time.Minute)
	fmt.Printf("%-15s a token of %d characters, good for %v\n", title, len(token.AccessToken), left)
}
