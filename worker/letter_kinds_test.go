package worker

import (
	"slices"
	"testing"

	"github.com/ropeline/ropeline/internal/outbox"
)

// What the letters' reader leaves out would lead to no message.
func TestOtherKindsLeadToNoMessage(t *testing.T) {
	for _, kind := range outbox.Kinds() {
		if slices.Contains(letterKinds, kind) {
			continue
		}
		notices, err := (&Worker{}).noticesOf(t.Context(), outbox.Event{Kind: kind, Event: "e", Subject: "s", Payload: []byte("{}")}, nil)
		if len(notices) > 0 || err != nil {
			t.Errorf("%s: %v, %v", kind, notices, err)
		}
	}
}
