-- Purpose: tell the stock gate what is left, and which shoppers have a reservation.
-- KEYS: 1 state, 2 shoppers, 3 holding
-- ARGV: 1 tickets left, 2 version of that number
--       3 fans who got a reservation, 4 fans who lost theirs: ids of 26 bytes, one after the other
-- Returns: 1 when left was taken, 0 when a newer version is known
-- Cost: O(n) for n fans (≤ 512 and ≤ 512)
-- Operation: left is idempotent by its version; the fans are set members, so repeating changes nothing
for i = 1, #ARGV[3], 26 do
  local fan = string.sub(ARGV[3], i, i + 25)
  if redis.call('HEXISTS', KEYS[2], fan) == 1 then
    redis.call('SADD', KEYS[3], fan)
  end
end
for i = 1, #ARGV[4], 26 do
  redis.call('SREM', KEYS[3], string.sub(ARGV[4], i, i + 25))
end
local known = redis.call('HGET', KEYS[1], 'stock_version')
if known and tonumber(known) > tonumber(ARGV[2]) then
  return 0
end
redis.call('HSET', KEYS[1], 'left', ARGV[1], 'stock_version', ARGV[2])
return 1
