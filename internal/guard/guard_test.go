package guard

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/clientauth"
	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/renew"
	"github.com/seed-15d5a55c/auth0/internal/seal"
	"github.com/seed-15d5a55c/auth0/internal/session"
	"github.com/seed-15d5a55c/auth0/internal/signin"
	"github.com/seed-15d5a55c/auth0/internal/site"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
	"github.com/seed-15d5a55c/auth0/internal/visit"
)

const origin, issuer = "https://app.example", "https://tenant.example/"

var now = time.Unix(2_000_000_000, 0)

func clock() time.Time { return now }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// An env is one application, without a network: no guard makes a request.
type env struct {
	*testing.T
	*Guards
	c       Config
	manager *session.Manager
	cookies []*http.Cookie
}

func newEnv(t *testing.T, where site.Config) *env {
	t.Helper()
	log := slog.New(slog.NewTextHandler(&bytes.Buffer{}, nil))
	ring := must(seal.New([]string{"an example of a secret for the tests of guard"}))
	names := cookie.NewNames(cookie.Cookie{Name: "app_session", Path: "/", Secure: true, SameSite: http.SameSiteLaxMode}, false)
	client := &provider.Client{
		ID: "client", Auth: clientauth.WithSecret("client_secret_post", "the client's secret"),
		Tenant: &provider.Tenant{Issuer: issuer, Static: provider.Auth0Layout(issuer)}, HTTP: http.DefaultClient, Now: clock,
	}
	idTokens := &idtoken.Verifier{ClientID: "client", Now: clock}
	e := &env{T: t, manager: session.New(session.Config{
		Cookies: names, Keyring: ring, Client: "client", Idle: 10 * time.Hour, Absolute: 100 * time.Hour, Now: clock, Log: log,
	})}
	where.Log = log
	at := site.New(where, func(field, format string, args ...any) { t.Errorf(field+": "+format, args...) })
	e.c = Config{
		Site: at,
		Visits: &visit.Visits{
			Cookies: names, Sessions: e.manager, Origin: at.Origin, Log: log,
			Tokens: renew.New(renew.Config{Sessions: e.manager, Client: client, Now: clock, Log: log}),
			Marks:  visit.Marks{Cookies: names, Keyring: ring, Now: clock, Log: log, Silent: &atomic.Bool{}},
		},
		Leeway: time.Minute, Now: clock,
		Row: func(err error) refusal.Row {
			if r, ok := errors.AsType[*refusal.Refusal](err); ok {
				return r.Row
			}
			return refusal.Internal
		},
	}
	e.c.Signin = signin.New(signin.Config{
		Site: at, Visits: e.c.Visits,
		Flow: login.NewFlow(login.Config{
			Client: client, IDTokens: idTokens, ResponseType: "code", ResponseMode: "query", Scopes: []string{"openid"}, Now: clock,
		}),
		Transactions: &transaction.Jar{Cookies: names, Keyring: ring, Issuer: issuer, ClientID: "client", Life: time.Hour, Now: clock},
		Links:        authrequest.Links{Known: func(string, string) bool { return false }, Ignored: func(string, error) {}},
		Row:          e.c.Row, Now: clock, Log: log,
	})
	e.Guards = New(e.c)
	return e
}

// login begins a session with an ID token with the given claims.
func (e *env) login(claims string) {
	e.Helper()
	c := must(jwt.ParseClaims(`{"iss":"`+issuer+`","sub":"ada","iat":2000000000`+claims+`}`, false, 0))
	w := httptest.NewRecorder()
	record := must(session.NewRecord(&c, 0, now))
	if err := e.manager.Begin(e.Context(), w, &session.Loaded{Jar: e.c.Visits.Jar(e.request("GET", "/"))}, record); err != nil {
		e.Fatal(err)
	}
	e.cookies = w.Result().Cookies()
}

var (
	navigation = []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Accept", "text/html"}
	script     = []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Accept", "*/*", "Referer", origin + "/open?a=b"}
)

func (e *env) request(method, target string, header ...string) *http.Request {
	r := httptest.NewRequest(method, origin+target, nil).WithContext(e.Context())
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	for _, c := range e.cookies {
		r.AddCookie(c)
	}
	return r
}

// An answer is the result of Admit.
type answer struct {
	admitted *http.Request
	err      error
	*httptest.ResponseRecorder
}

func (e *env) admit(r *http.Request, d Demand, page bool) answer {
	w := httptest.NewRecorder()
	loaded, _ := e.c.Visits.Load(w, r)
	admitted, err := e.Admit(w, loaded, d, page)
	return answer{admitted, err, w}
}

func (a answer) location() *url.URL { return must(url.Parse(a.Header().Get("Location"))) }

func expectRow(t *testing.T, why string, err error, want refusal.Row) {
	t.Helper()
	r, ok := errors.AsType[*refusal.Refusal](err)
	if !ok || r.Row != want {
		t.Errorf("%s: %v, want %s", why, err, want.Reason)
	}
}

// TestNewDemand has one row for each impossible demand.
func TestNewDemand(t *testing.T) {
	t.Parallel()
	e := newEnv(t, site.Config{BaseURL: origin})
	for why, options := range map[string][]authrequest.Option{
		"an option without a value": {authrequest.Connection("")},
		"an age of nothing":         {authrequest.MaxAge(0)},
		"acr with a space":          {authrequest.ACR(true, "a b")},
		"acr with a quote":          {authrequest.ACR(true, `"`)},
		"pop-up":                    {authrequest.PopUp(origin)},
		"invitation":                {authrequest.Invitation("ticket", "org_1")},
		"return URL":                {authrequest.ReturnTo("/x")},
		"too long for a link":       {authrequest.Param("x", strings.Repeat("x", 600)), authrequest.Audience("https://" + strings.Repeat("a", 600))},
	} {
		if _, err := e.NewDemand(options); err == nil {
			t.Errorf("%s is accepted", why)
		}
	}
	for why, options := range map[string][]authrequest.Option{
		"nothing": nil, "age": {authrequest.MaxAge(time.Second)}, "acr": {authrequest.ACR(true, "urn:a", "urn:b")},
		"organization": {authrequest.Organization("org_1")}, "connection": {authrequest.Connection("github")},
	} {
		if _, err := e.NewDemand(options); err != nil {
			t.Errorf("%s: %v", why, err)
		}
	}
}

// TestAdmit has a demand, a session and a caller in each row.
func TestAdmit(t *testing.T) {
	t.Parallel()
	stepUp := []authrequest.Option{authrequest.MaxAge(5 * time.Minute), authrequest.ACR(true, "urn:strong")}
	organization := []authrequest.Option{authrequest.Organization("org_1")}
	for _, tt := range []struct {
		why     string
		claims  string // of the session; "-" for none
		options []authrequest.Option
		several []string
		method  string
		header  []string
		page    bool
		want    string      // "pass", "tenant" with parameters, or the path of a redirect; empty for a refusal
		row     refusal.Row // of a refusal
		demand  string      // a part of the challenge of a refusal
	}{
		{"session", "", nil, nil, "GET", navigation, true, "pass", refusal.Row{}, ""},
		{"nobody", "-", nil, nil, "GET", navigation, true, "/auth/login?returnTo=%2Fpage%3Fq%3D1", refusal.Row{}, ""},
		{"nobody, a script", "-", nil, nil, "GET", script, true, "", refusal.LoginRequired, `Session login="/auth/login`},
		{"nobody, no page", "-", nil, nil, "GET", navigation, false, "", refusal.LoginRequired, `Session login="/auth/login`},
		{"nobody, a form", "-", nil, nil, "POST", navigation, true, "", refusal.LoginRequired, `Session login="/auth/login`},

		{"recent and strong", `,"auth_time":1999999700,"acr":"urn:strong"`, stepUp, nil, "GET", navigation, true, "pass", refusal.Row{}, ""},
		{"recent within the leeway", `,"auth_time":1999999640,"acr":"urn:strong"`, stepUp, nil, "GET", navigation, true, "pass", refusal.Row{}, ""},
		{"too old", `,"auth_time":1999999639,"acr":"urn:strong"`, stepUp, nil, "GET", navigation, true, "tenant acr_values=urn%3Astrong max_age=300", refusal.Row{}, ""},
		{"no auth_time", `,"acr":"urn:strong"`, stepUp, nil, "GET", navigation, true, "tenant acr_values=urn%3Astrong max_age=300", refusal.Row{}, ""},
		{"weak", `,"auth_time":1999999999,"acr":"urn:weak"`, stepUp, nil, "GET", navigation, true, "tenant acr_values=urn%3Astrong max_age=300", refusal.Row{}, ""},
		{"weak, a script", `,"auth_time":1999999999`, stepUp, nil, "GET", script, true, "", refusal.StepUp, `, acr_values="urn:strong", max_age="300"`},
		{"weak, a form", `,"auth_time":1999999999`, stepUp, nil, "POST", navigation, true, "", refusal.StepUp, `login_ticket=`},
		{"weak, HEAD", `,"auth_time":1999999999`, stepUp, nil, "HEAD", navigation, true, "nothing", refusal.Row{}, ""},
		{"weak, a prefetch", "", stepUp, nil, "GET", append([]string{"Sec-Purpose", "prefetch"}, navigation...), true, "nothing", refusal.Row{}, ""},
		{"nobody for a strong page", "-", stepUp, nil, "GET", navigation, true, "tenant acr_values=urn%3Astrong max_age=300", refusal.Row{}, ""},
		{"nobody for a strong page, a script", "-", stepUp, nil, "GET", script, true, "", refusal.LoginRequired, `, acr_values="urn:strong", max_age="300"`},
		{"stays in its organization", `,"org_id":"org_9"`, stepUp, nil, "GET", navigation, true, "tenant organization=org_9 max_age=300", refusal.Row{}, ""},

		{"member", `,"org_id":"org_1"`, organization, nil, "GET", navigation, true, "pass", refusal.Row{}, ""},
		{"member of another", `,"org_id":"org_2"`, organization, nil, "GET", navigation, true, "tenant organization=org_1", refusal.Row{}, ""},
		{"member of none", "", organization, nil, "GET", navigation, true, "tenant organization=org_1", refusal.Row{}, ""},
		{"member of another, a script", `,"org_id":"org_2"`, organization, nil, "GET", script, true, "", refusal.OrganizationLogin, "login_ticket="},
		{"one of several", `,"org_id":"org_2"`, nil, []string{"org_1", "org_2"}, "GET", navigation, true, "pass", refusal.Row{}, ""},
		{"none of several", `,"org_id":"org_3"`, nil, []string{"org_1", "org_2"}, "GET", navigation, true, "", refusal.Organization, ""},
		{"nobody for several", "-", nil, []string{"org_1", "org_2"}, "GET", navigation, true, "/auth/login?returnTo=%2Fpage%3Fq%3D1", refusal.Row{}, ""},
	} {
		t.Run(tt.why, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, site.Config{BaseURL: origin})
			d, err := e.NewDemand(tt.options, tt.several...)
			if err != nil {
				t.Fatal(err)
			}
			if tt.claims != "-" {
				e.login(tt.claims)
			}
			got := e.admit(e.request(tt.method, "/page?q=1", tt.header...), d, tt.page)
			tenant, parameters, _ := strings.Cut(tt.want, " ")
			switch {
			case tt.want == "":
				expectRow(t, tt.why, got.err, tt.row)
				if got.admitted != nil || !strings.Contains(got.Header().Get("WWW-Authenticate"), tt.demand) {
					t.Errorf("admitted %v, challenge %q", got.admitted != nil, got.Header().Get("WWW-Authenticate"))
				}
			case got.err != nil:
				t.Error(got.err)
			case tt.want == "pass":
				if got.admitted == nil || got.Header().Get("Location") != "" {
					t.Errorf("not admitted, %v", got.Header())
				}
			case tt.want == "nothing":
				if got.admitted != nil || got.Code != http.StatusNoContent || len(got.Result().Cookies()) > 0 {
					t.Errorf("%d, cookies %v", got.Code, got.Result().Cookies())
				}
			case tenant == "tenant":
				if got.admitted != nil || got.location().Host != "tenant.example" {
					t.Fatalf("to %s", got.location())
				}
				for parameter := range strings.FieldsSeq(parameters) {
					if !strings.Contains("&"+got.location().RawQuery+"&", "&"+parameter+"&") {
						t.Errorf("to %s, without %s", got.location(), parameter)
					}
				}
			default:
				if got.admitted != nil || got.Code != http.StatusFound || got.Header().Get("Location") != tt.want {
					t.Errorf("%d to %q", got.Code, got.Header().Get("Location"))
				}
			}
		})
	}
}

// TestNestedGuards: a login for one of two guards meets the conditions of both, and
// guards that no session can pass at once are a mistake of the program.
func TestNestedGuards(t *testing.T) {
	t.Parallel()
	e := newEnv(t, site.Config{BaseURL: origin})
	e.login(`,"org_id":"org_1","acr":"urn:weak"`)
	demand := func(options ...authrequest.Option) Demand { return must(e.NewDemand(options)) }
	outer := e.admit(e.request("GET", "/page", navigation...), demand(authrequest.Organization("org_1")), true)
	if outer.admitted == nil {
		t.Fatal(outer.err)
	}
	w := httptest.NewRecorder()
	if _, err := e.Admit(w, outer.admitted, demand(authrequest.ACR(true, "urn:strong")), true); err != nil {
		t.Fatal(err)
	}
	if q := must(url.Parse(w.Header().Get("Location"))).Query(); q.Get("organization") != "org_1" || q.Get("acr_values") != "urn:strong" {
		t.Errorf("the login asks for %v", q)
	}
	_, err := e.Admit(httptest.NewRecorder(), outer.admitted, demand(authrequest.Organization("org_2")), true)
	expectRow(t, "two organizations at once", err, refusal.Misconfigured)
}

// TestNoSessionToJudge: the principal is a token, or the store does not answer.
func TestNoSessionToJudge(t *testing.T) {
	t.Parallel()
	e := newEnv(t, site.Config{BaseURL: origin, BaseURLs: []string{"https://other.example"}})
	d := must(e.NewDemand([]authrequest.Option{authrequest.MaxAge(time.Minute)}))
	r := e.request("GET", "/page", navigation...)
	w := httptest.NewRecorder()
	loaded, _ := e.c.Visits.Load(w, r)
	e.c.Visits.In(loaded.Context()).Err = refusal.Store.New()
	if _, err := e.Admit(w, loaded, d, true); !refusal.Store.IsOf(err) {
		t.Errorf("store down: %v", err)
	}
	e.c.Visits.In(loaded.Context()).Err = refusal.LoginRequired.New()
	_, err := e.Admit(w, loaded, d, true)
	expectRow(t, "a token", err, refusal.LoginRequired)
	if w.Header().Get("Location") != "" {
		t.Errorf("a token: to %q", w.Header().Get("Location"))
	}
	unknown := e.request("GET", "/page", navigation...)
	unknown.Host = "evil.example"
	expectRow(t, "unknown host", e.admit(unknown, d, true).err, refusal.UnknownHost)
	expectRow(t, "unknown host, any session", e.admit(unknown, Demand{}, true).err, refusal.UnknownHost)
	if link := e.LoginLink(unknown)[0].URL; !strings.HasPrefix(link, origin+"/auth/login") {
		t.Errorf("unknown host: the link is %q", link)
	}
	if err := e.LoginRequired(httptest.NewRecorder(), unknown); !refusal.UnknownHost.IsOf(err) {
		t.Errorf("unknown host: %v", err)
	}
}

// TestLoginLoop: a browser that loses the session each time gets a page at the fourth login
// in a minute.
func TestLoginLoop(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]authrequest.Option{"login route": nil, "tenant": {authrequest.MaxAge(time.Minute)}} {
		e := newEnv(t, site.Config{BaseURL: origin})
		d := must(e.NewDemand(options))
		for try := range 4 {
			got := e.admit(e.request("GET", "/page", navigation...), d, true)
			looped := false
			if f, ok := errors.AsType[*transaction.Failure](got.err); ok {
				looped = refusal.Loop.IsOf(f.Err) && f.ReturnTo == "/page"
			}
			if looped != (try == 3) || !looped && got.err != nil {
				t.Errorf("%s, try %d: %v", name, try, got.err)
			}
			// A callback begins a session. The browser drops its cookie.
			w := httptest.NewRecorder()
			if err := e.c.Visits.Marks.ExpectSession(w, e.c.Visits.Jar(e.request("GET", "/"))); err != nil {
				t.Fatal(err)
			}
			e.cookies = w.Result().Cookies()
		}
	}
}

// TestOtherHost: a login begins at the base URL.
func TestOtherHost(t *testing.T) {
	t.Parallel()
	for want, options := range map[string][]authrequest.Option{
		origin + "/auth/login?": nil,
		origin + "/page?q=1":    {authrequest.MaxAge(time.Minute)},
	} {
		e := newEnv(t, site.Config{BaseURL: origin})
		r := e.request("GET", "/page?q=1", navigation...)
		r.Host = "www.app.example"
		got := e.admit(r, must(e.NewDemand(options)), true)
		if got.err != nil || got.Code != http.StatusFound || !strings.HasPrefix(got.Header().Get("Location"), want) {
			t.Errorf("%v: %d to %q, want %s", got.err, got.Code, got.Header().Get("Location"), want)
		}
	}
}
