package ropeline

import "strings"

// Across says whether identities that share something count as one fan for
// the limits of an event.
type Across string

// The choices. A card is known only when the gateway has authorized it, so the
// limit over cards is decided then, and the money let go.
const (
	AcrossNone    Across = "none"
	AcrossAddress Across = "address" // an e-mail address, its spellings made one
	AcrossCard    Across = "card"
	AcrossBoth    Across = "both"
)

// Known tells whether a is one of the choices.
func (a Across) Known() bool {
	return a == AcrossNone || a == AcrossAddress || a == AcrossCard || a == AcrossBoth
}

// Address tells whether those who share an address count as one.
func (a Across) Address() bool { return a == AcrossAddress || a == AcrossBoth }

// Card tells whether those who share a card count as one.
func (a Across) Card() bool { return a == AcrossCard || a == AcrossBoth }

// AddressKey is the same for the spellings of one mailbox that cost nothing to
// make up: letter case, a tag after "+", and at Google the dots and the second
// name of the domain. It is for counting only; mail goes to what was written.
func AddressKey(email string) string {
	local, domain, _ := strings.Cut(strings.ToLower(email), "@")
	if name, _, tagged := strings.Cut(local, "+"); tagged && name != "" {
		local = name
	}
	if domain == "googlemail.com" {
		domain = "gmail.com"
	}
	if domain == "gmail.com" {
		local = strings.ReplaceAll(local, ".", "")
	}
	return local + "@" + domain
}
