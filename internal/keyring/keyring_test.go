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
		if ring.House() != rings[0].House() || len(ring.House()) != 32 {
			t.Errorf("node %d is of the house %q", i, ring.House())
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

// A ticket signed before a rotation verifies after it, on every node; the new
// key is known before it signs.
func TestRotation(t *testing.T) {
	pair := engines.Test(t)
	var rings []*keyring.Keyring
	for range 2 {
		ring, err := keyring.Load(t.Context(), pair.Pool)
		if err != nil {
			t.Fatal(err)
		}
		rings = append(rings, ring)
	}
	message := []byte("let me in")
	oldID, old := rings[0].Sign(keyring.PurposeTicket, message)
	key, err := rings[0].Rotate(t.Context(), keyring.PurposeTicket)
	if err != nil || key.Signs || key.ID == oldID {
		t.Fatalf("%+v, %v", key, err)
	}
	refresh := func() {
		t.Helper()
		for _, ring := range rings {
			if err := ring.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	refresh()
	for i, ring := range rings {
		if !bytes.Equal(ring.Public(keyring.PurposeTicket)[key.ID], key.Public) {
			t.Errorf("node %d does not know the new key", i)
		}
		if id, _ := ring.Sign(keyring.PurposeTicket, message); id != oldID {
			t.Errorf("node %d signs with key %d before its time", i, id)
		}
	}
	if _, err := pair.Pool.Exec(t.Context(), "update signing_keys set active_at = now() where id = $1", key.ID); err != nil {
		t.Fatal(err)
	}
	refresh()
	for i, ring := range rings {
		id, signature := ring.Sign(keyring.PurposeTicket, message)
		if id != key.ID || !rings[1-i].Verify(keyring.PurposeTicket, id, message, signature) {
			t.Errorf("node %d signs with key %d, and the other node does not know it", i, id)
		}
		if !ring.Verify(keyring.PurposeTicket, oldID, message, old) {
			t.Errorf("node %d does not know the old key any more", i)
		}
	}
	keys, err := rings[0].Keys(t.Context(), keyring.PurposeTicket)
	if err != nil || len(keys) != 2 || keys[0].Signs || !keys[1].Signs {
		t.Errorf("%+v, %v", keys, err)
	}
	if again, err := keyring.Load(t.Context(), pair.Pool); err != nil || len(again.Public(keyring.PurposeTicket)) != 2 {
		t.Errorf("a node that starts now: %v", err)
	}
	if _, err := rings[0].Rotate(t.Context(), keyring.PurposeFan); err == nil {
		t.Error("a MAC's secret was rotated")
	}
}

func TestKeyIDsEndAtAByte(t *testing.T) {
	pair := engines.Test(t)
	ring, err := keyring.Load(t.Context(), pair.Pool)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pair.Pool.Exec(t.Context(), "alter table signing_keys alter column id restart with 256"); err != nil {
		t.Fatal(err)
	}
	if _, err := ring.Rotate(t.Context(), keyring.PurposeTicket); err == nil {
		t.Error("a 257th key")
	}
	if err := ring.Refresh(t.Context()); err != nil {
		t.Errorf("and now nobody can start: %v", err)
	}
}
