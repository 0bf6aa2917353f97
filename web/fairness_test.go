package web_test

import (
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/queue"
	"github.com/ropeline/ropeline/queue/draw"
)

// A fan's way through the lobby, and what anybody can check of it.
func TestTheLobbyAndItsProofs(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	drop := time.Now().Add(1500 * time.Millisecond)
	event := h.event(t, func(e *ropeline.Event, _ *admission.Rules) {
		lobby := time.Now().Add(-time.Second)
		e.LobbyAt, e.DropAt = &lobby, drop
	})
	path := "/events/" + string(event.ID)
	in, out := h.join(t, event.ID), h.join(t, event.ID)
	if in.status.Standing != ropeline.StandingLobby || in.status.Number != queue.NoNumber || in.status.Phase != ropeline.PhaseLobby || in.status.Place == "" {
		t.Fatalf("in the lobby: %+v", in.status)
	}
	again := decode[ropeline.Status](t, in.ask(t, "GET", path+"/queue", ""), http.StatusOK)
	if again.Standing != ropeline.StandingLobby || again.NextMS < 1000 {
		t.Errorf("asking again: %+v", again)
	}
	if page := in.ask(t, "GET", path+"/line", "", "Accept: text/html"); page.status != 200 || !strings.Contains(page.body, "You are in the lobby") {
		t.Errorf("the waiting page: %d", page.status)
	}
	if a := out.ask(t, "DELETE", path+"/queue", ""); a.status != http.StatusNoContent {
		t.Fatalf("leave: %d %s", a.status, a.body)
	}
	before := h.ask(t, "GET", path+"/fairness", "")
	if record := decode[draw.Record](t, before, http.StatusOK); record.Seed != "" || record.Root != "" || len(record.Commitment) != 64 || strings.Contains(before.body, "seed") {
		t.Errorf("published before the drop: %s", before.body)
	}
	if a := in.ask(t, "GET", path+"/receipt", ""); a.code(t) != string(ropeline.CodeNotOpen) {
		t.Errorf("a receipt before the drop: %s", a.body)
	}

	h.run(h.line.RunDraws)
	var status ropeline.Status
	eventually(t, "the draw", func() bool {
		status = decode[ropeline.Status](t, in.ask(t, "GET", path+"/queue", ""), http.StatusOK)
		return status.Standing == ropeline.StandingWaiting
	})
	if status.Number != 0 || status.Position != 0 || status.Place == "" || time.Now().Before(drop) {
		t.Errorf("after the draw: %+v", status)
	}
	if a := out.ask(t, "GET", path+"/queue", ""); a.code(t) != string(ropeline.CodeNotInLine) {
		t.Errorf("who left the lobby: %s", a.body)
	}
	var record draw.Record
	eventually(t, "the end of the draw", func() bool {
		record = decode[draw.Record](t, h.ask(t, "GET", path+"/fairness", ""), http.StatusOK)
		return record.State == "done"
	})
	file := h.ask(t, "GET", path+"/fairness/file", "")
	fromFile, entrants, err := draw.ReadFile(strings.NewReader(file.body))
	if err != nil || fromFile.Seed != record.Seed || entrants.Len() != 1 {
		t.Fatalf("the file: %v\n%s", err, file.body)
	}
	if _, err := fromFile.Verify(entrants); err != nil {
		t.Error(err)
	}
	receipt := decode[queue.Receipt](t, in.ask(t, "GET", path+"/receipt", ""), http.StatusOK)
	root, err := hex.DecodeString(receipt.Root)
	if err != nil || !draw.Included(draw.Hash(root), receipt.Fan, receipt.Index, int(receipt.Entrants), nil) || receipt.Root != record.Root {
		t.Errorf("the receipt: %+v", receipt)
	}
	if a := out.ask(t, "GET", path+"/receipt", ""); a.code(t) != string(ropeline.CodeNotInLine) {
		t.Errorf("a receipt for who left: %s", a.body)
	}
	if page := h.ask(t, "GET", path+"/fairness", "", "Accept: text/html"); page.status != 200 || !strings.Contains(page.body, record.Seed) || !strings.Contains(page.body, "<dd>1</dd>") {
		t.Errorf("the page: %d %s", page.status, page.body)
	}
	plain := h.event(t, nil)
	if a := h.ask(t, "GET", "/events/"+string(plain.ID)+"/fairness", ""); a.status != http.StatusNotFound {
		t.Errorf("an event without a lobby: %d", a.status)
	}
}
