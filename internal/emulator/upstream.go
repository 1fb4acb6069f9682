package emulator

import (
	"cmp"
	"context"
	"errors"
	"net/http"
)

// upstreamLogins sends a login to a provider and completes it after the return.
type upstreamLogins struct {
	*site
	connector *connector
	directory *directory
	flow      *loginFlow
	pages     *pages
	providers *providers
}

// startUpstream sends the browser to the provider (RFC 6749, Section 4.1.1).
func (u *upstreamLogins) startUpstream(w http.ResponseWriter, tx transaction, c *Connection) {
	u.flow.saveTransaction(&tx)
	target, ok := u.providers.toUpstream(c, upstreamLogin{transaction: tx.id, connection: c.Name}, c.scopes(), nil)
	if !ok {
		u.flow.abandon(w, tx, badAuthorizationURL)
		return
	}
	redirect(w, target)
}

// upstreamCallback handles the provider's response.
func (u *upstreamLogins) upstreamCallback(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	u.mu.Lock()
	login, ok := u.providers.begun.take(query.Get("state"))
	tx, open := u.flow.logins.get(login.transaction)
	u.mu.Unlock()
	if ok && login.connecting != "" {
		u.connector.connectCallback(w, r, login)
		return
	}
	if !ok || !open || u.now().Sub(tx.started) > transactionLifetime {
		u.pages.errorPage(w, expiredPage)
		return
	}
	c := u.directory.usableConnection(tx.req, login.connection)
	if c == nil || !c.isLive() {
		u.pages.errorPage(w, noConnectionPage)
		return
	}
	if code := query.Get("error"); code != "" {
		u.flow.abandon(w, tx, oauthError{Code: code, Description: query.Get("error_description")})
		return
	}
	subject, err := u.takeUpstream(r.Context(), c, login, query.Get("code"))
	if err != nil {
		u.flow.abandon(w, tx, oauthError{Code: "invalid_request", Description: err.Error()})
		return
	}
	u.flow.authenticate(w, r, tx, subject, c.Name)
}

// takeUpstream stores the provider's user and tokens.
func (u *upstreamLogins) takeUpstream(ctx context.Context, c *Connection, login upstreamLogin, code string) (subject string, err error) {
	tokens, user, err := u.providers.askUpstream(ctx, c, login, code)
	if err != nil {
		return "", err
	}
	if known, ok := u.directory.user(subjectOf(c, user.ID)); ok {
		user = known.withProfile(user)
		err = u.directory.AddUser(user)
		subject = subjectOf(c, user.ID)
	} else {
		subject, err = u.directory.register(user)
	}
	if err != nil {
		return "", errors.New("failed to keep the user profile")
	}
	account := tokens.account(u.now())
	account.subject, account.connection, account.id, account.email = subject, c.Name, subject, user.Email
	account.scope = cmp.Or(account.scope, c.scopes())
	u.directory.keepAccount(account)
	return subject, nil
}
