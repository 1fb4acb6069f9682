package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestBox(t *testing.T) {
	if b := (Text{}); !b.IsEmpty() || b.Reveal() != "" {
		t.Errorf("the zero Box: empty %v, %q", b.IsEmpty(), b.Reveal())
	}
	if b := OfText(""); !b.IsEmpty() {
		t.Error("the Box of no text is not empty")
	}
	if b := OfText("x"); b.IsEmpty() || b.Reveal() != "x" {
		t.Errorf("empty %v, %q", b.IsEmpty(), b.Reveal())
	}
	if b := Of(0); b.IsEmpty() {
		t.Error("the Box of a zero value is empty")
	}
}

// TestNothingPrints puts a Box wherever a program can have it.
func TestNothingPrints(t *testing.T) {
	const canary = "CANARY-0123456789"
	b := OfText(canary)
	type inside struct {
		Exported   Text
		unexported Text
		any        any
		pointer    *Text
	}
	values := []any{b, &b, inside{b, b, b, &b}, &inside{b, b, b, &b}, []Text{b}, map[string]Text{"x": b}, Of([]string{canary}), Of(&canaryHolder{canary})}
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, canary) || strings.Contains(got, fmt.Sprintf("%x", canary)) {
				t.Errorf("%s of %T: %s", verb, v, got)
			}
		}
		if got, _ := json.Marshal(v); bytes.Contains(got, []byte(canary)) {
			t.Errorf("JSON of %T: %s", v, got)
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		if strings.Contains(log.String(), canary) {
			t.Errorf("log of %T: %s", v, log.String())
		}
	}
}

type canaryHolder struct{ text string }

func TestRandom(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		s := Random()
		if len(s) != 43 || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Fatalf("%q", s)
		}
		seen[s] = true
	}
	if len(seen) != 1000 {
		t.Errorf("%d different texts of 1,000", len(seen))
	}
}
