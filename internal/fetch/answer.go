package fetch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// ErrNotJSON is matched by the errors of [Response.NotJSON].
var ErrNotJSON = errors.New("the answer is not the expected JSON")

// A notJSON describes a body other than JSON.
type notJSON string

func (e notJSON) Error() string { return ErrNotJSON.Error() + ": " + string(e) }

func (e notJSON) Is(target error) bool { return target == ErrNotJSON }

// NotJSON returns the error for a response that is not the expected JSON. It describes
// the body and the likely cause, and quotes nothing of the body.
func (r *Response) NotJSON() error {
	body := bytes.TrimLeft(r.Body, " \t\r\n")
	encoding := strings.ToLower(r.Header.Get("Content-Encoding"))
	switch {
	case len(body) == 0:
		return notJSON("it is empty")
	case encoding != "" && encoding != "identity":
		return notJSON(fmt.Sprintf("it has the Content-Encoding %.40q, which was not requested; check the proxy or the server", encoding))
	case bytes.HasPrefix(body, []byte("\x1f\x8b")):
		return notJSON("it is compressed with gzip, and has no Content-Encoding; look at the proxy or the server")
	case bytes.HasPrefix(body, []byte("\xef\xbb\xbf")):
		return notJSON("it begins with a byte order mark, which JSON must not have (RFC 8259, Section 8.1)")
	case body[0] == '<':
		return notJSON(fmt.Sprintf("it is HTML or XML (Content-Type %.80q); look at the URL, and at the proxy between", r.Header.Get("Content-Type")))
	case json.Valid(body):
		return notJSON("it is JSON with other members or types; look at the URL")
	case body[0] == '{' || body[0] == '[':
		return notJSON(fmt.Sprintf("it begins as JSON and is cut or damaged after at most %d bytes", len(r.Body)))
	}
	return notJSON(fmt.Sprintf("it has the Content-Type %.80q", r.Header.Get("Content-Type")))
}

// badStatus returns the error for a status other than 200.
func (r *Response) badStatus(asked *url.URL) error {
	if r.Status < 300 || r.Status > 399 || r.Status == http.StatusNotModified {
		return fmt.Errorf("status %d", r.Status)
	}
	to, err := asked.Parse(r.Header.Get("Location"))
	if err != nil || r.Header.Get("Location") == "" {
		return fmt.Errorf("status %d, and redirects are not followed", r.Status)
	}
	return fmt.Errorf("status %d, and redirects are not followed; it leads to %.200q: if that is right, configure that host", r.Status, bare(to))
}
