package engines

import (
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"syscall"
)

// child is a process that we started.
type child struct {
	pid  int
	done chan struct{} // closed when it has ended
	how  string        // "exit status 1", "signal: killed"; once done is closed

	leaving atomic.Bool // its end is no surprise
}

// launch starts cmd in a process group of its own. If deathSignal is not 0 the
// kernel sends it when this process dies, where the kernel can (Linux).
func launch(cmd *exec.Cmd, user *user, deathSignal syscall.Signal) (*child, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: user.credential()}
	setDeathSignal(cmd.SysProcAttr, deathSignal)
	c := &child{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The death signal follows the thread that forked, so that thread must outlive the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(c.done)
		err := cmd.Start()
		if err == nil {
			c.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			cmd.Wait() // its error says less than the state
			c.how = cmd.ProcessState.String()
		}
	}()
	return c, <-started
}

func (c *child) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// engineEnv keeps the caller's PG* variables, locale and time zone away from the engines.
func engineEnv() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC", "HOME=/"}
}
