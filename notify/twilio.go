package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/twilio/twilio-go/client"
	api "github.com/twilio/twilio-go/rest/api/v2010"
)

// TwilioOptions tell in whose name text messages are sent.
type TwilioOptions struct {
	AccountSID string
	AuthToken  string
	From       string // a number in E.164 form, or a messaging service's SID (MG…)
	BaseURL    string // "": https://api.twilio.com
	// Timeout bounds one call; default 10 s.
	Timeout time.Duration
}

// Twilio sends text messages. Its API knows no key of ours, so a message whose
// answer was lost comes twice, in the same words.
type Twilio struct {
	options TwilioOptions
	base    *url.URL
	http    *http.Transport
}

// NewTwilio checks the options; it does not call.
func NewTwilio(o TwilioOptions) (*Twilio, error) {
	if o.AccountSID == "" || o.AuthToken == "" || o.From == "" {
		return nil, errors.New("notify: Twilio needs an account, its token and a sender")
	}
	if o.BaseURL == "" {
		o.BaseURL = "https://api.twilio.com"
	}
	base, err := url.Parse(o.BaseURL)
	if err != nil || base.Scheme != "https" && base.Scheme != "http" || base.Host == "" {
		return nil, fmt.Errorf("notify: Twilio's address %q cannot be used", o.BaseURL)
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 8
	return &Twilio{options: o, base: base, http: transport}, nil
}

// Name is "twilio".
func (t *Twilio) Name() string { return "twilio" }

// Send asks Twilio to send a message. A number that cannot get any is a
// permanent error; being refused entry, or told to wait, is not.
func (t *Twilio) Send(ctx context.Context, m Message) error {
	rest := &client.Client{
		Credentials: client.NewCredentials(t.options.AccountSID, t.options.AuthToken),
		HTTPClient: &http.Client{Transport: called{ctx, t},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	rest.SetAccountSid(t.options.AccountSID)
	params := (&api.CreateMessageParams{}).SetTo(m.To).SetBody(m.Text)
	if len(t.options.From) > 2 && t.options.From[:2] == "MG" {
		params.SetMessagingServiceSid(t.options.From)
	} else {
		params.SetFrom(t.options.From)
	}
	_, err := api.NewApiServiceWithClient(rest).CreateMessage(params)
	if err == nil {
		return nil
	}
	if said, ok := errors.AsType[*client.TwilioRestError](err); ok && said.Status/100 == 4 {
		switch said.Status {
		case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusRequestTimeout, http.StatusTooManyRequests:
		default:
			return refuse(fmt.Errorf("twilio: %w", err))
		}
	}
	return fmt.Errorf("twilio: %w", err)
}

// Close lets the connections go.
func (t *Twilio) Close() error {
	t.http.CloseIdleConnections()
	return nil
}

// called gives the library's calls a context and a bound, and sends them to
// the base address. The answer is read whole here: the library leaves the body
// of an error open.
type called struct {
	ctx context.Context
	*Twilio
}

const mostAnswer = 1 << 20 // bytes read of an answer

func (c called) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(c.ctx, c.options.Timeout)
	defer cancel()
	r = r.Clone(ctx)
	r.URL.Scheme, r.URL.Host, r.Host = c.base.Scheme, c.base.Host, c.base.Host
	answer, err := c.http.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, mostAnswer))
	if err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return answer, nil
}
