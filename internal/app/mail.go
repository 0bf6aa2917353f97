package app

import "context"

// mail stands where no sender is configured. In the demo the links are shown
// on the terminal; elsewhere only that they were asked for, because whoever
// reads a link is let in.
func (a *App) mail(ctx context.Context, kind, to string, data map[string]string) error {
	if a.demo {
		a.log.WarnContext(ctx, "a mail would be sent", "kind", kind, "to", to, "url", data["url"])
		return nil
	}
	a.log.ErrorContext(ctx, "no sender of mail is configured: a link was asked for and not sent", "kind", kind)
	return nil
}
