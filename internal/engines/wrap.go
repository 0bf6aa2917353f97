package engines

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// RunWith runs a command beside a temporary pair of engines, whose addresses it
// finds in its environment, and stops them after it. It returns the exit code
// of the command; signals are passed on to it. `make test` runs go test this
// way, so that all packages share one pair.
func RunWith(command []string) int {
	if len(command) == 0 {
		fmt.Fprintln(os.Stderr, "usage: withengines COMMAND [ARGUMENT ...]")
		return 2
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)

	code, err := runWith(command, signals)
	if err != nil {
		fmt.Fprintln(os.Stderr, "withengines:", err)
		code = max(code, 1)
	}
	return code
}

func runWith(command []string, signals <-chan os.Signal) (code int, err error) {
	run := &testRun{}
	defer func() { err = errors.Join(err, run.close()) }()
	if err := run.start(context.Background()); err != nil {
		return 1, err
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), DatabaseVariable+"="+run.databaseURL, RedisVariable+"="+run.redisURL)
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			cmd.Process.Signal(s) // it may have ended just now
		case err := <-ended:
			return exitCode(err)
		}
	}
}

// exitCode is the code a shell would report.
func exitCode(err error) (int, error) {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return 0, err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return exit.ExitCode(), nil
}
