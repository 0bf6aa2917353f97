package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// observe answers /metrics, /healthz and /readyz on an address of its own,
// whatever the process does, until ctx ends.
func (a *App) observe(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := a.ready(r.Context()); err != nil {
			a.log.DebugContext(r.Context(), "not ready", "error", err)
			http.Error(w, "an engine does not answer", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	server := &http.Server{Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 8 << 10,
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug)}
	unhook := context.AfterFunc(ctx, func() { server.Close() })
	defer unhook()
	if err := server.Serve(a.metricsListener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// ready tells that both engines answer within a second.
func (a *App) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := a.pool.Ping(ctx); err != nil {
		return err
	}
	return a.redis.Read.Ping(ctx).Err()
}
