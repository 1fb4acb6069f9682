package main

import (
	"net/url"
	"os"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/seed-15d5a55c/auth0/internal/returnto"
)

func TestTableIsGenerated(t *testing.T) {
	got, err := os.ReadFile("../lookalikes.go")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(source()) {
		t.Error("lookalikes.go is out of date: run go generate in package returnto")
	}
}

// TestNormalizationGivesNoDelimiter takes every character through the normalization forms.
// A path rejects each character that becomes a delimiter. Every rejected one becomes a
// delimiter, looks like one, or is invisible.
func TestNormalizationGivesNoDelimiter(t *testing.T) {
	invisible := []*unicode.RangeTable{unicode.C, unicode.Z, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector}
	lookalikes := 0
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		if 0xD800 <= r && r <= 0xDFFF {
			continue // not a character that UTF-8 can encode
		}
		_, passes := returnto.Policy{}.Clean("", "/a"+url.PathEscape(string(r))+"b")
		becomes := ""
		for _, form := range []norm.Form{norm.NFC, norm.NFD, norm.NFKC, norm.NFKD} {
			if s := form.String(string(r)); strings.ContainsAny(s, delimiters) {
				becomes = s
			}
		}
		if becomes != "" && passes {
			t.Errorf("%U passes, and normalizes to %q", r, becomes)
		}
		if isLookalike(r) {
			lookalikes++
		}
		refusable := becomes != "" || isLookalike(r) || unicode.In(r, invisible...) || !unicode.IsGraphic(r)
		if !passes && !refusable {
			t.Errorf("%U is refused, and is neither like a delimiter nor invisible", r)
		}
		if passes && refusable {
			t.Errorf("%U passes", r)
		}
	}
	if lookalikes < 200 {
		t.Errorf("%d characters are like a delimiter", lookalikes)
	}
}
