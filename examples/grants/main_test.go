package main

import (
	"bufio"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
)

func TestRun(t *testing.T) {
	tenant, err := newTenant()
	if err != nil {
		t.Fatal(err)
	}
	defer tenant.Close()
	application, err := auth0.NewApplication(tenant.Config())
	if err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), application, tenant, bufio.NewReader(strings.NewReader("1\n246810\n"))); err != nil {
		t.Error(err)
	}
}

func TestCallBound(t *testing.T) {
	tenant, err := newTenant()
	if err != nil {
		t.Fatal(err)
	}
	defer tenant.Close()
	answer, toThief, err := callBound(t.Context(), tenant)
	if err != nil || !strings.HasPrefix(answer, "200 Hello ") || !strings.HasPrefix(toThief, "401 ") {
		t.Errorf("%q, %q, %v", answer, toThief, err)
	}
}
