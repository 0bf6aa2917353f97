package web

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment/sandbox"
)

// webhook: POST /payments/webhook, called by the gateway. A false signature
// changes nothing; a webhook that came before is answered like the first.
func (s *Server) webhook(c *gin.Context) error {
	body, err := io.ReadAll(c.Request.Body)
	if err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return bodyError(err)
		}
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "The body could not be read.")
	}
	if err := s.checkout.Webhook(c.Request.Context(), c.Request.Header, body); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

// sandboxConfirm: POST /sandbox/intents/{ref}/confirm plays the part of the
// gateway's own card form.
func (s *Server) sandboxConfirm(c *gin.Context) error {
	var body struct {
		ClientSecret string          `json:"client_secret"`
		Outcome      sandbox.Outcome `json:"outcome"`
		DelaySeconds float64         `json:"delay_seconds"`
	}
	if err := readJSON(c, &body); err != nil {
		return err
	}
	if body.DelaySeconds < 0 || body.DelaySeconds > 3600 {
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "delay_seconds must be 0 to 3600.")
	}
	delay := time.Duration(body.DelaySeconds * float64(time.Second))
	state, err := s.sandbox.Confirm(c.Request.Context(), c.Param("ref"), body.ClientSecret, body.Outcome, delay)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, gin.H{"state": state})
	return nil
}
