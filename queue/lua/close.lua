-- Purpose: close the lobby of an event: from now on nobody comes into it or goes out.
-- KEYS: 1 meta, 2 lobby
-- ARGV: none
-- Returns: {epoch, fans, wait}: wait > 0 tells in milliseconds how long the lobby stays open because it
--       was lost and its fans are on their way back; {0, 0, 0} when the line must be restored;
--       {epoch, -1, 0} when the line has no lobby (any more)
-- Cost: O(1)
-- Operation: idempotent: closed is closed
local life = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local meta = redis.call('HMGET', KEYS[1], 'life', 'epoch', 'lobby', 'returning')
if meta[1] ~= life then
  return {0, 0, 0}
end
local epoch = tonumber(meta[2])
if not meta[3] then
  return {epoch, -1, 0}
end
local time = redis.call('TIME')
local wait = (tonumber(meta[4]) or 0) - (time[1] * 1000000 + time[2])
if meta[3] == 'open' and wait > 0 then
  return {epoch, redis.call('SCARD', KEYS[2]), math.ceil(wait / 1000)}
end
redis.call('HSET', KEYS[1], 'lobby', 'closed')
return {epoch, redis.call('SCARD', KEYS[2]), 0}
