package checkout

import (
	"testing"
	"time"

	"github.com/ropeline/ropeline"
)

// A ticket that was revoked before its money went back, or before its order was
// canceled, is not issued anew.
func TestReissueAfterTheMoneyWentBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e, free := h.event(kind{10, 4, 4, 1000}), h.event(kind{10, 4, 4, 0})
	refunded, canceled := h.paid(e, 2), h.paid(free, 2)
	for _, o := range []Order{refunded, canceled} {
		h.revoke(o.Tickets[0].ID, CauseOrganizer)
	}
	_, _, err := h.refund(Refunding{Order: refunded.ID, Restock: true})
	must(t, err)
	must(t, h.cancelOrder(canceled, true))
	for _, o := range []Order{refunded, canceled} {
		for _, ticket := range o.Tickets {
			_, err := h.reissue(ticket.ID)
			h.fails("issued anew", err, ropeline.CodeTicketEnded)
		}
	}
	h.work("the refund is done", func() bool { return h.look(refunded).Refunds[0].State == RefundDone })
	h.audit(e)
	h.audit(free)
}

// One that waits for a refund's lock sees what the refund has done.
func TestReissueWaitsForRefund(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{10, 4, 4, 1000})
	o := h.paid(e, 1)
	tx, err := h.pair.Pool.Begin(t.Context())
	must(t, err)
	defer tx.Rollback(t.Context())
	_, _, err = h.AskRefund(t.Context(), tx, Refunding{Order: o.ID, Reason: "it rains", By: "ann@example.com"})
	must(t, err)
	done := make(chan error, 1)
	go func() {
		_, err := h.reissue(o.Tickets[0].ID)
		done <- err
	}()
	within(t, 10*time.Second, "it waits", func() bool {
		return count(t, h.pair.Pool, "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()") > 0
	})
	must(t, tx.Commit(t.Context()))
	h.fails("issued anew", <-done, ropeline.CodeTicketEnded)
}

// A ticket that was given away is revoked by the name of the one in its place.
func TestRevokeOfOneThatWasGiven(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{10, 4, 4, 0})
	buyer := fan()
	ticket := h.freeTickets(e, buyer, 1)[0]
	given, err := h.transfer(ticket.ID, buyer, "bob@example.org")
	must(t, err)
	why := Revocation{Cause: CauseOrganizer, Reason: "lost", By: "olga@example.org"}
	h.fails("given away", h.revokeFor(ticket.ID, why), ropeline.CodeTicketEnded)
	must(t, h.revokeFor(given.To, why))
	must(t, h.revokeFor(given.To, why)) // twice is once
}

// An order shows each of its tickets, however many they are.
func TestOrderOfManyTickets(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{mostTickets + 100, mostTickets + 1, mostTickets + 1, 0})
	o := h.paid(e, mostTickets+1)
	if len(o.Tickets) != mostTickets+1 {
		t.Errorf("%d tickets", len(o.Tickets))
	}
}
