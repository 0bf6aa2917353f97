package fraud

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// Training is how a model is fitted.
type Training struct {
	Name    string  // of the model
	Source  string  // for people
	Seed    uint64  // of the split
	HeldOut float64 // share of the rows that the model is judged on, and never sees: 0.05 to 0.9
	L2      float64 // penalty on the standardised weights (not on the intercept): 0 to 1e6
}

// The least data that a model is fitted to.
const (
	leastRows = 200
	leastEach = 20 // of either label
)

// Train fits a model to labelled rows by iteratively reweighted least squares
// with an L2 penalty, and judges it on rows held out. Rows without a label are
// left out. It refuses too little data, and data with one label only.
func Train(rows []Row, t Training) (*Model, Report, error) {
	if !(t.HeldOut >= 0.05 && t.HeldOut <= 0.9 && t.L2 >= 0 && t.L2 <= 1e6) { // so that NaN is refused too
		return nil, Report{}, fmt.Errorf("held out %v, L2 %v: want 0.05 to 0.9, and 0 to 1e6", t.HeldOut, t.L2)
	}
	train, held, err := split(rows, t)
	if err != nil {
		return nil, Report{}, err
	}
	m := &Model{Format: modelFormat, Name: t.Name, Source: t.Source, Features: standards(train)}
	for {
		if err := m.fit(train, t.L2); err != nil {
			return nil, Report{}, err
		}
		worst := 0
		for i, w := range m.Features {
			if w.wrong() > m.Features[worst].wrong() {
				worst = i
			}
		}
		if m.Features[worst].wrong() <= 0 {
			break
		}
		m.Features = slices.Delete(m.Features, worst, worst+1)
	}
	if err := m.Validate(); err != nil {
		return nil, Report{}, fmt.Errorf("the fitted model cannot be used: %w", err)
	}
	return m, m.judge(train, held), nil
}

// example is a labelled row.
type example struct {
	x     map[Signal]float64
	fraud bool
}

// split deals each label's rows out by the seed, so that both parts have both.
func split(rows []Row, t Training) (train, held []example, err error) {
	var kinds [2][]example
	for _, r := range rows {
		if r.Label != nil {
			kinds[*r.Label] = append(kinds[*r.Label], example{r.vector(), *r.Label == 1})
		}
	}
	honest, fraud := len(kinds[0]), len(kinds[1])
	switch {
	case honest == 0 || fraud == 0:
		return nil, nil, fmt.Errorf("%d honest and %d fraudulent orders: a model needs both labels", honest, fraud)
	case honest+fraud < leastRows || honest < leastEach || fraud < leastEach:
		return nil, nil, fmt.Errorf("%d honest and %d fraudulent orders are too few: want %d in all, and %d of either", honest, fraud, leastRows, leastEach)
	}
	random := rand.New(rand.NewPCG(t.Seed, 0x66726175))
	for _, kind := range kinds {
		random.Shuffle(len(kind), func(i, j int) { kind[i], kind[j] = kind[j], kind[i] })
		n := int(math.Round(float64(len(kind)) * t.HeldOut))
		held, train = append(held, kind[:n]...), append(train, kind[n:]...)
	}
	return train, held, nil
}

// wrong is how far a weight has the wrong sign. Signals that say nearly the
// same share a weight in any proportion, also as a large one less a small one;
// a model in which one more order from an address speaks for a fan is no use
// to the organizer who reads its reasons. The worst such signal is left out,
// and the others are fitted again, until none is left.
func (w Weight) wrong() float64 {
	f, _ := featureOf(w.Name)
	return -w.Weight * f.sign
}

// standards are means and standard deviations of the features that vary.
func standards(train []example) []Weight {
	var weights []Weight
	for _, f := range features {
		var n, sum, squares float64
		for _, e := range train {
			if x, known := e.x[f.name]; known {
				n, sum = n+1, sum+x
			}
		}
		if n < 2 {
			continue
		}
		mean := sum / n
		for _, e := range train {
			if x, known := e.x[f.name]; known {
				squares += (x - mean) * (x - mean)
			}
		}
		if sd := math.Sqrt(squares / (n - 1)); sd >= 1e-6 {
			weights = append(weights, Weight{Name: f.name, Mean: mean, SD: sd})
		}
	}
	return weights
}

// fit is Newton's method on the penalised log-likelihood, which is concave: it
// converges, and to one place. A step that makes it worse is halved.
func (m *Model) fit(train []example, l2 float64) error {
	n, k := len(train), len(m.Features)+1
	if k == 1 {
		return fmt.Errorf("no signal differs from order to order: nothing can be learnt")
	}
	x := mat.NewDense(n, k, nil)
	for i, e := range train {
		x.Set(i, 0, 1)
		for j, w := range m.Features {
			if value, known := e.x[w.Name]; known {
				x.Set(i, j+1, (value-w.Mean)/w.SD)
			}
		}
	}
	beta := mat.NewVecDense(k, nil)
	loss := penalised(x, train, beta, l2)
	gradient, step, weighted := mat.NewVecDense(k, nil), mat.NewVecDense(k, nil), mat.NewDense(n, k, nil)
	hessian := mat.NewSymDense(k, nil)
	for range 100 {
		residual := mat.NewVecDense(n, nil)
		for i := range n {
			p := sigmoid(mat.Dot(x.RowView(i), beta))
			residual.SetVec(i, label(train[i])-p)
			root := math.Sqrt(max(p*(1-p), 1e-10))
			for j := range k {
				weighted.Set(i, j, x.At(i, j)*root)
			}
		}
		gradient.MulVec(x.T(), residual)
		hessian.SymOuterK(1, weighted.T())
		for j := 1; j < k; j++ {
			gradient.SetVec(j, gradient.AtVec(j)-l2*beta.AtVec(j))
			hessian.SetSym(j, j, hessian.At(j, j)+l2)
		}
		var cholesky mat.Cholesky
		if !cholesky.Factorize(hessian) {
			return fmt.Errorf("the signals depend on each other: fit with a larger L2 penalty than %v", l2)
		}
		if err := cholesky.SolveVecTo(step, gradient); err != nil {
			return fmt.Errorf("fit: %w", err)
		}
		next := mat.NewVecDense(k, nil)
		better := loss
		for scale := 1.0; scale > 1e-6; scale /= 2 {
			next.AddScaledVec(beta, scale, step)
			if better = penalised(x, train, next, l2); better <= loss {
				break
			}
		}
		gain := loss - better
		if gain > 0 {
			beta.CopyVec(next)
			loss = better
		}
		if gain < 1e-9*(1+math.Abs(loss)) {
			m.Intercept = beta.AtVec(0)
			for j := range m.Features {
				m.Features[j].Weight = beta.AtVec(j + 1)
			}
			return nil
		}
	}
	return fmt.Errorf("the fit does not come to rest: use a larger L2 penalty than %v", l2)
}

// penalised is the negative log-likelihood with its penalty.
func penalised(x *mat.Dense, train []example, beta *mat.VecDense, l2 float64) (loss float64) {
	for i, e := range train {
		z := mat.Dot(x.RowView(i), beta)
		if e.fraud {
			z = -z
		}
		loss += max(z, 0) + math.Log1p(math.Exp(-math.Abs(z)))
	}
	for j := 1; j < beta.Len(); j++ {
		loss += l2 / 2 * beta.AtVec(j) * beta.AtVec(j)
	}
	return loss
}

func label(e example) float64 {
	if e.fraud {
		return 1
	}
	return 0
}
