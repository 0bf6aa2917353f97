package web

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/notify"
	"github.com/ropeline/ropeline/web/pages"
)

// messagesShown is how many messages one answer lists.
const messagesShown = 200

type notificationsView struct {
	Notifications []notify.Row              `json:"notifications"`
	Counts        map[notify.State]int64    `json:"counts"`
	Via           map[notify.Channel]string `json:"via"` // by which sender
}

type resendBody struct {
	Resend string `json:"resend"`
}

type queuedView struct {
	Queued int64 `json:"queued"`
}

// notifications: GET /admin/notifications?state=dead lists messages of a state,
// the last changed first, and counts those that are to be sent or were given up.
func (s *Server) notifications(c *gin.Context) error {
	state := notify.State(c.DefaultQuery("state", string(notify.StateDead)))
	rows, err := s.notify.List(c.Request.Context(), state, messagesShown)
	if err != nil {
		return err
	}
	counts, err := s.notify.Counts(c.Request.Context())
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.Header("Vary", "Accept")
	via := map[notify.Channel]string{notify.Email: s.notify.Via(notify.Email), notify.SMS: s.notify.Via(notify.SMS)}
	if !wantsPage(c.Request) {
		c.JSON(http.StatusOK, notificationsView{Notifications: append([]notify.Row{}, rows...), Counts: counts, Via: via})
		return nil
	}
	page := pages.NotificationsView{Frame: pages.Frame{Organizer: account(c).Email}, State: string(state),
		Mail: s.notify.Via(notify.Email), SMS: s.notify.Via(notify.SMS)}
	for _, each := range []notify.State{notify.StateDead, notify.StateFailed, notify.StateQueued, notify.StateSending, notify.StateSent, notify.StateMoot} {
		page.States = append(page.States, pages.StateCount{State: string(each), Count: counts[each]})
	}
	for _, r := range rows {
		page.Rows = append(page.Rows, pages.NotificationRow{ID: string(r.ID), Kind: string(r.Kind), To: r.To, Attempts: r.Attempts,
			NextAt: r.NextAt, LastError: r.LastError, ChangedAt: r.ChangedAt})
	}
	return s.pages.Notifications(pages.Zip(c.Writer, c.Request), page)
}

// resendNotification: POST /admin/notifications with {"resend":"<id>"} for one
// dead message, or {"resend":"dead"} for up to a thousand of them.
func (s *Server) resendNotification(c *gin.Context) error {
	var body resendBody
	form := isForm(c.Request)
	if form {
		body.Resend = c.PostForm("resend")
	} else if err := readJSON(c, &body); err != nil {
		return err
	}
	if !plain(body.Resend) {
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "resend must be text.")
	}
	resent := int64(1)
	err := s.audited(c, "notification.resend", "notification/"+body.Resend, func(ctx context.Context, tx pgx.Tx) (err error) {
		if body.Resend == string(notify.StateDead) {
			resent, err = s.notify.ResendDead(ctx, tx)
			return err
		}
		return s.notify.Resend(ctx, tx, notify.ID(body.Resend))
	})
	if err != nil {
		return err
	}
	if form {
		c.Redirect(http.StatusSeeOther, "/admin/notifications")
		return nil
	}
	c.JSON(http.StatusOK, queuedView{Queued: resent})
	return nil
}
