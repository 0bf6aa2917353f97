package bench

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// spent is the processor time that this process, which is the program and its
// references, and Redis have used so far. On a machine that others use too it tells more than a clock.
func spent(b *testing.B, client *redis.Client) time.Duration {
	b.Helper()
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		b.Fatal(err)
	}
	return time.Duration(own.Utime.Nano()+own.Stime.Nano()) + redisCPU(b, client)
}

// postgresCPU is the processor time of the Postgres server with all its
// processes that are there; those of connections stay for a benchmark's time.
func (h *house) postgresCPU(b *testing.B) (sum time.Duration) {
	b.Helper()
	var dir string
	if err := h.Pool().QueryRow(b.Context(), "show data_directory").Scan(&dir); err != nil {
		b.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "postmaster.pid"))
	if err != nil {
		b.Fatal(err)
	}
	server, _, _ := strings.Cut(string(text), "\n")
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		b.Fatal(err)
	}
	const tick = 10 * time.Millisecond // Linux' USER_HZ is 100 everywhere
	for _, name := range all {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended meanwhile
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest) // from the third on, see proc(5)
		if fields[1] != server && !strings.HasPrefix(string(text), server+" ") {
			continue
		}
		for _, spent := range fields[11:13] {
			ticks, err := strconv.Atoi(spent)
			if err != nil {
				b.Fatal(err)
			}
			sum += time.Duration(ticks) * tick
		}
	}
	return sum
}

// processes is the processor time, so far, of everybody whom a purchase keeps
// busy.
type processes struct{ program, postgres, redis, load time.Duration }

func (h *house) processes(b *testing.B, client *redis.Client) processes {
	b.Helper()
	var own, children syscall.Rusage
	if err := errors.Join(syscall.Getrusage(syscall.RUSAGE_SELF, &own), syscall.Getrusage(syscall.RUSAGE_CHILDREN, &children)); err != nil {
		b.Fatal(err)
	}
	return processes{
		program: time.Duration(own.Utime.Nano() + own.Stime.Nano()), postgres: h.postgresCPU(b), redis: redisCPU(b, client),
		load: time.Duration(children.Utime.Nano() + children.Stime.Nano()),
	}
}

// redisCPU is the processor time of the Redis process.
func redisCPU(b *testing.B, client *redis.Client) (sum time.Duration) {
	b.Helper()
	info, err := client.Info(b.Context(), "cpu").Result()
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_sys" || name == "used_cpu_user" {
			seconds, err := strconv.ParseFloat(value, 64)
			if err != nil {
				b.Fatal(err)
			}
			sum += time.Duration(seconds * float64(time.Second))
		}
	}
	return sum
}

// commands is how many commands Redis has served so far.
func commands(b *testing.B, client *redis.Client) (sum int64) {
	b.Helper()
	info, err := client.Info(b.Context(), "commandstats").Result()
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(info) {
		_, after, found := strings.Cut(line, ":calls=")
		if !found {
			continue
		}
		calls, _, _ := strings.Cut(after, ",")
		n, err := strconv.ParseInt(calls, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += n
	}
	return sum
}

// since is what each has used from before to now, for one of n things done.
func (p processes) since(before processes, n int) processes {
	each := func(now, then time.Duration) time.Duration { return (now - then) / time.Duration(n) }
	return processes{
		program: each(p.program, before.program), postgres: each(p.postgres, before.postgres),
		redis: each(p.redis, before.redis), load: each(p.load, before.load),
	}
}

// addProcesses adds the microseconds of each process.
func (r rounds) addProcesses(prefix string, p processes, suffix string) {
	for name, spent := range map[string]time.Duration{"program": p.program, "postgres": p.postgres, "redis": p.redis, "load": p.load} {
		r.add(prefix+name+suffix, float64(spent)/float64(time.Microsecond))
	}
}
