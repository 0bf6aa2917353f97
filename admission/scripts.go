package admission

import (
	"embed"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/ropeline/ropeline/internal/redisdb"
)

//go:embed lua/*.lua
var luaFiles embed.FS

type scripts struct {
	tick, rules, stop, enter, done, stock, applied *redis.Script
}

func loadScripts(r *redisdb.Clients) scripts {
	load := func(names ...string) *redis.Script {
		var source strings.Builder
		for _, name := range names {
			part, err := luaFiles.ReadFile("lua/" + name + ".lua")
			if err != nil {
				panic(err) // the file is part of the binary
			}
			source.Write(part)
		}
		script := redis.NewScript(source.String())
		r.Name(script.Hash(), "admission."+names[len(names)-1])
		return script
	}
	return scripts{
		tick:  load("bucket", "tick"),
		rules: load("bucket", "rules"),
		stop:  load("bucket", "stop"),
		enter: load("enter"),
		done:  load("done"),
		stock: load("stock"),

		applied: load("applied"),
	}
}
