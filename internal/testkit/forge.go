package testkit

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/multiprime"
)

// DecodeSegment decodes base64url, and panics if it is something else.
func DecodeSegment(s string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// IssuedBy is a token with our claims of any issuer, under the id k1.
func IssuedBy(issuer string, key *rsa.PrivateKey) string {
	return Compact(GoodHeader.String(), WithClaim("iss", strconv.Quote(issuer)).String(), RS256(key))
}

// TokenOf is a token signed with one of our keys, under any id. It is valid for
// three days from now.
func TokenOf(kid string, key *rsa.PrivateKey) string {
	header := GoodHeader.Set("kid", strconv.Quote(kid))
	claims := GoodClaims(time.Now()).Set("exp", strconv.FormatInt(time.Now().Unix()+3*86400, 10))
	return Compact(header.String(), claims.String(), RS256(key))
}

// Unverifiable is a token whose key is looked up, and whose signature costs
// nothing to reject.
func Unverifiable(kid string) string {
	header := GoodHeader.Set("kid", strconv.Quote(kid))
	claims := GoodClaims(time.Now()).Set("exp", strconv.FormatInt(time.Now().Unix()+3*86400, 10))
	return Compact(header.String(), claims.String(), Constant([]byte{1}))
}

// Noon is the time at which tokens are checked, unless a test is about keys.
var Noon = time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)

// An Object is the text of a JSON object, member by member, so that names can be
// repeated and values can be anything.
type Object [][2]string

// Set returns the object with a member set. Value is JSON text, valid or not.
func (o Object) Set(name, value string) Object {
	o = slices.Clone(o)
	for i := range o {
		if o[i][0] == name {
			o[i][1] = value
			return o
		}
	}
	return append(o, [2]string{name, value})
}

// Without returns the object without a member.
func (o Object) Without(name string) Object {
	return slices.DeleteFunc(slices.Clone(o), func(m [2]string) bool { return m[0] == name })
}

// Last adds a member at the end, even if the name exists.
func (o Object) Last(name, value string) Object {
	return append(slices.Clone(o), [2]string{name, value})
}

// First adds a member in front, even if the name exists.
func (o Object) First(name, value string) Object {
	return slices.Insert(slices.Clone(o), 0, [2]string{name, value})
}

// String returns the text of the object.
func (o Object) String() string {
	var members []string
	for _, m := range o {
		members = append(members, `"`+m[0]+`":`+m[1])
	}
	return "{" + strings.Join(members, ",") + "}"
}

// GoodHeader is the header of a token that k1 has signed.
var GoodHeader = Object{{"alg", `"RS256"`}, {"typ", `"JWT"`}, {"kid", `"k1"`}}

// GoodClaims are claims that an APIEnv accepts at that time.
func GoodClaims(now time.Time) Object {
	return Object{
		{"iss", `"https://t.example/"`},
		{"sub", `"auth0|u"`},
		{"aud", `["https://api.example/","https://t.example/userinfo"]`},
		{"iat", strconv.FormatInt(now.Unix()-10, 10)},
		{"exp", strconv.FormatInt(now.Unix()+3600, 10)},
		{"azp", `"c1"`},
		{"scope", `"openid read:m write:m"`},
		{"permissions", `["read:m","del:m"]`},
	}
}

// WithClaim returns good claims with one of them changed. Value is JSON text.
func WithClaim(name, value string) Object { return GoodClaims(Noon).Set(name, value) }

// NoonPlus is a time in a claim, in seconds from noon.
func NoonPlus(seconds int64) string { return strconv.FormatInt(Noon.Unix()+seconds, 10) }

// Segment encodes text as one segment of a token.
func Segment(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// A Signer makes the signature over the first two segments.
type Signer func(input string) []byte

// Compact assembles a token of any header and claims.
func Compact(header, claims string, sign Signer) string {
	input := Segment(header) + "." + Segment(claims)
	return input + "." + Segment(string(sign(input)))
}

// Signed is a token that k1 has signed.
func Signed(header, claims fmt.Stringer) string {
	return Compact(header.String(), claims.String(), RS256(RSAKey1()))
}

// GoodToken is a token that an APIEnv accepts at noon.
func GoodToken() string { return Signed(GoodHeader, GoodClaims(Noon)) }

// Digest returns the hash of a text.
func Digest(hash crypto.Hash, input string) []byte {
	h := hash.New()
	h.Write([]byte(input))
	return h.Sum(nil)
}

// RS256 signs with RSA and SHA-256.
func RS256(key *rsa.PrivateKey) Signer { return RS(crypto.SHA256, key) }

// RS signs with RSA, PKCS #1. A signature takes time and is always the same
// for the same input, so it is made once.
func RS(hash crypto.Hash, key *rsa.PrivateKey) Signer {
	return func(input string) []byte {
		of := signatureOf{key, hash, input}
		if sig, ok := signatures.Load(of); ok {
			return slices.Clone(sig.([]byte))
		}
		sig, err := multiprime.SignPKCS1v15(key, hash, Digest(hash, input))
		if err != nil {
			panic(err)
		}
		signatures.Store(of, slices.Clone(sig))
		return sig
	}
}

type signatureOf struct {
	key   *rsa.PrivateKey
	hash  crypto.Hash
	input string
}

var signatures sync.Map // of RS, by signatureOf

// PS signs with RSA, PSS, with a salt of so many bytes.
func PS(hash crypto.Hash, salt int, key *rsa.PrivateKey) Signer {
	return func(input string) []byte {
		sig, err := rsa.SignPSS(rand.Reader, key, hash, Digest(hash, input), &rsa.PSSOptions{SaltLength: salt})
		if err != nil {
			panic(err)
		}
		return sig
	}
}

// ES lets form lay out the two numbers of the signature.
func ES(hash crypto.Hash, key *ecdsa.PrivateKey, form func(r, s *big.Int) []byte) Signer {
	return func(input string) []byte {
		der, err := ecdsa.SignASN1(rand.Reader, key, Digest(hash, input))
		if err != nil {
			panic(err)
		}
		var sig struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(der, &sig); err != nil {
			panic(err)
		}
		return form(sig.R, sig.S)
	}
}

// SideBySide is the format of RFC 7518, Section 3.4.
func SideBySide(size int) func(r, s *big.Int) []byte {
	return func(r, s *big.Int) []byte {
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	}
}

// HS256 makes a MAC.
func HS256(secret []byte) Signer {
	return func(input string) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		return mac.Sum(nil)
	}
}

// Constant is for invalid signatures.
func Constant(signature []byte) Signer { return func(string) []byte { return signature } }

// UnmarshalJSON keeps the order of the members and the text of their values.
func (o *Object) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if brace, err := d.Token(); err != nil || brace != json.Delim('{') {
		return errors.New("not a JSON object")
	}
	*o = Object{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		*o = append(*o, [2]string{name.(string), string(value)})
	}
	return nil
}

// AsJSON returns the JSON text of a value.
func AsJSON(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// Quoted returns a JSON string.
func Quoted(s string) string { return AsJSON(s) }

// Member returns a member that is a string.
func (o Object) Member(name string) (value string) {
	for _, m := range o {
		if m[0] == name {
			json.Unmarshal([]byte(m[1]), &value)
		}
	}
	return value
}
