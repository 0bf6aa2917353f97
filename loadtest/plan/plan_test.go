package plan_test

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/ropeline/ropeline/admission/pace"
	"github.com/ropeline/ropeline/loadtest/arrival"
	"github.com/ropeline/ropeline/loadtest/crowd"
	"github.com/ropeline/ropeline/loadtest/plan"
)

func fansOf(n int, mix crowd.Mix) *plan.Fans {
	model := arrival.Arrival{Shape: arrival.Drop, Over: time.Minute, Lead: 10 * time.Second}
	return plan.Draw(mix, 1, 0.1, model.Times(n, rand.New(rand.NewPCG(1, 1))))
}

func house(rate, shoppers, capacity int) plan.House {
	return plan.House{
		Drop: 10 * time.Second, Lobby: true, Hold: 30 * time.Second, Types: []plan.Type{{Capacity: capacity, MaxPerOrder: 4}},
		Rules: pace.Rules{RatePerMinute: rate, Burst: 10, MaxShoppers: shoppers, Batch: 50, StockGate: true, ShowUp: 10 * time.Second, Shop: time.Minute},
	}
}

// A crowd of which everything is known: each takes as many tickets as it likes
// and pays at once, so the rate alone decides.
func TestTheRateDecides(t *testing.T) {
	f := fansOf(5000, crowd.Mix{{Name: "quick", Share: 1}}).Forecast(house(600, 5000, 1000))
	perFan := 1000 / float64(f.Bought)
	want := (1000/perFan - 10) / 10 // seconds at ten a second, after the burst
	if got := (f.SoldOut - 10*time.Second).Seconds(); f.Sold != 1000 || math.Abs(got-want) > 3 {
		t.Errorf("sold %d, sold out %.1f s after the drop, want %.1f s", f.Sold, got, want)
	}
	if f.InVain > 5 || f.Told+f.Admitted+f.Gone != 5000 {
		t.Errorf("%d in vain, %d told + %d let in + %d gone of 5000", f.InVain, f.Told, f.Admitted, f.Gone)
	}
}

// Everybody is accounted for, and no ticket is there twice, for all of the
// demo's crowd; and the same crowd leads to the same end.
func TestEverybodyIsAccountedFor(t *testing.T) {
	fans := fansOf(3000, crowd.DefaultMix())
	for _, h := range []plan.House{house(600, 100, 500), house(6000, 5000, 500), house(600, 100, 100_000)} {
		f := fans.Forecast(h)
		if f.Told+f.Admitted+f.Gone != 3000 || f.Sold+f.Left != h.Types[0].Capacity || f.Sold < 0 || f.MostShop > h.Rules.MaxShoppers {
			t.Errorf("%+v", f)
		}
		if f.SoldOut == 0 && f.Left == 0 {
			t.Error("sold out, and nobody says when")
		}
		if again := fans.Forecast(h); !reflect.DeepEqual(again, f) {
			t.Error("one crowd, two forecasts")
		}
	}
}

// A higher rate sells out no later, where the shoppers' limit does not decide,
// but for the moment when the last holds come back.
func TestAHigherRateIsNoSlower(t *testing.T) {
	fans, last := fansOf(5000, crowd.DefaultMix()), time.Hour
	for _, rate := range []int{300, 600, 1200, 2400} {
		f := fans.Forecast(house(rate, 5000, 800))
		if f.SoldOut > last+15*time.Second {
			t.Errorf("at %d a minute it is sold out after %v, at half of that after %v", rate, f.SoldOut, last)
		}
		last = f.SoldOut
	}
}

func BenchmarkMillion(b *testing.B) {
	fans := fansOf(1_000_000, crowd.DefaultMix())
	for b.Loop() {
		fans.Forecast(house(9000, 5000, 50_000))
	}
}
