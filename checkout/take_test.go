package checkout

import (
	"slices"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// Every state of a payment with every duty, and everything that a gateway can
// say to it: no word leads along a forbidden way, and money that is reserved or
// taken is always owed something, or is the order's.
func TestEveryWordOfTheGateway(t *testing.T) {
	duties := []Duty{DutyNone, DutyCreate, DutyWatch, DutySettle, DutyReview, DutyCapture, DutyVoid, DutyUnwind}
	statuses := []payment.Status{payment.StatusPending, payment.StatusActionRequired, payment.StatusProcessing, payment.StatusAuthorized,
		payment.StatusCaptured, payment.StatusCanceled, payment.StatusFailed}
	now := time.Unix(1000, 0)
	for state := range paymentMoves {
		for _, duty := range duties {
			if duty == DutyNone && state.open() {
				continue // the audit calls such a row lying
			}
			for _, status := range statuses {
				s := sight{state: state, duty: duty, now: now, news: news{object: payment.Object{Status: status, Amount: ropeline.Money{Minor: 1}}}}
				if err := s.take(time.Minute); err != nil {
					t.Errorf("%s, owed %q, hears %s: %v", state, duty, status, err)
					continue
				}
				end := state
				if n := len(s.moves); n > 0 {
					end = s.moves[n-1]
				}
				tell := func(what string) {
					t.Errorf("%s, owed %q, hears %s: %s (%v, now owed %q, refund %q)", state, duty, status, what, s.moves, s.duty, s.refund)
				}
				open := end.open()
				switch {
				case open && s.duty == DutyNone:
					tell("open, and owed nothing")
				case duty == DutyVoid && s.duty != DutyVoid && s.duty != DutyNone:
					tell("it was to be let go, and is not")
				case end == PaymentConfirmed && state != PaymentConfirmed && s.refund == "":
					tell("confirmed by a word, and not by our capture")
				case status == payment.StatusCaptured && (end == PaymentCanceled || end == PaymentFailed) && s.refund == "":
					tell("the money was taken, and does not go back")
				case state == PaymentConfirmed && (len(s.moves) > 0 || s.refund != "" || s.duty != duty):
					tell("what is confirmed has changed")
				case (end == PaymentCanceled || end == PaymentFailed) && end != state && s.duty != DutyUnwind && duty != DutyVoid:
					tell("its order does not end")
				}
				// The same word again, in another message, changes nothing more.
				again := sight{state: end, duty: s.duty, now: now, news: s.news}
				if err := again.take(time.Minute); err != nil || len(again.moves) > 0 || again.duty != s.duty {
					t.Errorf("%s, owed %q, hears %s twice: %v, then %v (%v)", state, duty, status, s.moves, again.moves, err)
				}
			}
		}
	}
}

// Money that was taken after a payment's end and has gone back already is nobody's
// concern.
func TestMoneyThatWentBackByItself(t *testing.T) {
	for _, state := range []PaymentState{PaymentCanceled, PaymentFailed} {
		object := payment.Object{Status: payment.StatusCaptured, Amount: ropeline.Money{Minor: 100}, Refunded: 100}
		s := sight{state: state, news: news{object: object}}
		if err := s.take(time.Minute); err != nil || len(s.moves) > 0 || s.refund != "" {
			t.Errorf("%s: %v %q %v", state, s.moves, s.refund, err)
		}
		if f := (booked{state: state, amount: object.Amount}).differs(object); f.remedy != remedyNone {
			t.Errorf("%s: %+v", state, f)
		}
	}
}

// The clerk's word leaves every payment that it is about with what is owed to it.
func TestEveryWordOfTheClerk(t *testing.T) {
	now := time.Unix(1000, 0)
	for risk := range riskMoves {
		for state := range paymentMoves {
			c := claim{payment: "p", state: state, risk: risk, review: time.Hour}
			for name, l := range map[string]*ledger{"accepted": {accepted: []claim{c}}, "handed over": {accepted: []claim{c}, takesUp: true},
				"dropped": {dropped: []claim{c}}, "refused": {refused: []claim{c}}, "unwound": {unwound: []claim{c}}} {
				l.now = now
				all := l.duties()
				if name == "handed over" && risk != RiskReview {
					if len(all) != 0 {
						t.Errorf("%s: %v", name, all)
					}
					continue
				}
				if len(all) != 1 {
					t.Fatalf("%s: %v", name, all)
				}
				want, at := DutyNone, now
				switch {
				case name == "refused", name == "unwound" && state == PaymentAuthorized:
					want = DutyVoid
				case (name == "accepted" || name == "handed over") && risk == RiskReview:
					want, at = DutyReview, now.Add(time.Hour)
				case name == "accepted", name == "dropped":
					want = DutyCapture
				}
				if all[0].duty != want || !all[0].at.Equal(at) {
					t.Errorf("%s, %s, %s: owed %q at %v", name, state, risk, all[0].duty, all[0].at)
				}
			}
		}
	}
}

// What the gateway says of a refund leads from every state along the table, or
// is refused when the refund has failed. One that is done is not on its way again.
func TestEveryWordAboutARefund(t *testing.T) {
	for from := range refundMoves {
		for _, told := range []payment.RefundStatus{payment.RefundTransit, payment.RefundDone, payment.RefundFailed} {
			steps, err := refundSteps(from, told)
			if ended := len(refundMoves[from]) == 0; ended {
				if err == nil && len(steps) > 0 {
					t.Errorf("%s hears %s: %v", from, told, steps)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s hears %s: %v", from, told, err)
			}
			at := from
			for _, next := range steps {
				if !slices.Contains(refundMoves[at], next) {
					t.Errorf("%s hears %s: %v", from, told, steps)
				}
				at = next
			}
			if string(at) != string(told) && !(from == RefundDone && told == payment.RefundTransit && at == from) {
				t.Errorf("%s hears %s, and is %s", from, told, at)
			}
		}
	}
}

// A capture is written only for an accepted order whose money is authorized,
// and once.
func TestEveryCapture(t *testing.T) {
	for state := range paymentMoves {
		for _, duty := range []Duty{DutyNone, DutyCreate, DutyWatch, DutySettle, DutyReview, DutyCapture, DutyVoid, DutyUnwind} {
			for order := range orderMoves {
				for _, accepted := range []bool{false, true} {
					news, err := decidePaid(state, duty, accepted, order)
					owed := duty == DutyCapture || duty == DutySettle && accepted
					may := state == PaymentAuthorized && owed && (order == OrderPending || order == OrderExpired)
					if news != may || (err != nil) == (may || state == PaymentConfirmed) {
						t.Errorf("%s, owed %q, order %s, accepted %v: %v %v", state, duty, order, accepted, news, err)
					}
				}
			}
		}
	}
}

// What an organizer decides about a review, against everything that it may meet.
func TestEveryReview(t *testing.T) {
	for has := range riskMoves {
		for _, duty := range []Duty{DutyNone, DutySettle, DutyReview, DutyCapture, DutyVoid, DutyUnwind} {
			for _, decision := range []RiskDecision{RiskAllow, RiskReject} {
				next, err := decideReview(Reviewed{Decision: has}, duty, decision)
				want := DutyNone
				if has == RiskReview && duty == DutyReview {
					want = map[RiskDecision]Duty{RiskAllow: DutyCapture, RiskReject: DutyUnwind}[decision]
				}
				if next != want || (err == nil) != (want != DutyNone || has == decision) {
					t.Errorf("%s, owed %q, decided %s: %q %v", has, duty, decision, next, err)
				}
			}
		}
	}
}
