package session

import (
	"context"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/seal"
)

const purposeRecord = "record" // of a value in a store

func recordKey(id string) string { return storeKey("session", id) }

// records are the sessions in a store.
type records struct {
	store   *boundStore
	keyring seal.Keyring
}

// find returns the record of an id, or nil if there is none. A record that the store
// returns for the wrong key does not open, because it is sealed for its key.
func (rs *records) find(ctx context.Context, id string) (*Record, error) {
	key := recordKey(id)
	value, err := rs.store.findText(ctx, key)
	if err != nil {
		return nil, readError(ctx, err)
	}
	plain, _, ok := rs.keyring.OpenText(purposeRecord, key, value)
	if !ok {
		return nil, nil
	}
	record := decodeRecord(plain)
	if record == nil || record.ID != id {
		return nil, nil
	}
	return record, nil
}

// write updates a record, or adds one that was in a cookie.
func (rs *records) write(ctx context.Context, changed, before *Record) error {
	if before.inCookie {
		return rs.add(ctx, changed)
	}
	updated, err := rs.store.update(ctx, recordKey(changed.ID), rs.seal(changed), time.Unix(changed.expiresAt, 0))
	switch {
	case err != nil:
		return refusal.StoreWrite.Later(outageWait, err)
	case !updated:
		return errEnded()
	}
	return nil
}

// add adds a record to the store.
func (rs *records) add(ctx context.Context, record *Record) error {
	record.inCookie = false
	owner := storeKey("user", record.Issuer, record.Subject)
	if err := rs.store.commitOwned(ctx, recordKey(record.ID), owner, rs.seal(record), time.Unix(record.expiresAt, 0)); err != nil {
		return addError(err)
	}
	return nil
}

func (rs *records) seal(record *Record) []byte {
	return []byte(rs.keyring.Seal(purposeRecord, recordKey(record.ID), record.encode()))
}
