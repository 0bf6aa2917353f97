package web

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
)

// problem is the body of an error after RFC 9457, with the stable code.
type problem struct {
	Type       string        `json:"type"`
	Title      string        `json:"title"`
	Status     int           `json:"status"`
	Detail     string        `json:"detail"`
	Code       ropeline.Code `json:"code"`
	RetryAfter int           `json:"retry_after,omitempty"` // seconds
}

// statuses maps every code to its HTTP status. A test holds it complete.
var statuses = map[ropeline.Code]int{
	ropeline.CodeInvalidRequest:  http.StatusBadRequest,
	ropeline.CodeInvalidID:       http.StatusBadRequest,
	ropeline.CodeInvalidQuantity: http.StatusUnprocessableEntity,
	ropeline.CodeInvalidEmail:    http.StatusUnprocessableEntity,
	ropeline.CodeInvalidKey:      http.StatusBadRequest,
	ropeline.CodeInvalidRules:    http.StatusUnprocessableEntity,
	ropeline.CodeInvalidPassword: http.StatusUnprocessableEntity,
	ropeline.CodeBodyTooLarge:    http.StatusRequestEntityTooLarge,
	ropeline.CodeInvalidPicture:  http.StatusUnprocessableEntity,

	ropeline.CodeUnauthenticated: http.StatusUnauthorized,
	ropeline.CodeAccountRequired: http.StatusUnauthorized,
	ropeline.CodeLinkInvalid:     http.StatusForbidden,
	ropeline.CodeTOTPNeeded:      http.StatusUnauthorized,
	ropeline.CodeTOTPRequired:    http.StatusForbidden,
	ropeline.CodeForbidden:       http.StatusForbidden,
	ropeline.CodePassInvalid:     http.StatusForbidden,
	ropeline.CodePassExpired:     http.StatusForbidden,
	ropeline.CodePassUsed:        http.StatusForbidden,
	ropeline.CodeNoPass:          http.StatusForbidden,
	ropeline.CodePlaceInvalid:    http.StatusBadRequest,
	ropeline.CodeBadSignature:    http.StatusBadRequest,
	ropeline.CodeWorkNeeded:      http.StatusPreconditionRequired,
	ropeline.CodeCrossOrigin:     http.StatusForbidden,

	ropeline.CodeNotFound:            http.StatusNotFound,
	ropeline.CodeEventNotFound:       http.StatusNotFound,
	ropeline.CodeReservationNotFound: http.StatusNotFound,
	ropeline.CodeOrderNotFound:       http.StatusNotFound,
	ropeline.CodeTicketNotFound:      http.StatusNotFound,
	ropeline.CodeNotInLine:           http.StatusNotFound,
	ropeline.CodeMethodNotAllowed:    http.StatusMethodNotAllowed,

	ropeline.CodeNotOpen:            http.StatusConflict,
	ropeline.CodeSaleClosed:         http.StatusConflict,
	ropeline.CodeSoldOut:            http.StatusConflict,
	ropeline.CodeUnknownTicketType:  http.StatusUnprocessableEntity,
	ropeline.CodeLimitExceeded:      http.StatusConflict,
	ropeline.CodeReservationExpired: http.StatusConflict,
	ropeline.CodeReservationEnded:   http.StatusConflict,
	ropeline.CodeOrderExists:        http.StatusConflict,
	ropeline.CodeOrderEnded:         http.StatusConflict,
	ropeline.CodeRulesConflict:      http.StatusConflict,
	ropeline.CodeEventConflict:      http.StatusConflict,
	ropeline.CodePhaseConflict:      http.StatusConflict,
	ropeline.CodeAlreadySet:         http.StatusConflict,
	ropeline.CodeLastOwner:          http.StatusConflict,
	ropeline.CodeReviewDecided:      http.StatusConflict,
	ropeline.CodeCapacityTooLow:     http.StatusConflict,
	ropeline.CodeNotRefundable:      http.StatusConflict,
	ropeline.CodeRefundTooHigh:      http.StatusConflict,
	ropeline.CodeKeyReused:          http.StatusUnprocessableEntity,
	ropeline.CodePaymentFailed:      http.StatusPaymentRequired,
	ropeline.CodeTicketEnded:        http.StatusConflict,

	ropeline.CodeInvalidPhone:         http.StatusUnprocessableEntity,
	ropeline.CodeChannelUnavailable:   http.StatusConflict,
	ropeline.CodeAlreadyTold:          http.StatusConflict,
	ropeline.CodeNotificationNotFound: http.StatusNotFound,
	ropeline.CodeNotificationNotDead:  http.StatusConflict,
	ropeline.CodeTaskNotFound:         http.StatusNotFound,
	ropeline.CodeTaskState:            http.StatusConflict,

	ropeline.CodeRateLimited: http.StatusTooManyRequests,
	ropeline.CodeUnavailable: http.StatusServiceUnavailable,
	ropeline.CodeInternal:    http.StatusInternalServerError,
}

// problemOf turns any error into what the caller may know of it.
func problemOf(err error) problem {
	known, ok := errors.AsType[*ropeline.Error](err)
	if !ok {
		known = ropeline.Errorf(ropeline.CodeInternal, "Something went wrong on our side.")
	}
	status, ok := statuses[known.Code]
	if !ok {
		status = http.StatusInternalServerError
	}
	p := problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: known.Message, Code: known.Code}
	if known.RetryAfter > 0 {
		p.RetryAfter = int((known.RetryAfter + time.Second - 1) / time.Second)
	}
	return p
}

// fail answers with the problem: a page for a browser, JSON for the rest.
func (s *Server) fail(c *gin.Context, err error) {
	p := problemOf(err)
	if p.Status >= 500 {
		level := slog.LevelError
		if p.Code == ropeline.CodeUnavailable {
			level = slog.LevelWarn
		}
		s.log.Log(c, level, "request failed", "method", c.Request.Method, "route", c.FullPath(), "error", err)
	}
	if p.RetryAfter > 0 {
		c.Header("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	if wantsPage(c.Request) && (c.Request.Method == http.MethodGet || isForm(c.Request)) {
		s.problemPage(c, p)
		return
	}
	writeProblem(c.Writer, p)
	c.Abort()
}

func writeProblem(w http.ResponseWriter, p problem) {
	body, _ := json.Marshal(p)
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	w.Write(body)
}
