package admission

import (
	"embed"
	"strings"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/*.lua
var luaFiles embed.FS

type scripts struct {
	tick, rules, stop, enter, done, stock *redis.Script
}

func loadScripts() scripts {
	load := func(names ...string) *redis.Script {
		var source strings.Builder
		for _, name := range names {
			part, err := luaFiles.ReadFile("lua/" + name + ".lua")
			if err != nil {
				panic(err) // the file is part of the binary
			}
			source.Write(part)
		}
		return redis.NewScript(source.String())
	}
	return scripts{
		tick:  load("bucket", "tick"),
		rules: load("bucket", "rules"),
		stop:  load("bucket", "stop"),
		enter: load("enter"),
		done:  load("done"),
		stock: load("stock"),
	}
}
