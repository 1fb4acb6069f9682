package keys

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fault"
)

func staticSnapshot(document []byte) (*snapshot, error) {
	if block, rest := pem.Decode(document); block != nil {
		s, err := pemSnapshot(block, rest)
		// Package pem skips a damaged block like text between blocks.
		if begun := bytes.Count(document, []byte("-----BEGIN ")); err == nil && begun != len(s.all) {
			err = fmt.Errorf("%d of %d PEM blocks can be read", len(s.all), begun)
		}
		return s, err
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(document, &set); err != nil {
		return nil, errors.New("the document is neither a JWK Set nor PEM")
	}
	// A static document is never fetched again, so an ignored key would stay missing.
	s, skipped := newSnapshot(set.Keys, nil)
	if len(skipped) > 0 || len(s.all) == 0 || len(set.Keys) > maxKeys {
		return nil, usableKeys(len(s.all), len(set.Keys), skipped)
	}
	return s, nil
}

// usableKeys returns an error with the number of usable keys, and with the reasons
// why the others cannot be used.
func usableKeys(usable, all int, skipped []error) error {
	return errors.Join(append([]error{fmt.Errorf("%d of %d keys can be used", usable, all)}, skipped...)...)
}

func pemSnapshot(block *pem.Block, rest []byte) (*snapshot, error) {
	s := &snapshot{nameless: true}
	for ; block != nil; block, rest = pem.Decode(rest) {
		key, err := pemKey(block)
		if err != nil {
			return nil, fmt.Errorf("PEM block %d %w", len(s.all)+1, err)
		}
		s.add(key)
	}
	return s, nil
}

func pemKey(block *pem.Block) (*Key, error) {
	var public any
	switch block.Type {
	case "PUBLIC KEY":
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, errors.New("is not a public key")
		}
		public = key
	case "CERTIFICATE":
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("is not a certificate")
		}
		public = certificate.PublicKey
	default:
		return nil, errors.New("is neither a PUBLIC KEY nor a CERTIFICATE")
	}
	algorithms, err := algorithmsOf(public)
	if err != nil {
		return nil, err
	}
	return &Key{algorithms: algorithms, key: public}, nil
}

// A snapshot holds the keys of one fetch. It is immutable once published.
type snapshot struct {
	all []*Key
	fit map[keyHeader][]*Key
	ids map[string]bool

	// believed is the time until which the snapshot proves that the issuer has no key of
	// another id. A cache can have sent the answer, and a cached answer ages.
	believed time.Time

	nameless  bool // the keys have no ids, and the ids of tokens are ignored
	symmetric bool
}

// A keyHeader has the header parameters that choose a key.
type keyHeader struct{ id, alg string }

func (s *snapshot) add(key *Key) {
	// Each further key with the same id would cost one more verification per token,
	// and an attacker sends tokens for free.
	const maxTried = 4
	if s.fit == nil {
		s.fit = map[keyHeader][]*Key{}
	}
	s.all = append(s.all, key)
	s.know(key.id)
	headers := []string{""}
	if key.id != "" {
		headers = append(headers, key.id)
	}
	for _, alg := range key.algorithms {
		for _, id := range headers {
			if h := (keyHeader{id, alg}); len(s.fit[h]) < maxTried {
				s.fit[h] = append(s.fit[h], key)
			}
		}
	}
}

// know records that the issuer has a key with the id, usable or not.
func (s *snapshot) know(id string) {
	if s.ids == nil {
		s.ids = map[string]bool{}
	}
	s.ids[id] = true
}

// find returns the keys with an id for an algorithm. Without an id there must be
// exactly one key that fits. Trying several would let a caller choose the number of
// verifications.
func (s *snapshot) find(id, alg string) ([]*Key, error) {
	if s.nameless {
		id = ""
	}
	fit := s.fit[keyHeader{id, alg}]
	switch {
	case id == "" && len(fit) > 1 && !s.nameless:
		return nil, fault.AmbiguousKey.Because("no kid, and several keys of the issuer fit")
	case len(fit) > 0:
		return fit, nil
	case id == "":
		return nil, fault.UnknownKey.Because("no kid, and no key of the issuer fits %s", alg)
	case s.ids[id]:
		return nil, fault.KeyUnusable.Because("key %.80q is not for %s", id, alg)
	}
	return nil, errUnknownKey
}

// known returns the key of an earlier snapshot if it is equal. So a key keeps its pointer
// through a rotation. Caches of verified tokens compare keys by pointer.
func (s *snapshot) known(key *Key) *Key {
	if s != nil {
		for _, k := range s.all {
			if k.equal(key) {
				return k
			}
		}
	}
	return key
}

// newSnapshot returns a snapshot of the usable keys, and one error for each of the
// others. An unusable key does not cost the usable ones: issuers add keys of new
// types.
func newSnapshot(raw []json.RawMessage, held *snapshot) (s *snapshot, skipped []error) {
	s = &snapshot{}
	for _, text := range raw[:min(len(raw), maxKeys)] {
		key, err := newKey(text)
		if err != nil {
			var named struct {
				KeyType string `json:"kty"`
				KeyID   string `json:"kid"`
			}
			json.Unmarshal(text, &named) // an unreadable key has no name
			skipped = append(skipped, fmt.Errorf("key %.80q of type %.20q %w", named.KeyID, named.KeyType, err))
			// A token that names it is rejected at once: a fetch would not help.
			s.know(named.KeyID)
			continue
		}
		s.add(held.known(key))
	}
	return s, skipped
}
