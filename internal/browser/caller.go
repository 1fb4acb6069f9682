package browser

import (
	"net/http"
	"slices"
	"strings"
)

// A Caller is the kind of client that sent a request. It determines which responses the
// client can use: a page, a redirect, a header or JSON.
//
// Questions that concern every kind have functions of their own: the method HEAD,
// [Prefetches] and [Upgrades]. A CORS preflight is a [Script], like the request that
// follows it.
type Caller int

const (
	// Program is a client that reveals too little about itself, such as curl, or a fetch
	// by a browser from before 2023. It reads JSON.
	Program Caller = iota
	// Script is a fetch, an image or a WebSocket handshake: the user does not see the
	// response, and a browser blocks its redirect to another origin.
	Script
	// Person is a user who opens a page.
	Person
	// Poster is a user who posted a form, and who sees the response.
	Poster
	// Frame is a page inside another page.
	Frame
	// HTMX follows the header HX-Redirect, whatever the status is.
	HTMX
	// TurboFrame is a frame of Turbo, which loads a part of a page. If a meta element of
	// the response requests it, Turbo shows the response in place of the whole page. A
	// visit of Turbo Drive is a Script: Turbo turns every visit whose response is not
	// HTML into a navigation.
	TurboFrame
	// TurboForm is a form posted by Turbo. Turbo applies the response to the open page,
	// so that the form keeps its fields.
	TurboForm
)

// SeesPage reports whether the user sees the response as a page.
func (c Caller) SeesPage() bool { return c == Person || c == Poster }

// IsScript reports whether the request cannot follow a redirect to another origin.
func (c Caller) IsScript() bool {
	return c == Script || c == HTMX || c == TurboFrame || c == TurboForm
}

// turboStream is the media type of a change of the open page.
const turboStream = "text/vnd.turbo-stream.html"

// CallerOf is the one place that tells users from scripts.
//
// Browsers name the use of a response in Sec-Fetch-Mode and Sec-Fetch-Dest. Older
// browsers send neither: a request that accepts HTML, and does not name XMLHttpRequest,
// is then a navigation. Browsers navigate with GET and POST only.
func CallerOf(r *http.Request) Caller {
	mode, dest := r.Header.Get("Sec-Fetch-Mode"), r.Header.Get("Sec-Fetch-Dest")
	types := acceptedTypes(r)
	navigates := mode == "navigate" ||
		mode == "" && types.any("text/html", "application/xhtml+xml") && !strings.EqualFold(r.Header.Get("X-Requested-With"), "XMLHttpRequest")
	switch {
	case Upgrades(r):
		return Script
	case r.Header.Get("HX-Request") == "true":
		return HTMX
	case mode != "navigate" && types.any(turboStream):
		return TurboForm
	case mode != "navigate" && r.Header.Get("Turbo-Frame") != "":
		return TurboFrame
	case navigates && dest != "" && dest != "document":
		return Frame
	case navigates && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		return Person
	case navigates && r.Method == http.MethodPost && (mode == "" || dest == "document"):
		return Poster
	case navigates:
		return Program
	case mode != "", r.Header.Get("X-Requested-With") != "", types.any("application/json"), len(types) > 0 && !types.any("*/*"):
		return Script
	}
	return Program
}

// Navigates reports whether a browser will show the response to the user as a page of
// its own.
func Navigates(r *http.Request) bool { return CallerOf(r) == Person }

// mediaTypes are the types that a client accepts, without their parameters.
type mediaTypes []string

// maxAccept is the number of bytes of an Accept header that are read. Browsers send
// less than 200.
const maxAccept = 1024

// acceptedTypes reads the Accept header (RFC 9110, Section 12.5.1). It leaves out types
// with a quality of 0, which the client does not accept.
func acceptedTypes(r *http.Request) (types mediaTypes) {
	accept := strings.Join(r.Header.Values("Accept"), ",")
	accept = strings.ToLower(accept[:min(len(accept), maxAccept)])
	for part := range strings.SplitSeq(accept, ",") {
		name, parameters, _ := strings.Cut(part, ";")
		if name = strings.TrimSpace(name); name != "" && !isUnwanted(parameters) {
			types = append(types, name)
		}
	}
	return types
}

// isUnwanted reports whether parameters of a media type have a weight of 0.
func isUnwanted(parameters string) bool {
	for parameter := range strings.SplitSeq(parameters, ";") {
		weight, ok := strings.CutPrefix(strings.TrimSpace(parameter), "q=")
		if ok && weight != "" && strings.Trim(weight, "0.") == "" {
			return true
		}
	}
	return false
}

// any reports whether one of the names is in the list.
func (types mediaTypes) any(names ...string) bool {
	return slices.ContainsFunc(types, func(accepted string) bool { return slices.Contains(names, accepted) })
}

// A format is the form in which an error is written.
type format int

const (
	asJSON   format = iota
	asPage          // HTML
	asText          // a page for a client that asks for text
	asStream        // a message for the page that Turbo shows
)

// formatOf returns the format in which a client reads an error. The Accept header has
// precedence: a client that accepts only text gets text, and a client that accepts only
// JSON gets JSON.
func formatOf(r *http.Request, navigation bool) format {
	caller, types := CallerOf(r), acceptedTypes(r)
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" && mode != "navigate" {
		navigation = false
	}
	switch {
	case caller == TurboForm:
		return asStream
	case !caller.SeesPage() && caller != TurboFrame && !navigation:
		if types.any("text/plain") && !types.any("application/json", "application/*", "*/*") {
			return asText
		}
		return asJSON
	case len(types) == 0, types.any("text/html", "application/xhtml+xml", "text/*", "*/*"):
		return asPage
	case types.any("text/plain"):
		return asText
	case types.any("application/json", "application/*"):
		return asJSON
	}
	return asPage
}
