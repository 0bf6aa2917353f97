package stripe

import (
	"fmt"
	"log/slog"
)

// logger gives the library's words to slog, all of them for debugging: what
// matters comes back as an error. Its Debugf has whole answers, with the
// payer's secret in them, and is let go.
type logger struct{ log *slog.Logger }

func (l logger) Debugf(string, ...any)             {}
func (l logger) Infof(format string, args ...any)  { l.log.Debug(fmt.Sprintf(format, args...)) }
func (l logger) Warnf(format string, args ...any)  { l.log.Debug(fmt.Sprintf(format, args...)) }
func (l logger) Errorf(format string, args ...any) { l.log.Debug(fmt.Sprintf(format, args...)) }
