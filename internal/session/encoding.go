package session

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"strconv"

	"github.com/seed-15d5a55c/auth0/internal/jsonscan"
)

// version is the version of the text of a session. A text of another version is
// ignored.
const version = 1

// encode returns the length of the record's JSON text, that text, and the JSON text
// of the claims. Claims inside the record would be scanned three times by each
// request, and most requests do not read them.
func (r *Record) encode() []byte {
	text := r.text()
	out := make([]byte, 0, binary.MaxVarintLen64+len(text)+len(r.Claims))
	out = binary.AppendUvarint(out, uint64(len(text)))
	return append(append(out, text...), r.Claims...)
}

// text returns the JSON text of a record without its claims. The names must not change,
// since instances of an earlier version may read it. Empty members are left out, except
// those of every record. encoding/json would take most of the time of writing a
// session.
func (r *Record) text() []byte {
	o := object(make([]byte, 0, 512+r.size()))
	o = o.begin().number("v", version).text("id", r.ID).text("iss", r.Issuer).text("sub", r.Subject)
	o = o.number("iat", r.createdAt).number("uat", r.touchedAt).number("exp", r.expiresAt)
	o = o.textIf("sid", r.sid).number("id_iat", r.issuedAt).numberIf("auth_time", r.authTime).textIf("acr", r.acr)
	if len(r.amr) > 0 {
		o = array(o.name("amr"), r.amr, func(o object, method string) object { return jsonscan.AppendString(o, method) })
	}
	o = o.textIf("id_token", r.idToken).textIf("refresh_token", r.RefreshToken)
	if len(r.Tokens) > 0 {
		o = array(o.name("tokens"), r.Tokens, r.appendToken)
	}
	if len(r.Vault) > 0 {
		o = array(o.name("vault"), r.Vault, appendVaultToken)
	}
	if len(r.Data) > 0 {
		o = o.name("data").begin()
		for _, name := range slices.Sorted(maps.Keys(r.Data)) {
			o = o.text(name, r.Data[name])
		}
		o = o.end()
	}
	o = o.textIf("org", r.organization).textIf("org_name", r.orgName).textIf("nonce", r.nonce)
	o = o.numberIf("rev", int64(r.Refreshes)).numberIf("ceil", r.ceiling)
	if r.LoginDue {
		o = o.boolean("login_due", true)
	}
	if r.Persistent != nil {
		o = o.boolean("persist", *r.Persistent)
	}
	return o.textIf("dpop", r.ProofKey).end()
}

// size returns about how many bytes the long texts of a record have.
func (r *Record) size() int {
	n := len(r.idToken) + len(r.RefreshToken) + len(r.ID) + len(r.Subject)
	for _, t := range r.Tokens {
		n += len(t.Token) + len(t.Audience) + len(t.Scope) + len(t.Asked) + 80
	}
	for _, t := range r.Vault {
		n += len(t.Token) + len(t.Scope) + 120
	}
	for name, value := range r.Data {
		n += len(name) + len(value) + 6
	}
	return n
}

// appendToken appends an access token, with its type for instances of an earlier version.
func (r *Record) appendToken(o object, t Token) object {
	kind := "Bearer"
	if r.ProofKey != "" {
		kind = "DPoP"
	}
	o = o.begin().textIf("aud", t.Audience).textIf("asked", t.Asked).textIf("scope", t.Scope).text("type", kind)
	return o.text("token", t.Token).number("exp", t.ExpiresAt).end()
}

// appendVaultToken appends a third-party token, which is always a bearer token.
func appendVaultToken(o object, t Token) object {
	o = o.begin().text("con", t.Connection).textIf("hint", t.Hint).textIf("scope", t.Scope)
	return o.text("token", t.Token).number("exp", t.ExpiresAt).end()
}

// An object is the text of an incomplete JSON object.
type object []byte

func (o object) begin() object { return append(o, '{') }
func (o object) end() object   { return append(o, '}') }

// name begins a member.
func (o object) name(name string) object {
	if o[len(o)-1] != '{' {
		o = append(o, ',')
	}
	return append(jsonscan.AppendString(o, name), ':')
}

func (o object) text(name, value string) object { return jsonscan.AppendString(o.name(name), value) }

func (o object) textIf(name, value string) object {
	if value == "" {
		return o
	}
	return o.text(name, value)
}

func (o object) number(name string, n int64) object { return strconv.AppendInt(o.name(name), n, 10) }

func (o object) numberIf(name string, n int64) object {
	if n == 0 {
		return o
	}
	return o.number(name, n)
}

func (o object) boolean(name string, b bool) object { return strconv.AppendBool(o.name(name), b) }

func array[T any](o object, elements []T, add func(object, T) object) object {
	o = append(o, '[')
	for i, element := range elements {
		if i > 0 {
			o = append(o, ',')
		}
		o = add(o, element)
	}
	return append(o, ']')
}

// decodeRecord is the reverse of encode. It returns nil for any other text, and for text
// of another version.
func decodeRecord(plain string) *Record {
	length, n := uvarint(plain)
	if n <= 0 || length > uint64(len(plain)-n) {
		return nil
	}
	text, claims := plain[n:n+int(length)], plain[n+int(length):]
	record := &Record{Claims: claims}
	if record.decode(text) != nil || record.Subject == "" || record.Issuer == "" {
		return nil
	}
	return record
}

// uvarint is [binary.Uvarint] for a text.
func uvarint(text string) (uint64, int) {
	var head [binary.MaxVarintLen64]byte
	return binary.Uvarint(head[:copy(head[:], text)])
}

var errRecord = errors.New("not the text of a session")

// decode reads a JSON record. encoding/json would take most of the time of reading a
// session: it scans the text three times and copies every token. Unknown names are from
// a later version and are ignored.
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
