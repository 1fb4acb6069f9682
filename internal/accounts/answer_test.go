package accounts

import (
	"net/url"
	"strings"
	"testing"
)

// TestParseAnswer rejects a repeated parameter and a long one. It ignores unknown ones.
func TestParseAnswer(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 4096)
	for _, name := range []string{"state", "connect_code", "error", "error_description"} {
		for why, values := range map[string][]string{"twice": {"a", "a"}, "long": {long + "x"}} {
			a, err := ParseAnswer(url.Values{name: values})
			e := checkRow(t, name+" "+why, err, 400, "invalid_request", "invalid_request")
			if e.Err.Error() != "the parameter "+name+" is there twice or too long" || a != (Answer{}) {
				t.Errorf("%s %s: %v, %v", name, why, a, e.Err)
			}
		}
	}
	a, err := ParseAnswer(url.Values{
		"state": {"s"}, "connect_code": {long}, "error": {"e"}, "error_description": {"d"}, "other": {"a", long + "x"},
	})
	if want := (Answer{"s", long, "e", "d"}); err != nil || a != want {
		t.Errorf("%v, %v", a, err)
	}
}

// TestCode has a row for each way in which an account is not connected.
func TestCode(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300)
	for _, tt := range []struct {
		why                     string
		answer                  Answer
		status                  int
		errorCode, reason, text string
	}{
		{"neither code nor error", Answer{}, 400, "invalid_request", "invalid_request", "neither connect_code nor error"},
		{"cancelled", Answer{errorCode: "access_denied"}, 403, "access_denied", "authorization_denied", `"access_denied": ""`},
		{"error", Answer{errorCode: "server_error", description: "oh"}, 400, "server_error", "authorization_error", `"server_error": "oh"`},
		{"error and code", Answer{errorCode: "e", code: "c"}, 400, "e", "authorization_error", `"e": ""`},
		{"odd error", Answer{errorCode: "<b>"}, 400, "unknown_error", "authorization_error", `"<b>": ""`},
		{"long error", Answer{errorCode: long}, 400, "unknown_error", "authorization_error", `"` + long[:100] + `": ""`},
		{"long description", Answer{errorCode: "e", description: long}, 400, "e", "authorization_error", `"e": "` + long[:200] + `"`},
	} {
		code, err := tt.answer.Code()
		if e := checkRow(t, tt.why, err, tt.status, tt.errorCode, tt.reason); e.Err.Error() != tt.text || code != "" {
			t.Errorf("%s: %q, %v", tt.why, code, e.Err)
		}
	}
	if code, err := (Answer{code: "c"}).Code(); code != "c" || err != nil {
		t.Errorf("code: %q, %v", code, err)
	}
}
