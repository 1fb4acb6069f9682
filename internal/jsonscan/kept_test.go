package jsonscan

import (
	"encoding/json"
	"reflect"
	"sync"
	"testing"
)

type keptClaims struct {
	Name    string   `json:"name"`
	Roles   []string `json:"roles"`
	Empty   []string `json:"empty"`
	Absent  []string `json:"absent"`
	Age     int      `json:"age"`
	private map[string]int
}

const keptText = `{"name":"ada","roles":["a","b"],"empty":[],"age":7}`

// TestKept: each result equals the result of encoding/json, even if callers change the
// others.
func TestKept(t *testing.T) {
	var kept Kept
	var want keptClaims
	if err := json.Unmarshal([]byte(keptText), &want); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		var got keptClaims
		if err := kept.Unmarshal(keptText, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("time %d: %+v, %v", i+1, got, err)
		}
		got.Name, got.Roles[0], got.Empty, got.private = "eve", "admin", append(got.Empty, "x"), map[string]int{"x": 1}
		_ = append(got.Roles[:1], "root")
	}
	if held := kept.value.Load(); held == nil || held.of == nil {
		t.Error("nothing is kept")
	}
	// Another type, a value that is not zero, and a type that is not plain.
	var name struct {
		Name string `json:"name"`
	}
	if err := kept.Unmarshal(keptText, &name); err != nil || name.Name != "ada" {
		t.Errorf("%+v, %v", name, err)
	}
	full := keptClaims{Age: 1, Absent: []string{"x"}}
	if err := kept.Unmarshal(keptText, &full); err != nil || full.Name != "ada" || full.Absent[0] != "x" {
		t.Errorf("%+v, %v", full, err)
	}
	var list map[string]any
	if err := kept.Unmarshal(keptText, &list); err != nil || list["name"] != "ada" {
		t.Errorf("%+v, %v", list, err)
	}
	if err := kept.Unmarshal(keptText, nil); err == nil {
		t.Error("nil is decoded into")
	}
	if err := (*Kept)(nil).Unmarshal(keptText, &name); err != nil {
		t.Error(err)
	}
}

// TestKeptErrors: a text of the wrong form is an error each time.
func TestKeptErrors(t *testing.T) {
	for _, text := range []string{`{"age":"x"}`, `{`, `{"age":1}x`} {
		var kept Kept
		for range 3 {
			var got keptClaims
			if err := kept.Unmarshal(text, &got); err == nil {
				t.Errorf("%s: %+v", text, got)
			}
		}
	}
}

func TestKeptAtOnce(t *testing.T) {
	var kept Kept
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				var got keptClaims
				if err := kept.Unmarshal(keptText, &got); err != nil || got.Roles[0] != "a" {
					t.Errorf("%+v, %v", got, err)
					return
				}
				got.Roles[0] = "admin"
			}
		})
	}
	all.Wait()
}
