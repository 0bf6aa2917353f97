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
	"github.com/ropeline/ropeline/web/pages"
)

const (
	reviewsPerPage = 50
	mostNote       = 1000 // bytes of a decision's note
)

// reviewView is an order in the review queue, or what came of it.
type reviewView struct {
	Order      ropeline.OrderID `json:"order"`
	Event      ropeline.EventID `json:"event"`
	Email      string           `json:"email"`
	Total      ropeline.Money   `json:"total"`
	PlacedAt   time.Time        `json:"placed_at"`
	Score      float64          `json:"score"`
	Reasons    []string         `json:"reasons"`
	Decision   string           `json:"decision"` // waiting | approve | reject
	Deadline   time.Time        `json:"deadline"`
	AtDeadline string           `json:"at_deadline"` // approve | reject
	ReviewedBy string           `json:"reviewed_by,omitempty"`
	ReviewedAt *time.Time       `json:"reviewed_at,omitempty"`
	Note       string           `json:"note,omitempty"`
}

type reviewsView struct {
	Reviews []reviewView `json:"reviews"`
	Next    string       `json:"next"` // "": there is no next page
}

type decisionBody struct {
	Decision string `json:"decision"` // approve | reject
	Note     string `json:"note"`
}

// decisions are the words of the API.
var decisions = map[checkout.RiskDecision]string{
	checkout.RiskReview: "waiting", checkout.RiskAllow: "approve", checkout.RiskReject: "reject",
}

func newReviewView(r checkout.Reviewed) reviewView {
	view := reviewView{
		Order: r.Order, Event: r.Event, Email: r.Email, Total: r.Total, PlacedAt: r.Placed, Score: r.Score, Reasons: append([]string{}, r.Reasons...),
		Decision: decisions[r.Decision], Deadline: r.Deadline, AtDeadline: decisions[r.Default], ReviewedBy: r.By, Note: r.Note,
	}
	if r.By != "" {
		view.ReviewedAt = &r.At
	}
	return view
}

// listReviews: GET /admin/reviews?event=…&after=…, the orders of an event that
// wait for a person, the nearest deadline first. A browser without an event
// gets the newest one's queue.
func (s *Server) listReviews(c *gin.Context) error {
	ctx := c.Request.Context()
	page := wantsPage(c.Request)
	events, err := s.catalog.ListOf(ctx, actorOf(c).Organizations(identity.Review), eventsPerPage)
	if err != nil {
		return err
	}
	id, err := ropeline.ParseID[ropeline.EventID](c.Query("event"))
	if page && c.Query("event") == "" && len(events) > 0 {
		id, err = events[0].ID, nil
	}
	if page && len(events) == 0 && c.Query("event") == "" {
		return s.pages.Reviews(pages.Zip(c.Writer, c.Request), pages.ReviewsView{Frame: pages.Frame{Organizer: account(c).Email}})
	}
	if err != nil {
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "Name the event: ?event=…")
	}
	event, err := s.catalog.Event(ctx, id)
	if err != nil {
		return err
	}
	after, err := parseReviewCursor(c.Query("after"))
	if err != nil {
		return err
	}
	list, err := s.checkout.Reviews(ctx, event.ID, after, reviewsPerPage+1)
	if err != nil {
		return err
	}
	next := ""
	if len(list) > reviewsPerPage {
		list = list[:reviewsPerPage]
		last := list[len(list)-1]
		next = reviewCursor(checkout.ReviewCursor{Deadline: last.Deadline, Order: last.Order})
	}
	c.Header("Cache-Control", "no-store")
	c.Header("Vary", "Accept")
	if page {
		return s.reviewsPage(c, events, event, list, next)
	}
	views := make([]reviewView, len(list))
	for i, r := range list {
		views[i] = newReviewView(r)
	}
	c.JSON(http.StatusOK, reviewsView{Reviews: views, Next: next})
	return nil
}

func (s *Server) reviewsPage(c *gin.Context, events []ropeline.Event, event ropeline.Event, list []checkout.Reviewed, next string) error {
	view := pages.ReviewsView{Frame: pages.Frame{Organizer: account(c).Email}, Events: events, Event: event}
	for _, r := range list {
		view.Reviews = append(view.Reviews, pages.Review{
			Order: r.Order, Email: r.Email, Total: r.Total, Placed: r.Placed, Percent: int(r.Score*100 + 0.5), Reasons: r.Reasons,
			Deadline: r.Deadline, AtDeadline: decisions[r.Default],
		})
	}
	if next != "" {
		view.Next = "/admin/reviews?event=" + string(event.ID) + "&after=" + next
	}
	return s.pages.Reviews(pages.Zip(c.Writer, c.Request), view)
}

// decideReview: POST /admin/reviews/{order} with {decision, note}, or the form
// of the page.
func (s *Server) decideReview(c *gin.Context) error {
	order, err := ropeline.ParseID[ropeline.OrderID](c.Param("order"))
	if err != nil {
		return ropeline.Errorf(ropeline.CodeOrderNotFound, "There is no such order to review.")
	}
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	var body decisionBody
	form := isForm(c.Request)
	if form {
		body.Decision, body.Note = c.PostForm("decision"), c.PostForm("note")
	} else if err := readJSON(c, &body); err != nil {
		return err
	}
	decision, known := map[string]checkout.RiskDecision{"approve": checkout.RiskAllow, "reject": checkout.RiskReject}[body.Decision]
	if !known {
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "decision must be approve or reject.")
	}
	if body.Note = strings.TrimSpace(body.Note); len(body.Note) > mostNote || !plain(body.Note) {
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "note must be text of at most %d bytes.", mostNote)
	}
	var reviewed checkout.Reviewed
	by := account(c)
	decide := func(ctx context.Context, tx pgx.Tx) (int, any, error) {
		reviewed, err = s.checkout.Review(ctx, tx, order, decision, by.Email, body.Note)
		if err != nil {
			return 0, nil, err
		}
		if reviewed.New {
			err = s.record(c, tx, "review."+body.Decision, "order/"+string(order), gin.H{"decision": "waiting"}, gin.H{"decision": body.Decision, "note": body.Note})
			if err == nil && s.fraud != nil {
				err = s.fraud.Label(ctx, tx, order, decision == checkout.RiskReject)
			}
		}
		return http.StatusOK, newReviewView(reviewed), err
	}
	if form {
		if err := s.change(c.Request.Context(), func(tx pgx.Tx) error {
			_, _, err := decide(c.Request.Context(), tx)
			return err
		}); err != nil {
			return err
		}
		s.checkout.ReviewDone(c.Request.Context(), reviewed)
		c.Redirect(http.StatusSeeOther, "/admin/reviews?event="+string(reviewed.Event))
		return nil
	}
	if err := s.once(c, "review:"+string(order)+":"+string(by.ID), key, body, decide); err != nil {
		return err
	}
	if reviewed.Order != "" {
		s.checkout.ReviewDone(c.Request.Context(), reviewed)
	}
	return nil
}

// reviewCursor writes where a page ends: base64url of "<microseconds>.<order>".
func reviewCursor(at checkout.ReviewCursor) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(at.Deadline.UnixMicro(), 10) + "." + string(at.Order)))
}

func parseReviewCursor(text string) (checkout.ReviewCursor, error) {
	if text == "" {
		return checkout.ReviewCursor{}, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	micros, order, _ := strings.Cut(string(raw), ".")
	at, numberErr := strconv.ParseInt(micros, 10, 64)
	id, idErr := ropeline.ParseID[ropeline.OrderID](order)
	if err != nil || numberErr != nil || idErr != nil || at < 0 || at > 1<<52 {
		return checkout.ReviewCursor{}, ropeline.Errorf(ropeline.CodeInvalidRequest, "after is not where a page ends.")
	}
	return checkout.ReviewCursor{Deadline: time.UnixMicro(at), Order: id}, nil
}
