package keys

import (
	"math/big"
	"sync"
)

// A residueSet has a bit for each residue of a prime below 192.
type residueSet [3]uint64

func (s *residueSet) add(r uint64)      { s[r/64] |= 1 << (r % 64) }
func (s *residueSet) has(r uint64) bool { return s[r/64]&(1<<(r%64)) != 0 }

// rocaResidues are, for each prime from 3 to 167, the powers of 65537 modulo that
// prime.
var rocaResidues = sync.OnceValue(func() map[uint64]*residueSet {
	residues := map[uint64]*residueSet{}
	for p := uint64(3); p <= 167; p += 2 {
		if !big.NewInt(int64(p)).ProbablyPrime(0) { // which is exact for small numbers
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

// Factorable reports whether an RSA modulus is of the generator of
// CVE-2017-15361, whose keys can be factored. Its primes are powers of 65537
// modulo the product of small primes, so their product is one modulo each of them
// (Nemec et al., "The Return of Coppersmith's Attack", CCS 2017, Section 3). Of
// other moduli, one in more than a hundred million is.
func Factorable(n *big.Int) bool {
	var prime, rest big.Int
	for p, residues := range rocaResidues() {
		if !residues.has(rest.Mod(n, prime.SetUint64(p)).Uint64()) {
			return false
		}
	}
	return true
}
