-- Purpose: take a fan out of the line and tell the feed.
-- KEYS: 1 meta, 2 waiting, 3 gone, 4 feed, 5 operation
-- ARGV: 1 fan, 2 whether an operation is given (1) or not (0)
-- Returns: {epoch, left}: left is 1 when the fan stood in the line and is out now;
--       {0, 0} when the line must be restored
-- Cost: O(log N)
-- Operation: idempotent by the fan: out is out. With an operation id, one minute long, a
--       repeated leave also spares the place of a fan who has joined again since
local life = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local meta = redis.call('HMGET', KEYS[1], 'life', 'epoch')
if meta[1] ~= life then
  return {0, 0}
end
local epoch = tonumber(meta[2])
if ARGV[2] == '1' and not redis.call('SET', KEYS[5], '1', 'NX', 'PX', 60000) then
  return {epoch, 0}
end
local number = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not number then
  return {epoch, 0}
end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('SETBIT', KEYS[3], number, 1)
redis.call('HINCRBY', KEYS[1], 'left', 1)
local seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
local time = redis.call('TIME')
redis.call('XADD', KEYS[4], 'MAXLEN', '~', 100000, meta[2] .. '-' .. seq,
  'kind', 'left', 'at', string.format('%.0f', time[1] * 1000000 + time[2]), 'fans', number .. ':' .. ARGV[1])
return {epoch, 1}
