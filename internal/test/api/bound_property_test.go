package api_test

import (
	"crypto"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// marker is in every text that an attacker chooses here, and in no answer.
const marker = `EvIl`

// texts are those that an attacker would like to see in a header.
var texts = []string{
	marker, `x" ` + marker + `="1`, marker + "\r\nSet-Cookie: " + marker + "=1", marker + `, Bearer realm="` + marker + `"`, `\"` + marker, marker + "\x00", "\u00e9" + marker, strings.Repeat(marker, 50),
}

// anyProof is a proof with some members changed, and maybe broken afterwards.
func anyProof(g *rand.Rand) string {
	quoted := func() string { return testkit.Quoted(texts[g.IntN(len(texts))]) }
	value := func() string {
		switch g.IntN(6) {
		case 0:
			return "null"
		case 1:
			return `{"` + marker + `":1}`
		case 2:
			return ""
		default:
			return quoted()
		}
	}
	var edits []edit
	for range g.IntN(3) {
		name := []string{"typ", "alg", "jwk", "kid", "crit", marker}[g.IntN(6)]
		edits = append(edits, head(name, value()))
	}
	for range g.IntN(4) {
		name := []string{"htm", "htu", "jti", "ath", "iat", "nonce", marker}[g.IntN(7)]
		edits = append(edits, claim(name, value()))
	}
	if g.IntN(4) == 0 {
		edits = append(edits, htu("https://api.example/"+texts[g.IntN(len(texts))]))
	}
	p := client.proof(edits...)
	switch g.IntN(8) {
	case 0:
		i := g.IntN(len(p))
		return p[:i] + marker + p[i:]
	case 1:
		return p[:g.IntN(len(p))]
	case 2:
		return p + ", " + texts[g.IntN(len(texts))]
	case 3:
		return testkit.Compact(`{"`+marker+`":`+quoted()+`}`, value(), testkit.ES(crypto.SHA256, client.key, testkit.SideBySide(32)))
	}
	return p
}

// TestAnswersToAnyProof sends proofs and headers of an attacker. Every answer is whole: a status
// of the table, challenges that parse, each scheme once, and no text of the attacker.
func TestAnswersToAnyProof(t *testing.T) {
	t.Parallel()
	g := rand.New(rand.NewPCG(1, 2))
	allowed, required := newEnv(t, auth0.BindingAllowed), newEnv(t, auth0.BindingRequired, nonceSecrets(newSecret))
	passed, statuses := 0, map[int]int{}
	for i := range 10_000 {
		f, schemes := allowed, []string{"Bearer", "DPoP"}
		if i%4 == 0 {
			f, schemes = required, []string{"DPoP"}
		}
		r := client.request(anyProof(g))
		switch g.IntN(12) {
		case 0:
			r.Header["Authorization"] = []string{[]string{"DPoP ", "dpop ", "Bearer ", marker + " "}[g.IntN(4)] + texts[g.IntN(len(texts))]}
		case 1:
			r.Header["Authorization"] = []string{"Bearer " + client.token}
		case 2:
			r.Header["Dpop"] = append(r.Header["Dpop"], texts[g.IntN(len(texts))])
		case 3:
			r.Header["Authorization"] = append(r.Header["Authorization"], "Bearer "+marker)
		}
		r.Host = texts[g.IntN(len(texts))]
		r.Header["X-Forwarded-Host"] = []string{texts[g.IntN(len(texts))]}
		w := httptest.NewRecorder()
		f.API.RequireScope("read:m")(f).ServeHTTP(w, r)
		statuses[w.Code]++
		if w.Code == 200 {
			passed++
			continue
		}
		if w.Code != 400 && w.Code != 401 {
			t.Fatalf("status %d for %q", w.Code, r.Header)
		}
		checkAnswer(t, w.Result(), w.Body.String(), schemes)
		if t.Failed() {
			t.Fatalf("request %q", r.Header)
		}
	}
	if passed == 0 || statuses[400] == 0 || statuses[401] < 1000 {
		t.Errorf("the statuses are %v", statuses)
	}
	for line := range strings.Lines(allowed.Log.String() + required.Log.String()) {
		if !strings.HasPrefix(line, "time=") || len(line) > 4<<10 || strings.Contains(line, client.token[len(client.token)-40:]) {
			t.Fatalf("log line %.300q", line)
		}
	}
}

func checkAnswer(t *testing.T, resp *http.Response, body string, schemes []string) {
	t.Helper()
	var seen []string
	withError := 0
	for _, line := range resp.Header.Values("WWW-Authenticate") {
		c, err := testkit.ParseChallenge(line)
		if err != nil {
			t.Errorf("challenge %q: %v", line, err)
		}
		seen = append(seen, c.Scheme)
		if c.Params["realm"] != "api" {
			t.Errorf("challenge %q", line)
		}
		if c.Params["error"] != "" {
			withError++
		}
	}
	if fmt.Sprint(seen) != fmt.Sprint(schemes) || withError > 1 {
		t.Errorf("schemes %q, %d with an error", seen, withError)
	}
	for name, values := range resp.Header {
		for _, value := range append([]string{name}, values...) {
			if strings.Contains(value, marker) || strings.ContainsAny(value, "\r\n\x00") {
				t.Errorf("%s: %q", name, value)
			}
		}
	}
	if strings.Contains(body, marker) || resp.Header.Get("Set-Cookie") != "" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v %s", resp.Header, body)
	}
}
