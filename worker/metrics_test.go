package worker

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
)

func TestSweepsAndTasksAreMeasured(t *testing.T) {
	w := &Worker{log: slog.New(slog.DiscardHandler), metrics: newMetrics()}
	registry := prometheus.NewRegistry()
	registry.MustRegister(w.metrics.sweeps, w.metrics.tasks)
	ctx, stop := context.WithCancel(t.Context())
	runs := 0
	err := w.every(ctx, loop{name: "test", pause: time.Millisecond, runOnce: func(context.Context) (int, error) {
		switch runs++; runs {
		case 2:
			return 0, errors.New("once")
		case 4:
			stop()
		}
		return 1, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.handle(t.Context(), asynq.NewTask("unknown", nil)); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			key := f.GetName()
			for _, label := range m.GetLabel() {
				key += " " + label.GetValue()
			}
			got[key] = m.GetHistogram().GetSampleCount()
		}
	}
	if got["ropeline_sweep_seconds failed test"] != 1 || got["ropeline_sweep_seconds ok test"] != 3 || got["ropeline_task_seconds failed unknown"] != 1 {
		t.Errorf("%v", got)
	}
}
