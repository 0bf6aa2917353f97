package web_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ropeline/ropeline/web/desk"
)

// TestSamplesAreMadeOnce: two nodes keep one sample for each five seconds, a
// sale that rests costs one row, and what was seen is there for the plots.
func TestSamplesAreMadeOnce(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	other := openHouseOn(t, h.Pair) // another node on the same engines
	session := h.signIn(t)
	path := "/admin/events/" + string(event.ID)
	type answer struct {
		Every   int           `json:"every_seconds"`
		Samples []desk.Sample `json:"samples"`
	}
	samples := func(of *house) []desk.Sample {
		return decode[answer](t, of.ask(t, "GET", path+"/samples?minutes=5", "", session), http.StatusOK).Samples
	}
	eventually(t, "a first sample", func() bool { return len(samples(h)) == 1 })
	first := samples(other)[0]
	if first.Waiting != 0 || first.Rate != 600 || first.Most != 10 || first.Sold[event.TicketTypes[0].ID] != 0 {
		t.Errorf("the first sample: %+v", first)
	}
	buyer := h.join(t, event.ID).enter(t)
	buyer.buy(t, event, "buyer@example.org")
	h.join(t, event.ID)
	eventually(t, "a sample of what happened", func() bool {
		list := samples(h)
		last := list[len(list)-1]
		return last.Joined == 2 && last.Admitted == 1 && last.Waiting == 1 && last.Reserved == 1 && last.Held > 0
	})
	var slots, rows int
	if err := h.Pool.QueryRow(t.Context(), `select count(*), count(distinct date_bin('5 seconds', at, 'epoch')) from sale_samples where event_id = $1`, event.ID).Scan(&rows, &slots); err != nil || rows != slots {
		t.Errorf("%d rows in %d slots, %v", rows, slots, err)
	}
	made := decode[desk.Report](t, h.ask(t, "GET", path+"/report", "", session), http.StatusOK)
	if len(made.Steps) == 0 || made.Funnel.Joined < 1 || made.Funnel.Reserved != 1 || made.Stock[0].Held != 1 {
		t.Errorf("the report: %+v", made)
	}
	if page := h.ask(t, "GET", path+"/report", "", session, "Accept: text/html"); page.status != http.StatusOK || !strings.Contains(page.body, "From the line to the ticket") {
		t.Errorf("the page of the report: %d", page.status)
	}
	for _, bad := range []string{"x", "-1", "1441"} {
		if got := h.ask(t, "GET", path+"/samples?minutes="+bad, "", session); got.status != http.StatusBadRequest || got.code(t) != "invalid_request" {
			t.Errorf("minutes=%s: %d %s", bad, got.status, got.body)
		}
	}
}

// TestDeskStream: the stream tells what a look tells, each second. That it ends
// with the session is the matter of TestLogOutEverywhere.
func TestDeskStream(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	session := h.signIn(t)
	path := "/admin/events/" + string(event.ID) + "/live"
	request, err := http.NewRequestWithContext(t.Context(), "GET", h.url+path+"/sse", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Cookie", strings.TrimPrefix(session, "Cookie: "))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if kind := response.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Fatalf("%d %s", response.StatusCode, kind)
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	next := func() (live desk.Live) {
		t.Helper()
		for lines.Scan() {
			if data, is := strings.CutPrefix(lines.Text(), "data: "); is {
				if err := json.Unmarshal([]byte(data), &live); err != nil {
					t.Fatalf("%v: %s", err, data)
				}
				return live
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return live
	}
	if first := next(); first.Rules.Version != 1 || first.Phase != "on_sale" || len(first.Stock) != 1 || first.SoldOut.State != "not_known" || first.Applied.Of != 0 {
		t.Errorf("the first frame: %+v", first)
	}
	if got := h.ask(t, "PUT", "/admin/events/"+string(event.ID)+"/rules", `{"rate_per_minute":7}`, session); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	began := time.Now()
	for next().RateNow != 7 {
		if time.Since(began) > 5*time.Second {
			t.Fatal("the new rate is not in the stream")
		}
	}
	look := decode[desk.Live](t, h.ask(t, "GET", path, "", session), http.StatusOK)
	if look.RateNow != 7 || look.Money[0].Currency != "EUR" {
		t.Errorf("the look: %+v", look)
	}
	h.stop()
	ended := ""
	for lines.Scan() {
		ended = lines.Text() + ended
	}
	if !strings.Contains(ended, "shutdown") {
		t.Errorf("the stream ended without a reason: %s", ended)
	}
}
