package stripe

import (
	"errors"
	"net/http"
	"strconv"

	api "github.com/stripe/stripe-go/v76"

	"github.com/ropeline/ropeline/checkout/payment"
)

var errNoRef = &payment.Error{Permanent: true, Reason: "no_reference"}

// translated makes Stripe's refusal a payment.Error. Anything else, a cut line
// or a page of a proxy, stays what it is: nobody knows what came of the call.
func translated[T any](got *T, err error) (*T, error) {
	if err == nil {
		return got, nil
	}
	e, ok := errors.AsType[*api.Error](err)
	if !ok {
		return nil, err
	}
	reason := string(e.Code)
	if reason == "" {
		reason = string(e.Type)
	}
	permanent := true
	switch status := e.HTTPStatusCode; {
	case status == http.StatusConflict, status == http.StatusTooManyRequests, status >= 500,
		status == http.StatusUnauthorized, status == http.StatusForbidden, e.Code == api.ErrorCodeLockTimeout:
		permanent = false
	case e.Type == api.ErrorTypeCard:
		reason = declineOf(e)
	}
	return nil, &payment.Error{Permanent: permanent, Reason: reason, Err: err}
}

// replayed tells that Stripe did not do anything now, but repeats how the call
// failed the first time.
func replayed(err error) bool {
	e, ok := errors.AsType[*api.Error](err)
	return ok && e.LastResponse != nil && e.LastResponse.Header.Get("Idempotent-Replayed") == "true"
}

func numbered(key string, n int) string {
	if n == 1 {
		return key
	}
	return key + ":" + strconv.Itoa(n)
}
