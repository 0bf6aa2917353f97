package checkout

// ReservationState is what a reservation request has become. Its diagram is in
// docs/states.md.
type ReservationState string

// The states. ReservationQueued is a request that no clerk has decided: it
// stands in the mailbox and has no row.
const (
	ReservationQueued    ReservationState = "queued"
	ReservationHeld      ReservationState = "held"
	ReservationConverted ReservationState = "converted" // the stock is sold to its order
	ReservationExpired   ReservationState = "expired"
	ReservationReleased  ReservationState = "released"
	ReservationRejected  ReservationState = "rejected"
)

// Two transitions go beyond the usual way: an expired reservation is converted
// when its payment came late and the stock is still there, and a converted one
// is released when its order can never be paid after all.
var reservationMoves = moves[ReservationState]{
	ReservationQueued:    {ReservationHeld, ReservationRejected},
	ReservationHeld:      {ReservationConverted, ReservationExpired, ReservationReleased},
	ReservationConverted: {ReservationReleased},
	ReservationExpired:   {ReservationConverted},
	ReservationReleased:  {},
	ReservationRejected:  {},
}

// Ended tells whether the reservation holds no stock any more.
func (s ReservationState) Ended() bool { return s != ReservationQueued && s != ReservationHeld }
