// Package demo has the parts of the examples that are not about logins: the port, the
// headers, the style sheet, and the tenant of an example without configuration.
package demo

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

//go:embed style.css
var style []byte

// A Program is an example at the tenant of the environment, or at an embedded one.
type Program struct {
	Config   auth0.Config
	Tenant   *auth0test.Tenant // nil with AUTH0_DOMAIN
	Notes    string            // lines about the embedded tenant, to print
	Local    string            // the URL at which this machine reaches the program
	listener net.Listener
	about    string
}

// Start takes the port, and the configuration of the environment. Without AUTH0_DOMAIN it
// starts a tenant for the application named app. The hint lists the variables that the
// example needs for another tenant. If the example cannot run, Start says why and exits.
func Start(app, hint string) *Program {
	listener, baseURL, err := Listen()
	if err != nil {
		log.Fatal(err)
	}
	p := &Program{listener: listener, Local: "http://" + listener.Addr().String()}
	if os.Getenv("AUTH0_DOMAIN") == "" {
		p.Tenant, p.Config, p.about, err = Tenant(app, baseURL, "AUTH0_DOMAIN IS NOT SET. For your own tenant, set "+hint+".")
	} else if p.Config, err = auth0.ConfigFromEnv(); err == nil {
		p.about = Configured(p.Config.Domain, p.Config.BaseURL)
	}
	if err != nil {
		log.Fatal(err)
	}
	return p
}

// Serve prints the URL to open, and serves the handler until the process ends. The error
// is the one from making the handler.
func (p *Program) Serve(handler http.Handler, err error) {
	if err != nil {
		log.Fatal(err)
	}
	if p.Tenant == nil {
		p.Notes = ""
	}
	os.Stdout.WriteString(p.about + p.Notes)
	log.Fatal(Serve(p.listener, handler))
}

// WebVariables are the variables of a web application with a secret.
const WebVariables = "AUTH0_DOMAIN, AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET, AUTH0_SECRET and APP_BASE_URL"

// Listen takes the port PORT, by default 3000. It returns the URL at which browsers
// reach the example: APP_BASE_URL, or else the port on this machine.
func Listen() (listener net.Listener, baseURL string, err error) {
	port := cmp.Or(os.Getenv("PORT"), "3000")
	if err := agree(os.Getenv("APP_BASE_URL"), port); err != nil {
		return nil, "", err
	}
	listener, err = net.Listen("tcp", "localhost:"+port)
	if err != nil {
		return nil, "", fmt.Errorf("port %s cannot be used; set PORT to another one, such as PORT=3333: %w", port, err)
	}
	port = fmt.Sprint(listener.Addr().(*net.TCPAddr).Port) // PORT=0 takes a free one
	return listener, cmp.Or(os.Getenv("APP_BASE_URL"), "http://localhost:"+port), nil
}

// agree rejects a base URL on this machine with another port: the login would end at a
// port at which nothing listens. Behind a proxy the base URL has another host or https, or
// PORT is set.
func agree(baseURL, port string) error {
	u, err := url.Parse(baseURL)
	if set := os.Getenv("PORT"); set != "" && set != "0" {
		return nil
	}
	if err != nil || u.Scheme != "http" || !slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname()) {
		return nil
	}
	if wanted := cmp.Or(u.Port(), "80"); wanted != port {
		return fmt.Errorf("APP_BASE_URL is %q, and the example listens at port %s (PORT): set PORT=%s, or change APP_BASE_URL", baseURL, port, wanted)
	}
	return nil
}

// Serve prints the address at which the example listens, and serves it until the process
// ends. Behind a proxy, browsers reach it at another one.
func Serve(listener net.Listener, handler http.Handler) error {
	fmt.Printf("Listen  %s\n", listener.Addr())
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	return server.Serve(listener)
}

// Background serves a part of an example that stands for another program, at a free port
// of this machine. It returns the URL.
func Background(handler http.Handler) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go func() { log.Print(server.Serve(listener)) }()
	return "http://" + listener.Addr().String()
}

// Configured returns the banner of an example with the developer's tenant.
func Configured(domain, baseURL string) string {
	return fmt.Sprintf("Tenant  %s\nOpen    %s\n", domain, baseURL)
}

// Tenant starts the embedded tenant of an example, and returns a configuration for it
// and the text that the example prints. The hint says how to use another tenant.
func Tenant(app, baseURL, hint string) (tenant *auth0test.Tenant, cfg auth0.Config, about string, err error) {
	tenant, err = auth0test.Serve("127.0.0.1:0", baseURL)
	if err != nil {
		return nil, auth0.Config{}, "", err
	}
	tenant.NameApp(app)
	cfg = tenant.Config()
	cfg.Secrets = []string{rand.Text() + rand.Text()}
	return tenant, cfg, fmt.Sprintf(`Tenant  embedded, at %s
        A DEMO WITH PUBLIC PASSWORDS: ANYBODY CAN LOG IN AS ANY USER
        %s
Open    %s
Users   ada@acme.example and bob@acme.example, password "correct horse", or any user behind another button
`, tenant.URL(), hint, baseURL), nil
}

// Headers adds the headers for every page. Form-action 'self' is safe:
// forms of the login and logout routes work under it.
func Headers(policy string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy+"; object-src 'none'; base-uri 'none'; frame-ancestors 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// Pictures returns the sources of pictures for a policy. Profiles have pictures from
// anywhere, and those of a tenant on this machine are not https.
func Pictures(domain string) string {
	if u, err := url.Parse(domain); err == nil && u.Scheme == "http" {
		return "img-src 'self' https: http://" + u.Host
	}
	return "img-src 'self' https:"
}

// Files serves the style sheet of the examples and the files of one below /web/, without
// listings. It stands outside of [auth0.Strategy.LoadUser]: a response that any cache can
// store must not set the cookie of a session. Browsers ask each time, and get 304 while
// they have the newest version.
func Files(own fs.FS, next http.Handler) http.Handler {
	type file struct {
		content []byte
		etag    string
	}
	files := map[string]file{}
	add := func(name string, content []byte) {
		sum := sha256.Sum256(content)
		files[path.Base(name)] = file{content, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
	}
	add("style.css", style)
	err := fs.WalkDir(own, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(own, name)
		add(name, content)
		return err
	})
	if err != nil {
		panic(err) // unreachable: the files are embedded in the program
	}
	mux := http.NewServeMux()
	mux.Handle("/", next)
	mux.HandleFunc("GET /web/{file}", func(w http.ResponseWriter, r *http.Request) {
		f, ok := files[r.PathValue("file")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("ETag", f.etag)
		w.Header().Set("Cache-Control", "no-cache")
		http.ServeContent(w, r, r.PathValue("file"), time.Time{}, bytes.NewReader(f.content))
	})
	return mux
}

// Path is the path of a base URL, without a slash at the end. Links of a page begin with
// it, because a proxy may serve the example below a path.
func Path(baseURL string) string {
	u, err := url.Parse(baseURL)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(u.EscapedPath(), "/")
}

// Answer is an endpoint of an API with one message.
func Answer(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		JSON(w, http.StatusOK, map[string]string{"message": text})
	}
}

// JSON writes a value as JSON.
func JSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value)
}

const farewell = "logged_out"

// NoteLogout has the start page say that the user is logged out. The logout route
// redirects there through the tenant, so a cookie keeps the fact for a minute.
func NoteLogout(logoutPath string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == logoutPath {
			SayLoggedOut(w)
		}
		next.ServeHTTP(w, r)
	})
}

// SayLoggedOut does the same for a handler that ends sessions.
func SayLoggedOut(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{Name: farewell, Value: "1", Path: "/", MaxAge: 60, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// LoggedOut reports, once, whether the user logged out within the last minute.
func LoggedOut(w http.ResponseWriter, r *http.Request) bool {
	if _, err := r.Cookie(farewell); err != nil {
		return false
	}
	http.SetCookie(w, &http.Cookie{Name: farewell, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	return true
}
