package logout

import (
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// A Request is what options ask of a logout. The zero Request asks for nothing.
// Options write it one after the other. After that it is only read, so that many
// logouts can share it.
type Request struct {
	// ReturnTo is where the logout leads: a path, or an absolute URL.
	ReturnTo string
	// Federated ends the session at the identity provider too.
	Federated bool

	params url.Values // a name without values removes the parameter
	errs   []error
}

// maxParam is the most bytes of one value of a parameter.
const maxParam = 1024

// SetParam sets a parameter of the URL that ends the session at the tenant. The
// values replace those of an earlier call. No values remove the parameter, also one
// that the library would send.
//
// Four parameters are rejected: the library sets them, because they say which
// application asks and where the browser goes.
func (r *Request) SetParam(name string, values []string) {
	switch name {
	case "client_id", "post_logout_redirect_uri", "returnTo", "federated", "":
		r.Fail("the logout parameter %q is set by the library", name)
		return
	}
	for _, v := range values {
		if len(v) > maxParam || !syntax.CleanText(v) {
			r.Fail("the logout parameter %s is too long or has control characters", name)
		}
	}
	if r.params == nil {
		r.params = url.Values{}
	}
	r.params[name] = values
}

// Fail notes a mistake in an option.
func (r *Request) Fail(format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf(format, args...))
}

// Err returns all mistakes, or nil.
func (r *Request) Err() error { return errors.Join(r.errs...) }

// apply sets the parameters of the options on v, except some. It removes those that
// an option has removed.
func (r *Request) apply(v url.Values, except ...string) {
	for name, values := range r.params {
		v.Del(name)
		if len(values) > 0 && !slices.Contains(except, name) {
			v[name] = values
		}
	}
}
