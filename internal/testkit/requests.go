package testkit

import (
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/seed-15d5a55c/auth0"
)

func BearerRequest(token string) *http.Request { return RequestWith("Bearer " + token) }

// RequestWith has the given lines of Authorization.
func RequestWith(authorization ...string) *http.Request {
	r := httptest.NewRequest("GET", "/members", nil)
	if len(authorization) > 0 {
		r.Header["Authorization"] = authorization
	}
	return r
}

func Sources(list ...auth0.TokenExtractor) func(*auth0.APIConfig) {
	return func(c *auth0.APIConfig) { c.TokenExtractors = list }
}

const FormType = "application/x-www-form-urlencoded"

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

type ErrorReader struct{ Err error }

func (r ErrorReader) Read([]byte) (int, error) { return 0, r.Err }
