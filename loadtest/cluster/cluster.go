package cluster

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ropeline/ropeline/loadtest/fault"
)

// Options are how a house is started.
type Options struct {
	Ropeline string        // the program; the one beside this program, or on the PATH, when empty
	Env      []string      // more environment for it
	Dir      string        // for data and logs; made when missing
	Hold     time.Duration // of reservations
	Proxied  bool          // proxies stand between the parts
	Verbose  bool
	Log      io.Writer // what happens to the processes; nil: nowhere

	Web, Admission, Worker int // processes; 0: three, two, two
}

// Cluster is a running house.
type Cluster struct {
	OwnerEmail, OwnerPassword string

	options  Options
	keeper   *keeper
	members  []*member
	nodes    []string // base URLs of the nodes themselves
	fronts   []*fault.Proxy
	behind   map[string]*fault.Proxy // by engine
	webhooks *fault.Webhooks
	turn     atomic.Int64
	urls     []string
}

// startTime bounds the start of a process.
const startTime = time.Minute

// Start starts a house and waits until all its nodes are ready.
func Start(ctx context.Context, o Options) (c *Cluster, err error) {
	o.Web, o.Admission, o.Worker = cmp.Or(o.Web, 3), cmp.Or(o.Admission, 2), cmp.Or(o.Worker, 2)
	if o.Log == nil {
		o.Log = io.Discard
	}
	if o.Ropeline, err = program(o.Ropeline); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, err
	}
	c = &Cluster{options: o, behind: make(map[string]*fault.Proxy)}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Stop())
		}
	}()
	if c.keeper, err = startKeeper(ctx, o); err != nil {
		return nil, err
	}
	database, redis, err := c.engineURLs()
	if err != nil {
		return nil, err
	}
	if c.webhooks, err = fault.NewWebhooks(func() string { return c.nodes[int(c.turn.Add(1))%len(c.nodes)] }); err != nil {
		return nil, err
	}
	if err := c.places(); err != nil {
		return nil, err
	}
	common := []string{"serve", "--database-url", database, "--redis-url", redis, "--hold", o.Hold.String(), "--log-level", "warn"}
	add := func(role string, n int, more ...string) {
		c.members = append(c.members, &member{
			name: fmt.Sprintf("%s-%d", role, n+1), role: role, options: &c.options,
			args: append(append([]string{}, common...), append([]string{"--roles", role}, more...)...),
		})
	}
	for i := range o.Web {
		add("web", i, "--listen", strings.TrimPrefix(c.nodes[i], "http://"), "--public-url", c.urls[0],
			"--origins", strings.Join(append(append([]string{}, c.urls...), c.nodes...), ","), "--join-limit", "0")
	}
	for i := range o.Admission {
		add("admission", i)
	}
	for i := range o.Worker {
		add("worker", i, "--public-url", c.webhooks.URL())
	}
	if err := c.owner(ctx, database, redis); err != nil {
		return nil, err
	}
	for _, m := range c.members {
		if err := m.start(); err != nil {
			return nil, err
		}
	}
	return c, c.ready(ctx)
}

// program finds the ropeline program.
func program(path string) (string, error) {
	if path != "" {
		return exec.LookPath(path)
	}
	if self, err := os.Executable(); err == nil {
		if beside := filepath.Join(filepath.Dir(self), "ropeline"); isFile(beside) {
			return beside, nil
		}
	}
	path, err := exec.LookPath("ropeline")
	if err != nil {
		return "", errors.New("the ropeline program is not beside loadtest and not on the PATH: build it (make build) or name it with --ropeline")
	}
	return path, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// engineURLs are where the members find the engines: through proxies, where
// there are any.
func (c *Cluster) engineURLs() (database, redis string, err error) {
	if !c.options.Proxied {
		return c.keeper.Database, c.keeper.Redis, nil
	}
	pg, err := url.Parse(c.keeper.Database)
	if err != nil {
		return "", "", err
	}
	rd, err := url.Parse(c.keeper.Redis)
	if err != nil {
		return "", "", err
	}
	socket := filepath.Join(pg.Query().Get("host"), ".s.PGSQL."+pg.Query().Get("port"))
	for name, path := range map[string]string{"postgres": socket, "redis": rd.Path} {
		if c.behind[name], err = fault.NewProxy("unix", path); err != nil {
			return "", "", err
		}
	}
	return "postgres://ropeline@" + c.behind["postgres"].Addr() + "/ropeline?sslmode=disable", "redis://" + c.behind["redis"].Addr() + "/0", nil
}

// places finds a port for each node, and proxies in front of them.
func (c *Cluster) places() error {
	for range c.options.Web {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		address := listener.Addr().String()
		listener.Close() // the node takes it
		c.nodes = append(c.nodes, "http://"+address)
		front := address
		if c.options.Proxied {
			proxy, err := fault.NewProxy("tcp", address)
			if err != nil {
				return err
			}
			c.fronts, front = append(c.fronts, proxy), proxy.Addr()
		}
		c.urls = append(c.urls, "http://"+front)
	}
	return nil
}

// owner makes the organizer's account; it also brings the schema up before
// several processes want to.
func (c *Cluster) owner(ctx context.Context, database, redis string) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.options.Ropeline, "reset-owner", "--database-url", database, "--redis-url", redis, "--log-level", "warn")
	cmd.Env = append(os.Environ(), c.options.Env...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("ropeline reset-owner: %w: %s", err, said.String())
	}
	line, _, _ := strings.Cut(string(out), "\n")
	_, words, _ := strings.Cut(line, ": ")
	fields := strings.Fields(words)
	if len(fields) != 2 {
		return fmt.Errorf("ropeline reset-owner printed %q, and no account", line)
	}
	c.OwnerEmail, c.OwnerPassword = fields[0], fields[1]
	return nil
}

// ready waits until every node says that it is.
func (c *Cluster) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	client := &http.Client{Timeout: 3 * time.Second}
	defer client.CloseIdleConnections()
	for _, node := range c.nodes {
		for {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, node+"/readyz", nil)
			if err != nil {
				return err
			}
			if res, err := client.Do(req); err == nil {
				res.Body.Close()
				if res.StatusCode == http.StatusOK {
					break
				}
			}
			if !wait(ctx, 50*time.Millisecond) {
				return fmt.Errorf("node %s is not ready after %v; its log is in %s", node, startTime, c.options.Dir)
			}
		}
	}
	return nil
}

// URLs are the nodes as fans reach them.
func (c *Cluster) URLs() []string { return c.urls }

// DatabaseURL is the house's Postgres, past any proxy.
func (c *Cluster) DatabaseURL() string { return c.keeper.Database }

// RedisURL is the house's Redis, past any proxy.
func (c *Cluster) RedisURL() string { return c.keeper.Redis }

// Processes are the pids by name.
func (c *Cluster) Processes() map[string]int {
	pids := make(map[string]int)
	for _, m := range c.members {
		if pid := m.pid(); pid > 0 {
			pids[m.name] = pid
		}
	}
	return pids
}

// Nodes are the base URLs of the nodes themselves, past any proxy.
func (c *Cluster) Nodes() []string { return c.nodes }

// Kill ends one process of a role, each in turn.
func (c *Cluster) Kill(ctx context.Context, role string, pause time.Duration) (string, error) {
	var of []*member
	for _, m := range c.members {
		if m.role == role {
			of = append(of, m)
		}
	}
	if len(of) == 0 {
		return "", fmt.Errorf("there is no process of the role %q", role)
	}
	m := of[int(c.turn.Add(1))%len(of)]
	return m.name, m.kill(pause)
}

// Restart is the keeper's.
func (c *Cluster) Restart(ctx context.Context, engine string, wipe bool) error {
	return c.keeper.restart(ctx, engine, wipe)
}

// Proxies are those in front of the nodes, or of an engine.
func (c *Cluster) Proxies(target string) []*fault.Proxy {
	if target == "fans" {
		return c.fronts
	}
	if proxy := c.behind[target]; proxy != nil {
		return []*fault.Proxy{proxy}
	}
	return nil
}

// Webhooks is the relay of the gateway's webhooks.
func (c *Cluster) Webhooks() *fault.Webhooks { return c.webhooks }

// Stop ends everything.
func (c *Cluster) Stop() error {
	var errs []error
	var stopping sync.WaitGroup
	for _, m := range c.members {
		stopping.Go(m.stop)
	}
	stopping.Wait()
	if c.webhooks != nil {
		errs = append(errs, c.webhooks.Close())
	}
	for _, p := range c.fronts {
		errs = append(errs, p.Close())
	}
	for _, p := range c.behind {
		errs = append(errs, p.Close())
	}
	if c.keeper != nil {
		errs = append(errs, c.keeper.stop())
	}
	return errors.Join(errs...)
}

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// keeper is the process that keeps the engines.
type keeper struct {
	Database string `json:"database_url"`
	Redis    string `json:"redis_url"`

	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Scanner
	order sync.Mutex
}

func startKeeper(ctx context.Context, o Options) (*keeper, error) {
	log, err := os.Create(filepath.Join(o.Dir, "engines.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	dir, err := filepath.Abs(filepath.Join(o.Dir, "data"))
	if err != nil {
		return nil, err
	}
	k := &keeper{cmd: exec.Command(o.Ropeline, "engines", "--data-dir", dir, "--log-level", "warn")}
	k.cmd.Env, k.cmd.Stderr, k.cmd.SysProcAttr = append(os.Environ(), o.Env...), log, ownGroup(false)
	if k.in, err = k.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := k.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := k.cmd.Start(); err != nil {
		return nil, err
	}
	k.out = bufio.NewScanner(out)
	if !k.out.Scan() {
		return nil, errors.Join(fmt.Errorf("the engines do not start; see %s", log.Name()), k.stop())
	}
	if err := json.Unmarshal(k.out.Bytes(), k); err != nil {
		return nil, errors.Join(fmt.Errorf("the engines' keeper printed %q", k.out.Text()), k.stop())
	}
	return k, nil
}

func (k *keeper) restart(_ context.Context, engine string, wipe bool) error {
	k.order.Lock()
	defer k.order.Unlock()
	verb := "restart"
	if wipe {
		verb = "wipe"
	}
	if _, err := fmt.Fprintln(k.in, verb, engine); err != nil {
		return err
	}
	if !k.out.Scan() {
		return errors.New("the engines' keeper has ended")
	}
	if answer := k.out.Text(); answer != "ok" {
		return errors.New(answer)
	}
	return nil
}

func (k *keeper) stop() error {
	k.in.Close()
	return k.cmd.Wait()
}
