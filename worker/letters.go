package worker

import (
	"context"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/catalog"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/internal/outbox"
	"github.com/ropeline/ropeline/notify"
	"github.com/ropeline/ropeline/queue"
)

// Letters are the rooms that messages to people need. Without Notify there are
// none.
type Letters struct {
	Notify    *notify.Notify
	Catalog   *catalog.Catalog
	Line      *queue.Line // with Admission: turns that are near are told
	Admission *admission.Admission
	// NearAhead and NearWait: a turn is near when so few are ahead, or the wait by
	// the organizer's rate is so short; defaults 100 and 5 minutes.
	NearAhead int64
	NearWait  time.Duration
	// Sending is how many messages may be at their sender at once; default 8.
	Sending int
}

// letterKinds are the domain events that lead to messages.
var letterKinds = []outbox.Kind{
	outbox.TicketIssued, outbox.TicketTransferred, outbox.TicketRevoked, outbox.PaymentFailed, outbox.PaymentRefused, outbox.Refunded,
	outbox.FraudReviewed, outbox.OrderCanceled, outbox.OrderExpired, outbox.EventChanged, outbox.EventCanceled,
}

// letters turns domain events into messages. An event that tells of nobody is
// left out: it would hold up all that come after it.
func (w *Worker) letters(ctx context.Context, events []outbox.Event) error {
	contacts, err := w.contactsOf(ctx, events)
	if err != nil {
		return err
	}
	var notices []notify.Notice
	for _, e := range events {
		some, err := w.noticesOf(ctx, e, contacts)
		if ropeline.CodeOf(err) == ropeline.CodeUnavailable {
			return err
		}
		if err != nil {
			w.log.ErrorContext(ctx, "nobody is told of a domain event", "seq", e.Seq, "kind", e.Kind, "err", err)
			continue
		}
		notices = append(notices, some...)
	}
	if len(notices) == 0 {
		return nil
	}
	_, err = w.options.Letters.Notify.Post(ctx, nil, notices...)
	return err
}

// contactsOf finds, for all events at once, whose orders they are about.
func (w *Worker) contactsOf(ctx context.Context, events []outbox.Event) (map[ropeline.OrderID]checkout.Contact, error) {
	var orders []ropeline.OrderID
	for _, e := range events {
		if order, err := orderOf(e); err == nil && order != "" {
			orders = append(orders, order)
		}
	}
	if len(orders) == 0 {
		return nil, nil
	}
	return w.checkout.ContactsOfOrders(ctx, orders)
}

// orderOf is the order that an event may lead to a message about; none: it is
// about something else, or leads to none.
func orderOf(e outbox.Event) (ropeline.OrderID, error) {
	switch e.Kind {
	case outbox.TicketIssued, outbox.OrderCanceled, outbox.OrderExpired:
		return ropeline.OrderID(e.Subject), nil
	case outbox.PaymentFailed, outbox.PaymentRefused:
		p, err := outbox.Decode[outbox.Payment](e)
		return p.Order, err
	case outbox.FraudReviewed:
		if r, err := outbox.Decode[outbox.Review](e); err != nil || r.Decision == string(checkout.RiskReject) {
			return r.Order, err
		}
	}
	return "", nil
}

// noticeOfOrder is what an event tells about an order. Several events may tell
// of one order's end, and one message does; none where a message to all, or
// that of the refund, says it.
func noticeOfOrder(e outbox.Event, c checkout.Contact) []notify.Notice {
	ended := "ended:" + string(c.Order)
	switch {
	case e.Kind == outbox.TicketIssued:
		return one(c, notify.Tickets, "tickets:"+string(c.Order))
	case c.ByEvent, c.Refund:
		return nil
	case c.Reason != "":
		return one(c, notify.OrderCanceled, ended)
	case e.Kind == outbox.OrderCanceled: // its fan gave it back, or another event says why
		return nil
	case e.Kind == outbox.OrderExpired && !c.Declined: // nobody tried to pay
		return nil
	case e.Kind == outbox.PaymentRefused, e.Kind == outbox.FraudReviewed:
		return one(c, notify.PaymentRefused, ended)
	}
	return one(c, notify.PaymentFailed, ended)
}

func (w *Worker) noticesOf(ctx context.Context, e outbox.Event, contacts map[ropeline.OrderID]checkout.Contact) ([]notify.Notice, error) {
	if order, err := orderOf(e); err != nil || order != "" {
		contact, known := contacts[order]
		if err == nil && !known {
			err = ropeline.Errorf(ropeline.CodeOrderNotFound, "There is no such order.")
		}
		if err != nil {
			return nil, err
		}
		return noticeOfOrder(e, contact), nil
	}
	switch e.Kind {
	case outbox.Refunded:
		contact, err := w.checkout.ContactOfRefund(ctx, ropeline.RefundID(e.Subject))
		notices := one(contact, notify.Refunded, "refund:"+e.Subject)
		notices[0].Data.Note = contact.Reason
		return notices, err
	case outbox.TicketTransferred, outbox.TicketRevoked:
		return w.noticesOfTicket(ctx, e)
	case outbox.EventChanged:
		change, err := outbox.Decode[outbox.Change](e)
		if err != nil {
			return nil, err
		}
		return nil, w.tellChange(ctx, e, change)
	case outbox.EventCanceled:
		canceled, err := outbox.Decode[outbox.Cancellation](e)
		if err != nil {
			return nil, err
		}
		return nil, w.toHolders(ctx, e, notify.EventCanceled, notify.Data{Note: canceled.Reason})
	}
	return nil, nil
}

func one(c checkout.Contact, kind notify.Kind, key string) []notify.Notice {
	return []notify.Notice{TicketNotice(c, kind, key)}
}

// TicketNotice is a notice about an order, to the address that was given with
// it, or about a ticket to the address that it was given to.
func TicketNotice(c checkout.Contact, kind notify.Kind, key string) notify.Notice {
	n := notify.Notice{Dedupe: key, Kind: kind, Channel: notify.Email, To: c.Email, Event: c.Event, Subject: string(c.Order),
		Data: notify.Data{Fan: c.Fan, Order: c.Order, Ticket: c.Ticket, Money: &c.Money}}
	if c.Order == "" {
		n.Subject, n.Data.Money = string(c.Ticket), nil
	}
	return n
}

const holdersAtOnce = 1000

// toHolders posts a message to everybody who has or wanted tickets, in pages: there may
// be fifty thousand. Begun again, it posts nothing twice.
func (w *Worker) toHolders(ctx context.Context, e outbox.Event, kind notify.Kind, data notify.Data) error {
	post := func(holders []checkout.Contact) error {
		notices := make([]notify.Notice, len(holders))
		for i, holder := range holders {
			n := TicketNotice(holder, kind, "")
			n.Dedupe = string(kind) + ":" + string(e.Event) + ":" + n.Subject
			n.Data.Fields, n.Data.Note, n.Bulk = data.Fields, data.Note, true
			notices[i] = n
		}
		if _, err := w.options.Letters.Notify.Post(ctx, nil, notices...); err != nil {
			return ropeline.Unavailable(err)
		}
		return nil
	}
	var after ropeline.OrderID
	for {
		holders, err := w.checkout.TicketHolders(ctx, e.Event, after, holdersAtOnce)
		if err != nil {
			return err
		}
		if len(holders) == 0 {
			return w.toGiven(ctx, e.Event, false, post)
		}
		if err := post(holders); err != nil {
			return err
		}
		after = holders[len(holders)-1].Order
	}
}

// Facts looks up what messages say; it fits notify.Options.Facts. line may be
// nil where nobody is told of a turn.
func Facts(c *checkout.Checkout, events *catalog.Catalog, line *queue.Line, publicURL string) func(context.Context, notify.Notice) (notify.Facts, error) {
	return func(ctx context.Context, n notify.Notice) (facts notify.Facts, err error) {
		facts.PublicURL = publicURL
		if n.Data.Money != nil {
			facts.Money = *n.Data.Money
		}
		if n.Event != "" {
			read := events.Event
			if n.Kind == notify.EventChanged {
				read = events.Current
			}
			if facts.Event, err = read(ctx, n.Event); err != nil {
				return facts, err
			}
		}
		if outdated(n.Kind, facts.Event) {
			return facts, notify.ErrMoot
		}
		if n.Kind == notify.TurnNear {
			return factsOfTurn(ctx, line, n, facts)
		}
		if n.Data.Ticket != "" && n.Kind != notify.EventChanged && n.Kind != notify.EventCanceled {
			return factsOfTicket(ctx, c, n, facts)
		}
		switch n.Kind {
		case notify.Tickets, notify.PaymentFailed, notify.PaymentRefused, notify.OrderCanceled:
		default:
			return facts, nil
		}
		contact, err := c.ContactOfOrder(ctx, n.Data.Order)
		if err != nil {
			return facts, err
		}
		order, err := c.Order(ctx, n.Data.Order, contact.Fan)
		if err != nil {
			return facts, err
		}
		facts.Total, facts.Reason = order.Total, order.Message
		if n.Kind == notify.PaymentFailed && order.State == checkout.OrderPaid { // with another card, late
			return facts, notify.ErrMoot
		}
		if n.Kind != notify.Tickets {
			return facts, nil
		}
		names := map[ropeline.TicketTypeID]string{}
		for _, t := range facts.Event.TicketTypes {
			names[t.ID] = t.Name
		}
		for _, i := range order.Items {
			facts.Items = append(facts.Items, notify.Item{Quantity: i.Quantity, Name: names[i.TicketType], Unit: i.Unit()})
		}
		for _, t := range order.Tickets {
			if t.State == checkout.TicketIssued {
				facts.Tickets = append(facts.Tickets, notify.Ticket{ID: t.ID, Name: t.Name, Code: t.Code})
			}
		}
		if len(facts.Tickets) == 0 {
			return facts, notify.ErrMoot
		}
		return facts, nil
	}
}

// outdated tells that a message says what is not so any more. An event that is
// canceled has a message of its own.
func outdated(kind notify.Kind, event ropeline.Event) bool {
	switch kind {
	case notify.TurnNear:
		return event.CanceledAt != nil || !time.Now().Before(event.ClosesAt)
	case notify.EventChanged, notify.Tickets, notify.TicketGiven:
		return event.CanceledAt != nil
	}
	return false
}
