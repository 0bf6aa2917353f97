package checkout

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/keyring"
)

// tickets buys tickets that cost nothing.
func (h *house) freeTickets(e ropeline.Event, f ropeline.FanID, quantity int) []Ticket {
	h.t.Helper()
	o := h.order(h.hold(e, f, quantity))
	h.work("tickets", func() bool { return h.state(o) == OrderPaid })
	return h.look(o).Tickets
}

func (h *house) scan(e ropeline.Event, id, code, gate string) CheckIn {
	h.t.Helper()
	done, err := h.CheckIn(h.t.Context(), e.ID, []Scan{{ID: id, Code: code, Gate: gate}}, "door@example.org")
	if err != nil {
		h.t.Fatal(err)
	}
	return done[0]
}

func (h *house) revoke(id ropeline.TicketID, cause Cause) {
	h.t.Helper()
	must(h.t, h.revokeFor(id, Revocation{Cause: cause, Reason: "a test", By: "olga@example.org"}))
}

func (h *house) revokeFor(id ropeline.TicketID, why Revocation) error {
	return pgx.BeginFunc(h.t.Context(), h.pair.Pool, func(tx pgx.Tx) error { return h.Revoke(h.t.Context(), tx, id, why) })
}

func (h *house) undo(id ropeline.TicketID, reason string) error {
	return pgx.BeginFunc(h.t.Context(), h.pair.Pool, func(tx pgx.Tx) error {
		return h.UndoCheckIn(h.t.Context(), tx, id, reason, "box@example.org")
	})
}

func (h *house) reissue(id ropeline.TicketID) (revision int, err error) {
	err = pgx.BeginFunc(h.t.Context(), h.pair.Pool, func(tx pgx.Tx) error {
		revision, err = h.Reissue(h.t.Context(), tx, id, "shown on television", "olga@example.org")
		return err
	})
	return revision, err
}

func TestSecondScanHearsWhenAndWhere(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{capacity: 10, perOrder: 4, perFan: 4})
	ticket := h.freeTickets(e, fan(), 1)[0]

	first := h.scan(e, "a", ticket.Code, "North")
	if first.Result != ScanAccepted || first.Ticket != ticket.ID || first.TicketType != "stalls" || first.First != nil {
		t.Errorf("the first scan: %+v", first)
	}
	second := h.scan(e, "b", strings.ToLower(ticket.Code), "South")
	if second.Result != ScanAlready || second.First == nil || second.First.Gate != "North" || !second.First.At.Equal(first.ScannedAt) {
		t.Errorf("the second scan: %+v, first %+v", second, second.First)
	}
	if again := h.scan(e, "a", ticket.Code, "North"); again.Result != ScanAccepted || again.Seq != first.Seq {
		t.Errorf("the first scan, sent again: %+v", again)
	}
	if n := count(t, h.pair.Pool, "select count(*) from checkins"); n != 2 {
		t.Errorf("%d rows for two scans", n)
	}
	if n := count(t, h.pair.Pool, "select count(*) from outbox where kind = 'TicketCheckedIn' and subject = $1", ticket.ID); n != 1 {
		t.Errorf("%d TicketCheckedIn", n)
	}
	h.audit(e)
}

func TestScansThatLetNobodyIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e, other := h.event(kind{capacity: 10, perOrder: 4, perFan: 4}), h.event(kind{capacity: 10, perOrder: 4, perFan: 4})
	bought := h.freeTickets(e, fan(), 3)
	h.revoke(bought[0].ID, CauseOrganizer)
	if _, err := h.reissue(bought[1].ID); err != nil {
		t.Fatal(err)
	}
	anew, err := h.Ticket(t.Context(), bought[1].ID, bought[1].Fan)
	must(t, err)
	strange := Code(h.keys, TicketFacts{Event: e.ID, Ticket: ropeline.NewID[ropeline.TicketID](), Revision: 1})
	forged := []byte(bought[2].Code)
	forged[50] ^= 1
	for i, want := range []struct {
		code   string
		result ScanResult
		event  ropeline.Event
	}{
		{bought[0].Code, ScanRevoked, e},
		{bought[1].Code, ScanRevoked, e}, // of the older revision
		{anew.Code, ScanAccepted, e},
		{bought[2].Code, ScanWrongEvent, other},
		{strange, ScanUnknown, e},
		{string(forged), ScanBadSignature, e},
		{"HELLO", ScanBadSignature, e},
		{bought[2].Code, ScanAccepted, e},
	} {
		if got := h.scan(want.event, fmt.Sprint(i), want.code, "North"); got.Result != want.result {
			t.Errorf("scan %d: %s, want %s", i, got.Result, want.result)
		}
	}
	h.audit(e)
	list, err := h.CheckIns(t.Context(), e.ID, "revoked", 0, 10)
	if err != nil || len(list) != 2 {
		t.Errorf("%d revoked scans, %v", len(list), err)
	}
	counts, err := h.GateCounts(t.Context(), e.ID)
	if err != nil || len(counts.Types) != 1 || counts.Types[0].Tickets != 2 || counts.Types[0].CheckedIn != 2 ||
		len(counts.Gates) != 1 || counts.Gates[0] != (GateCount{"North", 2, 5}) {
		t.Errorf("counts %+v, %v", counts, err)
	}
}

// Many gates scan the same tickets at once, each of them twice with one id.
func TestManyGatesAtOnceOneFirstScan(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{capacity: 10, perOrder: 4, perFan: 4})
	bought := h.freeTickets(e, fan(), 4)
	const gates = 6
	results := make([][]CheckIn, 2*gates)
	var all sync.WaitGroup
	for g := range results {
		all.Go(func() {
			var scans []Scan
			for i := range bought {
				i = (i + g) % len(bought) // each in another order
				scans = append(scans, Scan{ID: fmt.Sprintf("%d/%d", g%gates, i), Code: bought[i].Code, Gate: fmt.Sprint("gate ", g%gates)})
			}
			done, err := h.CheckIn(t.Context(), e.ID, scans, "door@example.org")
			if err != nil {
				t.Error(err)
			}
			results[g] = done
		})
	}
	all.Wait()
	accepted := map[ropeline.TicketID]map[string]bool{}
	for _, done := range results {
		for _, c := range done {
			if c.Result == ScanAccepted {
				if accepted[c.Ticket] == nil {
					accepted[c.Ticket] = map[string]bool{}
				}
				accepted[c.Ticket][c.ScanID] = true
			} else if c.Result != ScanAlready || c.First == nil {
				t.Errorf("%+v", c)
			}
		}
	}
	for _, ticket := range bought {
		if len(accepted[ticket.ID]) != 1 {
			t.Errorf("ticket %s was accepted by %v", ticket.ID, accepted[ticket.ID])
		}
	}
	if n := count(t, h.pair.Pool, "select count(*) from checkins"); n != gates*len(bought) {
		t.Errorf("%d rows for %d scans", n, gates*len(bought))
	}
	h.audit(e)
}

// What waited offline keeps the device's time, unless that is out of reason.
func TestOfflineScansKeepTheirTime(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{capacity: 10, perOrder: 4, perFan: 4})
	ticket := h.freeTickets(e, fan(), 1)[0]
	at := time.Now().Add(-20 * time.Minute).Truncate(time.Millisecond)
	done, err := h.CheckIn(t.Context(), e.ID, []Scan{
		{ID: "1", Code: ticket.Code, Gate: "North", Shown: "accepted", At: at},
		{ID: "2", Code: ticket.Code, Gate: "South", Shown: "accepted", At: time.Now().AddDate(-3, 0, 0)},
	}, "door@example.org")
	must(t, err)
	if !done[0].ScannedAt.Equal(at) || done[0].Result != ScanAccepted {
		t.Errorf("%+v", done[0])
	}
	if time.Since(done[1].ScannedAt) > time.Hour || done[1].Result != ScanAlready || !done[1].First.At.Equal(at) {
		t.Errorf("%+v", done[1])
	}
	conflicts, err := h.CheckIns(t.Context(), e.ID, "conflict", 0, 10)
	if err != nil || len(conflicts) != 1 || conflicts[0].ScanID != "2" {
		t.Errorf("conflicts %+v, %v", conflicts, err)
	}
}

func TestUndoneCheckInBeginsANewTurn(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{capacity: 10, perOrder: 4, perFan: 4})
	ticket := h.freeTickets(e, fan(), 1)[0]
	wantCode(t, h.undo(ticket.ID, "not in yet"), ropeline.CodeTicketEnded)
	for turn := range 3 {
		if got := h.scan(e, fmt.Sprint("in ", turn), ticket.Code, "North"); got.Result != ScanAccepted {
			t.Fatalf("turn %d: %s", turn, got.Result)
		}
		if got := h.scan(e, fmt.Sprint("twice ", turn), ticket.Code, "South"); got.Result != ScanAlready {
			t.Fatalf("turn %d: %s", turn, got.Result)
		}
		h.audit(e)
		must(t, h.undo(ticket.ID, "the wrong phone"))
		h.audit(e)
	}
	undone, err := h.CheckIns(t.Context(), e.ID, "undone", 0, 10)
	if err != nil || len(undone) != 3 || undone[0].Reason != "the wrong phone" || undone[0].By != "box@example.org" {
		t.Errorf("%+v, %v", undone, err)
	}
	wantCode(t, h.undo(ticket.ID, ""), ropeline.CodeInvalidRequest)
	wantCode(t, h.undo(ropeline.NewID[ropeline.TicketID](), "who"), ropeline.CodeTicketNotFound)
}

func TestScansThatAreRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, true)
	e := h.event(kind{capacity: 1, perOrder: 1, perFan: 1})
	good := Scan{ID: "1", Code: "X", Gate: "North"}
	with := func(change func(*Scan)) []Scan {
		s := good
		change(&s)
		return []Scan{s}
	}
	for _, scans := range [][]Scan{
		nil, make([]Scan, mostScans+1),
		with(func(s *Scan) { s.ID = "" }), with(func(s *Scan) { s.ID = "a\x00b" }), with(func(s *Scan) { s.ID = "undo:1" }),
		with(func(s *Scan) { s.Gate = " " }), with(func(s *Scan) { s.Gate = strings.Repeat("x", 101) }), with(func(s *Scan) { s.Gate = "\xff" }),
		with(func(s *Scan) { s.Code = "" }), with(func(s *Scan) { s.Code = strings.Repeat("A", 400) }), with(func(s *Scan) { s.Shown = "maybe" }),
	} {
		_, err := h.CheckIn(t.Context(), e.ID, scans, "door")
		wantCode(t, err, ropeline.CodeInvalidRequest)
	}
	h.scan(e, "1", "X", "North")
	_, err := h.CheckIn(t.Context(), e.ID, with(func(s *Scan) { s.Code = "Y" }), "door")
	wantCode(t, err, ropeline.CodeKeyReused)
	if n := count(t, h.pair.Pool, "select count(*) from checkins"); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestCheckInsAreAppendOnly(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{capacity: 1, perOrder: 1, perFan: 1})
	ticket := h.freeTickets(e, fan(), 1)[0]
	h.scan(e, "1", ticket.Code, "North")
	h.revoke(ticket.ID, CauseRefund)
	for _, sql := range []string{"update checkins set gate = 'x'", "delete from checkins", "update revocations set revision = 9", "delete from revocations",
		"insert into checkins (event_id, scan_id, code_hash, result, ticket_id, revision, turn, gate, scanned_at, by) select event_id, 'z', code_hash, 'accepted', ticket_id, revision, turn, gate, now(), by from checkins"} {
		if _, err := h.pair.Pool.Exec(t.Context(), sql); err == nil {
			t.Errorf("%s: done", sql)
		}
	}
	h.audit(e)
}

func TestAuditFindsATicketThatWasLetInTwice(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{capacity: 2, perOrder: 2, perFan: 2})
	bought := h.freeTickets(e, fan(), 2)
	h.scan(e, "1", bought[0].Code, "North")
	for _, sql := range []string{
		"drop index checkins_one_first_scan",
		"insert into checkins (event_id, scan_id, code_hash, result, ticket_id, revision, turn, gate, scanned_at, by) select event_id, 'z', code_hash, 'accepted', ticket_id, revision, turn, gate, now(), by from checkins",
		"update tickets set state = 'checked_in' where id = '" + string(bought[1].ID) + "'",
	} {
		if _, err := h.pair.Pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	found, err := Audit(t.Context(), h.pair.Pool, e.ID)
	if err != nil || len(found) != 3 {
		t.Fatalf("%v, %v", found, err)
	}
	for _, v := range found {
		if v.Invariant != "I8" {
			t.Error(v)
		}
	}
}

func TestRevocationsOfAnOrder(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{capacity: 10, perOrder: 4, perFan: 4})
	bought := h.freeTickets(e, fan(), 3)
	h.scan(e, "1", bought[0].Code, "North")
	why := Revocation{Cause: CauseRefund, Reason: "refunded", By: "olga@example.org"}
	for _, want := range []int{3, 0} {
		must(t, pgx.BeginFunc(t.Context(), h.pair.Pool, func(tx pgx.Tx) error {
			n, err := h.RevokeOrder(t.Context(), tx, bought[0].Order, why)
			if n != want {
				t.Errorf("%d revoked, want %d", n, want)
			}
			return err
		}))
	}
	list, err := h.Revocations(t.Context(), e.ID, 0)
	if err != nil || len(list.Voids) != 3 || list.Count != 3 {
		t.Fatalf("%+v, %v", list, err)
	}
	_, err = h.reissue(bought[1].ID)
	wantCode(t, err, ropeline.CodeTicketEnded)
	wantCode(t, h.revokeFor(ropeline.NewID[ropeline.TicketID](), why), ropeline.CodeTicketNotFound)
	if n := count(t, h.pair.Pool, "select count(*) from outbox where kind = 'TicketRevoked' and payload->>'cause' = 'refund'"); n != 3 {
		t.Errorf("%d TicketRevoked", n)
	}
	h.audit(e)
}

// A list since a cursor leaves nothing out, not even what commits after the
// cursor was given though it was written before.
func TestRevocationsSinceACursor(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{capacity: 10, perOrder: 4, perFan: 4})
	bought := h.freeTickets(e, fan(), 3)
	why := Revocation{Cause: CauseOrganizer, Reason: "a test", By: "olga@example.org"}
	slow, err := h.pair.Pool.Begin(t.Context())
	must(t, err)
	defer slow.Rollback(context.Background())
	_, err = h.RevokeTickets(t.Context(), slow, []ropeline.TicketID{bought[0].ID}, why)
	must(t, err)
	must(t, h.revokeFor(bought[1].ID, why)) // overtakes
	list, err := h.Revocations(t.Context(), e.ID, 0)
	if err != nil || len(list.Voids) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	must(t, slow.Commit(t.Context()))
	list, err = h.Revocations(t.Context(), e.ID, list.Cursor)
	must(t, err)
	found := map[ropeline.TicketID]bool{}
	for _, v := range list.Voids {
		found[v.Ticket] = true
	}
	if !found[bought[0].ID] {
		t.Error("what committed late was left out")
	}
	// Transactions of others may hold the cursor back for a moment.
	eventually(t, "a list with nothing new", func() bool {
		list, err = h.Revocations(t.Context(), e.ID, list.Cursor)
		return err == nil && len(list.Voids) == 0
	})
}

// Gates hear of who is in and of what was undone, in pieces too.
func TestEntered(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{capacity: 10, perOrder: 4, perFan: 4})
	bought := h.freeTickets(e, fan(), 3)
	h.scan(e, "1", bought[0].Code, "North")
	h.scan(e, "2", bought[0].Code, "South")
	h.scan(e, "3", bought[1].Code, "South")
	must(t, h.undo(bought[1].ID, "the wrong phone"))
	all, err := h.Entered(t.Context(), e.ID, 0, 0)
	if err != nil || len(all.Entries) != 3 || all.More {
		t.Fatalf("%+v, %v", all, err)
	}
	if first, last := all.Entries[0], all.Entries[2]; first.Ticket != bought[0].ID || !first.In || first.Gate != "North" || last.Ticket != bought[1].ID || last.In {
		t.Errorf("%+v", all.Entries)
	}
	if page, err := h.Entered(t.Context(), e.ID, 0, all.Entries[1].Seq); err != nil || len(page.Entries) != 1 {
		t.Errorf("%+v, %v", page, err)
	}
	h.scan(e, "4", bought[2].Code, "North")
	news, err := h.Entered(t.Context(), e.ID, all.Cursor, 0)
	if err != nil || len(news.Entries) == 0 || news.Entries[len(news.Entries)-1].Ticket != bought[2].ID {
		t.Errorf("%+v, %v", news, err)
	}
}

// Rotation: what was signed before stays good.
func TestTicketsOfBeforeARotationStayGood(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{capacity: 10, perOrder: 4, perFan: 4})
	before := h.freeTickets(e, fan(), 2)
	if _, err := h.keys.Rotate(t.Context(), keyring.PurposeTicket); err != nil {
		t.Fatal(err)
	}
	if _, err := h.pair.Pool.Exec(t.Context(), "update signing_keys set active_at = now() where active_at > now()"); err != nil {
		t.Fatal(err)
	}
	must(t, h.keys.Refresh(t.Context()))
	after, err := h.Ticket(t.Context(), before[0].ID, before[0].Fan)
	must(t, err)
	if after.Code == before[0].Code {
		t.Fatal("the new key does not sign")
	}
	for i, want := range []struct {
		code   string
		result ScanResult
	}{{before[0].Code, ScanAccepted}, {after.Code, ScanAlready}, {before[1].Code, ScanAccepted}} {
		if got := h.scan(e, fmt.Sprint(i), want.code, "North"); got.Result != want.result {
			t.Errorf("scan %d: %s, want %s", i, got.Result, want.result)
		}
	}
}
