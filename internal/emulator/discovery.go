package emulator

import "net/http"

// metadata answers with the discovery document.
type metadata struct {
	*site
	faults         *faults
	pushedRequests *pushedRequests
	settings       *settings
}

// serveDiscovery answers with the provider metadata (OpenID Connect Discovery
// 1.0, Section 4.2).
func (md *metadata) serveDiscovery(w http.ResponseWriter, r *http.Request) {
	doc := md.discoveryDocument()
	if md.pushedRequests.takesPushed() {
		doc["pushed_authorization_request_endpoint"] = md.base + "/oauth/par"
	}
	if md.settings.is(&md.settings.issuer) {
		doc["authorization_response_iss_parameter_supported"] = true
	}
	if md.settings.is(&md.settings.documents) {
		doc["client_id_metadata_document_supported"] = true
	}
	md.mu.Lock()
	edit := md.faults.editDiscovery
	md.mu.Unlock()
	if edit != nil {
		edit(doc)
	}
	cachePublicly(w)
	writeJSON(w, http.StatusOK, doc)
}

func (md *metadata) discoveryDocument() map[string]any {
	doc := map[string]any{
		"issuer":                        md.Issuer(),
		"authorization_endpoint":        md.base + "/authorize",
		"token_endpoint":                md.base + "/oauth/token",
		"device_authorization_endpoint": md.base + "/oauth/device/code",
		"userinfo_endpoint":             md.base + "/userinfo",
		"mfa_challenge_endpoint":        md.base + "/mfa/challenge",
		"jwks_uri":                      md.base + "/.well-known/jwks.json",
		"registration_endpoint":         md.base + "/oidc/register",
		"revocation_endpoint":           md.base + "/oauth/revoke",
		"scopes_supported": []string{"openid", "profile", "offline_access", "name", "given_name", "family_name",
			"nickname", "email", "email_verified", "picture", "created_at", "identities", "phone", "address"},
		"response_types_supported": []string{"code", "token", "id_token", "code token", "code id_token",
			"token id_token", "code token id_token"},
		"code_challenge_methods_supported":                 []string{"S256", "plain"},
		"response_modes_supported":                         []string{"query", "fragment", "form_post"},
		"subject_types_supported":                          []string{"public"},
		"token_endpoint_auth_methods_supported":            []string{"client_secret_basic", "client_secret_post", "private_key_jwt", "none"},
		"token_endpoint_auth_signing_alg_values_supported": []string{"RS256", "RS384", "PS256"},
		"claims_supported": []string{"aud", "auth_time", "created_at", "email", "email_verified", "exp", "family_name",
			"given_name", "iat", "identities", "iss", "name", "nickname", "phone_number", "picture", "sub"},
		"request_uri_parameter_supported":       false,
		"request_parameter_supported":           false,
		"id_token_signing_alg_values_supported": []string{"HS256", "RS256", "PS256"},
	}
	if md.cfg.Discovery == Old {
		return doc
	}
	doc["backchannel_logout_supported"] = true
	doc["backchannel_logout_session_supported"] = true
	doc["end_session_endpoint"] = md.base + "/oidc/logout"
	doc["global_token_revocation_endpoint"] = md.base + "/oauth/global-token-revocation/connection/{connectionName}"
	doc["global_token_revocation_endpoint_auth_methods_supported"] = []string{"global-token-revocation+jwt"}
	doc["dpop_signing_alg_values_supported"] = []string{"ES256"}
	if md.cfg.Discovery == Enterprise {
		md.addEnterprise(doc)
		return doc
	}
	doc["grant_types_supported"] = []string{
		"client_credentials", "authorization_code", "refresh_token",
		"urn:ietf:params:oauth:grant-type:token-exchange",
		"urn:ietf:params:oauth:grant-type:device_code",
		"password",
		"http://auth0.com/oauth/grant-type/password-realm",
		"implicit",
		"urn:ietf:params:oauth:grant-type:jwt-bearer",
		"http://auth0.com/oauth/grant-type/passwordless/otp",
		"http://auth0.com/oauth/grant-type/mfa-oob",
		"http://auth0.com/oauth/grant-type/mfa-otp",
		"http://auth0.com/oauth/grant-type/mfa-recovery-code",
	}
	return doc
}

// addEnterprise adds the members that tenants with a highly regulated plan have.
func (md *metadata) addEnterprise(doc map[string]any) {
	mtls := md.aliasBase()
	doc["token_endpoint_auth_methods_supported"] = []string{"client_secret_basic", "client_secret_post", "private_key_jwt",
		"tls_client_auth", "self_signed_tls_client_auth"}
	doc["request_parameter_supported"] = true
	doc["claims_parameter_supported"] = false
	doc["require_request_uri_registration"] = false
	doc["tls_client_certificate_bound_access_tokens"] = true
	doc["request_object_signing_alg_values_supported"] = []string{"RS256", "RS384", "PS256"}
	doc["mtls_endpoint_aliases"] = map[string]any{
		"token_endpoint":                        mtls + "/oauth/token",
		"userinfo_endpoint":                     mtls + "/userinfo",
		"revocation_endpoint":                   mtls + "/oauth/revoke",
		"pushed_authorization_request_endpoint": mtls + "/oauth/par",
	}
	doc["backchannel_authentication_endpoint"] = md.base + "/bc-authorize"
	doc["backchannel_token_delivery_modes_supported"] = []string{"poll"}
}
