package engines

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// postgresConf is written at every start. It begins with what initdb found out
// about the machine, such as the kind of shared memory that works. ALTER SYSTEM
// goes to a file of its own and wins, for machines that need other sizes.
const postgresConf = `# Written by ropeline at every start; change settings with ALTER SYSTEM.
include 'postgres/postgresql.conf'
listen_addresses = ''
port = 5432
unix_socket_permissions = 0700
max_connections = 200
timezone = 'UTC'
log_timezone = 'UTC'
random_page_cost = 1.1
jit = off
`

const durablePostgres = `shared_buffers = 256MB
synchronous_commit = on
wal_compression = on
max_wal_size = 2GB
min_wal_size = 256MB
checkpoint_timeout = 15min
`

const hastyPostgres = `max_connections = 400
shared_buffers = 128MB
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = 2GB
checkpoint_timeout = 1h
`

func newPostgres(ctx context.Context, h home, o Options) (*engine, error) {
	data := h.path("postgres")
	major, err := dataMajor(data)
	if err != nil {
		return nil, err
	}
	binaries, err := findPostgres(ctx, major)
	if err != nil {
		return nil, err
	}
	if major == 0 {
		if err := initdb(ctx, h, binaries, data, o); err != nil {
			return nil, err
		}
	}
	conf := postgresConf + "unix_socket_directories = '" + h.sockets + "'\n"
	if o.Durable {
		conf += durablePostgres
	} else {
		conf += hastyPostgres
	}
	if err := writeFile(h.path("postgres.conf"), conf); err != nil {
		return nil, err
	}
	e := &engine{
		name:    "PostgreSQL",
		command: []string{binaries.postgres, "-D", data, "-c", "config_file=" + h.path("postgres.conf")},
		dir:     data,
		pidFile: filepath.Join(data, "postmaster.pid"),
		socket:  filepath.Join(h.sockets, ".s.PGSQL.5432"),
		logFile: h.path("postgres.log"),
		ping:    func(ctx context.Context) error { return pingPostgres(ctx, h.sockets, data) },
		// Fast; immediate (it will recover); and what nobody survives.
		stop: []stopStep{{syscall.SIGINT, 30 * time.Second}, {syscall.SIGQUIT, 5 * time.Second}, {syscall.SIGKILL, 5 * time.Second}},
		user: h.user,
		log:  o.Log,
	}
	if o.dieWithUs {
		e.deathSignal = syscall.SIGQUIT // unlike SIGKILL it leaves no shared memory behind
	}
	return e, nil
}

// dataMajor is the version that made the data, 0 if there are none.
func dataMajor(data string) (int, error) {
	content, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if major := digits(string(content)); major > 0 {
		return major, nil
	}
	return 0, fmt.Errorf("%s/PG_VERSION says %q", data, content)
}

// initdb makes the data aside and renames them, so that an interrupted one
// leaves nothing that looks finished.
func initdb(ctx context.Context, h home, binaries postgresBinaries, data string, o Options) error {
	var said []byte
	var err error
	for _, locale := range []string{"C.UTF-8", "C"} { // not every system has the first
		unfinished := data + ".new"
		if err := os.RemoveAll(unfinished); err != nil {
			return err
		}
		if err := h.mkdir(unfinished); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, binaries.initdb, "--pgdata", unfinished, "--username=ropeline",
			"--auth=trust", "--encoding=UTF8", "--locale="+locale)
		if !o.Durable {
			cmd.Args = append(cmd.Args, "--no-sync")
		}
		cmd.Dir, cmd.Env = "/", engineEnv()
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: h.user.credential()}
		if said, err = cmd.CombinedOutput(); err == nil {
			return os.Rename(unfinished, data)
		}
	}
	return fmt.Errorf("initdb: %w\n%s", err, strings.TrimSpace(string(said)))
}

func postgresURL(sockets, database string) string {
	// The port is named because a PGPORT of the caller would change the socket's name.
	query := url.Values{"host": {sockets}, "port": {"5432"}}
	return "postgres://ropeline@/" + url.PathEscape(database) + "?" + query.Encode()
}

func pingPostgres(ctx context.Context, sockets, data string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, postgresURL(sockets, "postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var served string
	if err := conn.QueryRow(ctx, "SHOW data_directory").Scan(&served); err != nil {
		return err
	}
	if served != data {
		return fmt.Errorf("the socket belongs to the data in %s", served)
	}
	return nil
}

func createDatabase(ctx context.Context, sockets, name string) error {
	conn, err := pgx.Connect(ctx, postgresURL(sockets, "postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var found bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&found); err != nil || found {
		return err
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	return err
}
