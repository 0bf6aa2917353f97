// Command loadtest sends a crowd of synthetic fans to a drop and judges what
// they saw. See package loadtest.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/ropeline/ropeline/loadtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	code := loadtest.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	os.Exit(code)
}
