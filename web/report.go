package web

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/web/desk"
	"github.com/ropeline/ropeline/web/pages"
)

// report: GET /admin/events/{id}/report, what became of a sale; for a person, a
// page to print.
func (s *Server) report(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	report, err := s.sales.Report(c.Request.Context(), event)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	if !wantsPage(c.Request) {
		c.Header("Vary", "Accept")
		c.JSON(http.StatusOK, report)
		return nil
	}
	return s.pages.Report(pages.Zip(c.Writer, c.Request), reportPage(event.LobbyAt != nil, report, pages.ReportView{
		Frame: pages.Frame{Organizer: account(c).Email}, Event: event,
	}))
}

func reportPage(drawn bool, r desk.Report, v pages.ReportView) pages.ReportView {
	v.Data, v.Phase, v.MadeAt, v.Drawn, v.Failed = r, r.Phase, r.MadeAt, drawn, r.Failed
	w := r.Funnel
	for i, n := range []int64{w.Joined, w.Admitted, w.Entered, w.Reserved, w.Bought} {
		names := []string{"Joined the line", "Let in", "Entered the shop", "Held tickets", "Bought"}
		v.Funnel = append(v.Funnel, pages.FunnelRow{Name: names[i], Fans: n, Percent: percent(n, max(w.Joined, w.Admitted))})
	}
	for _, level := range r.Stock {
		v.Types = append(v.Types, pages.TypeRow{Name: level.Name, Sold: level.Sold, Capacity: level.Capacity, Value: level.Value})
	}
	for _, sum := range r.Money {
		v.Paid = append(v.Paid, ropeline.Money{Minor: sum.Paid, Currency: sum.Currency})
		v.Refunded = append(v.Refunded, ropeline.Money{Minor: sum.Refunded, Currency: sum.Currency})
	}
	if r.Waits != nil {
		v.Waits = []pages.WaitRow{{Name: "a tenth waited less than", Seconds: int(r.Waits.P10)}, {Name: "half waited less than", Seconds: int(r.Waits.P50)},
			{Name: "nine of ten waited less than", Seconds: int(r.Waits.P90)}, {Name: "99 of 100 waited less than", Seconds: int(r.Waits.P99)}, {Name: "the longest wait", Seconds: int(r.Waits.Most)}}
	}
	return v
}

func percent(n, of int64) int {
	if of <= 0 {
		return 0
	}
	return int(min(100, n*100/of))
}
