package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// bufferBody reads the body, within its limit, so that it can be recorded,
// parsed, and read again by a replaced handler.
func bufferBody(w http.ResponseWriter, r *http.Request) bool {
	if r.Body == nil || r.Body == http.NoBody {
		r.Body = http.NoBody
		return true
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		status := http.StatusBadRequest
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		writeJSON(w, status, apiError{Status: status, Message: "The request body cannot be read"})
		return false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return true
}

// requestForm reads the parameters, which Auth0 also accepts as a JSON object.
func requestForm(r *http.Request) (url.Values, *tokenError) {
	if contentType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); contentType == "application/json" {
		return jsonForm(r)
	}
	if err := r.ParseForm(); err != nil {
		return nil, badRequest("The request body is malformed")
	}
	for name, values := range r.PostForm {
		if len(values) > 1 { // RFC 6749, Section 3.2
			return nil, badRequest("The parameter " + name + " is repeated")
		}
	}
	return r.PostForm, nil
}

func jsonForm(r *http.Request) (url.Values, *tokenError) {
	var object map[string]any
	dec := json.NewDecoder(r.Body)
	dec.UseNumber()
	if err := dec.Decode(&object); err != nil {
		return nil, badRequest("The request body is malformed")
	}
	form := url.Values{}
	for name, value := range object {
		switch value := value.(type) {
		case nil:
		case string:
			form.Set(name, value)
		case json.Number, bool:
			form.Set(name, fmt.Sprint(value))
		default:
			return nil, badRequest("The parameter " + name + " must be a string")
		}
	}
	return form, nil
}

// allowsMethod reports whether a list like "GET POST" contains the method. GET
// includes HEAD, and an empty list leaves the decision to the handler.
func allowsMethod(methods, method string) bool {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	return methods == "" || strings.Contains(" "+methods+" ", " "+method+" ")
}

// matchesPath compares segment by segment. A star stands for any.
func matchesPath(pattern string, segments []string) bool {
	want := strings.Split(pattern, "/")
	if len(want) != len(segments) {
		return false
	}
	for i, p := range want {
		if p != "*" && p != segments[i] {
			return false
		}
	}
	return true
}

// pathSegments splits before it decodes, because ids may hold slashes.
func pathSegments(escaped string) ([]string, bool) {
	segments := strings.Split(escaped, "/")
	for i, s := range segments {
		decoded, err := url.PathUnescape(s)
		if err != nil {
			return nil, false
		}
		segments[i] = decoded
	}
	return segments, true
}
