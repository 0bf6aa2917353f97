package notify

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"mime"
	"mime/multipart"
	"net"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	smtpserver "github.com/emersion/go-smtp"
)

// mailServer is a real SMTP server on a loopback port, whose next answers a
// test may choose.
type mailServer struct {
	t      testing.TB
	server *smtpserver.Server
	port   int
	roots  *x509.CertPool

	mu       sync.Mutex
	got      []string // messages as they came
	logins   int
	conns    int // sessions: one more with STARTTLS
	last     *smtpserver.Conn
	atRcpt   []error // what the next RCPT commands are answered; nil: ok
	atData   []error // likewise after the next messages, which were taken then
	cut      int     // so many connections end after the message, without an answer
	stall    chan struct{}
	tlsConns int
}

func newMailServer(t testing.TB, change ...func(*smtpserver.Server)) *mailServer {
	t.Helper()
	m := &mailServer{t: t, stall: make(chan struct{})}
	certificate, roots := selfSigned(t)
	m.roots = roots
	m.server = smtpserver.NewServer(smtpserver.BackendFunc(func(c *smtpserver.Conn) (smtpserver.Session, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.conns++
		m.last = c
		return &mailSession{mailServer: m, conn: c}, nil
	}))
	m.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}}
	m.server.Domain = "mail.test"
	m.server.ErrorLog = log.New(io.Discard, "", 0)
	m.server.ReadTimeout, m.server.WriteTimeout = 30*time.Second, 30*time.Second
	for _, change := range change {
		change(m.server)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.port = listener.Addr().(*net.TCPAddr).Port
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.server.Serve(listener)
	}()
	t.Cleanup(func() {
		close(m.stall)
		m.server.Close()
		listener.Close() // in case the server has not begun yet
		<-done
	})
	return m
}

// sender connects to the server as a fan's house would.
func (m *mailServer) sender(change ...func(*SMTPOptions)) *SMTP {
	m.t.Helper()
	o := SMTPOptions{Host: "127.0.0.1", Port: m.port, From: "Box Office <tickets@house.example>", Timeout: 20 * time.Second,
		TLSConfig: &tls.Config{RootCAs: m.roots}}
	for _, change := range change {
		change(&o)
	}
	s, err := NewSMTP(o)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { s.Close() })
	return s
}

func (m *mailServer) messages() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.got)
}

func (m *mailServer) set(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

// next takes the first of a list of answers.
func next(list *[]error) (err error) {
	if len(*list) > 0 {
		err, *list = (*list)[0], (*list)[1:]
	}
	return err
}

var (
	notNow     = &smtpserver.SMTPError{Code: 451, EnhancedCode: smtpserver.EnhancedCode{4, 3, 0}, Message: "try again later"}
	never      = &smtpserver.SMTPError{Code: 550, EnhancedCode: smtpserver.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
	errStalled = errors.New("the answer never comes")
)

type mailSession struct {
	*mailServer
	conn *smtpserver.Conn
	to   string
}

func (s *mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "house" || password != "secret" {
			return smtpserver.ErrAuthFailed
		}
		s.set(func() { s.logins++ })
		return nil
	}), nil
}

func (s *mailSession) Mail(string, *smtpserver.MailOptions) error {
	if _, secure := s.conn.TLSConnectionState(); secure {
		s.set(func() { s.tlsConns++ })
	}
	return nil
}

func (s *mailSession) Rcpt(to string, _ *smtpserver.RcptOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to = to
	return next(&s.atRcpt)
}

func (s *mailSession) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	answer := next(&s.atData)
	cut := s.cut > 0
	if answer == nil || answer == errStalled {
		s.got = append(s.got, string(body))
	}
	if cut {
		s.cut--
	}
	s.mu.Unlock()
	if cut {
		s.conn.Conn().Close()
		return nil
	}
	if answer == errStalled {
		<-s.stall
		return notNow
	}
	return answer
}

func (s *mailSession) Reset()        {}
func (s *mailSession) Logout() error { return nil }

// parsedMail is a message taken apart as a mail program does.
type parsedMail struct {
	header   mail.Header
	subject  string
	text     string
	html     string
	pictures map[string][]byte // by content id
	kinds    []string          // of the parts, nested ones indented
}

func parseMail(t testing.TB, raw string) parsedMail {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	p := parsedMail{header: m.Header, pictures: map[string][]byte{}}
	if p.subject, err = (&mime.WordDecoder{}).DecodeHeader(m.Header.Get("Subject")); err != nil {
		t.Fatal(err)
	}
	p.part(t, m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Header.Get, m.Body, "")
	return p
}

func (p *parsedMail) part(t testing.TB, contentType, encoding string, header func(string) string, r io.Reader, indent string) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		t.Fatal(err)
	}
	p.kinds = append(p.kinds, indent+kind)
	if strings.HasPrefix(kind, "multipart/") {
		parts := multipart.NewReader(r, params["boundary"])
		for {
			part, err := parts.NextPart() // decodes quoted-printable
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			p.part(t, part.Header.Get("Content-Type"), part.Header.Get("Content-Transfer-Encoding"), part.Header.Get, part, indent+" ")
		}
	}
	if encoding == "base64" {
		r = base64Reader(r)
	}
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	switch kind {
	case "text/plain":
		p.text = string(body)
	case "text/html":
		p.html = string(body)
	default:
		if !strings.HasPrefix(header("Content-Disposition"), "inline") {
			t.Errorf("a part is %q", header("Content-Disposition"))
		}
		p.pictures[strings.Trim(header("Content-ID"), "<>")] = body
	}
}

func selfSigned(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}
