package logout

import (
	"encoding/json"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/seal"
)

// Confirmations makes and checks the value that the button of the confirmation
// page sends. Another site cannot forge it, so a form with it comes from the
// page.
type Confirmations struct {
	Keyring seal.Keyring
	Cookie  string // name of the session cookie
	Now     func() time.Time
}

const (
	purpose = "logout"
	// confirmLife is the user's time to press the button.
	confirmLife = 10 * time.Minute
	// ahead is how far the clocks of two instances may differ.
	ahead = time.Minute
)

// A confirmation is valid for one session, and so for one logout.
type confirmation struct {
	SessionID string `json:"id"`
	IssuedAt  int64  `json:"iat"` // Unix time
}

// New returns the value for a session.
func (c *Confirmations) New(sessionID string) string {
	plain, _ := json.Marshal(confirmation{sessionID, c.Now().Unix()})
	return c.Keyring.Seal(purpose, c.Cookie, plain)
}

// Accepts reports whether a value was made for a session within the last ten
// minutes.
func (c *Confirmations) Accepts(value, sessionID string) bool {
	plain, _, ok := c.Keyring.Open(purpose, c.Cookie, value)
	var got confirmation
	if !ok || json.Unmarshal(plain, &got) != nil {
		return false
	}
	age := time.Duration(c.Now().Unix()-got.IssuedAt) * time.Second
	return got.SessionID == sessionID && age < confirmLife && age > -ahead
}
