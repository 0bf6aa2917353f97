package pages

import (
	"net/http"
	"time"

	"github.com/ropeline/ropeline"
)

// OrdersView is the search over orders.
type OrdersView struct {
	Frame
	Query, State, From, To string // as asked
	Event                  ropeline.EventID
	Events                 []ropeline.Event // to choose from
	Rows                   []OrderRow
	Exports                []Link // of the event that was chosen
	First                  bool   // the first page
	Next                   string // address of the next one
}

// OrderRow is one order of the list.
type OrderRow struct {
	ID       ropeline.OrderID
	Email    string
	Event    ropeline.Event
	State    string // pending | paid | expired | canceled
	Review   bool   // waits for a person
	Total    ropeline.Money
	Refunded *ropeline.Money
	Tickets  int
	Placed   time.Time
}

// OrderFileView is all that is known of an order, and what may be done with it.
type OrderFileView struct {
	Frame
	Event      ropeline.Event
	ID         ropeline.OrderID
	Fan        ropeline.FanID
	Email      string
	State      string
	Message    string // what the fan was told
	Items      []Item
	Total      ropeline.Money
	Given      ropeline.Money // back, or on the way
	Left       ropeline.Money // of the payment
	Placed     time.Time
	Percent    *int // likely fraud; nil: not scored
	Reasons    []string
	Review     bool
	Payments   []PaymentRow
	Tickets    []DeskTicket
	Timeline   []Moment
	Act        bool // the one who looks may do what follows
	Refundable bool
	Cancelable bool
	Canceling  bool // it is on its way
	Resend     bool
	Key        string // names what the forms of this page do, so that it is done once
	Done       string // what was done just now
}

// PaymentRow is a payment as the box office sees it.
type PaymentRow struct {
	Provider, Ref, State, Card, Failure, Duty string
	Amount                                    ropeline.Money
}

// DeskTicket is a ticket without its code.
type DeskTicket struct {
	ID       ropeline.TicketID
	Name     string
	State    string
	Revision int
	Live     bool   // it lets somebody in, or has done so
	Holder   string // to whom it was given; "": it is its order's own
}

// Moment is something that happened to an order.
type Moment struct {
	At     time.Time
	Kind   string // order | money | fraud | ticket | gate | message | desk
	What   string
	Detail string
}

// Orders writes the search over orders.
func (r *Renderer) Orders(w http.ResponseWriter, v OrdersView) error {
	v.settle()
	return r.draw(w, http.StatusOK, "orders", &v)
}

// OrderFile writes the page of one order for the box office.
func (r *Renderer) OrderFile(w http.ResponseWriter, v OrderFileView) error {
	v.settle()
	return r.draw(w, http.StatusOK, "order_file", &v)
}
