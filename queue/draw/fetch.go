package draw

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// quicknetHash names quicknet in the addresses of drand's HTTP API.
const quicknetHash = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"

const (
	fetchTime = 5 * time.Second
	mostRound = 4 << 10 // bytes of an answer
)

// Fetcher gets rounds of quicknet over drand's HTTP API, from one of drand's
// servers or from a relay of one's own. What it returns has passed Check: a
// server can only keep a round back, not make one up.
type Fetcher struct {
	url    string
	client *http.Client
}

// NewFetcher fetches below a base URL such as https://api.drand.sh.
func NewFetcher(baseURL string) *Fetcher {
	return &Fetcher{
		url: strings.TrimRight(baseURL, "/") + "/" + quicknetHash + "/public/",
		client: &http.Client{Timeout: fetchTime, CheckRedirect: func(*http.Request, []*http.Request) error {
			return fmt.Errorf("draw: drand's server leads elsewhere")
		}},
	}
}

// Value is the value of a promised round.
func (f *Fetcher) Value(ctx context.Context, promise string) (string, error) {
	round, err := roundOf(promise)
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url+promise, nil)
	if err != nil {
		return "", err
	}
	answer, err := f.client.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("draw: drand's server answers %s for round %d", answer.Status, round)
	}
	var told struct {
		Round     int64  `json:"round"`
		Signature string `json:"signature"`
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, mostRound)).Decode(&told); err != nil {
		return "", fmt.Errorf("draw: drand's server answers no round: %w", err)
	}
	if told.Round != round {
		return "", fmt.Errorf("draw: drand's server answers round %d instead of %d", told.Round, round)
	}
	return told.Signature, drand{}.Check(promise, told.Signature)
}
