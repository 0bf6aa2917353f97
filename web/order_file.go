package web

import (
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/identity"
	"github.com/ropeline/ropeline/notify"
)

// orderFileView is everything about an order, for an organizer.
type orderFileView struct {
	ID          ropeline.OrderID       `json:"id"`
	Event       ropeline.EventID       `json:"event"`
	Fan         ropeline.FanID         `json:"fan"`
	Email       string                 `json:"email"`
	State       checkout.OrderState    `json:"state"`
	Reason      ropeline.Code          `json:"reason"`
	Message     string                 `json:"message"`
	Total       ropeline.Money         `json:"total"`
	Items       []itemView             `json:"items"`
	Risk        checkout.RiskDecision  `json:"risk"`
	CreatedAt   time.Time              `json:"created_at"`
	AcceptedAt  *time.Time             `json:"accepted_at"`
	EndedAt     *time.Time             `json:"ended_at"`
	CancelAt    *time.Time             `json:"cancel_at"`
	CancelBy    string                 `json:"cancel_by"`
	Reservation holdFileView           `json:"reservation"`
	Payments    []paymentFileView      `json:"payments"`
	Refunds     []refundFileView       `json:"refunds"`
	Disputes    []disputeFileView      `json:"disputes"`
	Tickets     []ticketFileView       `json:"tickets"` // without their codes: those are for the gate
	Returns     []checkout.StockReturn `json:"returns"`
	Events      []checkout.News        `json:"events"`
	RiskScore   *float64               `json:"risk_score"` // null: not scored
	RiskReasons []string               `json:"risk_reasons"`
	Review      reviewFileView         `json:"review"`
	Scans       []checkout.TicketNote  `json:"scans"`
	Revocations []checkout.TicketNote  `json:"revocations"`
	Messages    []notify.Row           `json:"messages"`
	Changes     []identity.Entry       `json:"changes"` // for those who may read the audit log
}

type reviewFileView struct {
	Deadline *time.Time `json:"deadline"`
	By       string     `json:"by"`
	At       *time.Time `json:"at"`
	Note     string     `json:"note"`
}

type holdFileView struct {
	ID        ropeline.ReservationID    `json:"id"`
	State     checkout.ReservationState `json:"state"`
	CreatedAt time.Time                 `json:"created_at"`
	Deadline  time.Time                 `json:"deadline"`
	EndedAt   *time.Time                `json:"ended_at"`
}

type paymentFileView struct {
	ID        ropeline.PaymentID    `json:"id"`
	Provider  string                `json:"provider"`
	Ref       string                `json:"ref"`
	State     checkout.PaymentState `json:"state"`
	Amount    ropeline.Money        `json:"amount"`
	Failure   string                `json:"failure"`
	Duty      checkout.Duty         `json:"duty"`
	Card      cardView              `json:"card"`
	RiskScore *int                  `json:"risk_score"`
	CreatedAt time.Time             `json:"created_at"`
	History   []checkout.StateAt    `json:"history"`
}

type cardView struct {
	Brand       string `json:"brand"`
	Last4       string `json:"last4"`
	Country     string `json:"country"`
	Fingerprint string `json:"fingerprint"`
}

type refundFileView struct {
	ID        ropeline.RefundID    `json:"id"`
	Payment   ropeline.PaymentID   `json:"payment"`
	State     checkout.RefundState `json:"state"`
	Amount    ropeline.Money       `json:"amount"`
	Reason    string               `json:"reason"`
	By        string               `json:"by"`
	CreatedAt time.Time            `json:"created_at"`
	History   []checkout.StateAt   `json:"history"`
}

type disputeFileView struct {
	ID      ropeline.DisputeID `json:"id"`
	State   string             `json:"state"`
	Reason  string             `json:"reason"`
	Amount  ropeline.Money     `json:"amount"`
	History []checkout.StateAt `json:"history"`
}

type ticketFileView struct {
	ID         ropeline.TicketID     `json:"id"`
	TicketType ropeline.TicketTypeID `json:"ticket_type"`
	Name       string                `json:"name"`
	State      checkout.TicketState  `json:"state"`
	Revision   int                   `json:"revision"`
	IssuedAt   time.Time             `json:"issued_at"`
	Email      string                `json:"email,omitempty"` // to whom it was given; absent: it is the order's own
}

func newOrderFileView(f checkout.OrderFile, messages []notify.Row, changes []identity.Entry) orderFileView {
	history := func(id string) []checkout.StateAt { return append([]checkout.StateAt{}, f.History[id]...) }
	view := orderFileView{
		ID: f.ID, Event: f.Event, Fan: f.Fan, Email: f.Email, State: f.State, Reason: f.Reason, Message: f.Message,
		Total: f.Total, Items: viewItems(f.Items, true), Risk: f.Risk, CreatedAt: f.CreatedAt, AcceptedAt: f.AcceptedAt,
		EndedAt: f.EndedAt, CancelAt: f.CancelAt, CancelBy: f.CancelBy,
		Reservation: holdFileView{ID: f.Hold.ID, State: f.Hold.State, CreatedAt: f.Hold.CreatedAt, Deadline: f.Hold.Deadline, EndedAt: f.HoldEndedAt},
		Payments:    []paymentFileView{}, Refunds: []refundFileView{}, Disputes: []disputeFileView{}, Tickets: []ticketFileView{},
		Returns: append([]checkout.StockReturn{}, f.Returns...), Events: append([]checkout.News{}, f.News...),
		RiskScore: f.Scoring.Score, RiskReasons: append([]string{}, f.Scoring.Reasons...),
		Review: reviewFileView{Deadline: f.Scoring.Deadline, By: f.Scoring.ReviewedBy, At: f.Scoring.ReviewedAt, Note: f.Scoring.Note},
		Scans:  append([]checkout.TicketNote{}, f.Scans...), Revocations: append([]checkout.TicketNote{}, f.Revocations...),
		Messages: append([]notify.Row{}, messages...), Changes: append([]identity.Entry{}, changes...),
	}
	for _, p := range f.Payments {
		view.Payments = append(view.Payments, paymentFileView{ID: p.ID, Provider: p.Provider, Ref: p.Ref, State: p.State, Amount: p.Amount, Failure: p.Failure,
			Duty: p.Duty, Card: cardView{Brand: p.Card.Brand, Last4: p.Card.Last4, Country: p.Card.Country, Fingerprint: p.Card.Fingerprint},
			RiskScore: p.RiskScore, CreatedAt: p.CreatedAt, History: history(string(p.ID))})
	}
	for _, r := range f.Refunds {
		view.Refunds = append(view.Refunds, refundFileView{ID: r.ID, Payment: r.Payment, State: r.State, Amount: r.Amount, Reason: r.Reason, By: r.By,
			CreatedAt: r.CreatedAt, History: history(string(r.ID))})
	}
	for _, d := range f.Disputes {
		view.Disputes = append(view.Disputes, disputeFileView{ID: d.ID, State: string(d.State), Reason: d.Reason, Amount: d.Amount, History: history(string(d.ID))})
	}
	for _, t := range f.Tickets {
		view.Tickets = append(view.Tickets, ticketFileView{ID: t.ID, TicketType: t.TicketType, Name: t.Name, State: t.State, Revision: t.Revision, IssuedAt: t.IssuedAt, Email: t.Email})
	}
	return view
}
