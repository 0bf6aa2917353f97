package web

import (
	"encoding/base64"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline/identity"
	"github.com/ropeline/ropeline/internal/qr"
	"github.com/ropeline/ropeline/web/pages"
)

type securityView struct {
	TOTP          bool `json:"totp"`           // there is a second factor
	RecoveryCodes int  `json:"recovery_codes"` // how many are left
}

// totpView is a new secret.
type totpView struct {
	identity.TOTP
	QR string `json:"qr"` // data: URL of a PNG
}

type recoveryCodesView struct {
	RecoveryCodes []string `json:"recovery_codes"`
}

// securityPage: GET /admin/security, the second factor of one's own account.
func (s *Server) securityPage(c *gin.Context) error {
	has, codes, err := s.accounts.HasTOTP(c.Request.Context(), account(c).ID)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.Header("Vary", "Accept")
	if !wantsPage(c.Request) {
		c.JSON(http.StatusOK, securityView{TOTP: has, RecoveryCodes: codes})
		return nil
	}
	view := pages.SecurityView{Frame: pages.Frame{Organizer: account(c).Email}, TOTP: has, Codes: codes}
	for _, m := range actorOf(c).Members {
		view.Wanted = view.Wanted || m.TOTPRequired && !actorOf(c).TOTP
	}
	return s.pages.Security(pages.Zip(c.Writer, c.Request), view)
}

// beginTOTP: POST /admin/security/totp makes a new secret, with its QR code.
func (s *Server) beginTOTP(c *gin.Context) error {
	secret, err := s.accounts.BeginTOTP(c.Request.Context(), account(c))
	if err != nil {
		return err
	}
	png, err := qr.PNG(secret.URL, qr.Medium, qrPixels)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusCreated, totpView{secret, "data:image/png;base64," + base64.StdEncoding.EncodeToString(png)})
	return nil
}

type codeBody struct {
	Code string `json:"code"`
}

// readCode reads a code, and counts it: there are a million of them.
func (s *Server) readCode(c *gin.Context) (string, error) {
	var body codeBody
	if err := readJSON(c, &body); err != nil {
		return "", err
	}
	return body.Code, s.mayTry(c, s.attempts.fromAddress, s.attempts.codesTo, account(c).Email)
}

// confirmTOTP: PUT /admin/security/totp with a first code puts the second
// factor in force, and tells the recovery codes, this once.
func (s *Server) confirmTOTP(c *gin.Context) error {
	code, err := s.readCode(c)
	if err != nil {
		return err
	}
	token, _ := s.sessionToken(c)
	recovery, err := s.accounts.ConfirmTOTP(c.Request.Context(), account(c).ID, token, code)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, recoveryCodesView{RecoveryCodes: recovery})
	return nil
}

// endTOTP: DELETE /admin/security/totp with a code takes it away.
func (s *Server) endTOTP(c *gin.Context) error {
	code, err := s.readCode(c)
	if err != nil {
		return err
	}
	if err := s.accounts.EndTOTP(c.Request.Context(), account(c).ID, code); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}
