package api_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// A recipe describes a token, the request that carries it, and the required answer.
// The grammar in the file defines the members.
type recipe struct {
	ID, Why   string
	Target    string
	Header    changes
	HeaderRaw json.RawMessage `json:"header_raw"`
	Claims    changes
	ClaimsRaw json.RawMessage `json:"claims_raw"`
	Sign      recipeSign
	Mutate    []string
	Request   recipeRequest
	JWKS      recipeKeys
	Route     struct{ Scopes, Permissions []string }
	Repeat    int
	Expect    verdict
}

// changes are edits of the members of a header or of claims, in the order of the file.
type changes struct {
	Set testkit.Object
	Del []string
}

type recipeSign struct {
	How, Key, Alg, Secret, Hex string
	Len, N, Salt               int
	OtherHeader                changes `json:"other_header"`
	OtherClaims                changes `json:"other_claims"`
}

type recipeRequest struct {
	Authorization       []string
	Query, Cookie, Form map[string]string
	Headers             map[string]string
	DPoP                []recipeProof
	Method, URL         string
	NotThroughHTTP      bool `json:"raw_call"`
}

type recipeProof struct {
	Raw, Key, Alg  string
	Header, Claims changes
	Sign           recipeSign
}

type recipeKeys struct {
	Add    []json.RawMessage
	Remove []string
	State  string
}

// A verdict is the answer to a recipe: the status, the error code of the challenge,
// and our own finer reason.
type verdict struct {
	Status      int
	Error, Code string
}

type recipeKey struct {
	Name, Type, Kid, Why string
	JWKS                 *testkit.Object // nil if the key is not published
}

type recipeFile struct {
	Schema  string
	Grammar map[string]string
	Config  struct {
		Issuers       []string
		Audience      string
		ClientID      string `json:"client_id"`
		Algorithms    []string
		Leeway        int64    `json:"leeway_s"`
		MaxTokenBytes int      `json:"max_token_bytes"`
		Types         []string `json:"typ_allowed"`
		RequireSub    bool     `json:"require_sub"`
		DPoP          struct {
			Mode       string
			Algorithms []string
			MaxAge     int `json:"max_age_s"`
			Future     int `json:"future_s"`
			URL        string
		}
		ID struct {
			Nonce        string
			MaxAge       int64 `json:"max_age_s"`
			Organization string
		}
	}
	Keys       []recipeKey
	BaseClaims map[string]testkit.Object `json:"base_claims"`
	Bad, Good  []recipe
	Count      struct{ Bad, Good int }

	private map[string]crypto.Signer
}

// grammar has the members that the builder below supports.
var grammar = []string{"target", "header", "claims", "values", "sign", "mutate", "request", "jwks", "route", "repeat", "expect", "placeholders"}

// readRecipes reads the file, and fails on unknown members: a recipe that is half
// understood tests something else than it says.
func readRecipes(t testing.TB) *recipeFile {
	t.Helper()
	text, err := os.ReadFile("testdata/bad-tokens.json")
	if err != nil {
		t.Fatal(err)
	}
	f := &recipeFile{}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(f); err != nil {
		t.Fatal(err)
	}
	if f.Schema != "bad-tokens/1" {
		t.Fatalf("schema %q is not known", f.Schema)
	}
	for name := range f.Grammar {
		if !slices.Contains(grammar, name) {
			t.Fatalf("the grammar has %q, which is not known", name)
		}
	}
	if len(f.Bad) == 0 || len(f.Good) == 0 || len(f.Bad) != f.Count.Bad || len(f.Good) != f.Count.Good {
		t.Fatalf("%d bad and %d good recipes, the file says %+v", len(f.Bad), len(f.Good), f.Count)
	}
	return f
}

func (f *recipeFile) makeKeys(t testing.TB) {
	t.Helper()
	long := 0
	generators := map[string]func() crypto.Signer{
		"RSA2048": func() crypto.Signer { long++; return testkit.AnyRSAKey(long - 1) },
		"RSA1024": func() crypto.Signer { return testkit.RSAShort() }, // there is one
		"P-256":   func() crypto.Signer { return testkit.NewECKey(elliptic.P256()) },
		"P-384":   func() crypto.Signer { return testkit.NewECKey(elliptic.P384()) },
		"Ed25519": func() crypto.Signer { return newEdKey() },
	}
	f.private = map[string]crypto.Signer{}
	for _, k := range f.Keys {
		generate, ok := generators[k.Type]
		if !ok {
			t.Fatalf("key type %q is not known", k.Type)
		}
		f.private[k.Name] = generate()
	}
}

func newEdKey() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// A tokenBuilder makes the tokens of recipes.
type tokenBuilder struct {
	testing.TB
	*recipeFile
	key    string // that signs where a recipe names none
	nonce  string // of the login, in place of the one in the file
	token  string // the token of a proof
	unique int
}

// public returns a key as a bare JWK.
func (f *recipeFile) public(t testing.TB, name string) testkit.JWK {
	t.Helper()
	var k testkit.JWK
	switch key := f.private[name].(type) {
	case *rsa.PrivateKey:
		k = testkit.RSAJWK(name, &key.PublicKey)
	case *ecdsa.PrivateKey:
		k = testkit.ECJWK(name, "", &key.PublicKey)
	case ed25519.PrivateKey:
		k = testkit.EdJWK(name, key.Public().(ed25519.PublicKey))
	default:
		t.Fatalf("there is no key %q", name)
	}
	return k.With("kid", nil).With("alg", nil).With("use", nil)
}

// published returns the keys that the issuer publishes.
func (b *tokenBuilder) published(change recipeKeys) []testkit.JWK {
	b.Helper()
	var keys []testkit.JWK
	for _, k := range b.Keys {
		if k.JWKS == nil || slices.Contains(change.Remove, k.Name) {
			continue
		}
		key := b.public(b, k.Name).With("kid", k.Name)
		if k.Kid != "" {
			key = key.With("kid", k.Kid)
		}
		for _, member := range *k.JWKS {
			key = key.With(member[0], json.RawMessage(member[1]))
		}
		keys = append(keys, key)
	}
	for _, raw := range change.Add {
		key := testkit.JWK{}
		if err := json.Unmarshal([]byte(b.value(string(raw))), &key); err != nil {
			b.Fatal(err)
		}
		keys = append(keys, key)
	}
	return keys
}

// value replaces the placeholders in a JSON value.
func (b *tokenBuilder) value(text string) string {
	b.Helper()
	switch text[0] {
	case '{':
		var o testkit.Object
		if err := o.UnmarshalJSON([]byte(text)); err != nil {
			b.Fatal(err)
		}
		if len(o) == 1 && len(o[0][0]) > 1 && o[0][0][0] == '$' {
			return b.placeholder(o[0][0], o[0][1])
		}
		return b.object(o).String()
	case '[':
		var list []json.RawMessage
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			b.Fatal(err)
		}
		var values []string
		for _, value := range list {
			values = append(values, b.value(string(value)))
		}
		return "[" + strings.Join(values, ",") + "]"
	}
	return b.text(text)
}

func (b *tokenBuilder) object(o testkit.Object) testkit.Object {
	b.Helper()
	o = slices.Clone(o)
	for i := range o {
		o[i][1] = b.value(o[i][1])
	}
	return o
}

func (b *tokenBuilder) placeholder(name, argument string) string {
	b.Helper()
	var key string
	json.Unmarshal([]byte(argument), &key) // where it is the name of one
	switch name {
	case "$now":
		seconds, err := strconv.ParseInt(argument, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		return testkit.NoonPlus(seconds)
	case "$repeat":
		var list []json.RawMessage
		var text string
		var times int
		if err := errors.Join(json.Unmarshal([]byte(argument), &list), json.Unmarshal(list[0], &text), json.Unmarshal(list[1], &times)); err != nil {
			b.Fatal(err)
		}
		return testkit.Quoted(strings.Repeat(text, times))
	case "$jkt":
		return testkit.Quoted(b.thumbprint(key))
	case "$jwk":
		return testkit.AsJSON(b.public(b, key))
	case "$jwk_private":
		return testkit.AsJSON(b.public(b, key).With("d", testkit.Segment(string(b.secretOf(key)))))
	case "$x5c":
		return testkit.AsJSON([]string{base64.StdEncoding.EncodeToString(b.certificate(key))})
	case "$n":
		return testkit.AsJSON(b.public(b, key)["n"])
	case "$ath", "$ath_padded":
		hash := sha256.Sum256([]byte(b.token))
		if name == "$ath" {
			return testkit.Quoted(testkit.Segment(string(hash[:])))
		}
		return testkit.Quoted(base64.URLEncoding.EncodeToString(hash[:]))
	}
	b.Fatalf("placeholder %q is not known", name)
	return ""
}

// thumbprint follows RFC 7638: the required members, in the order of their
// names, which is how package json writes a map.
func (b *tokenBuilder) thumbprint(key string) string {
	b.Helper()
	hash := sha256.Sum256([]byte(testkit.AsJSON(b.public(b, key))))
	return testkit.Segment(string(hash[:]))
}

func (b *tokenBuilder) secretOf(key string) []byte {
	switch key := b.private[key].(type) {
	case *rsa.PrivateKey:
		return key.D.Bytes()
	case *ecdsa.PrivateKey:
		secret, err := key.Bytes()
		if err != nil {
			b.Fatal(err)
		}
		return secret
	case ed25519.PrivateKey:
		return key.Seed()
	}
	b.Fatalf("there is no key %q", key)
	return nil
}

func (b *tokenBuilder) certificate(key string) []byte {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: testkit.Noon, NotAfter: testkit.Noon.Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, b.private[key].Public(), b.private[key])
	if err != nil {
		b.Fatal(err)
	}
	return cert
}

var textPlaceholder = regexp.MustCompile(`\{\{(.*?)\}\}`)

// text replaces the placeholders inside a text.
func (b *tokenBuilder) text(s string) string {
	return textPlaceholder.ReplaceAllStringFunc(s, func(match string) string {
		name := strings.Trim(match, "{}")
		switch name {
		case "iss":
			return b.Config.Issuers[0]
		case "aud":
			return b.Config.Audience
		case "client":
			return b.Config.ClientID
		case "unique":
			b.unique++
			return strconv.Itoa(b.unique)
		case "now":
			return testkit.NoonPlus(0)
		}
		seconds, err := strconv.ParseInt(strings.TrimPrefix(name, "now"), 10, 64)
		if err != nil {
			b.Fatalf("placeholder %q is not known", match)
		}
		return testkit.NoonPlus(seconds)
	})
}

var byteEscape = regexp.MustCompile(`\\x[0-9a-f]{2}`)

// raw returns a text that replaces a whole header or payload, and can be any bytes.
func (b *tokenBuilder) raw(value json.RawMessage) string {
	b.Helper()
	var s string
	if json.Unmarshal(value, &s) == nil {
		return b.text(s)
	}
	var o testkit.Object
	if err := o.UnmarshalJSON(value); err != nil || len(o) != 1 || json.Unmarshal([]byte(o[0][1]), &s) != nil {
		b.Fatalf("raw text %s is not understood", value)
	}
	switch o[0][0] {
	case "$hex":
		return string(b.unhex(s))
	case "$hex_json":
		return byteEscape.ReplaceAllStringFunc(b.text(s), func(escape string) string { return string(b.unhex(escape[2:])) })
	case "$utf16":
		var wide []byte
		for _, unit := range utf16.Encode([]rune(b.text(s))) {
			wide = binary.LittleEndian.AppendUint16(wide, unit)
		}
		return string(wide)
	}
	b.Fatalf("raw text %s is not understood", value)
	return ""
}

func (b *tokenBuilder) unhex(s string) []byte {
	b.Helper()
	text, err := hex.DecodeString(s)
	if err != nil {
		b.Fatal(err)
	}
	return text
}

func (b *tokenBuilder) apply(e changes, o testkit.Object) testkit.Object {
	b.Helper()
	for _, member := range b.object(e.Set) {
		o = o.Set(member[0], member[1])
	}
	for _, name := range e.Del {
		o = o.Without(name)
	}
	return o
}

func (r recipe) target() string {
	if r.Target == "" {
		return "access"
	}
	return r.Target
}

// picksKey reports whether a recipe is about the key or the algorithm, so that it
// has another meaning with another key.
func (r recipe) picksKey() bool {
	names := slices.Clone(r.Header.Del)
	for _, member := range r.Header.Set {
		names = append(names, member[0])
	}
	return r.Sign.Key != "" || r.Sign.Alg != "" || r.Sign.How == "hmac" || r.HeaderRaw != nil ||
		slices.Contains(names, "alg") || slices.Contains(names, "kid")
}

// build makes the token of a recipe. A recipe can change spare bits and padding,
// which depend on the length, and letters, which depend on the contents. A claim
// that nothing reads makes up for it.
func (b *tokenBuilder) build(r recipe) string {
	b.Helper()
	claims, ok := b.BaseClaims[r.target()]
	if !ok {
		b.Fatalf("target %q is not known", r.Target)
	}
	claims = b.apply(r.Claims, b.object(claims))
	if r.target() == "id" {
		claims = b.ofThisLogin(claims)
	}
	for filler := range 64 {
		payload := claims.String()
		switch {
		case r.ClaimsRaw != nil && filler > 0:
			b.Fatalf("%q changes nothing", r.Mutate)
		case r.ClaimsRaw != nil:
			payload = b.raw(r.ClaimsRaw)
		case filler > 0:
			payload = claims.Set("filler", testkit.Quoted(strings.Repeat("~", filler))).String()
		}
		token, changed := b.mutated(r.Mutate, b.signed(r, claims, payload))
		if changed {
			return token
		}
	}
	b.Fatalf("%q changes nothing", r.Mutate)
	return ""
}

// ofThisLogin puts the nonce of the login where the file has its own, and a part
// of it where the file has that.
func (b *tokenBuilder) ofThisLogin(claims testkit.Object) testkit.Object {
	for i, member := range claims {
		if member[0] == "nonce" {
			claims[i][1] = map[string]string{
				testkit.Quoted(b.Config.ID.Nonce):     testkit.Quoted(b.nonce),
				testkit.Quoted(b.Config.ID.Nonce[:2]): testkit.Quoted(b.nonce[:len(b.nonce)-1]),
				`""`:                                  `""`,
			}[member[1]]
		}
	}
	return claims
}

func (b *tokenBuilder) signed(r recipe, claims testkit.Object, payload string) string {
	b.Helper()
	sign := r.Sign
	if sign.Key == "" {
		sign.Key = b.key
	}
	if sign.Alg == "" {
		sign.Alg = b.algorithm(sign.Key)
	}
	header := b.apply(r.Header, testkit.Object{{"alg", testkit.Quoted(sign.Alg)}, {"typ", `"JWT"`}, {"kid", testkit.Quoted(sign.Key)}})
	text := header.String()
	if r.HeaderRaw != nil {
		text = b.raw(r.HeaderRaw)
	}
	return testkit.Compact(text, payload, func(input string) []byte {
		if sign.How == "over" {
			input = testkit.Segment(b.apply(sign.OtherHeader, header).String()) + "." + testkit.Segment(b.apply(sign.OtherClaims, claims).String())
		}
		return b.signature(sign, header)(input)
	})
}

// algorithm is the default one of a key.
func (b *tokenBuilder) algorithm(key string) string {
	b.Helper()
	for _, k := range b.Keys {
		if k.Name != key {
			continue
		}
		if k.JWKS != nil && slices.Contains(testkit.AllAlgorithms, k.JWKS.Member("alg")) {
			return k.JWKS.Member("alg")
		}
		return map[string]string{"RSA2048": "RS256", "RSA1024": "RS256", "P-256": "ES256", "P-384": "ES384", "Ed25519": "EdDSA"}[k.Type]
	}
	b.Fatalf("there is no key %q", key)
	return ""
}

func (b *tokenBuilder) signature(s recipeSign, header testkit.Object) testkit.Signer {
	b.Helper()
	switch s.How {
	case "", "over":
		return b.signer(s.Key, s.Alg)
	case "none":
		return testkit.Constant(nil)
	case "zero":
		return testkit.Constant(make([]byte, s.Len))
	case "random":
		return testkit.Constant(bytes.Repeat([]byte("\x5a\x13\xc4"), s.Len)[:s.Len])
	case "hex":
		return testkit.Constant(b.unhex(s.Hex))
	case "trim":
		return func(input string) []byte {
			sig := b.signer(s.Key, s.Alg)(input)
			return sig[:len(sig)-s.N]
		}
	case "hmac":
		return b.hmac(s.Secret, header)
	case "pss":
		return testkit.PS(hashNamed(s.Alg), s.Salt, b.private[s.Key].(*rsa.PrivateKey))
	case "der", "swap", "high-s":
		return testkit.ES(hashNamed(s.Alg), b.private[s.Key].(*ecdsa.PrivateKey), ecForm(s.How))
	case "ed-s-plus-l":
		return func(input string) []byte { return plusOrder(b.signer(s.Key, s.Alg)(input)) }
	}
	b.Fatalf("how %q is not known", s.How)
	return nil
}

func (b *tokenBuilder) signer(key, alg string) testkit.Signer {
	b.Helper()
	switch k := b.private[key].(type) {
	case *rsa.PrivateKey:
		if strings.HasPrefix(alg, "PS") {
			return testkit.PS(hashNamed(alg), hashNamed(alg).Size(), k)
		}
		return testkit.RS(hashNamed(alg), k)
	case *ecdsa.PrivateKey:
		return testkit.ES(hashNamed(alg), k, testkit.SideBySide((k.Params().BitSize+7)/8))
	case ed25519.PrivateKey:
		return func(input string) []byte { return ed25519.Sign(k, []byte(input)) }
	}
	b.Fatalf("there is no key %q", key)
	return nil
}

func hashNamed(alg string) crypto.Hash {
	switch {
	case strings.HasSuffix(alg, "384"):
		return crypto.SHA384
	case strings.HasSuffix(alg, "512"):
		return crypto.SHA512
	}
	return crypto.SHA256
}

func (b *tokenBuilder) hmac(secret string, header testkit.Object) testkit.Signer {
	b.Helper()
	kind, name, _ := strings.Cut(secret, ":")
	var key []byte
	switch kind {
	case "text":
		key = []byte(name)
	case "empty":
	case "jwk":
		key = []byte(testkit.AsJSON(b.public(b, name)))
	case "n":
		key = b.private[name].(*rsa.PrivateKey).N.Bytes()
	case "pkcs1-pem":
		key = pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&b.private[name].(*rsa.PrivateKey).PublicKey)})
	case "pkix-pem", "pkix-der":
		der, err := x509.MarshalPKIXPublicKey(b.private[name].Public())
		if err != nil {
			b.Fatal(err)
		}
		if key = der; kind == "pkix-pem" {
			key = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		}
	default:
		b.Fatalf("secret %q is not known", secret)
	}
	hash := hashNamed(header.Member("alg"))
	return func(input string) []byte {
		mac := hmac.New(hash.New, key)
		io.WriteString(mac, input)
		return mac.Sum(nil)
	}
}

// ecForm lays out the two numbers of an ES256 signature in other ways than RFC
// 7518, Section 3.4, requires.
func ecForm(how string) func(r, s *big.Int) []byte {
	return func(r, s *big.Int) []byte {
		switch how {
		case "der":
			der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
			if err != nil {
				panic(err)
			}
			return der
		case "swap":
			return testkit.SideBySide(32)(s, r)
		}
		return testkit.SideBySide(32)(r, new(big.Int).Sub(elliptic.P256().Params().N, s))
	}
}

// plusOrder adds the order of the group to the number in an Ed25519 signature,
// which gives another text that fits the same equation (RFC 8032, Section 8.4).
func plusOrder(sig []byte) []byte {
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	half := slices.Clone(sig[32:])
	slices.Reverse(half) // it is little-endian
	sum := new(big.Int).Add(new(big.Int).SetBytes(half), order).FillBytes(make([]byte, 32))
	slices.Reverse(sum)
	return append(sig[:32:32], sum...)
}

// mutated changes a finished token, and reports whether each step changed it.
func (b *tokenBuilder) mutated(steps []string, token string) (_ string, changed bool) {
	b.Helper()
	for _, step := range steps {
		next := b.mutate(step, token)
		if next == token {
			return "", false
		}
		token = next
	}
	return token, true
}

var dots = regexp.MustCompile(`\{\$dots:(\d+)\}`)

func (b *tokenBuilder) mutate(step, token string) string {
	b.Helper()
	name, argument, _ := strings.Cut(step, ":")
	parts := strings.Split(token, ".")
	switch name {
	case "append":
		return token + argument
	case "prepend":
		return argument + token
	case "cut":
		return token[:len(token)-b.number(argument)]
	case "reverse":
		slices.Reverse(parts)
		return strings.Join(parts, ".")
	case "json_flat":
		return fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, parts[0], parts[1], parts[2])
	case "json_general":
		return fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":"AA"},{"protected":%q,"signature":%q}]}`, parts[1], parts[0], parts[0], parts[2])
	}
	number, rest, _ := strings.Cut(argument, ":")
	i := b.number(number)
	switch name {
	case "pad":
		parts[i] += strings.Repeat("=", (4-len(parts[i])%4)%4)
	case "std":
		parts[i] = strings.NewReplacer("-", "+", "_", "/").Replace(parts[i])
	case "tail":
		parts[i] = otherTail(parts[i])
	case "ins":
		at, text, _ := strings.Cut(rest, ":")
		parts[i] = parts[i][:b.number(at)] + text + parts[i][b.number(at):]
	case "flip":
		at, bit, _ := strings.Cut(rest, ":")
		decoded := testkit.DecodeSegment(parts[i])
		// The last byte is counted for RS256, whose signatures are the longest.
		decoded[min(b.number(at), len(decoded)-1)] ^= 1 << b.number(bit)
		parts[i] = testkit.Segment(string(decoded))
	case "seg":
		parts[i] = dots.ReplaceAllStringFunc(rest, func(match string) string {
			return strings.Repeat(".", b.number(dots.FindStringSubmatch(match)[1]))
		})
	case "drop":
		parts = slices.Delete(parts, i, i+1)
	default:
		b.Fatalf("mutation %q is not known", step)
	}
	return strings.Join(parts, ".")
}

func (b *tokenBuilder) number(s string) int {
	b.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// otherTail sets the unused bits of the last character.
func otherTail(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	spare := map[int]int{2: 15, 3: 3}[len(s)%4]
	last := len(s) - 1
	return s[:last] + string(alphabet[strings.IndexByte(alphabet, s[last])|spare])
}

// proofsMade counts, because most recipes are tried on one API, and a proof is accepted
// once.
var proofsMade atomic.Int64

// proof makes a DPoP proof (RFC 9449, Section 4.2) for a token.
func (b *tokenBuilder) proof(p recipeProof, method, target, token string) string {
	b.Helper()
	if p.Raw != "" {
		return p.Raw
	}
	if p.Key == "" {
		p.Key = "dp1"
	}
	sign := p.Sign
	sign.Key = p.Key
	if sign.Alg = p.Alg; sign.Alg == "" {
		sign.Alg = b.algorithm(p.Key)
	}
	target, _, _ = strings.Cut(target, "?")
	b.token = token
	header := b.apply(p.Header, testkit.Object{{"typ", `"dpop+jwt"`}, {"alg", testkit.Quoted(sign.Alg)}, {"jwk", testkit.AsJSON(b.public(b, p.Key))}})
	claims := b.apply(p.Claims, testkit.Object{{"jti", testkit.Quoted("proof-" + strconv.FormatInt(proofsMade.Add(1), 10))}, {"htm", testkit.Quoted(method)}, {"htu", testkit.Quoted(target)},
		{"iat", testkit.NoonPlus(0)}, {"ath", b.placeholder("$ath", "true")}})
	return testkit.Compact(header.String(), claims.String(), b.signature(sign, header))
}

// request carries a token as the recipe says.
func (b *tokenBuilder) request(r recipe, token string) *http.Request {
	b.Helper()
	with := func(s string) string { return strings.ReplaceAll(s, "{token}", token) }
	q := r.Request
	method, target, body := "GET", b.Config.DPoP.URL, io.Reader(nil)
	if q.Form != nil {
		form := url.Values{}
		for name, value := range q.Form {
			form.Set(name, with(value))
		}
		method, body = "POST", strings.NewReader(form.Encode())
	}
	if q.Method != "" {
		method = q.Method
	}
	if q.URL != "" {
		target = q.URL
	}
	req := httptest.NewRequest(method, target, body)
	if q.Form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if q.Authorization == nil {
		q.Authorization = []string{"Bearer {token}"}
	}
	for _, value := range q.Authorization {
		req.Header["Authorization"] = append(req.Header["Authorization"], with(value))
	}
	query := req.URL.Query()
	for name, value := range q.Query {
		query.Set(name, with(value))
	}
	req.URL.RawQuery = query.Encode()
	for name, value := range q.Cookie {
		req.AddCookie(&http.Cookie{Name: name, Value: with(value)})
	}
	for name, value := range q.Headers {
		req.Header[name] = []string{with(value)}
	}
	for _, p := range q.DPoP {
		req.Header["Dpop"] = append(req.Header["Dpop"], b.proof(p, method, target, token))
	}
	return req
}
