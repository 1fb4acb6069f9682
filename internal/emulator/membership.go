package emulator

import (
	"net/http"
	"slices"
	"strings"
)

func (lf *loginForms) showOrganization(w http.ResponseWriter, r *http.Request, tx transaction) {
	if !tx.lacksOrganization(preLogin) {
		lf.flow.proceed(w, r, tx)
		return
	}
	lf.views.organizationPage(w, tx, http.StatusOK, "", "")
}

// submitOrganization handles the entered name of an organization.
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

// submitMemberships handles the user's choice of an organization.
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
