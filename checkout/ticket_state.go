package checkout

// TicketState is what a ticket has become. Its diagram is in docs/states.md.
type TicketState string

// The states.
const (
	TicketIssued      TicketState = "issued"
	TicketCheckedIn   TicketState = "checked_in"
	TicketTransferred TicketState = "transferred"
	TicketRevoked     TicketState = "revoked"
)

var ticketMoves = moves[TicketState]{
	TicketIssued:      {TicketCheckedIn, TicketTransferred, TicketRevoked},
	TicketCheckedIn:   {TicketIssued, TicketRevoked},
	TicketTransferred: {},
	TicketRevoked:     {TicketIssued},
}
