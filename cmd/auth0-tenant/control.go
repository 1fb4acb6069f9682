package main

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// maxControlBody bounds the JSON of a control.
const maxControlBody = 16 << 10

// maxDelay bounds the control delay.
const maxDelay = time.Minute

// endpoints are the parts of the tenant that can fail.
var endpoints = []emulator.Endpoint{
	emulator.Discovery, emulator.JWKS, emulator.Authorize, emulator.Pages, emulator.PAR, emulator.Token, emulator.UserInfo,
	emulator.Revoke, emulator.Logout, emulator.Management, emulator.ClientFile, emulator.MFA, emulator.Passwordless, emulator.MyAccount,
}

// controls drive the tenant by HTTP. Programs may use them. Pages may not: a page
// in the browser of the developer can send requests to every port of the machine.
type controls struct {
	tenant   *emulator.Tenant
	path     string // with a part that cannot be guessed
	audience string
	client   string
	mux      *http.ServeMux
}

func newControls(tenant *emulator.Tenant, path, audience, client string) *controls {
	c := &controls{tenant: tenant, path: path, audience: audience, client: client, mux: http.NewServeMux()}
	c.mux.HandleFunc("GET /{$}", c.state)
	c.mux.HandleFunc("GET /mail", c.mail)
	c.mux.HandleFunc("POST /deny", control(c.deny))
	c.mux.HandleFunc("POST /fail", control(c.fail))
	c.mux.HandleFunc("POST /delay", control(c.delay))
	c.mux.HandleFunc("POST /rotate-keys", control(c.rotateKeys))
	c.mux.HandleFunc("POST /token-lifetime", control(c.tokenLifetime))
	c.mux.HandleFunc("POST /login", control(c.login))
	c.mux.HandleFunc("POST /backchannel-logout", control(c.backchannelLogout))
	c.mux.HandleFunc("POST /reset", control(c.reset))
	c.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusNotFound, map[string]string{"error": "unknown control; GET " + path + " lists the controls and their methods"})
	})
	return c
}

// usage has the method and the path of each control, and the JSON to send.
var usage = map[string]string{
	"GET .":                   "this list, and the number of requests to each endpoint",
	"GET mail?address=EMAIL":  "the code and the link of the last message to an address",
	"POST deny":               `{"error": "access_denied", "description": "no"}: the next login ends with the error; an empty error takes that back`,
	"POST fail":               `{"endpoint": "token", "status": 503}: every answer of the endpoint; status 0 ends it`,
	"POST delay":              `{"endpoint": "jwks", "milliseconds": 500}: before every answer of the endpoint; 0 ends it`,
	"POST rotate-keys":        `{"revoke": false}: sign with the next key; revoke removes the old ones from the JWKS`,
	"POST token-lifetime":     `{"seconds": 60}: of new ID tokens, and of new access tokens for the API; 0 ends it`,
	"POST login":              `{"email": "ada@acme.example"}: logins end at once as this user, without pages; an empty email ends it`,
	"POST backchannel-logout": `{"email": "ada@acme.example"}: end the user's sessions at the tenant, and post logout tokens to /auth/backchannel-logout`,
	"POST reset":              `{}: end all of these, and all sessions at the tenant`,
}

func (c *controls) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if status, err := c.refuse(r); err != nil {
		answer(w, status, map[string]string{"error": err.Error()})
		return
	}
	http.StripPrefix(strings.TrimSuffix(c.path, "/"), c.mux).ServeHTTP(w, r)
}

// refuse returns an error for requests of web pages and for requests without the secret
// path.
func (c *controls) refuse(r *http.Request) (int, error) {
	switch {
	case len(r.Header.Values("Origin")) > 0:
		return http.StatusForbidden, errors.New("a page cannot use the controls; call them from a program, without Origin")
	case !slices.Contains([]string{"", "none"}, strings.Join(r.Header.Values("Sec-Fetch-Site"), ",")):
		return http.StatusForbidden, errors.New("a page cannot use the controls; call them from a program, without Sec-Fetch-Site")
	case subtle.ConstantTimeCompare([]byte(r.URL.Path[:min(len(r.URL.Path), len(c.path))]), []byte(c.path)) != 1:
		return http.StatusNotFound, errors.New("there are no controls at this path; take the URL that the tenant has printed")
	case r.Method == http.MethodPost && !isJSON(r):
		// The other types of forms need no preflight (Fetch Standard, CORS-safelisted
		// request-header).
		return http.StatusUnsupportedMediaType, errors.New("send JSON with Content-Type: application/json")
	}
	return 0, nil
}

func isJSON(r *http.Request) bool {
	values := r.Header.Values("Content-Type")
	if len(values) != 1 {
		return false
	}
	kind, _, err := mime.ParseMediaType(values[0])
	return err == nil && kind == "application/json"
}

// answer writes JSON.
func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value)
}

// control reads the JSON of a request and answers with the result.
func control[T any](do func(T) (map[string]any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in T
		if err := decode(http.MaxBytesReader(w, r.Body, maxControlBody), &in); err != nil {
			status := http.StatusBadRequest
			if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
				status = http.StatusRequestEntityTooLarge
			}
			answer(w, status, map[string]string{"error": err.Error()})
			return
		}
		out, err := do(in)
		if err != nil {
			answer(w, http.StatusBadRequest, map[string]string{"error": strings.TrimPrefix(err.Error(), "tenant: ")})
			return
		}
		if out == nil {
			out = map[string]any{}
		}
		answer(w, http.StatusOK, out)
	}
}

func (c *controls) state(w http.ResponseWriter, r *http.Request) {
	calls := map[emulator.Endpoint]int{}
	for _, e := range endpoints {
		calls[e] = c.tenant.Calls(e)
	}
	answer(w, http.StatusOK, map[string]any{"issuer": c.tenant.Issuer(), "controls": usage, "requests": calls})
}

func (c *controls) mail(w http.ResponseWriter, r *http.Request) {
	code, link := c.tenant.Mail(r.URL.Query().Get("address"))
	if code == "" && link == "" {
		answer(w, http.StatusNotFound, map[string]string{"error": "no message went to this address"})
		return
	}
	answer(w, http.StatusOK, map[string]string{"code": code, "link": link})
}

func (c *controls) deny(in struct{ Error, Description string }) (map[string]any, error) {
	c.tenant.DenyNext(in.Error, in.Description)
	return nil, nil
}

func (c *controls) fail(in struct {
	Endpoint emulator.Endpoint
	Status   int
}) (map[string]any, error) {
	if in.Status != 0 && (in.Status < 400 || in.Status > 599) {
		return nil, fmt.Errorf("status %d is not one of an error; want 400 to 599, or 0", in.Status)
	}
	if err := known(in.Endpoint); err != nil {
		return nil, err
	}
	c.tenant.Fail(in.Endpoint, in.Status)
	return nil, nil
}

func (c *controls) delay(in struct {
	Endpoint     emulator.Endpoint
	Milliseconds int64
}) (map[string]any, error) {
	if in.Milliseconds < 0 || in.Milliseconds > maxDelay.Milliseconds() {
		return nil, fmt.Errorf("milliseconds: want 0 to %d", maxDelay.Milliseconds())
	}
	if err := known(in.Endpoint); err != nil {
		return nil, err
	}
	c.tenant.Delay(in.Endpoint, time.Duration(in.Milliseconds)*time.Millisecond)
	return nil, nil
}

func known(e emulator.Endpoint) error {
	if slices.Contains(endpoints, e) {
		return nil
	}
	return fmt.Errorf("there is no endpoint %.100q; the endpoints are %v", e, endpoints)
}

func (c *controls) rotateKeys(in struct{ Revoke bool }) (map[string]any, error) {
	c.tenant.RotateKeys()
	if in.Revoke {
		c.tenant.RevokeOldKeys()
	}
	return map[string]any{"kid": c.tenant.KeyID()}, nil
}

const maxLifetime = 30 * 24 * time.Hour

func (c *controls) tokenLifetime(in struct{ Seconds int64 }) (map[string]any, error) {
	if in.Seconds < 0 || in.Seconds > int64(maxLifetime/time.Second) {
		return nil, fmt.Errorf("seconds: want 0 to %d", int64(maxLifetime/time.Second))
	}
	return nil, c.setLifetime(time.Duration(in.Seconds) * time.Second)
}

// setLifetime sets the lifetime of new tokens. Zero means that of Auth0.
func (c *controls) setLifetime(lifetime time.Duration) error {
	if lifetime == 0 {
		c.tenant.EditIDToken(nil)
	} else {
		c.tenant.EditIDToken(func(_, claims map[string]any) { claims["exp"] = time.Now().Add(lifetime).Unix() })
	}
	return c.tenant.EditAPI(c.audience, func(a *emulator.API) { a.Lifetime = lifetime })
}

func (c *controls) login(in struct{ Email string }) (map[string]any, error) {
	return nil, c.tenant.LogIn(in.Email)
}

func (c *controls) backchannelLogout(in struct{ Email string }) (map[string]any, error) {
	// A redirect of the application would take the logout token elsewhere.
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return nil, c.tenant.BackchannelLogout(client, c.client, in.Email)
}

func (c *controls) reset(struct{}) (map[string]any, error) {
	c.tenant.DenyNext("", "")
	c.tenant.LogOut()
	for _, e := range endpoints {
		c.tenant.Fail(e, 0)
		c.tenant.Delay(e, 0)
	}
	return nil, c.setLifetime(0)
}
