package paper

import (
	"fmt"
	"io"
	"time"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/goregular"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/qr"
)

// Ticket is what a page says.
type Ticket struct {
	Event    ropeline.Event
	ID       ropeline.TicketID
	Order    ropeline.OrderID
	Name     string // of its type
	Code     string // what the QR code carries
	IssuedAt time.Time
}

// Millimetres on A4.
const (
	pageWidth  = 210.0
	margin     = 20.0
	inner      = pageWidth - 2*margin
	bandHeight = 14.0
	qrSide     = 82.0
)

type colour struct{ r, g, b int }

var (
	rope = colour{163, 22, 74}
	ink  = colour{30, 21, 35}
	soft = colour{98, 86, 107}
	edge = colour{200, 190, 200}
)

// WriteTickets writes a PDF with a page for each ticket; there must be one at
// least. title is what a reader shows above it.
func WriteTickets(w io.Writer, title string, tickets []Ticket) error {
	if len(tickets) == 0 {
		return fmt.Errorf("paper: no tickets")
	}
	pdf := fpdf.New("P", "mm", "A4", "")
	pdf.SetMargins(margin, margin, margin)
	pdf.SetAutoPageBreak(false, 0)
	pdf.AddUTF8FontFromBytes("go", "", goregular.TTF)
	pdf.AddUTF8FontFromBytes("go", "B", gobold.TTF)
	pdf.AddUTF8FontFromBytes("mono", "", gomono.TTF)
	pdf.SetTitle(legible(title), true)
	pdf.SetCreator("ropeline", true)
	pdf.SetLang("en")
	pdf.SetCreationDate(tickets[0].IssuedAt.UTC())
	pdf.SetModificationDate(tickets[0].IssuedAt.UTC())
	pdf.SetCatalogSort(true)
	for i, t := range tickets {
		if err := page(pdf, t, i+1, len(tickets)); err != nil {
			return fmt.Errorf("paper: ticket %s: %w", t.ID, err)
		}
	}
	if err := pdf.Output(w); err != nil {
		return fmt.Errorf("paper: %w", err)
	}
	return nil
}

func page(pdf *fpdf.Fpdf, t Ticket, number, of int) error {
	pdf.AddPage()
	fill(pdf, rope)
	pdf.Rect(0, 0, pageWidth, bandHeight, "F")
	pdf.SetXY(margin, 0)
	write(pdf, "B", 11, colour{255, 255, 255})
	pdf.CellFormat(inner/2, bandHeight, "Ticket", "", 0, "L", false, 0, "")
	pdf.CellFormat(inner/2, bandHeight, fmt.Sprintf("%d of %d", number, of), "", 0, "R", false, 0, "")

	pdf.SetXY(margin, bandHeight+12)
	write(pdf, "B", 24, ink)
	lines(pdf, 10, legible(t.Event.Name), 3)
	pdf.Ln(3)
	write(pdf, "", 13, ink)
	lines(pdf, 6.5, when(t.Event), 1)
	lines(pdf, 6.5, legible(place(t.Event.Venue)), 2)
	pdf.Ln(6)
	write(pdf, "B", 17, rope)
	lines(pdf, 8, legible(t.Name), 2)

	top := pdf.GetY() + 8
	if err := square(pdf, t.Code, (pageWidth-qrSide)/2, top); err != nil {
		return err
	}
	pdf.SetXY(margin, top+qrSide+4)
	write(pdf, "", 7.5, soft)
	pdf.SetFont("mono", "", 7.5)
	for start := 0; start < len(t.Code); start += 80 {
		pdf.CellFormat(inner, 4, t.Code[start:min(start+80, len(t.Code))], "", 1, "C", false, 0, "")
	}

	pdf.SetY(pdf.GetY() + 8)
	pdf.SetDrawColor(edge.r, edge.g, edge.b)
	pdf.Line(margin, pdf.GetY(), pageWidth-margin, pdf.GetY())
	pdf.Ln(5)
	write(pdf, "", 10, soft)
	pdf.MultiCell(inner, 5, "This page lets one person in, once. Show it on a phone or on paper. Whoever holds the code can use it: keep it to yourself, "+
		"and show nobody a picture of it.", "", "L", false)
	pdf.Ln(3)
	pdf.CellFormat(inner, 5, "Ticket "+string(t.ID), "", 1, "L", false, 0, "")
	pdf.CellFormat(inner, 5, "Order "+string(t.Order), "", 1, "L", false, 0, "")
	return pdf.Error()
}

// square draws the code as squares: sharp at any size, and no picture to scale.
func square(pdf *fpdf.Fpdf, code string, x, y float64) error {
	dots, err := qr.Squares(code, qr.Medium) // the page is white around it
	if err != nil {
		return err
	}
	side := qrSide / float64(len(dots))
	fill(pdf, colour{0, 0, 0})
	for row := range dots {
		for from := 0; from < len(dots); {
			if !dots[row][from] {
				from++
				continue
			}
			to := from
			for to < len(dots) && dots[row][to] {
				to++
			}
			pdf.Rect(x+float64(from)*side, y+float64(row)*side, float64(to-from)*side, side*1.01, "F") // no seam between rows
			from = to
		}
	}
	return nil
}

func write(pdf *fpdf.Fpdf, style string, points float64, c colour) {
	pdf.SetFont("go", style, points)
	pdf.SetTextColor(c.r, c.g, c.b)
}

func fill(pdf *fpdf.Fpdf, c colour) { pdf.SetFillColor(c.r, c.g, c.b) }

// lines writes text in at most so many lines; the rest is left out.
func lines(pdf *fpdf.Fpdf, height float64, text string, most int) {
	for i, line := range pdf.SplitText(text, inner) {
		if i == most {
			return
		}
		pdf.CellFormat(inner, height, line, "", 1, "L", false, 0, "")
	}
}

func when(e ropeline.Event) string {
	zone, err := time.LoadLocation(e.Venue.TimeZone)
	if err != nil {
		zone = time.UTC
	}
	return e.StartsAt.In(zone).Format("Monday 2 January 2006, 15:04 MST")
}

func place(v ropeline.Venue) string {
	text := v.Name
	for _, part := range []string{v.Address, v.City} {
		if part != "" {
			text += ", " + part
		}
	}
	return text
}
