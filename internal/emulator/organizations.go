package emulator

import (
	"regexp"
	"time"
)

// An Organization is a customer of the application.
type Organization struct {
	ID                string // derived from Name if empty
	Name, DisplayName string
	Connections       []OrganizationConnection
	Invitations       []Invitation
}

// An Invitation invites a user to an organization. It is valid for one login.
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

func (o *Organization) connection(name string) (OrganizationConnection, bool) {
	for _, c := range o.Connections {
		if c.Name == name {
			return c, true
		}
	}
	return OrganizationConnection{}, false
}

// invitation finds an unused invitation.
func (o *Organization) invitation(ticket string) (Invitation, bool) {
	for _, in := range o.Invitations {
		if ticket != "" && in.Ticket == ticket {
			return in, true
		}
	}
	return Invitation{}, false
}
