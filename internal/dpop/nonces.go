package dpop

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"sync/atomic"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/secret"
)

// Nonces are the nonces of an API (RFC 9449, Section 9). They are derived from a secret
// and the time, so that instances with the same secrets accept each other's nonces without
// communication. A nil *Nonces requires none.
type Nonces struct {
	realm string
	keys  secret.Box[[][]byte]
	table atomic.Pointer[nonceTable]
}

const (
	nonceVersion = 1
	nonceWindow  = 60 // seconds
	// The nonces of older windows are accepted while a client gets a newer one. The
	// next window is that of an instance whose clock is ahead.
	olderWindows = 4
	windows      = olderWindows + 2

	maxNonce = 28 // characters
)

// A nonceTable has the accepted nonces of one window, in the order of their windows, for
// each secret.
type nonceTable struct {
	window int64
	good   [][windows]string
}

// NewNonces returns the nonces of a realm. New nonces use the first secret. Nonces of all
// secrets are accepted. Without a secret it returns nil.
func NewNonces(realm string, secrets []string) (*Nonces, error) {
	if len(secrets) == 0 {
		return nil, nil
	}
	var keys [][]byte
	for _, text := range secrets {
		key, err := hkdf.Key(sha256.New, []byte(text), nil, "auth0 dpop nonce", sha256.Size)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return &Nonces{realm: realm, keys: secret.Of(keys)}, nil
}

// Current returns the newest nonce, an empty text if nonces are off.
func (n *Nonces) Current(now time.Time) string {
	if n == nil {
		return ""
	}
	return n.at(now).good[0][olderWindows]
}

// check returns the newest nonce if a proof has an older one. The error is
// [fault.ProofNonce].
func (n *Nonces) check(nonce string, now time.Time) (newer string, err error) {
	if n == nil {
		return "", nil
	}
	found := -1
	table := n.at(now)
	if len(nonce) > maxNonce {
		nonce = "" // so that it is not copied
	}
	for _, good := range table.good {
		for i, text := range good {
			if subtle.ConstantTimeCompare([]byte(text), []byte(nonce)) == 1 {
				found = max(found, i)
			}
		}
	}
	switch {
	case found < 0:
		return "", fault.ProofNonce.Because("nonce: absent, too old, or not from this API")
	case found < olderWindows:
		return table.good[0][olderWindows], nil
	}
	return "", nil
}

// at returns the table of a time. It makes one table per window.
func (n *Nonces) at(now time.Time) *nonceTable {
	window := now.Unix() / nonceWindow
	if table := n.table.Load(); table != nil && table.window == window {
		return table
	}
	table := &nonceTable{window: window}
	for _, key := range n.keys.Reveal() {
		var good [windows]string
		for i := range good {
			good[i] = n.make(key, window-olderWindows+int64(i))
		}
		table.good = append(table.good, good)
	}
	n.table.Store(table)
	return table
}

func (n *Nonces) make(key []byte, window int64) string {
	nonce := binary.BigEndian.AppendUint32([]byte{nonceVersion}, uint32(window))
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("auth0 dpop nonce" + n.realm))
	mac.Write(nonce)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nonce)[:5+16])
}
