package web

import (
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/internal/keyring"
	"github.com/ropeline/ropeline/internal/qr"
	"github.com/ropeline/ropeline/queue"
	"github.com/ropeline/ropeline/web/pages"
)

// linkLife is how long a recovery link works: enough to pick up the phone.
// Whoever opens it in that time is the fan, so it is not for keeping.
const linkLife = 5 * time.Minute

// recoveryLink is the answer to a request for one.
type recoveryLink struct {
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
	QR        string    `json:"qr"` // the URL, as a data: URL of a PNG
}

// makeLink: POST /events/{id}/queue/link. The link carries the fan's identity
// and place to another device; both stay live.
func (s *Server) makeLink(c *gin.Context) error {
	if event, err := s.eventOf(c); err != nil {
		return err
	} else if event.OnePer == ropeline.OnePerAccount {
		return ropeline.Errorf(ropeline.CodeAccountRequired, "Your number belongs to your account: log in on the other device, and it is there.")
	}
	room, place, err := s.roomAndPlace(c)
	if err != nil {
		return err
	}
	_, place, err = room.Status(c.Request.Context(), place)
	if err != nil {
		return err
	}
	until := time.Now().Add(linkLife).Truncate(time.Second)
	link := recoveryLink{URL: s.publicURL + "/recover/" + s.recoveryToken(place, until), ExpiresAt: until.UTC()}
	png, err := qr.PNG(link.URL, qr.Low, qrPixels)
	if err != nil {
		return err
	}
	link.QR = "data:image/png;base64," + base64.StdEncoding.EncodeToString(png)
	c.Header("Cache-Control", "no-store")
	if isForm(c.Request) {
		return s.pages.Link(pages.Zip(c.Writer, c.Request), pages.LinkView{
			URL: link.URL, QR: link.QR, Life: linkLife, Line: "/events/" + string(place.Event) + "/line",
		})
	}
	c.JSON(http.StatusCreated, link)
	return nil
}

// recoverPlace: GET and POST /recover/{token}. A device that is another fan
// already is asked first, because it would lose that fan's places: a link
// that somebody else sent must not do so by itself.
func (s *Server) recoverPlace(c *gin.Context) error {
	place, err := s.parseRecovery(c.Param("token"), time.Now())
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	event, err := s.catalog.Event(c.Request.Context(), place.Event)
	if err != nil {
		return err
	}
	line := "/events/" + string(place.Event) + "/line"
	if event.OnePer == ropeline.OnePerAccount { // no link stands for a log-in
		c.Redirect(http.StatusSeeOther, line)
		return nil
	}
	if cookie, err := c.Request.Cookie(s.cookieName(cookieFan)); err == nil && c.Request.Method == http.MethodGet {
		if fan, err := s.fans.Parse(cookie.Value); err == nil && fan != place.Fan {
			return s.pages.Confirm(pages.Zip(c.Writer, c.Request), pages.ConfirmView{
				Title: "Stand in line here?", Action: c.Request.URL.Path, Yes: "Stand here with that number", No: pages.Link{Text: "Leave this device as it is", Href: "/"},
				Detail: "This device has places or tickets of its own for another visitor. It will show the place in the line of " + event.Name + " instead, and forget its own.",
			})
		}
	}
	shopper, found, err := s.admission.Shopper(c.Request.Context(), place.Event, place.Fan)
	if err != nil {
		return err
	}
	s.setCookie(c, cookieFan, s.fans.Token(place.Fan), fanLife)
	s.keepPlace(c, place, s.line.Token(place))
	if found && shopper.State == admission.StateEntered {
		s.setCookie(c, cookieShopper+string(place.Event), s.admission.ShopperToken(shopper), time.Until(shopper.ShopUntil))
	}
	c.Redirect(http.StatusSeeOther, line)
	return nil
}

// recoveryToken signs a place until a moment: "<place>~<seconds>.<MAC>", all
// of it base64url.
func (s *Server) recoveryToken(place queue.Place, until time.Time) string {
	body := s.line.Token(place) + "~" + base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, uint32(until.Unix())))
	return body + "." + base64.RawURLEncoding.EncodeToString(s.keys.MAC(keyring.PurposeRecovery, []byte(body)))
}

// parseRecovery is the way back; code place_invalid for a link that is not
// ours or too old.
func (s *Server) parseRecovery(token string, now time.Time) (queue.Place, error) {
	invalid := ropeline.Errorf(ropeline.CodePlaceInvalid, "The link is not good any more. Make a new one on the device where you stand in line.")
	body, signature, _ := strings.Cut(token, ".")
	mac, err := base64.RawURLEncoding.Strict().DecodeString(signature)
	if err != nil || len(token) > 512 || !s.keys.CheckMAC(keyring.PurposeRecovery, []byte(body), mac) {
		return queue.Place{}, invalid
	}
	shown, until, _ := strings.Cut(body, "~")
	seconds, err := base64.RawURLEncoding.DecodeString(until)
	if err != nil || len(seconds) != 4 || now.Unix() >= int64(binary.BigEndian.Uint32(seconds)) {
		return queue.Place{}, invalid
	}
	return s.line.ParseToken(shown)
}

// leaveForm: POST /events/{id}/leave, giving up the place from a page without
// JavaScript. It asks first; the answer comes with sure=yes.
func (s *Server) leaveForm(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	path := "/events/" + string(event.ID)
	if c.PostForm("sure") != "yes" {
		c.Header("Cache-Control", "no-store")
		return s.pages.Confirm(pages.Zip(c.Writer, c.Request), pages.ConfirmView{
			Title: "Give up your place?", Action: path + "/leave", Yes: "Give it up", No: pages.Link{Text: "Keep my place", Href: path + "/line"},
			Detail: "Your number in the line of " + event.Name + " goes to nobody and does not come back. To join again you start at the end.",
		})
	}
	if err := s.giveUp(c, event); err != nil {
		return err
	}
	c.Redirect(http.StatusSeeOther, path)
	return nil
}
