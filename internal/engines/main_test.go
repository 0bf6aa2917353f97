package engines

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

// TestMain lets the test binary play a second program that uses engines.
func TestMain(m *testing.M) {
	switch os.Getenv("ENGINES_TEST_PROGRAM") {
	case "hold":
		os.Exit(hold(Options{DataDir: os.Getenv("ENGINES_TEST_DATA"), Durable: true}))
	case "test":
		dir, options, err := testHome()
		if err != nil {
			panic(err)
		}
		options.DataDir = dir
		os.Exit(hold(options))
	default:
		Main(m)
	}
}

// hold starts, says where, and stops when its input ends.
func hold(o Options) int {
	e, err := Start(context.Background(), o)
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	fmt.Println(e.DatabaseURL(), e.RedisURL())
	io.Copy(io.Discard, os.Stdin)
	if err := e.Stop(context.Background()); err != nil {
		fmt.Println("error:", err)
		return 1
	}
	return 0
}

// program is another process that uses engines.
type program struct {
	t                     *testing.T
	cmd                   *exec.Cmd
	stdin                 io.Closer
	databaseURL, redisURL string
}

func startProgram(t *testing.T, role, dataDir string, as *user) *program {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if as != nil { // go test's directory is closed to others
		binary = copyBinary(t, binary)
	}
	p := &program{t: t, cmd: exec.Command(binary)}
	p.cmd.Dir = "/"
	p.cmd.Env = append(os.Environ(), "ENGINES_TEST_PROGRAM="+role, "ENGINES_TEST_DATA="+dataDir, "TMPDIR=/tmp")
	p.cmd.Stderr = os.Stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as.credential(), Setpgid: true}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill(); p.cmd.Wait() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || strings.HasPrefix(line, "error:") {
		t.Fatalf("the other program says %q, %v", line, err)
	}
	p.databaseURL, p.redisURL, _ = strings.Cut(strings.TrimSpace(line), " ")
	return p
}

// stop ends the program in order.
func (p *program) stop() {
	p.t.Helper()
	p.stdin.Close()
	if err := p.cmd.Wait(); err != nil {
		p.t.Fatalf("the other program: %v", err)
	}
}

// kill ends it by kill -9.
func (p *program) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	p.cmd.Wait()
}

func copyBinary(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(OpenTempDir(t), "program")
	content, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, content, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// start starts durable engines, as the program does.
func start(t *testing.T, dataDir string) *Engines {
	t.Helper()
	e, err := Start(t.Context(), Options{DataDir: dataDir, Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, e) })
	return e
}

func stop(t *testing.T, e *Engines) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := e.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// remember stores a word in both engines, recall finds it.
func remember(t *testing.T, e *Engines, word string) {
	t.Helper()
	query(t, e.DatabaseURL(), "CREATE TABLE IF NOT EXISTS words (word text)")
	query(t, e.DatabaseURL(), "INSERT INTO words VALUES ('"+word+"')")
	if err := openRedis(t, e.RedisURL()).Set(t.Context(), word, word, 0).Err(); err != nil {
		t.Fatal(err)
	}
}

func recall(t *testing.T, e *Engines, word string) {
	t.Helper()
	if n := query(t, e.DatabaseURL(), "SELECT count(*)::text FROM words WHERE word = '"+word+"'"); n != "1" {
		t.Errorf("Postgres has %q %s times", word, n)
	}
	if got, err := openRedis(t, e.RedisURL()).Get(t.Context(), word).Result(); got != word {
		t.Errorf("Redis has %q for %q: %v", got, word, err)
	}
}

// query returns the first column of the first row, as text.
func query(t testing.TB, address, sql string) (first string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if rows.Next() {
		if err := rows.Scan(&first); err != nil {
			t.Fatal(err)
		}
	}
	if rows.Close(); rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	return first
}

func openRedis(t testing.TB, address string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(address)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { client.Close() })
	return client
}

// eventually polls for a minute.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := poll(ctx, func() (bool, error) { return done(), nil }); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func gone(path string) bool {
	_, err := os.Lstat(path)
	return os.IsNotExist(err)
}
