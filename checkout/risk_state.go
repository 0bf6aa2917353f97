package checkout

// RiskDecision is what is decided about an order's honesty. Its diagram is in
// docs/states.md.
type RiskDecision string

// The decisions. RiskUndecided is an order whose payment is not authorized
// yet: it has no decision in its row.
const (
	RiskUndecided RiskDecision = "undecided"
	RiskAllow     RiskDecision = "allow"
	RiskReview    RiskDecision = "review" // the stock is sold to it, the money is authorized, a person decides
	RiskReject    RiskDecision = "reject"
)

// Review is left by an organizer's word or at its deadline; what was allowed
// or rejected stays so.
var riskMoves = moves[RiskDecision]{
	RiskUndecided: {RiskAllow, RiskReview, RiskReject},
	RiskReview:    {RiskAllow, RiskReject},
	RiskAllow:     {},
	RiskReject:    {},
}
