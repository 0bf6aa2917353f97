package admission

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ropeline/ropeline/queue"
)

// numbersOf writes numbers as the pace log has them: "0-49,51", ascending.
func numbersOf(members []queue.Member) string {
	numbers := make([]int64, len(members))
	for i, m := range members {
		numbers[i] = m.Number
	}
	slices.Sort(numbers)
	var b []byte
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, numbers[i], 10)
		if j > i {
			b = strconv.AppendInt(append(b, '-'), numbers[j], 10)
		}
		i = j + 1
	}
	return string(b)
}

// span is the numbers from first to last.
type span struct{ first, last int64 }

// parseNumbers reads what numbersOf wrote: spans that ascend and leave gaps.
func parseNumbers(text string) ([]span, error) {
	if text == "" {
		return nil, nil
	}
	var spans []span
	for part := range strings.SplitSeq(text, ",") {
		first, last, isSpan := strings.Cut(part, "-")
		if !isSpan {
			last = first
		}
		a, errA := strconv.ParseInt(first, 10, 64)
		b, errB := strconv.ParseInt(last, 10, 64)
		if errA != nil || errB != nil || a < 0 || b < a || len(spans) > 0 && a <= spans[len(spans)-1].last {
			return nil, fmt.Errorf("%q are no numbers of a line", text)
		}
		spans = append(spans, span{a, b})
	}
	return spans, nil
}
