package pages

// Over tells whether the payment can no longer be made here.
func (v SandboxView) Over() bool {
	return v.State != "created" && v.State != "pending"
}

// Settled tells whether waiting will not change the order any more.
func (v OrderView) Settled() bool {
	return v.State != "pending" && (v.State != "paid" || len(v.Tickets) > 0)
}

// Live counts the tickets that let somebody in, or have done so.
func (v OrderView) Live() int {
	n := 0
	for _, t := range v.Tickets {
		if t.State == "issued" || t.State == "checked_in" {
			n++
		}
	}
	return n
}

// Payable tells whether the fan may still go and pay.
func (v OrderView) Payable() bool {
	return v.State == "pending" && v.Payment.Page != "" && (v.Payment.State == "created" || v.Payment.State == "pending")
}

// Free tells whether the order costs nothing; then there are no words about money.
func (v OrderView) Free() bool { return v.Total.Minor == 0 }

// PaymentWords tells how the order's money stands.
func (v OrderView) PaymentWords() string {
	switch unpaid := v.Payment.State == "created" || v.Payment.State == "pending"; {
	case v.Free():
		return "Nothing to pay"
	case unpaid && v.State == "expired":
		return "Not paid in time"
	case unpaid && v.State == "canceled":
		return "Not paid"
	}
	return paymentWords(v.Payment.State)
}
