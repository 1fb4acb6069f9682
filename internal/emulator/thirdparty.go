package emulator

import (
	"strings"
	"time"
)

// A thirdParty is a user's account at the provider of a connection, with its
// tokens. The tenant has it from a login, or because the user has connected it.
type thirdParty struct {
	subject, connection string
	id                  string // of the account: for a login the subject itself
	provided            string // its id at the provider; empty if not known
	email               string
	token, refresh      string
	scope               string
	life                time.Duration
	expires             time.Time // zero if not known
	created             time.Time // when it was connected
}

func accountKey(subject, connection, id string) string {
	return strings.Join([]string{subject, connection, id}, "\x00")
}

// A ConnectedAccount is an account of a user at a third party.
type ConnectedAccount struct {
	Connection, Email         string
	AccessToken, RefreshToken string
	Scope                     string
	ExpiresIn                 time.Duration // zero if not known
}

func (a thirdParty) item() map[string]any {
	return map[string]any{"id": a.id, "connection": a.connection, "access_type": "offline", "scopes": listOf(strings.Fields(a.scope)),
		"created_at": a.created.UTC().Format("2006-01-02T15:04:05.000Z")}
}

// isConnected reports whether an account was connected, and not used for a login.
func (a thirdParty) isConnected() bool { return strings.HasPrefix(a.id, "cac_") }

// isSame reports whether two are one account at the provider.
func (a thirdParty) isSame(b thirdParty) bool {
	return a.provided != "" && a.provided == b.provided || a.email != "" && strings.EqualFold(a.email, b.email)
}
