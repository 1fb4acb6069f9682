package jwt

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/base64url"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/jsonscan"
)

// This file names the likely mistake behind a text that is not a token. No cause quotes
// the text, because it can be another secret.

// ErrOpaque is the cause of the fault of a text without dots.
var ErrOpaque = errors.New("the text has no dots, so it is an opaque token or not a token")

// malformed returns the fault of a text that is not a signed token. For a text with dots,
// the fault looks for the mistake only when its cause is read: attackers send these texts
// for free, and few are logged. The cause of a text without dots can be [ErrOpaque], to
// which a caller can add its own hint.
func malformed(text string) *fault.Fault {
	if !strings.Contains(text, ".") {
		return fault.Malformed.Because("%w", explain(text))
	}
	return &fault.Fault{
		Reason: fault.Malformed.Reason, Description: fault.Malformed.Description,
		Cause: explanation(func() error { return explain(text) }),
	}
}

// An explanation is a function, because package fmt prints the fields of every value that
// it reaches, but only the address of a function.
type explanation func() error

func (e explanation) Error() string { return e().Error() }

// explain returns the cause of the fault of a text that is not a signed token.
func explain(text string) error {
	if why := mistake(text); why != "" {
		return errors.New(why)
	}
	if !strings.Contains(text, ".") {
		return ErrOpaque
	}
	parts := strings.Split(text, ".")
	switch n := len(parts); {
	case n == 5 && isEncrypted(parts[0]):
		return errors.New("the token is encrypted (JWE): its header has enc; only signed tokens are accepted, so turn token encryption off for this API")
	case n == 2:
		return errors.New("the token has 2 parts, want 3; the signature is missing, so the token may be cut off")
	case n != 3:
		return fmt.Errorf("the text has %d parts between dots, want 3", n)
	}
	names := [...]string{"header", "payload", "signature"}
	for i, part := range parts {
		switch {
		case part == "":
			return fmt.Errorf("the %s of the token is empty", names[i])
		case i == 0 && base64url.DecodedLen(part) > maxHeader:
			return fmt.Errorf("the header of the token has more than %d bytes", maxHeader)
		case !base64url.IsValid(part):
			return fmt.Errorf("the %s of the token is not base64url without padding; the token may be cut off or changed", names[i])
		}
	}
	return errors.New("the text is not a token")
}

// isEncrypted reports whether the header of a token has enc (RFC 7516, Section 4.1.2).
func isEncrypted(header string) (encrypted bool) {
	if base64url.DecodedLen(header) > maxHeader {
		return false
	}
	text, ok, _, _ := base64url.DecodeTwo(header, "")
	err := jsonscan.Object(text, func(name, _ string) error {
		encrypted = encrypted || name == "enc"
		return nil
	})
	return ok && err == nil && encrypted
}

// empty lists the texts that programs write for a variable without a token.
var empty = []string{
	"undefined", "null", "nil", "<nil>", "None", "NaN", "(null)", "false", "true", "{}", "[]",
	"[object Object]", "[object Promise]", "[object Undefined]", "[object Null]",
}

// mistake returns the program's mistake behind a text, an empty text if it is unknown.
func mistake(text string) string {
	scheme, _, _ := strings.Cut(strings.TrimLeft(text, " "), " ")
	found := marksIn(text)
	switch {
	case text == "":
		return "the token is empty"
	case text == "[object Promise]":
		return `the client has sent the text "[object Promise]" instead of a token; it must await the promise`
	case slices.Contains(empty, text):
		return "the client has sent the text " + quoted(text) + ", which stands for a variable without a token"
	case isPlaceholder(text):
		return "the client has sent a placeholder instead of a token"
	case strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "Bearer:"):
		return "the token begins with the scheme Bearer; the scheme must be there once, in the Authorization header, and is not part of the token"
	case found&quote != 0:
		return "the token has quotation marks; the client must send it without them"
	case strings.TrimSpace(text) != text:
		return "the token has white space before or after it, such as the line break at the end of a file"
	case found&space != 0:
		return "the token has white space in it"
	case found&percent != 0:
		return "the token has a percent sign, as in a text that is escaped for a URL"
	case strings.HasSuffix(text, "..."):
		return "the token is cut off: it ends in three dots"
	}
	return ""
}

// Characters that are in no token and indicate a mistake.
const (
	quote = 1 << iota
	space
	percent
)

var marks = [256]byte{'"': quote, '\'': quote, '`': quote, ' ': space, '\t': space, '\r': space, '\n': space, '%': percent}

// marksIn reads a text once, without a branch per character, because attackers send long
// texts for free.
func marksIn(text string) (found byte) {
	table := &marks
	for ; len(text) >= 8; text = text[8:] {
		found |= table[text[0]] | table[text[1]] | table[text[2]] | table[text[3]] | table[text[4]] | table[text[5]] | table[text[6]] | table[text[7]]
	}
	for i := range len(text) {
		found |= table[text[i]]
	}
	return found
}

func quoted(text string) string { return `"` + text + `"` }

// isPlaceholder reports whether a text is a variable of a template, such as {{token}},
// ${TOKEN}, $TOKEN, %TOKEN%, <token> or {token}.
func isPlaceholder(text string) bool {
	for _, marks := range [...][2]string{{"{", "}"}, {"${", "}"}, {"<", ">"}, {"%", "%"}, {"$", ""}, {"[", "]"}} {
		if strings.HasPrefix(text, marks[0]) && strings.HasSuffix(text, marks[1]) && len(text) < 100 && !strings.Contains(text, ".") {
			return true
		}
	}
	return false
}

// form names the form of a JSON value.
func form(value string) string {
	switch value[0] {
	case '"':
		if value == `""` {
			return "an empty string"
		}
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// wrongForm returns the fault of a claim whose value has the wrong form.
func wrongForm(name Name, text, value string) *fault.Fault {
	const dates = Expiry | NotBefore | IssuedAt | AuthTime
	switch f := form(value); {
	case name&dates != 0 && f == "a number":
		return fault.Claim.Because("the claim %s is %.40s, want seconds since 1970; milliseconds are not accepted", text, value)
	case name&dates != 0:
		return fault.Claim.Because("the claim %s is %s, want a number of seconds since 1970", text, f)
	case name == Subject && f == "an empty string":
		return fault.Claim.Because("the claim sub is empty")
	case name == Subject && f == "a string":
		return fault.Claim.Because("the claim sub has a control character")
	case name == Audience, name == Scope, name == Scp:
		return fault.Claim.Because("the claim %s is %s, want a string or an array of strings", text, f)
	case name == Permissions, name == AMR:
		return fault.Claim.Because("the claim %s is %s, want an array of strings", text, f)
	case name == Confirmation:
		return fault.Claim.Because("the claim cnf is %s, want an object that names a key (RFC 7800, Section 3.1)", f)
	default:
		return fault.Claim.Because("the claim %s is %s, want a string", text, f)
	}
}
