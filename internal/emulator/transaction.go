package emulator

import "time"

// A transaction is a login in progress. Its id, in the URL of every page, cannot be
// guessed and works once.
type transaction struct {
	id      string
	req     *authorization
	started time.Time
	stored  bool

	user       string // subject; empty until authenticated
	connection string
	authTime   time.Time
	resumed    bool // from the session, without a page
	sessionMFA bool // the session has seen a second factor
	chosen     bool // prompt=select_account is answered
	keep       bool // with the account of the session
	mfaDone    bool
	consented  bool
	personal   bool // goes on without an organization

	address string // where a passwordless code went
	code    string // the code that a page shows and expects
	tries   int
}

const (
	transactionLifetime = time.Hour
	maxTries            = 5 // of a one-time code
)

// A step is a page that a transaction still needs.
type step int

const (
	stepDone step = iota
	stepLogin
	stepAccount
	stepOrganization // asked for by name
	stepMembership   // chosen among those of the user
	stepMFA
	stepConsent
)

// lacksOrganization reports whether the prompt is still to be answered.
func (tx *transaction) lacksOrganization(prompt string) bool {
	return !tx.personal && tx.req.orgPrompt() == prompt
}
