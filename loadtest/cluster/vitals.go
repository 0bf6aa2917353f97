package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// Vitals are what must stay flat over a long run.
type Vitals struct {
	At         float64          `json:"at"`         // seconds since the run began
	RSS        map[string]int64 `json:"rss"`        // bytes, by process
	Files      map[string]int64 `json:"files"`      // open files, by process
	Goroutines map[string]int64 `json:"goroutines"` // by node
	Keys       int64            `json:"keys"`       // in Redis
	Lasting    int64            `json:"lasting"`    // of them those without an end
}

// Vitals looks at every process once. What cannot be seen, as on systems
// without /proc, is left out.
func (c *Cluster) Vitals(ctx context.Context) Vitals {
	v := Vitals{RSS: make(map[string]int64), Files: make(map[string]int64), Goroutines: make(map[string]int64)}
	for name, pid := range c.Processes() {
		if raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid)); err == nil {
			if fields := strings.Fields(string(raw)); len(fields) > 1 {
				pages, _ := strconv.ParseInt(fields[1], 10, 64)
				v.RSS[name] = pages * int64(os.Getpagesize())
			}
		}
		if files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid)); err == nil {
			v.Files[name] = int64(len(files))
		}
	}
	for i, node := range c.nodes {
		if n, err := goroutines(ctx, node); err == nil {
			v.Goroutines[fmt.Sprintf("web-%d", i+1)] = n
		}
	}
	if all, ending, err := redisKeys(c.keeper.Redis); err == nil {
		v.Keys, v.Lasting = all, all-ending
	}
	return v
}

// goroutines reads a node's own count from its metrics.
func goroutines(ctx context.Context, node string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, node+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			return strconv.ParseInt(value, 10, 64)
		}
	}
	return 0, fmt.Errorf("%s tells no goroutines", node)
}

// redisKeys asks Redis how many keys it has, and how many of them end by
// themselves.
func redisKeys(redisURL string) (all, ending int64, err error) {
	u, err := url.Parse(redisURL)
	if err != nil {
		return 0, 0, err
	}
	conn, err := net.DialTimeout("unix", u.Path, 2*time.Second)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := conn.Write([]byte("INFO keyspace\r\n")); err != nil {
		return 0, 0, err
	}
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if spaces, ok := strings.CutPrefix(lines.Text(), "db0:"); ok {
			_, err := fmt.Sscanf(spaces, "keys=%d,expires=%d,", &all, &ending)
			return all, ending, err
		}
	}
	return 0, 0, errors.New("no keys were told of")
}
