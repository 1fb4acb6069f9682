package emulator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// providers is the tenant as an OAuth 2.0 client of the providers of custom
// connections.
type providers struct {
	*site

	begun *bounded[upstreamLogin] // by state
}

// An upstreamLogin is a login, or an account that is being connected, which is
// at the provider of a connection.
type upstreamLogin struct {
	transaction string // id
	connecting  string // or the auth_session of an account
	connection  string
	verifier    string
}

// toUpstream returns the authorization request to the provider. More are
// parameters beside those of the connection.
func (ps *providers) toUpstream(c *Connection, login upstreamLogin, scope string, more map[string]any) (string, bool) {
	target, err := url.Parse(c.option("authorizationURL"))
	if err != nil || target.Host == "" {
		return "", false
	}
	state := randomID(43)
	query := target.Query()
	addParams(query, c.Options["authParams"])
	addParams(query, more)
	for name, value := range map[string]string{"response_type": "code", "client_id": c.option("client_id"),
		"redirect_uri": ps.upstreamRedirectURI(), "scope": scope, "state": state} {
		query.Set(name, value)
	}
	if c.Options["pkce_enabled"] == true {
		login.verifier = randomID(43)
		query.Set("code_challenge", challengeOf(login.verifier))
		query.Set("code_challenge_method", "S256")
	}
	ps.mu.Lock()
	ps.begun.put(state, login)
	ps.mu.Unlock()
	target.RawQuery = query.Encode()
	return target.String(), true
}

var badAuthorizationURL = oauthError{Code: "invalid_request", Description: "the connection has no usable authorizationURL"}

func addParams(query url.Values, params any) {
	object, _ := params.(map[string]any)
	for name, value := range object {
		query.Set(name, fmt.Sprint(value))
	}
}

// askUpstream redeems the code and fetches the profile of the user.
func (ps *providers) askUpstream(ctx context.Context, c *Connection, login upstreamLogin, code string) (upstreamTokenResponse, User, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {ps.upstreamRedirectURI()}}
	if login.verifier != "" {
		form.Set("code_verifier", login.verifier)
	}
	tokens, err := ps.upstreamTokens(ctx, c, form)
	if err != nil {
		return tokens, User{}, errors.New("failed to obtain access token")
	}
	profile, err := ps.upstreamProfile(ctx, c, tokens.AccessToken)
	if err != nil {
		return tokens, User{}, err
	}
	user, err := userOf(c, profile)
	return tokens, user, err
}

// upstreamTokenResponse is the answer of a provider's token endpoint (RFC 6749,
// Section 5.1).
type upstreamTokenResponse struct {
	AccessToken  string  `json:"access_token"`
	RefreshToken string  `json:"refresh_token"`
	ExpiresIn    float64 `json:"expires_in"`
	Scope        string  `json:"scope"`
}

func (r upstreamTokenResponse) account(now time.Time) thirdParty {
	a := thirdParty{token: r.AccessToken, refresh: r.RefreshToken, scope: r.Scope}
	if r.ExpiresIn > 0 {
		a.life = time.Duration(r.ExpiresIn * float64(time.Second))
		a.expires = now.Add(a.life)
	}
	return a
}

func (ps *providers) upstreamTokens(ctx context.Context, c *Connection, form url.Values) (got upstreamTokenResponse, err error) {
	form.Set("client_id", c.option("client_id"))
	form.Set("client_secret", c.option("client_secret"))
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.option("tokenURL"), strings.NewReader(form.Encode()))
	if err != nil {
		return got, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if err := ps.upstreamJSON(r, c, &got); err != nil {
		return got, err
	}
	if got.AccessToken == "" {
		return got, errors.New("no access token")
	}
	return got, nil
}

// profileURL finds the URL that a script requests: the first absolute URL in quotes.
var profileURL = regexp.MustCompile("[\"'`](https?://[^\"'`\\s]+)[\"'`]")

// upstreamProfile fetches the profile in place of the script of the connection.
func (ps *providers) upstreamProfile(ctx context.Context, c *Connection, token string) (profile map[string]any, err error) {
	if ps.cfg.FetchUserProfile != nil {
		return ps.cfg.FetchUserProfile(ctx, c.Name, token)
	}
	found := profileURL.FindStringSubmatch(c.script())
	if found == nil {
		return nil, errors.New("the script fetchUserProfile has no URL")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, found[1], nil)
	if err != nil {
		return nil, errors.New("the script fetchUserProfile has no usable URL")
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if ps.upstreamJSON(r, c, &profile) != nil {
		return nil, errors.New("failed to fetch user profile")
	}
	return profile, nil
}

func (ps *providers) upstreamJSON(r *http.Request, c *Connection, out any) error {
	r.Header.Set("Accept", "application/json")
	headers, _ := c.Options["customHeaders"].(map[string]any)
	for name, value := range headers {
		r.Header.Set(name, fmt.Sprint(value))
	}
	resp, err := ps.upstreamClient().Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return json.Unmarshal(body, out)
}

func (ps *providers) upstreamClient() *http.Client {
	client := http.Client{Timeout: 5 * time.Second}
	if ps.cfg.Upstream != nil {
		client = *ps.cfg.Upstream
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

// userOf reads the profile that a script passes to its callback, or the response of
// a provider with the usual names.
func userOf(c *Connection, profile map[string]any) (User, error) {
	text := func(names ...string) string {
		for _, name := range names {
			switch value := profile[name].(type) {
			case string:
				if value != "" {
					return value
				}
			case float64:
				return fmt.Sprint(int64(value))
			}
		}
		return ""
	}
	u := User{
		Connection: c.Name,
		ID:         text("user_id", "sub", "id"),
		Email:      text("email"),
		Name:       text("name"),
		GivenName:  text("given_name"),
		FamilyName: text("family_name"),
		Nickname:   text("nickname", "login"),
		Picture:    text("picture"),
	}
	u.EmailVerified, _ = profile["email_verified"].(bool)
	if u.ID == "" {
		return u, errors.New("the profile has no user_id")
	}
	return u, nil
}

// withProfile returns the user with the provider's current profile. The rest, such
// as the permissions, stays.
func (u User) withProfile(p User) User {
	u.Email, u.EmailVerified, u.Name, u.GivenName = p.Email, p.EmailVerified, p.Name, p.GivenName
	u.FamilyName, u.Nickname, u.Picture = p.FamilyName, p.Nickname, p.Picture
	return u
}
