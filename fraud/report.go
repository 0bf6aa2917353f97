package fraud

import (
	"fmt"
	"io"
	"math"
	"slices"
)

// Report is how good a model is on orders that it has not seen.
type Report struct {
	Trained, TrainedFraud int
	Held, HeldFraud       int
	AUC                   float64  // probability that a fraudulent order scores above an honest one
	Brier                 float64  // mean square of score - label
	LogLoss               float64  // in nats
	Deciles               []Decile // by score, the lowest first
	scored                []scored
}

// Decile is a tenth of the held-out orders, by score: a calibrated model's
// mean score is about the share of fraud.
type Decile struct {
	N            int
	Low, High    float64 // scores
	Mean, Frauds float64 // mean score, share of fraud
}

// Confusion counts held-out orders by what the thresholds do to them.
type Confusion struct {
	ReviewAt, RejectAt float64
	Honest, Fraud      [3]int // allowed, reviewed, rejected
}

type scored struct {
	p     float64
	fraud bool
}

func (m *Model) judge(train, held []example) Report {
	r := Report{Trained: len(train), Held: len(held)}
	for _, e := range train {
		r.TrainedFraud += int(label(e))
	}
	for _, e := range held {
		sum := m.Intercept
		for _, w := range m.Features {
			if x, known := e.x[w.Name]; known {
				sum += w.Weight * (x - w.Mean) / w.SD
			}
		}
		p := sigmoid(sum)
		y := label(e)
		r.HeldFraud += int(y)
		r.Brier += (p - y) * (p - y) / float64(len(held))
		safe := min(max(p, 1e-12), 1-1e-12)
		r.LogLoss -= (y*math.Log(safe) + (1-y)*math.Log(1-safe)) / float64(len(held))
		r.scored = append(r.scored, scored{p, e.fraud})
	}
	slices.SortFunc(r.scored, func(a, b scored) int {
		switch {
		case a.p < b.p:
			return -1
		case a.p > b.p:
			return 1
		}
		return 0
	})
	r.AUC = auc(r.scored)
	for i := range 10 {
		part := r.scored[i*len(r.scored)/10 : (i+1)*len(r.scored)/10]
		if len(part) == 0 {
			continue
		}
		d := Decile{N: len(part), Low: part[0].p, High: part[len(part)-1].p}
		for _, s := range part {
			d.Mean += s.p / float64(len(part))
			if s.fraud {
				d.Frauds += 1 / float64(len(part))
			}
		}
		r.Deciles = append(r.Deciles, d)
	}
	return r
}

// auc is the Mann-Whitney statistic over sorted scores; ties count half.
func auc(sorted []scored) float64 {
	var ranks, frauds, honest float64
	for i := 0; i < len(sorted); {
		j := i
		for j < len(sorted) && sorted[j].p == sorted[i].p {
			j++
		}
		for _, s := range sorted[i:j] {
			if s.fraud {
				frauds++
				ranks += float64(i+j+1) / 2 // mean of the ranks i+1 … j
			} else {
				honest++
			}
		}
		i = j
	}
	if frauds == 0 || honest == 0 {
		return math.NaN()
	}
	return (ranks - frauds*(frauds+1)/2) / (frauds * honest)
}

// Confusion counts what thresholds do to the held-out orders.
func (r Report) Confusion(reviewAt, rejectAt float64) Confusion {
	c := Confusion{ReviewAt: reviewAt, RejectAt: rejectAt}
	for _, s := range r.scored {
		at := 0
		switch {
		case s.p >= rejectAt:
			at = 2
		case s.p >= reviewAt:
			at = 1
		}
		if s.fraud {
			c.Fraud[at]++
		} else {
			c.Honest[at]++
		}
	}
	return c
}

// Write prints the report for people.
func (r Report) Write(w io.Writer, reviewAt, rejectAt float64) {
	fmt.Fprintf(w, "trained on %d orders (%d fraud), judged on %d others (%d fraud)\n", r.Trained, r.TrainedFraud, r.Held, r.HeldFraud)
	fmt.Fprintf(w, "  AUC %.4f   Brier %.5f   log loss %.5f\n\n", r.AUC, r.Brier, r.LogLoss)
	fmt.Fprintf(w, "  tenth of the scores      orders   mean score   share of fraud\n")
	for _, d := range r.Deciles {
		fmt.Fprintf(w, "  %8.5f – %8.5f   %8d   %10.5f   %14.5f\n", d.Low, d.High, d.N, d.Mean, d.Frauds)
	}
	c := r.Confusion(reviewAt, rejectAt)
	fmt.Fprintf(w, "\n  review at %.2f, reject at %.2f\n             allowed   reviewed   rejected\n", reviewAt, rejectAt)
	fmt.Fprintf(w, "  honest  %10d %10d %10d\n  fraud   %10d %10d %10d\n", c.Honest[0], c.Honest[1], c.Honest[2], c.Fraud[0], c.Fraud[1], c.Fraud[2])
}
