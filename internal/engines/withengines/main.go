// Command withengines runs a command beside a temporary pair of PostgreSQL and
// Redis: withengines go test ./...
package main

import (
	"os"

	"github.com/ropeline/ropeline/internal/engines"
)

func main() { os.Exit(engines.RunWith(os.Args[1:])) }
