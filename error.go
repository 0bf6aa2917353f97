package ropeline

import (
	"errors"
	"fmt"
	"time"
)

// Code is a stable name of what went wrong. Codes are part of the API: they
// are never renamed, and package web maps each to one HTTP status.
type Code string

// The codes, by the kind of answer they lead to.
const (
	// The request cannot be understood.
	CodeInvalidRequest  Code = "invalid_request"
	CodeInvalidID       Code = "invalid_id"
	CodeInvalidQuantity Code = "invalid_quantity"
	CodeInvalidEmail    Code = "invalid_email"
	CodeInvalidKey      Code = "invalid_idempotency_key"
	CodeInvalidRules    Code = "invalid_rules"
	CodeInvalidPassword Code = "invalid_password"
	CodeBodyTooLarge    Code = "body_too_large"
	CodeInvalidPicture  Code = "invalid_picture"

	// The caller is not who the request needs.
	CodeUnauthenticated Code = "unauthenticated"
	CodeAccountRequired Code = "account_required"
	CodeLinkInvalid     Code = "link_invalid"
	CodeTOTPNeeded      Code = "totp_needed"
	CodeTOTPRequired    Code = "totp_required"
	CodeForbidden       Code = "forbidden"
	CodePassInvalid     Code = "pass_invalid"
	CodePassExpired     Code = "pass_expired"
	CodePassUsed        Code = "pass_used"
	CodeNoPass          Code = "no_pass"
	CodePlaceInvalid    Code = "place_invalid"
	CodeBadSignature    Code = "bad_signature"
	CodeWorkNeeded      Code = "work_needed"
	CodeCrossOrigin     Code = "cross_origin"

	// The thing is not there, or not for this caller.
	CodeNotFound            Code = "not_found"
	CodeEventNotFound       Code = "event_not_found"
	CodeReservationNotFound Code = "reservation_not_found"
	CodeOrderNotFound       Code = "order_not_found"
	CodeTicketNotFound      Code = "ticket_not_found"
	CodeNotInLine           Code = "not_in_line"
	CodeMethodNotAllowed    Code = "method_not_allowed"

	// The thing is there, but not in the state that the request needs.
	CodeNotOpen            Code = "not_open"
	CodeSaleClosed         Code = "sale_closed"
	CodeSoldOut            Code = "sold_out"
	CodeUnknownTicketType  Code = "unknown_ticket_type"
	CodeLimitExceeded      Code = "limit_exceeded"
	CodeReservationExpired Code = "reservation_expired"
	CodeReservationEnded   Code = "reservation_ended"
	CodeOrderExists        Code = "order_exists"
	CodeOrderEnded         Code = "order_ended"
	CodeRulesConflict      Code = "rules_conflict"
	CodePhaseConflict      Code = "phase_conflict"
	CodeEventConflict      Code = "event_conflict"
	CodeAlreadySet         Code = "already_set"
	CodeLastOwner          Code = "last_owner"
	CodeReviewDecided      Code = "review_decided"
	CodeCapacityTooLow     Code = "capacity_too_low"
	CodeNotRefundable      Code = "not_refundable"
	CodeRefundTooHigh      Code = "refund_too_high"
	CodeKeyReused          Code = "idempotency_key_reused"
	CodePaymentFailed      Code = "payment_failed"
	CodeTicketEnded        Code = "ticket_ended"

	// Messages to people, and work in the background.
	CodeInvalidPhone         Code = "invalid_phone"
	CodeChannelUnavailable   Code = "channel_unavailable"
	CodeAlreadyTold          Code = "already_told"
	CodeNotificationNotFound Code = "notification_not_found"
	CodeNotificationNotDead  Code = "notification_not_dead"
	CodeTaskNotFound         Code = "task_not_found"
	CodeTaskState            Code = "task_state"

	// The caller is too fast, or the house is not well.
	CodeRateLimited Code = "rate_limited"
	CodeUnavailable Code = "unavailable"
	CodeInternal    Code = "internal"
)

// Error is a failure with a stable code and a message that may be shown to
// the caller. The wrapped cause is for the log and is never shown.
type Error struct {
	Code       Code
	Message    string
	RetryAfter time.Duration // 0: retrying does not help, or is not known to
	Err        error
}

// Errorf makes an Error without a cause.
func Errorf(code Code, format string, args ...any) *Error {
	if len(args) == 0 {
		return &Error{Code: code, Message: format}
	}
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Unavailable wraps the failure of an engine: the caller may try again soon.
func Unavailable(err error) *Error {
	return &Error{Code: CodeUnavailable, Message: "The service is catching its breath. Try again in a moment.", RetryAfter: time.Second, Err: err}
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf finds the code of an error; CodeInternal for one without.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}
