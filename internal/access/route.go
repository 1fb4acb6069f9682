package access

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// AreNames reports whether the list is not empty and every name can be part of a
// challenge unchanged (RFC 6749, Section 3.3).
func AreNames(names []string) bool {
	return len(names) > 0 && !slices.ContainsFunc(names, func(name string) bool { return !syntax.IsScope(name) })
}

// Names are scopes or permissions that a route requires: all of them, or only one.
type Names struct {
	List []string
	one  bool
	text string
	row  refusal.Row
	has  func(*jwt.Claims, string) bool
}

// Scopes returns scopes that a route requires.
func Scopes(one bool, list []string) Names { return newNames(one, list, refusal.Scope, HasScope) }

// Permissions returns permissions that a route requires.
func Permissions(one bool, list []string) Names {
	return newNames(one, list, refusal.Permission, HasPermission)
}

func newNames(one bool, list []string, row refusal.Row, has func(*jwt.Claims, string) bool) Names {
	return Names{slices.Clone(list), one, strings.Join(list, " "), row, has}
}

// Scope returns the scope for a client's next token request, for challenges. A client cannot
// request permissions.
func (n Names) Scope() string {
	if n.row == refusal.Permission {
		return ""
	}
	return n.text
}

// Check returns the refusal of a token that lacks names.
func (n *Names) Check(c *jwt.Claims) error {
	if n.areIn(c) {
		return nil
	}
	e := n.row.Wrap(n.lack(c))
	e.Scope = n.text
	return e
}

func (n *Names) areIn(c *jwt.Claims) bool {
	for _, name := range n.List {
		if n.has(c, name) == n.one {
			return n.one
		}
	}
	return !n.one
}

// lack returns the cause of a refusal: the names in the token, and the required ones that it
// lacks.
func (n *Names) lack(c *jwt.Claims) error {
	claim, value := "scope", c.Scope
	if n.row == refusal.Permission {
		if claim, value = "permissions", strings.Join(c.Permissions, " "); !c.Has(jwt.Permissions) {
			return fmt.Errorf(`no claim permissions, want %.200q; at Auth0, enable RBAC and "Add Permissions in the Access Token" for the API`, n.List)
		}
	}
	if n.one {
		return fmt.Errorf("%s is %.200q, want one of %.200q", claim, value, n.List)
	}
	missing := slices.DeleteFunc(slices.Clone(n.List), func(name string) bool { return n.has(c, name) })
	return fmt.Errorf("%s is %.200q, which lacks %.200q", claim, value, missing)
}

// HasScope reports whether a token has a scope.
func HasScope(c *jwt.Claims, scope string) bool {
	for s := range strings.SplitSeq(c.Scope, " ") {
		if s == scope && s != "" {
			return true
		}
	}
	return false
}

// HasPermission reports whether a token has a permission.
func HasPermission(c *jwt.Claims, permission string) bool {
	return slices.Contains(c.Permissions, permission)
}

// A StepUp is the authentication that a route requires (RFC 9470).
type StepUp struct {
	MaxAge time.Duration // 0 for any
	ACR    []string      // one of them; empty for any
}

// IsUsable reports whether the requirement can be met, and written into a challenge.
func (s StepUp) IsUsable() bool {
	return AreNames(s.ACR) && (s.MaxAge == 0 || s.MaxAge >= time.Second) || len(s.ACR) == 0 && s.MaxAge >= time.Second
}

// Check returns the refusal of a token whose user has not authenticated as required.
func (s StepUp) Check(c *jwt.Claims, now time.Time, leeway time.Duration) error {
	switch age := idtoken.Unix(now) - c.AuthTime; {
	case s.MaxAge > 0 && !c.Has(jwt.AuthTime):
		return s.because("no usable auth_time; at Auth0 an Action must add it to access tokens")
	case s.MaxAge > 0 && age > (s.MaxAge+leeway).Seconds():
		return s.because("auth_time was %.0f s ago, want at most %v", age, s.MaxAge)
	case len(s.ACR) > 0 && !slices.Contains(s.ACR, c.ACR):
		return s.because("acr is %.100q, want one of %q; at Auth0 an Action must add it to access tokens", c.ACR, s.ACR)
	}
	return nil
}

// because returns a refusal with the parameters of RFC 9470, Section 3.
func (s StepUp) because(format string, args ...any) error {
	refused := refusal.StepUp.Because(format, args...)
	if len(s.ACR) > 0 {
		refused.StepUp += `, acr_values="` + strings.Join(s.ACR, " ") + `"`
	}
	if s.MaxAge > 0 {
		refused.StepUp += `, max_age="` + strconv.Itoa(int(s.MaxAge.Seconds())) + `"`
	}
	return refused
}
