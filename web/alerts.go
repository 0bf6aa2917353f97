package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/notify"
)

// alertBody is where a fan wants to hear: one of the two.
type alertBody struct {
	Email string `json:"email"`
	Phone string `json:"phone"`
}

type alertView struct {
	To string `json:"to"` // an address, masked where it was given here
}

// setAlert: POST /events/{id}/notify with {"email":"…"} or {"phone":"+43…"}, by
// a fan in the line or its lobby who wants to be told, once, when the turn is
// near. A second call replaces the address. A form sends the field "to".
func (s *Server) setAlert(c *gin.Context) error {
	var body alertBody
	form := isForm(c.Request)
	if form {
		if to := strings.TrimSpace(c.PostForm("to")); strings.HasPrefix(to, "+") {
			body.Phone = to
		} else {
			body.Email = to
		}
	} else if err := readJSON(c, &body); err != nil {
		return err
	}
	room, place, err := s.roomAndPlace(c)
	if err != nil {
		return err
	}
	status, place, err := room.Status(c.Request.Context(), place)
	if err != nil {
		return err
	}
	if status.Standing != ropeline.StandingWaiting && status.Standing != ropeline.StandingLobby {
		return ropeline.Errorf(ropeline.CodeNotInLine, "You do not wait any more: look at the page of the line.")
	}
	alert := notify.Alert{Event: place.Event, Fan: place.Fan, Channel: notify.Email}
	switch {
	case body.Email != "" && body.Phone != "":
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "Give an e-mail address or a telephone number, not both.")
	case body.Phone != "":
		alert.Channel = notify.SMS
		alert.To, err = notify.ParsePhone(body.Phone)
	default:
		alert.To, err = checkout.ParseEmail(body.Email)
	}
	if err != nil {
		return err
	}
	if !place.InLobby() {
		alert.Number, alert.Epoch = &place.Number, place.Epoch
	}
	if err := s.notify.SetAlert(c.Request.Context(), alert); err != nil {
		return err
	}
	// The waiting page reads the cookie: no page load asks Postgres for it.
	s.setCookie(c, cookieAlert+string(place.Event), url.QueryEscape(notify.Mask(alert.To)), placeLife)
	c.Header("Cache-Control", "no-store")
	if form {
		c.Redirect(http.StatusSeeOther, "/events/"+string(place.Event)+"/line")
		return nil
	}
	c.JSON(http.StatusOK, alertView{To: notify.Mask(alert.To)})
	return nil
}

// dropAlert: DELETE /events/{id}/notify.
func (s *Server) dropAlert(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	fan, err := s.actingFan(c, event)
	if err != nil {
		return err
	}
	if err := s.notify.DropAlert(c.Request.Context(), event.ID, fan); err != nil {
		return err
	}
	s.dropCookie(c, cookieAlert+string(event.ID))
	c.Status(http.StatusNoContent)
	return nil
}

// cookieAlert holds, masked, where the fan wants to hear.
const cookieAlert = "ropeline_alert_" // + event

// mostAlertShown bounds what is believed of the cookie.
const mostAlertShown = 80

func (s *Server) alertOf(c *gin.Context, event ropeline.EventID) string {
	cookie, err := c.Request.Cookie(s.cookieName(cookieAlert + string(event)))
	if err != nil || len(cookie.Value) > 3*mostAlertShown {
		return ""
	}
	to, err := url.QueryUnescape(cookie.Value)
	if err != nil || len(to) > mostAlertShown || !plain(to) {
		return ""
	}
	return to
}

// resendTickets: POST /orders/{id}/resend sends the tickets of a paid order
// again, to the address that was given with it.
func (s *Server) resendTickets(c *gin.Context) error {
	order, err := s.orderOf(c)
	if err != nil {
		return err
	}
	err = s.change(c.Request.Context(), func(tx pgx.Tx) error { return s.sendTickets(c.Request.Context(), tx, order) })
	if err != nil {
		return err
	}
	if isForm(c.Request) {
		c.Redirect(http.StatusSeeOther, "/orders/"+string(order.ID)+"#sent")
		return nil
	}
	c.JSON(http.StatusAccepted, alertView{To: order.Email})
	return nil
}

// sendTickets posts the tickets of a paid order once more.
func (s *Server) sendTickets(ctx context.Context, tx pgx.Tx, order checkout.Order) error {
	if len(order.Tickets) == 0 {
		return ropeline.Errorf(ropeline.CodeOrderEnded, "The order has no tickets that could be sent.")
	}
	return s.notify.Again(ctx, tx, notify.Notice{
		Dedupe: "tickets:" + string(order.ID), Kind: notify.Tickets, Channel: notify.Email, To: order.Email, Event: order.Event, Subject: string(order.ID),
		Data: notify.Data{Fan: order.Fan, Order: order.ID, Money: &order.Total},
	})
}
