-- Purpose: ends a clerk's service: only if the mailbox is still empty, or in
--   any case when the clerk must go; then it says whether another one is needed.
-- KEYS: 1 letters (list), 2 generation, 3 lease, 4 wake
-- ARGV: 1 token of the clerk, 2 '1' to go in any case, 3 milliseconds a
--   wake-up may be under way
-- Returns: {1 closed or 0 letters have come, generation to wake another clerk
--   with or 0}. A token that does not hold the lease is closed already.
-- Cost: O(1)
-- Operation id: the token; once closed it holds no lease, and the same call
--   again changes nothing.
if redis.call('GET', KEYS[3]) ~= ARGV[1] then
  return {1, 0}
end
local waiting = redis.call('LLEN', KEYS[1])
if waiting > 0 and ARGV[2] ~= '1' then
  return {0, 0}
end
redis.call('DEL', KEYS[3])
if waiting == 0 then
  return {1, 0}
end
local time = redis.call('TIME')
local generation = math.max(tonumber(redis.call('GET', KEYS[2]) or '0') + 1, tonumber(time[1]) * 1000000 + tonumber(time[2]))
generation = string.format('%.0f', generation)
redis.call('SET', KEYS[2], generation)
redis.call('SET', KEYS[4], '1', 'PX', ARGV[3])
return {1, generation}
