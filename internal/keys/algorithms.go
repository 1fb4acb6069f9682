package keys

import (
	"errors"
	"fmt"
	"slices"
)

// Accepted returns the algorithms that an issuer may use, by default RS256. A shared
// secret fits HS256 alone, and other keys never fit HS256: a public key must not be used
// as a secret (RFC 8725, Section 3.1).
func Accepted(algorithms []string, shared bool) ([]string, error) {
	possible := Asymmetric
	if shared {
		possible = []string{Symmetric}
	}
	switch {
	case algorithms == nil && shared:
		return possible, nil
	case algorithms == nil:
		return []string{"RS256"}, nil
	case len(algorithms) == 0:
		return nil, errors.New("is empty; leave it out for RS256")
	}
	for _, alg := range algorithms {
		if !slices.Contains(possible, alg) {
			return nil, fmt.Errorf("%q is not one of %q, which these Keys can be used with", alg, possible)
		}
	}
	return slices.Clone(algorithms), nil
}
