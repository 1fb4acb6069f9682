package emulator

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
)

func writeJSON(w http.ResponseWriter, status int, body any) {
	if e, ok := body.(apiError); ok {
		e.Error = http.StatusText(e.Status)
		body = e
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	w.Write(marshal(body))
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	w.Write([]byte(text))
}

func writeNotFound(w http.ResponseWriter) {
	writeJSON(w, http.StatusNotFound, apiError{Status: http.StatusNotFound, Message: "Not Found"})
}

// marshal encodes a document as Auth0 does, with <, > and & unescaped. A value
// that cannot be encoded becomes null: only an edit function can insert one.
func marshal(v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return []byte("null")
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// cloneJSON returns a copy of a JSON object that shares nothing with it.
func cloneJSON(object map[string]any) (map[string]any, error) {
	if object == nil {
		return nil, nil
	}
	text, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var clone map[string]any
	err = dec.Decode(&clone)
	return clone, err
}

// randomID returns n unguessable characters of the base64url alphabet.
func randomID(n int) string {
	raw := make([]byte, n)
	rand.Read(raw)
	return base64.RawURLEncoding.EncodeToString(raw)[:n]
}

// randomDigits returns a one-time code of six digits.
func randomDigits() string {
	raw := make([]byte, 6)
	rand.Read(raw)
	for i, b := range raw {
		raw[i] = '0' + b%10
	}
	return string(raw)
}

func randomHex(n int) string {
	raw := make([]byte, n)
	rand.Read(raw)
	return hex.EncodeToString(raw)
}

// randomUUID returns a version 4 UUID (RFC 9562, Section 5.4).
func randomUUID() string {
	raw := make([]byte, 16)
	rand.Read(raw)
	raw[6] = raw[6]&0x0f | 0x40
	raw[8] = raw[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", raw[:4], raw[4:6], raw[6:8], raw[8:10], raw[10:])
}

// b64 is the encoding of every part of a token (RFC 7515, Section 2).
func b64(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// cachePublicly sets the caching rules of the tenant's public documents.
func cachePublicly(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "public, max-age=15, stale-while-revalidate=15, stale-if-error=86400")
}

// listOf returns a list that encodes as [], not null, when it is empty.
func listOf(s []string) []string { return append([]string{}, s...) }

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
