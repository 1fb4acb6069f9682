package auth0_test

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

// A web application: all visitors see the home page with the login buttons, and a user
// who is logged in sees a profile.
func Example_webApp() {
	// AUTH0_DOMAIN, AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET, AUTH0_SECRET, APP_BASE_URL
	cfg, err := auth0.ConfigFromEnv()
	if err != nil {
		log.Fatal(err)
	}
	strategy, err := auth0.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	page := template.Must(template.New("").Parse(`<!doctype html>
		<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Acme</title>
		{{if .LoggedIn}}<h1>Hello {{or .User.Name .User.Email .User.Subject}}</h1>
		<form method="post" action="/auth/logout"><button>Log out</button></form>
		{{else}}<h1>Welcome</h1>{{range .Buttons}}<p><a href="{{.LoginURL}}">Continue with {{.DisplayName}}</a></p>
		{{else}}<p><a href="/auth/login">Log in</a></p>{{end}}{{end}}`))

	mux := http.NewServeMux()
	mux.Handle("/auth/", strategy.Handler()) // /auth/login, /auth/callback, /auth/logout
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		user, loggedIn := auth0.UserFrom(r.Context())
		buttons, _ := strategy.GetConnections(r.Context()) // cached; without a list, one button is left
		page.Execute(w, map[string]any{"User": user, "LoggedIn": loggedIn, "Buttons": buttons})
	})
	mux.Handle("GET /profile", strategy.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := auth0.UserFrom(r.Context())
		fmt.Fprintln(w, user.Subject, user.Email)
	})))
	log.Fatal(http.ListenAndServe(":3000", strategy.LoadUser(mux)))
}

// An API: its callers send access tokens.
func Example_api() {
	api, err := auth0.NewAPI(auth0.APIConfig{
		Domain:   "acme.eu.auth0.com",
		Audience: "https://api.acme.example/",
	})
	if err != nil {
		log.Fatal(err)
	}
	open := func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "hello") }
	members := func(w http.ResponseWriter, r *http.Request) {
		token, _ := auth0.TokenFrom(r.Context())
		claims, err := auth0.Claims[struct {
			Plan string `json:"https://acme.example/plan"`
		}](r.Context())
		if err != nil {
			http.Error(w, "unusable claims", http.StatusUnauthorized)
			return
		}
		fmt.Fprintln(w, token.Subject(), claims.Plan)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/open", open)
	mux.Handle("GET /api/members-only", api.RequireAuth(http.HandlerFunc(members)))
	mux.Handle("GET /api/protected", api.RequirePermissions("read:protected")(http.HandlerFunc(members)))
	mux.Handle("POST /api/messages", api.RequireScope("write:messages")(http.HandlerFunc(members)))
	log.Fatal(http.ListenAndServe(":3001", mux))
}

// A test, with no tenant and no network.
func Example_test() {
	testAPI := func(t auth0test.TB) {
		tenant := auth0test.NewTenant(t)
		api, err := auth0.NewAPI(tenant.APIConfig("https://api.acme.example/"))
		if err != nil {
			t.Fatalf("%v", err)
		}
		hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "hello") })
		handler := api.RequirePermissions("read:protected")(hello)

		r := httptest.NewRequest("GET", "/api/protected", nil)
		r.Header.Set("Authorization", "Bearer "+tenant.AccessToken(auth0test.Permissions("read:protected")))
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
		fmt.Println(w.Body, tenant.JWKSFetches())

		tenant.RotateKeys()
		tenant.FailJWKS(503)
		r.Header.Set("Authorization", "Bearer "+tenant.AccessToken(auth0test.ExpiresIn(-time.Minute)))
		w = httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	}
	testAPI(fakeT{})
	// Output:
	// hello
	//  1
	// 401 Bearer realm="api", error="invalid_token", error_description="token expired"
}

// fakeT stands for the *testing.T of a test.
type fakeT struct{ testing.TB }

func (fakeT) Helper()                   {}
func (fakeT) Cleanup(func())            {}
func (fakeT) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }

// Buttons for one organization. They lead back to the visitor's page.
func ExampleStrategy_GetConnections() {
	tenant := auth0test.NewTenant(fakeT{})
	strategy, err := auth0.New(tenant.Config())
	if err != nil {
		log.Fatal(err)
	}
	buttons, err := strategy.GetConnections(context.Background(), auth0.WithReturnTo("/reports"))
	if err != nil {
		log.Fatal(err)
	}
	for _, b := range buttons {
		fmt.Println(b.DisplayName, b.LoginURL)
	}
	// Output:
	// Username and password /auth/login?connection=Username-Password-Authentication&returnTo=%2Freports
	// GitHub /auth/login?connection=github&returnTo=%2Freports
	// Google /auth/login?connection=google-oauth2&returnTo=%2Freports
	// Partner Ltd /auth/login?connection=partner-idp&returnTo=%2Freports
	// Fabrikam /auth/login?connection=fabrikam-entra&returnTo=%2Freports
}

// A step-up: this page requires an authentication within the last five minutes. A browser
// with an older session is redirected to the tenant, which asks for the password again,
// and returns to the URL of the page.
func ExampleStrategy_RequireStepUp() {
	tenant := auth0test.NewTenant(fakeT{})
	strategy, err := auth0.New(tenant.Config())
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "welcome") })
	mux.Handle("GET /payments", strategy.RequireStepUp(5*time.Minute)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "payments of %s", r.FormValue("month"))
	})))
	// The second factor is asked for by an Action of the tenant, which reads acr_values.
	mux.Handle("GET /admin", strategy.RequireStepUp(0, auth0.ACRMultiFactor)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := strategy.Session(r)
		if err != nil {
			strategy.WriteError(w, r, err)
			return
		}
		fmt.Fprint(w, "administration after ", session.AMR)
	})))

	tenant.LogIn("ada@acme.example") // enters the password and the code wherever the tenant asks
	browser := tenant.Browser(strategy.LoadUser(mux))
	for _, path := range []string{"/auth/login", "/payments?month=may", "/payments?month=june", "/admin"} {
		resp, err := browser.Get(auth0test.AppURL + path)
		if err != nil {
			log.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		fmt.Println(path, resp.StatusCode, strings.TrimSpace(string(body)), "logins:", tenant.Calls(auth0test.Authorize))
	}
	// Output:
	// /auth/login 200 welcome logins: 1
	// /payments?month=may 200 payments of may logins: 2
	// /payments?month=june 200 payments of june logins: 2
	// /admin 200 administration after [mfa] logins: 3
}

// A page for the members of one organization. A user logged in to another one logs in to
// it, and returns to the page.
func ExampleStrategy_RequireOrganization() {
	tenant := auth0test.NewTenant(fakeT{})
	strategy, err := auth0.New(tenant.Config())
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	strategy.Register(mux)
	acme := strategy.RequireOrganization("org_ABCDEFGHIJKLMNOP")
	mux.Handle("/acme/", acme(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := auth0.UserFrom(r.Context())
		fmt.Fprintf(w, "%s of %s", user.Name, user.OrgID)
	})))
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, auth0test.AppURL+"/acme/reports", nil)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	mux.ServeHTTP(w, r)
	login, err := w.Result().Location()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(w.Code, login.Path, login.Query().Get("organization"))
	// Output: 302 /authorize org_ABCDEFGHIJKLMNOP
}

// Pages for users who have logged in within a day, each with its own login options.
func ExampleStrategy_RequireLoginWith() {
	tenant := auth0test.NewTenant(fakeT{})
	strategy, err := auth0.New(tenant.Config())
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	strategy.Register(mux)
	staff := strategy.RequireLoginWith(auth0.WithConnection("acme-saml"), auth0.WithMaxAge(24*time.Hour))
	mux.Handle("/staff/", staff(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "for staff") })))
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, auth0test.AppURL+"/staff/", nil)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	mux.ServeHTTP(w, r)
	login, err := w.Result().Location()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(w.Code, login.Query().Get("connection"), login.Query().Get("max_age"))
	// Output: 302 acme-saml 86400
}

// An application replaces its own sessions in a signed cookie, and its users stay logged
// in. The session begins with the next request, so the browser repeats this one. The
// package in examples/migrate does this for gorilla/sessions, gin-contrib/sessions and
// alexedwards/scs.
func ExampleStrategy_ImportSession() {
	tenant := auth0test.NewTenant(fakeT{})
	strategy, err := auth0.New(tenant.Config())
	if err != nil {
		log.Fatal(err)
	}
	move := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			old, ok := oldSession(r)
			if _, err := strategy.Session(r); !ok || !errors.Is(err, auth0.ErrNoSession) {
				next.ServeHTTP(w, r)
				return
			}
			err := strategy.ImportSession(w, r, auth0.ImportedSession{
				User:       auth0.User{Subject: old.Get("sub"), Email: old.Get("email")},
				Token:      &oauth2.Token{RefreshToken: old.Get("refresh_token")},
				LoggedInAt: time.Now().Add(-time.Hour), // of the old session
			})
			if err != nil && !errors.Is(err, auth0.ErrNoSession) { // which means: too old
				strategy.WriteError(w, r, err)
				return
			}
			http.SetCookie(w, &http.Cookie{Name: "old_session", Path: "/", MaxAge: -1})
			w.Header().Set("Location", "?"+r.URL.RawQuery) // the same URL
			w.WriteHeader(http.StatusTemporaryRedirect)
		})
	}
	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.Handle("GET /profile", strategy.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := auth0.UserFrom(r.Context())
		fmt.Fprint(w, user.Email)
	})))
	app := strategy.LoadUser(move(mux))

	browser := tenant.Browser(app)
	browser.Jar.SetCookies(&url.URL{Scheme: "https", Host: "app.acme.example", Path: "/"}, []*http.Cookie{{Name: "old_session", Value: "1f0c"}})
	resp, err := browser.Get(auth0test.AppURL + "/profile")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	fmt.Println(resp.StatusCode, string(body), "logins:", tenant.Calls(auth0test.Authorize))
	// Output:
	// 200 ada@acme.example logins: 0
}

// oldSession returns the old system's session of a request.
func oldSession(r *http.Request) (url.Values, bool) {
	c, err := r.Cookie("old_session")
	if err != nil || c.Value != "1f0c" { // it has been made by the old system
		return nil, false
	}
	return url.Values{"sub": {"auth0|1"}, "email": {"ada@acme.example"}, "refresh_token": {"v1.abc"}}, true
}

// A logged-in user proves that a second account is theirs, without losing the session.
// The redirect URI is a separate route, because the route of CallbackHandler begins
// sessions and would ignore this callback. Register it as an Allowed Callback URL.
func ExampleApplication_AuthCodeURL() {
	tenant := auth0test.NewTenant(fakeT{})
	strategy, err := auth0.New(tenant.Config())
	if err != nil {
		log.Fatal(err)
	}
	const linked = auth0test.AppURL + "/link/callback"
	tenant.AllowCallback(linked)
	begin := func(w http.ResponseWriter, r *http.Request) {
		// Without a prompt, the tenant would name the account that is logged in there.
		authURL, transaction, err := strategy.Application().AuthCodeURL(r.Context(), linked, auth0.WithPrompt("login"))
		if err != nil {
			strategy.WriteError(w, r, err)
			return
		}
		http.SetCookie(w, &http.Cookie{
			Name: "__Host-link", Value: transaction, Path: "/", MaxAge: 600, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		})
		http.Redirect(w, r, authURL, http.StatusSeeOther)
	}
	finish := func(w http.ResponseWriter, r *http.Request) {
		user, _ := auth0.UserFrom(r.Context())
		transaction, err := r.Cookie("__Host-link")
		if err != nil {
			strategy.WriteError(w, r, auth0.ErrNoSession)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "__Host-link", Path: "/", MaxAge: -1, Secure: true, HttpOnly: true})
		second, err := strategy.Application().Exchange(r.Context(), transaction.Value, r.URL.Query())
		if err != nil {
			strategy.WriteError(w, r, err)
			return
		}
		// Here the application stores that both accounts are of one person.
		fmt.Fprintf(w, "%s also has the account %s", user.Email, second.User.Email)
	}
	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.Handle("POST /link", strategy.RequireLogin(http.HandlerFunc(begin)))
	mux.Handle("GET /link/callback", strategy.RequireLogin(http.HandlerFunc(finish)))
	mux.Handle("GET /", strategy.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := auth0.UserFrom(r.Context())
		fmt.Fprint(w, "Hello, ", user.Email)
	})))
	browser := tenant.Browser(http.NewCrossOriginProtection().Handler(mux))

	show := func(resp *http.Response, err error) {
		if err != nil {
			log.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		fmt.Printf("%s\n", body)
	}
	tenant.LogIn("ada@acme.example")
	show(browser.Get(auth0test.AppURL + "/"))
	tenant.LogIn("grace@gmail.example")
	show(browser.Post(auth0test.AppURL+"/link", "", nil))
	show(browser.Get(auth0test.AppURL + "/"))
	// Output:
	// Hello, ada@acme.example
	// ada@acme.example also has the account grace@gmail.example
	// Hello, ada@acme.example
}

// The login form of an old application. It asks for the second factor on another page.
func ExampleApplication_LoginWithPassword() {
	tenant := auth0test.NewTenant(fakeT{})
	strategy, err := auth0.New(tenant.Config())
	if err != nil {
		log.Fatal(err)
	}
	login := func(w http.ResponseWriter, r *http.Request) {
		login, err := strategy.Application().LoginWithPassword(r.Context(), r.PostFormValue("email"), r.PostFormValue("password"))
		var refused *auth0.Error
		switch {
		case errors.Is(err, auth0.ErrMFARequired) && errors.As(err, &refused):
			sealed, _ := refused.MFA().Seal()
			fmt.Fprintf(w, "<form method=post action=/otp><input name=mfa type=hidden value=%q><input name=otp>", sealed)
			return
		case errors.As(err, &refused):
			http.Error(w, refused.Description, refused.Status)
			return
		}
		if err := strategy.StartSession(w, r, login); err != nil {
			http.Error(w, "please try again", http.StatusInternalServerError)
			return
		}
		http.Redirect(w, r, login.ReturnTo, http.StatusSeeOther)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", login)
	app := http.NewCrossOriginProtection().Handler(strategy.LoadUser(mux))

	for _, password := range []string{"a guess", "correct horse"} {
		form := strings.NewReader("email=ada@acme.example&password=" + url.QueryEscape(password))
		r := httptest.NewRequest("POST", "/login", form)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	}
	// Output:
	// 401 wrong user name, password or code. Try again
	// 303
}

// Pages of another origin call an API. The browser first sends a preflight without a
// token, so the CORS middleware that answers it stands outside the guard.
func ExampleAPI_RequireAuth() {
	api, err := auth0.NewAPI(auth0.APIConfig{Domain: "acme.eu.auth0.com", Audience: "https://api.acme.example/"})
	if err != nil {
		log.Fatal(err)
	}
	cors := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Add("Vary", "Origin")
			if r.Header.Get("Origin") == "https://spa.example" {
				h.Set("Access-Control-Allow-Origin", "https://spa.example")
				if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
					h.Set("Access-Control-Allow-Methods", "GET, POST")
					h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
					w.WriteHeader(http.StatusNoContent)
					return
				}
			}
			next.ServeHTTP(w, r)
		})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /files", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "files") })
	handler := cors(api.RequireAuth(mux))

	for _, origin := range []string{"https://spa.example", "https://evil.example"} {
		r := httptest.NewRequest("OPTIONS", "/files", nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "GET")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(origin, w.Code)
	}
	// Output:
	// https://spa.example 204
	// https://evil.example 401
}
