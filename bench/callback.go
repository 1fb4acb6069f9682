package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-15d5a55c/auth0"
)

// This file measures the callback of a login. The tenant is a map in this process, so the
// figures contain neither a network nor a server.

const (
	tableCallback = "The callback of a login, without a network, RS256"

	cryptographyAlone = "its cryptography alone"
	oursAtCallback    = "this library"
	byHand            = "oauth2, go-oidc and securecookie"

	clientID     = "9aXkT2mWq7RzB4vLcN8sYhE1dPfJu6Go"
	clientSecret = "a client secret that is as long as those of Auth0 are, 64 chars."
	userEmail    = "ada@acme.example"
	appURL       = "https://app.acme.example"
)

// A relying party is a program with login and callback whose tenant is in memory.
type relyingParty struct {
	routes http.Handler
	tenant *memoryTenant
	// who reads the session of a request.
	who func(*http.Request) (view, error)
}

// newRelyingParty makes a relying party with this library.
func newRelyingParty(t *memoryTenant, edit func(*auth0.Config)) (*relyingParty, error) {
	config := auth0.Config{
		Domain:   strings.Trim(strings.TrimPrefix(issuer, "https:"), "/"),
		ClientID: clientID, ClientSecret: clientSecret,
		Secrets:    []string{rand.Text() + rand.Text()},
		BaseURL:    appURL,
		Scopes:     []string{"openid", "profile", "email", "offline_access"},
		HTTPClient: &http.Client{Transport: t},
		Logger:     slog.New(slog.DiscardHandler),
		AfterLogin: func(_ context.Context, l *auth0.Login) error {
			l.Data["theme"], l.Data["basket"] = theme, basket
			return nil
		},
	}
	if edit != nil {
		edit(&config)
	}
	strategy, err := auth0.New(config)
	if err != nil {
		return nil, err
	}
	return &relyingParty{strategy.Handler(), t, func(r *http.Request) (view, error) {
		s, err := strategy.Session(r)
		if err != nil {
			return view{}, err
		}
		return view{s.User.Subject, s.User.Email, s.Data["theme"]}, nil
	}}, nil
}

// An arrival is a browser that returns from the tenant, once.
type arrival struct {
	request *http.Request
	subject string
	state   string
	hash    [sha256.Size]byte // of the state, which names the cookie of the login
	idToken *token
	opaque  int // bytes of the login's cookie, before its text encoding
}

// arrive begins a login and has the tenant answer it.
func (p *relyingParty) arrive(ctx context.Context, user int) (*arrival, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, appURL+"/auth/login", nil)
	if err != nil {
		return nil, err
	}
	r.RequestURI = "/auth/login"
	w := httptest.NewRecorder()
	p.routes.ServeHTTP(w, r)
	to, err := url.Parse(w.Header().Get("Location"))
	if err != nil || w.Code != http.StatusFound && w.Code != http.StatusSeeOther {
		return nil, fmt.Errorf("the login route answers %d: %s", w.Code, w.Body)
	}
	query := to.Query()
	a := &arrival{subject: fmt.Sprintf("auth0|%024x", user), state: query.Get("state")}
	a.hash = sha256.Sum256([]byte(a.state))
	var code string
	if code, a.idToken, err = p.tenant.grant(a.subject, query.Get("nonce")); err != nil {
		return nil, err
	}
	cookies := w.Result().Cookies()
	for _, c := range cookies {
		a.opaque = max(a.opaque, base64.RawURLEncoding.DecodedLen(len(c.Value)-len("v1.")))
	}
	uri := "/auth/callback?" + url.Values{"code": {code}, "state": {a.state}}.Encode()
	if a.request, err = http.NewRequestWithContext(ctx, http.MethodGet, appURL+uri, nil); err != nil {
		return nil, err
	}
	a.request.RequestURI = uri
	a.request.Header.Set("Cookie", cookieHeader(cookies))
	return a, nil
}

// finish is the callback. It returns the cookies that the response sets.
func (p *relyingParty) finish(a *arrival) (*statusWriter, error) {
	w := &statusWriter{headerWriter: *newHeaderWriter()}
	p.routes.ServeHTTP(w, a.request)
	if w.status != http.StatusSeeOther {
		return nil, fmt.Errorf("the callback answers %d", w.status)
	}
	return w, nil
}

func (p *relyingParty) answer(a *arrival) error {
	_, err := p.finish(a)
	return err
}

// login is both halves. It returns the cookies of the session.
func (p *relyingParty) login(ctx context.Context, user int) (*arrival, []*http.Cookie, error) {
	a, err := p.arrive(ctx, user)
	if err != nil {
		return nil, nil, err
	}
	w, err := p.finish(a)
	if err != nil {
		return nil, nil, err
	}
	var kept []*http.Cookie
	for _, c := range (&http.Response{Header: w.header}).Cookies() {
		if c.MaxAge > 60 { // others end a login, or count its tries for a minute
			kept = append(kept, c)
		}
	}
	return a, kept, nil
}

// A statusWriter is a headerWriter that keeps the status.
type statusWriter struct {
	headerWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) { w.status = status }

// A memoryTenant answers the requests of a client without a server.
type memoryTenant struct {
	key         *signingKey
	jwks        []byte
	accessToken string
	sign        func(claims map[string]any) (*token, error)

	mu      sync.Mutex
	granted map[string][]byte // token responses by code
}

func newMemoryTenant(key *signingKey) (*memoryTenant, error) {
	jwk, err := key.jwk()
	if err != nil {
		return nil, err
	}
	access, err := mint(key, 0, nil)
	if err != nil {
		return nil, err
	}
	jwks, err := json.Marshal(map[string]any{"keys": []any{jwk}})
	return &memoryTenant{
		key: key, jwks: jwks, accessToken: access.raw, granted: map[string][]byte{},
		sign: func(claims map[string]any) (*token, error) { return signClaims(key.alg, key.id, claims, key.sign) },
	}, err
}

// grant prepares the token response for a code. Its ID token has the nonce of the login,
// and as many claims of the user as the ID token of the other tables of sessions.
func (t *memoryTenant) grant(subject, nonce string) (code string, idToken *token, err error) {
	now := time.Now()
	idToken, err = t.sign(map[string]any{
		"iss": issuer, "sub": subject, "aud": clientID, "iat": now.Unix(), "exp": now.Add(10 * time.Hour).Unix(),
		"nonce": nonce, "sid": rand.Text(),
		"name": "Ada Lovelace", "nickname": "ada", "email": userEmail, "email_verified": true,
		"picture": "https://acme.example/ada.png", "updated_at": "2026-01-02T03:04:05.000Z",
		"https://acme.example/roles": []string{
			"editor", "reviewer", "billing-admin", "release-manager", "auditor", "support-agent", "translator", "moderator",
			"project:apollo:owner", "project:gemini:member", "project:mercury:member", "project:skylab:guest",
		},
		"https://acme.example/department": "Research and Development",
	})
	if err != nil {
		return "", nil, err
	}
	body, err := json.Marshal(map[string]any{
		"access_token": t.accessToken, "refresh_token": rand.Text(), "id_token": idToken.raw,
		"token_type": "Bearer", "expires_in": 86400, "scope": "openid profile email offline_access",
	})
	code = rand.Text()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.granted[code] = body
	return code, idToken, err
}

// RoundTrip is the tenant. A code is valid once.
func (t *memoryTenant) RoundTrip(r *http.Request) (*http.Response, error) {
	switch r.URL.Path {
	case jwksPath:
		return memoryResponse(r, http.StatusOK, t.jwks), nil
	case "/.well-known/openid-configuration":
		body, err := json.Marshal(discoveryOf(t.key.alg))
		return memoryResponse(r, http.StatusOK, body), err
	case "/oauth/token":
		sent, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		_, after, _ := bytes.Cut(sent, []byte("code="))
		code, _, _ := bytes.Cut(after, []byte("&"))
		if body, ok := t.redeem(string(code)); ok {
			return memoryResponse(r, http.StatusOK, body), nil
		}
		return memoryResponse(r, http.StatusForbidden, []byte(`{"error":"invalid_grant"}`)), nil
	}
	return memoryResponse(r, http.StatusNotFound, nil), nil
}

func (t *memoryTenant) redeem(code string) ([]byte, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	body, ok := t.granted[code]
	delete(t.granted, code)
	return body, ok
}

func memoryResponse(r *http.Request, status int, body []byte) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)),
	}
}

// A callbackField is this library, a program without it, and the cryptography that this
// library cannot avoid.
type callbackField struct {
	party   *relyingParty
	byHand  *relyingParty
	users   atomic.Int64
	alone   *cryptography
	session int // bytes of the session before encryption
}

func newCallbackField(ctx context.Context, key *signingKey) (*callbackField, error) {
	tenant, err := newMemoryTenant(key)
	if err != nil {
		return nil, err
	}
	f := &callbackField{}
	if f.party, err = newRelyingParty(tenant, nil); err != nil {
		return nil, err
	}
	cookies, err := checkLogin(ctx, f.party)
	if err != nil {
		return nil, err
	}
	if f.byHand, err = newPartyByHand(ctx, tenant); err != nil {
		return nil, err
	}
	if _, err := checkLogin(ctx, f.byHand); err != nil {
		return nil, fmt.Errorf("%s: %w", byHand, err)
	}
	if f.session, err = sealedSize(cookies); err != nil {
		return nil, err
	}
	if f.session < 1900 || f.session > 2200 {
		return nil, fmt.Errorf("the session has %d bytes, as much as in no other table", f.session)
	}
	public, ok := key.private.Public().(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("the key is not an RSA key")
	}
	f.alone = newCryptography(public, f.session)
	return f, nil
}

// checkLogin shows that a callback logs in the user whom the tenant names. It logs in no
// user for an ID token of another login, for a forged one, or in another browser.
func checkLogin(ctx context.Context, p *relyingParty) ([]*http.Cookie, error) {
	a, cookies, err := p.login(ctx, 1)
	if err != nil {
		return nil, err
	}
	r, err := request(ctx, cookies)
	if err != nil {
		return nil, err
	}
	got, err := p.who(r)
	if err != nil {
		return nil, err
	}
	if want := (view{a.subject, userEmail, theme}); got != want {
		return nil, fmt.Errorf("the session is %v, want %v", got, want)
	}
	stolen, err := p.arrive(ctx, 1)
	if err != nil {
		return nil, err
	}
	stolen.request.Header.Del("Cookie")
	if _, err := p.finish(stolen); err == nil {
		return nil, errors.New("the callback logs in a browser that has not begun the login")
	}
	sign := p.tenant.sign
	defer func() { p.tenant.sign = sign }()
	for name, bad := range map[string]func(map[string]any) (*token, error){
		"with another nonce": func(claims map[string]any) (*token, error) { claims["nonce"] = rand.Text(); return sign(claims) },
		"with another signature": func(claims map[string]any) (*token, error) {
			made, err := sign(claims)
			if err == nil {
				made.raw = made.raw[:len(made.raw)-8] + "AAAAAAAA"
			}
			return made, err
		},
	} {
		p.tenant.sign = bad
		if _, _, err := p.login(ctx, 2); err == nil {
			return nil, fmt.Errorf("the callback takes an ID token %s", name)
		}
	}
	return cookies, nil
}

// callbackContest prepares the logins of each round before the round is timed.
func callbackContest(ctx context.Context, f *callbackField) contest {
	return contest{
		table: tableCallback, column: "callback", goroutines: 1,
		names: []string{cryptographyAlone, oursAtCallback, byHand}, reference: cryptographyAlone, ratio: "x its cryptography",
		runners: func() []runner {
			return []runner{
				{cryptographyAlone, f.supply(ctx, f.party, f.alone.run)},
				{oursAtCallback, f.supply(ctx, f.party, f.party.answer)},
				{byHand, f.supply(ctx, f.byHand, f.byHand.answer)},
			}
		},
	}
}

// errSpent ends a measurement, because its prepared inputs are used.
var errSpent = errors.New("everything prepared is used")

// supply returns an operation on logins that it prepares, each used once.
func (f *callbackField) supply(ctx context.Context, p *relyingParty, finish func(*arrival) error) operation {
	const n = 128
	list, err := prepareAll(n, func(int) (*arrival, error) { return p.arrive(ctx, int(f.users.Add(1))) })
	next := 0
	return func() error {
		if err != nil {
			return err
		}
		if next == n {
			return errSpent
		}
		a := list[next]
		next++
		return finish(a)
	}
}

// prepareAll makes n values on all processors.
func prepareAll[T any](n int, prepare func(i int) (T, error)) ([]T, error) {
	list, errs := make([]T, n), make([]error, n)
	var begun atomic.Int64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := int(begun.Add(1)) - 1; i < n; i = int(begun.Add(1)) - 1 {
				list[i], errs[i] = prepare(i)
			}
		})
	}
	workers.Wait()
	return list, errors.Join(errs...)
}

// cryptography is the necessary computation of a callback, on as many bytes: it opens the
// cookie of the login, hashes the state, verifies the ID token, and seals the session.
// Each seal has its own key from HKDF.
type cryptography struct {
	public          *rsa.PublicKey
	secret, session []byte
	boxes           map[int][]byte // sealed, by the length of the plaintext
	mu              sync.Mutex
}

const saltSize = 16

func newCryptography(public *rsa.PublicKey, session int) *cryptography {
	return &cryptography{public: public, secret: []byte(rand.Text() + rand.Text()), session: make([]byte, session), boxes: map[int][]byte{}}
}

func (c *cryptography) run(a *arrival) error {
	box, err := c.box(a.opaque - saltSize - 16)
	if err != nil {
		return err
	}
	if _, err := c.open(box); err != nil {
		return err
	}
	if sha256.Sum256([]byte(a.state)) != a.hash {
		return errors.New("another state")
	}
	id := make([]byte, sha256.Size)
	rand.Read(id)
	sum := sha256.Sum256(a.idToken.signed)
	if err := rsa.VerifyPKCS1v15(c.public, crypto.SHA256, sum[:], a.idToken.signature); err != nil {
		return err
	}
	_, err = c.seal(c.session)
	return err
}

// box returns sealed bytes, the same for each length: they are opened and never changed.
func (c *cryptography) box(size int) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if box, ok := c.boxes[size]; ok {
		return box, nil
	}
	box, err := c.seal(make([]byte, size))
	c.boxes[size] = box
	return box, err
}

func (c *cryptography) seal(plain []byte) ([]byte, error) {
	salt := make([]byte, saltSize, saltSize+len(plain)+16)
	rand.Read(salt)
	aead, nonce, err := c.message(salt)
	if err != nil {
		return nil, err
	}
	return aead.Seal(salt, nonce, plain, nil), nil
}

func (c *cryptography) open(box []byte) ([]byte, error) {
	aead, nonce, err := c.message(box[:saltSize])
	if err != nil {
		return nil, err
	}
	return aead.Open(nil, nonce, box[saltSize:], nil)
}

func (c *cryptography) message(salt []byte) (cipher.AEAD, []byte, error) {
	okm, err := hkdf.Key(sha256.New, c.secret, salt, "cryptography alone", 32+12)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(okm[:32])
	if err != nil {
		return nil, nil, err
	}
	aead, err := cipher.NewGCM(block)
	return aead, okm[32:], err
}
