package ropeline

import (
	"encoding/json"
	"strconv"
	"time"
)

// AppendJSON appends what json.Marshal writes. Frames, polls and joins are
// written by the ten thousand a second, and reflection was a tenth of a join.
func (s *Status) AppendJSON(b []byte) []byte {
	b = append(b, `{"event":`...)
	b = appendString(b, string(s.Event))
	b = append(b, `,"phase":`...)
	b = appendString(b, string(s.Phase))
	b = append(b, `,"standing":`...)
	b = appendString(b, string(s.Standing))
	if s.Paused {
		b = append(b, `,"paused":true`...)
	}
	b = strconv.AppendInt(append(b, `,"epoch":`...), s.Epoch, 10)
	b = appendField(b, `,"offset":`, s.Offset)
	b = strconv.AppendInt(append(b, `,"number":`...), s.Number, 10)
	b = strconv.AppendInt(append(b, `,"position":`...), s.Position, 10)
	b = strconv.AppendInt(append(b, `,"waiting":`...), s.Waiting, 10)
	b = appendField(b, `,"reason":`, s.Reason)
	if s.Wait != nil {
		b = strconv.AppendInt(append(b, `,"wait":{"low":`...), s.Wait.Low, 10)
		b = strconv.AppendInt(append(b, `,"high":`...), s.Wait.High, 10)
		b = append(b, '}')
	}
	b = appendField(b, `,"place":`, s.Place)
	b = appendField(b, `,"pass":`, s.Pass)
	b = appendTime(b, `,"pass_until":`, s.PassUntil)
	b = appendTime(b, `,"shop_until":`, s.ShopUntil)
	b = appendTime(b, `,"drop_at":`, s.DropAt)
	for i, left := range s.Stock {
		separator := `,{"id":`
		if i == 0 {
			separator = `,"stock":[{"id":`
		}
		b = appendString(append(b, separator...), string(left.TicketType))
		b = append(strconv.AppendInt(append(b, `,"available":`...), left.Available, 10), '}')
		if i == len(s.Stock)-1 {
			b = append(b, ']')
		}
	}
	if a := s.Announcement; a != nil {
		b = appendString(append(b, `,"announcement":{"id":`...), a.ID)
		b = appendString(append(b, `,"text":`...), a.Text)
		b = append(appendTime(b, `,"at":`, &a.At), '}')
	}
	if s.NextMS != 0 {
		b = strconv.AppendInt(append(b, `,"next_ms":`...), s.NextMS, 10)
	}
	b = appendField(b, `,"fan_token":`, s.FanToken)
	return append(b, '}')
}

func appendField(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendString(append(b, name...), value)
}

// appendString quotes; our ids, words and tokens need no escaping, and what
// does goes the long way.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(s) // a string cannot fail
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func appendTime(b []byte, name string, t *time.Time) []byte {
	if t == nil {
		return b
	}
	b = append(append(b, name...), '"')
	b = t.AppendFormat(b, time.RFC3339Nano)
	return append(b, '"')
}
