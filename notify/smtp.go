package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// TLS is how an SMTP connection is secured.
type TLS string

// The ways.
const (
	TLSMandatory     TLS = "mandatory"     // STARTTLS, or no mail
	TLSOpportunistic TLS = "opportunistic" // STARTTLS when it is offered
	TLSImplicit      TLS = "implicit"      // TLS from the first byte (port 465)
	TLSNone          TLS = "none"
)

// SMTPOptions tell where mail is handed over.
type SMTPOptions struct {
	Host     string
	Port     int // 0: 587, with TLSImplicit 465
	User     string
	Password string // never sent in the clear
	From     string // an address, or "Name <address>"
	TLS      TLS    // "": TLSMandatory
	// Timeout bounds connecting, and the handing over of one message; default 10 s.
	Timeout time.Duration
	// Connections is how many are kept open for the next message; default 8.
	Connections int
	// TLSConfig is for a server whose certificate the machine does not know.
	TLSConfig *tls.Config
}

// SMTP sends mail by a server. Connections are kept for half a minute.
type SMTP struct {
	options SMTPOptions
	from    netmail.Address
	domain  string // of the message ids
	idle    chan *line
}

// line is one connection to the server.
type line struct {
	client *mail.Client
	smtp   *smtp.Client
	conn   net.Conn
	used   time.Time
}

const idleTime = 30 * time.Second // servers close what is idle for longer

// NewSMTP checks the options; it does not connect.
func NewSMTP(o SMTPOptions) (*SMTP, error) {
	from, err := netmail.ParseAddress(o.From)
	if err != nil {
		return nil, fmt.Errorf("notify: the sender's address %q cannot be read", o.From)
	}
	if o.Host == "" {
		return nil, errors.New("notify: no SMTP host")
	}
	switch o.TLS {
	case "":
		o.TLS = TLSMandatory
	case TLSMandatory, TLSOpportunistic, TLSImplicit, TLSNone:
	default:
		return nil, fmt.Errorf("notify: %q is no way to secure SMTP: want mandatory, opportunistic, implicit or none", o.TLS)
	}
	if o.Port == 0 {
		if o.Port = 587; o.TLS == TLSImplicit {
			o.Port = 465
		}
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Connections <= 0 {
		o.Connections = 8
	}
	if o.TLSConfig == nil {
		o.TLSConfig = &tls.Config{}
	}
	o.TLSConfig = o.TLSConfig.Clone()
	o.TLSConfig.MinVersion = tls.VersionTLS12
	if o.TLSConfig.ServerName == "" {
		o.TLSConfig.ServerName = o.Host
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	s := &SMTP{options: o, from: *from, domain: domain, idle: make(chan *line, o.Connections)}
	if _, err := s.client(&line{}); err != nil {
		return nil, fmt.Errorf("notify: %w", err)
	}
	return s, nil
}

// Name is "smtp".
func (s *SMTP) Name() string { return "smtp" }

// Send hands one message over. What the server refuses with 5xx is permanent,
// but for 53x, by which we are not let in, and 503, by which it was asked in the
// wrong order.
func (s *SMTP) Send(ctx context.Context, m Message) error {
	letter, err := s.letter(m)
	if err != nil {
		return refuse(err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	l, err := s.take(ctx)
	if err != nil {
		return fmt.Errorf("smtp: %w", err)
	}
	// Once it is connected, the library does not know ctx.
	stop := context.AfterFunc(ctx, func() { l.conn.Close() })
	err = l.client.SendWithSMTPClient(l.smtp, letter)
	if whole := stop(); !whole || err != nil && !answered(err) {
		l.conn.Close()
	} else {
		s.keep(l)
	}
	switch {
	case err == nil, letter.IsDelivered():
		return nil // taken, whatever came after
	case refused(err):
		return refuse(fmt.Errorf("smtp: %w", err))
	}
	return fmt.Errorf("smtp: %w", err)
}

// refused tells a no to this message from every other trouble.
func refused(err error) bool {
	failed, ok := errors.AsType[*mail.SendError](err)
	return ok && failed.ErrorCode()/100 == 5 && failed.ErrorCode()/10 != 53 && failed.ErrorCode() != 503
}

// answered tells whether the server said no in so many words, and listens on
// for the next message. After a no to DATA some keep the one before, and the
// library does not take it back.
func answered(err error) bool {
	failed, ok := errors.AsType[*mail.SendError](err)
	return ok && failed.ErrorCode() != 0 && failed.ErrorCode() != 421 && failed.Reason != mail.ErrSMTPData
}

// letter writes a message as mail. The same message always has the same
// Message-ID.
func (s *SMTP) letter(m Message) (*mail.Msg, error) {
	letter := mail.NewMsg()
	letter.FromMailAddress(&s.from)
	if err := letter.To(m.To); err != nil {
		return nil, errors.New("smtp: the address cannot be written to")
	}
	letter.Subject(m.Subject)
	letter.SetMessageIDWithValue(string(m.ID) + "@" + s.domain)
	letter.SetDate()
	letter.SetGenHeader("Auto-Submitted", "auto-generated")
	letter.SetBodyString(mail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		letter.AddAlternativeString(mail.TypeTextHTML, m.HTML)
	}
	for _, picture := range m.Inline {
		err := letter.EmbedReader(picture.Name, bytes.NewReader(picture.PNG),
			mail.WithFileContentID(picture.CID), mail.WithFileContentType("image/png"))
		if err != nil {
			return nil, err
		}
	}
	return letter, nil
}

// take finds a connection that is still good, or makes one.
func (s *SMTP) take(ctx context.Context) (*line, error) {
	for {
		select {
		case l := <-s.idle:
			if time.Since(l.used) < idleTime && l.alive(ctx) {
				return l, nil
			}
			l.conn.Close()
			continue
		default:
		}
		return s.connect(ctx)
	}
}

// alive asks the server; one that has gone is not an error of the message.
func (l *line) alive(ctx context.Context) bool {
	deadline, _ := ctx.Deadline()
	l.conn.SetDeadline(deadline)
	return l.smtp.Noop() == nil
}

func (s *SMTP) keep(l *line) {
	l.used = time.Now()
	select {
	case s.idle <- l:
	default:
		l.quit()
	}
}

func (s *SMTP) connect(ctx context.Context) (*line, error) {
	l := &line{}
	client, err := s.client(l)
	if err != nil {
		return nil, err
	}
	l.client = client
	if l.smtp, err = client.DialToSMTPClientWithContext(ctx); err != nil {
		if l.conn != nil {
			l.conn.Close() // the library leaves it open
		}
		return nil, err
	}
	return l, nil
}

// client is the library's client of one connection.
func (s *SMTP) client(l *line) (*mail.Client, error) {
	o := s.options
	policy := map[TLS]mail.TLSPolicy{TLSMandatory: mail.TLSMandatory, TLSOpportunistic: mail.TLSOpportunistic,
		TLSImplicit: mail.TLSOpportunistic, TLSNone: mail.NoTLS}[o.TLS]
	options := []mail.Option{
		mail.WithPort(o.Port), mail.WithTimeout(o.Timeout), mail.WithTLSPolicy(policy), mail.WithTLSConfig(o.TLSConfig), mail.WithoutNoop(),
		mail.WithDialContextFunc(func(ctx context.Context, network, _ string) (conn net.Conn, err error) {
			address := net.JoinHostPort(o.Host, strconv.Itoa(o.Port))
			if o.TLS == TLSImplicit {
				conn, err = (&tls.Dialer{Config: o.TLSConfig}).DialContext(ctx, network, address)
			} else {
				conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
			}
			l.conn = conn
			return conn, err
		}),
	}
	if o.User != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(o.User), mail.WithPassword(o.Password))
	}
	return mail.NewClient(o.Host, options...)
}

func (l *line) quit() {
	l.conn.SetDeadline(time.Now().Add(time.Second))
	l.smtp.Quit()
	l.conn.Close()
}

// Close says goodbye on the connections that are kept.
func (s *SMTP) Close() error {
	for {
		select {
		case l := <-s.idle:
			l.quit()
		default:
			return nil
		}
	}
}
