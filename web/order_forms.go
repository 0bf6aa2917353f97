package web

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/web/pages"
)

// orderDone is the address of an order's page after something was done to it.
func orderDone(id ropeline.OrderID, what string) string {
	return "/admin/orders/" + string(id) + "?done=" + what
}

// sure asks before something is done; the answer yes posts the named fields
// again, with the key, so that it is done once.
func (s *Server) sure(c *gin.Context, view pages.ConfirmView, fields ...string) error {
	view.Organizer, view.Action, view.Danger = account(c).Email, c.Request.URL.Path, true
	for _, name := range append(fields, "key") {
		for _, value := range c.PostFormArray(name) {
			view.Hidden = append(view.Hidden, pages.Field{Name: name, Value: value})
		}
	}
	recorded(c) // asking changes nothing
	c.Header("Cache-Control", "no-store")
	return s.pages.Confirm(pages.Zip(c.Writer, c.Request), view)
}

// refundForm reads the form of an order's page: what is all, tickets or amount.
func (s *Server) refundForm(c *gin.Context, id ropeline.OrderID) (body refundBody, err error) {
	body = refundBody{Reason: c.PostForm("reason"), Restock: c.PostForm("restock") == "yes"}
	switch c.PostForm("what") {
	case "all":
	case "tickets":
		if body.Tickets = c.PostFormArray("ticket"); len(body.Tickets) == 0 {
			return body, ropeline.Errorf(ropeline.CodeInvalidRequest, "Choose the tickets that are given back.")
		}
	case "amount":
		contact, err := s.checkout.ContactOfOrder(c.Request.Context(), id)
		if err != nil {
			return body, err
		}
		minor, err := parseAmount(c.PostForm("amount"), contact.Money)
		if err != nil {
			return body, err
		}
		body.Amount, body.Restock = &minor, false
	default:
		return body, ropeline.Errorf(ropeline.CodeInvalidRequest, "Choose what is given back.")
	}
	return body, nil
}

// parseAmount reads an amount above 0 as people write it, 12.50 or 12,50, in
// the minor units of like's currency.
func parseAmount(text string, like ropeline.Money) (int64, error) {
	minor, err := parsePrice(text, like)
	if err == nil && minor == 0 {
		err = ropeline.Errorf(ropeline.CodeInvalidRequest, "The amount must be above 0.")
	}
	return minor, err
}

// parsePrice is parseAmount for what may be free.
func parsePrice(text string, like ropeline.Money) (int64, error) {
	wrong := ropeline.Errorf(ropeline.CodeInvalidRequest, "%q is not an amount in %s, such as %s.", text, like.Currency, ropeline.Money{Minor: 1250, Currency: like.Currency})
	whole, fraction, _ := strings.Cut(strings.ReplaceAll(strings.TrimSpace(text), ",", "."), ".")
	if len(fraction) > like.Digits() || whole == "" || strings.ContainsAny(whole+fraction, "+-") {
		return 0, wrong
	}
	minor, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", like.Digits()-len(fraction)), 10, 64)
	if err != nil {
		return 0, wrong
	}
	return minor, nil
}

// askRefund shows what a refund comes to before it is made.
func (s *Server) askRefund(c *gin.Context, q checkout.Refunding) error {
	look, err := s.checkout.LookRefund(c.Request.Context(), q)
	if err != nil {
		return err
	}
	contact, err := s.checkout.ContactOfOrder(c.Request.Context(), q.Order)
	if err != nil {
		return err
	}
	words := fmt.Sprintf("%s of the %s that are left of this payment go back to %s, the way they came.", look.Amount, look.Left, contact.Email)
	switch n := len(look.Tickets); {
	case n == 0:
		words += "\nNo ticket becomes void: all of them go on opening the gate."
	case q.Restock:
		words += fmt.Sprintf("\n%s void, and back on sale.", tickets(n, "becomes", "become"))
	default:
		words += fmt.Sprintf("\n%s void. What was sold stays sold: nothing goes back on sale.", tickets(n, "becomes", "become"))
	}
	view := pages.ConfirmView{Title: "Give back " + look.Amount.String() + "?", Detail: words + "\nWhy: " + q.Reason, Yes: "Give it back",
		No: pages.Link{Text: "Change nothing", Href: "/admin/orders/" + string(q.Order)}}
	view.Hidden = []pages.Field{{Name: "expect", Value: strconv.FormatInt(look.Amount.Minor, 10)}}
	return s.sure(c, view, "what", "amount", "ticket", "reason", "restock")
}

// askCancel tells what becomes of an order that is canceled.
func (s *Server) askCancel(c *gin.Context, id ropeline.OrderID, body cancelBody) error {
	if body.Reason == "" {
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "reason must be told: the fan reads it.")
	}
	f, err := s.checkout.OrderFile(c.Request.Context(), id)
	if err != nil {
		return err
	}
	words := ""
	switch look, err := s.checkout.LookRefund(c.Request.Context(), checkout.Refunding{Order: id, Reason: body.Reason, Restock: body.Restock}); {
	case f.State == checkout.OrderPending:
		words = "It is not paid yet. What it holds goes back on sale, and its payment is let go."
	case f.State != checkout.OrderPaid:
		words = "It has ended already; nothing changes."
	case err == nil:
		words = fmt.Sprintf("%s go back to %s, and %s void.", look.Amount, f.Email, tickets(len(look.Tickets), "becomes", "become"))
	default:
		words = "Its money went back before. What is left of its tickets becomes void."
	}
	return s.sure(c, pages.ConfirmView{Title: "Cancel this order?", Detail: words + "\nThe fan is told: " + body.Reason, Yes: "Cancel the order",
		No: pages.Link{Text: "Keep the order", Href: "/admin/orders/" + string(id)}}, "reason", "restock")
}

func tickets(n int, one, many string) string {
	if n == 1 {
		return "1 ticket " + one
	}
	return strconv.Itoa(n) + " tickets " + many
}
