package queue

import (
	"embed"

	"github.com/redis/go-redis/v9"

	"github.com/ropeline/ropeline/internal/redisdb"
)

//go:embed lua/*.lua
var luaFiles embed.FS

type scripts struct {
	join, leave, restore, snapshot *redis.Script
	close, ready, number, drawn    *redis.Script // of the draw
}

func loadScripts(r *redisdb.Clients) scripts {
	load := func(name string) *redis.Script {
		source, err := luaFiles.ReadFile("lua/" + name + ".lua")
		if err != nil {
			panic(err) // the file is part of the binary
		}
		script := redis.NewScript(string(source))
		r.Name(script.Hash(), "queue."+name)
		return script
	}
	return scripts{
		join:     load("join"),
		leave:    load("leave"),
		restore:  load("restore"),
		snapshot: load("snapshot"),
		close:    load("close"),
		ready:    load("ready"),
		number:   load("number"),
		drawn:    load("drawn"),
	}
}
