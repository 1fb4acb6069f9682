package logout

import (
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// A Request holds the options of a logout. The zero Request is a plain logout.
// Options write it in order. After that it is only read, so that many logouts can
// share it.
type Request struct {
	// ReturnTo is the next page: a path, or an absolute URL.
	ReturnTo string
	// Federated ends the session at the identity provider too.
	Federated bool

	params url.Values // a name without values removes the parameter
	errs   []error
}

// maxParam is the most bytes of one value of a parameter.
const maxParam = 1024

// SetParam sets a parameter of the URL that ends the session at the tenant. The
// values replace those of an earlier call. No values remove the parameter, even one
// that the library would send.
//
// Four parameters are rejected: only the library sets them, because they name the
// application and the browser's next page.
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

// Fail notes an error in an option.
func (r *Request) Fail(format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf(format, args...))
}

// Err returns all errors, or nil.
func (r *Request) Err() error { return errors.Join(r.errs...) }

// apply sets the parameters of the options on v, except some. It deletes those that
// an option has removed.
func (r *Request) apply(v url.Values, except ...string) {
	for name, values := range r.params {
		v.Del(name)
		if len(values) > 0 && !slices.Contains(except, name) {
			v[name] = values
		}
	}
}
