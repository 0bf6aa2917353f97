package app

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/internal/qr"
)

// cable stands between a browser and the program, and can be cut.
type cable struct {
	t     *testing.T
	to    string
	at    string // host:port
	mu    sync.Mutex
	ear   net.Listener
	conns map[net.Conn]bool
	all   sync.WaitGroup
}

func plugIn(t *testing.T, to string) *cable {
	t.Helper()
	c := &cable{t: t, to: to, at: "127.0.0.1:0", conns: map[net.Conn]bool{}}
	c.plug()
	t.Cleanup(func() { c.cut(); c.all.Wait() })
	return c
}

func (c *cable) plug() {
	c.t.Helper()
	ear, err := net.Listen("tcp", c.at)
	if err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ear, c.at = ear, ear.Addr().String()
	c.all.Go(func() {
		for {
			conn, err := ear.Accept()
			if err != nil {
				return
			}
			c.all.Go(func() { c.carry(conn) })
		}
	})
}

func (c *cable) carry(from net.Conn) {
	defer from.Close()
	to, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer to.Close()
	c.mu.Lock()
	c.conns[from], c.conns[to] = true, true
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.conns, from)
		delete(c.conns, to)
	}()
	c.all.Go(func() { io.Copy(to, from); to.Close() })
	io.Copy(from, to)
}

func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ear.Close()
	for conn := range c.conns {
		conn.Close()
	}
}

// freeTickets are tickets of an event where they cost nothing.
func freeTickets(t *testing.T, app *App, event ropeline.Event, quantity int) []checkout.Ticket {
	t.Helper()
	fan := ropeline.NewID[ropeline.FanID]()
	held, err := app.Checkout.Reserve(t.Context(), checkout.Request{Event: event.ID, Fan: fan, PassID: "pass", Key: "gate",
		Items: []ropeline.Item{{TicketType: event.TicketTypes[0].ID, Quantity: quantity}}}, 10*time.Second)
	if err != nil || held.State != checkout.ReservationHeld {
		t.Fatalf("%+v, %v", held, err)
	}
	order, err := app.Checkout.PlaceOrder(t.Context(), fan, held.ID, "fan@example.org", "gate")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "tickets", func() bool {
		order, err = app.Checkout.Order(t.Context(), order.ID, fan)
		return err == nil && order.State == checkout.OrderPaid
	})
	return order.Tickets
}

// gateHouse is an event with tickets, and somebody at its gate behind a cable.
func gateHouse(t *testing.T, quantity int, camera func([]checkout.Ticket) chromedp.ExecAllocatorOption) (*App, ropeline.Event, []checkout.Ticket, *browser, *cable) {
	t.Helper()
	app := openTest(t, engines.Test(t), nil)
	event := testEvent(quantity)
	event.Name, event.Venue.Name = "The Tightrope Sessions", "Old Rope Walk"
	event.TicketTypes[0].Price.Minor, event.TicketTypes[0].MaxPerOrder, event.TicketTypes[0].MaxPerFan = 0, quantity, quantity
	event, err := app.CreateEvent(t.Context(), event, testRules(), "test")
	if err != nil {
		t.Fatal(err)
	}
	tickets := freeTickets(t, app, event, quantity)
	password, err := app.Accounts.EnsureOwner(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	line := plugIn(t, app.listener.Addr().String())
	var more []chromedp.ExecAllocatorOption
	if camera != nil {
		more = append(more, camera(tickets), chromedp.Flag("use-fake-ui-for-media-stream", true), chromedp.Flag("use-fake-device-for-media-stream", true))
	}
	b := openBrowser(t, more...)
	b.do("sign in", chromedp.EmulateViewport(412, 860), chromedp.Navigate("http://"+line.at+"/admin/login"), chromedp.SendKeys(chromedp.CSS(`input[type="email"]`), "owner@ropeline.local"),
		chromedp.SendKeys(chromedp.CSS(`input[type="password"]`), password), chromedp.Submit(chromedp.CSS(`input[type="password"]`)),
		chromedp.WaitVisible(chromedp.CSS(`a[href="/admin/events/`+string(event.ID)+`"]`)))
	b.do("open the gate", chromedp.Navigate("http://"+line.at+"/gate/"+string(event.ID)), chromedp.WaitVisible(chromedp.CSS(`#gate[data-ready]`)))
	b.awaits("the keys", `document.querySelector('[data-f="known"]').textContent.includes(' as of ')`)
	return app, event, tickets, b, line
}

// enters types a code at the gate, and reads what it shows.
func (b *browser) enters(step, code, result, says string) {
	b.t.Helper()
	typed, _ := json.Marshal(code)
	b.do(step, chromedp.Evaluate[chromedp.Void](`document.querySelector('#code').value = `+string(typed)+`; document.querySelector('[data-f="manual"]').requestSubmit()`))
	b.awaits(step, fmt.Sprintf(`document.querySelector('dialog.result[open]')?.dataset.result == %q`, result))
	text, _ := json.Marshal(says)
	b.awaits(step+": "+says, `document.querySelector('dialog.result').innerText.includes(`+string(text)+`)`)
}

func (b *browser) next() {
	b.t.Helper()
	b.do("go on", chromedp.Click(chromedp.CSS(`[data-f="next"]`)), chromedp.WaitNotVisible(chromedp.CSS(`dialog.result`)))
}

func (b *browser) counts(what, name, want string) {
	b.t.Helper()
	b.awaits(what, fmt.Sprintf(`document.querySelector('[data-v=%q]').textContent == %q`, name, want))
}

// TestGateChecksTickets is an evening at the entrance: a ticket twice, one of
// another kind of trouble each, a network that goes and comes back, and a scan
// that another gate was first with.
func TestGateChecksTickets(t *testing.T) {
	t.Parallel()
	app, event, tickets, b, line := gateHouse(t, 6, nil)
	ctx := t.Context()

	b.shoot("gate-page", 412, 860)
	b.enters("let in", tickets[0].Code, "accepted", "Standing")
	b.shoot("gate-yes", 412, 860)
	b.next()
	b.enters("the same again", tickets[0].Code, "already", "Gate 1")
	b.shoot("gate-no", 412, 860)
	b.next()
	if err := pgx.BeginFunc(ctx, app.Pool(), func(tx pgx.Tx) error {
		return app.Checkout.Revoke(ctx, tx, tickets[1].ID, checkout.Revocation{Cause: checkout.CauseOrganizer, Reason: "a test", By: "test"})
	}); err != nil {
		t.Fatal(err)
	}
	b.enters("a revoked one", tickets[1].Code, "revoked", "Not valid any more")
	b.next()
	forged := "A" + tickets[2].Code[1:80] + flip(tickets[2].Code[80:81]) + tickets[2].Code[81:]
	b.enters("a forged one", forged, "bad_signature", "Not a ticket")
	b.next()
	b.awaits("the void code", `document.querySelector('[data-f="known"]').textContent.includes('1 void')`)
	b.awaits("the page kept for a reload", `document.querySelector('#gate').dataset.stays == 'yes'`)

	if other, err := app.Checkout.CheckIn(ctx, event.ID, []checkout.Scan{{ID: "east", Code: tickets[4].Code, Gate: "East"}}, "test"); err != nil || other[0].Result != checkout.ScanAccepted {
		t.Fatalf("%+v, %v", other, err)
	}
	b.counts("what another gate let in", "all", "2")

	line.cut()
	b.enters("offline, let in elsewhere before", tickets[4].Code, "already", "East")
	b.next()
	b.enters("offline", tickets[2].Code, "accepted", "Checked offline")
	b.shoot("gate-offline", 412, 860)
	b.next()
	b.enters("offline, the same again", tickets[2].Code, "already", "Gate 1")
	b.next()
	b.enters("offline, let in before", tickets[0].Code, "already", "Gate 1")
	b.next()
	b.enters("offline, revoked", tickets[1].Code, "revoked", "")
	b.next()
	b.enters("offline, forged", forged, "bad_signature", "")
	b.next()
	b.counts("scans that wait", "waiting", "6")
	b.do("reload offline", chromedp.Reload(), chromedp.WaitVisible(chromedp.CSS(`#gate[data-ready]`)))
	b.counts("scans that still wait", "waiting", "6")
	b.enters("offline after a reload, the same again", tickets[2].Code, "already", "Gate 1")
	b.next()
	b.enters("offline, what another gate lets in too", tickets[3].Code, "accepted", "Checked offline")
	b.next()
	if other, err := app.Checkout.CheckIn(ctx, event.ID, []checkout.Scan{{ID: "other", Code: tickets[3].Code, Gate: "South"}}, "test"); err != nil || other[0].Result != checkout.ScanAccepted {
		t.Fatalf("%+v, %v", other, err)
	}

	line.plug()
	b.counts("all sent", "waiting", "0")
	b.do("see the conflict", chromedp.WaitVisible(chromedp.CSS(`[data-f="conflictbox"]`)), holds(`document.querySelector('[data-f="conflicts"]').innerText.includes('South')`))
	b.counts("this gate", "mine", "2")
	b.counts("all gates", "all", "4")
	b.shoot("gate-conflict", 412, 1400)

	list, err := app.Checkout.CheckIns(ctx, event.ID, "", 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	results := map[checkout.ScanResult]int{}
	for _, c := range list {
		results[c.Result]++
	}
	want := map[checkout.ScanResult]int{checkout.ScanAccepted: 4, checkout.ScanAlready: 6, checkout.ScanRevoked: 2, checkout.ScanBadSignature: 2}
	if fmt.Sprint(results) != fmt.Sprint(want) {
		t.Errorf("kept: %v, want %v", results, want)
	}
	violations, err := checkout.Audit(ctx, app.Pool(), event.ID)
	if err != nil || len(violations) > 0 {
		t.Errorf("audit: %v, %v", violations, err)
	}
}

// flip gives another letter of base32.
func flip(letter string) string {
	if letter == "A" {
		return "B"
	}
	return "A"
}

// TestGateReadsTheCamera holds two tickets before a camera, one after the other
// and again. One that stays in the picture is one scan.
func TestGateReadsTheCamera(t *testing.T) {
	t.Parallel()
	_, _, _, b, _ := gateHouse(t, 2, func(tickets []checkout.Ticket) chromedp.ExecAllocatorOption {
		return chromedp.Flag("use-file-for-fake-video-capture", film(t, tickets[0].Code, tickets[1].Code))
	})
	b.do("start the camera", chromedp.Click(chromedp.CSS(`[data-f="camera"]`)))
	for i, want := range []string{"accepted", "accepted", "already", "already"} {
		b.awaits(fmt.Sprintf("scan %d", i), fmt.Sprintf(`document.querySelector('dialog.result[open]')?.dataset.result == %q`, want))
		if i == 1 {
			b.shoot("gate-camera", 412, 1000)
		}
		b.do("go on", chromedp.Evaluate[chromedp.Void](`document.querySelector('dialog.result').close()`))
	}
	b.counts("both of them", "all", "2")
	b.do("stop the camera", chromedp.Evaluate[chromedp.Void](`document.querySelector('[data-f="camera"]').click()`),
		chromedp.WaitNotVisible(chromedp.CSS(`[data-f="view"]`)))
}

// film shows the QR codes of tickets in turn, two seconds each, as a camera
// gives them; Chromium plays it for ever.
func film(t *testing.T, codes ...string) string {
	t.Helper()
	const width, height, rate = 640, 480, 5
	name := filepath.Join(t.TempDir(), "tickets.y4m")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	out := bufio.NewWriter(file)
	fmt.Fprintf(out, "YUV4MPEG2 W%d H%d F%d:1 Ip A0:0 C420jpeg\n", width, height, rate)
	for _, code := range codes {
		frame := append([]byte("FRAME\n"), still(t, code, width, height)...)
		for range 2 * rate {
			out.Write(frame)
		}
	}
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	return name
}

// still is a picture of a QR code on a grey wall: brightness, then no colour.
func still(t *testing.T, code string, width, height int) []byte {
	t.Helper()
	dots, err := qr.Squares(code, qr.Medium)
	if err != nil {
		t.Fatal(err)
	}
	const border = 4 // of white, in dots
	whole := len(dots) + 2*border
	side := height * 8 / 10 / whole
	left, top := (width-side*whole)/2, (height-side*whole)/2
	picture := bytes.Repeat([]byte{150}, width*height)
	for y := range side * whole {
		for x := range side * whole {
			light, row, column := byte(220), y/side-border, x/side-border
			if min(row, column) >= 0 && max(row, column) < len(dots) && dots[row][column] {
				light = 30
			}
			picture[(top+y)*width+left+x] = light
		}
	}
	return append(picture, bytes.Repeat([]byte{128}, width*height/2)...)
}
