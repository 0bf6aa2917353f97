-- Purpose: stop admissions at once, before new rules say so: the emergency stop.
-- KEYS: 1 rules, 2 state
-- ARGV: 1 now in microseconds ('' → TIME)
-- Returns: 1 when nobody is admitted from now on, 0 when there are no rules in Redis
-- Cost: O(1)
-- Operation: idempotent: stopped is stopped, until newer rules are put in force
local rules = redis.call('HMGET', KEYS[1], 'rate', 'burst', 'paused', 'schedule', 'compensate', 'stopped')
if not rules[1] then
  return 0
end
local state = redis.call('HMGET', KEYS[2], 'tokens', 'at', 'epoch', 'left', 'ceiling')
if state[1] and not rules[6] then
  local now = tonumber(ARGV[1])
  if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000000 + time[2]
  end
  local tokens, ceiling, at = refill(state, rules, now)
  redis.call('HSET', KEYS[2], 'tokens', tokens, 'ceiling', ceiling, 'at', at)
end
redis.call('HSET', KEYS[1], 'stopped', '1')
return 1
