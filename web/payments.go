package web

import (
	"errors"
	"io"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
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

// confirmBody is what the sandbox's card form sends.
type confirmBody struct {
	ClientSecret string `json:"client_secret"`
	Outcome      string `json:"outcome"`
	Card         string `json:"card"` // a test card's number; empty: the usual one
}

type intentView struct {
	State   string `json:"state"`
	Decline string `json:"decline"`
}

// sandboxConfirm: POST /sandbox/intents/{ref}/confirm plays the part of the
// gateway's own card form.
func (s *Server) sandboxConfirm(c *gin.Context) error {
	var body confirmBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	object, err := s.sandbox.ConfirmCard(c.Request.Context(), c.Param("ref"), body.ClientSecret, body.Outcome, body.Card)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, intentView{State: string(object.Status), Decline: string(object.Decline)})
	return nil
}
