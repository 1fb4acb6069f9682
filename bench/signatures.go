package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// signatureFacts compare the verification of the standard library with that of OpenSSL,
// both of one signature over a hash that is there, in nanoseconds.
type signatureFacts struct {
	Missing        string // why OpenSSL cannot be compared, or ""
	Version        string // of openssl
	RSA, ECDSA     float64
	GoRSA, GoECDSA float64
	Each           time.Duration
}

// measureSignatures runs openssl between two halves of its own measurement. With no time
// it runs nothing.
func measureSignatures(ctx context.Context, fields map[string]*field, each time.Duration) (signatureFacts, error) {
	if each == 0 {
		return signatureFacts{Missing: "It was not asked for."}, nil
	}
	before, err := measureOwnSignatures(fields, each/2)
	if err != nil {
		return signatureFacts{}, err
	}
	facts, err := runOpenSSL(ctx, each)
	if err != nil {
		return facts, err
	}
	after, err := measureOwnSignatures(fields, each/2)
	facts.Each = each
	facts.GoRSA = (before["RS256"] + after["RS256"]) / 2
	facts.GoECDSA = (before["ES256"] + after["ES256"]) / 2
	return facts, err
}

// measureOwnSignatures returns processor time by algorithm, as openssl does, which does
// not count the time of other processes.
func measureOwnSignatures(fields map[string]*field, each time.Duration) (map[string]float64, error) {
	took := map[string]float64{}
	for alg, f := range fields {
		s, err := measure(each, 1, verifyingHash(f.tenant.ring.current, f.tokens.good))
		if err != nil {
			return nil, err
		}
		took[alg] = cmp.Or(s.CPU, s.NS)
	}
	return took, nil
}

// verifyingHash is the floor without the hash of the token.
func verifyingHash(key *signingKey, t *token) operation {
	sum := sha256.Sum256(t.signed)
	switch public := key.private.Public().(type) {
	case *rsa.PublicKey:
		return func() error { return rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], t.signature) }
	case *ecdsa.PublicKey:
		r, s := new(big.Int).SetBytes(t.signature[:32]), new(big.Int).SetBytes(t.signature[32:])
		return func() error {
			if !ecdsa.Verify(public, sum[:], r, s) {
				return errors.New("bad signature")
			}
			return nil
		}
	}
	return func() error { return errors.New("no such key type") }
}

func runOpenSSL(ctx context.Context, each time.Duration) (signatureFacts, error) {
	version, err := exec.CommandContext(ctx, "openssl", "version").Output()
	if errors.Is(err, exec.ErrNotFound) {
		return signatureFacts{Missing: "The command openssl is missing on this machine."}, nil
	}
	if err != nil {
		return signatureFacts{}, fmt.Errorf("openssl version: %w", err)
	}
	seconds := strconv.Itoa(max(1, int(each.Seconds())))
	out, err := exec.CommandContext(ctx, "openssl", "speed", "-mr", "-seconds", seconds, "rsa2048", "ecdsap256").Output()
	if err != nil {
		return signatureFacts{}, fmt.Errorf("openssl speed: %w", err)
	}
	facts, err := parseSpeed(out)
	facts.Version = strings.Join(strings.Fields(string(version))[:2], " ")
	return facts, err
}

// parseSpeed reads the lines that begin with +F: a kind of key, a number, its bits, and
// how many signatures are made and verified in a second.
func parseSpeed(out []byte) (signatureFacts, error) {
	var facts signatureFacts
	for line := range bytes.Lines(out) {
		part := strings.Split(strings.TrimSpace(string(line)), ":")
		if len(part) != 5 {
			continue
		}
		perSecond, err := strconv.ParseFloat(part[4], 64)
		if err != nil || perSecond <= 0 {
			continue
		}
		switch part[0] + " " + part[2] {
		case "+F2 2048":
			facts.RSA = float64(time.Second) / perSecond
		case "+F4 256":
			facts.ECDSA = float64(time.Second) / perSecond
		}
	}
	if facts.RSA == 0 || facts.ECDSA == 0 {
		return facts, errors.New("openssl speed prints no verifications of RSA with 2048 bits and ECDSA with P-256")
	}
	return facts, nil
}
