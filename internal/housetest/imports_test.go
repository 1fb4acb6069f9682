package housetest

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// floor are packages that know nothing of the others, except where the table says
// so.
var floor = map[string]string{
	"internal/base64url":    "",
	"internal/bucket":       "",
	"internal/condition":    "internal/fault",
	"internal/cookie":       "",
	"internal/discovery":    "internal/fetch",
	"internal/environment":  "",
	"internal/fault":        "",
	"internal/fetch":        "",
	"internal/jsonscan":     "",
	"internal/jwt":          "internal/base64url internal/fault internal/jsonscan",
	"internal/publicsecret": "",
	"internal/logging":      "",
	"internal/refusal":      "",
	"internal/memo":         "",
	"internal/cached":       "",
	"internal/peer":         "",
	"internal/returnto":     "",
	"internal/seal":         "internal/base64url",
	"internal/secret":       "",
	"internal/syntax":       "",
}

// engines may import the floor, and the engines that the table names. Nothing
// below the root imports the root, so a cycle cannot be built.
var engines = map[string]string{
	"internal/access":      "internal/idtoken",
	"internal/accounts":    "internal/prover internal/tenantapi internal/tenanterror",
	"internal/bearer":      "internal/browser",
	"internal/browser":     "",
	"internal/errorpage":   "internal/browser internal/site",
	"internal/clientauth":  "internal/keys",
	"internal/clientcert":  "",
	"internal/connect":     "internal/accounts internal/browser internal/login internal/prover internal/renew internal/signin internal/site internal/transaction internal/visit",
	"internal/direct":      "internal/authrequest internal/grants internal/login internal/provider internal/site internal/transaction",
	"internal/dpop":        "internal/keys",
	"internal/directory":   "internal/clientauth internal/grants internal/provider internal/ratelimit internal/tenantapi internal/tenanterror",
	"internal/grants":      "internal/clientauth internal/prover internal/provider internal/tenantapi internal/tenanterror",
	"internal/guard":       "internal/authrequest internal/browser internal/session internal/signin internal/site internal/transaction internal/visit",
	"internal/idtoken":     "internal/keys",
	"internal/issuers":     "internal/access internal/keys internal/provider",
	"internal/keys":        "",
	"internal/authrequest": "",
	"internal/transaction": "internal/authrequest internal/idtoken",
	"internal/login":       "internal/transaction internal/authrequest internal/clientauth internal/idtoken internal/keys internal/provider internal/ratelimit internal/tenanterror",
	"internal/logout":      "",
	"internal/provider":    "internal/clientauth internal/prover internal/tenantapi internal/tenanterror",
	"internal/prover":      "internal/dpop",
	"internal/ratelimit":   "internal/tenanterror",
	"internal/renew":       "internal/idtoken internal/keys internal/prover internal/provider internal/session internal/tenanterror",
	"internal/session":     "",
	"internal/signin":      "internal/transaction internal/authrequest internal/browser internal/idtoken internal/login internal/prover internal/renew internal/session internal/site internal/visit",
	"internal/signout":     "internal/transaction internal/browser internal/idtoken internal/logout internal/provider internal/renew internal/session internal/site internal/visit",
	"internal/site":        "internal/browser",
	"internal/tenantapi":   "internal/prover",
	"internal/tenanterror": "internal/tenantapi",
	"internal/userinfo":    "internal/prover internal/provider internal/tenantapi internal/tenanterror",
	"internal/visit":       "internal/browser internal/prover internal/renew internal/session",
	"internal/verify":      "internal/access internal/bearer internal/clientcert internal/dpop internal/issuers internal/keys",
}

// others are packages for tests and programs. The root may import the floor and
// the engines.
var others = map[string]string{
	"":                    "",
	"cmd/auth0-tenant":    "internal/publicsecret internal/emulator",
	"auth0test":           "root internal/publicsecret internal/emulator",
	"internal/docstest":   "",
	"cmd/auth0-doctor":    "root internal/doctor internal/environment",
	"internal/doctor":     "internal/browser internal/clientauth internal/discovery internal/environment internal/fetch internal/publicsecret internal/seal internal/syntax",
	"internal/housetest":  "",
	"internal/multiprime": "",
	"internal/emulator":   "internal/multiprime",
	"internal/testkit":    "root internal/multiprime internal/emulator management",
	"internal/testproc":   "",
	"management":          "internal/discovery internal/fetch internal/syntax internal/tenantapi",
}

// allowed returns the packages of the module that one may import.
func allowed(name string) (list []string, known bool) {
	if strings.HasPrefix(name, "examples/") {
		return []string{"root", "auth0test", "management", "examples/internal/demo"}, true
	}
	if strings.HasPrefix(name, "internal/test/") { // tests by subject, which have no other files
		return nil, true
	}
	if text, ok := floor[name]; ok {
		return strings.Fields(text), true
	}
	if text, ok := engines[name]; ok {
		return slices.AppendSeq(strings.Fields(text), maps.Keys(floor)), true
	}
	text, ok := others[name]
	list = strings.Fields(text)
	if name == "" {
		list = slices.AppendSeq(slices.AppendSeq(list, maps.Keys(floor)), maps.Keys(engines))
	}
	return list, ok
}

func TestImports(t *testing.T) {
	h := load(t)
	for _, path := range slices.Sorted(maps.Keys(h.packages)) {
		name := short(path)
		may, ok := allowed(name)
		if !ok {
			t.Errorf("%s is not in the table of allowed imports", path)
			continue
		}
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
	for name := range merged(floor, engines, others) {
		if h.packages[strings.TrimSuffix(module+"/"+name, "/")] == nil {
			t.Errorf("%q is in the table of allowed imports, and there is no such package", name)
		}
	}
}

func merged(tables ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, table := range tables {
		maps.Copy(all, table)
	}
	return all
}
