package jwt

import (
	"slices"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/base64url"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/jsonscan"
)

// A Name stands for a claim that this package reads. Names are bits, so that
// [Claims.Has] accepts several at once.
type Name uint32

// The claims of RFC 7519, OpenID Connect Core 1.0, RFC 8693, RFC 9068, Auth0 and
// other issuers that a check or an accessor of this module reads.
const (
	Issuer Name = 1 << iota
	Subject
	Audience
	Expiry
	NotBefore
	IssuedAt
	ID
	Confirmation
	AuthorizedParty
	ClientID
	Scope
	Scp
	Permissions
	OrgID
	OrgName
	Nonce
	AccessTokenHash
	CodeHash
	StateHash
	Events
	SessionID
	AuthTime
	ACR
	AMR
	Actor
	GrantType
	TypeClaim
	TokenUse
)

func nameOf(s string) Name {
	switch s {
	case "iss":
		return Issuer
	case "sub":
		return Subject
	case "aud":
		return Audience
	case "exp":
		return Expiry
	case "nbf":
		return NotBefore
	case "iat":
		return IssuedAt
	case "jti":
		return ID
	case "cnf":
		return Confirmation
	case "azp":
		return AuthorizedParty
	case "client_id":
		return ClientID
	case "scope":
		return Scope
	case "scp":
		return Scp
	case "permissions":
		return Permissions
	case "org_id":
		return OrgID
	case "org_name":
		return OrgName
	case "nonce":
		return Nonce
	case "at_hash":
		return AccessTokenHash
	case "c_hash":
		return CodeHash
	case "s_hash":
		return StateHash
	case "events":
		return Events
	case "sid":
		return SessionID
	case "auth_time":
		return AuthTime
	case "acr":
		return ACR
	case "amr":
		return AMR
	case "act":
		return Actor
	case "gty":
		return GrantType
	case "typ":
		return TypeClaim
	case "token_use":
		return TokenUse
	}
	return 0
}

// Claims are the claims of a token. None of them is verified. An absent claim has
// the zero value; [Claims.Has] tells it from an empty claim.
type Claims struct {
	Issuer          string
	Subject         string
	Audience        []string
	Expiry          float64 // Unix seconds, as the other times
	NotBefore       float64
	IssuedAt        float64
	ID              string
	AuthorizedParty string
	ClientID        string
	// Scope has the values of the claim scope, separated by spaces. If there is no
	// such claim, it has those of scp.
	Scope           string
	Permissions     []string
	OrgID           string
	OrgName         string
	Nonce           string
	AccessTokenHash string
	CodeHash        string
	SessionID       string
	AuthTime        float64
	ACR             string
	AMR             []string
	// TypeClaim is typ, Keycloak's claim for the kind of a token. TokenUse is token_use,
	// Cognito's claim for it. Each is empty if the claim is not a string.
	TypeClaim string
	TokenUse  string
	// The following are raw JSON text.
	Actor  string
	Events string

	key, certificate string // see Confirmation

	present Name
}

// Has reports whether the token has any of the named claims, even with the value null.
func (c *Claims) Has(names Name) bool { return c.present&names != 0 }

// Confirmation returns jkt and x5t#S256 of cnf, which bind a token to a key (RFC 9449,
// Section 6.1) or to a certificate (RFC 8705, Section 3.1), and whether the token has cnf.
// Both are empty if cnf has other members.
func (c *Claims) Confirmation() (key, certificate string, bound bool) {
	return c.key, c.certificate, c.Has(Confirmation)
}

// ParseClaims reads the payload of a token. It fails if the value of a claim has the
// wrong form, or if the claim is repeated. It also fails if a name differs only in case
// from one of the claims that decide about validity: a reader that folds case would read
// another value. With unique set, it fails for any repeated name.
//
// The optional claims do not decide about validity. ParseClaims treats one of the wrong
// form as absent.
//
// The errors are [fault.Malformed], [fault.Duplicate] and [fault.Claim]. The cause
// names the claim. It quotes only times, no other value.
func ParseClaims(payload string, unique bool, optional Name) (Claims, error) {
	var c Claims
	var bad *fault.Fault // of the first wrong claim
	var absent Name
	var names nameSet
	var scp string
	err := jsonscan.Object(payload, func(text, value string) error {
		name := nameOf(text)
		if name == 0 {
			if claim := deciding(text); bad == nil && claim != "" {
				bad = fault.Claim.Because("the claim %q differs from %q only in case", text, claim)
			}
			if unique && !names.add(text) && bad == nil {
				bad = fault.Duplicate.Because("the claim %.100q is there twice", text)
			}
			return nil
		}
		if c.Has(name) && bad == nil {
			bad = fault.Duplicate.Because("the claim %s is there twice", text)
		}
		c.present |= name
		switch ok := c.read(name, value, &scp); {
		case ok:
		case optional&name != 0:
			absent |= name
		case bad == nil:
			bad = wrongForm(name, text, value)
		}
		return nil
	})
	if err != nil {
		return Claims{}, fault.Malformed.Because("the payload is not a JSON object")
	}
	if bad != nil {
		return Claims{}, bad
	}
	c.present &^= absent
	if !c.Has(Scope) {
		c.Scope = scp
	}
	return c, nil
}

// A nameSet finds repeated names. It compares few names one by one, without a map. Many
// names, which an attacker can send, go into a map, so that each costs the same.
type nameSet struct {
	few  []string
	many map[string]struct{}
}

// maxCompared is larger than the number of unknown claims in honest tokens.
const maxCompared = 16

// add reports whether the name is new.
func (s *nameSet) add(name string) bool {
	if s.many == nil {
		if slices.Contains(s.few, name) {
			return false
		}
		if len(s.few) < maxCompared {
			s.few = append(s.few, name)
			return true
		}
		s.many = map[string]struct{}{}
		for _, known := range s.few {
			s.many[known] = struct{}{}
		}
	}
	if _, ok := s.many[name]; ok {
		return false
	}
	s.many[name] = struct{}{}
	return true
}

func (c *Claims) read(name Name, value string, scp *string) (ok bool) {
	switch name {
	case Issuer:
		c.Issuer, ok = jsonscan.String(value)
	case Subject:
		c.Subject, ok = jsonscan.String(value)
		ok = ok && c.Subject != "" && !strings.ContainsFunc(c.Subject, isControl)
	case Audience:
		c.Audience, ok = stringOrStrings(value)
	case Expiry:
		c.Expiry, ok = numericDate(value)
	case NotBefore:
		c.NotBefore, ok = numericDate(value)
	case IssuedAt:
		c.IssuedAt, ok = numericDate(value)
	case AuthTime:
		c.AuthTime, ok = numericDate(value)
	case ID:
		c.ID, ok = jsonscan.String(value)
	case AuthorizedParty:
		c.AuthorizedParty, ok = jsonscan.String(value)
	case ClientID:
		c.ClientID, ok = jsonscan.String(value)
	case Scope:
		c.Scope, ok = spaceSeparated(value)
	case Scp:
		*scp, ok = spaceSeparated(value)
	case Permissions:
		c.Permissions, ok = jsonscan.Strings(value)
	case OrgID:
		c.OrgID, ok = jsonscan.String(value)
	case OrgName:
		c.OrgName, ok = jsonscan.String(value)
	case Nonce:
		c.Nonce, ok = jsonscan.String(value)
	case AccessTokenHash:
		c.AccessTokenHash, ok = jsonscan.String(value)
	case CodeHash:
		c.CodeHash, ok = jsonscan.String(value)
	case SessionID:
		c.SessionID, ok = jsonscan.String(value)
	case ACR:
		c.ACR, ok = jsonscan.String(value)
	case AMR:
		c.AMR, ok = jsonscan.Strings(value)
	case Confirmation:
		c.key, c.certificate, ok = confirmation(value)
	case Actor:
		c.Actor, ok = value, true
	case Events:
		c.Events, ok = value, true
	case TypeClaim:
		c.TypeClaim, _ = jsonscan.String(value)
		ok = true
	case TokenUse:
		c.TokenUse, _ = jsonscan.String(value)
		ok = true
	case GrantType:
		ok = true
	case StateHash:
		_, ok = jsonscan.String(value)
	}
	return ok
}

// decidingClaims decide whether a token is valid.
var decidingClaims = [...]string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf"}

// deciding returns the deciding claim that a reader that folds case, such as
// encoding/json, would read for name. It returns an empty text if there is none.
func deciding(name string) string {
	// Each of these claims has three letters. Of their letters, only s folds to a
	// longer one: U+017F, of two bytes.
	if len(name) < 3 || len(name) > 5 {
		return ""
	}
	for _, claim := range decidingClaims {
		if strings.EqualFold(name, claim) {
			return claim
		}
	}
	return ""
}

// numericDate reads a NumericDate (RFC 7519, Section 2), which can have a fraction.
// A date after the year 9999 is usually in milliseconds. A date that is far larger
// overflows package time.
func numericDate(value string) (float64, bool) {
	const endOf9999 = 253402300799
	f, ok := jsonscan.Number(value)
	if !ok || f <= 0 || f > endOf9999 {
		return 0, false
	}
	return f, true
}

func stringOrStrings(value string) ([]string, bool) {
	if s, ok := jsonscan.String(value); ok {
		return []string{s}, true
	}
	return jsonscan.Strings(value)
}

func spaceSeparated(value string) (string, bool) {
	if s, ok := jsonscan.String(value); ok {
		return s, true
	}
	list, ok := jsonscan.Strings(value)
	return strings.Join(list, " "), ok
}

func isControl(r rune) bool { return r < 0x20 || 0x7F <= r && r <= 0x9F }

// confirmation returns the thumbprints in the value of cnf (RFC 7800, Section 3.1). It
// reports false for a value that cannot bind a token: it must be an object with members,
// and each thumbprint must be usable and not repeated. The binding of a token with another
// cnf is unknown, so the token must not count as unbound.
func confirmation(value string) (key, certificate string, ok bool) {
	members, keys, certificates, usable := 0, 0, 0, true
	err := jsonscan.Object(value, func(name, value string) error {
		members++
		text, isText := jsonscan.String(value)
		switch name {
		case "jkt":
			key, keys, usable = text, keys+1, usable && isText && text != ""
		case "x5t#S256":
			certificate, certificates, usable = text, certificates+1, usable && isText && isSHA256(text)
		}
		return nil
	})
	if err != nil || !usable || members == 0 || keys > 1 || certificates > 1 {
		return "", "", false
	}
	return key, certificate, true
}

// isSHA256 reports whether a text has the form of 32 bytes in base64url without
// padding. Its spare bits can be set, as in the example of RFC 8705, Section 3.1. That
// text then differs from every thumbprint that this module computes.
func isSHA256(text string) bool {
	return len(text) == 43 && base64url.IsValid(text+"A") // 44 characters have no spare bits
}
