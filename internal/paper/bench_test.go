package paper

import (
	"io"
	"testing"
)

func BenchmarkTicketOnPaper(b *testing.B) {
	tickets := []Ticket{ticket(nil)}
	for b.Loop() {
		if err := WriteTickets(io.Discard, "Ticket", tickets); err != nil {
			b.Fatal(err)
		}
	}
}
