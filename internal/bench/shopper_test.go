package bench

import (
	"bytes"
	"fmt"
)

// shopper is somebody who was let in, and buys one ticket.
type shopper struct{ Event, Type, Token, Entered string }

// A purchase is three requests; each is made of the answer before.
const steps = 3

// request is the next one of a purchase; answer is the body before it.
func (s shopper) request(step int, address string, answer []byte) ([]byte, error) {
	head := "Authorization: Bearer " + s.Token + "\r\nIdempotency-Key: k\r\n"
	switch step {
	case 0:
		return postJSON("/events/"+s.Event+"/reserve-tickets", address, head+"Ropeline-Shopper: "+s.Entered+"\r\nPrefer: wait=10\r\n",
			`{"items":[{"ticket_type":"`+s.Type+`","quantity":1}]}`), nil
	case 1:
		id, err := field(answer, `"id":"`)
		return postJSON("/orders", address, head, `{"reservation":"`+id+`","email":"`+id+`@example.com"}`), err
	}
	secret, err := field(answer, `"client_secret":"`)
	if err != nil {
		return nil, err
	}
	ref, err := field(answer, `"page":"/sandbox/pay/`)
	return postJSON("/sandbox/intents/"+ref+"/confirm", address, head, `{"client_secret":"`+secret+`","outcome":"approve"}`), err
}

// want is the status of a step's answer.
func (shopper) want(step int) int { return [steps]int{201, 201, 200}[step] }

// field is the text that begins after a name, up to the next quotation mark.
func field(answer []byte, name string) (string, error) {
	_, after, found := bytes.Cut(answer, []byte(name))
	value, _, closed := bytes.Cut(after, []byte(`"`))
	if !found || !closed {
		return "", fmt.Errorf("no %s in %s", name, answer)
	}
	return string(value), nil
}
