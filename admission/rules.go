package admission

import "github.com/ropeline/ropeline/admission/pace"

// The rules and the bucket are package pace's, by the names that they have in
// this room.
type (
	Rules  = pace.Rules
	Step   = pace.Step
	State  = pace.State
	Demand = pace.Demand
)

// Unit is one admission in the bucket.
const Unit = pace.Unit

// DefaultRules are good for a sale of some thousand tickets.
func DefaultRules() Rules { return pace.DefaultRules() }
