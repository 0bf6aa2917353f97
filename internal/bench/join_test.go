package bench

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ropeline/ropeline"
)

// joinScript is the least that a line over Redis can do for one fan.
const joinScript = `
local number = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not number then
  number = redis.call('INCR', KEYS[2])
  redis.call('ZADD', KEYS[1], number, ARGV[1])
end
return tonumber(number)`

// BenchmarkJoin compares joining the line over HTTP at 64 connections, each
// join by a new fan, with a bare net/http handler and with net/http and one
// EVALSHA per request, by the clock and by the processor time that they take.
func BenchmarkJoin(b *testing.B) {
	const connections, n = 64, 20_000
	h := openHouse(b)
	bare := serve(b, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"number":1}`)
	})
	client, script := h.redis(b), redis.NewScript(joinScript)
	evalsha := serve(b, func(w http.ResponseWriter, r *http.Request) {
		fan := ropeline.NewID[ropeline.FanID]()
		number, err := script.EvalSha(r.Context(), client, []string{"{ref}:line", "{ref}:next"}, string(fan)).Int64()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"number":%d}`, number)
	})
	if err := script.Load(b.Context(), client).Err(); err != nil {
		b.Fatal(err)
	}
	event := h.event(b, 1)
	request := post("/events/"+string(event.ID)+"/queue", h.address)

	figures := rounds{}
	micros := func(d time.Duration) float64 { return float64(d.Microseconds()) / n }
	for b.Loop() {
		bareBegin := spent(b, client)
		bareRate, _ := load(b, bare, connections, n, http.StatusOK, same(request))
		begin, redisBegin := spent(b, client), redisCPU(b, client)
		scriptRate, _ := load(b, evalsha, connections, n, http.StatusOK, same(request))
		middle, redisMiddle := spent(b, client), redisCPU(b, client)
		rate, p99 := load(b, h.address, connections, n, http.StatusCreated, same(request))
		end, redisEnd := spent(b, client), redisCPU(b, client)
		figures.add("cpu-us/bare", micros(begin-bareBegin))
		figures.add("redis-us/evalsha", micros(redisMiddle-redisBegin))
		figures.add("redis-us/join", micros(redisEnd-redisMiddle))
		figures.add("cpu-us/join", micros(end-middle))
		figures.add("cpu-us/evalsha", micros(middle-begin))
		figures.add("x-evalsha-cpu", float64(middle-begin)/float64(end-middle))
		figures.add("joins/s", rate)
		figures.add("p99-ms", float64(p99.Microseconds())/1000)
		figures.add("bare/s", bareRate)
		figures.add("evalsha/s", scriptRate)
		figures.add("x-evalsha", rate/scriptRate)
		figures.add("x-bare", rate/bareRate)
	}
	figures.report(b)
}

// BenchmarkPoll compares asking for a position with 100,000 fans in line at
// 128 connections with a bare net/http handler. It fails when Redis hears of
// the polls.
func BenchmarkPoll(b *testing.B) {
	const connections, n, waiting, fans = 128, 40_000, 100_000, 1000
	h := openHouse(b)
	event := h.event(b, 1)
	path := "/events/" + string(event.ID) + "/queue"
	load(b, h.address, 64, waiting-fans, http.StatusCreated, same(post(path, h.address)))
	polls := make([][]byte, fans) // nobody asks so often alone
	for i := range polls {
		fan, token := h.Fans.Mint()
		place, err := h.Line.Join(b.Context(), event.ID, fan, nil)
		if err != nil {
			b.Fatal(err)
		}
		polls[i] = []byte("GET " + path + " HTTP/1.1\r\nHost: " + h.address + "\r\nAuthorization: Bearer " + token +
			"\r\nRopeline-Place: " + h.Line.Token(place) + "\r\n\r\n")
	}
	request := func(i int) []byte { return polls[i%fans] }
	bare := serve(b, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"number":1}`)
	})
	client := h.redis(b)
	figures := rounds{}
	for b.Loop() {
		begin := spent(b, client)
		bareRate, _ := load(b, bare, connections, n, http.StatusOK, request)
		middle, before := spent(b, client), commands(b, client)
		rate, p99 := load(b, h.address, connections, n, http.StatusOK, request)
		end := spent(b, client)
		figures.add("cpu-us/bare", float64((middle-begin).Microseconds())/n)
		figures.add("cpu-us/poll", float64((end-middle).Microseconds())/n)
		figures.add("x-bare-cpu", float64(middle-begin)/float64(end-middle))
		// What the node asks anyway, for the event and each tick, which counts every command of a script.
		heard := commands(b, client) - before
		if heard > n/20 {
			b.Errorf("Redis served %d commands during %d polls", heard, n)
		}
		figures.add("redis-commands/poll", float64(heard)/n)
		figures.add("polls/s", rate)
		figures.add("p99-ms", float64(p99.Microseconds())/1000)
		figures.add("bare/s", bareRate)
		figures.add("x-bare", rate/bareRate)
	}
	figures.report(b)
}

func same(request []byte) func(int) []byte { return func(int) []byte { return request } }

// post is a request without a body.
func post(path, host string) []byte {
	return []byte("POST " + path + " HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 0\r\n\r\n")
}

// postJSON is a request with headers, each ended by \r\n, and a JSON body.
func postJSON(path, host, headers, body string) []byte {
	return []byte("POST " + path + " HTTP/1.1\r\nHost: " + host + "\r\nContent-Type: application/json\r\n" + headers +
		"Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
}
