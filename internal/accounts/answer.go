package accounts

import (
	"net/url"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// An Answer is the tenant's response in the query of the returning browser.
type Answer struct {
	State                        string
	code, errorCode, description string
}

// maxParameter is the most bytes of a parameter of an answer.
const maxParameter = 4096

// ParseAnswer reads an answer from the query of a request, which anyone can
// have written.
func ParseAnswer(query url.Values) (Answer, error) {
	for _, name := range []string{"state", "connect_code", "error", "error_description"} {
		if len(query[name]) > 1 || len(query.Get(name)) > maxParameter {
			return Answer{}, refusal.ConnectParameters.Because("the parameter %s is there twice or too long", name)
		}
	}
	return Answer{query.Get("state"), query.Get("connect_code"), query.Get("error"), query.Get("error_description")}, nil
}

// Code returns the code for [Completion], or the refusal if the account was not
// connected. An error takes precedence over a code.
func (a Answer) Code() (string, error) {
	switch {
	case a.errorCode != "":
		row := refusal.ConnectByTenant
		if a.errorCode == "access_denied" {
			row = refusal.ConnectDenied
		}
		e := row.Because("%.100q: %.200q", a.errorCode, a.description)
		e.Code = syntax.Code(a.errorCode)
		return "", e
	case a.code == "":
		return "", refusal.ConnectParameters.Because("neither connect_code nor error")
	}
	return a.code, nil
}
