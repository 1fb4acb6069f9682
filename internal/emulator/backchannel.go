package emulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A backchannel ends sessions and notifies the application (OpenID Connect
// Back-Channel Logout 1.0).
type backchannel struct {
	sessions  *browserSessions
	directory *directory
	tokens    *tokens
}

// BackchannelLogout ends the sessions of a user at the tenant and notifies the
// application, with one logout token for each (OpenID Connect Back-Channel
// Logout 1.0, Section 2.5), as Auth0 does after a password change. The tokens
// are posted to each of the application's BackchannelLogoutURLs with the given
// client. The error names those that the application has not accepted.
func (b *backchannel) BackchannelLogout(client *http.Client, clientID, user string, edits ...TokenEdit) error {
	c, ok := b.directory.client(clientID)
	if !ok || len(c.BackchannelLogoutURLs) == 0 {
		return fmt.Errorf("tenant: the client %q has no BackchannelLogoutURLs", clientID)
	}
	ended := b.sessions.endSessionsOf(b.directory.named(user))
	if len(ended) == 0 {
		return fmt.Errorf("tenant: the user %q has no session", user)
	}
	var errs []error
	for _, s := range ended {
		for _, target := range c.BackchannelLogoutURLs {
			errs = append(errs, postLogoutToken(client, target, b.tokens.LogoutToken(clientID, user, s.sid, edits...)))
		}
	}
	return errors.Join(errs...)
}

func (ss *browserSessions) endSessionsOf(subject string) []session {
	var ended []session
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.open.deleteFunc(func(s session) bool {
		if s.user == subject {
			ended = append(ended, s)
		}
		return s.user == subject
	})
	return ended
}

// postLogoutToken gives up after five seconds and never repeats, as Auth0.
func postLogoutToken(client *http.Client, target, token string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	form := url.Values{"logout_token": {token}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNoContent {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
		return fmt.Errorf("tenant: %s answers %d to the logout token: %s", target, resp.StatusCode, body)
	}
	return nil
}

// LogoutToken returns a logout token as the tenant would post it to a
// back-channel logout URI, after the given edits. Its typ is JWT, not the
// logout+jwt that OpenID Connect Back-Channel Logout 1.0, Section 2.4
// recommends, and it has both sub and sid, or sub alone if sid is empty.
func (ts *tokens) LogoutToken(clientID, user, sid string, edits ...TokenEdit) string {
	now := ts.now()
	header := map[string]any{}
	claims := map[string]any{
		"iss":      ts.Issuer(),
		"sub":      ts.directory.named(user),
		"aud":      clientID,
		"iat":      now.Unix(),
		"exp":      now.Add(2 * time.Minute).Unix(),
		"jti":      randomUUID(),
		"events":   map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
		"trace_id": randomHex(8),
	}
	if sid != "" {
		claims["sid"] = sid
	}
	client, _ := ts.directory.client(clientID)
	secret := macHeader(header, client)
	header, claims = edited(header, claims, edits)
	return ts.keys.sign(header, claims, secret)
}
