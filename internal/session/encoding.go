package session

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"github.com/seed-15d5a55c/auth0/internal/jsonscan"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// version is the version of the text of a session. A text of another version does
// not count.
const version = 1

// A wireRecord is the JSON text of a [Record]. The names must not change, since
// instances of an earlier version may read it.
type wireRecord struct {
	Version         int               `json:"v"`
	ID              string            `json:"id"`
	Issuer          string            `json:"iss"`
	Subject         string            `json:"sub"`
	CreatedAt       int64             `json:"iat"`
	TouchedAt       int64             `json:"uat"`
	ExpiresAt       int64             `json:"exp"`
	SID             string            `json:"sid,omitempty"`
	IDTokenIssuedAt int64             `json:"id_iat"`
	AuthTime        int64             `json:"auth_time,omitempty"`
	ACR             string            `json:"acr,omitempty"`
	AMR             []string          `json:"amr,omitempty"`
	IDToken         string            `json:"id_token,omitempty"`
	RefreshToken    string            `json:"refresh_token,omitempty"`
	Tokens          []wireToken       `json:"tokens,omitempty"`
	Vault           []wireVaultToken  `json:"vault,omitempty"`
	Data            map[string]string `json:"data,omitempty"`
	Organization    string            `json:"org,omitempty"`
	OrgName         string            `json:"org_name,omitempty"`
	Nonce           string            `json:"nonce,omitempty"`
	Refreshes       int               `json:"rev,omitempty"`
	Ceiling         int64             `json:"ceil,omitempty"`
	LoginDue        bool              `json:"login_due,omitempty"`
	Persistent      *bool             `json:"persist,omitempty"`
	ProofKey        string            `json:"dpop,omitempty"`
}

// A wireToken is the JSON text of an access token.
type wireToken struct {
	Audience  string `json:"aud,omitempty"`
	Asked     string `json:"asked,omitempty"`
	Scope     string `json:"scope,omitempty"`
	Type      string `json:"type"` // for instances of an earlier version
	Token     string `json:"token"`
	ExpiresAt int64  `json:"exp"`
}

// A wireVaultToken is the JSON text of a third-party token. It is always a bearer
// token.
type wireVaultToken struct {
	Connection string `json:"con"`
	Hint       string `json:"hint,omitempty"`
	Scope      string `json:"scope,omitempty"`
	Token      string `json:"token"`
	ExpiresAt  int64  `json:"exp"`
}

// wire returns what is written of a record. The claims are written behind it.
func (r *Record) wire() wireRecord {
	w := wireRecord{
		Version: version, ID: r.ID, Issuer: r.Issuer, Subject: r.Subject, CreatedAt: r.createdAt, TouchedAt: r.touchedAt, ExpiresAt: r.expiresAt,
		SID: r.sid, IDTokenIssuedAt: r.issuedAt, AuthTime: r.authTime, ACR: r.acr, AMR: r.amr, IDToken: r.idToken, RefreshToken: r.RefreshToken,
		Data: r.Data, Organization: r.organization, OrgName: r.orgName, Nonce: r.nonce, Refreshes: r.Refreshes, Ceiling: r.ceiling,
		LoginDue: r.LoginDue, Persistent: r.Persistent, ProofKey: r.ProofKey,
	}
	kind := "Bearer"
	if r.ProofKey != "" {
		kind = "DPoP"
	}
	for _, t := range r.Tokens {
		w.Tokens = append(w.Tokens, wireToken{t.Audience, t.Asked, t.Scope, kind, t.Token, t.ExpiresAt})
	}
	for _, t := range r.Vault {
		w.Vault = append(w.Vault, wireVaultToken{t.Connection, t.Hint, t.Scope, t.Token, t.ExpiresAt})
	}
	return w
}

// encode returns the length of the record's JSON text, that text, and the JSON text
// of the claims. Claims inside the record would be scanned three times by each
// request, and most requests do not read them.
func (r *Record) encode() ([]byte, error) {
	text, err := json.Marshal(r.wire())
	if err != nil {
		return nil, refusal.Internal.Wrap(err)
	}
	out := binary.AppendUvarint(nil, uint64(len(text)))
	return slices.Concat(out, text, r.Claims), nil
}

// decodeRecord is the reverse of encode. It returns nil for text that encode did
// not write, or wrote in another version.
func decodeRecord(plain []byte) *Record {
	length, n := binary.Uvarint(plain)
	if n <= 0 || length > uint64(len(plain)-n) {
		return nil
	}
	text, claims := plain[n:n+int(length)], plain[n+int(length):]
	record := &Record{Claims: claims}
	if record.decode(string(text)) != nil || record.Subject == "" || record.Issuer == "" {
		return nil
	}
	return record
}

var errRecord = errors.New("not the text of a session")

// decode reads a record that encoding/json has written. That package would take
// most of the time of reading a session: it scans the text three times and copies
// every token. Unknown names are from a later version and are ignored.
func (r *Record) decode(text string) error {
	written := 0
	err := jsonscan.Object(text, func(name, value string) (err error) {
		switch name {
		case "v":
			return decodeNumber(value, &written)
		case "id":
			return decodeText(value, &r.ID)
		case "iss":
			return decodeText(value, &r.Issuer)
		case "sub":
			return decodeText(value, &r.Subject)
		case "iat":
			return decodeNumber(value, &r.createdAt)
		case "uat":
			return decodeNumber(value, &r.touchedAt)
		case "exp":
			return decodeNumber(value, &r.expiresAt)
		case "sid":
			return decodeText(value, &r.sid)
		case "id_iat":
			return decodeNumber(value, &r.issuedAt)
		case "auth_time":
			return decodeNumber(value, &r.authTime)
		case "acr":
			return decodeText(value, &r.acr)
		case "amr":
			return decodeList(value, &r.amr, decodeText)
		case "id_token":
			return decodeText(value, &r.idToken)
		case "refresh_token":
			return decodeText(value, &r.RefreshToken)
		case "tokens":
			return decodeList(value, &r.Tokens, decodeToken)
		case "vault":
			return decodeList(value, &r.Vault, decodeVaultToken)
		case "data":
			r.Data, err = decodeTexts(value)
			return err
		case "org":
			return decodeText(value, &r.organization)
		case "org_name":
			return decodeText(value, &r.orgName)
		case "nonce":
			return decodeText(value, &r.nonce)
		case "rev":
			return decodeNumber(value, &r.Refreshes)
		case "ceil":
			return decodeNumber(value, &r.ceiling)
		case "login_due":
			r.LoginDue = value == "true"
		case "persist":
			r.Persistent = new(value == "true")
		case "dpop":
			return decodeText(value, &r.ProofKey)
		}
		return nil
	})
	if err == nil && written != version {
		err = errRecord
	}
	return err
}

func decodeToken(text string, t *Token) error {
	return jsonscan.Object(text, func(name, value string) error {
		switch name {
		case "aud":
			return decodeText(value, &t.Audience)
		case "asked":
			return decodeText(value, &t.Asked)
		case "scope":
			return decodeText(value, &t.Scope)
		case "token":
			return decodeText(value, &t.Token)
		case "exp":
			return decodeNumber(value, &t.ExpiresAt)
		}
		return nil
	})
}

func decodeVaultToken(text string, v *Token) error {
	return jsonscan.Object(text, func(name, value string) error {
		switch name {
		case "con":
			return decodeText(value, &v.Connection)
		case "hint":
			return decodeText(value, &v.Hint)
		case "scope":
			return decodeText(value, &v.Scope)
		case "token":
			return decodeText(value, &v.Token)
		case "exp":
			return decodeNumber(value, &v.ExpiresAt)
		}
		return nil
	})
}

func decodeText(value string, to *string) error {
	text, ok := jsonscan.String(value)
	if !ok {
		return errRecord
	}
	*to = text
	return nil
}

func decodeNumber[T int | int64](value string, to *T) error {
	n, err := strconv.ParseInt(value, 10, 64)
	*to = T(n)
	return err
}

func decodeList[T any](value string, to *[]T, decode func(string, *T) error) error {
	return jsonscan.Array(value, func(value string) error {
		var element T
		err := decode(value, &element)
		*to = append(*to, element)
		return err
	})
}

func decodeTexts(value string) (map[string]string, error) {
	texts := map[string]string{}
	err := jsonscan.Object(value, func(name, value string) error {
		var text string
		err := decodeText(value, &text)
		texts[name] = text
		return err
	})
	return texts, err
}
