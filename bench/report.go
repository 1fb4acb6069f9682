package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"
)

// report measures everything and writes a page of it. Nothing is written before
// all contenders have shown that they check the same things.
func report(ctx context.Context, e effort, w io.Writer) error {
	fields := map[string]*field{}
	for _, alg := range []string{"RS256", "ES256"} {
		f, err := newField(ctx, alg, e.distinct)
		if err != nil {
			return err
		}
		defer f.close()
		fields[alg] = f
	}
	sessions, err := newSessionField(ctx)
	if err != nil {
		return err
	}
	tokens := tokenContests(ctx, fields)
	results, err := measureAll(append(tokens, sessionContests(sessions)...), e.rounds, e.each)
	if err != nil {
		return err
	}
	refreshes, err := measureRefreshes(ctx)
	if err != nil {
		return err
	}
	keys, err := measureKeys(ctx, fields["RS256"].tenant.ring, e.slow)
	if err != nil {
		return err
	}
	weights, err := weigh(ctx)
	if err != nil {
		return err
	}
	var page bytes.Buffer
	writeHead(&page, e, fields)
	writeContenders(&page, weights)
	writeResults(&page, results[:len(tokens)])
	writeKeys(&page, keys, e.slow)
	writeWeights(&page, weights)
	writeSessionHead(&page, sessions)
	writeResults(&page, results[len(tokens):])
	writeRefreshes(&page, refreshes)
	_, err = w.Write(page.Bytes())
	return err
}

func writeHead(w io.Writer, e effort, fields map[string]*field) {
	fmt.Fprintf(w, `# Side by side

Made by this command, in this directory, which takes about four minutes:

    go run .

%s, %s, %s, %d processors.

Everything runs in one process on one machine. In each of %d rounds every contender gets %v of each scenario, one after the
other; the figures are medians of the rounds. Compare within a table, and ratios rather than times: other machines have
other times. Before anything is measured, every contender must accept the good tokens and refuse those that are expired,
malformed, of another issuer, for another audience, signed by another key, and signed by a key that is not published.

- Tokens are shaped like access tokens of Auth0: RS256 %d bytes, ES256 %d bytes; two keys are published.
- "First sight" goes through %d distinct tokens in order, more than a cache of verified tokens holds. "Again" is one token
  all the time.
- "x floor" is the ratio to the first row of the same table, taken round by round.
- Bytes and allocations are those of the whole process.

`, time.Now().Format(time.DateOnly), runtime.Version(), processor(), runtime.GOMAXPROCS(0), e.rounds, e.each,
		len(fields["RS256"].tokens.good.raw), len(fields["ES256"].tokens.good.raw), e.distinct)
}

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func writeContenders(w io.Writer, weights []weight) {
	versions := map[string]string{}
	for _, weight := range weights {
		versions[weight.name] = strings.Join(weight.versions, ", ")
	}
	fmt.Fprint(w, "## Contenders\n\n")
	t := table{w, 3}
	t.head("", "Version", "Configuration")
	for _, c := range contenders {
		t.row(c.name, versions[c.name], c.setup)
	}
	fmt.Fprint(w, `
Each is made once and used for all requests. Those without middleware of their own are wrapped in one that takes the
token from the header and answers 401 if it is refused.
`)
}

// A figure is a column of a table of results.
type figure struct {
	name string
	of   func(sample) string
}

var figures = []figure{
	{"ns/op", func(s sample) string { return fmt.Sprintf("%.0f", s.ns) }},
	{"", func(s sample) string { return fmt.Sprintf("%.3f", s.ratio) }},
	{"allocs/op", func(s sample) string { return fmt.Sprintf("%.1f", s.allocs) }},
	{"B/op", func(s sample) string { return fmt.Sprintf("%.0f", s.bytes) }},
}

// figuresOf keeps the tables with many scenarios narrow enough to read.
func figuresOf(table string) []figure {
	switch table {
	case tableParallel:
		return figures[:2]
	case tableRefusal, tableProofRefusal:
		return figures[:3]
	}
	return figures
}

var tableNotes = map[string]string{
	tableAgain:    "The same as first sight for a library that keeps no verified tokens.",
	tableParallel: "Time is what passes, divided by what all goroutines get done.",
	tableRefusal:  "With everything that a contender does about such a token; go-oidc and cap ask for newer keys when a signature does not fit. The floor checks a good token.",
	tableRecorder: "With the recorder. One request is used again and again, each time with another token: a server has one in its hands that it has just read.",
	tableClaims:   "The handler reads the scope, the permissions and a claim of the application.",
	tableLoopback: "With the client and the server of net/http.",
	tableProofs: "The proof is another one each time. The floor checks its ES256 signature, and for first sight the RS256 " +
		"signature of the token. go-jwt-middleware has no memory of used proofs, so that a proof is good again.",
	tableProofRefusal: "A bound token comes with a proof that would be good, a bearer token without one. The floor checks a good token.",
	tableBusy:         "With the client and the server of net/http.",
	tableWrite:        "A change of the session that was read before: to the cookie, or to the store and the cookie.",
	tableDamage:       "scs looks for another session, and begins a new one.",
}

func writeResults(w io.Writer, results []result) {
	for i := 0; i < len(results); {
		n := 1
		for i+n < len(results) && results[i+n].table == results[i].table {
			n++
		}
		writeResult(w, results[i:i+n])
		i += n
	}
}

// writeResult writes the scenarios of one table, which share the rows.
func writeResult(w io.Writer, columns []result) {
	name := columns[0].table
	fmt.Fprintf(w, "\n## %s\n\n", name)
	if note := tableNotes[name]; note != "" {
		fmt.Fprintf(w, "%s\n\n", note)
	}
	head := []string{""}
	for _, c := range columns {
		for i, f := range figuresOf(name) {
			switch i {
			case 0:
				f.name = c.column + ", " + f.name
			case 1:
				f.name = c.ratio
			}
			head = append(head, f.name)
		}
	}
	t := table{w, 1}
	t.head(head...)
	for _, name := range columns[0].names {
		if row := resultRow(name, columns); row != nil {
			t.row(row...)
		}
	}
}

func resultRow(name string, columns []result) []string {
	row := []string{name}
	for _, c := range columns {
		s, ok := c.of[name]
		if !ok {
			return nil
		}
		for _, f := range figuresOf(c.table) {
			row = append(row, f.of(s))
		}
	}
	return row
}

func writeKeys(w io.Writer, all []keyFigures, slow time.Duration) {
	fmt.Fprintf(w, `
## Fetching keys

Cold start: the first %d requests arrive together, and the first fetch takes %v. Outage: the same, and the keys cannot be
fetched from when the contender is built; those that fetch when they are built have them by then. Made-up keys: %d tokens,
each with another key id that is not published. New key: whether the first token of a key that was published a moment ago
is accepted.

`, coldRequests, coldDelay, forgedKeys)
	t := table{w, 1}
	t.head("", "Cold start, fetches", "accepted", "Outage, fetches", "accepted", "Made-up keys, fetches", "New key")
	for _, f := range all {
		t.row(f.name, fmt.Sprint(f.cold.fetches), fmt.Sprint(f.cold.accepted), fmt.Sprint(f.outage.fetches), fmt.Sprint(f.outage.accepted), fmt.Sprint(f.forgedFetches), map[bool]string{true: "accepted", false: "refused"}[f.newKey])
	}
	fmt.Fprintf(w, `
## Verification while keys are fetched

A good token arrives each millisecond, whether those before it are done or not, for %[1]v while nothing is fetched and for
%[1]v from the beginning of a fetch that takes as long. What begins it: a token with an unknown key id, the age of the keys
(set so that this happens within seconds), or a call of the library's own.

`, slow)
	t.head("", "Begun by", "p99 before, ms", "p99 during, ms", "slowest, ms")
	for _, f := range all {
		r := f.refresh
		if !r.fetched { // the machine was so slow that it came too early
			t.row(f.name, r.begunBy, milliseconds(r.quiet99), "not seen", "not seen")
			continue
		}
		t.row(f.name, r.begunBy, milliseconds(r.quiet99), milliseconds(r.busy99), milliseconds(r.slowest))
	}
}

func writeSessionHead(w io.Writer, f *sessionField) {
	fmt.Fprintf(w, `
## Sessions

A real login at a tenant in this process; the others keep what that has brought. It is %d bytes before encryption, much of
it an access token, and as many bytes of JSON for those that keep JSON. Every operation begins with a request that has the
cookies, or ends with the header that sets them, and is measured like those above, in the same rounds. Before that,
everybody must give back the session and its access token, also after a change, and refuse a cookie with one character
changed, one that is cut off, and garbage.

`, f.size)
	t := table{w, 5}
	t.head("", "Version", "Configuration", "Encryption", "A session ends", "Cookies, bytes")
	for _, k := range f.kept {
		t.row(k.name, f.versions[k.module], k.setup, k.secrecy, k.ends, fmt.Sprint(k.size))
	}
	fmt.Fprint(w, `
Only this library binds the session to a login: the others know nothing of issuers, tokens that expire, or logouts at the
tenant, and a program with them writes that itself. Without a store, no library can end a copy of a cookie that somebody
has made, before its time is up.
`)
}

func writeRefreshes(w io.Writer, all []refreshFigures) {
	fmt.Fprintf(w, `
## %d requests of one session, whose token is about to expire

All arrive together and need a token; the tenant takes %v to give one. Then %[1]d more come with the old cookie, as those do
that were under way.

`, refreshRequests, refreshTakes)
	t := table{w, 1}
	t.head("", "Requests to the tenant", "by those that come late", "Answered with a new token")
	for _, f := range all {
		t.row(f.name, fmt.Sprint(f.together), fmt.Sprint(f.late), fmt.Sprintf("%d of %d", f.answered, 2*refreshRequests))
	}
	fmt.Fprint(w, `
oauth2.Config.TokenSource is what a program has that keeps an oauth2.Token in its session. This tenant does not rotate
refresh tokens; one that does takes the requests after the first for an attack.
`)
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()*1000) }

func writeWeights(w io.Writer, weights []weight) {
	fmt.Fprint(w, `
## Dependencies

What `+"`go list -deps`"+` counts, beside the standard library, for a program that only protects an API; see the directory weight.

`)
	t := table{w, 1}
	t.head("", "Modules", "Packages")
	for _, weight := range weights {
		t.row(weight.name, fmt.Sprint(weight.modules), fmt.Sprint(weight.packages))
	}
}

// A table is one of Markdown, whose first columns hold text.
type table struct {
	w    io.Writer
	text int
}

func (t table) head(names ...string) {
	t.row(names...)
	for i := range names {
		if i < t.text {
			fmt.Fprint(t.w, "|---")
		} else {
			fmt.Fprint(t.w, "|--:")
		}
	}
	fmt.Fprintln(t.w, "|")
}

func (t table) row(cells ...string) {
	fmt.Fprintf(t.w, "| %s |\n", strings.Join(cells, " | "))
}
