package checkout

// OrderState is what an order has become. Its diagram is in docs/states.md.
type OrderState string

// The states.
const (
	OrderPending  OrderState = "pending"
	OrderPaid     OrderState = "paid"
	OrderExpired  OrderState = "expired"
	OrderCanceled OrderState = "canceled"
)

// Expired leads to paid only through the clerk, who looks under the lock
// whether the stock is still there.
var orderMoves = moves[OrderState]{
	OrderPending:  {OrderPaid, OrderExpired, OrderCanceled},
	OrderPaid:     {OrderCanceled},
	OrderExpired:  {OrderPaid},
	OrderCanceled: {},
}
