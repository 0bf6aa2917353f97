package stripe

import (
	"slices"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// Stripe counts some currencies in other units than ISO 4217, from
// https://docs.stripe.com/currencies: those without decimals, those with three
// (whose last digit must be 0), and every other one, also ISK and UGX, which
// have no decimals any more, with two.
var (
	withoutDecimals = []string{"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"}
	threeDecimals   = []string{"BHD", "JOD", "KWD", "OMR", "TND"}
)

func decimals(currency string) int {
	switch {
	case slices.Contains(withoutDecimals, currency):
		return 0
	case slices.Contains(threeDecimals, currency):
		return 3
	}
	return 2
}

// toStripe is an amount as Stripe counts it; permanent when Stripe cannot
// charge it.
func toStripe(m ropeline.Money) (int64, error) {
	amount, ours, theirs := m.Minor, m.Digits(), decimals(m.Currency)
	for ; ours < theirs; ours++ {
		if amount > (1<<62)/10 {
			return 0, &payment.Error{Permanent: true, Reason: "amount_too_large"}
		}
		amount *= 10
	}
	for ; ours > theirs; ours-- {
		if amount%10 != 0 {
			return 0, &payment.Error{Permanent: true, Reason: "amount_not_chargeable"}
		}
		amount /= 10
	}
	if theirs == 3 && amount%10 != 0 {
		return 0, &payment.Error{Permanent: true, Reason: "amount_not_chargeable"}
	}
	return amount, nil
}

// fromStripe is the inverse. What falls below our smallest unit (Stripe's
// conversions may do that in a dispute) is rounded down.
func fromStripe(amount int64, currency string) ropeline.Money {
	m := ropeline.Money{Minor: amount, Currency: currency}
	ours, theirs := m.Digits(), decimals(currency)
	for ; theirs < ours; theirs++ {
		m.Minor *= 10
	}
	for ; theirs > ours; theirs-- {
		m.Minor /= 10
	}
	return m
}
