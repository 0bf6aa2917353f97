package ropeline_test

import (
	"testing"

	"github.com/ropeline/ropeline"
)

func TestAddressKey(t *testing.T) {
	for address, want := range map[string]string{
		"Ann@Example.com": "ann@example.com", "ann+tickets@example.com": "ann@example.com", "a.n.n@gmail.com": "ann@gmail.com",
		"a.n.n+1@googlemail.com": "ann@gmail.com", "a.n.n@example.com": "a.n.n@example.com", "+x@example.com": "+x@example.com",
	} {
		if got := ropeline.AddressKey(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}
