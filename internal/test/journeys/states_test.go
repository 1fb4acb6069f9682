package journeys_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

var update = flag.Bool("update", false, "write testdata/states.txt and docs/states.md anew")

// A route is a route of the library, or a page of the application with a guard.
type route struct {
	name, about string
	target      func(w *world, v visitor, b *testkit.Browser, condition string) string
}

func at(target string) func(*world, visitor, *testkit.Browser, string) string {
	return func(*world, visitor, *testkit.Browser, string) string { return target }
}

var routes = []route{
	{name: "/auth/login", about: "the login route, `?returnTo=/account`", target: at("/auth/login?returnTo=%2Faccount")},
	{name: "/auth/callback", about: "the callback, with the tenant's answer to the newest login under way, or with a made-up answer", target: callbackURL},
	{name: "/auth/logout", about: "the logout route", target: at("/auth/logout")},
	{name: "LoadUser", about: "a public page inside `LoadUser`", target: at("/")},
	{name: "RequireLogin", about: "a page inside `RequireLogin`", target: at("/account?tab=2")},
	{name: "RequireUser", about: "a page inside `RequireUser`, whose function returns false", target: at("/staff")},
	{name: "RequireStepUp", about: "a page inside `RequireStepUp(5*time.Minute)`", target: at("/payments?month=may")},
	{name: "RequireOrganization", about: "a page inside `RequireOrganization` with one id, of whose organization ada is a member", target: at("/acme")},
	{name: "RequireSession", about: "data inside `RequireSession`", target: at("/session")},
	{name: "TrySilentLogin", about: "a public page inside `TrySilentLogin`", target: at("/news?page=2")},
	{name: "AccessToken", about: "a page inside `RequireLogin` that calls `AccessToken` and gives an error to `WriteError`", target: at("/calls")},
	{name: "RequireTokenOrSession", about: "data inside `RequireTokenOrSession`, without a bearer token", target: at("/either")},
	{name: "RequireAuth", about: "data inside `RequireAuth` of an API, without a bearer token", target: at("/bearer")},
}

// callbackURL is the tenant's answer to the newest login of a browser.
func callbackURL(w *world, v visitor, b *testkit.Browser, condition string) string {
	const madeUp = "/auth/callback?code=made-up&state=made-up-state-of-nobody"
	if !strings.Contains(v.name, "under way") {
		return madeUp
	}
	before := *w.door.condition.Load()
	w.door.set(well)
	authURL := b.Begin("/auth/login?returnTo=%2Faccount")
	w.door.set(before)
	return (&walk{world: w, b: b}).atTenant(authURL).String()
}

// An outcome is an answer, and the end for a user who follows it.
type outcome struct{ answer, then string }

// A table has the outcomes of one route by visitor, condition of the tenant and caller.
type table map[[3]string]outcome

// A row stands for each combination of its visitors, conditions and callers.
type row struct {
	visitors, conditions, callers string
	outcome
}

// rows returns the table in fewer rows: callers with the same outcome, then conditions
// without a difference for them, then visitors who share all rows.
func (tb table) rows() []row {
	all := names(callers, func(c caller) string { return c.name })
	same := map[row][]string{} // visitors by row
	var found []row
	for _, v := range visitors {
		of := func(condition, caller string) outcome { return tb[[3]string{v.name, condition, caller}] }
		for _, group := range groups(all, func(c string) string {
			return fmt.Sprint(names(conditions, func(condition string) outcome { return of(condition, c) }))
		}) {
			for _, when := range groups(conditions, func(condition string) string { return fmt.Sprint(of(condition, group[0])) }) {
				r := row{conditions: list(when, conditions), callers: list(group, all), outcome: of(when[0], group[0])}
				if same[r] == nil {
					found = append(found, r)
				}
				same[r] = append(same[r], v.name)
			}
		}
	}
	everybody := names(visitors, func(v visitor) string { return v.name })
	for i, r := range found {
		found[i].visitors = list(same[r], everybody)
	}
	return found
}

// groups splits a list into lists whose members have the same key.
func groups(members []string, key func(string) string) [][]string {
	var found [][]string
	where := map[string]int{}
	for _, m := range members {
		k := key(m)
		i, ok := where[k]
		if !ok {
			i = len(found)
			where[k] = i
			found = append(found, nil)
		}
		found[i] = append(found[i], m)
	}
	return found
}

// list names some of all, or the missing ones if that is shorter.
func list(some, all []string) string {
	missing := slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(some, s) })
	switch {
	case len(missing) == 0:
		return "any"
	case len(missing) < 4 && len(some) > 6:
		return "any but " + strings.Join(missing, ", ")
	}
	return strings.Join(some, ", ")
}

// TestStates makes a request in each state, and compares the answer and its end with the
// table. The rules of check and of ways hold for every state.
func TestStates(t *testing.T) {
	t.Parallel()
	tables := map[string]table{}
	var mu sync.Mutex
	t.Run("all", func(t *testing.T) {
		for _, ro := range routes {
			tables[ro.name] = table{}
		}
		for _, v := range visitors {
			// Callers of one group find the same world.
			for i, group := range callerGroups() {
				t.Run(fmt.Sprint(v.name, ", callers ", i+1), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						w := newWorld(t, v)
						for _, ro := range routes {
							// If neither the application nor a user of the group meets the tenant, its
							// condition makes no difference.
							var apart map[string]outcome
							for _, condition := range conditions {
								found := apart
								if found == nil {
									found = map[string]outcome{}
									w.next()
									b := v.prepare(w)
									w.door.set(condition)
									w.door.met.Store(false)
									for _, c := range group {
										found[c.name] = observe(w, b.Clone(), ro, v, condition, c)
									}
									if !w.door.met.Load() {
										apart = found
									}
								}
								mu.Lock()
								for caller, got := range found {
									tables[ro.name][[3]string{v.name, condition, caller}] = got
								}
								mu.Unlock()
							}
						}
					})
				})
			}
		}
	})
	var text, doc strings.Builder
	doc.WriteString(introduction)
	for _, ro := range routes {
		if got, want := len(tables[ro.name]), len(visitors)*len(conditions)*len(callers); got != want {
			t.Fatalf("%s has %d states, want %d", ro.name, got, want)
		}
		fmt.Fprintf(&text, "# %s: %s\n", ro.name, ro.about)
		fmt.Fprintf(&doc, "\n## %s\n\nThis is %s.\n\n| Browser | Tenant | Caller | Answer | Where a person ends up |\n|---|---|---|---|---|\n", ro.name, ro.about)
		for _, r := range tables[ro.name].rows() {
			fmt.Fprintf(&text, "%s | %s | %s\n\t%s\n\t%s\n", r.visitors, r.conditions, r.callers, r.answer, r.then)
			fmt.Fprintf(&doc, "| %s | %s | %s | %s | %s |\n", r.visitors, r.conditions, r.callers, r.answer, strings.ReplaceAll(r.then, "; ", ";<br>"))
		}
	}
	compare(t, "testdata/states.txt", text.String())
	compare(t, "../../../docs/states.md", doc.String())
}

// introduction is the beginning of docs/states.md.
const introduction = `# Who gets what: the table of states

For each route and guard, each state of the browser and of the tenant, and each kind of caller, one row says what the library
answers, and where a person ends up who follows the answer. The test in internal/test/journeys makes every request, follows every
redirect, link and button of an error page to its end, and writes this page: ` + "`go test ./internal/test/journeys -update`" + `.

- A **browser** has no cookie, one or four logins under way, a session cookie of another application with the same secret, two
  session cookies, or a session. The session is fresh, its access token is to be refreshed or cannot be refreshed, it is over,
  was logged out elsewhere, or its store is down.
- A **tenant** is well, refuses the account (access_denied, until the user chooses another account), refuses by policy
  (unmet_authentication_requirements), limits requests (429), is broken (5xx), or does not reply. After an outage the person waits
  until the tenant is well, and then goes on.
- A **caller** is a person who opens a page or posts a form, also in an old browser without Sec-Fetch headers, a script, htmx, Turbo,
  a CORS preflight, a prefetch, HEAD, or a crawler, which keeps no cookies.
- "the tenant" is its login page. A page in quotation marks is an error page of the library, with the links that it offers and their
  ends in parentheses. "account page of ada" is a page of the application for a user who is logged in. "-" means that there is nothing
  to follow.
`

// compare compares a text with a file, or writes the file.
func compare(t *testing.T, file, text string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(string(b), "\n")
	got := strings.Split(text, "\n")
	if len(want) < 100 {
		t.Fatalf("%s has %d lines", file, len(want))
	}
	shown := 0
	for i := range max(len(want), len(got)) {
		g, w := "", ""
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w && shown < 20 {
			shown++
			t.Errorf("line %d of %s:\n got %s\nwant %s", i+1, file, g, w)
		}
	}
}

// observe makes one request in one state, and follows the answer as a user would.
func observe(w *world, b *testkit.Browser, ro route, v visitor, condition string, c caller) outcome {
	target := ro.target(w, v, b, condition)
	cookies := len(b.Transactions())
	w.Log.Reset()
	if c.name == "crawler" {
		b.Cookies, b.Forgetful = map[string]string{}, true
	}
	resp := c.send(b, target)
	got := outcome{answer: fmt.Sprint(resp.Status, " ", kind(w, resp))}
	fail := func(format string, args ...any) {
		w.T.Helper()
		w.T.Errorf("%s, %s, tenant %s, %s: %s\n%s\nbody %.300q, header %v\nlog %s", ro.name, v.name, condition, c.name, got.answer,
			fmt.Sprintf(format, args...), resp.Body, resp.Header, w.Log)
	}
	check(w, ro, c, resp, cookies, b, fail)
	got.then = after(w, condition, c, b, resp, fail)
	return got
}

// check holds each answer to the rules without exceptions.
func check(w *world, ro route, c caller, resp *testkit.Response, cookies int, b *testkit.Browser, fail func(string, ...any)) {
	media, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	isApp := strings.Contains(resp.Body, "<title>app</title>")
	if resp.Status == 500 {
		fail("an internal error")
	}
	if c.isPerson && media == "application/json" && ro.name != "RequireAuth" && ro.name != "RequireTokenOrSession" && ro.name != "RequireSession" {
		fail("a person gets JSON")
	}
	if c.name == "script" && resp.Status >= 400 && media == "text/html" {
		fail("a script gets a page")
	}
	if (c.name == "preflight" || c.name == "prefetch" || c.name == "HEAD") && len(b.Transactions()) > cookies {
		fail("it begins a login")
	}
	if resp.Status >= 400 && (c.method == "GET" || c.method == "HEAD") && !strings.Contains(resp.Header.Get("Cache-Control"), "no-store") && !isApp {
		fail("a refusal can be cached")
	}
	if resp.Status == 503 && resp.Header.Get("Retry-After") == "" {
		fail("an outage without Retry-After")
	}
	if resp.Status >= 400 && c.isPerson && heading(resp.Body) == "" && media == "text/html" {
		fail("a page without a heading")
	}
}

// after follows an answer to its end, and describes that. At an error page, a user
// takes each way that it offers.
func after(w *world, condition string, c caller, b *testkit.Browser, resp *testkit.Response, fail func(string, ...any)) string {
	isJSON := strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json")
	switch c.name {
	case "preflight", "prefetch", "HEAD":
		return "-"
	case "Turbo":
		if isJSON { // Turbo then loads the page without its script
			resp = callers[0].send(b, resp.URL.String())
		}
	case "script", "htmx":
		to := resp.Header.Get("HX-Redirect")
		if to == "" {
			// A page that handles the answer navigates to the URL of the challenge.
			_, rest, ok := strings.Cut(resp.Header.Get("WWW-Authenticate"), `login="`)
			if !ok {
				return "-"
			}
			to, _, _ = strings.Cut(rest, `"`)
		}
		endOutage(w, condition)
		resp = (&walk{world: w, b: b}).open(resp.URL, to)
	default:
		if isJSON { // an API has no pages
			return "-"
		}
	}
	if isOutage(condition) && resp.Status < 400 {
		// The browser is at the tenant, and the user waits there.
		endOutage(w, condition)
	}
	wk := &walk{world: w, b: b}
	last, text := wk.follow(resp)
	if last == nil || last.Status < 400 || strings.HasPrefix(text, "JSON") {
		return text
	}
	works, text := ways(wk, condition, last, 2)
	if !works && c.name != "crawler" { // which keeps no cookies, and so cannot log in
		fail("no way leads on: %s", text)
	}
	return text
}

// ways takes each way that the error page at the end of a walk offers, in one browser
// each. It returns their ends, and whether one of them is a page of the application.
// A user who is rejected again can go on from there.
func ways(wk *walk, condition string, page *testkit.Response, depth int) (works bool, text string) {
	b := wk.b
	texts, take := wk.ways(page)
	if page.Status >= 500 && page.Method == "GET" {
		texts = append(texts, "reload")
		take = append(take, func() *testkit.Response { return callers[0].send(wk.b, page.URL.String()) })
	}
	endOutage(wk.world, condition)
	ends := make([]string, len(texts))
	// The first way is a login, which ends the session of the others.
	for i, way := range slices.Backward(texts) {
		wk.b, wk.trail = b.Clone(), nil
		last, where := wk.follow(take[i]())
		switch {
		case last == nil:
		case last.Status < 400:
			works = true
		case depth > 1:
			var ok bool
			ok, where = ways(wk, condition, last, depth-1)
			works = works || ok
		default:
			where = fmt.Sprint(last.Status, " ", where)
		}
		ends[i] = way + ": " + where
	}
	return works, fmt.Sprint(page.Status, " ", kind(wk.world, page), " (", strings.Join(ends, "; "), ")")
}

// endOutage ends an outage of the tenant or of the store.
func endOutage(w *world, condition string) {
	if isOutage(condition) {
		w.door.set(well)
	}
	if w.store != nil {
		w.store.FailWith(nil)
	}
}

// TestConditions: the states are different from each other, and none is missing.
func TestConditions(t *testing.T) {
	t.Parallel()
	for _, list := range [][]string{conditions, names(visitors, func(v visitor) string { return v.name }),
		names(callers, func(c caller) string { return c.name }), names(routes, func(r route) string { return r.name })} {
		sorted := slices.Sorted(slices.Values(list))
		if len(list) < 5 || len(slices.Compact(sorted)) != len(list) {
			t.Errorf("%q", list)
		}
	}
}

func names[T, U any](list []T, name func(T) U) (all []U) {
	for _, v := range list {
		all = append(all, name(v))
	}
	return all
}
