package keyring_test

import (
	"bytes"
	"crypto/ed25519"
	"sync"
	"testing"

	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/internal/keyring"
)

func TestMain(m *testing.M) { engines.Main(m) }

// Nodes that start at the same moment on an empty database sign alike.
func TestNodesShareKeys(t *testing.T) {
	pair := engines.Test(t)
	rings := make([]*keyring.Keyring, 8)
	var all sync.WaitGroup
	for i := range rings {
		all.Go(func() {
			ring, err := keyring.Load(t.Context(), pair.Pool)
			if err != nil {
				t.Error(err)
			}
			rings[i] = ring
		})
	}
	all.Wait()
	message := []byte("number 7")
	mac := rings[0].MAC(keyring.PurposePlace, message)
	id, signature := rings[0].Sign(keyring.PurposePass, message)
	for i, ring := range rings {
		if !ring.CheckMAC(keyring.PurposePlace, message, mac) || !ring.Verify(keyring.PurposePass, id, message, signature) {
			t.Errorf("node %d does not know what node 0 signed", i)
		}
	}
	if !ed25519.Verify(rings[7].Public(keyring.PurposePass)[id], message, signature) {
		t.Error("the public key alone does not verify")
	}
}

func TestPurposesAreApart(t *testing.T) {
	ring, err := keyring.Load(t.Context(), engines.Test(t).Pool)
	if err != nil {
		t.Fatal(err)
	}
	message := []byte("the same words")
	if bytes.Equal(ring.MAC(keyring.PurposePlace, message), ring.MAC(keyring.PurposeFan, message)) {
		t.Error("two purposes have one MAC")
	}
	id, signature := ring.Sign(keyring.PurposePass, message)
	if ring.Verify(keyring.PurposeTicket, id, message, signature) {
		t.Error("a pass' signature is good for a ticket")
	}
	if ring.Verify(keyring.PurposePass, id+100, message, signature) {
		t.Error("an unknown key verifies")
	}
	if ring.CheckMAC(keyring.PurposePlace, message, ring.MAC(keyring.PurposePlace, message)[:15]) {
		t.Error("a shortened MAC is good")
	}
}
