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

// Form reads a form of up to 64 KiB from the body, and nothing from the
// query.
func Form(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); !strings.EqualFold(strings.TrimSpace(kind), "application/x-www-form-urlencoded") {
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
