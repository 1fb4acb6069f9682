package logout

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// TestSetParamRefuses: each forbidden value in an option is a mistake.
func TestSetParamRefuses(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"client_id", "post_logout_redirect_uri", "returnTo", "federated", ""} {
		var r Request
		r.SetParam(name, []string{"x"})
		if err := r.Err(); err == nil || err.Error() != fmt.Sprintf("the logout parameter %q is set by the library", name) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for why, value := range map[string]string{"long": strings.Repeat("a", 1025), "line break": "a\r\nb", "no UTF-8": "a\xff"} {
		var r Request
		r.SetParam("x", []string{value})
		if err := r.Err(); err == nil || err.Error() != "the logout parameter x is too long or has control characters" {
			t.Errorf("%s: %v", why, err)
		}
	}
	var r Request
	r.SetParam("x", []string{strings.Repeat("a", 1024), "ü b"})
	if err := r.Err(); err != nil {
		t.Errorf("good values: %v", err)
	}
}

// TestFail: each mistake is in the error, also the second value of a parameter.
func TestFail(t *testing.T) {
	t.Parallel()
	var r Request
	r.Fail("option %d is nil", 7)
	r.SetParam("x", []string{"good", "\x00"})
	r.SetParam("client_id", nil)
	want := `option 7 is nil
the logout parameter x is too long or has control characters
the logout parameter "client_id" is set by the library`
	if err := r.Err(); err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
	v := url.Values{"client_id": {"app"}}
	if r.apply(v); v.Get("client_id") != "app" {
		t.Errorf("a refused parameter is applied: %v", v)
	}
}

// TestApply sets, replaces and removes parameters.
func TestApply(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why    string
		set    [][]string // a name and its values
		except []string
		want   string
	}{
		{"nothing", nil, nil, "given=1"},
		{"new", [][]string{{"x", "a"}}, nil, "given=1&x=a"},
		{"two values", [][]string{{"x", "a", "b"}}, nil, "given=1&x=a&x=b"},
		{"empty value", [][]string{{"x", ""}}, nil, "given=1&x="},
		{"given", [][]string{{"given", "2"}}, nil, "given=2"},
		{"the later call counts", [][]string{{"x", "a", "b"}, {"x", "c"}}, nil, "given=1&x=c"},
		{"removed", [][]string{{"x", "a"}, {"x"}}, nil, "given=1"},
		{"given and removed", [][]string{{"given"}}, nil, ""},
		{"removed and set", [][]string{{"x"}, {"x", "a"}}, nil, "given=1&x=a"},
		{"excepted", [][]string{{"x", "a"}, {"y", "b"}}, []string{"x", "z"}, "given=1&y=b"},
	} {
		var r Request
		for _, s := range tt.set {
			r.SetParam(s[0], s[1:])
		}
		v := url.Values{"given": {"1"}}
		r.apply(v, tt.except...)
		if got := v.Encode(); got != tt.want || r.Err() != nil {
			t.Errorf("%s: %s, want %s; %v", tt.why, got, tt.want, r.Err())
		}
	}
}
