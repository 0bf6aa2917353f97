package web

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline/checkout/payment/stripe"
	"github.com/ropeline/ropeline/web/pages"
)

// stripePage: GET /orders/{id}/pay, the page with Stripe's own card form. Only
// the fan whose order it is gets the client secret. Stripe sends the browser
// back here after 3-D Secure on the bank's site; a payment that needs nothing
// more by then is shown with its order.
func (s *Server) stripePage(c *gin.Context) error {
	order, err := s.orderOf(c)
	if err != nil {
		return err
	}
	if order.Payment.Provider != stripe.Name || s.viewOrder(order).Payment.Page == "" || order.Payment.ClientSecret == "" {
		c.Redirect(http.StatusSeeOther, "/orders/"+string(order.ID))
		return nil
	}
	event, err := s.catalog.Event(c.Request.Context(), order.Event)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	return s.pages.StripePay(pages.Zip(c.Writer, c.Request), pages.StripeView{
		Key: s.stripeKey, ClientSecret: order.Payment.ClientSecret, Order: order.ID, EventName: event.Name, Items: bill(event, order.Items),
		Total: order.Total, Failure: order.Payment.Failure, Deadline: order.Deadline,
	})
}
