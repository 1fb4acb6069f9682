package doctor

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// whereURLs is the place of the lists of URLs.
const whereURLs = "Applications > your application > Settings > Application URIs"

// noConnections is the tenant's text if no user can log in.
const noConnections = "no connections enabled"

// A place is the destination of an answer of the authorization endpoint.
type place int

const (
	atPage     place = iota // a page of the tenant, which is an error with prompt=none
	atCallback              // the application
	elsewhere               // another URL
)

// A loginAnswer is the tenant's answer to a login without a user.
type loginAnswer struct {
	place             place
	status            int
	code, description string // error and error_description
	text              string // of the page or of its error, in lower case
	to                string // host of a redirect
}

// askLogin begins a login with prompt=none. No browser and no user are there, so the best
// answer is an error at the callback. Auth0 shows an error page if it does not trust
// the client ID or the callback URL.
func (k known) askLogin(ctx context.Context) (loginAnswer, error) {
	state := rand.Text()
	challenge := sha256.Sum256([]byte(rand.Text() + rand.Text()))
	query := url.Values{"client_id": {k.Settings.ClientID}, "redirect_uri": {k.callback}, "response_type": {"code"},
		"scope": {"openid profile email"}, "prompt": {"none"}, "state": {state}, "nonce": {rand.Text()},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"}}
	if k.Settings.Audience != "" && badForm(k.Settings.Audience) == "" {
		query.Set("audience", k.Settings.Audience)
	}
	resp, err := k.network.get(ctx, k.endpoints.authorize, query, nil)
	if err != nil {
		return loginAnswer{}, err
	}
	return readLogin(resp, k.callback, state), nil
}

func readLogin(resp *fetch.Response, callback, state string) loginAnswer {
	a := loginAnswer{status: resp.Status, text: strings.ToLower(string(resp.Body))}
	to, err := url.Parse(resp.Header.Get("Location"))
	if resp.Status < 300 || resp.Status > 399 || err != nil {
		return a
	}
	query := to.Query()
	a.place, a.to = elsewhere, to.Host
	a.code, a.description = query.Get("error"), query.Get("error_description")
	a.text = strings.ToLower(a.code + " " + a.description)
	to.RawQuery, to.Fragment = "", ""
	if to.String() == callback && query.Get("state") == state {
		a.place = atCallback
	}
	return a
}

// says reports whether a page has a text. The texts of pages can change, so they only
// choose between pieces of advice.
func (a loginAnswer) says(text string) bool { return strings.Contains(a.text, text) }

func (k known) checkClient(ctx context.Context) (known, Finding) {
	if k.Settings.ClientID == "" || k.mayBeSecret() || badForm(k.Settings.ClientID) != "" {
		return k, skip("There is no client ID to look for.")
	}
	a, err := k.askLogin(ctx)
	if err != nil {
		return k, fail("The authorization endpoint does not answer: "+cause(err), do("Check the egress rules for "+k.endpoints.authorize+"."))
	}
	k.login = a
	again := do("Copy the Client ID from " + whereClient + " into AUTH0_CLIENT_ID, and look whether the application belongs to this tenant.")
	switch {
	case a.place == atCallback, a.says("callback url mismatch"):
		return k, ok("The tenant has the application.")
	case a.says("unknown client"):
		return k, fail("Unknown client: the tenant has no application with this client ID.", again)
	case isBusy(a.status):
		return k, fail(fmt.Sprintf("The authorization endpoint answered status %d.", a.status), tryAgain)
	case a.place == elsewhere:
		return k, fail("The tenant redirects to "+a.to+" and not to the callback URL.", again,
			do("If the tenant has a page for errors there, open the login in a browser to see the error."))
	}
	return k, fail(fmt.Sprintf("The tenant shows a page (status %d) and no redirect.", a.status), again, k.callbackAdvice())
}

func (k known) callbackAdvice() Advice {
	return Advice{"Add " + k.callback + " to Allowed Callback URLs (" + whereURLs + "), or run:", k.updateApp("--callbacks", k.callback), true}
}

func (k known) updateApp(flag, value string) string {
	return "auth0 apps update " + shell(k.Settings.ClientID) + " " + flag + " " + shell(value)
}

func (k known) checkCallback(context.Context) (known, Finding) {
	if k.login.place == atCallback {
		return k, ok(k.callback)
	}
	return k, fail("Callback URL mismatch: the application does not have "+k.callback, k.callbackAdvice())
}

// refusedAudience reports whether the tenant rejected a login because of the API.
func (a loginAnswer) refusedAudience() bool { return a.unknownAPI() || a.needsGrant() }

func (a loginAnswer) unknownAPI() bool { return a.says("service not found") }

func (a loginAnswer) needsGrant() bool { return a.says("not authorized to access resource server") }

func (k known) checkAudience(context.Context) (known, Finding) {
	audience := k.Settings.Audience
	switch {
	case audience == "":
		return k, skip("AUTH0_AUDIENCE is not set: access tokens are opaque, unless the tenant has a Default Audience.")
	case badForm(audience) != "":
		return k, skip("Not checked, because of variables.")
	case k.login.unknownAPI():
		return k, fail("Service not found: no API has the identifier "+audience,
			Advice{Text: "Create it (Applications > APIs), or run:", Command: "auth0 apis create --name " + shell(audience) + " --identifier " + shell(audience) +
				" --enforce-policies --token-dialect access_token_authz"},
			do("If there is one, copy its Identifier. A slash at the end counts."))
	case k.login.needsGrant():
		return k, fail("The application may not use the API "+audience,
			do("Authorize the application: Applications > APIs > the API > Application Access, user-delegated access."))
	case !isPrompt(k.login):
		return k, skip("The login failed for another reason.")
	}
	return k, ok(audience)
}

// isPrompt reports whether only the user was missing (OpenID Connect Core 1.0, Section
// 3.1.2.6).
func isPrompt(a loginAnswer) bool {
	switch a.code {
	case "", "login_required", "consent_required", "interaction_required", "account_selection_required":
		return true
	}
	return false
}

func (k known) checkLogin(context.Context) (known, Finding) {
	a := k.login
	refused := "The tenant refuses the login: " + syntax.Code(a.code) + ": " + a.description
	switch {
	case isPrompt(a):
		return k, ok("The tenant would show its login page.")
	case a.refusedAudience():
		return k, skip("Not checked, because of audience.")
	case a.code == "unauthorized_client":
		return k, skip("Not checked, because of grant-types.")
	case a.says("organization is required"):
		return k, warn("The application needs an organization at each login.",
			do("Log in with an organization: auth0.WithOrganization in Config.LoginOptions, or a link with the parameter organization."),
			do("Or let users choose: Applications > your application > Organizations."))
	case a.says("pushed authorization request"):
		return k, warn("The application needs Pushed Authorization Requests.", do("Set Config.PushedAuthorizationRequests."))
	case a.says(noConnections):
		return k, fail("The application has no connection.", do("Enable one: Applications > your application > Connections."))
	}
	return k, fail(refused, do("Look for the entry in Monitoring > Logs, which says more."))
}

func (k known) checkLogoutURL(ctx context.Context) (known, Finding) {
	home := k.base.String()
	query := url.Values{"client_id": {k.Settings.ClientID}}
	if k.endpoints.logout == "" {
		return k, skip("The tenant has no logout endpoint.")
	}
	if k.auth0 {
		query.Set("returnTo", home)
	} else {
		query.Set("post_logout_redirect_uri", home)
		query.Set("logout_hint", rand.Text()) // by which Auth0 uses the list of the application
	}
	resp, err := k.network.get(ctx, k.endpoints.logout, query, nil)
	switch {
	case err != nil:
		return k, fail("The logout endpoint does not answer: " + cause(err))
	case isBusy(resp.Status):
		return k, warn(fmt.Sprintf("The logout endpoint answered status %d.", resp.Status), tryAgain)
	case resp.Status >= 400 || resp.Status >= 300 && strings.Contains(resp.Header.Get("Location"), "error="):
		return k, fail("The application does not have the logout URL "+home,
			Advice{"Add " + home + " to Allowed Logout URLs (" + whereURLs + "), or run:", k.updateApp("--logout-urls", home), true})
	}
	return k, ok(home)
}
