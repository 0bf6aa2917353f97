package judge

import "github.com/ropeline/ropeline/loadtest/record"

// gate judges I8: however often and wherever a ticket's code is read, one
// scan lets its holder in.
type gate struct {
	finding
	in map[string]int // ticket → first scans
}

func newGate() *gate { return &gate{in: make(map[string]int)} }

func (g *gate) see(_ *record.RunFacts, o record.Observation) {
	if o.Scan == nil {
		return
	}
	g.checked++
	if !o.Scan.First {
		return
	}
	if g.in[o.Scan.Ticket]++; g.in[o.Scan.Ticket] > 1 {
		g.breaks("the gate let the holder of ticket %s in a second time at %s", o.Scan.Ticket, at(o.T))
	}
}

func (g *gate) verdicts(*record.RunFacts) []Verdict {
	return []Verdict{g.verdict("I8", "one ticket, one first scan")}
}
