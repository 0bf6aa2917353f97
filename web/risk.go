package web

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/fraud"
)

// cookieDevice tells a browser from another one with the same name; scripts
// cannot read it, and only scoring orders uses it (docs/fraud.md).
const cookieDevice = "ropeline_device"

// knowDevice gives a browser that shows none a device cookie. It belongs to
// pages on the way to an order that are never cached.
func (s *Server) knowDevice(c *gin.Context) {
	if s.fraud != nil && s.device(c) == "" {
		s.setCookie(c, cookieDevice, s.fraud.NewDevice(), fraud.DeviceLife)
	}
}

func (s *Server) device(c *gin.Context) string {
	cookie, err := c.Request.Cookie(s.cookieName(cookieDevice))
	if err != nil {
		return ""
	}
	return s.fraud.Device(cookie.Value)
}

// visit is what scoring may know of a request. Its texts are hashed there.
func (s *Server) visit(c *gin.Context, event ropeline.EventID, fan ropeline.FanID) fraud.Visit {
	return fraud.Visit{
		Event: event, Fan: fan, Address: s.address(c), Device: s.device(c),
		Browser: browser(c.Request.Header),
	}
}

// browser is what tells one kind of browser from another.
func browser(h http.Header) string {
	var room [256]byte
	text := room[:0]
	for _, name := range [...]string{"User-Agent", "Accept-Language", "Sec-Ch-Ua", "Sec-Ch-Ua-Platform", "Sec-Ch-Ua-Mobile"} {
		if values := h[name]; len(values) > 0 {
			text = append(text, values[0]...)
		}
		text = append(text, 0)
	}
	return string(text)
}

// joined tells scoring of a fresh identity in the line.
func (s *Server) joined(c *gin.Context, event ropeline.EventID, fan ropeline.FanID) {
	if s.fraud != nil && s.fraud.Counts() {
		s.fraud.Joined(s.visit(c, event, fan))
	}
}

// scored adds to an order what is thought of it. It takes 50 ms at the most,
// and fails nothing.
func (s *Server) scored(c *gin.Context, p checkout.Placing, account ropeline.AccountID) checkout.Placing {
	if s.fraud == nil {
		return p
	}
	v := s.visit(c, p.Reservation.Event(), p.Fan)
	v.Email, v.Account = p.Email, account
	placed := s.fraud.Place(c.Request.Context(), v)
	verdict := Verdict(placed.Verdict)
	p.Verdict, p.Note = &verdict, placed
	return p
}

// RecordNotes writes what scoring has found of new orders; it fits
// checkout.Options.Record.
func RecordNotes(batch *pgx.Batch, notes []checkout.Noted) {
	var found []fraud.Noted
	for _, n := range notes {
		if placed, ok := n.Note.(fraud.Placed); ok {
			found = append(found, fraud.Noted{Order: n.Order, Placed: placed})
		}
	}
	if len(found) > 0 {
		fraud.Record(batch, found)
	}
}

// Verdict is a verdict of package fraud as package checkout takes it.
func Verdict(v fraud.Verdict) checkout.Verdict {
	return checkout.Verdict{
		Score: v.Score, Decision: checkout.RiskDecision(v.Decision), Reasons: v.Reasons,
		ReviewSeconds: int64(v.ReviewFor.Seconds()), AtDeadline: checkout.RiskDecision(v.AtDeadline),
	}
}
