package draw

import (
	"crypto/sha256"
	"slices"

	"github.com/ropeline/ropeline"
)

// PageSize is how many entrants a page holds: a power of two, so that a page
// is a subtree and a receipt needs one page and the roots of the others.
const PageSize = 8192

// Root is the Merkle tree hash of RFC 6962, section 2.1, over the entrants.
func Root(entrants Entrants) Hash { return root(leaves(entrants)) }

// PageRoots are the roots of the entrants' pages; Join makes their root.
func PageRoots(entrants Entrants) []Hash {
	roots := make([]Hash, 0, (entrants.Len()+PageSize-1)/PageSize)
	for page := range slices.Chunk(entrants, PageSize*IDLength) {
		roots = append(roots, Root(page))
	}
	return roots
}

// Join is the root over the roots of whole pages, of which the last may be
// short.
func Join(pages []Hash) Hash { return root(pages) }

// Path is the audit path of RFC 6962, section 2.1.1, for the entrant at index
// within one page, to the page's root.
func Path(page Entrants, index int) []Hash { return path(leaves(page), index) }

// JoinPath goes on from a page's root to the root of all.
func JoinPath(pages []Hash, index int) []Hash { return path(pages, index) }

// Included checks a path: that the fan is the entrant with this index among
// so many, under the root.
func Included(root Hash, fan ropeline.FanID, index, entrants int, path []Hash) bool {
	if index < 0 || index >= entrants {
		return false
	}
	hash, rest, last := leaf([]byte(fan)), index, entrants-1
	for _, sibling := range path { // RFC 9162, section 2.1.3.2
		if last == 0 {
			return false
		}
		if rest&1 == 1 || rest == last {
			hash = node(sibling, hash)
			for rest&1 == 0 && rest != 0 {
				rest, last = rest>>1, last>>1
			}
		} else {
			hash = node(hash, sibling)
		}
		rest, last = rest>>1, last>>1
	}
	return last == 0 && hash == root
}

func leaves(entrants Entrants) []Hash {
	all := make([]Hash, entrants.Len())
	for i := range all {
		all[i] = leaf(entrants.At(i))
	}
	return all
}

func leaf(id []byte) Hash {
	var b [1 + IDLength]byte
	return sha256.Sum256(append(b[:1], id...))
}

func node(left, right Hash) Hash {
	var b [1 + 2*sha256.Size]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[1+sha256.Size:], right[:])
	return sha256.Sum256(b[:])
}

func root(hashes []Hash) Hash {
	switch len(hashes) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return hashes[0]
	}
	k := split(len(hashes))
	return node(root(hashes[:k]), root(hashes[k:]))
}

func path(hashes []Hash, index int) []Hash {
	if len(hashes) <= 1 {
		return nil
	}
	if k := split(len(hashes)); index < k {
		return append(path(hashes[:k], index), root(hashes[k:]))
	} else {
		return append(path(hashes[k:], index-k), root(hashes[:k]))
	}
}

// split is the largest power of two below n.
func split(n int) int {
	k := 1
	for k*2 < n {
		k *= 2
	}
	return k
}
