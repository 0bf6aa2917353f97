package web

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
)

// entered is the answer to a redeemed pass.
type entered struct {
	Shopper   string    `json:"shopper"` // shown on reserving
	ShopUntil time.Time `json:"shop_until"`
}

type enterBody struct {
	Pass string `json:"pass"`
}

// enter: POST /events/{id}/enter. Entering again with the same pass gives the
// same answer; the pass of another fan is refused.
func (s *Server) enter(c *gin.Context) error {
	event, fan, err := s.eventAndFan(c)
	if err != nil {
		return err
	}
	var body enterBody
	form := isForm(c.Request)
	if form {
		body.Pass = c.PostForm("pass")
	} else if err := readJSON(c, &body); err != nil {
		return err
	}
	pass, err := s.admission.ParsePass(body.Pass, time.Now())
	if err != nil {
		return err
	}
	if pass.Event != event.ID {
		return ropeline.Errorf(ropeline.CodePassInvalid, "The pass is for another event.")
	}
	shopper, err := s.admission.Enter(c.Request.Context(), pass, fan, "")
	if err != nil {
		return err
	}
	answer := entered{Shopper: s.admission.ShopperToken(shopper), ShopUntil: shopper.ShopUntil}
	path := "/events/" + string(event.ID)
	s.setCookie(c, cookieShopper+string(event.ID), answer.Shopper, time.Until(shopper.ShopUntil))
	if form {
		c.Redirect(http.StatusSeeOther, path+"/shop")
		return nil
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, answer)
	return nil
}

// shopper checks that the fan who asks may reserve: it holds the token that
// entering gave, for this event, and the time to shop has not ended (I11).
func (s *Server) shopper(c *gin.Context, event ropeline.EventID, fan ropeline.FanID) (admission.Shopper, error) {
	token := s.shopperToken(c, event)
	if token == "" {
		return admission.Shopper{}, ropeline.Errorf(ropeline.CodeNoPass, "Only fans who were admitted can reserve. Wait in the line for your pass.")
	}
	shopper, err := s.admission.ParseShopper(token, time.Now())
	if err != nil {
		return admission.Shopper{}, err
	}
	if shopper.Event != event || shopper.Fan != fan {
		return admission.Shopper{}, ropeline.Errorf(ropeline.CodeNoPass, "The admission belongs to another fan or event.")
	}
	return shopper, nil
}
