package program_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
)

// TestStartGuide: ConfigFromEnv accepts the variables of the guide, and the file that
// the command line tool of Auth0 writes.
func TestStartGuide(t *testing.T) {
	guide, err := os.ReadFile("../../../docs/start.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```dotenv\n(.*?)```").FindSubmatch(guide)
	if block == nil {
		t.Fatal("the guide has no file of variables")
	}
	const secret = "6a1f0c9be27d4853a90e6f1b7c28d5e403f96ab18c7de25540b3917fe86ad2c1"
	written := "AUTH0_DOMAIN='acme.eu.auth0.com'\nAUTH0_CLIENT_ID='9aXkT2mWq7RzB4vLcN8sYhE1dPfJu6Go'\nAUTH0_CLIENT_SECRET='Zk3_Vb8nQmX2rTf7yLs4'\nAUTH0_CALLBACK_URL='http://localhost:3000/auth/callback'\n"
	for name, file := range map[string]string{"guide": string(block[1]), "tool": written} {
		t.Run(name, func(t *testing.T) {
			for _, known := range []string{"AUTH0_DOMAIN", "AUTH0_CLIENT_ID", "AUTH0_CLIENT_SECRET", "AUTH0_CALLBACK_URL", "AUTH0_ISSUER_BASE_URL", "AUTH0_BASE_URL", "APP_BASE_URL", "AUTH0_AUDIENCE"} {
				t.Setenv(known, "")
			}
			t.Setenv("AUTH0_SECRET", secret)
			lines := 0
			for line := range strings.Lines(file) {
				key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
				if !ok {
					continue
				}
				lines++
				t.Setenv(key, strings.Trim(value, "'"))
			}
			if lines != 4 {
				t.Fatalf("%d variables", lines)
			}
			c, err := auth0.ConfigFromEnv()
			if err != nil {
				t.Fatal(err)
			}
			c.ClientID = "9aXkT2mWq7RzB4vLcN8sYhE1dPfJu6Go" // the guide has a placeholder
			c.ClientSecret = strings.Repeat("Zk3", 20)
			if _, err := auth0.New(c); err != nil {
				t.Error(err)
			}
			if c.BaseURL != "http://localhost:3000" || c.Domain != "acme.eu.auth0.com" {
				t.Errorf("base URL %q, domain %q", c.BaseURL, c.Domain)
			}
		})
	}
}
