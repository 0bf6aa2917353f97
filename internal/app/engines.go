package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/ropeline/ropeline/internal/engines"
)

type enginesCommand struct{}

// runEngines runs the private engines alone, for a house of several processes
// on one machine. It prints where they are as a line of JSON, and then obeys
// the lines that come on stdin, answering each with "ok" or what failed:
//
//	restart postgres | restart redis    end it as a crash would, and start it again
//	wipe redis                          the same, and its data are gone
//
// The end of stdin, or of ctx, stops the engines.
func runEngines(ctx context.Context, c Config, stdin io.Reader, stdout io.Writer, log *slog.Logger) (err error) {
	if c.DataDir == "" {
		return errors.New("engines needs --data-dir: a directory of their own")
	}
	pair, err := engines.Start(ctx, engines.Options{DataDir: c.DataDir, Durable: true, Log: log})
	if err != nil {
		return err
	}
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		err = errors.Join(err, pair.Stop(ending))
	}()
	where, err := json.Marshal(map[string]string{"database_url": pair.DatabaseURL(), "redis_url": pair.RedisURL()})
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s\n", where)
	orders := make(chan string)
	go func() {
		defer close(orders)
		for lines := bufio.NewScanner(stdin); lines.Scan(); {
			select {
			case orders <- lines.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case order, more := <-orders:
			if !more {
				return nil
			}
			verb, name, _ := strings.Cut(order, " ")
			answer := "ok"
			if verb != "restart" && verb != "wipe" {
				answer = fmt.Sprintf("%q is no order", order)
			} else if err := pair.Restart(ctx, name, verb == "wipe"); err != nil {
				answer = strings.ReplaceAll(err.Error(), "\n", " ")
			}
			fmt.Fprintln(stdout, answer)
		}
	}
}
