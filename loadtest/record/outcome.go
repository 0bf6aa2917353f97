package record

// Outcome is how a fan's way ended.
type Outcome string

// The outcomes.
const (
	Bought   Outcome = "bought"   // has a paid order with tickets
	Released Outcome = "released" // gave the reservation back
	RanOut   Outcome = "ran_out"  // let the reservation run out
	Declined Outcome = "declined" // no card led to payment
	Late     Outcome = "late"     // the order ended before the payment was settled
	InVain   Outcome = "in_vain"  // was let in, and nothing was left
	Missed   Outcome = "missed"   // the pass or the time to shop was over too soon
	NoShow   Outcome = "no_show"  // was let in and did not enter
	Left     Outcome = "left"     // left the line
	SoldOut  Outcome = "sold_out" // told so while waiting
	Closed   Outcome = "closed"   // told so while waiting
	Waiting  Outcome = "waiting"  // still in the line at the run's end
	Lost     Outcome = "lost"     // the server forgot the fan's place
	Cut      Outcome = "cut"      // the run ended in the middle of a step
	Failed   Outcome = "failed"   // no useful answer, several times
)
