package outbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/ropeline/ropeline"
)

// Kind names what happened.
type Kind string

// The kinds. Their payloads are told in docs/events.md.
const (
	TicketReserved      Kind = "TicketReserved"
	ReservationRejected Kind = "ReservationRejected"
	ReservationExpired  Kind = "ReservationExpired"
	ReservationReleased Kind = "ReservationReleased"

	OrderPlaced   Kind = "OrderPlaced"
	OrderAccepted Kind = "OrderAccepted"
	OrderPaid     Kind = "OrderPaid"
	OrderExpired  Kind = "OrderExpired"
	OrderCanceled Kind = "OrderCanceled"

	PaymentPending    Kind = "PaymentPending"
	PaymentAuthorized Kind = "PaymentAuthorized"
	PaymentConfirmed  Kind = "PaymentConfirmed"
	PaymentFailed     Kind = "PaymentFailed"
	PaymentCanceled   Kind = "PaymentCanceled"
	PaymentRefused    Kind = "PaymentRefused"

	TicketIssued  Kind = "TicketIssued"
	TicketRevoked Kind = "TicketRevoked"
	// TicketTransferred: it was given to somebody else, who has a new one.
	TicketTransferred Kind = "TicketTransferred"
	TicketCheckedIn   Kind = "TicketCheckedIn"
	// TicketCheckInUndone: an organizer took a first scan back.
	TicketCheckInUndone Kind = "TicketCheckInUndone"

	RefundChanged  Kind = "RefundChanged"
	Refunded       Kind = "Refunded"
	DisputeChanged Kind = "DisputeChanged"

	EventChanged  Kind = "EventChanged"
	EventCanceled Kind = "EventCanceled"
	FraudReviewed Kind = "FraudReviewed"

	// ReconciliationAlert: the gateway's books differ, and the house cannot heal it.
	ReconciliationAlert Kind = "ReconciliationAlert"
)

// kind is what is known of one: the version of its schema, and its payload.
type kind struct {
	version int
	payload any // a value of the payload's type; fields without omitempty are required
}

var kinds = map[Kind]kind{
	TicketReserved:      {1, Reservations{}},
	ReservationRejected: {1, Reservations{}},
	ReservationExpired:  {1, Reservations{}},
	ReservationReleased: {1, Reservations{}},
	OrderPlaced:         {1, Placed{}},
	OrderAccepted:       {1, Accepted{}},
	OrderPaid:           {1, Order{}},
	OrderExpired:        {1, Order{}},
	OrderCanceled:       {1, Order{}},
	PaymentPending:      {1, Payment{}},
	PaymentAuthorized:   {1, Payment{}},
	PaymentConfirmed:    {1, Payment{}},
	PaymentFailed:       {1, Payment{}},
	PaymentCanceled:     {1, Payment{}},
	PaymentRefused:      {1, Payment{}},
	TicketIssued:        {1, Issued{}},
	TicketRevoked:       {1, Revoked{}},
	TicketTransferred:   {1, Transferred{}},
	TicketCheckedIn:     {1, CheckedIn{}},
	TicketCheckInUndone: {1, Undone{}},
	RefundChanged:       {1, Refund{}},
	Refunded:            {1, Refund{}},
	DisputeChanged:      {1, Dispute{}},
	EventChanged:        {1, Change{}},
	EventCanceled:       {1, Cancellation{}},
	FraudReviewed:       {1, Review{}},
	ReconciliationAlert: {1, Alert{}},
}

// Reservations are those that one batch of the clerk decided or ended alike:
// a drop decides thousands a second, and one row each would drown everybody.
type Reservations struct {
	Reservations []Reservation `json:"reservations"`
}

// Reservation is one of Reservations.
type Reservation struct {
	ID       ropeline.ReservationID `json:"id"`
	Fan      ropeline.FanID         `json:"fan"`
	State    string                 `json:"state"`
	Reason   ropeline.Code          `json:"reason,omitempty"` // of a rejection
	Deadline time.Time              `json:"deadline"`
}

// Placed is the payload of OrderPlaced.
type Placed struct {
	Order       ropeline.OrderID       `json:"order"`
	Fan         ropeline.FanID         `json:"fan"`
	Reservation ropeline.ReservationID `json:"reservation"`
	TotalMinor  int64                  `json:"total_minor"`
	Currency    string                 `json:"currency"`
}

// Accepted is the payload of OrderAccepted.
type Accepted struct {
	Order   ropeline.OrderID   `json:"order"`
	Payment ropeline.PaymentID `json:"payment"`
	Late    bool               `json:"late"` // the hold had run out; stock was left
}

// Order is the payload of what happens to an order.
type Order struct {
	Order       ropeline.OrderID       `json:"order"`
	Fan         ropeline.FanID         `json:"fan"`
	Reservation ropeline.ReservationID `json:"reservation,omitempty"`
}

// Payment is the payload of what happens to a payment.
type Payment struct {
	Payment     ropeline.PaymentID `json:"payment"`
	Order       ropeline.OrderID   `json:"order"`
	AmountMinor int64              `json:"amount_minor,omitempty"`
	Currency    string             `json:"currency,omitempty"`
}

// Issued is the payload of TicketIssued: all tickets of an order.
type Issued struct {
	Order   ropeline.OrderID    `json:"order"`
	Tickets []ropeline.TicketID `json:"tickets"`
}

// Ticket is what all payloads about one ticket have.
type Ticket struct {
	Ticket   ropeline.TicketID `json:"ticket"`
	Order    ropeline.OrderID  `json:"order"`
	Fan      ropeline.FanID    `json:"fan"`
	Revision int               `json:"revision"` // of the code that it is about
}

// Revoked is the payload of TicketRevoked. A ticket that is issued anew has its
// older revision revoked.
type Revoked struct {
	Ticket
	Cause  string `json:"cause"`
	Reason string `json:"reason"`
}

// Transferred is the payload of TicketTransferred. The revision's code is void.
type Transferred struct {
	Ticket
	To ropeline.TicketID `json:"to"` // the new ticket
}

// CheckedIn is the payload of TicketCheckedIn.
type CheckedIn struct {
	Ticket
	TicketType ropeline.TicketTypeID `json:"ticket_type"`
	Gate       string                `json:"gate"`
}

// Undone is the payload of TicketCheckInUndone.
type Undone struct {
	Ticket
	Reason string `json:"reason"`
}

// Refund is the payload of what happens to a refund.
type Refund struct {
	Refund  ropeline.RefundID  `json:"refund"`
	Payment ropeline.PaymentID `json:"payment"`
	State   string             `json:"state"`
}

// Dispute is the payload of DisputeChanged; the state is the gateway's word.
type Dispute struct {
	Dispute ropeline.DisputeID `json:"dispute"`
	Payment ropeline.PaymentID `json:"payment"`
	Order   ropeline.OrderID   `json:"order"`
	State   string             `json:"state"`
	Reason  string             `json:"reason"`

	AmountMinor int64  `json:"amount_minor"`
	Currency    string `json:"currency"`
}

// Change is the payload of EventChanged.
type Change struct {
	Fields []string `json:"fields,omitempty"` // what has changed, by the API's names
	Note   string   `json:"note,omitempty"`   // the organizer's words to those who have tickets
}

// Cancellation is the payload of EventCanceled.
type Cancellation struct {
	Reason string `json:"reason,omitempty"` // the organizer's words
}

// Alert is the payload of ReconciliationAlert.
type Alert struct {
	Run        int64  `json:"run"`
	Difference string `json:"difference"` // its kind
	Subject    string `json:"subject"`    // our payment, or what the gateway calls it
	Ref        string `json:"ref"`
	Detail     string `json:"detail"`
	Why        string `json:"why"` // it was not healed
}

// Review is the payload of FraudReviewed.
type Review struct {
	Order    ropeline.OrderID   `json:"order"`
	Payment  ropeline.PaymentID `json:"payment"`
	Decision string             `json:"decision"` // review | reject by the model, then allow | reject
	By       string             `json:"by"`       // model, deadline, or the organizer's address
	Score    float64            `json:"score"`
}

// Kinds lists every kind, by name.
func Kinds() []Kind {
	all := make([]Kind, 0, len(kinds))
	for k := range kinds {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

// Version is the newest version of the kind's schema; 0 for one that is none.
func (k Kind) Version() int { return kinds[k].version }

// Validate holds an event to its kind: listed, of a version that is known, and
// with every required field. Fields that are not known are let through: adding
// one makes no new version.
func (e Event) Validate() error {
	known, ok := kinds[e.Kind]
	switch {
	case !ok:
		return fmt.Errorf("outbox: %q is no kind of domain event", e.Kind)
	case e.Version < 1 || e.Version > known.version:
		return fmt.Errorf("outbox: %s has no version %d", e.Kind, e.Version)
	case e.Event == "" && e.Kind != ReconciliationAlert || e.Subject == "":
		return fmt.Errorf("outbox: %s without event or subject", e.Kind)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(e.Payload, &fields); err != nil {
		return fmt.Errorf("outbox: payload of %s: %w", e.Kind, err)
	}
	var errs []error
	for _, f := range e.Kind.Fields() {
		value, there := fields[f.Name]
		if f.Required && (!there || bytes.Equal(value, []byte("null"))) {
			errs = append(errs, fmt.Errorf("outbox: %s without %q", e.Kind, f.Name))
		}
	}
	into := reflect.New(reflect.TypeOf(known.payload)).Interface()
	if err := json.Unmarshal(e.Payload, into); err != nil {
		errs = append(errs, fmt.Errorf("outbox: payload of %s: %w", e.Kind, err))
	}
	return errors.Join(errs...)
}

// Field is one field of a payload.
type Field struct {
	Name     string
	Required bool
}

// Fields lists what the kind's payload holds.
func (k Kind) Fields() []Field {
	var fields []Field
	for _, f := range reflect.VisibleFields(reflect.TypeOf(kinds[k].payload)) {
		if name, options, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			fields = append(fields, Field{Name: name, Required: !strings.Contains(options, "omitempty")})
		}
	}
	return fields
}
