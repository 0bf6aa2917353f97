package engines

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// redisConf has no snapshots: what must not be lost is in Postgres. There are
// many logical databases because every test takes one.
const redisConf = `# Written by ropeline at every start.
port 0
unixsocketperm 700
daemonize no
databases 4096
save ""
maxmemory-policy noeviction
`

// durableRedis rewrites its log late: the fork that a rewrite begins with stops
// Redis for some 30 ms, and the default of 64 MB comes in the middle of a draw.
const durableRedis = `appendonly yes
appendfsync everysec
auto-aof-rewrite-min-size 512mb
`

func newRedis(h home, o Options) (*engine, error) {
	conf := redisConf
	if o.Durable {
		conf += durableRedis
	}
	return redisIn(h, "redis", conf, o)
}

// redisIn describes a Redis of its own directory, socket and configuration.
func redisIn(h home, name, conf string, o Options) (*engine, error) {
	server, err := findRedis()
	if err != nil {
		return nil, err
	}
	data := h.path(name)
	if err := h.mkdir(data); err != nil {
		return nil, err
	}
	socket := filepath.Join(h.sockets, name+".sock")
	pidFile := filepath.Join(data, "redis.pid")
	conf += fmt.Sprintf("unixsocket %s\ndir %s\npidfile %s\n", redisQuote(socket), redisQuote(data), redisQuote(pidFile))
	if err := writeFile(h.path(name+".conf"), conf); err != nil {
		return nil, err
	}
	e := &engine{
		name:    "Redis",
		command: []string{server, h.path(name + ".conf")},
		dir:     data,
		pidFile: pidFile,
		socket:  socket,
		logFile: h.path(name + ".log"),
		ping:    func(ctx context.Context) error { return pingRedis(ctx, socket) },
		stop:    []stopStep{{syscall.SIGTERM, 20 * time.Second}, {syscall.SIGKILL, 5 * time.Second}},
		user:    h.user,
		log:     o.Log,
	}
	if o.dieWithUs {
		e.deathSignal = syscall.SIGKILL
	}
	return e, nil
}

// redisQuote writes a path as redis.conf reads it.
func redisQuote(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(path) + `"`
}

// pingRedis is nil when Redis answers and has loaded its data.
func pingRedis(ctx context.Context, socket string) error {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if answer != "+PONG\r\n" {
		return fmt.Errorf("the answer to PING is %q", answer)
	}
	return nil
}
