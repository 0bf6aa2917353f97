-- Purpose: puts up to 256 letters into an event's mailbox, and says whether a
--   clerk must be woken.
-- KEYS: 1 letters (list), 2 bodies (hash), 3 generation, 4 lease, 5 wake
-- ARGV: 1 most letters waiting, 2 milliseconds a wake-up may be under way,
--   3 bytes of a body that say whether two are the same request, then id and
--   body of each letter in turn. No letters: only asks for the wake-up.
-- Returns: {generation to wake a clerk with or 0, code of each letter…}
--   codes: 1 put in, 2 was waiting already, 3 waiting with another body, 4 full
-- Cost: O(letters given)
-- Operation id: the letters' own ids. A letter that is waiting is not put in
--   again; one that was decided in the meantime may be, and the clerk answers
--   it with what is stored.
local limit, pending, same = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local waiting = redis.call('LLEN', KEYS[1])
local answer = {0}
for i = 4, #ARGV, 2 do
  local id, body = ARGV[i], ARGV[i + 1]
  local there = redis.call('HGET', KEYS[2], id)
  local code
  if there then
    code = string.sub(there, 1, same) == string.sub(body, 1, same) and 2 or 3
  elseif waiting >= limit then
    code = 4
  else
    redis.call('HSET', KEYS[2], id, body)
    redis.call('RPUSH', KEYS[1], id)
    waiting = waiting + 1
    code = 1
  end
  answer[#answer + 1] = code
end
if waiting > 0 and redis.call('EXISTS', KEYS[4]) == 0 and redis.call('SET', KEYS[5], '1', 'NX', 'PX', pending) then
  -- From the clock, so that a generation never comes twice even when this
  -- Redis has forgotten: asynq refuses a task id that it has seen.
  local time = redis.call('TIME')
  local generation = math.max(tonumber(redis.call('GET', KEYS[3]) or '0') + 1, tonumber(time[1]) * 1000000 + tonumber(time[2]))
  answer[1] = string.format('%.0f', generation)
  redis.call('SET', KEYS[3], answer[1])
end
return answer
