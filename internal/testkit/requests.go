package testkit

import (
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/seed-15d5a55c/auth0"
)

// BearerRequest has a token in the Authorization header.
func BearerRequest(token string) *http.Request { return RequestWith("Bearer " + token) }

// RequestWith has the given Authorization lines.
func RequestWith(authorization ...string) *http.Request {
	r := httptest.NewRequest("GET", "/members", nil)
	if len(authorization) > 0 {
		r.Header["Authorization"] = authorization
	}
	return r
}

// Sources is an edit of the configuration: the places of an API's tokens.
func Sources(list ...auth0.TokenExtractor) func(*auth0.APIConfig) {
	return func(c *auth0.APIConfig) { c.TokenExtractors = list }
}

// FormType is the media type of forms.
const FormType = "application/x-www-form-urlencoded"

// FormRequest has a body of that type.
func FormRequest(method, contentType, body string) *http.Request {
	r := httptest.NewRequest(method, "/members", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	return r
}

// WithHeader returns the request with one more line.
func WithHeader(r *http.Request, name, value string) *http.Request {
	r.Header.Add(name, value)
	return r
}

// An ErrorReader is a body that cannot be read.
type ErrorReader struct{ Err error }

// Read returns the error.
func (r ErrorReader) Read([]byte) (int, error) { return 0, r.Err }
