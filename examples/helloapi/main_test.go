package main

import (
	"net/http/httptest"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

func TestDelete(t *testing.T) {
	tenant := auth0test.NewTenant(t)
	api, err := auth0.NewAPI(tenant.APIConfig("https://api.acme.example/"))
	if err != nil {
		t.Fatal(err)
	}
	for permission, status := range map[string]int{"delete:notes": 200, "read:notes": 403} {
		r, w := httptest.NewRequest("DELETE", "/notes", nil), httptest.NewRecorder()
		r.Header.Set("Authorization", "Bearer "+tenant.AccessToken(auth0test.Permissions(permission)))
		routes(api).ServeHTTP(w, r)
		if w.Code != status {
			t.Errorf("%s: status %d, want %d", permission, w.Code, status)
		}
	}
}
