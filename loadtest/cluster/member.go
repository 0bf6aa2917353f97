package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// member is a process of the house, and its supervisor.
type member struct {
	name, role string
	args       []string
	options    *Options

	mu      sync.Mutex
	cmd     *exec.Cmd     // nil: it does not run
	pause   time.Duration // before it is started again
	leaving bool
	done    chan struct{} // closed when its supervisor has ended
}

// stopTime is what a process gets to end by itself.
const stopTime = 15 * time.Second

// start starts the process and its supervisor.
func (m *member) start() error {
	m.done = make(chan struct{})
	cmd, err := m.launch()
	if err != nil {
		close(m.done)
		return err
	}
	go m.supervise(cmd)
	return nil
}

func (m *member) launch() (*exec.Cmd, error) {
	log, err := os.OpenFile(filepath.Join(m.options.Dir, m.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(m.options.Ropeline, m.args...)
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = append(os.Environ(), m.options.Env...), log, log, ownGroup(true)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.leaving {
		return nil, nil
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", m.name, err)
	}
	m.cmd = cmd
	return cmd, nil
}

// supervise starts the process again whenever it ends, until it is told to
// leave.
func (m *member) supervise(cmd *exec.Cmd) {
	defer close(m.done)
	for cmd != nil {
		err := cmd.Wait()
		m.mu.Lock()
		pause, leaving := m.pause, m.leaving
		m.cmd, m.pause = nil, 0
		m.mu.Unlock()
		if leaving {
			return
		}
		fmt.Fprintf(m.options.Log, "%s ended (%v), and is started again\n", m.name, err)
		time.Sleep(max(pause, 100*time.Millisecond))
		if cmd, err = m.launch(); err != nil {
			fmt.Fprintf(m.options.Log, "%s does not start again: %v\n", m.name, err)
			return
		}
	}
}

// kill ends the process with SIGKILL; its supervisor starts it again after the
// pause.
func (m *member) kill(pause time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cmd == nil {
		return nil // it is dead already
	}
	m.pause = pause
	return m.cmd.Process.Kill()
}

func (m *member) pid() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cmd == nil {
		return 0
	}
	return m.cmd.Process.Pid
}

// stop ends the process for good.
func (m *member) stop() {
	m.mu.Lock()
	m.leaving = true
	if m.cmd != nil {
		m.cmd.Process.Signal(syscall.SIGTERM)
	}
	cmd := m.cmd
	m.mu.Unlock()
	if m.done == nil {
		return
	}
	select {
	case <-m.done:
	case <-time.After(stopTime):
		if cmd != nil {
			cmd.Process.Kill()
		}
		<-m.done
	}
}
