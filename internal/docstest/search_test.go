package docstest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFirstScreen: the two commands that need no account are at the top of README.md,
// and its programs can be pasted into a file.
func TestFirstScreen(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	top := strings.Join(lines[:min(20, len(lines))], "\n")
	for _, command := range []string{"\ngo run ./examples/webapp", "\ngo test ./..."} {
		if !strings.Contains(top, command) {
			t.Errorf("the first 20 lines do not have %q", command)
		}
	}
	d, _ := parse("README.md", string(text))
	programs := 0
	for _, b := range d.blocks {
		if b.language != "go" {
			continue
		}
		programs++
		source, err := os.ReadFile(filepath.Join(root, b.options["file"]))
		if err != nil || !strings.HasPrefix(b.text, "package main\n") || !strings.HasSuffix(string(source), b.text) {
			t.Errorf("line %d: the program is not the whole of a file, but for the comment above its package clause (%v)", b.line, err)
		}
	}
	if programs < 3 {
		t.Errorf("%d programs", programs)
	}
}

// TestSearchWords: the documentation has the usual search words, beside the matching
// function.
func TestSearchWords(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(root, "*.go"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	var sources [][]byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, text)
	}
	for word, name := range map[string]string{
		"password-realm": "Application.LoginWithPassword", "passwordless": "Application.LoginWithCode", "client_credentials": "ClientCredentials",
		"token-exchange": "Application.ExchangeToken", "federated-connection-access-token": "ForConnection",
		"client_secret_post": "ClientSecretPost", "client_secret_basic": "ClientSecretBasic", "private_key_jwt": "PrivateKeyJWT",
		"tls_client_auth": "MutualTLS", "mfa-otp": "MFA.LoginWithOTP", "mfa-oob": "MFA.LoginWithOOB", "mfa-recovery-code": "MFA.LoginWithRecoveryCode",
	} {
		doc := ""
		for _, source := range sources {
			if !bytes.Contains(source, []byte(word)) {
				continue
			}
			if declaration := find(source, name); declaration != nil {
				doc, _, _ = strings.Cut(string(declaration), "\nfunc ")
			}
		}
		if !strings.Contains(doc, word) {
			t.Errorf("%s is not in the documentation of %s:\n%s", word, name, doc)
		}
	}
}
