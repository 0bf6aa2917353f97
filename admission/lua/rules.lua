-- Purpose: put newer rules in force; what flowed into the bucket until now did so by the old ones.
-- KEYS: 1 rules, 2 state
-- ARGV: 1 now in microseconds ('' → TIME), 2 version, 3 rate, 4 burst, 5 max shoppers, 6 batch,
--       7 paused (0/1), 8 stock gate (0/1), 9 show-up ms, 10 shop ms
-- Returns: 1 when the rules are in force now, 0 when the same or newer ones were already
-- Cost: O(1)
-- Operation: idempotent by the version
local old = redis.call('HMGET', KEYS[1], 'version', 'rate', 'burst', 'paused')
if old[1] and tonumber(old[1]) >= tonumber(ARGV[2]) then
  return 0
end
local bucket = redis.call('HMGET', KEYS[2], 'tokens', 'at')
if old[1] and bucket[1] then
  local now = tonumber(ARGV[1])
  if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000000 + time[2]
  end
  local tokens, at = refill(tonumber(bucket[1]), tonumber(bucket[2]), now, tonumber(old[2]), tonumber(old[3]) * UNIT, old[4] == '1')
  tokens = math.min(tokens, tonumber(ARGV[4]) * UNIT)
  redis.call('HSET', KEYS[2], 'tokens', tokens, 'at', at)
end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'rate', ARGV[3], 'burst', ARGV[4], 'max', ARGV[5], 'batch', ARGV[6],
  'paused', ARGV[7], 'gate', ARGV[8], 'show_up', ARGV[9], 'shop', ARGV[10])
return 1
