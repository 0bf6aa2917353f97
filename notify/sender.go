package notify

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Sender hands messages to somebody who delivers them. It is safe for
// concurrent use.
//
// A nil error means that the other side has taken the message. An error that
// Permanent tells of means that it never will; after any other one the message
// may or may not have been taken, and is sent again with the same ID.
type Sender interface {
	// Name is said in the log and to the organizer: "smtp", "twilio", "log".
	Name() string
	// Send returns when the message was taken or refused, in seconds at most,
	// or when ctx ends.
	Send(ctx context.Context, m Message) error
	// Close lets connections go, after the last Send.
	Close() error
}

// refusal is an error that no second try changes.
type refusal struct{ err error }

func (r refusal) Error() string { return r.err.Error() }
func (r refusal) Unwrap() error { return r.err }

// refuse marks an error as permanent.
func refuse(err error) error { return refusal{err} }

// Permanent tells whether sending the message again is of no use.
func Permanent(err error) bool {
	_, permanent := errors.AsType[refusal](err)
	return permanent
}

// describe is what is kept of an error: short, and without the address.
func describe(err error, to string) string {
	const most = 300
	text := fmt.Sprint(err)
	if to != "" {
		text = strings.ReplaceAll(text, to, Mask(to))
	}
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return text
}
