package app

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ropeline/ropeline/identity"
	"github.com/ropeline/ropeline/notify"
	"github.com/ropeline/ropeline/worker"
)

// openNotify makes the senders that are configured. Without a mail server
// messages are logged only; text messages are offered when Twilio is
// configured, or nothing is.
func (a *App) openNotify() error {
	log := notify.NewLog(a.mailLog)
	senders := map[notify.Channel]notify.Sender{notify.Email: log}
	options, err := a.config.smtp()
	if err != nil {
		return err
	}
	if options != nil {
		smtp, err := notify.NewSMTP(*options)
		if err != nil {
			return err
		}
		senders[notify.Email] = smtp
	}
	switch {
	case a.config.TwilioAccount != "":
		twilio, err := notify.NewTwilio(notify.TwilioOptions{AccountSID: a.config.TwilioAccount, AuthToken: a.config.TwilioToken,
			From: a.config.TwilioFrom, BaseURL: a.config.TwilioURL})
		if err != nil {
			return err
		}
		senders[notify.SMS] = twilio
	case options == nil:
		senders[notify.SMS] = log
	}
	for _, sender := range senders {
		a.senders = append(a.senders, sender)
	}
	a.Notify = notify.New(a.pool, a.log, notify.Options{
		Senders: senders, Facts: worker.Facts(a.Checkout, a.Catalog, a.Line, a.url), PublicURL: a.url, Rate: a.config.NotifyRate,
	})
	return nil
}

// smtp is the mail server of the configuration; nil for none.
func (c Config) smtp() (*notify.SMTPOptions, error) {
	if c.SMTPURL == "" {
		return nil, nil
	}
	u, err := url.Parse(c.SMTPURL)
	if err != nil || u.Scheme != "smtp" && u.Scheme != "smtps" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("SMTP_URL: want smtp://user:password@host:587 or smtps://user:password@host:465") // the URL holds a password
	}
	o := &notify.SMTPOptions{Host: u.Hostname(), From: c.SMTPFrom, User: u.User.Username(), TLS: notify.TLS(u.Query().Get("tls"))}
	o.Password, _ = u.User.Password()
	if u.Port() != "" {
		if o.Port, err = strconv.Atoi(u.Port()); err != nil {
			return nil, fmt.Errorf("SMTP_URL: the port is no number")
		}
	}
	if u.Scheme == "smtps" {
		o.TLS = notify.TLSImplicit
	}
	if _, err := notify.NewSMTP(*o); err != nil {
		return nil, fmt.Errorf("SMTP_URL, SMTP_FROM: %w", err)
	}
	return o, nil
}

// mail posts what accounts have to say. In the demo links are shown on the
// terminal; without a mail server elsewhere only that they were asked for,
// because whoever reads a link is let in.
func (a *App) mail(ctx context.Context, kind, to string, data map[string]string) error {
	if a.Notify.Via(notify.Email) == "log" {
		if a.demo {
			a.log.WarnContext(ctx, "a mail would be sent", "kind", kind, "to", notify.Mask(to), "url", data["url"])
		} else {
			a.log.ErrorContext(ctx, "no mail server is configured: a link was asked for and not sent", "kind", kind)
		}
		return nil
	}
	notice := notify.Notice{Dedupe: "account:" + rand.Text(), Channel: notify.Email, To: to, Subject: "account", Data: notify.Data{URL: data["url"]}}
	if life, err := time.ParseDuration(data["minutes"]); err == nil {
		notice.Data.Minutes = int(life / time.Minute)
	}
	switch kind {
	case identity.MailVerification:
		notice.Kind = notify.Verify
	case identity.MailReset:
		notice.Kind = notify.Reset
	case identity.MailInvitation:
		notice.Kind = notify.Invite
		notice.Data.Note = data["by"] + " invites you to " + data["organization"] + ", as " + data["role"] + "."
	default:
		return fmt.Errorf("app: there is no mail of the kind %q", kind)
	}
	_, err := a.Notify.Post(ctx, nil, notice)
	return err
}
