package web

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/web/pages"
)

const (
	rowsPerFlush   = 256              // of an export
	exportPatience = 30 * time.Second // for whoever reads it, between two flushes
	mostExports    = 4                // at once on a node: each holds a connection to Postgres
	rowsTrailer    = "Ropeline-Rows"
)

// exportCSV: GET /admin/events/{id}/exports/{orders|tickets|payments|checkins}.csv,
// as it comes from Postgres: RFC 4180 in UTF-8, times after RFC 3339 in UTC,
// amounts in minor units and beside them in decimal, with their currency. A
// file that is whole ends with the trailer Ropeline-Rows; one that is cut ends
// the connection without the last chunk, which every client reports.
func (s *Server) exportCSV(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	name, isCSV := strings.CutSuffix(c.Param("export"), ".csv")
	if !isCSV {
		return ropeline.Errorf(ropeline.CodeNotFound, "There is no such export.")
	}
	select {
	case s.exports <- struct{}{}:
		defer func() { <-s.exports }()
	default:
		return &ropeline.Error{Code: ropeline.CodeRateLimited, Message: "Others are exporting just now. Try again in a moment.", RetryAfter: 5 * time.Second}
	}
	ctx, cancel := context.WithCancel(c.Request.Context())
	defer cancel()
	w := csv.NewWriter(c.Writer)
	w.UseCRLF = true
	control := http.NewResponseController(c.Writer)
	flush := func() error {
		if w.Flush(); w.Error() != nil {
			return w.Error()
		}
		if err := control.SetWriteDeadline(time.Now().Add(exportPatience)); err != nil {
			return err
		}
		return control.Flush()
	}
	var line exportLine
	rows := 0
	err = s.checkout.Export(ctx, event.ID, checkout.Export(name), func(names []string) error {
		// Who takes the list is written down before the first of it is given out.
		if err := s.change(ctx, func(tx pgx.Tx) error {
			return s.record(c, tx, "export."+name, "event/"+string(event.ID), nil, nil)
		}); err != nil {
			return err
		}
		h := c.Writer.Header()
		h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
		h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s-%s-%s.csv"`, name, event.ID[len(event.ID)-8:], time.Now().UTC().Format("20060102-150405")))
		h.Set("Cache-Control", "no-store")
		h.Set("Trailer", rowsTrailer)
		c.Status(http.StatusOK)
		if err := w.Write(line.head(names)); err != nil {
			return err
		}
		return flush()
	}, func(values []any) error {
		if rows++; rows%rowsPerFlush == 0 {
			if err := flush(); err != nil {
				return err
			}
		}
		return w.Write(line.cells(values))
	})
	if err == nil {
		err = flush()
	}
	if err != nil && !c.Writer.Written() {
		return err
	}
	if err != nil {
		s.log.WarnContext(c.Request.Context(), "an export was cut", "export", name, "event", event.ID, "rows", rows, "error", err)
		panic(http.ErrAbortHandler) // so that nobody takes it for whole
	}
	c.Writer.Header().Set(rowsTrailer, strconv.Itoa(rows))
	return nil
}

// exportLine writes the rows of one export; it keeps its memory from row to row.
type exportLine struct {
	names    []string
	currency int // column; -1: none
	out      []string
}

func (l *exportLine) head(names []string) []string {
	l.names, l.currency = names, -1
	var head []string
	for i, name := range names {
		head = append(head, name)
		if amount, minor := strings.CutSuffix(name, "_minor"); minor {
			head = append(head, amount)
		}
		if name == "currency" {
			l.currency = i
		}
	}
	return head
}

func (l *exportLine) cells(values []any) []string {
	l.out = l.out[:0]
	for i, value := range values {
		text := exportCell(value)
		l.out = append(l.out, text)
		if minor, isNumber := value.(int64); strings.HasSuffix(l.names[i], "_minor") {
			decimal := ""
			if isNumber && l.currency >= 0 {
				currency, _ := values[l.currency].(string)
				decimal, _, _ = strings.Cut(ropeline.Money{Minor: minor, Currency: currency}.String(), " ")
			}
			l.out = append(l.out, decimal)
		}
	}
	return l.out
}

// exportCell writes a value. Text that a spreadsheet would take for a formula
// gets an apostrophe in front (OWASP, CSV Injection).
func exportCell(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case string:
		if v != "" && strings.ContainsRune("=+-@\t\r\n", rune(v[0])) {
			return "'" + v
		}
		return v
	}
	return fmt.Sprint(value)
}

// exportLinks are the exports of an event, for its page of orders.
func exportLinks(event ropeline.EventID) []pages.Link {
	var links []pages.Link
	for _, e := range []struct {
		what  checkout.Export
		words string
	}{{checkout.ExportOrders, "orders"}, {checkout.ExportTickets, "tickets"}, {checkout.ExportPayments, "payments and refunds"}, {checkout.ExportCheckIns, "check-ins"}} {
		links = append(links, pages.Link{Text: e.words, Href: "/admin/events/" + string(event) + "/exports/" + string(e.what) + ".csv"})
	}
	return links
}
