package browser

import (
	"strings"
	"testing"
)

var app = Base{Origin: "https://app.example", Path: "/area"}

// TestCheckOrigin: the host of the requests is app.example.
func TestCheckOrigin(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why     string
		method  string
		headers []string
		host    string // behind a proxy that changes it
		ok      bool
	}{
		{"a page of the application", "POST", []string{"Sec-Fetch-Site: same-origin", "Origin: https://app.example"}, "", true},
		{"behind a proxy", "POST", []string{"Sec-Fetch-Site: same-origin", "Origin: https://app.example"}, "inside", true},
		{"behind a proxy that changes the scheme", "POST", []string{"Sec-Fetch-Site: same-origin", "Origin: http://inside"}, "inside", true},
		{"a page of another site", "POST", []string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"}, "", false},
		{"a page of a sibling", "POST", []string{"Sec-Fetch-Site: same-site", "Origin: https://evil.app.example"}, "", false},
		{"a page without an origin", "POST", []string{"Sec-Fetch-Site: cross-site", "Origin: null"}, "", false},
		{"a page that sends no origin", "POST", []string{"Sec-Fetch-Site: cross-site"}, "", false},
		{"typed", "POST", []string{"Sec-Fetch-Site: none"}, "", true},
		{"typed, with an origin", "POST", []string{"Sec-Fetch-Site: none", "Origin: https://evil.example"}, "", false},

		{"old browsers: a page of the application", "POST", []string{"Origin: https://app.example"}, "", true},
		{"old, behind a proxy", "POST", []string{"Origin: https://app.example"}, "inside", true},
		{"old, a page of another site", "POST", []string{"Origin: https://evil.example"}, "", false},
		{"old, without an origin", "POST", []string{"Origin: null"}, "", false},
		{"old, with another scheme", "POST", []string{"Origin: http://app.example"}, "", false},
		{"old, with another port", "POST", []string{"Origin: https://app.example:8443"}, "", false},
		{"old, origin in another case", "POST", []string{"Origin: https://APP.example"}, "", false},
		{"old, origin of the host that a proxy sends", "POST", []string{"Origin: https://inside"}, "inside", false},
		{"no browser", "POST", nil, "", true},

		{"other methods that change something", "DELETE", []string{"Origin: http://app.example"}, "", false},
		{"methods that change nothing: GET", "GET", []string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"}, "", true},
		{"HEAD", "HEAD", []string{"Origin: https://evil.example"}, "", true},
		{"OPTIONS", "OPTIONS", []string{"Origin: https://evil.example"}, "", true},
	} {
		r := request(tt.method, tt.headers...)
		if tt.host != "" {
			r.Host = tt.host
		}
		if err := CheckOrigin(r, app); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.why, err)
		}
	}
	if err := CheckOrigin(request("POST", "Sec-Fetch-Site: same-origin"), Base{}); err == nil {
		t.Error("a base without an origin is accepted")
	}
}

// TestLogoutOrigin has the three answers: the user meant the request, another site made it,
// or neither is known.
func TestLogoutOrigin(t *testing.T) {
	t.Parallel()
	const meant, unknown = "meant", "unknown"
	for _, tt := range []struct {
		why     string
		method  string
		headers []string
		want    string // or a part of the error
	}{
		// Buttons.
		{"button of the application", "POST", []string{"Sec-Fetch-Site: same-origin", "Origin: https://app.example", acceptHTML}, meant},
		{"button of another site", "POST", []string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example", acceptHTML}, "cross-origin"},
		{"button in a sandbox", "POST", []string{"Sec-Fetch-Site: cross-site", "Origin: null", acceptHTML}, "cross-origin"},
		{"old browser, no-referrer", "POST", []string{"Origin: null", acceptHTML}, unknown},
		{"old browser, no-referrer, a script", "POST", []string{"Origin: null", "Accept: */*"}, "cross-origin"},
		{"old browser, button of another site", "POST", []string{"Origin: https://evil.example", acceptHTML}, "cross-origin"},
		{"old browser, button", "POST", []string{"Origin: https://app.example", acceptHTML}, meant},

		// Links.
		{"link of the application", "GET", []string{"Sec-Fetch-Site: same-origin", modeNavigate}, meant},
		{"link of another site", "GET", []string{"Sec-Fetch-Site: cross-site", modeNavigate}, "Sec-Fetch-Site is \"cross-site\""},
		{"link of a sibling", "GET", []string{"Sec-Fetch-Site: same-site", modeNavigate}, "Sec-Fetch-Site is \"same-site\""},
		{"image of the application", "GET", []string{"Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: no-cors"}, "Sec-Fetch-Mode is \"no-cors\""},
		{"typed", "GET", []string{"Sec-Fetch-Site: none", modeNavigate, "Sec-Fetch-User: ?1"}, meant},
		{"link in a program", "GET", []string{"Sec-Fetch-Site: none", modeNavigate}, unknown},
		{"link in a program, other Sec-Fetch-User", "GET", []string{"Sec-Fetch-Site: none", modeNavigate, "Sec-Fetch-User: ?0"}, unknown},

		// Links in old browsers.
		{"Origin of the application", "GET", []string{"Origin: https://app.example"}, meant},
		{"Referer of the application", "GET", []string{"Referer: https://app.example/page"}, meant},
		{"Referer that is the origin", "GET", []string{"Referer: https://app.example"}, meant},
		{"Origin null, Referer of the application", "GET", []string{"Origin: null", "Referer: https://app.example/page"}, meant},
		{"Origin counts before Referer", "GET", []string{"Origin: https://evil.example", "Referer: https://app.example/", acceptHTML}, "neither"},
		{"Referer of another site", "GET", []string{"Referer: https://evil.example/", acceptHTML}, "neither"},
		{"Referer that begins with the origin", "GET", []string{"Referer: https://app.example.evil.example/", acceptHTML}, "neither"},
		{"Referer that contains the origin", "GET", []string{"Referer: https://evil.example/https://app.example/", acceptHTML}, "neither"},
		{"Referer with another scheme", "GET", []string{"Referer: http://app.example/page", acceptHTML}, "neither"},
		{"neither, a page", "GET", []string{acceptHTML}, unknown},
		{"Origin null, a page", "GET", []string{"Origin: null", acceptHTML}, unknown},
		{"neither, an image", "GET", []string{"Accept: image/*"}, "neither"},
		{"navigation without Sec-Fetch-Site", "GET", []string{modeNavigate, acceptHTML}, unknown},
	} {
		known, err := LogoutOrigin(request(tt.method, tt.headers...), app)
		got := unknown
		switch {
		case err != nil && known:
			got = "both"
		case err != nil && strings.Contains(err.Error(), tt.want):
			got = tt.want
		case err != nil:
			got = err.Error()
		case known:
			got = meant
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.why, got, tt.want)
		}
	}
}

// TestCheckUpgrade: the host of the requests is app.example.
func TestCheckUpgrade(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why     string
		headers []string
		ok      bool
	}{
		{"same origin", []string{"Sec-Fetch-Site: same-origin", "Origin: https://app.example"}, true},
		{"same origin, behind a proxy", []string{"Sec-Fetch-Site: same-origin", "Origin: https://outside.example"}, true},
		{"cross-site", []string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"}, false},
		{"cross-site, with the host in Origin", []string{"Sec-Fetch-Site: cross-site", "Origin: https://app.example"}, false},
		{"old browser", []string{"Origin: https://app.example"}, true},
		{"old browser, host in another case", []string{"Origin: https://APP.example"}, true},
		{"old browser, another site", []string{"Origin: https://evil.example"}, false},
		{"old browser, another port", []string{"Origin: https://app.example:8443"}, false},
		{"no origin", nil, false},
		{"empty origin", []string{"Origin: "}, false},
		{"null", []string{"Origin: null"}, false},
		{"no URL", []string{"Origin: https://app.example\x7f"}, false},
		{"two origins", []string{"Origin: https://app.example", "Origin: https://app.example"}, false},
	} {
		if err := CheckUpgrade(request("GET", tt.headers...)); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.why, err)
		}
	}
	r := request("GET", "Origin: null")
	r.Host = ""
	if CheckUpgrade(r) == nil {
		t.Error("an origin without a host matches a request without a host")
	}
}
