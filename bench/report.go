package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
)

// page is RESULTS.md.
func (r *results) page() []byte {
	var page bytes.Buffer
	r.writeHead(&page)
	r.writeContenders(&page)
	writeResults(&page, r.of(tableFirst, tableAgain))
	r.writeSignatures(&page)
	writeResults(&page, r.of(tableParallel, tableRefusal, tableRecorder, tableClaims, tableLoopback, tableBusy, tableProofs, tableProofRefusal))
	r.writeBoundRefusals(&page)
	r.writeKeys(&page)
	r.writeWeights(&page)
	r.writeSessionHead(&page)
	writeResults(&page, r.of(tableRead, tableWrite, tableDamage))
	r.writeMemory(&page)
	writeResults(&page, r.of(tablePages, tableCallback))
	r.writeRefreshes(&page)
	return page.Bytes()
}

func (r *results) writeHead(w io.Writer) {
	fmt.Fprintf(w, `# Side by side

Made by this command, in this directory, which takes about five minutes:

    go run . && go -C plot run .

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

`, r.Made, r.Go, r.Processor, r.Processors, r.Rounds, r.Each, r.TokenBytes["RS256"], r.TokenBytes["ES256"], r.Distinct)
}

func (r *results) writeContenders(w io.Writer) {
	versions := map[string]string{}
	for _, weight := range r.Weights {
		versions[weight.Name] = strings.Join(weight.Versions, ", ")
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
	{"ns/op", func(s sample) string { return fmt.Sprintf("%.0f", s.NS) }},
	{"", func(s sample) string { return fmt.Sprintf("%.3f", s.Ratio) }},
	{"allocs/op", func(s sample) string { return fmt.Sprintf("%.1f", s.Allocs) }},
	{"B/op", func(s sample) string { return fmt.Sprintf("%.0f", s.Bytes) }},
}

// figuresOf keeps the tables with many scenarios narrow enough to read.
func figuresOf(r result) []figure {
	switch r.Table {
	case tablePages:
		return differences(r.Of[bareHandler])
	case tableParallel:
		return figures[:2]
	case tableRefusal, tableProofRefusal:
		return figures[:3]
	}
	return figures
}

// differences are the columns of a table with the cost of a row beyond the reference.
func differences(base sample) []figure {
	return []figure{
		figures[0],
		{"ns more", func(s sample) string { return fmt.Sprintf("%.0f", s.Over) }},
		figures[2],
		{"allocs more", func(s sample) string { return fmt.Sprintf("%.1f", s.Allocs-base.Allocs) }},
	}
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
	tablePages: "What a middleware for sessions costs a visitor who has none. The time beyond the bare handler is taken round by round. " +
		"scs begins an empty session for the request.",
	tableCallback: "From the request with code and state to the redirect with the cookie of a session of the size above. Every callback ends a new login, prepared " +
		"before the measured time: its cookie, and a token response in memory, which the client of net/http reads. " +
		"The cryptography alone is what such a callback must compute, on as many bytes: AES-256-GCM for the cookie of the login and for that " +
		"of the session, each with a key from HKDF-SHA256, the RS256 signature of the ID token, SHA-256, and random bytes. " +
		"The other row is what a program writes with these libraries; it does not look at issuers of responses, access tokens, organizations or return URLs.",
	tableBusy:   "With the client and the server of net/http.",
	tableWrite:  "A change of the session that was read before: to the cookie, or to the store and the cookie.",
	tableDamage: "scs looks for another session, and begins a new one.",
}

// pictures stand above their tables. The module in the directory plot draws them.
var pictures = map[string]struct{ file, alt string }{
	tableFirst:  {"verification", "Bar chart of this table and the next, RS256"},
	tableProofs: {"dpop", "Bar chart of this table"},
	tableRead:   {"sessions", "Bar chart of this table and the next"},
}

func writeResults(w io.Writer, results []result) {
	for i := 0; i < len(results); {
		n := 1
		for i+n < len(results) && results[i+n].Table == results[i].Table {
			n++
		}
		writeResult(w, results[i:i+n])
		i += n
	}
}

// writeResult writes the scenarios of one table, which share the rows.
func writeResult(w io.Writer, columns []result) {
	name := columns[0].Table
	fmt.Fprintf(w, "\n## %s\n\n", name)
	if p, ok := pictures[name]; ok {
		fmt.Fprintf(w, `<picture>
  <source media="(prefers-color-scheme: dark)" srcset="plots/%[1]s-dark.svg">
  <img alt="%[2]s" src="plots/%[1]s-light.svg">
</picture>

`, p.file, p.alt)
	}
	if note := tableNotes[name]; note != "" {
		fmt.Fprintf(w, "%s\n\n", note)
	}
	head := []string{""}
	for _, c := range columns {
		for i, f := range figuresOf(c) {
			switch {
			case i == 0:
				f.name = c.Column + ", " + f.name
			case f.name == "":
				f.name = c.Ratio
			}
			head = append(head, f.name)
		}
	}
	t := table{w, 1}
	t.head(head...)
	for _, name := range columns[0].Names {
		if row := resultRow(name, columns); row != nil {
			t.row(row...)
		}
	}
}

func resultRow(name string, columns []result) []string {
	row := []string{name}
	for _, c := range columns {
		s, ok := c.Of[name]
		if !ok {
			return nil
		}
		for _, f := range figuresOf(c) {
			row = append(row, f.of(s))
		}
	}
	return row
}

func (r *results) writeKeys(w io.Writer) {
	fmt.Fprintf(w, `
## Fetching keys

Cold start: the first %d requests arrive together, and the first fetch takes %v. Outage: the same, and the keys cannot be
fetched from when the contender is built; those that fetch when they are built have them by then. Made-up keys: %d tokens,
each with another key id that is not published. New key: whether the first token of a key that was published a moment ago
is accepted.

`, coldRequests, coldDelay, forgedKeys)
	t := table{w, 1}
	t.head("", "Cold start, fetches", "accepted", "Outage, fetches", "accepted", "Made-up keys, fetches", "New key")
	for _, f := range r.Keys {
		t.row(f.Name, fmt.Sprint(f.Cold.Fetches), fmt.Sprint(f.Cold.Accepted), fmt.Sprint(f.Outage.Fetches), fmt.Sprint(f.Outage.Accepted), fmt.Sprint(f.ForgedFetches), map[bool]string{true: "accepted", false: "refused"}[f.NewKey])
	}
	fmt.Fprintf(w, `
## Verification while keys are fetched

A good token arrives each millisecond, whether those before it are done or not, for %[1]v while nothing is fetched and for
%[1]v from the beginning of a fetch that takes as long. What begins it: a token with an unknown key id, the age of the keys
(set so that this happens within seconds), or a call of the library's own.

`, r.Slow)
	t.head("", "Begun by", "p99 before, ms", "p99 during, ms", "slowest, ms")
	for _, f := range r.Keys {
		l := f.Refresh
		if !l.Fetched { // the machine was so slow that the fetch came too early
			t.row(f.Name, l.BegunBy, milliseconds(l.Quiet99), "not seen", "not seen")
			continue
		}
		t.row(f.Name, l.BegunBy, milliseconds(l.Quiet99), milliseconds(l.Busy99), milliseconds(l.Slowest))
	}
}

func (r *results) writeSessionHead(w io.Writer) {
	fmt.Fprintf(w, `
## Sessions

A real login at a tenant in this process; the others keep what that has brought. It is %d bytes before encryption, much of
it an access token, and as many bytes of JSON for those that keep JSON. Every operation begins with a request that has the
cookies, or ends with the header that sets them, and is measured like those above, in the same rounds. Before that,
everybody must give back the session and its access token, also after a change, and refuse a cookie with one character
changed, one that is cut off, and garbage.

`, r.Sessions.Size)
	t := table{w, 5}
	t.head("", "Version", "Configuration", "Encryption", "A session ends", "Cookies, bytes")
	for _, k := range keepers {
		t.row(k.name, r.Sessions.Versions[k.module], k.setup, k.secrecy, k.ends, fmt.Sprint(r.Sessions.Cookies[k.name]))
	}
	fmt.Fprint(w, `
Only this library binds the session to a login: the others know nothing of issuers, tokens that expire, or logouts at the
tenant, and a program with them writes that itself. Without a store, no library can end a copy of a cookie that somebody
has made, before its time is up.
`)
}

func (r *results) writeRefreshes(w io.Writer) {
	fmt.Fprintf(w, `
## %d requests of one session, whose token is about to expire

All arrive together and need a token; the tenant takes %v to give one. Then %[1]d more come with the old cookie, as those do
that were under way.

`, refreshRequests, refreshTakes)
	t := table{w, 1}
	t.head("", "Requests to the tenant", "by those that come late", "Answered with a new token")
	for _, f := range r.Refreshes {
		t.row(f.Name, fmt.Sprint(f.Together), fmt.Sprint(f.Late), fmt.Sprintf("%d of %d", f.Answered, 2*refreshRequests))
	}
	fmt.Fprint(w, `
oauth2.Config.TokenSource is what a program has that keeps an oauth2.Token in its session. This tenant does not rotate
refresh tokens; one that does takes the requests after the first for an attack.
`)
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()*1000) }

func (r *results) writeWeights(w io.Writer) {
	fmt.Fprint(w, `
## Dependencies

What `+"`go list -deps`"+` counts, beside the standard library, for a program that only protects an API; see the directory weight.

`)
	t := table{w, 1}
	t.head("", "Modules", "Packages")
	for _, weight := range r.Weights {
		t.row(weight.Name, fmt.Sprint(weight.Modules), fmt.Sprint(weight.Packages))
	}
}

// writeSignatures compares the standard library, and so every row, with OpenSSL.
func (r *results) writeSignatures(w io.Writer) {
	fmt.Fprint(w, "\n## One signature, by the standard library and by OpenSSL\n\n")
	s := r.Signatures
	if s.Missing != "" {
		fmt.Fprintf(w, "There is nothing to compare with. %s\n", s.Missing)
		return
	}
	fmt.Fprintf(w, `OpenSSL's assembly shows what this processor can do for one signature, and a Go program that verifies with the standard
library, as all contenders do, cannot check one faster than the second row. Neither row hashes anything. Each figure is
processor time, measured for %v, one after the other. OpenSSL is %s, by `+"`openssl speed rsa2048 ecdsap256`"+`.

`, s.Each, s.Version)
	t := table{w, 1}
	t.head("", "RSA 2048, verification, ns/op", "x OpenSSL", "ECDSA P-256, verification, ns/op", "x OpenSSL")
	ratio := func(a, b float64) string { return fmt.Sprintf("%.3f", a/b) }
	t.row("OpenSSL", fmt.Sprintf("%.0f", s.RSA), ratio(s.RSA, s.RSA), fmt.Sprintf("%.0f", s.ECDSA), ratio(s.ECDSA, s.ECDSA))
	t.row("crypto/rsa, crypto/ecdsa", fmt.Sprintf("%.0f", s.GoRSA), ratio(s.GoRSA, s.RSA), fmt.Sprintf("%.0f", s.GoECDSA), ratio(s.GoECDSA, s.ECDSA))
}

// writeBoundRefusals writes the cost of a proof beyond the rejection of an expired token.
func (r *results) writeBoundRefusals(w io.Writer) {
	bearer, bound := r.one(tableProofRefusal, expiredBearer), r.one(tableProofRefusal, expiredBound)
	var all []string
	for _, name := range bound.Names {
		if s, ok := bound.Of[name]; ok && name != floor {
			all = append(all, fmt.Sprintf("%s %.1f µs", name, (s.NS-bearer.Of[name].NS)/1000))
		}
	}
	fmt.Fprintf(w, "\nAn expired bound token takes longer to refuse than an expired bearer token by: %s.\n", strings.Join(all, ", "))
}

// writeMemory joins the sizes of the stores with the time of their reads.
func (r *results) writeMemory(w io.Writer) {
	if len(r.Memory) == 0 {
		return
	}
	fmt.Fprintf(w, `
## %d sessions in memory

Each of another user, with the content above. The bytes are those by which the heap has grown, after garbage collection,
divided by the number of sessions. %d of the sessions are read in turn. The time is what passes, divided by what all
goroutines get done. Processor time counts the whole process, garbage collection included. This table has separate
rounds, after all others. scs keeps a session in clear, under the token of the cookie; this library encrypts it, and the key
of the value in the store opens nothing.

`, r.Memory[0].Sessions, min(readSessions, r.Memory[0].Sessions))
	t := table{w, 1}
	t.head("", "Bytes per session", "Read by "+oneReader+", ns", "by "+eightReaders+", ns", "Processor time by "+oneReader+", ns", "by "+eightReaders+", ns", "x "+oneReader)
	one, eight := r.one(tableMemory, oneReader), r.one(tableMemory, eightReaders)
	for _, m := range r.Memory {
		a, b := one.Of[m.Name], eight.Of[m.Name]
		t.row(m.Name, fmt.Sprintf("%.0f", m.Bytes), fmt.Sprintf("%.0f", a.NS), fmt.Sprintf("%.0f", b.NS), fmt.Sprintf("%.0f", a.CPU), fmt.Sprintf("%.0f", b.CPU), fmt.Sprintf("%.3f", b.CPU/a.CPU))
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
