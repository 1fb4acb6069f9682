package emulator

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// An Organization is a customer of the application.
type Organization struct {
	ID                string // derived from Name if empty
	Name, DisplayName string
	Connections       []OrganizationConnection
	Invitations       []Invitation
}

// An Invitation is one to become a member, good for one login.
type Invitation struct {
	Ticket  string    // its id, in the link of the email
	Email   string    // the only address that may accept it, if not empty
	Expires time.Time // never if zero
}

// An OrganizationConnection enables a connection for an organization.
type OrganizationConnection struct {
	Name                    string
	ShowAsButton            *bool
	AssignMembershipOnLogin bool
}

var organizationName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,49}$`)

// AddOrganization adds an organization, or replaces the one with its ID.
func (dir *directory) AddOrganization(o Organization) error {
	if !organizationName.MatchString(o.Name) {
		return fmt.Errorf("tenant: organization name %q is not allowed", o.Name)
	}
	if o.ID == "" {
		o.ID = "org_" + derivedID(16, "organization", o.Name)
	}
	if !strings.HasPrefix(o.ID, "org_") || hasControl(o.ID) {
		return fmt.Errorf("tenant: organization id %q does not begin with org_", o.ID)
	}
	if o.DisplayName == "" {
		o.DisplayName = o.Name
	}
	o.Connections = slices.Clone(o.Connections)
	o.Invitations = slices.Clone(o.Invitations)
	dir.mu.Lock()
	defer dir.mu.Unlock()
	for _, c := range o.Connections {
		if dir.data.connection(c.Name) == nil {
			return fmt.Errorf("tenant: organization %q: there is no connection %q", o.Name, c.Name)
		}
	}
	for i, old := range dir.data.orgs {
		if old.ID == o.ID {
			dir.data.orgs[i] = &o
			return nil
		}
		if old.Name == o.Name {
			return fmt.Errorf("tenant: organizations %q and %q have the same name", old.ID, o.ID)
		}
	}
	dir.data.orgs = append(dir.data.orgs, &o)
	return nil
}

// A Membership is what a user has in one organization, beside what the user has
// everywhere.
type Membership struct {
	Roles       []string            // names, see SetRolesClaim
	Permissions map[string][]string // by audience

	// Claims are custom claims of the ID token and of /userinfo. They take
	// precedence over the Claims of the user.
	Claims map[string]any
}

// AddMember makes a user a member of an organization, or replaces the membership.
// The user is named by email address or subject, the organization by id or name.
func (dir *directory) AddMember(user, organization string, m Membership) error {
	claims, err := cloneJSON(m.Claims)
	if err != nil {
		return fmt.Errorf("tenant: membership of %q: Claims: %w", user, err)
	}
	m = Membership{Roles: slices.Clone(m.Roles), Permissions: clonePermissions(m.Permissions), Claims: claims}
	dir.mu.Lock()
	defer dir.mu.Unlock()
	subject, ok := dir.data.subject(user, "")
	if !ok {
		return unknownUser(user)
	}
	org := dir.data.organization(organization)
	if org == nil {
		return fmt.Errorf("tenant: there is no organization %q", organization)
	}
	dir.data.join(subject, org.ID, "")
	member := *dir.data.users[subject]
	member.memberships = maps.Clone(member.memberships)
	if member.memberships == nil {
		member.memberships = map[string]Membership{}
	}
	member.memberships[org.ID] = m
	dir.data.users[subject] = &member
	return nil
}

// SetRolesClaim sets the claim in which ID tokens, /userinfo and JWT access
// tokens carry the names of the user's roles, those of the organization of the
// login among them. Auth0 has no such claim of its own: an Action adds it. The
// empty name, the default, means none.
func (dir *directory) SetRolesClaim(name string) {
	dir.mu.Lock()
	defer dir.mu.Unlock()
	dir.data.rolesClaim = name
}

// permissionsIn returns the permissions of the user for an API in a login to the
// organization, or in one without.
func (u *storedUser) permissionsIn(orgID, audience string) []string {
	return union(u.Permissions[audience], u.memberships[orgID].Permissions[audience])
}

func (u *storedUser) rolesIn(orgID string) []string {
	return union(u.Roles, u.memberships[orgID].Roles)
}

// union returns the items of both lists, each once. It is never nil.
func union(one, other []string) []string {
	list := []string{}
	for _, item := range slices.Concat(one, other) {
		if !slices.Contains(list, item) {
			list = append(list, item)
		}
	}
	return list
}

// organization finds an organization by id or name.
func (d *data) organization(idOrName string) *Organization {
	for _, o := range d.orgs {
		if idOrName != "" && (o.ID == idOrName || o.Name == idOrName) {
			return o
		}
	}
	return nil
}

func (o *Organization) connection(name string) (OrganizationConnection, bool) {
	for _, c := range o.Connections {
		if c.Name == name {
			return c, true
		}
	}
	return OrganizationConnection{}, false
}

// invitation finds one that was not used.
func (o *Organization) invitation(ticket string) (Invitation, bool) {
	for _, in := range o.Invitations {
		if ticket != "" && in.Ticket == ticket {
			return in, true
		}
	}
	return Invitation{}, false
}

// join makes a user a member and uses up the invitation.
func (d *data) join(subject, orgID, invitation string) {
	if u := d.users[subject]; u != nil && !slices.Contains(u.Organizations, orgID) {
		member := *u
		member.Organizations = append(slices.Clone(u.Organizations), orgID)
		d.users[subject] = &member
	}
	for i, o := range d.orgs {
		if _, ok := o.invitation(invitation); ok && o.ID == orgID {
			org := *o
			org.Invitations = slices.DeleteFunc(slices.Clone(o.Invitations), func(in Invitation) bool { return in.Ticket == invitation })
			d.orgs[i] = &org
		}
	}
}
