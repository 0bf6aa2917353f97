package checkout

import (
	"time"

	"github.com/ropeline/ropeline"
)

// ledger is the clerk's desk: the stock and the rows that a batch concerns, as
// they are under the lock. Its methods decide one thing at a time, in memory,
// and leave behind what is to be written. It reads no clock and no engine.
type ledger struct {
	event    ropeline.EventID
	now      time.Time
	hold     time.Duration
	takesUp  bool // the captures are this process'; false: they are anybody's
	across   ropeline.Across
	opens    time.Time
	closes   time.Time
	canceled bool // the event does not take place

	shelves      map[ropeline.TicketTypeID]*shelf
	fans         map[fanShelf]int // tickets a fan holds or has bought
	reservations map[ropeline.ReservationID]*entry
	shared       map[identityShelf]int // tickets sold to an address or a card; only of claims
	decided      map[string]*decision  // by letter

	seq     int64         // of the last row of the ledger of stock
	changes []stockChange // its next rows

	fresh     []*entry // decided first in this batch
	changed   []*entry // existed, and changed state
	rewritten []*entry // existed, and hold other items now
	decisions []*decision
	returned  []string // stock_returns that are done
	accepted  []claim  // orders whose stock is sold now
	refused   []claim  // payments to be let go
	unwound   []claim  // orders that gave their stock back
	dropped   []claim  // accepted before, and the capture was not performed by whoever had it
}

// shelf is the stock of one ticket type with its limits.
type shelf struct {
	capacity, held, sold   int
	maxPerOrder, maxPerFan int
	unit                   ropeline.Money
	opens, closes          *time.Time // of this type; nil: the event's
	moved                  bool
}

func (s *shelf) left() int { return s.capacity - s.held - s.sold }

// short is why so many more cannot be held; nil when they can.
func (s *shelf) short(quantity int) *ropeline.Error {
	switch left := s.left(); {
	case left <= 0:
		return ropeline.Errorf(ropeline.CodeSoldOut, "These tickets are sold out.")
	case left < quantity:
		return ropeline.Errorf(ropeline.CodeSoldOut, "Only %d of these tickets are left.", left)
	}
	return nil
}

type fanShelf struct {
	fan        ropeline.FanID
	ticketType ropeline.TicketTypeID
}

// entry is a reservation on the desk.
type entry struct {
	Reservation
	pass    string
	isNew   bool
	moved   bool
	ordered bool // known for those that a letter wants to change
}

// claim is a payment that needs the clerk, with its order.
type claim struct {
	payment     ropeline.PaymentID
	state       PaymentState
	duty        Duty
	accepted    bool // the order: its capture was handed over
	unjudged    bool // the order has no risk's decision yet
	order       ropeline.OrderID
	orderState  OrderState
	reservation ropeline.ReservationID
	risk        RiskDecision
	review      time.Duration // how long a review may take
	address     string
	card        string
	reason      *ropeline.Error // why it is refused, for the fan; nil: the order ended before

	// What its capture needs to know.
	provider, ref, key string
	amount             ropeline.Money
	fan                ropeline.FanID
	email              string
	orderEnd           *time.Time
}

// reserve decides a request; one that was decided before stays as it is.
func (l *ledger) reserve(q letter) *entry {
	if e, known := l.reservations[q.Reservation]; known {
		return e
	}
	e := &entry{Reservation: q.queued(), pass: q.Pass, isNew: true}
	e.CreatedAt, e.Deadline = l.now, l.now
	for i := range e.Items {
		if s := l.shelves[e.Items[i].TicketType]; s != nil {
			e.Items[i].UnitMinor, e.Items[i].Currency = s.unit.Minor, s.unit.Currency
		}
	}
	if refusal := l.refusal(e); refusal != nil {
		e.State, e.Reason, e.Message = ReservationRejected, refusal.Code, refusal.Message
	} else {
		e.State, e.Deadline = ReservationHeld, l.now.Add(l.hold)
		l.count(e, changeReserve, 1, 1, 0)
	}
	l.reservations[e.ID] = e
	l.fresh = append(l.fresh, e)
	return e
}

// refusal is why a request cannot be held; nil when it can.
func (l *ledger) refusal(e *entry) *ropeline.Error {
	if refusal := l.closed(); refusal != nil {
		return refusal
	}
	for _, i := range e.Items {
		if refusal := l.unfit(i, e.Items[0].Currency); refusal != nil {
			return refusal
		}
	}
	return l.shortage(e)
}

// closed is why nothing of the event is sold now.
func (l *ledger) closed() *ropeline.Error {
	switch {
	case l.canceled:
		return ropeline.Errorf(ropeline.CodeSaleClosed, "The event was canceled.")
	case l.now.Before(l.opens):
		return ropeline.Errorf(ropeline.CodeNotOpen, "The sale has not begun.")
	case !l.now.Before(l.closes):
		return ropeline.Errorf(ropeline.CodeSaleClosed, "The sale has ended.")
	}
	return nil
}

// unfit is why an item cannot be asked for now, whatever is left of it.
func (l *ledger) unfit(i ReservedItem, currency string) *ropeline.Error {
	s := l.shelves[i.TicketType]
	switch {
	case s == nil:
		return errUnknownType
	case s.opens != nil && l.now.Before(*s.opens):
		return ropeline.Errorf(ropeline.CodeNotOpen, "The sale of these tickets has not begun.")
	case s.closes != nil && !l.now.Before(*s.closes):
		return ropeline.Errorf(ropeline.CodeSaleClosed, "The sale of these tickets has ended.")
	case i.Quantity > s.maxPerOrder:
		return ropeline.Errorf(ropeline.CodeLimitExceeded, "At most %d of these tickets may be reserved at once.", s.maxPerOrder)
	case i.Currency != currency:
		return ropeline.Errorf(ropeline.CodeLimitExceeded, "Tickets in different currencies need a reservation each.")
	}
	return nil
}

var errUnknownType = ropeline.Errorf(ropeline.CodeUnknownTicketType, "The event has no such kind of ticket.")

// shortage is why the items cannot be given to the fan now: the limit of the
// fan, or the stock.
func (l *ledger) shortage(e *entry) *ropeline.Error {
	for _, i := range e.Items {
		s := l.shelves[i.TicketType]
		switch {
		case s == nil:
			return errUnknownType
		case l.fans[fanShelf{e.Fan, i.TicketType}]+i.Quantity > s.maxPerFan:
			return ropeline.Errorf(ropeline.CodeLimitExceeded, "A fan may have at most %d of these tickets.", s.maxPerFan)
		}
	}
	for _, i := range e.Items {
		if refusal := l.shelves[i.TicketType].short(i.Quantity); refusal != nil {
			return refusal
		}
	}
	return nil
}

// release gives a held reservation back at the wish of its fan; nil when
// there is none, or it is another fan's.
func (l *ledger) release(q letter) *entry {
	e := l.reservations[q.Reservation]
	if e == nil || e.Fan != q.Fan {
		return nil
	}
	if e.State == ReservationHeld {
		l.become(e, ReservationReleased)
		l.count(e, changeRelease, -1, -1, 0)
	}
	return e
}

// expire ends a hold whose deadline has come, or whose event was canceled.
func (l *ledger) expire(id ropeline.ReservationID) {
	e := l.reservations[id]
	switch {
	case e == nil || e.State != ReservationHeld:
	case l.canceled:
		l.drop(id)
	case !l.now.Before(e.Deadline):
		l.become(e, ReservationExpired)
		l.count(e, changeExpire, -1, -1, 0)
	}
}

// settle says whether the order of an authorized payment gets its stock. One that
// has it was handed over and dropped: it is owed the capture by anybody now. A hold
// that is still there is enough, even past its deadline; one that has
// expired is looked at again, as if it came new. A rejected order, and one over
// the limit of its address or card, gets none, and gives back what it holds.
func (l *ledger) settle(c claim) {
	if c.accepted {
		l.dropped = append(l.dropped, c)
		return
	}
	e := l.reservations[c.reservation]
	held := e != nil && e.State == ReservationHeld && c.orderState == OrderPending && !l.canceled
	late := e != nil && e.State == ReservationExpired && c.orderState == OrderExpired && !l.canceled
	if held || late {
		c.reason = l.crowded(c, e)
	}
	if late && c.reason == nil {
		c.reason = l.shortage(e)
	}
	switch {
	case c.risk == RiskReject:
		c.reason = nil
		if held {
			l.become(e, ReservationReleased)
			l.count(e, changeRelease, -1, -1, 0)
		}
		l.refused = append(l.refused, c)
	case !held && !late, late && c.reason != nil:
		l.refused = append(l.refused, c)
	case c.reason != nil:
		l.become(e, ReservationReleased)
		l.count(e, changeRelease, -1, -1, 0)
		l.refused = append(l.refused, c)
	default:
		l.become(e, ReservationConverted)
		if held {
			l.count(e, changeSettle, 0, -1, 1)
		} else {
			l.count(e, changeSettle, 1, 0, 1)
		}
		l.share(c, e)
		l.accepted = append(l.accepted, c)
	}
}

// unwind takes back what the order of a dead payment holds or was sold.
func (l *ledger) unwind(c claim) {
	if e := l.reservations[c.reservation]; e != nil {
		switch e.State {
		case ReservationHeld:
			l.become(e, ReservationReleased)
			l.count(e, changeUnwind, -1, -1, 0)
		case ReservationConverted:
			l.become(e, ReservationReleased)
			l.count(e, changeUnwind, -1, 0, -1)
		}
	}
	l.unwound = append(l.unwound, c)
}

// become changes the state of an entry. A forbidden transition would be a
// mistake in this file, which the property test drives; it must not sell.
func (l *ledger) become(e *entry, next ReservationState) {
	if err := reservationMoves.move(e.State, next); err != nil {
		panic(err)
	}
	e.State = next
	if !e.isNew && !e.moved {
		l.changed = append(l.changed, e)
	}
	e.moved = true
}

// count moves an entry's quantities, each times the given sign, in what the
// fan has and in what is held and sold.
func (l *ledger) count(e *entry, kind changeKind, fan, held, sold int) {
	for _, i := range e.Items {
		l.changes = append(l.changes, stockChange{
			ticketType: i.TicketType, kind: kind, held: held * i.Quantity, sold: sold * i.Quantity, reservation: e.ID,
		})
		s := l.shelves[i.TicketType]
		s.held += held * i.Quantity
		s.sold += sold * i.Quantity
		s.moved = true
		l.fans[fanShelf{e.Fan, i.TicketType}] += fan * i.Quantity
	}
}

// left is the stock that nobody holds or owns, over all kinds.
func (l *ledger) left() int64 {
	var left int64
	for _, s := range l.shelves {
		left += int64(s.left())
	}
	return left
}
