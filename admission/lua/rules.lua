-- Purpose: put newer rules in force; what flowed into the bucket until now did so by the old ones.
-- KEYS: 1 rules, 2 state
-- ARGV: 1 now in microseconds ('' → TIME), 2 version, 3 rate, 4 burst, 5 max shoppers, 6 batch,
--       7 paused (0/1), 8 stock gate (0/1), 9 show-up ms, 10 shop ms, 11 schedule, 12 compensation in percent
-- Returns: 1 when the rules are in force now, 0 when the same or newer ones were already
-- Cost: O(1)
-- Operation: idempotent by the version
local version = redis.call('HGET', KEYS[1], 'version')
if version and tonumber(version) >= tonumber(ARGV[2]) then
  return 0
end
local state = redis.call('HMGET', KEYS[2], 'tokens', 'at', 'epoch', 'left', 'ceiling')
if version and state[1] then
  local now = tonumber(ARGV[1])
  if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000000 + time[2]
  end
  local old = redis.call('HMGET', KEYS[1], 'rate', 'burst', 'paused', 'schedule', 'compensate', 'stopped')
  if old[6] then
    old[3] = '1'
  end
  local tokens, ceiling, at = refill(state, old, now)
  local full = tonumber(ARGV[4]) * UNIT
  redis.call('HSET', KEYS[2], 'tokens', math.min(tokens, full), 'ceiling', math.min(ceiling, full), 'at', at)
end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'rate', ARGV[3], 'burst', ARGV[4], 'max', ARGV[5], 'batch', ARGV[6],
  'paused', ARGV[7], 'gate', ARGV[8], 'show_up', ARGV[9], 'shop', ARGV[10], 'schedule', ARGV[11], 'compensate', ARGV[12])
redis.call('HDEL', KEYS[1], 'stopped')
return 1
