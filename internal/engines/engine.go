package engines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// engine is one server process, ours or adopted.
type engine struct {
	name    string
	command []string
	dir     string // its working directory
	pidFile string
	socket  string
	logFile string
	ping    func(context.Context) error
	stop    []stopStep
	user    *user
	log     *slog.Logger

	deathSignal syscall.Signal // 0: it outlives us
	child       *child         // nil: adopted
	died        func(*engine)  // it ended by itself; may be nil
}

// stopStep is a signal and the time it is given to work.
type stopStep struct {
	signal   syscall.Signal
	patience time.Duration
}

// up returns when the engine answers: a running one is adopted, else one is
// started. It runs under the gate; alone tells that nobody else uses the data.
func (e *engine) up(ctx context.Context, alone bool) error {
	adopted, err := e.adopt(ctx, alone)
	if err != nil {
		return fmt.Errorf("%s runs, but does not answer: %w", e.name, err)
	}
	if adopted {
		e.log.Debug("adopted a running engine", "engine", e.name)
		return nil
	}
	if !alone {
		return fmt.Errorf("%s: the data are in use by another process, and its engines do not answer here; stop that process first", e.name)
	}
	return e.start(ctx)
}

// adopt waits for a living engine to answer or to end.
func (e *engine) adopt(ctx context.Context, alone bool) (adopted bool, err error) {
	began := time.Now()
	err = poll(ctx, func() (bool, error) {
		pid := e.pid()
		if pid == 0 {
			return true, nil
		}
		if adopted = e.ping(ctx) == nil; adopted {
			return true, nil
		}
		// Something swept the sockets away: such an engine can only be replaced.
		if _, err := os.Stat(e.socket); err != nil && alone && time.Since(began) > 5*time.Second {
			return true, e.down(ctx)
		}
		return false, nil
	})
	return adopted, err
}

func (e *engine) start(ctx context.Context) error {
	// Left by a kill -9; a pid file may meanwhile name a stranger, which Postgres would believe.
	for _, stale := range []string{e.pidFile, e.socket, e.socket + ".lock"} {
		if err := os.Remove(stale); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	log, err := openLog(e.logFile)
	if err != nil {
		return fmt.Errorf("%s: %w", e.name, err)
	}
	defer log.Close()
	info, err := log.Stat()
	if err != nil {
		return fmt.Errorf("%s: %w", e.name, err)
	}

	cmd := exec.Command(e.command[0], e.command[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = e.dir, engineEnv(), log, log
	child, err := launch(cmd, e.user, e.deathSignal)
	if err != nil {
		return fmt.Errorf("%s does not start: %w", e.name, err)
	}
	e.child = child
	err = poll(ctx, func() (bool, error) {
		if e.child.ended() {
			return false, fmt.Errorf("it ended with %s", e.child.how)
		}
		return e.ping(ctx) == nil, nil
	})
	if err != nil {
		return fmt.Errorf("%s does not start: %w%s", e.name, err, logTail(e.logFile, info.Size()))
	}
	go e.watch(child)
	return nil
}

// watch ends with the engine and tells if that was a surprise.
func (e *engine) watch(child *child) {
	<-child.done
	if child.leaving.Load() {
		return
	}
	e.log.Error("an engine ended by itself", "engine", e.name, "how", child.how, "log", e.logFile)
	if e.died != nil {
		e.died(e)
	}
}

// expectEnd says that the end of the process, if it is ours, is no surprise.
func (e *engine) expectEnd() {
	if e.child != nil {
		e.child.leaving.Store(true)
	}
}

// down stops the engine, ours or adopted, and waits for its end. Once ctx has
// ended no step is given more than two seconds.
func (e *engine) down(ctx context.Context) error {
	e.expectEnd()
	pid := e.pid() // the pid file goes before the process does
	if pid == 0 {
		return nil
	}
	for _, step := range e.stop {
		if err := syscall.Kill(pid, step.signal); err != nil && err != syscall.ESRCH {
			return fmt.Errorf("stop %s (pid %d): %w", e.name, pid, err)
		}
		if e.await(ctx, pid, step.patience) {
			return nil
		}
		e.log.Warn("an engine is slow to stop", "engine", e.name, "signal", step.signal)
	}
	return fmt.Errorf("%s (pid %d) does not stop", e.name, pid)
}

// await waits for the end of the process.
func (e *engine) await(ctx context.Context, pid int, patience time.Duration) (ended bool) {
	const least = 2 * time.Second
	began := time.Now()
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	err := poll(limit, func() (bool, error) {
		if ctx.Err() != nil && time.Since(began) > least {
			return false, ctx.Err()
		}
		if e.child != nil {
			return e.child.ended(), nil
		}
		return !alive(pid, e.dir), nil
	})
	return err == nil
}

// pid is that of the running engine, 0 if it does not run.
func (e *engine) pid() int {
	if e.child != nil {
		if e.child.ended() {
			return 0
		}
		return e.child.pid
	}
	content, err := os.ReadFile(e.pidFile)
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid <= 1 || !alive(pid, e.dir) {
		return 0
	}
	return pid
}

// logTail is the end of what the engine logged since offset, for an error.
func logTail(path string, offset int64) string {
	const most = 4096
	content, err := os.ReadFile(path)
	if err != nil || int64(len(content)) <= offset {
		return ""
	}
	content = bytes.TrimSpace(content[offset:])
	if len(content) > most {
		content = content[len(content)-most:]
	}
	return "\n" + path + " ends with:\n" + string(content)
}
