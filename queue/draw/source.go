package draw

import (
	"errors"
	"strings"
	"time"
	"unicode/utf8"
)

// Names of sources, as they are published.
const (
	None   = "none"   // nothing from outside: the entrants' root counts
	Public = "public" // a value that anybody can look up: a lottery's result, a block's hash
	// FromRoot is what a draw is mixed from when the promised value did not
	// come in time: the hexadecimal root of the entrants.
	FromRoot = "root"
)

// Source is where entropy comes from that the house does not choose.
type Source interface {
	// Promised tells why a promise, published before the lobby opens, does not
	// say clearly which value will count; nil when it does.
	Promised(promise string) error
	// Known is when the promised value becomes public; zero when the promise
	// does not tell.
	Known(promise string) time.Time
	// Check tells why a value is not the promised one, as far as that can be
	// told from the value; nil when it counts.
	Check(promise, value string) error
}

// SourceOf finds a source by its name; "" is None.
func SourceOf(name string) (Source, bool) {
	switch name {
	case "", None:
		return none{}, true
	case Public:
		return public{}, true
	case Drand:
		return drand{}, true
	}
	return nil, false
}

const mostText = 2000

type none struct{}

func (none) Promised(promise string) error {
	if promise != "" {
		return errors.New("a draw without a source promises nothing")
	}
	return nil
}

func (none) Known(string) time.Time { return time.Time{} }

func (none) Check(string, string) error {
	return errors.New("this draw takes no value from outside")
}

// public is a value in words, as the organizer gives it. What it should have
// been, people compare with the place that the promise names.
type public struct{}

func (public) Promised(promise string) error {
	if strings.TrimSpace(promise) == "" {
		return errors.New("say which public value will count, and how it is written")
	}
	return plain(promise)
}

func (public) Known(string) time.Time { return time.Time{} }

func (public) Check(_, value string) error {
	if value == "" || strings.TrimSpace(value) != value {
		return errors.New("the value is empty, or has spaces around it")
	}
	return plain(value)
}

func plain(text string) error {
	if len(text) > mostText || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return errors.New("it is longer than 2000 bytes or no text")
	}
	return nil
}
