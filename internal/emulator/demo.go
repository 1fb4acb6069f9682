package emulator

import "strings"

// Demo names the applications and the API of the demonstration.
type Demo struct {
	ClientID, ClientSecret string
	SPAClientID            string // of a single-page application; empty for none
	BaseURL                string // of the applications; see AddDemo for their callbacks
	Audience               string // of the API; empty for none
}

// demoPassword opens the database accounts of the demonstration. The login page shows
// it.
const demoPassword = "correct horse"

// AddDemo fills the tenant for a demonstration: a regular web application that
// may read the tenant's connections, a single-page application, an API with
// permissions, connections of every kind, at least one user in each, and two
// organizations, to both of which Ada belongs. The web application is called back at BaseURL/auth/callback and
// gets logout tokens at BaseURL/auth/backchannel-logout, the single-page
// application is called back at the base URL itself or at BaseURL/callback.
func (dir *directory) AddDemo(d Demo) error {
	base := strings.TrimSuffix(d.BaseURL, "/")
	for _, c := range demoConnections() {
		if err := dir.AddConnection(c); err != nil {
			return err
		}
	}
	for _, c := range dir.demoClients(d, base) {
		if err := dir.AddClient(c); err != nil {
			return err
		}
	}
	if d.Audience != "" {
		if err := dir.AddAPI(API{
			Audience:           d.Audience,
			Name:               "Demo API",
			Scopes:             []string{"read:protected", "write:messages"},
			RBAC:               true,
			AllowOfflineAccess: true,
			ProofOfPossession:  ProofOfPossession{Mechanism: "dpop"},
		}); err != nil {
			return err
		}
	}
	for _, u := range demoUsers(d.Audience) {
		if err := dir.AddUser(u); err != nil {
			return err
		}
	}
	dir.mu.Lock()
	dir.data.demo = true
	dir.mu.Unlock()
	for _, o := range demoOrganizations() {
		if err := dir.AddOrganization(o); err != nil {
			return err
		}
	}
	return nil
}

func demoOrganizations() []Organization {
	return []Organization{
		{Name: "acme-eu", DisplayName: "Acme Europe", Connections: []OrganizationConnection{
			{Name: "Username-Password-Authentication"},
			{Name: "fabrikam-entra", AssignMembershipOnLogin: true},
		}},
		{Name: "acme-labs", DisplayName: "Acme Labs", Connections: []OrganizationConnection{
			{Name: "Username-Password-Authentication"},
		}},
	}
}

func (dir *directory) demoClients(d Demo, base string) []Client {
	web := Client{
		ID:                d.ClientID,
		Secret:            d.ClientSecret,
		Name:              "Demo app",
		CallbackURLs:      []string{base + "/auth/callback"},
		LogoutURLs:        []string{base, base + "/"},
		WebOrigins:        []string{base},
		InitiateLoginURI:  base + "/auth/login",
		OrganizationUsage: "allow",

		BackchannelLogoutURLs: []string{base + "/auth/backchannel-logout"},

		Connections: []string{"Username-Password-Authentication", "google-oauth2", "github", "partner-idp",
			"fabrikam-entra", "customer-saml", "legacy-accounts"},
		Grants: []ClientGrant{{Audience: dir.managementAudience(), Scopes: []string{"read:connections", "read:clients",
			"read:connections_options", "read:organization_connections", "read:organizations"}}},
		GrantTypes: []string{"authorization_code", "implicit", "refresh_token", "client_credentials", "password",
			"http://auth0.com/oauth/grant-type/password-realm", "http://auth0.com/oauth/grant-type/passwordless/otp",
			"http://auth0.com/oauth/grant-type/mfa-otp", "http://auth0.com/oauth/grant-type/mfa-oob",
			"http://auth0.com/oauth/grant-type/mfa-recovery-code", "urn:ietf:params:oauth:grant-type:token-exchange", vaultGrant},
	}
	if d.SPAClientID == "" {
		return []Client{web}
	}
	spa := web
	spa.ID, spa.Secret, spa.Public, spa.GrantTypes = d.SPAClientID, "", true, nil
	spa.CallbackURLs = []string{base, base + "/", base + "/callback"}
	spa.InitiateLoginURI, spa.BackchannelLogoutURLs, spa.Grants = "", nil, nil
	return []Client{web, spa}
}

func demoConnections() []Connection {
	yes, no := true, false
	return []Connection{
		{Name: "Username-Password-Authentication", Strategy: "auth0", Options: map[string]any{
			"passwordPolicy": "good", "strategy_version": 2, "brute_force_protection": true}},
		{Name: "google-oauth2", Strategy: "google-oauth2", Scope: []string{"email", "profile"}, ConnectedAccounts: true},
		{Name: "github", Strategy: "github", Scope: []string{"user:email"}},
		{Name: "partner-idp", DisplayName: "Partner Ltd", Strategy: "oauth2", Scope: []string{"openid", "profile", "email"},
			Metadata: map[string]string{"tier": "gold"}, Options: map[string]any{
				"authorizationURL": "https://idp.partner.example/oauth2/authorize",
				"tokenURL":         "https://idp.partner.example/oauth2/token",
				"pkce_enabled":     true}},
		{Name: "fabrikam-entra", DisplayName: "Fabrikam", Strategy: "waad", ShowAsButton: &yes, DomainAliases: []string{"fabrikam.example"}},
		{Name: "customer-saml", DisplayName: "Customer Corp", Strategy: "samlp", ShowAsButton: &no,
			DomainAliases: []string{"customer.example", "customer.co.uk"}},
		{Name: "email", Strategy: "email"},
		{Name: "legacy-accounts", DisplayName: "Legacy accounts", Strategy: "oauth2", Inactive: true, ConnectedAccounts: true},
	}
}

func demoUsers(audience string) []User {
	reader := map[string][]string{}
	if audience != "" {
		reader[audience] = []string{"read:protected"}
	}
	var orgs []string
	for _, o := range demoOrganizations() {
		orgs = append(orgs, "org_"+derivedID(16, "organization", o.Name))
	}
	const database = "Username-Password-Authentication"
	return []User{
		{Connection: database, Email: "ada@acme.example", EmailVerified: true, Password: demoPassword,
			GivenName: "Ada", FamilyName: "Lovelace", Permissions: reader, Organizations: orgs},
		{Connection: database, Email: "bob@acme.example", EmailVerified: true, Password: demoPassword,
			GivenName: "Bob", FamilyName: "Miller"},
		{Connection: "google-oauth2", ID: "101854370229911764483", Email: "grace@gmail.example", EmailVerified: true,
			GivenName: "Grace", FamilyName: "Hopper"},
		{Connection: "github", ID: "1024025", Email: "linus@github.example", EmailVerified: true, Name: "Linus Jensen",
			Nickname: "linus", Permissions: reader},
		{Connection: "partner-idp", ID: "7301", Email: "paula@partner.example", EmailVerified: true,
			GivenName: "Paula", FamilyName: "Reyes"},
		{Connection: "fabrikam-entra", Email: "frank@fabrikam.example", EmailVerified: true,
			GivenName: "Frank", FamilyName: "Okafor"},
		{Connection: "customer-saml", ID: "carol@customer.example", Email: "carol@customer.example", EmailVerified: true,
			GivenName: "Carol", FamilyName: "Nguyen"},
	}
}
