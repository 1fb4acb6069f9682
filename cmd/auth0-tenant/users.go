package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// database is the connection of users with a password.
const database = "Username-Password-Authentication"

// A user is an entry of the file of users. Names are those of Auth0's Management API,
// where there is one.
type user struct {
	Connection    string         `json:"connection"` // by default the database
	ID            string         `json:"user_id"`    // without the part before the bar
	Email         string         `json:"email"`
	EmailVerified *bool          `json:"email_verified"` // by default true
	Phone         string         `json:"phone_number"`
	Password      string         `json:"password"`
	Name          string         `json:"name"`
	GivenName     string         `json:"given_name"`
	FamilyName    string         `json:"family_name"`
	Nickname      string         `json:"nickname"`
	Picture       string         `json:"picture"`
	Blocked       bool           `json:"blocked"`
	Denied        string         `json:"denied"` // the reason with which an Action denies every login
	MFA           bool           `json:"mfa"`
	Permissions   []string       `json:"permissions"`   // of the API
	Organizations []string       `json:"organizations"` // names or ids
	Claims        map[string]any `json:"claims"`        // custom claims of ID tokens
}

const maxUsersFile = 1 << 20

// readUsers reads the file of the flag -users.
func readUsers(name string) ([]user, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("-users: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxUsersFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("-users: %w", err)
	case len(text) > maxUsersFile:
		return nil, fmt.Errorf("-users: %s has more than %d bytes", name, maxUsersFile)
	}
	var list []user
	if err := decode(bytes.NewReader(text), &list); err != nil {
		return nil, fmt.Errorf("-users: %s: %w; want a JSON array such as [{\"email\": \"eve@acme.example\", \"password\": \"correct horse\"}]", name, err)
	}
	return list, checkUsers(name, list)
}

// checkUsers requires of each user an address that no other user of the file has:
// controls and organizations name users by their address.
func checkUsers(name string, list []user) error {
	seen := map[string]bool{}
	for i, u := range list {
		address := strings.ToLower(u.address())
		switch {
		case address == "":
			return fmt.Errorf("-users: %s: user %d has no email and no phone_number", name, i+1)
		case seen[address]:
			return fmt.Errorf("-users: %s: user %d has the address of another user: %q", name, i+1, u.address())
		}
		seen[address] = true
	}
	return nil
}

// address identifies the user at the tenant.
func (u user) address() string { return cmp.Or(u.Email, u.Phone) }

// decode reads one JSON value without unknown members, and nothing behind it.
func decode(r io.Reader, into any) error {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("there is no JSON")
		}
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is more than one JSON value")
	}
	return nil
}

// addUsers adds the users of the file.
func addUsers(tenant *emulator.Tenant, list []user, audience string) error {
	added := organizations{}
	for i, u := range list {
		u.Connection = cmp.Or(u.Connection, database)
		if err := addUser(tenant, u, audience); err != nil {
			return fmt.Errorf("-users: user %d: %w", i+1, err)
		}
		for _, name := range u.Organizations {
			if err := added.join(tenant, u, name); err != nil {
				return fmt.Errorf("-users: user %d: %w", i+1, err)
			}
		}
	}
	return nil
}

// organizations are the new organizations of the file, with the connections of their
// members.
type organizations map[string][]emulator.OrganizationConnection

// join makes a user a member of an organization. It adds a missing organization.
func (o organizations) join(tenant *emulator.Tenant, u user, name string) error {
	if o[name] == nil && tenant.AddMember(u.address(), name, emulator.Membership{}) == nil {
		return nil
	}
	o[name] = append(o[name], emulator.OrganizationConnection{Name: u.Connection})
	if err := tenant.AddOrganization(emulator.Organization{Name: name, Connections: o[name]}); err != nil {
		return err
	}
	return tenant.AddMember(u.address(), name, emulator.Membership{})
}

func addUser(tenant *emulator.Tenant, u user, audience string) error {
	return tenant.AddUser(emulator.User{
		Connection:    u.Connection,
		ID:            u.ID,
		Email:         u.Email,
		EmailVerified: u.EmailVerified == nil || *u.EmailVerified,
		Phone:         u.Phone,
		Password:      u.Password,
		Name:          u.Name,
		GivenName:     u.GivenName,
		FamilyName:    u.FamilyName,
		Nickname:      u.Nickname,
		Picture:       u.Picture,
		Blocked:       u.Blocked,
		DenyReason:    u.Denied,
		MFA:           u.MFA,
		Permissions:   map[string][]string{audience: u.Permissions},
		Claims:        u.Claims,
	})
}
