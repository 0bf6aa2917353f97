package fraud

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// trained fits the model that the documentation tells of.
func trained(t testing.TB) (*Model, Report) {
	t.Helper()
	m, report, err := Train(Generate(DefaultOrders, DefaultSeed), Training{
		Name: "default-1", Source: defaultSource, Seed: DefaultSeed, HeldOut: 0.25, L2: 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	return m, report
}

const defaultSource = "made-up orders: fraud generate --orders 20000 --seed 20; fraud train --seed 20"

// The embedded model is what the generator and the trainer make of the
// documented seed. ROPELINE_WRITE_MODEL=1 writes it anew.
func TestDefaultModelReproduces(t *testing.T) {
	m, report := trained(t)
	if os.Getenv("ROPELINE_WRITE_MODEL") != "" {
		text, err := json.MarshalIndent(m, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("default.json", append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		report.Write(&out, 0.5, 0.95)
		t.Log("\n" + out.String())
		return
	}
	embedded := DefaultModel()
	near := func(what string, a, b float64) {
		if math.Abs(a-b) > 1e-6*(1+math.Abs(b)) {
			t.Errorf("%s: fitted %v, embedded %v", what, a, b)
		}
	}
	if m.Name != embedded.Name || m.Source != embedded.Source || len(m.Features) != len(embedded.Features) {
		t.Fatalf("fitted %s with %d features, embedded %s with %d", m.Name, len(m.Features), embedded.Name, len(embedded.Features))
	}
	near("intercept", m.Intercept, embedded.Intercept)
	for i, w := range m.Features {
		e := embedded.Features[i]
		if w.Name != e.Name {
			t.Fatalf("feature %d: fitted %s, embedded %s", i, w.Name, e.Name)
		}
		near(string(w.Name)+" mean", w.Mean, e.Mean)
		near(string(w.Name)+" sd", w.SD, e.SD)
		near(string(w.Name)+" weight", w.Weight, e.Weight)
	}
}

// On orders that it has not seen, and on those of another seed, the model
// tells fraud apart, and means what it says.
func TestModelIsGoodAndCalibrated(t *testing.T) {
	m, report := trained(t)
	if report.AUC < 0.95 {
		t.Errorf("AUC %.4f on held-out orders", report.AUC)
	}
	var others []example
	for _, r := range Generate(20000, 4711) {
		others = append(others, example{r.vector(), *r.Label == 1})
	}
	for name, r := range map[string]Report{"held out": report, "another seed": m.judge(nil, others)} {
		if r.AUC < 0.95 {
			t.Errorf("%s: AUC %.4f", name, r.AUC)
		}
		base := float64(r.HeldFraud) / float64(r.Held)
		if r.Brier > 0.5*base*(1-base) {
			t.Errorf("%s: Brier %.5f, always saying %.3f has %.5f", name, r.Brier, base, base*(1-base))
		}
		for _, d := range r.Deciles {
			if math.Abs(d.Mean-d.Frauds) > 0.1 {
				t.Errorf("%s: orders of mean score %.3f are fraud in %.3f", name, d.Mean, d.Frauds)
			}
		}
	}
}

func TestTrainRefuses(t *testing.T) {
	rows := Generate(2000, 1)
	one := slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return *r.Label == 1 })
	unlabelled := slices.Clone(rows)
	for i := range unlabelled {
		unlabelled[i].Label = nil
	}
	flat := make([]Row, 400)
	for i := range flat {
		label := i % 2
		flat[i] = Row{Signals: Signals{Declines: 1}, Label: &label}
	}
	for _, c := range []struct {
		name        string
		rows        []Row
		heldOut, l2 float64
		want        string
	}{
		{"nothing", nil, 0.25, 10, "both labels"},
		{"one label", one, 0.25, 10, "both labels"},
		{"no label", unlabelled, 0.25, 10, "both labels"},
		{"too few", rows[:100], 0.25, 10, "fraud"},
		{"nothing differs", flat, 0.25, 10, "nothing can be learnt"},
		{"held out too much", rows, 0.99, 10, "held out"},
		{"nothing held out", rows, 0, 10, "held out 0"},
		{"a share that is no number", rows, math.NaN(), 10, "held out NaN"},
		{"negative penalty", rows, 0.25, -1, "L2"},
		{"a penalty that is no number", rows, 0.25, math.NaN(), "L2 NaN"},
	} {
		how := Training{Name: "n", HeldOut: c.heldOut, L2: c.l2}
		if _, _, err := Train(c.rows, how); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want something about %q", c.name, err, c.want)
		}
	}
}

// No penalty is a penalty of 0, and not the usual one.
func TestTrainWithoutAPenalty(t *testing.T) {
	rows := Generate(2000, 1)
	weights := func(l2 float64) (sum float64) {
		m, _, err := Train(rows, Training{Name: "n", HeldOut: 0.25, L2: l2})
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range m.Features {
			sum += math.Abs(w.Weight)
		}
		return sum
	}
	if free, usual := weights(0), weights(10); free <= usual {
		t.Errorf("weights of %v in all without a penalty, %v with one", free, usual)
	}
}

func TestModelFilesThatCannotBeUsed(t *testing.T) {
	good := `{"format":1,"name":"n","source":"s","intercept":0,"features":[{"name":"declines","mean":0,"sd":1,"weight":1}]}`
	if _, err := ReadModel(strings.NewReader(good)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, want string }{
		{good, "", "no model"},
		{good, "[]", "no model"},
		{`"format":1`, `"format":2`, "format is 2"},
		{`"name":"n"`, `"name":""`, "name"},
		{`"source":"s"`, `"sauce":"s"`, "sauce"},
		{`"declines"`, `"decline"`, `no signal "decline"`},
		{`"sd":1`, `"sd":0`, "sd of declines"},
		{`"weight":1`, `"weight":1e300`, "not a usable number"},
		{`"intercept":0`, `"intercept":"0"`, "no model"},
		{`[{"name":"declines","mean":0,"sd":1,"weight":1}]`, `[]`, "features is empty"},
		{`[{"name":"declines"`, `[{"name":"declines","mean":0,"sd":1,"weight":1},{"name":"declines"`, "comes twice"},
		{`]}`, `]} {}`, "after the model"},
	} {
		text := strings.Replace(good, c.old, c.new, 1)
		if _, err := ReadModel(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want something about %q", text, err, c.want)
		}
	}
	if _, err := LoadModel("/no/such/file"); err == nil {
		t.Error("a file that is not there was read")
	}
}

// Whatever the signals are, the score is a probability, and a louder signal of
// a positive weight never lowers it.
func TestScoreIsAProbability(t *testing.T) {
	m := DefaultModel()
	rapid.Check(t, func(t *rapid.T) {
		s := Signals{}
		for _, f := range features {
			if rapid.Bool().Draw(t, string(f.name)) {
				s[f.name] = rapid.OneOf(rapid.Float64Range(0, 300), rapid.Float64Range(0, most)).Draw(t, "value")
			}
		}
		p, reasons := m.Score(s)
		if math.IsNaN(p) || p < 0 || p > 1 || len(reasons) > mostReasons {
			t.Fatalf("%v %q of %v", p, reasons, s)
		}
		for _, w := range m.Features {
			if before, known := s[w.Name]; known {
				s[w.Name] = 2*before + 1
				after, _ := m.Score(s)
				if w.Weight > 0 && after < p-1e-12 || w.Weight < 0 && after > p+1e-12 {
					t.Fatalf("%s up, the score went from %v to %v with weight %v", w.Name, p, after, w.Weight)
				}
				s[w.Name] = before
			}
		}
	})
}

// A bot is told from a fan, in words.
func TestReasons(t *testing.T) {
	m := DefaultModel()
	fan := Signals{Address10m: 0, Address24h: 0, Network10m: 0, Network24h: 0, Device10m: 0, Device24h: 0, Card10m: 0, Card24h: 0, Mailbox10m: 0, Mailbox24h: 0,
		JoinedAddress: 0, JoinedDevice: 0, SinceAdmitted: 90, FanAge: 86400, NoCookie: 0, GatewayRisk: 10, Declines: 0}
	bot := Signals{Address10m: 20, Address24h: 20, Network10m: 40, Network24h: 40, Device10m: 40, Device24h: 40, Card10m: 2, Card24h: 2, Mailbox10m: 0, Mailbox24h: 0,
		JoinedAddress: 100, JoinedDevice: 200, SinceAdmitted: 4, FanAge: 500, NoCookie: 1, GatewayRisk: 60, Declines: 2}
	if p, reasons := m.Score(fan); p > 0.05 || len(reasons) != 0 {
		t.Errorf("a fan scores %v: %q", p, reasons)
	}
	p, reasons := m.Score(bot)
	if p < 0.95 || len(reasons) != mostReasons {
		t.Errorf("a bot scores %v: %q", p, reasons)
	}
	t.Log(reasons)
	if p, _ := m.Score(Signals{}); p > 0.2 {
		t.Errorf("an order of which nothing is known scores %v", p)
	}
}

// Every signal can be put into words, for none, one and many.
func TestWords(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range features {
		for _, x := range []float64{0, 1, 2, 7200, most} {
			words := f.words(x)
			if words == "" || strings.Contains(words, "%!") || strings.Contains(words, "NaN") || strings.Contains(words, "e+") {
				t.Errorf("%s of %v: %q", f.name, x, words)
			}
		}
		if seen[string(f.name)] {
			t.Errorf("%s comes twice", f.name)
		}
		seen[string(f.name)] = true
	}
}

// One and none are said as people say them.
func TestWordsOfFew(t *testing.T) {
	for _, c := range []struct {
		signal Signal
		value  float64
		want   string
	}{
		{JoinedAddress, 0.4, "nobody else joined the line from the address"}, {JoinedDevice, 1.4, "about one more identity joined the line from the device"},
		{JoinedDevice, 1.6, "about 2 more identities joined the line from the device"}, {SinceAdmitted, 3599, "ordered 59m59s after being let in"},
		{SinceAdmitted, 3700, "ordered an hour after being let in"}, {FanAge, 5500, "the identity was first seen 2 hours before the order"},
	} {
		f, _ := featureOf(c.signal)
		if got := f.words(c.value); got != c.want {
			t.Errorf("%s of %v: %q, want %q", c.signal, c.value, got, c.want)
		}
	}
}

func TestRowsRoundTrip(t *testing.T) {
	rows := Generate(300, 3)
	var file bytes.Buffer
	if err := WriteRows(&file, rows); err != nil {
		t.Fatal(err)
	}
	again, err := ReadRows(&file)
	if err != nil || len(again) != len(rows) {
		t.Fatalf("%v, %d rows", err, len(again))
	}
	for i := range rows {
		a, _ := json.Marshal(rows[i])
		b, _ := json.Marshal(again[i])
		if !bytes.Equal(a, b) {
			t.Fatalf("row %d: %s became %s", i, a, b)
		}
	}
	if other := Generate(300, 4); *other[0].Label == *rows[0].Label && other[0].Signals[FanAge] == rows[0].Signals[FanAge] {
		t.Error("another seed makes the same orders")
	}
}

// What is null is not known, and nothing is learnt from it as if it were 0.
func TestNullIsNotKnown(t *testing.T) {
	rows, err := ReadRows(strings.NewReader(`{"signals":{"card_24h":null,"declines":1},"label":0}
{"features":{"card_24h":null,"declines":0},"label":null}
{"signals":{},"features":null,"label":1}`))
	if err != nil || len(rows) != 3 {
		t.Fatalf("%v %v", rows, err)
	}
	for i, want := range []map[Signal]float64{{Declines: math.Log1p(1)}, {Declines: 0}, {}} {
		if got := rows[i].vector(); !maps.Equal(got, want) {
			t.Errorf("row %d: %v, want %v", i, got, want)
		}
	}
	if _, err := ReadRows(strings.NewReader(`{"signals":{"card":null},"label":0}`)); err == nil {
		t.Error("a signal that there is not is read when it is null")
	}
}

// Some editors put a mark before a text.
func TestFilesMayBeginWithAMark(t *testing.T) {
	rows, err := ReadRows(strings.NewReader("\ufeff" + `{"signals":{"declines":1},"label":0}`))
	if err != nil || len(rows) != 1 {
		t.Errorf("%v %v", rows, err)
	}
	if _, err := ReadModel(strings.NewReader("\ufeff" + string(defaultModel))); err != nil {
		t.Error(err)
	}
}

func FuzzReadRows(f *testing.F) {
	f.Add(`{"signals":{"declines":1},"label":1}`)
	f.Add(`{"features":{"declines":0.7},"label":null}` + "\n\n" + `{"signals":{},"label":0}`)
	f.Add(`{"signals":{"declines":-1}}`)
	f.Fuzz(func(t *testing.T, text string) {
		rows, err := ReadRows(strings.NewReader(text))
		if err != nil {
			return
		}
		m := DefaultModel()
		for _, r := range rows {
			if p, _ := m.Score(r.Signals); math.IsNaN(p) || p < 0 || p > 1 {
				t.Errorf("%v scores %v", r, p)
			}
		}
	})
}
