// Command ropeline is the waiting room and box office; see package app.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/ropeline/ropeline/internal/app"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	code := app.Main(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
