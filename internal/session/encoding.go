package session

import (
	"errors"
	"strconv"

	"github.com/seed-15d5a55c/auth0/internal/jsonscan"
)

var errRecord = errors.New("not the text of a session")

// decode reads a record that encoding/json has written. That package would take
// most of the time of reading a session: it scans the text three times and copies
// every token. Unknown names are from a later version and are ignored.
func (r *Record) decode(text string) error {
	return jsonscan.Object(text, func(name, value string) (err error) {
		switch name {
		case "v":
			return decodeNumber(value, &r.Version)
		case "id":
			return decodeText(value, &r.ID)
		case "iss":
			return decodeText(value, &r.Issuer)
		case "sub":
			return decodeText(value, &r.Subject)
		case "iat":
			return decodeNumber(value, &r.CreatedAt)
		case "uat":
			return decodeNumber(value, &r.TouchedAt)
		case "exp":
			return decodeNumber(value, &r.ExpiresAt)
		case "sid":
			return decodeText(value, &r.SID)
		case "id_iat":
			return decodeNumber(value, &r.IDTokenIssuedAt)
		case "auth_time":
			return decodeNumber(value, &r.AuthTime)
		case "acr":
			return decodeText(value, &r.ACR)
		case "amr":
			return decodeList(value, &r.AMR, decodeText)
		case "id_token":
			return decodeText(value, &r.IDToken)
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
			return decodeText(value, &r.Organization)
		case "nonce":
			return decodeText(value, &r.Nonce)
		case "rev":
			return decodeNumber(value, &r.Refreshes)
		case "ceil":
			return decodeNumber(value, &r.Ceiling)
		}
		return nil
	})
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
		case "type":
			return decodeText(value, &t.Type)
		case "token":
			return decodeText(value, &t.Token)
		case "exp":
			return decodeNumber(value, &t.ExpiresAt)
		}
		return nil
	})
}

func decodeVaultToken(text string, v *VaultToken) error {
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
