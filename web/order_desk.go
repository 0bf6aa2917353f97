package web

import (
	"context"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/identity"
)

const ordersPerPage = 50

type orderLineView struct {
	ID       ropeline.OrderID      `json:"id"`
	Event    ropeline.EventID      `json:"event"`
	Fan      ropeline.FanID        `json:"fan"`
	Email    string                `json:"email"`
	State    checkout.OrderState   `json:"state"`
	Total    ropeline.Money        `json:"total"`
	Refunded ropeline.Money        `json:"refunded"` // asked for or given back
	Payment  checkout.PaymentState `json:"payment"`
	Risk     checkout.RiskDecision `json:"risk"`
	Tickets  int                   `json:"tickets"` // not revoked
	PlacedAt time.Time             `json:"placed_at"`
}

type orderLinesView struct {
	Orders []orderLineView `json:"orders"`
	Next   string          `json:"next"` // "": there is no next page
}

// listOrders: GET /admin/orders?event=…&q=…&after=…, the newest first. q is the
// id of an order, ticket, fan or payment, or the beginning of an address.
func (s *Server) listOrders(c *gin.Context) error {
	var event ropeline.EventID
	if asked := c.Query("event"); asked != "" {
		var err error
		if event, err = ropeline.ParseID[ropeline.EventID](asked); err != nil {
			return ropeline.Errorf(ropeline.CodeEventNotFound, "There is no such event.")
		}
	}
	query := c.Query("q")
	if len(query) > 254 || !plain(query) {
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "q is too long or not valid text.")
	}
	after, err := parseOrderCursor(c.Query("after"))
	if err != nil {
		return err
	}
	lines, err := s.checkout.Orders(c.Request.Context(), event, actorOf(c).Organizations(identity.ViewOrders), query, after, ordersPerPage)
	if err != nil {
		return err
	}
	views := make([]orderLineView, len(lines))
	for i, l := range lines {
		views[i] = orderLineView{ID: l.Order, Event: l.Event, Fan: l.Fan, Email: l.Email, State: l.State, Total: l.Total,
			Refunded: ropeline.Money{Minor: l.Refunded, Currency: l.Total.Currency}, Payment: l.Payment, Risk: l.Risk, Tickets: l.Tickets, PlacedAt: l.Placed}
	}
	next := ""
	if len(lines) == ordersPerPage {
		last := lines[len(lines)-1]
		next = base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(last.Placed.UnixMicro(), 10) + "." + string(last.Order)))
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, orderLinesView{Orders: views, Next: next})
	return nil
}

func parseOrderCursor(text string) (checkout.OrderCursor, error) {
	at, err := parseCursor(text)
	return checkout.OrderCursor{Placed: at.DropAt, Order: ropeline.OrderID(at.ID)}, err
}

// orderFile: GET /admin/orders/{id}, all that is known of it.
func (s *Server) orderFile(c *gin.Context) error {
	id, err := orderParam(c)
	if err != nil {
		return err
	}
	f, err := s.checkout.OrderFile(c.Request.Context(), id)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, newOrderFileView(f))
	return nil
}

func orderParam(c *gin.Context) (ropeline.OrderID, error) {
	id, err := ropeline.ParseID[ropeline.OrderID](c.Param("order"))
	if err != nil {
		return "", ropeline.Errorf(ropeline.CodeOrderNotFound, "There is no such order.")
	}
	return id, nil
}

type refundBody struct {
	Amount  *int64   `json:"amount"` // minor units
	Tickets []string `json:"tickets"`
	Reason  string   `json:"reason"`
	Restock bool     `json:"restock"`
}

// refundOrder: POST /admin/orders/{id}/refunds. Without amount and tickets
// everything goes back and every ticket is void; an amount alone revokes none.
func (s *Server) refundOrder(c *gin.Context) error {
	id, err := orderParam(c)
	if err != nil {
		return err
	}
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	var body refundBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	q := checkout.Refunding{Order: id, Restock: body.Restock, Reason: strings.TrimSpace(body.Reason), By: account(c).Email}
	if !plain(q.Reason) {
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "reason is not valid text.")
	}
	if body.Amount != nil {
		if q.Minor = *body.Amount; q.Minor <= 0 {
			return ropeline.Errorf(ropeline.CodeInvalidRequest, "amount must be more than nothing, in minor units.")
		}
	}
	for _, text := range body.Tickets {
		ticket, err := ropeline.ParseID[ropeline.TicketID](text)
		if err != nil || len(body.Tickets) > 1000 {
			return ropeline.Errorf(ropeline.CodeTicketNotFound, "There is no such ticket.")
		}
		q.Tickets = append(q.Tickets, ticket)
	}
	err = s.once(c, "refund:"+string(id)+":"+q.By, key, body, func(ctx context.Context, tx pgx.Tx) (int, any, error) {
		refund, tickets, err := s.checkout.AskRefund(ctx, tx, q)
		if err != nil {
			return 0, nil, err
		}
		view := viewRefund(refund)
		view.Revoked = append([]ropeline.TicketID{}, tickets...)
		return http.StatusCreated, view, nil
	})
	if err == nil && q.Restock {
		s.nudgeOrder(c, id)
	}
	return err
}

type refundView struct {
	ID        ropeline.RefundID    `json:"id"`
	State     checkout.RefundState `json:"state"`
	Amount    ropeline.Money       `json:"amount"`
	Reason    string               `json:"reason,omitempty"`
	CreatedAt time.Time            `json:"created_at"`
	Revoked   []ropeline.TicketID  `json:"revoked_tickets,omitempty"`
}

func viewRefund(r checkout.Refund) refundView {
	return refundView{ID: r.ID, State: r.State, Amount: r.Amount, Reason: r.Reason, CreatedAt: r.CreatedAt}
}

type cancelBody struct {
	Reason  string `json:"reason"`
	Restock bool   `json:"restock"`
}

type canceledView struct {
	Order ropeline.OrderID `json:"order"`
}

// cancelOrder: POST /admin/orders/{id}/cancel ends a pending or paid order.
func (s *Server) cancelOrder(c *gin.Context) error {
	id, err := orderParam(c)
	if err != nil {
		return err
	}
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	var body cancelBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	if body.Reason = strings.TrimSpace(body.Reason); !plain(body.Reason) {
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "reason is not valid text.")
	}
	by := account(c).Email
	err = s.once(c, "cancel-order:"+string(id)+":"+by, key, body, func(ctx context.Context, tx pgx.Tx) (int, any, error) {
		return http.StatusAccepted, canceledView{Order: id}, s.checkout.CancelOrder(ctx, tx, id, body.Reason, by, body.Restock)
	})
	if err == nil {
		s.nudgeOrder(c, id)
	}
	return err
}

// nudgeOrder makes the clerk look at once; without it a sweep does.
func (s *Server) nudgeOrder(c *gin.Context, id ropeline.OrderID) {
	event, err := s.checkout.EventOf(c.Request.Context(), id)
	if err == nil {
		err = s.checkout.Nudge(c.Request.Context(), event)
	}
	if err != nil {
		s.log.WarnContext(c.Request.Context(), "clerk not nudged, the sweep will", "order", id, "err", err)
	}
}

type cancelingView struct {
	Event    ropeline.EventID `json:"event"`
	Progress string           `json:"progress"` // where to look how far it has come
}

type cancellationView struct {
	Event        ropeline.EventID `json:"event"`
	Reason       string           `json:"reason"`
	By           string           `json:"by"`
	AskedAt      time.Time        `json:"asked_at"`
	FinishedAt   *time.Time       `json:"finished_at"`
	Total        int64            `json:"total"` // orders that were paid, and those that still may be
	Done         int64            `json:"done"`
	Failed       int64            `json:"failed"`        // refused by the gateway for good
	Holds        int64            `json:"holds"`         // not released yet
	OpenPayments int64            `json:"open_payments"` // not let go yet
}

// cancelEvent: POST /admin/events/{id}/cancel. What follows is done in the
// background; GET tells how far it has come.
func (s *Server) cancelEvent(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	var body reasonBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	if body.Reason = strings.TrimSpace(body.Reason); !plain(body.Reason) {
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "reason is not valid text.")
	}
	by := account(c).Email
	err = s.once(c, "cancel-event:"+string(event.ID)+":"+by, key, body, func(ctx context.Context, tx pgx.Tx) (int, any, error) {
		return http.StatusAccepted, cancelingView{Event: event.ID, Progress: "/admin/events/" + string(event.ID) + "/cancel"},
			s.checkout.CancelEvent(ctx, tx, event.ID, body.Reason, by)
	})
	if err != nil {
		return err
	}
	s.catalog.Forget(event.ID)
	if err := s.checkout.Nudge(c.Request.Context(), event.ID); err != nil {
		s.log.WarnContext(c.Request.Context(), "clerk not nudged, the sweep will", "event", event.ID, "err", err)
	}
	return nil
}

// cancellation: GET /admin/events/{id}/cancel.
func (s *Server) cancellation(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	x, err := s.checkout.CancellationOf(c.Request.Context(), event.ID)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, cancellationView{Event: x.Event, Reason: x.Reason, By: x.By, AskedAt: x.AskedAt, FinishedAt: x.FinishedAt,
		Total: x.Total, Done: x.Done, Failed: x.Failed, Holds: x.Holds, OpenPayments: x.Open})
	return nil
}
