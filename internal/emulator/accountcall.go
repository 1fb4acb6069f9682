package emulator

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// An accountCall is one authorized request to the My Account API.
type accountCall struct {
	path    []string // segments after /me/v1/connected-accounts/
	query   url.Values
	body    []byte
	client  *Client // that the token was issued to
	subject string
}

// decode reads the body, and rejects members that the operation does not
// accept.
func (call accountCall) decode(out any) *problem {
	dec := json.NewDecoder(bytes.NewReader(call.body))
	dec.DisallowUnknownFields()
	err := dec.Decode(out)
	if err == nil {
		return nil
	}
	if name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
		return invalidField("body", strings.Trim(name, `"`), "Additional properties not allowed")
	}
	return newProblem("400-0001", http.StatusBadRequest, "Invalid request payload")
}

// accountPage returns the part of a list that follows the item named by from,
// and the name for the next call, empty on the last page.
func accountPage[T any](call accountCall, list []T, name func(T) string) (page []T, next string, p *problem) {
	take := defaultAccounts
	if text := call.query.Get("take"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxAccountsPage {
			return nil, "", invalidField("query", "take", "must be an integer from 1 to 20")
		}
		take = n
	}
	if from := call.query.Get("from"); from != "" {
		i := slices.IndexFunc(list, func(item T) bool { return name(item) == from })
		if i < 0 {
			return nil, "", invalidField("query", "from", "unknown checkpoint")
		}
		list = list[i+1:]
	}
	if len(list) <= take {
		return list, "", nil
	}
	return list[:take], name(list[take-1]), nil
}

const (
	defaultAccounts = 10
	maxAccountsPage = 20
)
