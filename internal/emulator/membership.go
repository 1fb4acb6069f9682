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

// lacksOrganization reports whether the prompt is still to be answered.
func (tx *transaction) lacksOrganization(prompt string) bool {
	return !tx.personal && tx.req.orgPrompt() == prompt
}

// orgOptional reports whether the login may go on without an organization.
func (a *authorization) orgOptional() bool { return a.client.OrganizationUsage == "allow" }

// organizationsOf returns those that the user is a member of, in the order of
// joining.
func (t *Tenant) organizationsOf(u *User) []*Organization {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []*Organization
	for _, id := range u.Organizations {
		if o := t.data.organization(id); o != nil && len(list) < maxChoices {
			list = append(list, o)
		}
	}
	return list
}

// enter makes the login one to the organization. A person who has logged in by a
// connection that the organization has not logs in again, by one that it has.
func (t *Tenant) enter(tx *transaction, org *Organization) *oauthError {
	req := *tx.req // stored transactions share it
	req.org = org
	if err := t.checkConnection(&req, url.Values{"connection": {req.connection}}); err != nil {
		return err
	}
	tx.req = &req
	if tx.user != "" && t.usableConnection(tx.req, tx.connection) == nil {
		tx.user = ""
	}
	return nil
}

// enterOnly enters the organization of a user who has one and must have one.
func (t *Tenant) enterOnly(tx *transaction) bool {
	user, ok := t.user(tx.user)
	if !ok || tx.req.orgOptional() {
		return false
	}
	list := t.organizationsOf(user)
	return len(list) == 1 && t.enter(tx, list[0]) == nil
}

// enterAutomatically enters the first organization of the automatic user.
func (t *Tenant) enterAutomatically(tx *transaction) *oauthError {
	t.mu.Lock()
	user := t.data.users[t.faults.automatic]
	t.mu.Unlock()
	var list []*Organization
	if user != nil {
		list = t.organizationsOf(user)
	}
	switch {
	case len(list) > 0:
		return t.enter(tx, list[0])
	case tx.req.orgOptional():
		tx.personal = true
		return nil
	}
	return &noMembership
}

func (t *Tenant) showOrganization(w http.ResponseWriter, r *http.Request, tx transaction) {
	if !tx.lacksOrganization(preLogin) {
		t.proceed(w, r, tx)
		return
	}
	t.organizationPage(w, tx, http.StatusOK, "", "")
}

// submitOrganization takes the name of an organization.
func (t *Tenant) submitOrganization(w http.ResponseWriter, r *http.Request, tx transaction) {
	if tx.lacksOrganization(preLogin) {
		if r.PostForm.Has("skip") && tx.req.orgOptional() {
			tx.personal = true
			t.proceed(w, r, tx)
			return
		}
		name := strings.TrimSpace(r.PostForm.Get("organization"))
		t.mu.Lock()
		i := slices.IndexFunc(t.data.orgs, func(o *Organization) bool { return strings.EqualFold(o.Name, name) })
		var org *Organization
		if i >= 0 {
			org = t.data.orgs[i]
		}
		t.mu.Unlock()
		if org == nil {
			t.organizationPage(w, tx, http.StatusBadRequest, name, "The organization you entered is invalid.")
			return
		}
		if err := t.enter(&tx, org); err != nil {
			t.abandon(w, tx, *err)
			return
		}
	}
	t.proceed(w, r, tx)
}

func (t *Tenant) showMemberships(w http.ResponseWriter, r *http.Request, tx transaction) {
	user, ok := t.user(tx.user)
	if !ok || !tx.lacksOrganization(postLogin) {
		t.proceed(w, r, tx)
		return
	}
	t.membershipsPage(w, tx, user)
}

// submitMemberships takes a choice among the organizations of the user.
func (t *Tenant) submitMemberships(w http.ResponseWriter, r *http.Request, tx transaction) {
	user, ok := t.user(tx.user)
	if ok && tx.lacksOrganization(postLogin) {
		list := t.organizationsOf(user)
		chosen := slices.IndexFunc(list, func(o *Organization) bool { return o.ID == r.PostForm.Get("organization") })
		switch {
		case r.PostForm.Has("skip") && tx.req.orgOptional():
			tx.personal = true
		case chosen >= 0:
			if err := t.enter(&tx, list[chosen]); err != nil {
				t.abandon(w, tx, *err)
				return
			}
		}
	}
	t.proceed(w, r, tx)
}

func (t *Tenant) organizationPage(w http.ResponseWriter, tx transaction, status int, name, problem string) {
	view := struct {
		frame
		Name     string
		Optional bool
		Hints    []string
	}{frame: t.frame("Enter your organization", tx), Name: name, Optional: tx.req.orgOptional()}
	view.Error = problem
	t.mu.Lock()
	if t.data.demo {
		for _, o := range t.data.orgs[:min(len(t.data.orgs), 5)] {
			view.Hints = append(view.Hints, o.Name)
		}
	}
	t.mu.Unlock()
	t.render(w, status, "organization.html", view)
}

func (t *Tenant) membershipsPage(w http.ResponseWriter, tx transaction, u *User) {
	type choice struct{ ID, Name, DisplayName, Initials string }
	view := struct {
		frame
		Email    string
		Optional bool
		Choices  []choice
	}{frame: t.frame("Select your organization", tx), Email: accountOf(tx.user, u).Email, Optional: tx.req.orgOptional()}
	for _, o := range t.organizationsOf(u) {
		view.Choices = append(view.Choices, choice{o.ID, o.Name, o.DisplayName, initials(o.DisplayName)})
	}
	t.render(w, http.StatusOK, "memberships.html", view)
}
