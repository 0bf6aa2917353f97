package engines

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// shelter holds the homes of data directories that the engines' user cannot
// reach, such as those below /root.
var shelter = "/var/lib/ropeline-engines"

// home is the directory that holds everything of one pair of engines.
type home struct {
	dir     string
	sockets string // a directory with a short path, see openSockets
	user    *user  // nil: the engines run as ourselves
}

func openHome(dataDir string) (home, error) {
	if dataDir == "" {
		return home{}, errors.New("no data directory given")
	}
	dataDir, err := filepath.Abs(dataDir)
	if err != nil {
		return home{}, err
	}
	if err := os.MkdirAll(dataDir, 0o711); err != nil {
		return home{}, fmt.Errorf("data directory: %w", err)
	}
	dir, err := realDir(filepath.Join(dataDir, "engines"))
	if err != nil {
		return home{}, fmt.Errorf("data directory: %w", err)
	}
	user, err := engineUser(dir)
	if err != nil {
		return home{}, err
	}
	if !user.reaches(dir) {
		if dir, err = moveToShelter(dataDir); err != nil {
			return home{}, fmt.Errorf("data directory %s is closed to the user %s, and elsewhere: %w", dataDir, user.name, err)
		}
	}
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return home{}, fmt.Errorf("data directory: %w", err)
	}
	return home{dir: dir, user: user}, nil
}

// realDir resolves links in a path whose last part need not exist yet.
func realDir(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		parent, err := filepath.EvalSymlinks(filepath.Dir(path))
		return filepath.Join(parent, filepath.Base(path)), err
	}
	return real, err
}

// moveToShelter gives a closed data directory a home outside of it and leaves
// a link, so that a person finds the data and a renamed directory keeps them.
func moveToShelter(dataDir string) (string, error) {
	sum := sha256.Sum256([]byte(dataDir))
	dir := filepath.Join(shelter, hex.EncodeToString(sum[:])[:16])
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return "", err
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", err
	}
	link := filepath.Join(dataDir, "engines")
	if err := os.Symlink(dir, link); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return dir, nil
}

func (h home) path(name string) string { return filepath.Join(h.dir, name) }

// gate is held while the engines are started or stopped.
func (h home) gate(ctx context.Context) (*lock, error) {
	gate, err := openLock(h.path("gate.lock"))
	if err != nil {
		return nil, err
	}
	if err := gate.alone(ctx); err != nil {
		gate.release()
		return nil, err
	}
	return gate, nil
}

// join takes a share in the engines and tells whether we are the only user.
// It needs the gate.
func (h home) join() (users *lock, alone bool, err error) {
	if users, err = openLock(h.path("users.lock")); err != nil {
		return nil, false, err
	}
	alone = users.tryAlone()
	if err := users.share(); err != nil {
		users.release()
		return nil, false, err
	}
	return users, alone, nil
}

// mkdir makes a private directory of the engines' user.
func (h home) mkdir(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return h.user.own(path)
}

// openSockets finds the directory of the sockets, or makes one. It is outside
// the home because a socket's path is limited to about 100 bytes. It needs the gate.
func (h *home) openSockets() error {
	if known, err := os.ReadFile(h.path("sockets")); err == nil {
		dir := strings.TrimSpace(string(known))
		if info, err := os.Lstat(dir); err == nil && info.IsDir() && info.Mode().Perm() == 0o700 && h.user.owns(info) {
			h.sockets = dir
			return nil
		}
	}
	dir, err := shortTempDir("rl-")
	if err != nil {
		return fmt.Errorf("no place for sockets: %w", err)
	}
	if err := h.user.own(dir); err != nil {
		return err
	}
	h.sockets = dir
	return writeFile(h.path("sockets"), dir+"\n")
}

func (h home) closeSockets() error {
	if h.sockets == "" {
		return nil
	}
	if err := os.RemoveAll(h.sockets); err != nil {
		return err
	}
	if err := os.Remove(h.path("sockets")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// shortTempDir prefers /tmp: $TMPDIR may be long or closed to others.
func shortTempDir(prefix string) (string, error) {
	var errs []error
	for _, parent := range []string{"/tmp", "/var/tmp", os.TempDir()} {
		dir, err := os.MkdirTemp(parent, prefix)
		if err == nil {
			return dir, nil
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

// writeFile replaces a file at once, readable by the engines' user.
func writeFile(path, content string) error {
	temp, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	_, err = temp.WriteString(content)
	err = errors.Join(err, temp.Chmod(0o644), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		os.Remove(temp.Name())
	}
	return err
}

// openLog opens a log for appending and sets a large one aside.
func openLog(path string) (*os.File, error) {
	const large = 16 << 20
	if info, err := os.Lstat(path); err == nil && info.Size() > large {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW, 0o644)
}
