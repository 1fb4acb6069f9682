package main

import (
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// A weight has the modules and packages of a program that uses only one contender.
type weight struct {
	Name              string
	Versions          []string // of the modules that the contender names
	Modules, Packages int
}

// weigh counts the packages that are not in the standard library, and their
// modules, of the programs below the directory weight.
func weigh(ctx context.Context) ([]weight, error) {
	var all []weight
	for _, c := range contenders {
		if c.weight == "" {
			continue
		}
		list := exec.CommandContext(ctx, "go", "list", "-deps",
			"-f", `{{if not .Standard}}{{.Module.Path}} {{with .Module.Replace}}{{.Version}}{{else}}{{.Module.Version}}{{end}}{{end}}`, "./weight/"+c.weight)
		out, err := list.Output()
		if err != nil {
			return nil, fmt.Errorf("%s: go list: %w", c.name, err)
		}
		w := weight{Name: c.name}
		versions := map[string]string{}
		for line := range strings.Lines(string(out)) {
			module, version, _ := strings.Cut(strings.TrimSpace(line), " ")
			if module == "" || module == thisModule {
				continue
			}
			versions[module] = cmp.Or(version, "this checkout")
			w.Packages++
		}
		w.Modules = len(versions)
		for _, module := range c.modules {
			if versions[module] == "" {
				return nil, fmt.Errorf("%s: its program does not link %s", c.name, module)
			}
			w.Versions = append(w.Versions, versions[module])
		}
		all = append(all, w)
	}
	return all, nil
}

const thisModule = "github.com/seed-15d5a55c/auth0/bench"
