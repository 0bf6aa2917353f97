package notify

import (
	"context"
	"log/slog"
)

// Log writes to the log what it would send: for development, and until a mail
// server is configured.
type Log struct{ log *slog.Logger }

// NewLog makes one.
func NewLog(log *slog.Logger) *Log { return &Log{log: log} }

// Name is "log".
func (l *Log) Name() string { return "log" }

// Send logs the message, its text at debug level only: it may hold links that
// are worth something.
func (l *Log) Send(ctx context.Context, m Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.log.InfoContext(ctx, "message not sent, only logged", "id", m.ID, "to", Mask(m.To), "subject", m.Subject, "pictures", len(m.Inline))
	l.log.DebugContext(ctx, "its text", "id", m.ID, "text", m.Text)
	return nil
}

// Close does nothing.
func (l *Log) Close() error { return nil }
