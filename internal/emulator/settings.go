package emulator

import "net/url"

// settings are the switches of the tenant as a whole that are off in a new one.
type settings struct {
	*site

	issuer     bool
	register   bool
	documents  bool
	noResource bool
	errorPage  string
}

// IncludeIssuer turns on Include Issuer in Authorization Responses (RFC 9207).
func (st *settings) IncludeIssuer(on bool) { st.set(&st.issuer, on) }

// AllowRegistration turns on dynamic client registration (RFC 7591) at /oidc/register.
func (st *settings) AllowRegistration(on bool) { st.set(&st.register, on) }

// AllowMetadataDocuments makes the metadata say that a client_id can be the URL of a
// document about the application. The owner of the tenant imports it: add a [Client]
// whose ID is the URL.
func (st *settings) AllowMetadataDocuments(on bool) { st.set(&st.documents, on) }

// IgnoreResource turns off the Resource Parameter Compatibility Profile of new
// tenants: resource is then not a synonym of audience, and has no effect.
func (st *settings) IgnoreResource(on bool) { st.set(&st.noResource, on) }

// UseErrorPage sets the URL of a page for the errors of the authorization endpoint that
// it does not send to the application. The empty URL stands for the page of the tenant.
func (st *settings) UseErrorPage(url string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.errorPage = url
}

func (st *settings) ownErrorPage() string {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.errorPage
}

func (st *settings) set(which *bool, on bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	*which = on
}

func (st *settings) is(which *bool) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return *which
}

// audienceOf returns the identifier of the API that a request is for. The parameter
// audience precedes resource (RFC 8707, Section 2).
func (st *settings) audienceOf(params url.Values) string {
	if audience := params.Get("audience"); audience != "" || st.is(&st.noResource) {
		return audience
	}
	return params.Get("resource")
}
