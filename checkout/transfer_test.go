package checkout

import (
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

func (h *house) transfer(id ropeline.TicketID, holder ropeline.FanID, email string) (given Given, err error) {
	err = pgx.BeginFunc(h.t.Context(), h.pair.Pool, func(tx pgx.Tx) error {
		given, err = h.Transfer(h.t.Context(), tx, id, holder, email)
		return err
	})
	return given, err
}

func (h *house) held(id ropeline.TicketID) HeldTicket {
	h.t.Helper()
	ticket, err := h.HeldTicket(h.t.Context(), id)
	must(h.t, err)
	return ticket
}

func (h *house) fails(what string, err error, code ropeline.Code) {
	h.t.Helper()
	if err == nil || ropeline.CodeOf(err) != code {
		h.t.Errorf("%s: %v, want %s", what, err, code)
	}
}

// A ticket that is given away opens no gate, the one in its place does, and
// nothing else changes: not the stock, the money, or who may buy how much.
func TestTransfer(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{capacity: 10, perOrder: 2, perFan: 2})
	buyer := fan()
	bought := h.freeTickets(e, buyer, 2)
	stock := func() (held, sold int) {
		must(t, h.pair.Pool.QueryRow(t.Context(), "select held, sold from stock where event_id = $1", e.ID).Scan(&held, &sold))
		return held, sold
	}
	before, _ := h.Revocations(t.Context(), e.ID, 0)

	_, err := h.transfer(bought[0].ID, fan(), "bob@example.org")
	h.fails("somebody else's", err, ropeline.CodeTicketNotFound)
	_, err = h.transfer(ropeline.NewID[ropeline.TicketID](), buyer, "bob@example.org")
	h.fails("no ticket", err, ropeline.CodeTicketNotFound)
	_, err = h.transfer(bought[0].ID, buyer, "no address")
	h.fails("no address", err, ropeline.CodeInvalidEmail)
	_, err = h.transfer(bought[0].ID, buyer, "FAN@example.com")
	h.fails("to themselves", err, ropeline.CodeInvalidEmail)

	given, err := h.transfer(bought[0].ID, buyer, "bob@Example.org")
	must(t, err)
	_, err = h.transfer(bought[0].ID, buyer, "eve@example.org")
	h.fails("twice", err, ropeline.CodeTicketEnded)
	old, anew := h.held(given.From), h.held(given.To)
	if old.State != TicketTransferred || old.GivenTo != "bob@example.org" || old.Giver != "" || anew.State != TicketIssued || anew.Holder != "bob@example.org" ||
		anew.Giver != "fan@example.com" || anew.Order != old.Order || anew.TicketType != old.TicketType || anew.Fan == buyer || anew.Code == old.Code {
		t.Errorf("old %+v, new %+v", old, anew)
	}
	if list, err := h.Revocations(t.Context(), e.ID, before.Cursor); err != nil || len(list.Voids) != 1 || list.Voids[0] != (Void{old.ID, old.Revision}) {
		t.Errorf("void codes %+v, %v", list, err)
	}
	if got := h.scan(e, "a", old.Code, "North"); got.Result != ScanRevoked || got.Cause != CauseTransfer {
		t.Errorf("the old code: %+v", got)
	}
	if n := count(t, h.pair.Pool, "select count(*) from outbox where kind = 'TicketTransferred' and subject = $1 and payload->>'to' = $2", old.ID, anew.ID); n != 1 {
		t.Errorf("%d TicketTransferred", n)
	}
	_, err = h.reissue(old.ID)
	h.fails("the old one issued anew", err, ropeline.CodeTicketEnded)

	// The buyer sees that it was given away, and no code of the new one.
	order := h.look(Order{ID: old.Order, Fan: buyer})
	if len(order.Tickets) != 2 || len(must2(h.Tickets(t.Context(), buyer))) != 2 {
		t.Errorf("%d tickets", len(order.Tickets))
	}
	for _, seen := range order.Tickets {
		if seen.ID == anew.ID {
			t.Error("the buyer sees the new ticket")
		}
	}
	_, err = h.Ticket(t.Context(), anew.ID, buyer)
	h.fails("the new one for the buyer", err, ropeline.CodeTicketNotFound)

	if held, sold := stock(); held != 0 || sold != 2 {
		t.Errorf("held %d, sold %d", held, sold)
	}
	if r, err := h.Reserve(t.Context(), ask(e, buyer, 1), 5*time.Second); err != nil || r.Reason != ropeline.CodeLimitExceeded {
		t.Errorf("the buyer may buy again: %+v, %v", r, err)
	}

	// It is given on, and let in.
	third, err := h.transfer(anew.ID, anew.Fan, "cat@example.org")
	must(t, err)
	if got := h.scan(e, "b", anew.Code, "North"); got.Result != ScanRevoked || got.Cause != CauseTransfer {
		t.Errorf("the second code: %+v", got)
	}
	last := h.held(third.To)
	if got := h.scan(e, "c", last.Code, "North"); got.Result != ScanAccepted || last.Giver != "bob@example.org" {
		t.Errorf("the third code: %+v", got)
	}
	_, err = h.transfer(last.ID, last.Fan, "bob@example.org")
	h.fails("used", err, ropeline.CodeTicketEnded)
	holders, err := h.GivenHolders(t.Context(), e.ID, true, "", 10)
	if err != nil || len(holders) != 1 || holders[0].Email != "cat@example.org" || holders[0].Order != "" {
		t.Errorf("%+v, %v", holders, err)
	}
	if counts, err := h.GateCounts(t.Context(), e.ID); err != nil || counts.Types[0].Tickets != 2 || counts.Types[0].CheckedIn != 1 {
		t.Errorf("%+v, %v", counts, err)
	}
	h.audit(e)
}

func must2[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Money goes back to whoever paid, and ends the ticket of whoever has it.
func TestRefundOfTransferredTickets(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{capacity: 10, perOrder: 3, perFan: 3, price: 1000})
	o := h.paid(e, 3)
	bought := h.look(o).Tickets
	one, err := h.transfer(bought[0].ID, o.Fan, "bob@example.org")
	must(t, err)
	two, err := h.transfer(bought[1].ID, o.Fan, "cat@example.org")
	must(t, err)
	ask := func(tickets ...ropeline.TicketID) (Refund, []ropeline.TicketID, error) {
		return h.refund(Refunding{Order: o.ID, Tickets: tickets, Restock: true, Reason: "a test", By: "olga@example.org"})
	}
	_, _, err = ask(one.From)
	h.fails("the one that was given away", err, ropeline.CodeTicketEnded)
	refund, void, err := ask(one.To)
	must(t, err)
	if refund.Amount.Minor != 1000 || len(void) != 1 || void[0] != one.To || h.held(one.To).State != TicketRevoked || h.held(one.From).State != TicketTransferred {
		t.Errorf("%+v, void %v", refund, void)
	}
	_, err = h.transfer(one.To, h.held(one.To).Fan, "dan@example.org")
	h.fails("a refunded one given on", err, ropeline.CodeTicketEnded)
	refund, void, err = ask()
	must(t, err)
	if refund.Amount.Minor != 2000 || len(void) != 2 || h.held(two.To).State != TicketRevoked || h.held(bought[2].ID).State != TicketRevoked {
		t.Errorf("the rest: %+v, void %v", refund, void)
	}
	if got := h.scan(e, "a", h.held(two.To).Code, "North"); got.Result != ScanRevoked || got.Cause != CauseRefund {
		t.Errorf("%+v", got)
	}
	h.work("back on sale", func() bool {
		return count(t, h.pair.Pool, "select sold from stock where event_id = $1", e.ID) == 0
	})
	h.audit(e)
}

// A ticket is given to two people, scanned and refunded at the same moment:
// one of it happens, nobody waits for ever, and the books agree.
func TestTransferAgainstEverybodyElse(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{capacity: 100, perOrder: 2, perFan: 2, price: 1000})
	for range 6 {
		o := h.paid(e, 2)
		bought := h.look(o).Tickets
		var all sync.WaitGroup
		for _, to := range []string{"bob@example.org", "cat@example.org"} {
			for _, ticket := range bought {
				all.Go(func() {
					if _, err := h.transfer(ticket.ID, o.Fan, to); err != nil && ropeline.CodeOf(err) != ropeline.CodeTicketEnded {
						t.Error(err)
					}
				})
			}
		}
		all.Go(func() { h.scan(e, string(bought[0].ID), bought[0].Code, "North") })
		all.Go(func() {
			if _, _, err := h.refund(Refunding{Order: o.ID, Reason: "a test", By: "olga@example.org"}); err != nil {
				t.Error(err)
			}
		})
		all.Wait()
		if n := count(t, h.pair.Pool, "select count(*) from tickets where order_id = $1 and state in ('issued', 'checked_in')", o.ID); n != 0 {
			t.Errorf("%d tickets outlived their money", n)
		}
	}
	h.audit(e)
}

// Tickets that were given to an address belong to its account, and to nobody
// else's.
func TestGivenTicketsAreAdopted(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{capacity: 10, perOrder: 2, perFan: 2})
	bought := h.freeTickets(e, fan(), 2)
	given, err := h.transfer(bought[0].ID, bought[0].Fan, "Bob@example.org")
	must(t, err)
	accounts := map[string]ropeline.AccountID{}
	for _, email := range []string{"fan@example.com", "bob@example.org", "eve@example.org"} {
		id := ropeline.NewID[ropeline.AccountID]()
		accounts[email] = id
		must(t, pgx.BeginFunc(t.Context(), h.pair.Pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), "insert into accounts (id, email, password_hash) values ($1, $2, 'x')", id, email); err != nil {
				return err
			}
			return Adopt(t.Context(), tx, id, email)
		}))
	}
	for email, want := range map[string][]ropeline.TicketID{"fan@example.com": {bought[0].ID, bought[1].ID}, "bob@example.org": {given.To}, "eve@example.org": nil} {
		got := must2(h.AccountTickets(t.Context(), accounts[email]))
		if len(got) != len(want) {
			t.Errorf("%s has %d tickets, want %d", email, len(got), len(want))
		}
		for _, ticket := range got {
			if _, found, err := h.TicketFan(t.Context(), ticket.ID, accounts[email]); err != nil || !found {
				t.Errorf("%s does not hold %s: %v", email, ticket.ID, err)
			}
		}
	}
	if _, found, _ := h.TicketFan(t.Context(), given.To, accounts["fan@example.com"]); found {
		t.Error("the buyer holds what was given away")
	}
	if _, found, _ := h.OrderFan(t.Context(), bought[0].Order, accounts["bob@example.org"]); found {
		t.Error("who was given a ticket sees the buyer's order")
	}
}
