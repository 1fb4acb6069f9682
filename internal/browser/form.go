package browser

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/fault"
)

// Values returns the query of a link, or the fields of a form.
func Values(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") == "" {
		return r.URL.Query(), nil
	}
	return Form(w, r)
}

// Form reads the fields of a form from a body of up to 64 KiB. It reads nothing
// from the query. The error for a larger body is [fault.Size].
func Form(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "application/x-www-form-urlencoded") {
		return nil, fmt.Errorf("the body is %.60q, not a form", r.Header.Get("Content-Type"))
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	err := r.ParseForm()
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, fault.Size
	}
	if err != nil {
		return nil, errors.New("the form cannot be read") // the cause may quote it
	}
	return r.PostForm, nil
}
