package emulator

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// maxRegistered bounds the applications that anyone can register.
const maxRegistered = 200

// A registration answers the registration endpoint.
type registration struct {
	*site
	directory *directory
	settings  *settings

	ids *bounded[struct{}]
}

// A registered application holds its registered metadata and its credentials (RFC
// 7591, Sections 2 and 3.2.1).
type registered struct {
	ID            string   `json:"client_id"`
	Secret        string   `json:"client_secret,omitempty"`
	SecretExpires *int     `json:"client_secret_expires_at,omitempty"` // 0: never
	Name          string   `json:"client_name"`
	Callbacks     []string `json:"redirect_uris"`
	AuthMethod    string   `json:"token_endpoint_auth_method"`
	GrantTypes    []string `json:"grant_types"`
	ResponseTypes []string `json:"response_types"`
}

func badMetadata(description string) *tokenError {
	return &tokenError{http.StatusBadRequest, oauthError{"invalid_client_metadata", description}}
}

func badRedirect(description string) *tokenError {
	return &tokenError{http.StatusBadRequest, oauthError{"invalid_redirect_uri", description}}
}

// serveRegistration answers POST /oidc/register, without authentication: the
// endpoint is open or closed.
func (rg *registration) serveRegistration(w http.ResponseWriter, r *http.Request) {
	app, err := rg.register(r)
	w.Header().Set("Cache-Control", "no-store")
	if err != nil {
		writeJSON(w, err.status, err.oauthError)
		return
	}
	writeJSON(w, http.StatusCreated, app)
}

// register adds the application as a third party of the strict kind.
func (rg *registration) register(r *http.Request) (registered, *tokenError) {
	app := registered{AuthMethod: "client_secret_post", GrantTypes: []string{"authorization_code"}}
	if !rg.settings.is(&rg.settings.register) {
		return app, denied("Dynamic client registration is not enabled for this tenant.")
	}
	if err := json.NewDecoder(r.Body).Decode(&app); err != nil {
		return app, badMetadata("The request body is malformed")
	}
	if err := app.check(); err != nil {
		return app, err
	}
	app.ID, app.Secret, app.SecretExpires, app.ResponseTypes = "tpc_"+randomID(32), "", nil, []string{"code"}
	if app.AuthMethod != "none" {
		app.Secret, app.SecretExpires = randomID(64), new(int)
	}
	client := Client{ID: app.ID, Secret: app.Secret, Name: app.Name, Public: app.AuthMethod == "none", ThirdParty: true, Strict: true,
		CallbackURLs: app.Callbacks, GrantTypes: app.GrantTypes}
	if app.AuthMethod != "none" {
		client.AuthMethod = app.AuthMethod
	}
	if err := rg.directory.AddClient(client); err != nil {
		return app, badRedirect(err.Error())
	}
	rg.keep(app.ID)
	return app, nil
}

func (app registered) check() *tokenError {
	switch {
	case app.Name == "" || hasControl(app.Name):
		return badMetadata("client_name is required")
	case len(app.Callbacks) == 0:
		return badMetadata("redirect_uris is required")
	case !slices.Contains([]string{"none", "client_secret_post", "client_secret_basic"}, app.AuthMethod):
		return badMetadata("Unsupported token_endpoint_auth_method: " + app.AuthMethod)
	case len(app.ResponseTypes) > 0 && !slices.Equal(app.ResponseTypes, []string{"code"}):
		return badMetadata("Unsupported response_types")
	}
	for _, grantType := range app.GrantTypes {
		if !slices.Contains([]string{"authorization_code", "refresh_token"}, grantType) {
			return badMetadata("Unsupported grant type: " + grantType)
		}
	}
	for _, raw := range app.Callbacks {
		if strings.ContainsAny(raw, "*{") { // what they mean is for the owner of the tenant
			return badRedirect("redirect_uris cannot have wildcards")
		}
	}
	return nil
}

// keep stores an application. Beyond the limit it drops the oldest.
func (rg *registration) keep(id string) {
	rg.mu.Lock()
	defer rg.mu.Unlock()
	if rg.ids.order.Len() >= maxRegistered {
		oldest := rg.ids.order.Front().Value.(entry[struct{}]).key
		rg.ids.delete(oldest)
		rg.directory.data.removeClient(oldest)
	}
	rg.ids.put(id, struct{}{})
}
