package keys

import (
	"math/big"
	"sync"
)

// A residueSet has a bit for each residue of a prime below 192.
type residueSet [3]uint64

func (s *residueSet) add(r uint64)      { s[r/64] |= 1 << (r % 64) }
func (s *residueSet) has(r uint64) bool { return s[r/64]&(1<<(r%64)) != 0 }

// rocaResidues has the powers of 65537 modulo each prime from 3 to 167.
var rocaResidues = sync.OnceValue(func() map[uint64]*residueSet {
	residues := map[uint64]*residueSet{}
	for p := uint64(3); p <= 167; p += 2 {
		if !big.NewInt(int64(p)).ProbablyPrime(0) { // exact for small numbers
			continue
		}
		set := &residueSet{}
		for power := uint64(1); !set.has(power); power = power * 65537 % p {
			set.add(power)
		}
		residues[p] = set
	}
	return residues
})

// Factorable reports whether an RSA modulus has the fingerprint of CVE-2017-15361.
// An attacker can factor such moduli. The faulty generator chooses primes that are
// powers of 65537 modulo a product of small primes, so the modulus is such a power
// too (Nemec et al., "The Return of Coppersmith's Attack", CCS 2017, Section 3).
// Fewer than one in a hundred million other moduli have the fingerprint.
func Factorable(n *big.Int) bool {
	var prime, rest big.Int
	for p, residues := range rocaResidues() {
		if !residues.has(rest.Mod(n, prime.SetUint64(p)).Uint64()) {
			return false
		}
	}
	return true
}
