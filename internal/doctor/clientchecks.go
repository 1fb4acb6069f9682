package doctor

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"

	"github.com/seed-15d5a55c/auth0/internal/clientauth"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// A tokenAnswer is an answer of the token endpoint.
type tokenAnswer struct {
	status      int
	Code        string `json:"error"`
	Description string `json:"error_description"`
	AccessToken string `json:"access_token"`
}

// String returns status and code. Neither of them has a secret.
func (a tokenAnswer) String() string {
	if a.Code == "" {
		return fmt.Sprintf("status %d", a.status)
	}
	return fmt.Sprintf("status %d %s", a.status, syntax.Code(a.Code))
}

// credentials returns the parameters that authenticate the application.
func (k known) credentials() (url.Values, error) {
	s := k.Settings
	method := clientauth.WithSecret(clientauth.ClientSecretPost, s.ClientSecret)
	if s.SigningKey != "" {
		key, err := clientauth.ParseKeyPEM(s.SigningKey)
		if err != nil {
			return nil, err
		}
		method = clientauth.WithKey(key, s.SigningAlgorithm, "")
	}
	c, err := method.Credentials(s.ClientID, k.metadata.Issuer, k.Now())
	return c.Params, err
}

// askToken makes a token request.
func (k known) askToken(ctx context.Context, form url.Values) (tokenAnswer, error) {
	credentials, err := k.credentials()
	if err != nil {
		return tokenAnswer{}, err
	}
	form.Set("client_id", k.Settings.ClientID)
	maps.Copy(form, credentials)
	resp, err := k.network.post(ctx, k.endpoints.token, form)
	if err != nil {
		return tokenAnswer{}, err
	}
	a := tokenAnswer{status: resp.Status}
	if json.Unmarshal(resp.Body, &a) != nil {
		a = tokenAnswer{status: resp.Status}
	}
	return a, nil
}

// accepted reports whether the tenant has accepted the credentials.
func (a tokenAnswer) accepted() bool {
	return a.Code == "invalid_grant" || a.Code == "unauthorized_client"
}

const notAccepted = "Not checked: the tenant has not accepted the client credentials."

// madeUp is a code or a refresh token that no tenant has issued.
func madeUp() string { return "auth0-doctor-" + rand.Text() }

// checkClientSecret redeems a code that does not exist. Auth0 checks the credentials
// first, and answers 401 access_denied or 401 invalid_client if they are wrong, and 403
// invalid_grant if they are right.
func (k known) checkClientSecret(ctx context.Context) (known, Finding) {
	if problem, _ := k.badCredentials(); problem != "" || badForm(k.Settings.ClientSecret) != "" {
		return k, skip("Not checked, because of variables.")
	}
	if k.Settings.ClientSecret == "" && k.Settings.SigningKey == "" {
		return k, skip("There is no client secret and no key.")
	}
	a, err := k.askToken(ctx, url.Values{"grant_type": {"authorization_code"}, "code": {madeUp()}, "redirect_uri": {k.callback}, "code_verifier": {madeUp() + madeUp()}})
	if err != nil {
		return k, fail("The token endpoint does not answer: "+cause(err), do("Check the egress rules for "+k.endpoints.token+"."))
	}
	k.tokenError = a
	name := "AUTH0_CLIENT_SECRET"
	if k.Settings.SigningKey != "" {
		name = "AUTH0_CLIENT_ASSERTION_SIGNING_KEY"
	}
	switch {
	case a.accepted():
		return k, ok("The tenant accepts " + name + ".")
	case a.status == http.StatusUnauthorized || a.Code == "invalid_client":
		return k, fail("The tenant rejects "+name+" ("+a.String()+").", k.credentialAdvice()...)
	case a.Code == "use_dpop_nonce" || a.Code == "invalid_dpop_proof":
		return k, warn("The application needs DPoP, so nothing is known about "+name+".", do("Set Config.ProofKey to auth0.ProofKeyPerSession."))
	case a.status == http.StatusTooManyRequests:
		return k, warn("The tenant limits requests ("+a.String()+").", tryAgain)
	case a.status >= 500:
		return k, fail("The token endpoint answered "+a.String()+".", tryAgain)
	}
	return k, warn("The token endpoint answered "+a.String()+", which says nothing about "+name+".", do("Look for the entry in Monitoring > Logs."))
}

func (k known) credentialAdvice() []Advice {
	if k.Settings.SigningKey != "" {
		return []Advice{do("Register the public key of AUTH0_CLIENT_ASSERTION_SIGNING_KEY: Applications > your application > Credentials, method Private Key JWT."),
			do("The algorithm there must equal AUTH0_CLIENT_ASSERTION_SIGNING_ALG, which is RS256 by default.")}
	}
	return []Advice{do("Copy the Client Secret again, from " + whereClient + "."),
		do("If the application uses Private Key JWT, set AUTH0_CLIENT_ASSERTION_SIGNING_KEY."),
		do("If it uses Client Secret (Basic), set Config.ClientAuthentication to auth0.ClientSecretBasic, or change the method (Credentials).")}
}

// grantsAdvice has the two grants of a web application.
func (k known) grantsAdvice(text string) Advice {
	return Advice{text + " (Applications > your application > Settings > Advanced > Grant Types), or run:", k.updateApp("--grants", "code,refresh-token"), true}
}

func (k known) checkGrantTypes(context.Context) (known, Finding) {
	if k.login.code == "unauthorized_client" && !k.login.refusedAudience() || k.tokenError.Code == "unauthorized_client" {
		return k, fail("Authorization Code is off.", k.grantsAdvice("Turn on Authorization Code"))
	}
	if !k.tokenError.accepted() {
		return k, skip(notAccepted)
	}
	return k, ok("Authorization Code is on.")
}

// checkRefresh redeems a refresh token that does not exist. A tenant without the grant
// says so first. The setting of the API shows only in tokens.
func (k known) checkRefresh(ctx context.Context) (known, Finding) {
	if !k.tokenError.accepted() {
		return k, skip(notAccepted)
	}
	a, err := k.askToken(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {madeUp()}})
	switch {
	case err != nil:
		return k, skip("The token endpoint does not answer: " + cause(err))
	case a.Code == "unauthorized_client":
		return k, warn("Refresh Token is off: sessions get no refresh token.", k.grantsAdvice("For the scope offline_access, turn on Refresh Token"),
			do("Also turn on Allow Offline Access on the API (Applications > APIs > the API > Settings)."))
	case a.Code == "invalid_grant":
		return k, ok("Refresh Token is on. Allow Offline Access on the API does not show from outside.")
	}
	return k, skip("Not known: the token endpoint answered " + a.String() + ".")
}

// checkLoginButtons lists the connections like the library, with a client credentials
// token.
func (k known) checkLoginButtons(ctx context.Context) (known, Finding) {
	tenant := tenantURL(k.Settings.TenantDomain)
	switch {
	case tenant != "":
	case k.auth0:
		tenant = k.issuer
	default:
		return k, skip(k.Settings.DomainName + " is a URL. For the connections of an Auth0 tenant, set AUTH0_TENANT_DOMAIN.")
	}
	if !k.tokenError.accepted() {
		return k, skip(notAccepted)
	}
	if k.login.says(noConnections) {
		return k, skip("Not checked, because of login.")
	}
	own := k // the Management API takes only tokens of the tenant's own domain
	if tenant != k.issuer {
		own.metadata.Issuer, own.endpoints.token = tenant+"/", tenant+"/oauth/token"
	}
	audience := tenant + "/api/v2/"
	remedy := []Advice{do("For login buttons, authorize this application for the Auth0 Management API with read:connections and read:clients " +
		"(Applications > APIs > Auth0 Management API > Application Access), or set Config.Connections.")}
	a, err := own.askToken(ctx, url.Values{"grant_type": {"client_credentials"}, "audience": {audience}})
	switch {
	case err != nil && tenant != k.issuer:
		return k, warn("The token endpoint of AUTH0_TENANT_DOMAIN does not answer: "+cause(err), do("Set AUTH0_TENANT_DOMAIN to the tenant's own host, such as acme.eu.auth0.com."))
	case err != nil:
		return k, skip("The token endpoint does not answer: " + cause(err))
	case isBusy(a.status):
		return k, skip("Not known: the token endpoint answered " + a.String() + ".")
	case a.Code == "unauthorized_client":
		remedy = append(remedy, do("Also turn on Client Credentials (Settings > Advanced > Grant Types)."))
		return k, warn("The Client Credentials grant is off, so the application cannot list its connections.", remedy...)
	case a.status != http.StatusOK || a.AccessToken == "":
		switch {
		case tenant != k.issuer && a.status == http.StatusUnauthorized:
			remedy = []Advice{do("AUTH0_TENANT_DOMAIN is not the tenant of this application. Set it to the host that the dashboard shows for the tenant of " + k.host() + ".")}
		case (loginAnswer{text: a.Description}).says("Service not"):
			remedy = append(remedy, do("If "+k.host()+" is a custom domain, also set AUTH0_TENANT_DOMAIN to the tenant's own host."))
		}
		return k, warn("The application gets no token of the Management API ("+a.String()+").", remedy...)
	}
	k.network.budget.token = a.AccessToken
	resp, err := k.network.get(ctx, audience+"clients/"+url.PathEscape(k.Settings.ClientID)+"/connections", url.Values{"take": {"50"}},
		http.Header{"Authorization": {"Bearer " + a.AccessToken}})
	if err != nil {
		return k, skip("The Management API does not answer: " + cause(err))
	}
	var list struct {
		Connections []json.RawMessage `json:"connections"`
	}
	if resp.Status != http.StatusOK || json.Unmarshal(resp.Body, &list) != nil {
		return k, warn(fmt.Sprintf("The Management API answered status %d.", resp.Status), remedy...)
	}
	if len(list.Connections) == 0 {
		return k, warn("The application has no connection.", do("Enable one: Applications > your application > Connections."))
	}
	return k, ok(fmt.Sprintf("The application can list its connections (%d).", len(list.Connections)))
}
