package auth0

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
)

// Handler serves the routes of the strategy, and 404 for all other paths. It is
// meant for a prefix: mux.Handle("/auth/", strategy.Handler()). It looks at the
// path that this process sees; the path of [Config].BaseURL is only added to
// what is sent to browsers.
//
// A mux that has a pattern such as "GET /" takes "/auth/" for a conflict. Use
// [Strategy.Register] there.
func (s *Strategy) Handler() http.Handler {
	routes := map[string]http.Handler{
		s.config.LoginPath:    s.LoginHandler(),
		s.config.CallbackPath: s.CallbackHandler(),
		s.config.LogoutPath:   s.LogoutHandler(),
	}
	if s.canRevoke() {
		routes[s.config.BackchannelLogoutPath] = s.BackchannelLogoutHandler()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := routes[r.URL.Path]; h != nil {
			h.ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	})
}

// Register registers the routes of the strategy on mux, each with its methods.
func (s *Strategy) Register(mux *http.ServeMux) {
	mux.Handle("GET "+s.config.LoginPath, s.LoginHandler())
	mux.Handle("POST "+s.config.LoginPath, s.LoginHandler())
	mux.Handle(s.callbackMethod()+" "+s.config.CallbackPath, s.CallbackHandler())
	mux.Handle("GET "+s.config.LogoutPath, s.LogoutHandler())
	mux.Handle("POST "+s.config.LogoutPath, s.LogoutHandler())
	if s.canRevoke() {
		mux.Handle("POST "+s.config.BackchannelLogoutPath, s.BackchannelLogoutHandler())
	}
}

// canRevoke reports whether there is somewhere to note that a session has ended.
func (s *Strategy) canRevoke() bool { return s.sessions != nil && s.sessions.CanRevoke() }

// LoginHandler sends the browser to the tenant to log in. Options given here
// hold for every request; of the query, or of a form that is posted, it takes
//
//	returnTo       where to go after the login
//	connection     as WithConnection, if it is one of the application
//	login_hint, screen_hint, prompt, ui_locales
//	organization, invitation       if Config.AcceptOrganizationLinks is set
//	what Config.ForwardParams lists
//
// and ignores the rest: a link from anywhere must not choose the audience or
// the scopes of somebody's login. Who is logged in already is sent on without
// a detour, unless the request asks for something that only the tenant can do.
//
// A request that only prefetches is answered with 204 and begins nothing.
func (s *Strategy) LoginHandler(opts ...LoginOption) http.Handler {
	if _, err := s.pageRequest(opts); err != nil {
		s.log.Error("auth0: LoginHandler has unusable options and answers every request with an error", "err", err)
		return s.handler("login", func(http.ResponseWriter, *http.Request) error { return refusal.Misconfigured.Wrap(err) })
	}
	return s.handler("login", func(w http.ResponseWriter, r *http.Request) error { return s.login(w, r, opts) })
}

// CallbackHandler takes the tenant's answer, begins a session and sends the
// browser to where the login was to return to.
func (s *Strategy) CallbackHandler() http.Handler {
	return s.handler("callback", s.callback)
}

// LogoutHandler ends the session here and then at the tenant. It takes POST
// from the application's own pages and GET only as a navigation from there, so
// that no other site can log people out. If the request does not say where it comes
// from, the handler asks with a page, whose button logs out. The query of a link, or
// the form, may have returnTo, one of [Config].PostLogoutURLs.
//
// Ending the session here never depends on the tenant.
func (s *Strategy) LogoutHandler(opts ...LogoutOption) http.Handler {
	if _, err := newLogoutRequest(s.config.LogoutOptions, opts); err != nil {
		s.log.Error("auth0: LogoutHandler has unusable options and answers every request with an error", "err", err)
		return s.handler("logout", func(http.ResponseWriter, *http.Request) error { return refusal.Misconfigured.Wrap(err) })
	}
	return s.handler("logout", func(w http.ResponseWriter, r *http.Request) error { return s.logout(w, r, opts) })
}

func (s *Strategy) handler(op string, f func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := s.ready()
		if err == nil {
			r = s.withJar(r)
			err = f(w, r)
		}
		if err != nil {
			s.exit.fail(w, r, op, err)
		}
	})
}

// ready refuses to work for a Strategy that New has not made.
func (s *Strategy) ready() error {
	if s.sessions == nil {
		return refusal.Misconfigured.Because("this Strategy was not made by New")
	}
	return nil
}

// AuthCodeURL begins a login without HTTP: it returns the URL to send the
// browser to and the transaction to keep for that browser, encrypted, until
// [Strategy.Exchange] gets it back with the tenant's answer. It is meant for
// programs that do not use net/http.
func (s *Strategy) AuthCodeURL(ctx context.Context, opts ...LoginOption) (authURL, transaction string, err error) {
	a, err := s.loginRequest(opts)
	if err == nil {
		authURL, transaction, err = s.beginSealed(ctx, a)
	}
	if err != nil {
		return "", "", asError("login", err)
	}
	return authURL, transaction, nil
}

// beginSealed begins a login that something else than [Strategy.CallbackHandler]
// completes.
func (s *Strategy) beginSealed(ctx context.Context, a *authRequest) (authURL, transaction string, err error) {
	if err := s.ready(); err != nil {
		return "", "", err
	}
	if a.popup != nil {
		return "", "", refusal.LoginOption.Because("WithPopup is for LoginHandler: its answer is a page of CallbackHandler")
	}
	authURL, t, err := s.begin(ctx, s.sites.List[0], a)
	if err != nil {
		return "", "", err
	}
	transaction, err = s.transactions.Seal(t, login.MaxSize)
	return authURL, transaction, err
}

// Exchange completes a login that [Strategy.AuthCodeURL] has begun. Answer is
// what the tenant has sent to the callback, as query or as form. The caller
// must forget the transaction, whatever the outcome: it is good for one answer.
func (s *Strategy) Exchange(ctx context.Context, transaction string, answer url.Values) (*Login, error) {
	l, err := s.exchangeSealed(ctx, transaction, answer)
	if err != nil {
		return nil, asError("callback", err)
	}
	return l, nil
}

func (s *Strategy) exchangeSealed(ctx context.Context, sealed string, values url.Values) (*Login, error) {
	t, a, err := s.openSealed(sealed, values, s.config.ResponseType)
	if err != nil {
		return nil, err
	}
	ep, err := s.endpoints(ctx)
	if err != nil {
		return nil, err
	}
	c, err := s.tokenClient(ctx, t, a)
	if err != nil {
		return nil, failedLogin(t, err)
	}
	l, err := s.complete(ctx, ep, c, t, a)
	if err != nil {
		return nil, failedLogin(t, err)
	}
	return l, nil
}

// openSealed finds out which login an answer belongs to.
func (s *Strategy) openSealed(sealed string, values url.Values, types ...string) (*login.Transaction, login.Answer, error) {
	if err := s.ready(); err != nil {
		return nil, login.Answer{}, err
	}
	a, err := login.ParseAnswer(values)
	if err != nil {
		return nil, login.Answer{}, err
	}
	t, err := s.transactions.Open(sealed, a.State, types...)
	return t, a, err
}

// A Login is a login that was completed and verified.
type Login struct {
	User User
	// ReturnTo is where the browser goes next. AfterLogin may change it.
	ReturnTo string
	// AppState is what WithAppState was given, nil without it.
	AppState json.RawMessage
	// Data begins as the data of the session of the same user that is replaced,
	// if there is one. AfterLogin may change it; see [Session].
	Data map[string]string

	identity secret.Box[idtoken.Identity]
	token    secret.Box[*oauth2.Token]
	scope    string // that was asked for
	audience string
	recovery secret.Text
	replaces string   // id of the session that the browser had when the login began
	cookies  []string // names of that session's cookies
	// continued is of a refresh that needed a second factor.
	continued secret.Box[provider.TokenResponse]
}

// Token returns the access token and, if there is one, the refresh token. With
// the response type id_token there is neither, and Token returns nil.
func (l *Login) Token() *oauth2.Token {
	if l.token.IsEmpty() {
		return nil // somebody else has made it, for a test of AfterLogin say
	}
	return l.token.Reveal()
}

// Format hides the tokens from every verb of package fmt.
func (l *Login) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "auth0.Login(%q)", l.User.Subject)
}

// login is the Authentication Request of OpenID Connect Core 1.0, Section
// 3.1.2.1, with PKCE (RFC 7636).
func (s *Strategy) login(w http.ResponseWriter, r *http.Request, opts []LoginOption) error {
	if !slices.Contains([]string{http.MethodGet, http.MethodPost, http.MethodHead}, r.Method) {
		w.Header().Set("Allow", "GET, POST")
		return refusal.Method.New()
	}
	// A login that nobody asked for would push out the cookie of one that
	// somebody did.
	if r.Method == http.MethodHead || browser.Prefetches(r) {
		browser.NoContent(w)
		return nil
	}
	site, err := s.siteOf(r)
	if err != nil {
		return err
	}
	values, err := browser.Values(w, r)
	if err != nil {
		return refusal.LoginOption.Wrap(err)
	}
	a, err := s.pageRequest(s.forwarded(values), opts)
	if err != nil {
		return err
	}
	if target, ok := s.alreadyThere(r, site, a, opts); ok {
		browser.Redirect(w, target, http.StatusSeeOther)
		return nil
	}
	authURL, t, err := s.begin(r.Context(), site, a)
	if err != nil {
		return err
	}
	if err := s.keepTransaction(w, r, t); err != nil {
		return err
	}
	// 303, so that a POST is not sent on to the tenant with its body.
	status := http.StatusSeeOther
	if r.Method == http.MethodGet {
		status = http.StatusFound
	}
	browser.Redirect(w, authURL, status)
	return nil
}

// loginRequest applies the options of one login over those of every login.
func (s *Strategy) loginRequest(layers ...[]LoginOption) (*authRequest, error) {
	a, err := newAuthRequest(s.config.LoginOptions, slices.Concat(layers...))
	if err != nil {
		return nil, refusal.LoginOption.Wrap(err)
	}
	return a, nil
}

// pageRequest is loginRequest for a login that ends at the callback.
func (s *Strategy) pageRequest(layers ...[]LoginOption) (*authRequest, error) {
	a, err := s.loginRequest(layers...)
	if err != nil {
		return nil, err
	}
	if a.popup != nil && slices.Contains(a.popup.Tokens, "access_token") && !strings.Contains(s.config.ResponseType, "code") {
		return nil, refusal.LoginOption.Because("WithPopup hands on an access token, which the response type %q has not", s.config.ResponseType)
	}
	return a, nil
}

// forwarded reads the parameters of the login route. What is not usable is
// left out: a person who follows a bad link still gets to log in.
func (s *Strategy) forwarded(query url.Values) []LoginOption {
	var opts []LoginOption
	take := func(name string, option func(string) LoginOption) {
		value := query.Get(name)
		if value == "" {
			return
		}
		o := option(value)
		if _, err := newAuthRequest([]LoginOption{o}); err != nil {
			s.log.Debug("auth0: login: parameter ignored", "name", name, "err", err)
			return
		}
		opts = append(opts, o)
	}
	take("returnTo", WithReturnTo)
	take("login_hint", WithLoginHint)
	take("prompt", WithPrompt)
	take("ui_locales", WithUILocales)
	if hint := query.Get("screen_hint"); hint == "signup" || hint == "login" {
		take("screen_hint", WithScreenHint)
	}
	organization, invitation := query.Get("organization"), query.Get("invitation")
	if !s.config.AcceptOrganizationLinks || s.organization != "" && organization != s.organization {
		organization, invitation = "", "" // every login is to one that a link cannot change
	}
	switch {
	case invitation != "":
		// Without its organization this is an error, which is told: the link in
		// an e-mail was cut, and without the invitation the login would fail in
		// a way that nobody understands.
		opts = append(opts, WithInvitation(invitation, organization))
	case organization != "":
		take("organization", WithOrganization)
	}
	if name := query.Get("connection"); s.connections.CouldBe(name, cmp.Or(organization, s.organization)) {
		take("connection", WithConnection)
	} else if name != "" {
		s.log.Debug("auth0: login: connection ignored, it is not one of the application", "name", name)
	}
	for _, name := range s.config.ForwardParams {
		take(name, func(value string) LoginOption { return WithParam(name, value) })
	}
	return opts
}

// alreadyThere reports whether the request can be sent on at once: somebody is
// logged in, and nothing is asked for that only the tenant can do.
func (s *Strategy) alreadyThere(r *http.Request, site browser.Base, a *authRequest, opts []LoginOption) (target string, ok bool) {
	session, err := s.Session(r)
	if err != nil || len(opts) > 0 || a.invitation || a.maxAge != nil || a.requiredACR != nil || a.appState != nil || a.popup != nil {
		return "", false
	}
	if o := a.organization; o != "" && o != session.User.OrgID && !strings.EqualFold(o, session.User.OrgName) {
		return "", false
	}
	for name := range a.params {
		if !slices.Contains([]string{"audience", "organization", "screen_hint", "ui_locales"}, name) {
			return "", false
		}
	}
	return s.cleanReturnTo(site, a.returnTo), true
}

// begin makes a transaction and the URL that goes with it.
func (s *Strategy) begin(ctx context.Context, site browser.Base, a *authRequest) (string, *login.Transaction, error) {
	ep, err := s.endpoints(ctx)
	if err != nil {
		return "", nil, err
	}
	query, t := s.authenticationRequest(site, a)
	authURL, err := s.authorizeURL(ctx, ep, query)
	if err != nil {
		return "", nil, err
	}
	return authURL, t, nil
}

// authenticationRequest returns the parameters of OpenID Connect Core 1.0, Section
// 3.1.2.1, and the transaction that will know the answer.
func (s *Strategy) authenticationRequest(site browser.Base, a *authRequest) (url.Values, *login.Transaction) {
	if a.invitation {
		a.returnTo = "" // whoever joins begins at the beginning
	}
	t := &login.Transaction{
		Version:      login.Version,
		ResponseType: cmp.Or(a.responseType, s.config.ResponseType),
		State:        secret.Random(),
		Nonce:        secret.Random(),
		Verifier:     oauth2.GenerateVerifier(),
		IssuedAt:     s.now().Unix(),
		Base:         s.namespace.Issuer,
		ClientID:     s.config.ClientID,
		RedirectURI:  site.URL(cmp.Or(a.callbackPath, s.config.CallbackPath)),
		ReturnTo:     s.cleanReturnTo(site, a.returnTo),
		MaxAge:       a.maxAge,
		RequiredACR:  a.requiredACR,
		Organization: a.organization,
		Audience:     a.params.Get("audience"),
		Scope:        strings.Join(scopesOf(a, s.config.Scopes), " "),
		Silent:       a.silent,
		AppState:     a.appState,
		Popup:        a.popup,
	}
	query := url.Values{
		"response_type": {t.ResponseType},
		"client_id":     {t.ClientID},
		"redirect_uri":  {t.RedirectURI},
		"scope":         {t.Scope},
		"state":         {t.State},
		"nonce":         {t.Nonce},
	}
	if t.HasCode() {
		query.Set("code_challenge", oauth2.S256ChallengeFromVerifier(t.Verifier))
		query.Set("code_challenge_method", "S256")
	}
	// The fragment is what the types of the implicit grant have by default.
	if a.responseType == "" && s.config.ResponseMode != "query" {
		query.Set("response_mode", s.config.ResponseMode)
	}
	maps.Copy(query, a.params)
	return query, t
}

// authorizeURL is where the browser goes with a request.
func (s *Strategy) authorizeURL(ctx context.Context, ep discovery.Metadata, query url.Values) (string, error) {
	if s.config.PushedAuthorizationRequests {
		requestURI, err := s.push(ctx, query)
		if err != nil {
			return "", err
		}
		query = url.Values{"client_id": query["client_id"], "request_uri": {requestURI}} // RFC 9126, Section 4
	}
	separator := "?"
	if strings.Contains(ep.AuthorizationEndpoint, "?") {
		separator = "&"
	}
	return ep.AuthorizationEndpoint + separator + query.Encode(), nil
}

func scopesOf(a *authRequest, byDefault []string) []string {
	if a.scopes != nil {
		return a.scopes
	}
	return byDefault
}

// oauth2 returns the configuration of package oauth2 for one transaction. It
// is made here and given to nobody: its own methods know neither nonce nor
// verifier.
func (s *Strategy) oauth2(ep discovery.Metadata, t *login.Transaction) *oauth2.Config {
	return &oauth2.Config{
		ClientID:    s.config.ClientID,
		RedirectURL: t.RedirectURI,
		Scopes:      []string{t.Scope},
		Endpoint: oauth2.Endpoint{
			AuthURL:  ep.AuthorizationEndpoint,
			TokenURL: ep.TokenEndpoint,
			// Said explicitly, because package oauth2 would try both styles and
			// spend the code on the first.
			AuthStyle: oauth2.AuthStyleInParams,
		},
	}
}

// cleanReturnTo returns a target that is safe to send a browser to.
func (s *Strategy) cleanReturnTo(site browser.Base, target string) string {
	if clean, ok := s.returnTo.Clean(site.Origin, target); ok {
		return clean
	}
	if target != "" {
		s.log.Debug("auth0: return URL refused", "reason", "return_to_refused")
	}
	return site.Path + s.config.DefaultReturnTo
}

// callback is the Authorization Code Flow from the redirect back to us onwards:
// OpenID Connect Core 1.0, Sections 3.1.2.5 to 3.1.3.8; or, with an ID token in
// the answer itself, Sections 3.2.2.5 to 3.2.2.11 and 3.3.2.5 to 3.3.3.7. Each
// step consumes what the one before has returned.
func (s *Strategy) callback(w http.ResponseWriter, r *http.Request) error {
	a, err := s.receiveAnswer(w, r)
	if err != nil {
		return err
	}
	t, err := s.findTransaction(r, a.State, s.config.ResponseType)
	if err != nil {
		return s.withoutTransaction(w, r, a, err)
	}
	// Without the provider's metadata, or credentials of our own, nothing has been
	// used up yet: the transaction stays, and loading the page again can succeed.
	ep, err := s.endpoints(r.Context())
	if err != nil {
		return failedLogin(t, err)
	}
	c, err := s.tokenClient(r.Context(), t, a)
	if err != nil {
		return failedLogin(t, err)
	}
	s.transactions.Drop(w, s.jar(r), t) // single use, whatever comes of it
	l, err := s.complete(r.Context(), ep, c, t, a)
	if err == nil {
		err = s.enter(w, r, l)
	}
	switch {
	case t.Silent && isSilentRefusal(err):
		s.log.Info("auth0: a silent login was refused", "err", err)
		browser.Redirect(w, s.returnPath(t), http.StatusSeeOther)
	case t.Popup != nil:
		s.answerPopup(w, r, t, l, failedLogin(t, err))
	case err != nil:
		return failedLogin(t, err)
	default:
		browser.Redirect(w, l.ReturnTo, http.StatusSeeOther)
	}
	return nil
}

// enter begins the session of a login that was completed.
func (s *Strategy) enter(w http.ResponseWriter, r *http.Request, l *Login) error {
	if err := s.startSession(w, r, l); err != nil {
		return err
	}
	jar := s.jar(r)
	if err := s.expectSession(w, jar); err != nil {
		return err
	}
	s.forgetSilentLogin(w, jar)
	return nil
}

// complete turns the tenant's answer into a login. It is all of the callback
// that is not HTTP with the browser.
func (s *Strategy) complete(ctx context.Context, ep discovery.Metadata, c tokenClient, t *login.Transaction, a login.Answer) (*Login, error) {
	response, err := t.Response(ep, a, s.now())
	if err != nil {
		return nil, err
	}
	front, err := s.verifyFront(ctx, ep, t, response)
	if err != nil {
		return nil, err
	}
	got, err := s.redeem(ctx, ep, c, t, front)
	if err != nil {
		return nil, err
	}
	if err := s.checkOrganization(ctx, t, got.id); err != nil {
		return nil, err
	}
	return s.newLogin(t, got), nil
}

// newLogin is the last step of all that end in a login.
func (s *Strategy) newLogin(t *login.Transaction, p redeemed) *Login {
	return &Login{
		User:     newUser(p.id.Claims.Issuer, p.id.Claims.Subject, p.id.Kept(s.config.KeepClaim)),
		ReturnTo: s.returnPath(t),
		AppState: t.AppState,
		identity: secret.Of(p.id),
		token:    secret.Of(p.token),
		scope:    t.Scope,
		audience: t.Audience,
		replaces: t.Session,
		cookies:  s.transactions.SessionCookies(t),
	}
}

// returnPath is the return URL of a transaction, or the default of its site if
// there was no room for it.
func (s *Strategy) returnPath(t *login.Transaction) string {
	if t.ReturnTo != "" {
		return t.ReturnTo
	}
	for _, site := range s.sites.List {
		if t.RedirectURI == site.URL(s.config.CallbackPath) {
			return site.Path + s.config.DefaultReturnTo
		}
	}
	return s.sites.List[0].Path + s.config.DefaultReturnTo
}

// withoutTransaction is for callbacks that belong to no login of this browser.
// With a session that is the back button, a reload, or a tab that was restored,
// and nothing is wrong. Otherwise a page says so: beginning anew by ourselves
// could go round in circles.
func (s *Strategy) withoutTransaction(w http.ResponseWriter, r *http.Request, a login.Answer, err error) error {
	site, siteErr := s.siteOf(r)
	if siteErr == nil && s.silent.Load() && slices.Contains(silentRefusals, a.ErrorCode) {
		// A browser without cookies, which was never asked whether it wants to
		// log in, must not see an error, and must not be sent round again.
		browser.Redirect(w, site.Path+s.config.DefaultReturnTo+"?"+silentMarker, http.StatusSeeOther)
		return nil
	}
	if _, sessionErr := s.Session(r); sessionErr != nil || siteErr != nil || !isRefused(err, refusal.NoTransaction) {
		return err
	}
	browser.Redirect(w, site.Path+s.config.DefaultReturnTo, http.StatusSeeOther)
	return nil
}

// redeemed is what a login has come to: who it is, and the tokens, if any.
type redeemed struct {
	id    idtoken.Identity
	token *oauth2.Token
}

// redeem gets the tokens that a code stands for. Without a code, the answer was
// all there is.
func (s *Strategy) redeem(ctx context.Context, ep discovery.Metadata, c tokenClient, t *login.Transaction, f front) (redeemed, error) {
	if !t.HasCode() {
		return redeemed{*f.id, f.accessToken}, nil
	}
	tokens, err := s.exchange(ctx, ep, c, t, f.code)
	if err != nil {
		return redeemed{}, err
	}
	id, err := s.verifyIDToken(ctx, ep, t, tokens)
	if err != nil {
		return redeemed{}, err
	}
	// Section 3.3.3.6: whom the browser has brought is who the code is of.
	if f.id != nil && (f.id.Claims.Issuer != id.Claims.Issuer || f.id.Claims.Subject != id.Claims.Subject) {
		return redeemed{}, idTokenFault(fault.Claim.Because("the two ID tokens of this login are of different people"))
	}
	return redeemed{id, tokens.Token}, nil
}

// loginURL is where a person begins again, for error pages.
func (s *Strategy) loginURL(r *http.Request, e *Error) string {
	site, err := s.siteOf(r)
	if err != nil {
		site = s.sites.List[0]
	}
	target := site.URL(s.config.LoginPath)
	if to := e.ReturnTo; to != "" && to != site.Path+s.config.DefaultReturnTo {
		target += "?returnTo=" + url.QueryEscape(to)
	}
	return target
}

func (s *Strategy) siteOf(r *http.Request) (browser.Base, error) {
	site, err := s.sites.Of(r)
	if err != nil {
		err = refusal.UnknownHost.Wrap(err)
	}
	return site, err
}

// checkOrigin refuses a request that may change something and that a page of
// another origin has caused.
func (s *Strategy) checkOrigin(r *http.Request) error {
	site, err := s.siteOf(r)
	if err != nil {
		return err
	}
	return browser.CheckOrigin(r, site)
}

func (s *Strategy) endpoints(ctx context.Context) (discovery.Metadata, error) {
	if err := s.ready(); err != nil {
		return discovery.Metadata{}, err
	}
	ep, err := s.namespace.Endpoints(ctx)
	if err != nil {
		return ep, refusal.TenantDown.Wrap(err)
	}
	if s.application.Auth.Method == provider.MutualTLS {
		// Without its alias no login can be completed. It is better to know
		// before somebody has typed a password, and before a code is used up.
		if _, _, err := s.application.Authenticate(ctx, provider.TokenEndpoint); err != nil {
			return ep, err
		}
	}
	return ep, nil
}

// verifyIDToken checks the ID token that came with the tokens for a code. The
// signature is checked here too, where item 6 of OpenID Connect Core 1.0, Section
// 3.1.3.7 would let us trust TLS.
func (s *Strategy) verifyIDToken(ctx context.Context, ep discovery.Metadata, t *login.Transaction, tok tokens) (idtoken.Identity, error) {
	id, err := s.idTokens.Verify(ctx, ep, tok.rawIDToken, keys.FromTenant, t.Expectation())
	if err == nil {
		err = idtoken.CheckHash(id, jwt.AccessTokenHash, tok.AccessToken) // Section 3.1.3.8
	}
	if err != nil {
		return idtoken.Identity{}, asIDTokenError(err)
	}
	return id, nil
}

// checkOrganization: a login to an organization must be one to that
// organization. Its id is compared exactly, its name as Auth0 keeps it, in
// lower case.
func (s *Strategy) checkOrganization(ctx context.Context, t *login.Transaction, id idtoken.Identity) error {
	c := id.Claims
	switch asked := t.Organization; {
	case asked == "":
	case strings.HasPrefix(asked, "org_"):
		if c.OrgID != asked {
			return idTokenFault(fault.Organization.Because("org_id is %.100q, the login was to %q", c.OrgID, asked))
		}
	case !c.Has(jwt.OrgName) || !strings.EqualFold(c.OrgName, asked):
		return idTokenFault(fault.Organization.Because("org_name is %.100q, the login was to %q; the tenant must allow organization names", c.OrgName, asked))
	}
	if s.config.CheckOrganization == nil {
		return nil
	}
	if c.OrgID == "" {
		return idTokenFault(fault.Organization.Because("Config.CheckOrganization is set, and the ID token has no org_id"))
	}
	if err := s.config.CheckOrganization(ctx, c.OrgID); err != nil {
		return hookError(err, refusal.AfterLogin, outageError)
	}
	return nil
}

// keepTransaction hands a transaction to the browser. It notes the session that the
// browser has, which the login ends.
func (s *Strategy) keepTransaction(w http.ResponseWriter, r *http.Request, t *login.Transaction) error {
	jar := s.jar(r)
	if record, err := s.recordOf(r); err == nil {
		t.Session, t.Parts = record.ID, len(s.cookies.Session.Names(jar))
	}
	return s.transactions.Keep(w, jar, t)
}

// findTransaction returns the transaction of a callback.
func (s *Strategy) findTransaction(r *http.Request, state, responseType string) (*login.Transaction, error) {
	t, err := s.transactions.Find(s.jar(r), state, responseType)
	if err != nil {
		return nil, err
	}
	if site, err := s.siteOf(r); err != nil {
		return nil, err
	} else if len(s.sites.List) > 1 && !strings.HasPrefix(t.RedirectURI, site.Origin+"/") {
		return nil, refusal.NoTransaction.Because("the login was begun on another host")
	}
	return t, nil
}

// failedLogin adds to an error what it interrupted.
func failedLogin(t *login.Transaction, err error) error {
	if err == nil {
		return nil
	}
	e := asError("callback", err)
	e.ReturnTo, e.AppState = t.ReturnTo, t.AppState
	return e
}

func (s *Strategy) callbackMethod() string {
	if s.config.ResponseMode == "form_post" {
		return http.MethodPost
	}
	return http.MethodGet
}

// receiveAnswer takes the parameters from where the response mode puts them,
// and from nowhere else.
func (s *Strategy) receiveAnswer(w http.ResponseWriter, r *http.Request) (login.Answer, error) {
	if r.Method != s.callbackMethod() {
		w.Header().Set("Allow", s.callbackMethod())
		return login.Answer{}, refusal.Method.New()
	}
	if r.Method == http.MethodGet {
		return login.ParseAnswer(r.URL.Query())
	}
	form, err := browser.Form(w, r)
	if err != nil {
		return login.Answer{}, refusal.Parameters.Wrap(err)
	}
	return login.ParseAnswer(form)
}

// verifyFront checks an ID token that came through the browser, and by it what
// came beside it. There the hashes must be: code and access token have no other
// seal (OpenID Connect Core 1.0, Sections 3.2.2.10 and 3.3.2.11).
func (s *Strategy) verifyFront(ctx context.Context, ep discovery.Metadata, t *login.Transaction, got login.Response) (front, error) {
	f := front{code: got.Code, accessToken: got.AccessToken}
	if !t.HasIDToken() {
		return f, nil
	}
	id, err := s.idTokens.Verify(ctx, ep, got.IDToken, keys.FromAnybody, t.Expectation())
	if err == nil && t.HasCode() {
		err = idtoken.RequireHash(id, jwt.CodeHash, string(got.Code))
	}
	if err == nil && t.HasAccessToken() {
		err = idtoken.RequireHash(id, jwt.AccessTokenHash, got.AccessToken.AccessToken)
	}
	if err != nil {
		return front{}, asIDTokenError(err)
	}
	f.id = &id
	return f, nil
}

// A front is what an answer brings once its ID token, if it has one, is verified.
// Only from here does a code go on.
type front struct {
	code        login.Code
	id          *idtoken.Identity // nil if the response type has no ID token
	accessToken *oauth2.Token
}
