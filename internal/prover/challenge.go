package prover

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/fetch"
)

// The error codes of a server that rejects a proof (RFC 9449, Sections 7.1, 8 and 9).
const (
	useNonce     = "use_dpop_nonce"
	invalidProof = "invalid_dpop_proof"
)

// tokenError returns the error code of a response of a token endpoint (RFC 6749,
// Section 5.2).
func tokenError(resp *fetch.Response) string {
	if resp.Status != http.StatusBadRequest && resp.Status != http.StatusUnauthorized {
		return ""
	}
	var said struct {
		Error string `json:"error"`
	}
	json.Unmarshal(resp.Body, &said) // a body other than JSON has no code
	return said.Error
}

// challengeError returns the error code of the challenge DPoP of an API (RFC 9449,
// Section 9).
func challengeError(resp *http.Response) string {
	if resp.StatusCode != http.StatusUnauthorized {
		return ""
	}
	const mostLines, longest = 16, 8 << 10
	lines := resp.Header["Www-Authenticate"]
	for _, line := range lines[:min(len(lines), mostLines)] {
		if code := errorIn(line[:min(len(line), longest)]); code != "" {
			return code
		}
	}
	return ""
}

// errorIn returns the parameter error of the challenge DPoP in a field line, which can
// have several challenges (RFC 9110, Section 11.6.1).
func errorIn(line string) string {
	isDPoP := false
	for line != "" {
		var item string
		item, line = cutItem(line)
		name, value, isParam := strings.Cut(item, "=")
		scheme, first, hasScheme := strings.Cut(strings.TrimSpace(name), " ")
		if hasScheme || !isParam {
			isDPoP = strings.EqualFold(scheme, TokenType)
			name = first
		}
		if isDPoP && isParam && strings.EqualFold(strings.TrimSpace(name), "error") {
			return strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return ""
}

// cutItem returns the text before the next comma that is not in a quoted string, and
// the rest behind it.
func cutItem(line string) (item, rest string) {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			return strings.TrimSpace(line[:i]), line[i+1:]
		}
	}
	return strings.TrimSpace(line), ""
}
