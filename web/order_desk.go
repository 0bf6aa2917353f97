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
	"github.com/ropeline/ropeline/notify"
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

// listOrders: GET /admin/orders?event=…&q=…&state=…&from=…&to=…&after=…, the
// newest first; q as in checkout.OrderSearch.
func (s *Server) listOrders(c *gin.Context) error {
	search, err := s.orderSearch(c)
	if err != nil {
		return err
	}
	lines, err := s.checkout.Orders(c.Request.Context(), search, ordersPerPage+1)
	if err != nil {
		return err
	}
	next := ""
	if len(lines) > ordersPerPage {
		lines = lines[:ordersPerPage]
		last := lines[len(lines)-1]
		next = base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(last.Placed.UnixMicro(), 10) + "." + string(last.Order)))
	}
	c.Header("Cache-Control", "no-store")
	c.Header("Vary", "Accept")
	if wantsPage(c.Request) {
		return s.ordersPage(c, search, lines, next)
	}
	views := make([]orderLineView, len(lines))
	for i, l := range lines {
		views[i] = orderLineView{ID: l.Order, Event: l.Event, Fan: l.Fan, Email: l.Email, State: l.State, Total: l.Total,
			Refunded: ropeline.Money{Minor: l.Refunded, Currency: l.Total.Currency}, Payment: l.Payment, Risk: l.Risk, Tickets: l.Tickets, PlacedAt: l.Placed}
	}
	c.JSON(http.StatusOK, orderLinesView{Orders: views, Next: next})
	return nil
}

// inReview is a state of the search that orders have beside their own.
const inReview = "review"

func (s *Server) orderSearch(c *gin.Context) (q checkout.OrderSearch, err error) {
	q.Organizations = actorOf(c).Organizations(identity.ViewOrders)
	if asked := c.Query("event"); asked != "" {
		if q.Event, err = ropeline.ParseID[ropeline.EventID](asked); err != nil {
			return q, ropeline.Errorf(ropeline.CodeEventNotFound, "There is no such event.")
		}
	}
	if q.Query = c.Query("q"); len(q.Query) > 254 || !plain(q.Query) {
		return q, ropeline.Errorf(ropeline.CodeInvalidRequest, "q is too long or not valid text.")
	}
	switch state := checkout.OrderState(c.Query("state")); state {
	case "", checkout.OrderPending, checkout.OrderPaid, checkout.OrderExpired, checkout.OrderCanceled:
		q.State = state
	case inReview:
		q.InReview = true
	default:
		return q, ropeline.Errorf(ropeline.CodeInvalidRequest, "state must be pending, paid, expired, canceled or review.")
	}
	if q.From, err = timeOf(c, "from", 0); err != nil {
		return q, err
	}
	if q.To, err = timeOf(c, "to", 24*time.Hour); err != nil {
		return q, err
	}
	q.After, err = parseOrderCursor(c.Query("after"))
	return q, err
}

// timeOf reads a time of the query, or a day (UTC) to which whole is added;
// zero when absent.
func timeOf(c *gin.Context, name string, whole time.Duration) (time.Time, error) {
	text := c.Query(name)
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day.Add(whole), nil
	}
	return time.Time{}, ropeline.Errorf(ropeline.CodeInvalidRequest, "%s must be a day such as 2026-11-23, or a time such as 2026-11-23T18:00:00Z.", name)
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
	messages, changes, err := s.aroundOrder(c, f)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.Header("Vary", "Accept")
	if wantsPage(c.Request) {
		return s.orderFilePage(c, f, messages, changes)
	}
	c.JSON(http.StatusOK, newOrderFileView(f, messages, changes))
	return nil
}

const mostAround = 200 // messages and changes of one order's file

// aroundOrder finds the messages about an order, and what people changed of it.
func (s *Server) aroundOrder(c *gin.Context, f checkout.OrderFile) (messages []notify.Row, changes []identity.Entry, err error) {
	subjects, objects := []string{string(f.ID)}, []string{"order/" + string(f.ID)}
	for _, r := range f.Refunds {
		subjects = append(subjects, string(r.ID))
	}
	for _, t := range f.Tickets {
		objects = append(objects, "ticket/"+string(t.ID))
	}
	if s.notify != nil {
		if messages, err = s.notify.About(c.Request.Context(), subjects, mostAround); err != nil {
			return nil, nil, err
		}
	}
	if s.may(c, identity.ViewAudit) {
		changes, err = s.accounts.Audit(c.Request.Context(), identity.AuditFilter{Organizations: []string{string(organization(c))}, Objects: objects}, mostAround)
	}
	return messages, changes, err
}

// may tells whether the one who asks may do something to the organization
// whose object the request is about.
func (s *Server) may(c *gin.Context, action identity.Action) bool {
	return identity.Authorize(actorOf(c), action, organization(c)) == nil
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

// refunding is what the body asks for.
func (b refundBody) refunding(id ropeline.OrderID, by string) (checkout.Refunding, error) {
	q := checkout.Refunding{Order: id, Restock: b.Restock, Reason: strings.TrimSpace(b.Reason), By: by}
	if !plain(q.Reason) {
		return q, ropeline.Errorf(ropeline.CodeInvalidRequest, "reason is not valid text.")
	}
	if b.Amount != nil {
		if q.Minor = *b.Amount; q.Minor <= 0 {
			return q, ropeline.Errorf(ropeline.CodeInvalidRequest, "amount must be more than nothing, in minor units.")
		}
	}
	if b.Tickets != nil && len(b.Tickets) == 0 {
		return q, ropeline.Errorf(ropeline.CodeInvalidRequest, "tickets names none. Leave it out to give everything back, or give an amount alone to revoke none.")
	}
	for _, text := range b.Tickets {
		ticket, err := ropeline.ParseID[ropeline.TicketID](text)
		if err != nil || len(b.Tickets) > 1000 {
			return q, ropeline.Errorf(ropeline.CodeTicketNotFound, "There is no such ticket.")
		}
		q.Tickets = append(q.Tickets, ticket)
	}
	return q, nil
}

// refundOrder: POST /admin/orders/{id}/refunds. Without amount and tickets
// everything goes back and every ticket is void; an amount alone revokes none.
// The form of the page asks first what it comes to.
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
	if isForm(c.Request) {
		body, err = s.refundForm(c, id)
	} else {
		err = readExactly(c, &body)
	}
	if err != nil {
		return err
	}
	q, err := body.refunding(id, account(c).Email)
	if err != nil {
		return err
	}
	if isForm(c.Request) && c.PostForm("sure") != "yes" {
		return s.askRefund(c, q)
	}
	err = s.onceThen(c, orderDone(id, "refund"), "refund:"+string(id)+":"+q.By, key, body, func(ctx context.Context, tx pgx.Tx) (int, any, error) {
		refund, tickets, err := s.checkout.AskRefund(ctx, tx, q)
		if err != nil {
			return 0, nil, err
		}
		if shown := c.PostForm("expect"); isForm(c.Request) && shown != strconv.FormatInt(refund.Amount.Minor, 10) {
			return 0, nil, ropeline.Errorf(ropeline.CodeNotRefundable, "Meanwhile it comes to %s. Look at the order again; nothing was given back now.", refund.Amount)
		}
		view := viewRefund(refund)
		view.Revoked = append([]ropeline.TicketID{}, tickets...)
		return http.StatusCreated, view, s.record(c, tx, "order.refund", "order/"+string(id), nil, view)
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

// cancelOrder: POST /admin/orders/{id}/cancel ends a pending or paid order. The
// form of the page asks first.
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
	if isForm(c.Request) {
		body = cancelBody{Reason: c.PostForm("reason"), Restock: c.PostForm("restock") == "yes"}
	} else if err := readExactly(c, &body); err != nil {
		return err
	}
	if body.Reason = strings.TrimSpace(body.Reason); !plain(body.Reason) {
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "reason is not valid text.")
	}
	if isForm(c.Request) && c.PostForm("sure") != "yes" {
		return s.askCancel(c, id, body)
	}
	by := account(c).Email
	err = s.onceThen(c, orderDone(id, "cancel"), "cancel-order:"+string(id)+":"+by, key, body, func(ctx context.Context, tx pgx.Tx) (int, any, error) {
		if err := s.checkout.CancelOrder(ctx, tx, id, body.Reason, by, body.Restock); err != nil {
			return 0, nil, err
		}
		return http.StatusAccepted, canceledView{Order: id}, s.record(c, tx, "order.cancel", "order/"+string(id), nil, body)
	})
	if err == nil {
		s.nudgeOrder(c, id)
	}
	return err
}

type resentOrderView struct {
	To  string `json:"to"`
	Via string `json:"via"` // the sender; "log": nobody gets it
}

// resendOrder: POST /admin/orders/{id}/resend sends the tickets again, to the
// address that was given with the order.
func (s *Server) resendOrder(c *gin.Context) error {
	id, err := orderParam(c)
	if err != nil {
		return err
	}
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	f, err := s.checkout.OrderFile(c.Request.Context(), id)
	if err != nil {
		return err
	}
	return s.onceThen(c, orderDone(id, "resend"), "resend:"+string(id)+":"+account(c).Email, key, id, func(ctx context.Context, tx pgx.Tx) (int, any, error) {
		if err := s.sendTickets(ctx, tx, f.Order); err != nil {
			return 0, nil, err
		}
		return http.StatusAccepted, resentOrderView{To: f.Email, Via: s.notify.Via(notify.Email)}, s.record(c, tx, "order.resend", "order/"+string(id), nil, nil)
	})
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
