package browser

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/fault"
)

// A brokenBody fails with an error that quotes the request.
type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) {
	return 0, errors.New("broken after a=secret-of-the-form")
}

func (brokenBody) Close() error { return nil }

func TestForm(t *testing.T) {
	t.Parallel()
	const form = "application/x-www-form-urlencoded"
	most := "a=" + strings.Repeat("x", 64<<10-2)
	for _, tt := range []struct {
		why, kind string
		body      io.Reader
		want      string // the fields, encoded
		err       string
	}{
		{"form", form, strings.NewReader("a=1&b=x+y&a=2"), "a=1&a=2&b=x+y", ""},
		{"form with a charset", form + "; charset=utf-8", strings.NewReader("a=1"), "a=1", ""},
		{"form in another case", " Application/X-WWW-Form-Urlencoded ; charset=UTF-8", strings.NewReader("a=1"), "a=1", ""},
		{"empty form", form, strings.NewReader(""), "", ""},
		{"largest form", form, strings.NewReader(most), most, ""},
		{"too large", form, strings.NewReader(most + "x"), "", "token malformed"},
		{"no type", "", strings.NewReader("a=1"), "", `the body is "", not a form`},
		{"JSON", "application/json", strings.NewReader("{}"), "", `the body is "application/json", not a form`},
		{"multipart", "multipart/form-data; boundary=x", strings.NewReader("--x--"), "", `not a form`},
		{"wrong escape", form, strings.NewReader("a=%zz-secret-of-the-form"), "", "the form cannot be read"},
		{"broken", form, brokenBody{}, "", "the form cannot be read"},
	} {
		r := httptest.NewRequest("POST", "https://app.example/?a=query", tt.body)
		r.Header["Content-Type"] = []string{tt.kind}
		got, err := Form(httptest.NewRecorder(), r)
		switch {
		case tt.err == "" && (err != nil || got.Encode() != tt.want):
			t.Errorf("%s: %.80s, %v; want %.80s", tt.why, got.Encode(), err, tt.want)
		case tt.err != "" && (got != nil || err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%s: %v, error %v; want %s", tt.why, got, err, tt.err)
		case err != nil && strings.Contains(err.Error(), "secret-of-the-form"):
			t.Errorf("%s: the error quotes the form: %v", tt.why, err)
		}
		if (err == fault.Size) != (tt.why == "too large") { // with its own status
			t.Errorf("%s: %v", tt.why, err)
		}
	}
}

// TestValues reads a form from its body, and a link from its query.
func TestValues(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		method, kind, want string
	}{
		{"GET", "", "a=query"},
		{"GET", "application/x-www-form-urlencoded", "a=query"},
		{"HEAD", "", "a=query"},
		{"POST", "", "a=query"}, // without a body
		{"POST", "application/x-www-form-urlencoded", "a=body"},
		{"POST", "application/json", ""},
	} {
		r := httptest.NewRequest(tt.method, "https://app.example/?a=query", strings.NewReader("a=body"))
		r.Header.Set("Content-Type", tt.kind)
		got, err := Values(httptest.NewRecorder(), r)
		if got.Encode() != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s %s: %v, %v; want %s", tt.method, tt.kind, got, err, tt.want)
		}
	}
	if got, err := Values(nil, &http.Request{Method: "GET", URL: &url.URL{}}); len(got) != 0 || err != nil {
		t.Errorf("no query: %v, %v", got, err)
	}
}
