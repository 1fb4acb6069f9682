package housetest

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// allowed lists, for each package of the module, the packages of the module that it
// may import. The floor imports only the floor, an engine the floor and the engines
// below it, and nothing below the root imports the root. A package that is not in
// the table fails the test, so a cycle cannot be built.
var allowed = map[string]string{
	// The floor.
	"internal/cookie":       "",
	"internal/discovery":    "internal/fetch",
	"internal/fetch":        "",
	"internal/jsonscan":     "",
	"internal/jwt":          "internal/jsonscan",
	"internal/publicsecret": "",
	"internal/recent":       "",
	"internal/refresh":      "",
	"internal/returnto":     "",
	"internal/seal":         "",
	// For tests.
	"internal/housetest": "",
	"internal/emulator":  "",
	"internal/testproc":  "",
	// The front.
	"":          "internal/cookie internal/discovery internal/fetch internal/jsonscan internal/jwt internal/publicsecret internal/recent internal/refresh internal/returnto internal/seal",
	"auth0test": "root internal/publicsecret internal/emulator",
}

func TestImports(t *testing.T) {
	h := load(t)
	for _, path := range slices.Sorted(maps.Keys(h.packages)) {
		name := short(path)
		list, ok := allowed[name]
		if strings.HasPrefix(name, "examples/") {
			list, ok = "root auth0test", true
		}
		if !ok {
			t.Errorf("%s is not in the table of allowed imports", path)
			continue
		}
		may := strings.Fields(list)
		for _, imported := range h.packages[path].Imports {
			if imported != module && !strings.HasPrefix(imported, module+"/") {
				continue
			}
			to := short(imported)
			if to == "" {
				to = "root"
			}
			if !slices.Contains(may, to) {
				t.Errorf("%s imports %s, which it must not know", path, to)
			}
		}
	}
	for name := range allowed {
		if h.packages[strings.TrimSuffix(module+"/"+name, "/")] == nil {
			t.Errorf("%q is in the table of allowed imports, and there is no such package", name)
		}
	}
}
