package engines

import (
	"context"
	"time"
)

// revive starts an engine again that has died under the program that had
// started it, until it answers or Stop begins. What its clients asked for
// meanwhile failed; they come again.
func (e *Engines) revive(one *engine) {
	for wait := 500 * time.Millisecond; ; wait = min(2*wait, 15*time.Second) {
		select {
		case <-e.ended.Done():
			return
		case <-time.After(wait):
		}
		err := e.again(one)
		if e.ended.Err() != nil {
			return
		}
		if err == nil {
			e.log.Warn("an engine was started again", "engine", one.name)
			return
		}
		e.log.Error("an engine cannot be started again yet", "engine", one.name, "err", err)
	}
}

// again starts an engine whose process has ended, under the gate. Another
// process cannot have started it: this one still has its share.
func (e *Engines) again(one *engine) error {
	e.stopping.Lock()
	defer e.stopping.Unlock()
	ctx, cancel := context.WithTimeout(e.ended, startPatience)
	defer cancel()
	gate, err := e.home.gate(ctx)
	if err != nil {
		return err
	}
	defer gate.release()
	return one.start(ctx)
}
