package checkout

// RefundState is what a refund has become. Its diagram is in docs/states.md.
type RefundState string

// The states.
const (
	RefundCreated RefundState = "created"
	RefundTransit RefundState = "transit" // the gateway has it
	RefundDone    RefundState = "done"
	RefundFailed  RefundState = "failed" // refused for good, or sent back: a person must look
)

var refundMoves = moves[RefundState]{
	RefundCreated: {RefundTransit, RefundFailed},
	RefundTransit: {RefundDone, RefundFailed},
	RefundDone:    {RefundFailed},
	RefundFailed:  {},
}
