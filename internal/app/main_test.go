package app

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/ropeline/ropeline/internal/engines"
)

// childVariable makes the test binary be the program: tests that kill
// processes run it again with the program's own arguments.
const childVariable = "ROPELINE_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		os.Exit(Main(ctx, os.Args[1:], os.Stdout, os.Stderr))
	}
	engines.Main(m)
}
