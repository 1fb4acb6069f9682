// Package condition decides whether an authentication meets the requirements of a login,
// or of a page: how recent it is, how strong, and in which organization. Callback and
// guard use only this package, so a login that the callback accepts satisfies the guard.
//
// The package does not know the source of the facts: an ID token or a session.
package condition

import (
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fault"
)

// MultiFactor is the authentication context class that requests a second factor from
// Auth0 (OpenID Provider Authentication Policy Extension 1.0, Section 4).
const MultiFactor = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"

// Facts are the properties of an authentication.
type Facts struct {
	Time           float64 // auth_time in Unix seconds, 0 if unknown
	ACR            string
	AMR            []string
	OrgID, OrgName string // of the organization, empty for none
}

// A Demand is a set of requirements. Any authentication meets the zero Demand.
type Demand struct {
	MaxAge *int  // seconds since the authentication; 0 requires one in this login
	Began  int64 // start of the login, in Unix seconds
	ACR    []string
	// Organizations are ids and names, one of which suffices.
	Organizations []string
}

// Check returns the fault of an authentication that does not meet the demand, and nil
// for one that does. The organization comes first: another authentication in the same
// one would not help.
func (d Demand) Check(f Facts, now time.Time, leeway time.Duration) *fault.Fault {
	for _, check := range []*fault.Fault{d.CheckOrganization(f), d.checkACR(f), d.checkAge(f, now, leeway)} {
		if check != nil {
			return check
		}
	}
	return nil
}

// And returns the demand that requires both. It reports false if nothing can meet it: it
// compares organizations as written, and cannot know whether a name and an id mean one.
func (d Demand) And(other Demand) (Demand, bool) {
	if d.MaxAge == nil || other.MaxAge != nil && *other.MaxAge < *d.MaxAge {
		d.MaxAge = other.MaxAge
	}
	var ok [2]bool
	d.ACR, ok[0] = common(d.ACR, other.ACR)
	d.Organizations, ok[1] = common(d.Organizations, other.Organizations)
	return d, ok[0] && ok[1]
}

// common returns the texts in both lists. An empty list stands for all texts.
func common(a, b []string) (both []string, ok bool) {
	switch {
	case len(a) == 0:
		return b, true
	case len(b) == 0:
		return a, true
	}
	for _, text := range a {
		if slices.Contains(b, text) {
			both = append(both, text)
		}
	}
	return both, len(both) > 0
}

// CheckOrganization is the organization check of Check.
func (d Demand) CheckOrganization(f Facts) *fault.Fault {
	if len(d.Organizations) == 0 || slices.ContainsFunc(d.Organizations, func(asked string) bool { return isIn(asked, f) }) {
		return nil
	}
	asked := strings.Join(d.Organizations, " ")
	if isID(asked) {
		return fault.Organization.Because("org_id is %.100q, the login was to %.300q", f.OrgID, asked)
	}
	return fault.Organization.Because("org_name is %.100q, the login was to %.300q; the tenant must allow organization names", f.OrgName, asked)
}

// isIn compares ids exactly, and names without regard to case, because Auth0 keeps them
// in lower case.
func isIn(asked string, f Facts) bool {
	if isID(asked) {
		return f.OrgID == asked
	}
	return asked != "" && strings.EqualFold(f.OrgName, asked)
}

// isID tells an id of an organization from a name, as Auth0 does.
func isID(asked string) bool { return strings.HasPrefix(asked, "org_") }

// checkACR requires one of the authentication context classes. Auth0 reports a second
// factor in amr.
func (d Demand) checkACR(f Facts) *fault.Fault {
	switch {
	case len(d.ACR) == 0, slices.Contains(d.ACR, f.ACR):
		return nil
	case slices.Contains(d.ACR, MultiFactor) && slices.Contains(f.AMR, "mfa"):
		return nil
	}
	return fault.ACR.Because("acr is %.100q and amr is %.100q, want one of %.300q; at Auth0 an Action must turn acr_values into a second factor", f.ACR, f.AMR, d.ACR)
}

// checkAge requires a recent authentication. An age of 0 requires one after the login
// began.
func (d Demand) checkAge(f Facts, now time.Time, leeway time.Duration) *fault.Fault {
	if d.MaxAge == nil {
		return nil
	}
	age, slack := float64(now.UnixMilli())/1000-f.Time, leeway.Seconds()
	switch {
	case f.Time == 0:
		return fault.AuthTime.Because("auth_time is missing, which max_age requires")
	case *d.MaxAge == 0 && f.Time < float64(d.Began)-slack:
		return fault.AuthTime.Because("auth_time is before the start of the login")
	case *d.MaxAge > 0 && age > float64(*d.MaxAge)+slack:
		return fault.AuthTime.Because("auth_time is %.0f s ago, max_age is %d", age, *d.MaxAge)
	}
	return nil
}
