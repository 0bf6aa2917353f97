package checkout

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// Reservation is stock held for a fan until its deadline, or what became of
// the request for it.
type Reservation struct {
	ID        ropeline.ReservationID
	Event     ropeline.EventID
	Fan       ropeline.FanID
	State     ReservationState
	Reason    ropeline.Code // why it was rejected
	Message   string        // the same for people
	Items     []ReservedItem
	CreatedAt time.Time // zero while queued
	Deadline  time.Time // zero while queued

	hash requestHash
}

// ReservedItem is a quantity of one ticket type at the price of its moment.
type ReservedItem struct {
	TicketType ropeline.TicketTypeID `json:"ticket_type"`
	Quantity   int                   `json:"quantity"`
	UnitMinor  int64                 `json:"unit_minor"`
	Currency   string                `json:"currency"`
	Returned   int                   `json:"returned,omitempty"` // of the quantity: sold once, and back on the shelf
}

// Unit is the price of one.
func (i ReservedItem) Unit() ropeline.Money {
	return ropeline.Money{Minor: i.UnitMinor, Currency: i.Currency}
}

// Total is the price of all items; not known while queued.
func (r Reservation) Total() ropeline.Money {
	var total ropeline.Money
	for _, i := range r.Items {
		total.Minor += i.Unit().Times(i.Quantity).Minor
		total.Currency = i.Currency
	}
	return total
}

// Request asks for a reservation.
type Request struct {
	Event  ropeline.EventID
	Fan    ropeline.FanID
	PassID string // the pass that admission gave, checked by the caller
	Items  []ropeline.Item
	Key    string // the fan's Idempotency-Key
}

// Reserve hands a request to the event's clerk and waits up to wait for the
// decision; without one it returns the reservation as queued. A rejected
// reservation is not an error: its Reason is the code. The same key again
// gives the same reservation.
//
// Errors: invalid_quantity, invalid_id, invalid_idempotency_key, event_not_found,
// idempotency_key_reused, and unavailable when the mailbox is full or Redis away.
func (c *Checkout) Reserve(ctx context.Context, q Request, wait time.Duration) (Reservation, error) {
	if err := checkItems(q.Items); err != nil {
		return Reservation{}, err
	}
	if err := checkPass(q.PassID); err != nil {
		return Reservation{}, err
	}
	if err := checkKey(q.Key); err != nil {
		return Reservation{}, err
	}
	if err := c.sales.check(ctx, q.Event); err != nil {
		return Reservation{}, err
	}
	sum := sha256.Sum256([]byte(string(q.Fan) + "\x00" + q.Key))
	l := letter{
		Kind: letterReserve, Reservation: ropeline.NewReservationID(q.Event, [16]byte(sum[:16])),
		Fan: q.Fan, Pass: q.PassID, Items: q.Items, hash: hashItems(q.Items),
	}
	if wait <= 0 {
		// Nobody will hear the clerk, so a decided request must be seen here.
		if r, found, err := c.decided(ctx, l); err != nil || found {
			return r, err
		}
	}
	return c.send(ctx, l, wait)
}

// Release gives a held reservation back, through the clerk, and waits up to
// wait for it; one that comes back as queued or held is given back by the clerk
// when it comes to it. Errors: reservation_not_found, reservation_ended, unavailable.
func (c *Checkout) Release(ctx context.Context, id ropeline.ReservationID, fan ropeline.FanID, wait time.Duration) (Reservation, error) {
	r, err := c.Reservation(ctx, id, fan)
	if err != nil {
		return r, err
	}
	if r.State != ReservationReleased && !r.State.Ended() {
		asked := r
		if r, err = c.send(ctx, letter{Kind: letterRelease, Reservation: id, Fan: fan}, wait); err != nil {
			return r, err
		}
		if r.State == ReservationQueued {
			r = asked
		}
	}
	switch r.State {
	case ReservationReleased, ReservationQueued, ReservationHeld:
		return r, nil
	}
	return r, ropeline.Errorf(ropeline.CodeReservationEnded, "The reservation has ended: it is %s.", r.State)
}

// send pushes a letter and waits for what it leads to.
func (c *Checkout) send(ctx context.Context, l letter, wait time.Duration) (Reservation, error) {
	var answers <-chan answer
	if wait > 0 {
		var leave func()
		answers, leave = c.waiters.join(l.id())
		defer leave()
	}
	code, err := c.post(ctx, post{event: l.Reservation.Event(), letter: l})
	if err := pushError(code, err); err != nil {
		return Reservation{}, err
	}
	if code == pushedAgain {
		// It may have been answered already, and only lie there still.
		if r, found, err := c.decided(ctx, l); found && (err != nil || l.Kind == letterReserve || r.State.Ended()) {
			return r, err
		}
	}
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case a := <-answers:
			if a.Fan != l.Fan {
				return Reservation{}, errNoReservation
			}
			if l.Kind == letterReserve && a.Hash != l.hash {
				return Reservation{}, errKeyReused
			}
			return a.reservation(l.Reservation), nil
		case <-ctx.Done():
		case <-timer.C:
		}
		// Perhaps it was decided and only the hint was lost.
		read, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if r, found, err := c.decided(read, l); err != nil || found {
			return r, err
		}
	}
	return l.queued(), nil
}

// pushError is what the caller hears of a push that was not taken.
func pushError(code pushed, err error) error {
	switch {
	case err != nil:
		return asError(err)
	case code == pushedOther:
		return errKeyReused
	case code == pushedFull:
		return &ropeline.Error{Code: ropeline.CodeUnavailable, RetryAfter: 5 * time.Second,
			Message: "More requests are waiting than can be served soon. Try again in a moment."}
	}
	return nil
}

// decided reads the row that a letter has led to.
func (c *Checkout) decided(ctx context.Context, l letter) (Reservation, bool, error) {
	r, found, err := c.row(ctx, l.Reservation)
	switch {
	case err != nil || !found:
		return Reservation{}, false, err
	case r.Fan != l.Fan:
		return Reservation{}, true, errNoReservation
	case l.Kind == letterReserve && r.hash != l.hash:
		return Reservation{}, true, errKeyReused
	}
	return r, true, nil
}

// queued is the reservation that a letter asks for.
func (l letter) queued() Reservation {
	r := Reservation{ID: l.Reservation, Event: l.Reservation.Event(), Fan: l.Fan, State: ReservationQueued, hash: l.hash}
	for _, i := range l.Items {
		r.Items = append(r.Items, ReservedItem{TicketType: i.TicketType, Quantity: i.Quantity})
	}
	return r
}

// Reservation reads a reservation of a fan: decided in Postgres, or queued in
// the mailbox. Another fan's is reservation_not_found.
func (c *Checkout) Reservation(ctx context.Context, id ropeline.ReservationID, fan ropeline.FanID) (Reservation, error) {
	r, found, err := c.row(ctx, id)
	if err == nil && !found {
		var l letter
		if l, found, err = c.mailbox.waiting(ctx, id.Event(), string(id)); err != nil {
			return Reservation{}, ropeline.Unavailable(err)
		}
		if r = l.queued(); !found {
			// It may have been decided and trimmed between the two looks.
			r, found, err = c.row(ctx, id)
		}
	}
	if err != nil {
		return Reservation{}, err
	}
	if !found || r.Fan != fan {
		return Reservation{}, errNoReservation
	}
	return r, nil
}

const reservationColumns = "id, event_id, fan_id, request_hash, state, reason, message, items, created_at, deadline"

func (c *Checkout) row(ctx context.Context, id ropeline.ReservationID) (Reservation, bool, error) {
	rows, err := c.pool.Query(ctx, "select "+reservationColumns+" from reservations where id = $1", id)
	return oneReservation(rows, err)
}

// oneReservation reads the row that a query may have found.
func oneReservation(rows pgx.Rows, err error) (Reservation, bool, error) {
	if err != nil {
		return Reservation{}, false, ropeline.Unavailable(err)
	}
	r, err := pgx.CollectExactlyOneRow(rows, scanReservation)
	if errors.Is(err, pgx.ErrNoRows) {
		return Reservation{}, false, nil
	}
	if err != nil {
		return Reservation{}, false, ropeline.Unavailable(err)
	}
	return r, true, nil
}

func scanReservation(row pgx.CollectableRow) (Reservation, error) {
	var r Reservation
	var hash, items []byte
	err := row.Scan(&r.ID, &r.Event, &r.Fan, &hash, &r.State, &r.Reason, &r.Message, &items, &r.CreatedAt, &r.Deadline)
	if err != nil {
		return r, err
	}
	return r, r.unpack(hash, items)
}

// unpack takes what a row has of it as bytes.
func (r *Reservation) unpack(hash, items []byte) error {
	copy(r.hash[:], hash)
	return json.Unmarshal(items, &r.Items)
}

var (
	errNoReservation = ropeline.Errorf(ropeline.CodeReservationNotFound, "There is no such reservation.")
	errKeyReused     = ropeline.Errorf(ropeline.CodeKeyReused, "This Idempotency-Key was used for another request.")
)

// checkKey holds the form of an Idempotency-Key: 1 to 255 visible characters.
func checkKey(key string) error {
	if len(key) == 0 || len(key) > 255 {
		return ropeline.Errorf(ropeline.CodeInvalidKey, "An Idempotency-Key has 1 to 255 characters.")
	}
	for i := range len(key) {
		if key[i] < 0x20 || key[i] > 0x7e {
			return ropeline.Errorf(ropeline.CodeInvalidKey, "An Idempotency-Key is made of visible ASCII characters.")
		}
	}
	return nil
}
