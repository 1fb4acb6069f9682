package emulator

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// The values of organization_require_behavior that ask people something.
const (
	preLogin  = "pre_login_prompt"
	postLogin = "post_login_prompt"
)

// maxChoices is how many of their organizations people can choose from.
const maxChoices = 20

var noMembership = oauthError{Code: "invalid_request", Description: "client requires organization membership, but user does not belong to any organization"}

// orgPrompt returns when the login asks for an organization: preLogin, postLogin,
// or never.
func (a *authorization) orgPrompt() string {
	usage, behavior := a.client.OrganizationUsage, a.client.OrganizationRequireBehavior
	if a.org != nil || behavior == "no_prompt" || usage != "allow" && usage != "require" {
		return ""
	}
	return behavior
}

// orgID returns the id of the organization of the request, or "".
func (a *authorization) orgID() string {
	if a.org == nil {
		return ""
	}
	return a.org.ID
}

// lacksOrganization reports whether the prompt is still to be answered.
func (tx *transaction) lacksOrganization(prompt string) bool {
	return !tx.personal && tx.req.orgPrompt() == prompt
}

// orgOptional reports whether the login may go on without an organization.
func (a *authorization) orgOptional() bool { return a.client.OrganizationUsage == "allow" }

// enter makes the login one to the organization. A person who has logged in by a
// connection that the organization has not logs in again, by one that it has.
func (f *loginFlow) enter(tx *transaction, org *Organization) *oauthError {
	req := *tx.req // stored transactions share it
	req.org = org
	if err := f.requests.checkConnection(&req, url.Values{"connection": {req.connection}}); err != nil {
		return err
	}
	tx.req = &req
	if tx.user != "" && f.directory.usableConnection(tx.req, tx.connection) == nil {
		tx.user = ""
	}
	return nil
}

// enterOnly enters the organization of a user who has one and must have one.
func (f *loginFlow) enterOnly(tx *transaction) bool {
	user, ok := f.directory.user(tx.user)
	if !ok || tx.req.orgOptional() {
		return false
	}
	list := f.directory.organizationsOf(user)
	return len(list) == 1 && f.enter(tx, list[0]) == nil
}

// enterAutomatically enters the first organization of the automatic user.
func (f *loginFlow) enterAutomatically(tx *transaction) *oauthError {
	f.mu.Lock()
	user := f.directory.data.users[f.faults.automatic]
	f.mu.Unlock()
	var list []*Organization
	if user != nil {
		list = f.directory.organizationsOf(user)
	}
	switch {
	case len(list) > 0:
		return f.enter(tx, list[0])
	case tx.req.orgOptional():
		tx.personal = true
		return nil
	}
	return &noMembership
}

func (lf *loginForms) showOrganization(w http.ResponseWriter, r *http.Request, tx transaction) {
	if !tx.lacksOrganization(preLogin) {
		lf.flow.proceed(w, r, tx)
		return
	}
	lf.views.organizationPage(w, tx, http.StatusOK, "", "")
}

// submitOrganization takes the name of an organization.
func (lf *loginForms) submitOrganization(w http.ResponseWriter, r *http.Request, tx transaction) {
	if tx.lacksOrganization(preLogin) {
		if r.PostForm.Has("skip") && tx.req.orgOptional() {
			tx.personal = true
			lf.flow.proceed(w, r, tx)
			return
		}
		name := strings.TrimSpace(r.PostForm.Get("organization"))
		lf.mu.Lock()
		i := slices.IndexFunc(lf.directory.data.orgs, func(o *Organization) bool { return strings.EqualFold(o.Name, name) })
		var org *Organization
		if i >= 0 {
			org = lf.directory.data.orgs[i]
		}
		lf.mu.Unlock()
		if org == nil {
			lf.views.organizationPage(w, tx, http.StatusBadRequest, name, "The organization you entered is invalid.")
			return
		}
		if err := lf.flow.enter(&tx, org); err != nil {
			lf.flow.abandon(w, tx, *err)
			return
		}
	}
	lf.flow.proceed(w, r, tx)
}

func (lf *loginForms) showMemberships(w http.ResponseWriter, r *http.Request, tx transaction) {
	user, ok := lf.directory.user(tx.user)
	if !ok || !tx.lacksOrganization(postLogin) {
		lf.flow.proceed(w, r, tx)
		return
	}
	lf.views.membershipsPage(w, tx, user)
}

// submitMemberships takes a choice among the organizations of the user.
func (lf *loginForms) submitMemberships(w http.ResponseWriter, r *http.Request, tx transaction) {
	user, ok := lf.directory.user(tx.user)
	if ok && tx.lacksOrganization(postLogin) {
		list := lf.directory.organizationsOf(user)
		chosen := slices.IndexFunc(list, func(o *Organization) bool { return o.ID == r.PostForm.Get("organization") })
		switch {
		case r.PostForm.Has("skip") && tx.req.orgOptional():
			tx.personal = true
		case chosen >= 0:
			if err := lf.flow.enter(&tx, list[chosen]); err != nil {
				lf.flow.abandon(w, tx, *err)
				return
			}
		}
	}
	lf.flow.proceed(w, r, tx)
}
