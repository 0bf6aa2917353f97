package engines

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ErrMissing is what errors.Is finds in the error of a start on a machine
// without the engines' binaries. The error's text is one line that says what
// to install.
var ErrMissing = errors.New("engine not installed")

type missingError struct{ text string }

func (e missingError) Error() string        { return e.text }
func (e missingError) Is(target error) bool { return target == ErrMissing }

func missing(what string) error {
	return missingError{what + " was not found: apt-get install postgresql redis-server (macOS: brew install postgresql redis), or set DATABASE_URL and REDIS_URL"}
}

// beyondPath is where distributions keep servers that are not on the PATH.
var beyondPath = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/opt/homebrew/opt/postgresql*/bin",
	"/opt/homebrew/bin",
	"/usr/local/opt/postgresql*/bin",
	"/usr/local/pgsql/bin",
	"/usr/local/bin",
	"/usr/local/sbin",
	"/usr/bin",
	"/usr/sbin",
}

// binDirs lists the directories to look in: the PATH, then the well-known
// ones, newest version first.
func binDirs() []string {
	dirs := filepath.SplitList(os.Getenv("PATH"))
	for _, pattern := range beyondPath {
		found, _ := filepath.Glob(pattern)
		slices.SortFunc(found, func(a, b string) int { return cmp.Compare(digits(b), digits(a)) })
		dirs = append(dirs, found...)
	}
	return dirs
}

var number = regexp.MustCompile(`\d+`)

func digits(path string) int {
	n, _ := strconv.Atoi(number.FindString(path))
	return n
}

// postgresBinaries are the programs of one installed version.
type postgresBinaries struct {
	postgres, initdb string
	major            int
}

// findPostgres returns the first installed version, or the one of the given
// major version where data demand it (0: any).
func findPostgres(ctx context.Context, major int) (postgresBinaries, error) {
	var others []string
	seen := map[string]bool{}
	for _, dir := range binDirs() {
		server, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
		if err != nil || seen[server] || !executable(server) {
			continue
		}
		seen[server] = true
		found := postgresBinaries{postgres: server, initdb: filepath.Join(filepath.Dir(server), "initdb")}
		if !executable(found.initdb) {
			continue
		}
		if found.major, err = postgresMajor(ctx, server); err != nil {
			return found, err
		}
		if major == 0 || major == found.major {
			return found, nil
		}
		others = append(others, strconv.Itoa(found.major))
	}
	if len(others) > 0 {
		return postgresBinaries{}, fmt.Errorf("the data were made by PostgreSQL %d, but this machine has PostgreSQL %s: install postgresql-%d, or move the data with pg_upgrade", major, strings.Join(others, " and "), major)
	}
	return postgresBinaries{}, missing("PostgreSQL")
}

func postgresMajor(ctx context.Context, server string) (int, error) {
	cmd := exec.CommandContext(ctx, server, "--version")
	cmd.Dir = "/"
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("%s --version: %w", server, err)
	}
	// "postgres (PostgreSQL) 15.4 (Debian …)", "… 17beta1"
	_, version, _ := strings.Cut(string(out), ") ")
	if major := digits(version); major > 0 {
		return major, nil
	}
	return 0, fmt.Errorf("%s --version says %q", server, out)
}

func findRedis() (string, error) {
	for _, dir := range binDirs() {
		for _, name := range []string{"redis-server", "valkey-server"} {
			if path := filepath.Join(dir, name); filepath.IsAbs(path) && executable(path) {
				return path, nil
			}
		}
	}
	return "", missing("Redis")
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
